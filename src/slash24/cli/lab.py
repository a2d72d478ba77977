"""`slash24 lab`: a lab on this machine, its start, its state and its end."""

import json
import os
import shlex
import shutil
import sys
import time
from typing import Any

import click

from slash24.cli.command import Choice, LazyGroup
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common, complete_labs, complete_machines, yes_option
from slash24.errors import NotFoundError, Slash24Error, UsageError
from slash24.lab.paths import LabPaths, home, lab_names
from slash24.web.topology import node_state

GROUP, CLUSTER = "rg-lab", "lab"
REAL = (
    "real: packets, routes, address translation, limits, the CNI plugin, the agent and the controller",
    "emulated: Azure's fabric and API, the Kubernetes API server, the kubelet; no images, no Azure timing, no SLA",
)
ROOTLESS = "without root: kernel profile, one user in pods, no control groups (docs/rootless.md)"
_NODE_COLUMNS = (
    Column("CLUSTER", "cluster"),
    Column("NODE", "name"),
    Column("STATUS", "status"),
    Column("ADDRESS", "address"),
    Column("BLOCK", "podCidr"),
    Column("PODS", "pods", right=True),
    Column("REASON", "reason"),
    Column("LOGS", "logs", wide=True),
)
_LAB_COLUMNS = (Column("NAME", "name"), Column("STATE", "state"), Column("PID", "pid"), Column("FOLDER", "folder"))


# name -> (where it is, its line of help), of the commands that have a file of their own
_COMMANDS = {
    "break": ("slash24.cli.lab_break:break_lab", "Break a lab on purpose, to find out what is wrong and repair it."),
    "graph": ("slash24.cli.lab_graph:graph", "Draw a lab's topology: a picture, text for Mermaid, or data."),
    "save": ("slash24.cli.lab_save:save", "Write a lab as a file, from which `slash24 lab up` builds it again."),
    "check": ("slash24.cli.lab_check:check", "Look whether a cluster is whole, by state and by packets."),
    "node": ("slash24.cli.lab_node:node", "Nodes of the lab: stop, start and reboot them."),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    examples=[
        "slash24 lab up                          three nodes, one Overlay cluster",
        'eval "$(slash24 lab env)"; kubectl get nodes -o wide',
        "slash24 lab down                        no trace is left",
    ],
)
def lab() -> None:
    """A lab on this machine: a virtual network, clusters, nodes, with real packets."""


def _paths(ui: Ui) -> LabPaths:
    return LabPaths(home(), ui.lab)


@lab.command(
    examples=[
        "slash24 lab up",
        "slash24 lab up --nodes 5 --pods-per-node 10 --transport routed",
        "slash24 lab up --no-cluster             fabric and servers alone, for `slash24 aks create`",
        "slash24 lab up class.yaml --lab class   what `slash24 lab save` wrote, in a lab named class",
    ]
)
@click.argument("name", required=False, shell_complete=complete_labs)
@click.option("--nodes", type=click.IntRange(1, 1000), default=3, show_default=True, help="Nodes of the cluster.")
@click.option("--pods-per-node", type=click.IntRange(0, 250), default=0, show_default=True, help="Idle pods to start.")
@click.option("--no-cluster", is_flag=True, help="Fabric and servers alone.")
@click.option("--transport", type=Choice(["encapsulated", "routed"]), default="encapsulated", show_default=True,
              help="How pods reach other nodes: VXLAN, or the fabric's routes.")  # fmt: skip
@click.option("--node-monitor-grace-period", type=click.FloatRange(1, 3600), metavar="SECONDS",
              help="How long a kubelet may be silent.  [default: 5; Kubernetes has 50]")  # fmt: skip
@click.option("--default-toleration-seconds", type=click.IntRange(0, 86400), metavar="SECONDS",
              help="How long pods stay on a node that is not ready.  [default: 30; Kubernetes has 300]")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the servers.  [default: a free one]")
@click.option("--rootless", is_flag=True, envvar="SLASH24_ROOTLESS",
              help="Use no right of root's; so it is for every other user.  (SLASH24_ROOTLESS)")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Check the machine, show what would be made, change nothing.")
@common
def up(
    ui: Ui, name: str | None, nodes: int, pods_per_node: int, no_cluster: bool, transport: str, port: int,
    rootless: bool, dry_run: bool, node_monitor_grace_period: float | None, default_toleration_seconds: int | None,
) -> None:  # fmt: skip
    """Start a lab with a small Overlay cluster, or with what a file of `slash24 lab save` holds.

    NAME is a lab's name, or a file: a path that ends in .yaml, .yml or .json, or - for stdin.
    """
    from slash24.cli import lab_build
    from slash24.cli.launch import start_server
    from slash24.cli.progress import Progress
    from slash24.kernel import abilities
    from slash24.lab import teardown

    file = lab_build.read_file(name) if name and lab_build.is_file(name) else None
    if name and file is None:
        ui.lab = name
    paths = _paths(ui)
    running = teardown.server_process(paths) is not None
    if file is not None:
        lab_build.check_unused(paths, file, running=running)
    elif running:
        raise Slash24Error(
            f'a lab named "{ui.lab}" is running already',
            why="nothing was changed",
            fix=f"slash24 lab status{_named(ui)}, or slash24 lab down{_named(ui)}",
        )
    rootless = _is_rootless(paths, rootless)
    abilities.require_all(rootless=rootless)
    if rootless:
        ui.note(ROOTLESS)
    if dry_run:
        _tell_plan(
            ui, file.steps() if file else _steps(nodes, pods_per_node, no_cluster=no_cluster, transport=transport)
        )
        return
    progress = Progress(quiet=ui.quiet or ui.only_errors)
    began = time.monotonic()
    left_over = paths.root.exists()
    try:
        if not running:
            patience = {"node_grace_s": node_monitor_grace_period, "toleration_s": default_toleration_seconds}
            start_server(paths, port, ui.note, rootless=rootless, patience=patience)
    except BaseException:
        if not left_over:
            teardown.remove(paths)
        raise
    try:
        progress.done("fabric and servers", time.monotonic() - began)
        if file is not None:
            lab_build.build(ui, paths, file)
        elif not no_cluster and not _clusters(ui):
            _make_cluster(ui, nodes, transport)
            if pods_per_node:
                began = time.monotonic()
                _start_pods(ui, pods_per_node)
                progress.done(f"{nodes * pods_per_node} pods", time.monotonic() - began)
        _write_kubeconfigs(ui, paths)
    except (KeyboardInterrupt, Slash24Error) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if not left_over and (interrupted or file is not None):  # of an earlier lab something may be worth keeping
            teardown.remove(paths)
            ui.note(f"{'interrupted' if interrupted else 'it failed'}: what was begun is removed")
        raise
    ui.note(f'use it: eval "$(slash24 lab env{_named(ui)})"; kubectl get nodes -o wide')
    if ui.output not in ("table", "wide"):
        ui.show(_status(ui), ())


def _is_rootless(paths: LabPaths, wanted: bool) -> bool:
    """Tell whether a lab is to do without root: a new one as wanted, one that is there already as it began."""
    wanted = wanted or os.geteuid() != 0
    if not paths.database.exists():
        return wanted
    if wanted and not paths.holder.exists():
        raise UsageError(
            f'lab "{paths.name}" was begun with root',
            why="its namespaces are root's",
            fix=f"slash24 lab down {paths.name}, or choose another name",
        )
    return paths.holder.exists()


def _named(ui: Ui) -> str:
    return "" if ui.lab == "default" else f" --lab {ui.lab}"


def _steps(nodes: int, pods_per_node: int, *, no_cluster: bool, transport: str) -> list[str]:
    if no_cluster:
        return []
    steps = [
        f"virtual network 10.224.0.0/12, subnet 10.224.0.0/16, cluster {CLUSTER} in group {GROUP}",
        f"{nodes} node(s), pod CIDR 10.244.0.0/16 cut into /24 blocks, transport {transport}",
    ]
    return steps + ([f"{nodes * pods_per_node} idle pods"] if pods_per_node else [])


def _tell_plan(ui: Ui, steps: list[str]) -> None:
    steps = ["namespace internet (198.51.100.0/24), servers on 127.0.0.1", *steps]
    if ui.output in ("table", "wide"):
        click.echo("\n".join(f"would make: {step}" for step in steps))
    else:
        ui.show({"lab": ui.lab, "steps": steps}, ())


def _clusters(ui: Ui) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _status(ui)["clusters"]
    return found


def _status(ui: Ui) -> dict[str, Any]:
    found: dict[str, Any] = ui.session().get("/lab/status")
    server = json.loads(_paths(ui).server.read_text())
    return {"name": found["name"], "server": {"pid": server["pid"], "url": server["url"]}, **found}


def _make_cluster(ui: Ui, nodes: int, transport: str) -> None:
    from slash24.azure.ids import cluster_id

    path = cluster_id(ui.subscription, GROUP, CLUSTER)
    pool = {"name": "nodepool1", "count": nodes, "mode": "System", "vmSize": "Standard_DS2_v2", "maxPods": 250}
    profile = {"networkPlugin": "azure", "networkPluginMode": "overlay", "slash24": {"transport": transport}}
    body = {"location": "northeurope", "properties": {"agentPoolProfiles": [pool], "networkProfile": profile}}
    ui.change("PUT", path, body, interrupted="")


def _start_pods(ui: Ui, per_node: int) -> None:
    import asyncio

    from slash24.cli.idle_pods import start_idle_pods

    cluster = _clusters(ui)[0]
    asyncio.run(start_idle_pods(_client(ui, cluster["key"]), [node["name"] for node in cluster["nodes"]], per_node))


def _client(ui: Ui, key: str) -> Any:
    from slash24.cli.lab_access import client_of
    from slash24.cli.session import find_server

    return client_of(find_server(ui.lab), next(cluster for cluster in _clusters(ui) if cluster["key"] == key))


def _write_kubeconfigs(ui: Ui, paths: LabPaths) -> None:
    """Write every cluster of the lab into the lab's own kubeconfig."""
    import base64

    from slash24.cli.kubeconfig import merge_into

    for cluster in _clusters(ui):
        _, answer, _ = ui.session().request("POST", f"{cluster['id']}/listClusterUserCredential")
        text = base64.b64decode(answer["kubeconfigs"][0]["value"]).decode()
        merge_into(paths.kubeconfig, text, overwrite=True)


@lab.command(examples=["slash24 lab down", "slash24 lab down --all"])
@click.argument("name", required=False, shell_complete=complete_labs)
@click.option("--all", "every", is_flag=True, help="Every lab of this SLASH24_HOME.")
@yes_option
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
@common
def down(ui: Ui, name: str | None, every: bool, yes: bool, dry_run: bool) -> None:
    """Remove a lab with everything it made, also after a crash."""
    del yes  # nothing is asked: a lab is there to be thrown away
    from slash24.cli.progress import Progress
    from slash24.lab import teardown

    names = lab_names(home()) if every else [name or ui.lab]
    for each in names:
        paths = LabPaths(home(), each)
        if not paths.root.exists():
            ui.note(f'no lab named "{each}": nothing to remove')
            continue
        if dry_run:
            click.echo(f"would remove: lab {each}, {paths.root}")
            continue
        began = time.monotonic()
        removed = teardown.remove(paths)
        Progress(quiet=ui.quiet or ui.only_errors).done(
            f"lab {each} removed: {removed.namespaces} namespaces, {removed.mounts} mounts", time.monotonic() - began
        )


@lab.command("list", examples=["slash24 lab list"])
@common
def list_labs(ui: Ui) -> None:
    """List the labs of this SLASH24_HOME."""
    from slash24.lab import teardown

    rows = []
    for name in lab_names(home()):
        running = teardown.server_process(LabPaths(home(), name))
        pid = running[0] if running else None
        rows.append({"name": name, "state": "running" if running else "left behind", "pid": pid,
                     "folder": str(LabPaths(home(), name).root)})  # fmt: skip
    ui.show(rows, _LAB_COLUMNS)


@lab.command(examples=["slash24 lab status", "slash24 lab status -o json --query server.pid"])
@click.option("--wait", is_flag=True, help="Return when every node that is on is Ready (exit code 5 if too late).")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds that --wait waits.")
@common
def status(ui: Ui, wait: bool, timeout: float) -> int:
    """Show the lab's server, networks, clusters and nodes."""
    deadline = time.monotonic() + timeout
    while True:
        found = _status(ui)
        nodes = [node for cluster in found["clusters"] for node in cluster["nodes"]]
        ready = all(node["ready"] for node in nodes if node["power"] != "stopped")
        if ready or not wait or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for cluster in found["clusters"]:
        cluster.pop("token")
    if ui.output in ("table", "wide"):
        _print_status(ui, found)
    else:
        ui.show(found, ())
    return 5 if wait and not ready else 0


def _print_status(ui: Ui, found: dict[str, Any]) -> None:
    click.echo(f"lab {found['name']}   server {found['server']['url']}   pid {found['server']['pid']}")
    if found["rootless"]:
        click.echo(ROOTLESS)
    click.echo(
        f"a silent node is told after {found['nodeMonitorGracePeriodSeconds']:g} s, "
        f"its pods are evicted {found['defaultTolerationSeconds']} s later"
    )
    for vnet in found["virtualNetworks"]:
        subnets = ", ".join(f"{subnet['name']} {subnet['addressPrefix']}" for subnet in vnet["subnets"])
        machine = f"   vm {vnet['virtualMachine']}" if vnet["virtualMachine"] else ""
        spoofed = f"   {vnet['spoofedPackets']} forged packets dropped" if vnet["spoofedPackets"] else ""
        click.echo(f"vnet {vnet['name']} {', '.join(vnet['addressPrefixes'])}   subnets {subnets}{machine}{spoofed}")
    for cluster in found["clusters"]:
        click.echo(
            f"cluster {cluster['name']}   {cluster['transport']}, {cluster['profile']} profile   "
            f"pod CIDR {cluster['podCidr']}   leaves as {cluster['outboundAddress']}"
        )
    rows = [
        {"cluster": cluster["name"], "status": node_state(node), **node}
        for cluster in found["clusters"]
        for node in cluster["nodes"]
    ]
    if rows:
        click.echo()
        ui.show(rows, _NODE_COLUMNS)
    click.echo("\n" + "\n".join(REAL))


@lab.command(examples=['eval "$(slash24 lab env)"', "slash24 lab env --unset"])
@click.option("--unset", is_flag=True, help="Undo it.")
@common
def env(ui: Ui, unset: bool) -> None:
    """Print shell commands that point kubectl, and slash24, to the lab."""
    from slash24.cli.session import find_server

    if unset:
        click.echo("unset KUBECONFIG SLASH24_LAB SLASH24_HOME")
        return
    find_server(ui.lab)
    paths = _paths(ui)
    _write_kubeconfigs(ui, paths)
    values = {"KUBECONFIG": str(paths.kubeconfig), "SLASH24_LAB": ui.lab, "SLASH24_HOME": str(home())}
    if ui.output in ("table", "wide"):
        click.echo("\n".join(f"export {key}={shlex.quote(value)}" for key, value in values.items()))
    else:
        ui.show(values, ())


@lab.command(
    examples=["slash24 lab shell aks-nodepool1-12345678-vmss000000", "slash24 lab shell NODE -- ip route"],
    context_settings={"ignore_unknown_options": True},
)
@click.argument("machine", shell_complete=complete_machines)
@click.argument("command", nargs=-1)
@common
def shell(ui: Ui, machine: str, command: tuple[str, ...]) -> None:
    """Open a shell on a node, or in a pod (`pod`, or `namespace/pod`)."""
    found = _status(ui)
    command = command or (os.environ.get("SHELL", "/bin/sh") if sys.stdin.isatty() else "/bin/sh",)
    for cluster in found["clusters"]:
        for entry in cluster["nodes"]:
            if entry["name"] == machine:
                if entry["power"] != "running":
                    raise Slash24Error(f"node {machine} is {entry['reason']}", fix=f"slash24 lab node start {machine}")
                ui.go_inside()
                pid = (_paths(ui).node(machine) / "pid").read_text().split()[0]
                os.execvp("nsenter", ["nsenter", "-t", pid, "-m", "-n", "-u", "-i", "-p", "--", *command])  # noqa: S606
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise NotFoundError(
            f"the lab has no node {machine!r}", fix="for a pod, install kubectl; nodes: slash24 lab status"
        )
    _write_kubeconfigs(ui, _paths(ui))
    namespace, _, pod = machine.rpartition("/")
    tty = ["-it"] if sys.stdin.isatty() else ["-i"]
    words = [kubectl, "--kubeconfig", str(_paths(ui).kubeconfig), "-n", namespace or "default", "exec", *tty, pod,
             "--", *command]  # fmt: skip
    if not pod:
        raise UsageError(f"{machine!r} names neither a node nor a pod")
    os.execv(kubectl, words)  # noqa: S606
