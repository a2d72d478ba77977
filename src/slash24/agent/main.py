"""The node agent: keeps one node's part of the overlay, answers its plugin, and says when its network works."""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from slash24.agent.clusterwatch import ClusterWatch
from slash24.agent.install import install_plugin, remove_network_list, write_network_list
from slash24.agent.kernelevents import KernelEvents
from slash24.agent.kernelstate import KernelState
from slash24.agent.loop import keep_synced
from slash24.agent.probe import Prober, Verdict, choose, judge, peers
from slash24.agent.socket import PluginServer
from slash24.attach.boot import boot_identity
from slash24.attach.pods import PROBE_CONTAINER, Attachment, Pods
from slash24.cni.commands import READY, STATUS_KEY
from slash24.core.addresses import IPAddress
from slash24.core.cluster import Conflict, Node, View, conflicts
from slash24.core.ipam import tunnel_address
from slash24.dataplane import names
from slash24.dataplane.overlay import Uplink, compile_dataplane
from slash24.errors import Slash24Error
from slash24.kernel import netns as netns_files
from slash24.kernel import nft
from slash24.kernel.netlink import Netlink
from slash24.kube import decode, encode
from slash24.kube.client import ApiError, KubeClient
from slash24.store.leases import Leases, NodeSettings

log = logging.getLogger(__name__)

#: How often the kernel is compared with what it should be, besides at each change that it tells.
RESYNC_S = 30.0
#: Pauses between probes until the first that succeeds; the last one is repeated.
_FIRST_PROBES_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_PROBE_S, _RETRY_S, _FAILURES = 10.0, 1.0, 3
#: So long after its start a node that only the gateway has answered takes its peers' silence for its own failure.
_SETTLED_S = 60.0
#: So long a node waits for the probes of nodes that are there before it takes the gateway's answer instead.
_COMPANY_S = 3.0


class NodeError(Slash24Error):
    """The cluster's state doesn't let this node have a network."""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What an agent is told; all else comes from the API."""

    server: str
    token: str
    ca_file: str
    node_name: str
    conf_dir: Path = Path("/etc/cni/net.d")
    bin_dir: Path = Path("/opt/cni/bin")
    state_dir: Path = Path("/var/lib/slash24")
    run_dir: Path = Path("/run/slash24")
    netns_dir: Path = Path("/run/netns")

    @property
    def store(self) -> Path:
        return self.state_dir / "leases.db"

    @property
    def socket(self) -> Path:
        return self.run_dir / "agent.sock"

    @property
    def probe_netns(self) -> Path:
        return self.netns_dir / "slash24-probe"


async def run(config: AgentConfig) -> None:
    """Be the agent of one node, until cancelled."""
    agent = Agent(config)
    try:
        await agent.run()
    finally:
        await agent.close()


class Agent:
    """One node's agent. Three loops: the kernel's state, the Node object's, the proof that packets cross."""

    def __init__(self, config: AgentConfig) -> None:
        self.config = config
        self._client = KubeClient(config.server, config.token, config.ca_file)
        self._leases = Leases(config.store, boot=boot_identity())
        self._netlink = Netlink()
        self._pods = Pods(self._leases, self._netlink)
        self._plugin = PluginServer(config.socket, self._pods)
        self._kernel = KernelState()
        self._kernel_changed = asyncio.Event()
        self._node_changed = asyncio.Event()
        self._probe_now = asyncio.Event()
        self._cluster = ClusterWatch(
            self._client,
            config.node_name,
            network_changed=self._network_changed,
            own_changed=self._node_changed.set,
        )
        self._kernel_events = KernelEvents(self._kernel_changed, self._kernel.port)
        self._uplink: Uplink | None = None
        self._probe: IPAddress | None = None
        self._verdict: Verdict | None = None
        self._complaint = ""
        self._next_thorough = 0.0

    async def run(self) -> None:
        """Start; then keep the node's network for ever."""
        if remains := self._pods.recover():
            log.info("%d attachments that were left half done are taken away", remains)
        if self._leases.get(STATUS_KEY) != READY:
            # Of another boot: until this one's network is proven, the runtime must not start pods (F17).
            remove_network_list(self.config.conf_dir)
        install_plugin(self.config.bin_dir, self.config.socket, self.config.store)
        await self._plugin.start()
        with self._kernel_events.listening():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._cluster.run())
                tasks.create_task(
                    keep_synced("network", self._sync, self._kernel_changed, resync_s=RESYNC_S, failed=self._complain)
                )
                tasks.create_task(keep_synced("node object", self._report, self._node_changed))
                tasks.create_task(self._keep_proving())

    async def close(self) -> None:
        await self._plugin.close()
        await self._client.close()
        self._kernel.close()
        self._netlink.close()
        self._leases.close()

    # What wakes the loops

    def _network_changed(self) -> None:
        self._kernel_changed.set()
        self._probe_now.set()

    # The kernel's state

    async def _sync(self) -> None:
        view = self._cluster.view()
        if view is None:
            return
        me = view.node(self.config.node_name)
        own = self._cluster.own_node()
        if me is None or me.address is None or not me.blocks or own is None or own["metadata"]["uid"] != me.uid:
            # Before the controller has been here, when a node of the same name may have left its block; or an API that
            # lost its nodes, when what stands is kept (F40).
            self._set_status("the node has no block of the pod CIDR yet")
            return
        refused = [found for found in conflicts(view.settings.pod_cidr, view.nodes) if found.node == me.name]
        if refused:
            self._refuse(refused)
        loop = asyncio.get_running_loop()
        if self._kernel_events.take_suspicion():
            self._next_thorough = 0.0
        thorough = loop.time() >= self._next_thorough
        if thorough or self._uplink is None or self._uplink.address != me.address:
            self._uplink = self._kernel.uplink(me.address)
        uplink = self._uplink
        wanted = compile_dataplane(view, me.name, uplink)
        # In a thread: with thousands of nodes it takes a while, and ADDs shall not wait.
        started = loop.time()
        look = self._kernel_events.take_news()
        with self._kernel_events.applying(self._kernel.made):
            done = await asyncio.to_thread(self._kernel.sync, wanted, uplink, look=look, thorough=thorough)
            if look or done:
                self._kernel_events.follow(tunnel=self._index(names.TUNNEL), uplink=self._index(uplink.name))
        if done:
            log.info("%s in %.0f ms", "; ".join(done), (loop.time() - started) * 1000)
        self._leases.configure(_node_settings(view, me, wanted.pod_mtu_bytes))
        if thorough and (mended := self._pods.mend()):
            log.info("the ways to %d pods are put back", mended)
        if self._probe is None:
            self._set_status("the node's network is being set up")
            self._probe = await self._attach_probe()
            log.info("the node's probe is %s", self._probe)
            self._node_changed.set()
            self._probe_now.set()
        if thorough:
            await self._look_for_drops(me)
            self._next_thorough = loop.time() + RESYNC_S * 0.9  # only now: one that fails is made again
        self._complaint = ""

    def _index(self, name: str) -> int:
        return next((link.index for link in self._netlink.links(name)), 0)

    def _refuse(self, refused: list[Conflict]) -> None:
        reason = "; ".join(f"block {conflict.block} is refused: {conflict.why}" for conflict in refused)
        self._set_status(reason)
        raise NodeError(f"node {self.config.node_name}: {reason}", fix="delete the Node object, or its podCIDRs")

    async def _complain(self, error: Slash24Error) -> None:
        """Say by an event, once for each failure, why the node's network isn't what it should be."""
        if isinstance(error, ApiError) or error.message == self._complaint:
            return
        await self._event("NetworkSyncFailed", error.message)
        self._complaint = error.message

    async def _event(self, reason: str, message: str) -> None:
        node = self._cluster.own_node() or {}
        uid = node.get("metadata", {}).get("uid", "")
        event = encode.node_event("slash24-agent", self.config.node_name, uid, reason, message)
        await self._client.create(encode.EVENTS_PATH, event)

    async def _look_for_drops(self, me: Node) -> None:
        # An accept of ours can't overrule another table's drop, so all that can be done is to say so (F28).
        drops = await asyncio.to_thread(nft.forward_drops, "slash24-")
        message = f"forwarded packets may be dropped by the policy of {', '.join(drops)}" if drops else ""
        if message and message != self._leases.get("forward drops"):
            log.warning("%s", message)
            with suppress(ApiError):
                await self._event("ForwardPolicyDrop", f"node {me.name}: {message}")
        self._leases.put("forward drops", message)

    # The probe pod

    async def _attach_probe(self) -> IPAddress:
        """Have the plugin attach the probe's namespace, as a runtime would; return its address."""
        path = self.config.probe_netns
        lease = self._leases.find(PROBE_CONTAINER, "eth0")
        if lease is not None:
            with suppress(Slash24Error):
                if path.exists():
                    self._pods.check(_probe_attachment(lease.netns), [lease.ip])
                    return lease.ip
            await self._call_plugin("DEL")
        netns_files.delete(path)
        netns_files.create(path)
        result = await self._call_plugin("ADD")
        return ip_interface(result["ips"][0]["address"]).ip

    async def _call_plugin(self, command: str) -> Mapping[str, Any]:
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": PROBE_CONTAINER,
            "CNI_NETNS": str(self.config.probe_netns),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.config.bin_dir),
            "CNI_ARGS": f"K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=slash24-probe-{self.config.node_name}",
            "SLASH24_PLUGIN_CONF": str(self.config.store.with_name("plugin.conf")),
        }
        conf = json.dumps({"cniVersion": "1.1.0", "name": "slash24", "type": "slash24"}).encode()
        process = await asyncio.create_subprocess_exec(
            str(self.config.bin_dir / "slash24"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        answer, _ = await process.communicate(conf)
        result: dict[str, Any] = json.loads(answer) if answer else {}
        if process.returncode:
            raise NodeError(f"the plugin's {command} of the node's probe failed: {result.get('msg', answer)}")
        return result

    # The proof

    async def _keep_proving(self) -> None:
        while self._probe is None:
            await self._woken(None)
        prober = Prober(self.config.probe_netns)
        try:
            await self._prove_for_ever(prober)
        finally:
            prober.close()

    async def _woken(self, wait_s: float | None) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._probe_now.wait(), wait_s)
        self._probe_now.clear()

    async def _prove_for_ever(self, prober: Prober) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        known: set[str] = set()  # nodes whose probe has answered
        # What was proven before a restart of the agent holds until it is refuted.
        ready, failures, number = self._leases.get(STATUS_KEY) == READY, 0, 0
        while True:
            view = self._cluster.view()
            me = view.node(self.config.node_name) if view else None
            if view is None or me is None or self._uplink is None:
                await self._woken(_RETRY_S)
                continue
            candidates = peers(view, me.name)
            asked = choose(candidates, number)
            pause_s = _RETRY_S if ready else _FIRST_PROBES_S[min(number, len(_FIRST_PROBES_S) - 1)]
            gateway = self._uplink.gateway
            begun = loop.time()
            answers = await prober.ask(asked, gateway, pause_s)
            verdict = judge(
                asked,
                answers,
                transport=view.settings.transport,
                alone=len(view.nodes) == 1 or (not candidates and begun - started > _COMPANY_S),
                settled=bool(known) or (ready and begun - started > _SETTLED_S),
                known=known,
                gateway=gateway,
            )
            known.update(peer.node for peer in asked if peer.probe in answers.probes)
            number += 1
            if verdict.ok:
                failures, ready = 0, True
                self._conclude(verdict)
                await self._rest(_PROBE_S)
                continue
            failures += 1
            if failures >= _FAILURES:  # the first ones fail at every start, while the others set themselves up
                ready = False
                self._conclude(verdict)
            if (left_s := pause_s - (loop.time() - begun)) > 0:
                await self._woken(left_s)

    async def _rest(self, wait_s: float) -> None:
        """Wait for the next regular probe; changes of the cluster don't shorten it."""
        await asyncio.sleep(wait_s)
        self._probe_now.clear()

    def _conclude(self, verdict: Verdict) -> None:
        if verdict == self._verdict:
            return
        self._verdict = verdict
        if verdict.ok:
            self._set_status(READY)
            # Last of all: the runtime starts pods when it sees it.
            write_network_list(self.config.conf_dir)
            log.info("packets cross the node's network: ready")
        else:
            self._set_status(verdict.reason)
            log.warning("the node's network does not work: %s", verdict.reason)
        self._node_changed.set()

    def _set_status(self, status: str) -> None:
        if status == READY or self._verdict is None or not self._verdict.ok:
            self._leases.put(STATUS_KEY, status)

    # What the API is told

    async def _report(self) -> None:
        """Tell the other nodes where the probe is, and everybody whether the network works."""
        node, config = self._cluster.own_node(), self._cluster.own_config()
        if node is None:
            return
        if config is not None and self._probe is not None:
            said = encode.network_annotations(self._probe, ready=self._verdict is not None and self._verdict.ok)
            if not said.items() <= (config["metadata"].get("annotations") or {}).items():
                patch = {"metadata": {"annotations": said}}
                await self._client.patch(f"{decode.NNC_PATH}/{self.config.node_name}", patch)
        if self._verdict is None:
            return
        now = decode.condition(node, "NetworkUnavailable")
        if self._verdict.ok:
            wanted = ("False", "SlashDataplaneReady", "packets cross the node's network")
        else:
            wanted = ("True", "SlashDataplaneFailed", self._verdict.reason)
        if (now.get("status"), now.get("reason"), now.get("message")) != wanted:
            patch = encode.network_condition(wanted[0] == "True", wanted[1], wanted[2])
            await self._client.patch(f"/api/v1/nodes/{self.config.node_name}/status", patch, kind="strategic")


def _node_settings(view: View, me: Node, mtu_bytes: int) -> NodeSettings:
    own = tunnel_address(me.blocks[0], view.settings.transport)
    return NodeSettings(
        node=me.name,
        address=str(me.address),
        blocks=tuple(str(block) for block in me.blocks),
        reserved=(str(own),) if own is not None else (),
        mtu_bytes=mtu_bytes,
    )


def _probe_attachment(netns: str) -> Attachment:
    return Attachment(PROBE_CONTAINER, "eth0", netns)
