"""The table of what the lab does with a pod's fields: nothing is missing, nobody is warned of what he didn't ask."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slash24.lab.kubeapi import fields as api
from slash24.lab.kubeapi.kinds import POD, with_defaults
from slash24.lab.kubelet.fields import FIELDS, ignored, row_of

PAGE = Path(__file__).parents[3] / "docs/pods.md"


def leaves(tree: Any, path: str = "") -> Iterator[str]:
    if isinstance(tree, list):
        yield from leaves(tree[0], f"{path}[]")
    elif isinstance(tree, dict):
        for name, below in tree.items():
            yield from leaves(below, f"{path}.{name}" if path else name)
    else:
        yield path


def test_every_field_that_the_api_takes_has_a_row() -> None:
    def is_told(path: str) -> bool:
        return row_of(path) is not None or any(row.path.startswith(f"{path}.") for row in FIELDS)

    assert [path for path in leaves(api.POD["spec"]) if not is_told(path)] == []


def test_every_row_is_a_field_of_the_api() -> None:
    known = set(leaves(api.POD["spec"]))
    for row in FIELDS:
        assert any(path.startswith(row.path) or row.path.startswith(path) for path in known), row.path


def test_a_plain_pod_warns_of_nothing() -> None:
    probe = {"httpGet": {"port": 80}}
    container = {"name": "c", "image": "nginx", "livenessProbe": probe, "resources": {"requests": {"cpu": "1"}}}
    made = with_defaults(POD, {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    assert list(ignored(made["spec"])) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"containers": [{}, {"resources": {"limits": {"cpu": "1"}}}]}, "spec.containers[1].resources.limits"),
        ({"initContainers": [{"resizePolicy": [{"resourceName": "cpu"}]}]}, "spec.initContainers[0].resizePolicy"),
        ({"hostPID": True}, "spec.hostPID"),
        ({"affinity": {"podAffinity": {"x": 1}}}, "spec.affinity.podAffinity"),
        ({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]}, "spec.volumes[0].emptyDir.sizeLimit"),
        ({"containers": [{"restartPolicy": "Never"}]}, "spec.containers[0].restartPolicy"),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "spec.volumes[0].projected.sources[0].serviceAccountToken",
        ),
    ],
)
def test_what_nothing_acts_on_is_named_with_its_place(spec: dict[str, Any], path: str) -> None:
    assert [found for found, _ in ignored(spec)] == [path]


@pytest.mark.parametrize(
    "spec",
    [
        {"hostPID": False},
        {"initContainers": [{"restartPolicy": "Always"}]},
        {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi", "medium": "Memory"}}]},
        {"os": {"name": "linux"}, "enableServiceLinks": False, "priority": 0},
    ],
)
def test_what_asks_for_nothing_or_acts_is_not_warned_of(spec: dict[str, Any]) -> None:
    assert list(ignored(spec)) == []


def test_the_page_shows_the_table() -> None:
    rows = [line.split("|")[1].strip(" `") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [row.path for row in FIELDS]
    for row in FIELDS:
        assert f"| `{row.path}` | {'' if row.acts else 'no effect: '}{row.effect} |" in PAGE.read_text()
