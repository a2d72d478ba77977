"""The autoscaler's profile, from az's words and back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slash24.core.autoscaling import PROFILE_KEYS, AutoscalerProfile, read_profile, write_profile


def test_a_lab_scans_each_second_and_needs_a_node_no_more_after_ten() -> None:
    shown = write_profile(read_profile({}))
    assert (shown["scan-interval"], shown["scale-down-unneeded-time"]) == ("1s", "10s")
    assert tuple(shown) == PROFILE_KEYS
    assert len(PROFILE_KEYS) == 20  # as many as az has


@given(
    unneeded=st.integers(0, 10**6).map(lambda ms: timedelta(milliseconds=ms)),
    share=st.integers(0, 100).map(lambda percent: percent / 100),
    skip=st.booleans(),
)
def test_what_is_written_reads_the_same(unneeded: timedelta, share: float, skip: bool) -> None:
    profile = AutoscalerProfile(
        scale_down_unneeded_time=unneeded, scale_down_utilization_threshold=share, skip_nodes_with_local_storage=skip
    )
    assert read_profile(write_profile(profile)) == profile


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("scan-intervall", "10s", "scan-intervall is no setting"),
        ("scan-interval", "soon", "'soon' is not a duration"),
        ("scan-interval", "0s", "more than 0"),
        ("scale-down-unneeded-time", "-5m", "is not a duration"),
        ("max-empty-bulk-delete", "many", "'many' is not a number"),
        ("max-empty-bulk-delete", "-1", "less than 0"),
        ("scale-down-utilization-threshold", "50", "a share, 0 to 1"),
        ("skip-nodes-with-system-pods", "maybe", "neither true nor false"),
        ("expander", "cheapest", "is not one of least-waste, most-pods, priority, random"),
    ],
)
def test_a_setting_that_is_none_is_named(key: str, value: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        read_profile({key: value})
    assert told in str(caught.value)
