"""The save file: what is left out, and what is refused with its line."""

import copy
from typing import Any

import pytest

from slash24.lab.savefile import SaveFileError, Tree, minimal, read, render

TREES: dict[str, Tree] = {
    "clusters": {"name": str, "tags": None, "pools": [{"name": str, "count": int, "auto": bool}], "manifests": [dict]}
}
HEAD = "apiVersion: slash24.dev/v1\nkind: Lab\n"


def fill(body: dict[str, Any]) -> dict[str, Any]:
    """Complete a document as a service would: a default, a derived value, a tail of a list."""
    body.setdefault("size", 3)
    body["address"] = f"{body['name']}.example"
    for item in ("a", "b"):
        if item not in body.setdefault("items", []):
            body["items"].append(item)
    return body


@pytest.mark.parametrize(
    ("asked", "least"),
    [
        ({"name": "x"}, {"name": "x"}),
        ({"name": "x", "size": 3}, {"name": "x"}),
        ({"name": "x", "size": 4, "items": ["own", "a", "b"]}, {"name": "x", "size": 4, "items": ["own"]}),
        ({"name": "x", "items": ["b", "a"]}, {"name": "x", "items": ["b"]}),
    ],
)
def test_what_the_service_fills_in_is_left_out_and_the_rest_kept(asked: dict[str, Any], least: dict[str, Any]) -> None:
    whole = fill(copy.deepcopy(asked))
    assert minimal(whole, fill) == least
    assert fill(minimal(whole, fill)) == whole


def test_what_is_written_is_read_again_and_comments_stand_at_its_head() -> None:
    cluster = {"name": "c", "pools": [{"name": "p", "count": 2}], "manifests": [{"data": {"a": "one\ntwo\n"}}]}
    text = render([], [], [cluster])
    assert text.startswith("# A lab of slash24")
    assert "|" in text, "long texts are blocks"
    assert read(text, "f", TREES) == {"clusters": [cluster]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: this is no file of a lab"),
        ("- 1\n", "f: this is no file of a lab"),
        ("kind: [\n", "f:2: this is no YAML"),
        ("apiVersion: v1\nkind: Pod\n", "f: this is no file of a lab"),
        ("apiVersion: slash24.dev/v2\nkind: Lab\n", "f: it has version slash24.dev/v2; this slash24 knows"),
        ("apiVersion: other/v1\nkind: Lab\n", "f: apiVersion other/v1 is not slash24.dev/v1"),
        (HEAD + "cluster: []\n", "f:3: cluster: unknown field"),
        (HEAD + "clusters:\n- name: c\n  pools:\n  - cuont: 2\n", "f:6: clusters[0].pools[0].cuont: unknown field"),
        (HEAD + "clusters:\n- pools:\n  - count: two\n", "f:5: clusters[0].pools[0].count: expected an integer, got"),
        (HEAD + "clusters:\n- pools: 3\n", "f:4: clusters[0].pools: expected a list, got '3'"),
        (HEAD + "clusters:\n- pools: [{auto: 1}]\n", "expected true or false, got '1'"),
        (HEAD + "clusters: {name: c}\n", "f:3: clusters: expected a list, got an object"),
        (HEAD + "clusters:\n- name: c\n  name: d\n", "f:5: clusters[0].name: it is there twice"),
        (HEAD + "clusters:\n- name: c\n  x: !!python/object:os.system {}\n", "this is no YAML"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_line_and_path(text: str, message: str) -> None:
    with pytest.raises(SaveFileError) as caught:
        read(text, "f", TREES)
    assert message in str(caught.value)


def test_a_field_that_is_nearly_right_is_told_the_right_one() -> None:
    with pytest.raises(SaveFileError) as caught:
        read(HEAD + "clusers: []\n", "f", TREES)
    assert caught.value.fix == "did you mean clusters?"
