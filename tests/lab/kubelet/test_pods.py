"""Pods on a node, with Debian's bridge plugin: namespaces, files, rights, status, the end."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from slash24.kernel import userns
from tests.lab.kubelet.in_node import Node, eventually, in_node, names

AGNHOST = {"name": "c", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53"}


def shell(script: str, **more: object) -> dict[str, Any]:
    return {"name": "c", "image": "busybox", "command": ["sh", "-c", script], **more}


@in_node
async def test_a_pod_runs_on_debians_bridge_and_is_gone_after_its_deletion(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    node.api.add_pod("web", {"containers": [AGNHOST | {"args": ["netexec"]}]})
    pod = await node.api.until_phase("web", "Running")
    status = pod["status"]
    assert status["podIP"].startswith("10.244.7.")
    assert {one["type"]: one["status"] for one in status["conditions"]} == {
        "PodScheduled": "True",
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
    }
    node.api.add_pod("client", {"containers": [shell("sleep 1000")]})
    await node.api.until_phase("client", "Running")
    out, _, end = await node.run("client", "curl", "-s", f"http://{status['podIP']}:8080/hostname")
    assert (out, end["status"]) == ("web", "Success")
    out, _, _ = await node.run("client", "/agnhost", "connect", f"{status['podIP']}:8080", "--timeout=2s")
    assert out == ""
    assert len(names("/run/netns")) == 2
    node.api.delete_pod("web")
    node.api.delete_pod("client", grace_s=0)
    await node.api.until_gone("web")
    await node.api.until_gone("client")
    assert names("/run/netns") == []
    assert names("/run/state/pods") == []
    assert [name for name in names("/var/lib/cni/networks/test") if name.startswith("10.")] == []


@in_node
async def test_rm_of_everything_harms_neither_node_nor_machine(node: Node) -> None:
    canary = Path("/var/tmp/slash24-canary")  # of the machine: the node has no layer of its own over it
    etc = Path("/etc/canary")  # of the node
    canary.write_text("alive")
    etc.write_text("alive")
    try:
        node.write_network()
        await node.start_kubelet()
        node.api.add_pod("p", {"containers": [AGNHOST]})
        await node.api.until_phase("p", "Running")
        # First the layer: only if a write stays in the pod is the real thing tried.
        await node.run("p", "sh", "-c", "echo dead > /usr/canary; rm -f /etc/passwd")
        assert not Path("/usr/canary").exists()
        assert Path("/etc/passwd").exists()
        out, _, _ = await node.run("p", "sh", "-c", "cat /proc/self/mountinfo")
        if userns.owns_all_users():  # else the root directory holds a layer for each folder of the machine's
            assert " / / rw,nodev" in out.splitlines()[0]
            assert "- overlay" in out.splitlines()[0]
        await node.run(
            "p", "rm", "-rf", "/etc", "/usr/bin", "/usr/sbin", "/var", "/run", "/tmp", "/dev", "/sys", "/proc"
        )
        # All of it, for as long as a test has time: a big machine's files take minutes.
        node.api.add_pod("whole", {"containers": [shell("timeout 2 rm -rf --no-preserve-root /; sleep 100")]})
        await node.api.until_phase("whole", "Running")
        await asyncio.sleep(2.5)
        assert canary.read_text() == etc.read_text() == "alive"
        for path in ("/bin/sh", "/usr/bin/env", "/etc/passwd", "/dev/null", node.config.state_dir):
            assert Path(path).exists(), path
        _, err, _ = await node.run("p", "/agnhost", "connect", "127.0.0.1:1")  # the helper is out of its reach
        assert err == "REFUSED\n"
        node.api.add_pod("next", {"containers": [shell("echo fine; sleep 100")]})
        await node.api.until_phase("next", "Running")
    finally:
        canary.unlink()


@in_node
async def test_a_container_has_a_runtimes_default_rights_and_no_more(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    node.api.add_pod("p", {"containers": [AGNHOST]})
    node.api.add_pod("q", {"containers": [AGNHOST | {"securityContext": {"capabilities": {
        "drop": ["ALL"], "add": ["NET_ADMIN", "SYS_ADMIN"]}, "runAsUser": 0}}]})  # fmt: skip
    await node.api.until_phase("p", "Running")
    await node.api.until_phase("q", "Running")
    out, _, _ = await node.run("p", "grep", "-E", "Cap(Inh|Eff|Bnd)|NoNewPrivs", "/proc/self/status")
    assert out.split() == [
        "CapInh:", "0" * 16, "CapEff:", "00000000a80425fb", "CapBnd:", "00000000a80425fb", "NoNewPrivs:", "0",
    ]  # fmt: skip
    out, _, _ = await node.run("q", "grep", "CapEff", "/proc/self/status")
    assert out.split() == ["CapEff:", f"{1 << 12:016x}"]
    assert "SYS_ADMIN" in (await node.api.until(lambda: node.api.events("CapabilitiesRefused")))[0]
    for script in (
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo b > /proc/sysrq-trigger",
        "mount -t tmpfs none /mnt",
        "mknod /tmp/disk b 259 0 && head -c1 /tmp/disk",
        "mkdir /sys/fs/cgroup/x",
        "hostname other",
        "cat /etc/shadow | grep .",
        "ls /run/state/pods",
        "ls /root/* /home/*",
        "head -c1 /proc/kcore",
    ):
        _, _, end = await node.run("p", "sh", "-c", script)
        assert end["status"] == "Failure", script


@in_node
async def test_containers_see_themselves_and_not_the_node(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    variables = [
        {"name": "WHO", "value": "$(ME) on $(NODE) $$(ME)"},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "SAY", "value": "I am $(ME)"},
    ]
    spec = {
        "containers": [AGNHOST | {"env": variables}],
        "hostAliases": [{"ip": "10.9.9.9", "hostnames": ["far.example"]}],
    }
    node.api.add_pod("p", spec)
    address = (await node.api.until_phase("p", "Running"))["status"]["podIP"]
    out, _, _ = await node.run(
        "p", "sh", "-c", "hostname; cat /etc/hostname; ls /proc | grep -c '^[0-9]'; echo $PPID; id -u"
    )
    assert out.split() == ["p", "p", "4", "0", "0"]  # pause, sh, ls, grep
    out, _, _ = await node.run("p", "env")
    seen = dict(line.split("=", 1) for line in out.splitlines())
    assert seen["WHO"] == "$(ME) on $(NODE) $(ME)"  # what comes later isn't known yet
    assert (seen["ME"], seen["NODE"], seen["IP"], seen["SAY"]) == ("p", "n1", address, "I am p")
    assert set(seen) <= {"PATH", "HOSTNAME", "HOME", "PWD", "WHO", "ME", "NODE", "IP", "SAY"}
    out, _, _ = await node.run("p", "cat", "/etc/hosts", "/etc/resolv.conf")
    assert f"{address}\tp\n" in out
    assert "10.9.9.9\tfar.example\n" in out
    assert "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.0.0.10\n" in out
    out, _, _ = await node.run("p", "sh", "-c", "ls -A /tmp /dev/shm /root /run; touch /tmp/x /root/y /dev/shm/z")
    assert sorted(out.split()) == ["/dev/shm:", "/root:", "/run:", "/tmp:"]
    out, _, _ = await node.run("p", "ls", "/dev")
    assert set(out.split()) == {
        *(
            "fd",
            "full",
            "null",
            "ptmx",
            "pts",
            "random",
            "shm",
            "stderr",
            "stdin",
            "stdout",
            "termination-log",
            "tty",
            "urandom",
            "zero",
        ),
    }
    interfaces = [name for _, name in socket.if_nameindex()]
    out, _, _ = await node.run("p", "ls", "/sys/class/net")
    assert sorted(out.split()) == ["eth0", "lo"]
    assert "cni0" in interfaces


@in_node
async def test_containers_of_a_pod_share_the_network_and_restart_alone(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    server = AGNHOST | {"name": "server", "args": ["netexec", "--http-port=8080"]}
    node.api.add_pod("p", {"containers": [server, shell("sleep 1000") | {"name": "side"}]})
    before = await node.api.until_phase("p", "Running")
    await node.run("p", "curl", "-s", "http://127.0.0.1:8080/exit?code=3", container="side")
    after = await node.api.until(
        lambda: node.api.pod("p") if node.api.pod("p")["status"]["containerStatuses"][0]["restartCount"] == 1 else None
    )
    one, other = after["status"]["containerStatuses"]
    assert one["lastState"]["terminated"]["exitCode"] == 3
    assert one["lastState"]["terminated"]["reason"] == "Error"
    assert other["restartCount"] == 0
    assert after["status"]["podIP"] == before["status"]["podIP"]
    out, _, _ = await node.run("p", "curl", "-s", "http://127.0.0.1:8080/hostname", container="side")
    assert out == "p"


@in_node
async def test_a_pod_in_the_nodes_network_needs_no_plugin(node: Node) -> None:
    await node.start_kubelet()
    node.api.add_pod("h", {"hostNetwork": True, "containers": [AGNHOST]})
    node.api.add_pod("p", {"containers": [AGNHOST]})
    status = (await node.api.until_phase("h", "Running"))["status"]
    assert status["podIP"] == status["hostIP"] == "10.224.0.4"
    out, _, _ = await node.run("h", "hostname")
    assert out == "n1\n"
    (waits,) = await node.api.until(lambda: node.api.events("NetworkNotReady"))
    assert waits.startswith("network is not ready: container runtime network not ready: NetworkReady=false")
    assert node.api.pod("p")["status"]["phase"] == "Pending"
    node.write_network()
    await node.api.until_phase("p", "Running", 2.0)


@in_node
async def test_a_full_block_is_told_in_the_plugins_words_and_tried_again(node: Node) -> None:
    network = {"cniVersion": "1.0.0", "name": "test", "plugins": [{
        "type": "bridge", "bridge": "cni0", "ipam": {"type": "host-local", "subnet": "10.244.7.0/30"}}]}  # fmt: skip
    node.write_network(network)
    await node.start_kubelet()
    node.api.add_pod("first", {"containers": [AGNHOST]})
    await node.api.until_phase("first", "Running")
    node.api.add_pod("second", {"containers": [AGNHOST]})
    text = (await node.api.until(lambda: node.api.events("FailedCreatePodSandBox")))[0]
    assert text.startswith("Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for")
    assert 'plugin type="bridge" name="test" failed (add): ' in text
    assert "no IP addresses available" in text
    status = node.api.pod("second")["status"]
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert len(names("/run/netns")) == 1
    node.api.delete_pod("first")
    await node.api.until_phase("second", "Running")


@in_node
async def test_a_pod_that_ends_by_itself_gives_its_address_back(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    node.api.add_pod("ok", {"restartPolicy": "Never", "containers": [shell("echo done")]})
    node.api.add_pod("bad", {"restartPolicy": "Never", "containers": [shell("exit 7")]})
    ok = await node.api.until_phase("ok", "Succeeded")
    bad = await node.api.until_phase("bad", "Failed")
    assert ok["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert bad["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
    await eventually(lambda: names("/run/netns") == [])
    found = await (await node.request("logs", "ok")).all()
    assert found == {1: b"done\n"}
    node.api.delete_pod("ok")
    await node.api.until_gone("ok")


@in_node
async def test_a_container_that_cannot_start_says_why(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    node.api.add_pod("p", {"containers": [{"name": "c", "image": "busybox", "command": ["nope"]}]})
    pod = await node.api.until(
        lambda: (
            node.api.pod("p")
            if "CrashLoopBackOff" in str(node.api.pod("p")["status"].get("containerStatuses"))
            else None
        )
    )
    (one,) = pod["status"]["containerStatuses"]
    last = one["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (128, "StartError")
    assert 'exec: "nope": executable file not found in $PATH' in last["message"]
    assert one["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=c pod=p_default(")


@in_node
async def test_init_containers_run_first_one_after_the_other(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    init = [shell("echo one") | {"name": "a"}, shell("echo two") | {"name": "b"}]
    node.api.add_pod("p", {"initContainers": init, "containers": [AGNHOST]})
    status = (await node.api.until_phase("p", "Running"))["status"]
    assert [one["state"]["terminated"]["exitCode"] for one in status["initContainerStatuses"]] == [0, 0]
    assert {one["type"]: one["status"] for one in status["conditions"]}["Initialized"] == "True"


@in_node
async def test_processes_of_a_pod_are_born_in_its_group_below_the_nodes(node: Node) -> None:
    own = Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::")
    assert own.endswith("/n1"), own
    node.write_network()
    await node.start_kubelet()
    node.api.add_pod("p", {"containers": [AGNHOST]}, uid="u-p")
    await node.api.until_phase("p", "Running")
    for words in (["grep", "^0:", "/proc/1/cgroup"], ["sh", "-c", "grep ^0: /proc/$$/cgroup"]):
        out, _, _ = await node.run("p", *words)
        assert out == f"0::{own}/u-p\n", words
    node.api.delete_pod("p", grace_s=0)
    await node.api.until_gone("p")
    assert [entry.name for entry in Path("/run/cgroup").iterdir() if entry.is_dir()] == []
