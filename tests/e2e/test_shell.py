"""`slash24 lab shell`: what a shell offers for its first word."""

import pytest

from tests.e2e.labs import LabUnderTest

pytestmark = pytest.mark.lab

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: kube-public}
spec: {containers: [{name: web, image: registry.k8s.io/pause:3.10}]}
"""


def offered(lab: LabUnderTest, word: str) -> list[str]:
    """Return what bash offers after `slash24 lab shell` for the beginning `word`."""
    before = dict(lab.environment)
    lab.environment |= {
        "_SLASH24_COMPLETE": "bash_complete",
        "COMP_WORDS": f"slash24 lab shell {word}",
        "COMP_CWORD": "3",
    }
    try:
        return [line.partition(",")[2] for line in lab.run().stdout.splitlines() if line]
    finally:
        lab.environment = before


def test_nodes_and_pods_complete(lab: LabUnderTest) -> None:
    lab.run("lab", "env")
    nodes = [node["name"] for node in lab.status()["clusters"][0]["nodes"]]
    lab.kubectl("apply", "-f", "-", stdin=POD)
    try:
        assert offered(lab, "aks-") == nodes
        assert offered(lab, "kube-public/w") == ["kube-public/web-1"]
        assert offered(lab, "nothing-such") == []
    finally:
        lab.kubectl("delete", "pod", "web-1", "-n", "kube-public", "--now")
