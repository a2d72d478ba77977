"""Surge: AKS' own examples, and what holds for every number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slash24.plan.surge import share_of, surge_nodes


@pytest.mark.parametrize(
    ("text", "nodes", "surge"),
    [("50%", 4, 2), ("5", 10, 5), ("33%", 10, 4), ("100%", 3, 3), ("10%", 2, 1), ("", 10, 1), ("9", 2, 2), ("0", 5, 0)],
)
def test_a_percentage_is_rounded_up_and_never_more_than_all(text: str, nodes: int, surge: int) -> None:
    assert surge_nodes(text, nodes) == surge


@given(percent=st.integers(1, 100), nodes=st.integers(1, 1000))
def test_a_share_of_some_nodes_is_one_at_least_and_all_at_most(percent: int, nodes: int) -> None:
    assert 1 <= share_of(f"{percent}%", nodes) <= nodes


@pytest.mark.parametrize("text", ["-1", "many", "3.5", "%", "5 %"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number nor a percentage"):
        share_of(text, 3)
