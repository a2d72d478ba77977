"""A full disk under SLASH24_HOME: said clearly, nothing lost, and on it goes when there is room.

The disk is a small tmpfs in a mount namespace of the test's own, in which the lab lives too.
"""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.labs import LabUnderTest

pytestmark = pytest.mark.lab

_SCRIPT = r"""
mount -t tmpfs -o size=12m tmpfs "$DISK" || exit 99
step() { echo "## $1"; shift; "$@" 2>&1; echo "exit code $?"; }
fill() { dd if=/dev/zero of="$DISK/ballast" bs=4k 2>/dev/null; }
pod() { echo "{apiVersion: v1, kind: Pod, metadata: {name: $1, annotations: {big: $(printf %20000s | tr ' ' x)}},
              spec: {containers: [{name: a, image: registry.k8s.io/pause:3.10}]}}"; }
export KUBECONFIG=$DISK/home/labs/default/kubeconfig
step up slash24 lab up --nodes 1 --quiet
fill
for i in 1 2 3 4 5; do pod "filler-$i" | kubectl apply -f - >/dev/null 2>&1; done
step apply bash -c "$(declare -f pod); pod web | kubectl apply -f -"
step create slash24 aks create -n other -g rg-lab -c 1 -o none --quiet
step second slash24 lab up second --quiet
step read kubectl get node -o name
rm "$DISK/ballast"
step again bash -c "$(declare -f pod); pod web | kubectl apply -f -"
step ready kubectl wait pod/web --for=condition=Ready --timeout=20s
step create-again slash24 aks create -n other -g rg-lab -c 1 -o none --quiet
step down slash24 lab down --quiet
"""


@pytest.mark.usefixtures("_able")
def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    lab = LabUnderTest(disk / "home")
    environment = {**lab.environment, "DISK": str(disk), "PATH": f"{lab.programs}:{lab.environment['PATH']}"}
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", _SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    steps = dict(part.split("\n", 1) for part in done.stdout.split("## ")[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert steps["up"].endswith("exit code 0\n"), steps["up"]
    assert "(InsufficientStorage)" in steps["apply"] and "is full" in steps["apply"]
    assert "is full" in steps["create"] and "make room" in steps["create"] and "exit code 4" in steps["create"]
    assert "KiB free; a lab needs" in steps["second"] and "exit code 4" in steps["second"]
    assert "node/aks-nodepool1" in steps["read"]
    for name in ("again", "ready", "create-again", "down"):
        assert steps[name].endswith("exit code 0\n"), steps[name]
