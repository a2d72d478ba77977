"""What a kubelet does around a container: probes, hooks, sidecars, deadlines, last words."""

import asyncio
from pathlib import Path
from typing import Any

from slash24.lab.kubelet.container import prepare
from tests.lab.kubelet.in_node import Node, in_node

QUICK = {"periodSeconds": 1, "failureThreshold": 1}


def shell(script: str, name: str = "c", **more: object) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "command": ["sh", "-c", script], **more}


async def up(node: Node, *containers: dict[str, Any], name: str = "p", **spec: object) -> None:
    if node.kubelet is None:
        node.write_network()
        await node.start_kubelet()
    node.api.add_pod(name, {"containers": list(containers), **spec})


def first(node: Node, name: str = "p", sort: str = "containerStatuses") -> dict[str, Any]:
    found: dict[str, Any] = (node.api.pod(name)["status"].get(sort) or [{}])[0]
    return found


@in_node
async def test_readiness_follows_the_probe_and_startup_comes_before_liveness(node: Node) -> None:
    server = {
        "name": "c", "image": "agnhost", "args": ["netexec", "--http-port=8080"],
        "ports": [{"name": "web", "containerPort": 8080}],
        "startupProbe": {"httpGet": {"path": "/hostname", "port": "web"}, "periodSeconds": 1},
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, **QUICK},
        "livenessProbe": {"tcpSocket": {"port": 8080}, **QUICK},
    }  # fmt: skip
    await up(node, server)
    await node.api.until(lambda: first(node).get("started"))
    await node.api.until(lambda: "Readiness probe failed: " in node.api.events("Unhealthy"))
    assert not first(node)["ready"]
    await node.run("p", "touch", "/tmp/ready")
    await node.api.until(lambda: first(node)["ready"])
    await node.run("p", "rm", "/tmp/ready")
    await node.api.until(lambda: not first(node)["ready"])
    assert first(node)["restartCount"] == 0


@in_node
async def test_a_container_that_fails_its_liveness_probe_is_ended_and_restarted(node: Node) -> None:
    hangs = {"exec": {"command": ["sh", "-c", "[ -e /tmp/fine ] || sleep 999; true"]}, "timeoutSeconds": 1, **QUICK}
    await up(node, shell("sleep 1000", livenessProbe=hangs | {"terminationGracePeriodSeconds": 0}))
    await node.api.until(lambda: first(node).get("restartCount") == 1)
    assert first(node)["lastState"]["terminated"]["exitCode"] == 137
    assert node.api.events("Killing") == ("Container c failed liveness probe, will be restarted",)
    (text,) = node.api.events("Unhealthy")
    assert text.startswith('Liveness probe failed: command timed out: "sh -c ') and text.endswith("timed out after 1s")
    await node.run("p", "touch", "/tmp/fine")
    async with asyncio.timeout(5):  # nothing of a probe that hung is left
        while "sleep 999" in (await node.run("p", "ps", "ax"))[0]:
            await asyncio.sleep(0.05)


@in_node
async def test_http_probes_tell_what_they_met(node: Node) -> None:
    def pod(port: int, path: str) -> dict[str, Any]:
        probe = {"httpGet": {"port": port, "path": path}, "failureThreshold": 100, "periodSeconds": 1}
        return {"name": "c", "image": "agnhost", "args": ["netexec", "--http-port=8080"], "readinessProbe": probe}

    await up(node, pod(8080, "/nope"), name="wrong")
    await up(node, pod(81, "/"), name="closed")
    await up(node, pod(8080, "/hostname") | {"readinessProbe": {"grpc": {"port": 1}}}, name="grpc")
    texts = await node.api.until(lambda: set(node.api.events("Unhealthy")) if len(
        set(node.api.events("Unhealthy"))) == 3 else None)  # fmt: skip
    address = node.api.pod("closed")["status"]["podIP"]
    assert texts == {
        "Readiness probe failed: HTTP probe failed with statuscode: 404",
        f'Readiness probe failed: Get "http://{address}:81/": dial tcp {address}:81: connect: connection refused',
        "Readiness probe errored and resulted in unknown state: the lab has no grpc handler: it has exec, httpGet, "
        "tcpSocket and sleep",
    }


@in_node
async def test_hooks_run_after_the_start_and_before_the_end(node: Node) -> None:
    lifecycle = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo begun > /dev/termination-log"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /dev/termination-log"]}},
    }
    await up(node, shell("trap 'exit 3' TERM; while :; do sleep 0.05; done", lifecycle=lifecycle))
    await node.api.until_phase("p", "Running")
    node.api.delete_pod("p")
    ended = await node.api.until(lambda: first(node)["state"].get("terminated"))
    assert (ended["exitCode"], ended["message"]) == (3, "begun\nstopping\n")
    await node.api.until_gone("p")


@in_node
async def test_a_hook_that_hangs_takes_no_more_than_the_grace_period(node: Node) -> None:
    hang = {"preStop": {"exec": {"command": ["sleep", "1000"]}}}
    fail = {"postStart": {"exec": {"command": ["false"]}}}
    await up(node, shell("trap '' TERM; while :; do sleep 0.05; done", lifecycle=hang))
    await up(
        node, shell("sleep 1000", lifecycle=fail), name="q", restartPolicy="Never", terminationGracePeriodSeconds=0
    )
    await node.api.until_phase("q", "Failed")
    assert (await node.api.until(lambda: node.api.events("FailedPostStartHook"))) == ("PostStartHook failed",)
    await node.api.until_phase("p", "Running")
    node.api.delete_pod("p", grace_s=60)
    await node.api.until(lambda: node.api.events("Killing"))
    node.api.delete_pod("p", grace_s=1)  # who asks again may have less patience
    await node.api.until_gone("p", 5)


@in_node
async def test_a_sidecar_starts_first_serves_and_ends_last(node: Node) -> None:
    sidecar = shell(
        "trap 'echo sidecar; exit 0' TERM; sleep 0.2; touch /shared/up; while :; do sleep 0.05; done", "side",
        restartPolicy="Always", volumeMounts=[{"name": "v", "mountPath": "/shared"}],
        startupProbe={"exec": {"command": ["test", "-e", "/shared/up"]}, "periodSeconds": 1},
    )  # fmt: skip
    init = shell("test -e /shared/up", "init", volumeMounts=[{"name": "v", "mountPath": "/shared"}])
    await up(node, shell("sleep 0.5"), initContainers=[sidecar, init], restartPolicy="Never",
             volumes=[{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}])  # fmt: skip
    status = (await node.api.until_phase("p", "Succeeded"))["status"]
    side, once = status["initContainerStatuses"]
    assert (side["restartCount"], once["state"]["terminated"]["exitCode"]) == (0, 0)
    stopped = await node.api.until(lambda: first(node, sort="initContainerStatuses")["state"].get("terminated"))
    assert stopped["exitCode"] == 0
    found = await (await node.request("logs", "p", container="side")).all()
    assert found == {1: b"sidecar\n"}


@in_node
async def test_a_pod_past_its_deadline_fails(node: Node) -> None:
    await up(node, shell("sleep 1000"), activeDeadlineSeconds=1, terminationGracePeriodSeconds=0)
    status = (await node.api.until_phase("p", "Failed"))["status"]
    assert (status["reason"], status["message"]) == (
        "DeadlineExceeded", "Pod was active on the node longer than the specified deadline",
    )  # fmt: skip
    await node.api.until(lambda: "terminated" in first(node)["state"])


@in_node
async def test_the_end_of_the_log_may_stand_for_last_words(node: Node) -> None:
    await up(
        node, shell("echo no disk; exit 1", terminationMessagePolicy="FallbackToLogsOnError"), restartPolicy="Never"
    )
    await node.api.until_phase("p", "Failed")
    assert first(node)["state"]["terminated"]["message"] == "no disk"


@in_node
async def test_rights_that_a_manifest_gives_up_are_gone(node: Node) -> None:
    context = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    await up(node, shell("sleep 1000", securityContext=context, volumeMounts=[{"name": "v", "mountPath": "/data"}]),
             volumes=[{"name": "v", "emptyDir": {}}])  # fmt: skip
    await node.api.until_phase("p", "Running")
    script = "for d in / /tmp /usr /run /data /dev/shm; do touch $d/x && echo $d; done; grep NoNewPrivs /proc/1/status"
    out, _, _ = await node.run("p", "sh", "-c", script)
    assert out.split() == ["/data", "/dev/shm", "NoNewPrivs:", "1"], out


@in_node
async def test_an_ephemeral_container_sees_its_targets_processes(node: Node) -> None:
    await up(node, shell("sleep 1000"))
    pod = await node.api.until_phase("p", "Running")
    pod["spec"]["ephemeralContainers"] = [shell("ps ax", "debug", targetContainerName="c")]
    node.api.put_pod(pod)
    await node.api.until(lambda: first(node, sort="ephemeralContainerStatuses").get("state", {}).get("terminated"))
    found = await (await node.request("logs", "p", container="debug")).all()
    assert b"sleep 1000" in found[1]
    assert node.api.pod("p")["status"]["phase"] == "Running"


def test_only_two_runs_of_a_container_are_kept(tmp_path: Path) -> None:
    for attempt in range(5):
        prepare(tmp_path, attempt)
        (tmp_path / f"{attempt}.log").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.log", "3.message", "4.log", "4.message"]
