"""A node: a container of our own whose processes are an agent and a kubelet's stand-in.

It has network, mount, process, host name and IPC namespaces. Its first process restarts the two when they end, and
takes everything of the node along when it is killed. The lab's server may die; a node doesn't notice.
"""

import asyncio
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from slash24.agent.main import AgentConfig
from slash24.agent.main import run as run_agent
from slash24.kernel import cgroup, mounts, netns, process
from slash24.lab.kubelet.main import KubeletConfig
from slash24.lab.kubelet.main import run as run_kubelet

#: What of a node's disk outlives a reboot: folder on the disk -> folder in the node.
_DISK = {"slash24": Path("/var/lib/slash24"), "kubelet": Path("/var/lib/kubelet"), "log": Path("/var/log/slash24")}
_OWN_FOLDERS = (Path("/etc"), Path("/opt"), Path("/var/lib"), Path("/var/log"))
#: Folders of the machine that are another runtime's: its networks are none of the node's.
_HIDDEN = (Path("/etc/cni"), Path("/opt/cni"))
_RESTART_S = (0.1, 10.0)  # first and longest pause before a part that ended is started again


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What a node is started with. `disk` is its folder on the machine; `cgroup` its group, if there is one.

    version: what its kubelet says of itself, v1.37.1.
    """

    name: str
    netns: str
    disk: str
    cgroup: str | None
    server: str
    token: str
    ca_pem: str
    address: str
    labels: dict[str, str]
    max_pods: int
    version: str
    taints: list[dict[str, str]] = field(default_factory=list)
    provider_id: str = ""
    lease_s: int = 40
    masked_paths: list[str] = field(default_factory=list)


def start(spec: NodeSpec) -> int:
    """Start a node from a process without threads; return the pid of the node's first process.

    Raises OSError with the reason if the node could not be set up.
    """
    for folder in _DISK:
        Path(spec.disk, folder).mkdir(parents=True, exist_ok=True)
    Path(spec.disk, "slash24/ca.pem").write_text(spec.ca_pem)
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        _start_first_process(spec, writer)
    os.close(writer)
    with os.fdopen(reader) as answers:
        pid, error = answers.readline().strip(), answers.read()
    os.waitpid(parent, 0)
    if error or not pid:
        raise OSError(f"node {spec.name} did not start: {error or 'its first process died'}")
    return int(pid)


def _start_first_process(spec: NodeSpec, writer: int) -> NoReturn:
    try:
        os.setsid()
        cgroup.join(Path(spec.cgroup) if spec.cgroup else None)
        with netns.inside(Path(spec.netns)):
            process.unshare(process.CLONE_NEWNS | process.CLONE_NEWUTS | process.CLONE_NEWIPC | process.CLONE_NEWPID)
            child = os.fork()  # the first process of the node, in its network for good
            if child == 0:
                _be_first_process(spec, writer)
            os.write(writer, f"{child}\n".encode())
    except BaseException:
        os.write(writer, f"\n{traceback.format_exc()}".encode())
    os._exit(0)


def _be_first_process(spec: NodeSpec, writer: int) -> NoReturn:
    try:
        _mount(spec)
        socket.sethostname(spec.name)
        process.set_name("slash24-node")
        with open(os.devnull, "r+") as null:
            for fd in (0, 1, 2):
                os.dup2(null.fileno(), fd)
        os.close(writer)
        os.closerange(3, 1024)
    except BaseException:
        os.write(writer, traceback.format_exc().encode())
        os._exit(1)
    _supervise({"agent": lambda: _run_agent(spec), "kubelet": lambda: _run_kubelet(spec)})


def _mount(spec: NodeSpec) -> None:
    mounts.make_private()
    disk = os.open(spec.disk, os.O_RDONLY | os.O_DIRECTORY)  # it may lie under a folder that is covered next
    mounts.mount("proc", Path("/proc"), "proc", mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC)
    mounts.mount("sysfs", Path("/sys"), "sysfs", mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC)
    mounts.mount("tmpfs", Path("/run"), "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=755")
    for folder in _OWN_FOLDERS:
        mounts.overlay(folder, Path("/run/slash24-layers", folder.relative_to("/").as_posix().replace("/", "-")))
    for folder in _HIDDEN:
        folder.mkdir(exist_ok=True)
        mounts.mount("tmpfs", folder, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=755")
    for name, target in _DISK.items():
        target.mkdir(parents=True, exist_ok=True)
        mounts.mount(f"/proc/self/fd/{disk}/{name}", target, flags=mounts.MS_BIND)
    for text in ("/etc/cni/net.d", "/opt/cni/bin", "/run/netns", "/run/slash24"):
        Path(text).mkdir(parents=True, exist_ok=True)
    os.close(disk)


def _supervise(parts: dict[str, Callable[[], None]]) -> NoReturn:
    """Keep the parts running, and reap whatever else ends in the node."""
    running: dict[int, tuple[str, float]] = {}
    pause_s = dict.fromkeys(parts, _RESTART_S[0])
    for name, run in parts.items():
        running[_fork(name, run)] = (name, time.monotonic())
    while True:
        pid, _ = os.wait()
        if pid not in running:
            continue
        name, since = running.pop(pid)
        pause_s[name] = _RESTART_S[0] if time.monotonic() - since > 10 else min(pause_s[name] * 2, _RESTART_S[1])
        time.sleep(pause_s[name])
        running[_fork(name, parts[name])] = (name, time.monotonic())


def _fork(name: str, run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        process.set_name(f"slash24-{name}")
        log = os.open(f"/var/log/slash24/{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, force=True)
        run()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _run_agent(spec: NodeSpec) -> None:
    config = AgentConfig(server=spec.server, token=spec.token, ca_file="/var/lib/slash24/ca.pem", node_name=spec.name)
    asyncio.run(run_agent(config))


def _run_kubelet(spec: NodeSpec) -> None:
    config = KubeletConfig(
        node_name=spec.name,
        server=spec.server,
        token=spec.token,
        ca_file="/var/lib/slash24/ca.pem",
        node_ip=spec.address,
        labels=spec.labels,
        max_pods=spec.max_pods,
        taints=spec.taints,
        provider_id=spec.provider_id,
        lease_s=spec.lease_s,
        masked_paths=tuple(spec.masked_paths),
        version=spec.version,
    )
    asyncio.run(run_kubelet(config))
