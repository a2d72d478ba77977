"""Volumes on a node: what containers see of them, what changes, and what is refused."""

import base64
from pathlib import Path
from typing import Any

import pytest

from slash24.lab.kubelet import projection
from slash24.lab.kubelet.contents import File, VolumeError
from slash24.lab.kubelet.volumes import NodeTree
from tests.lab.kubelet.in_node import Node, eventually, in_node


def shell(script: str, *mounts: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"name": "c", "image": "busybox", "command": ["sh", "-c", script], "volumeMounts": list(mounts), **more}


def test_a_projection_changes_all_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    projection.write(folder, {"a": File(b"1", 0o600), "sub/b": File(b"2", 0o644)})
    first = (folder / "..data").resolve()
    assert ((folder / "a").read_bytes(), (folder / "sub/b").read_bytes()) == (b"1", b"2")
    assert (folder / "a").stat().st_mode & 0o777 == 0o600
    projection.write(folder, {"a": File(b"3", 0o644), "c": File(b"4", 0o644)})
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("..")) == ["a", "c"]
    assert (folder / "a").read_bytes() == b"3" and not first.exists()


def test_a_host_path_reaches_the_nodes_own_folders_only(tmp_path: Path) -> None:
    own, secret = tmp_path / "own", tmp_path / "own/secret"
    secret.mkdir(parents=True)
    (own / "way-out").symlink_to("/usr")
    tree = NodeTree([str(own)], [str(secret)])
    assert tree.find(f"{own}/data") == own / "data"
    for path, message in (
        ("/usr/lib", "is the machine's"),
        (f"{own}/way-out/lib", "is the machine's"),
        (f"{own}/../x", "is the machine's"),
        (f"{secret}/key", "which no pod may see"),
        (str(own), "which no pod may see"),
    ):
        with pytest.raises(VolumeError, match=message):
            tree.find(path)


@in_node
async def test_a_pod_waits_for_what_it_refers_to_and_sees_its_changes(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    config = {"name": "config", "configMap": {"name": "app"}}
    variable = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "key", "key": "password"}}}
    mount = {"name": "config", "mountPath": "/etc/app"}
    part = {"name": "config", "mountPath": "/etc/one", "subPath": "color"}
    node.api.add_pod("p", {"containers": [shell("sleep 1000", mount, part, env=[variable])], "volumes": [config]})
    told = await node.api.until(lambda: node.api.events("FailedMount"))
    assert told[0] == 'MountVolume.SetUp failed for volume "config" : configmap "app" not found'
    node.api.put("configmaps", "app", data={"color": "blue", "big": "x" * (1 << 20)})
    await node.api.until(lambda: node.api.events("Failed"))
    waiting = node.api.pod("p")["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "key" not found'}
    node.api.put("secrets", "key", data={"password": base64.b64encode(b"s3cret").decode()})
    await node.api.until_phase("p", "Running")  # at once: it need not wait for the next try
    out, _, _ = await node.run("p", "sh", "-c", "echo $PASSWORD; cat /etc/app/color /etc/one; wc -c < /etc/app/big; "
                               "touch /etc/app/x")  # fmt: skip
    assert out == f"s3cret\nblueblue{1 << 20}\n"
    node.api.put("configmaps", "app", data={"color": "red"})
    await eventually(
        lambda: any(path.read_text() == "red" for path in Path("/run/kubelet").glob("pods/*/*/config/color"))
    )
    out, _, _ = await node.run("p", "sh", "-c", "cat /etc/app/color; ls /etc/app; cat /etc/one")
    assert out == "redcolor\nblue"  # a subPath stays what it was
    node.api.delete_pod("p", grace_s=0)
    await node.api.until_gone("p")
    assert "volumes.d" not in Path("/proc/self/mountinfo").read_text()


@in_node
async def test_no_link_of_a_container_leads_out_of_its_volume(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    mount = {"name": "v", "mountPath": "/v"}
    escape = shell("sleep 1000", {"name": "v", "mountPath": "/host", "subPath": "way/out"}) | {"name": "victim"}
    init = shell("ln -s /etc /v/way", mount) | {"name": "init"}
    node.api.add_pod(
        "p", {"initContainers": [init], "containers": [escape], "volumes": [{"name": "v", "emptyDir": {}}]}
    )
    failed = await node.api.until(lambda: [text for text in node.api.events("Failed") if "way/out" in text])
    assert "ross-device link" in failed[0], failed[0]
    good = shell("cat /v/b", {"name": "v", "mountPath": "/v", "subPathExpr": "$(WHO)/a"},
                 env=[{"name": "WHO", "value": "me"}]) | {"name": "good"}  # fmt: skip
    make = shell("mkdir -p /v/me/a && echo fine > /v/me/a/b", mount) | {"name": "init"}
    node.api.add_pod("q", {"initContainers": [make], "containers": [good], "restartPolicy": "Never",
                           "volumes": [{"name": "v", "emptyDir": {}}]})  # fmt: skip
    await node.api.until_phase("q", "Succeeded")
    assert await (await node.request("logs", "q", container="good")).all() == {1: b"fine\n"}


@in_node
async def test_a_host_path_is_the_nodes_and_outlives_the_pod(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    volume = {"name": "v", "hostPath": {"path": "/var/lib/shared", "type": "DirectoryOrCreate"}}
    for name, script in (("a", "echo kept > /v/file"), ("b", "cat /v/file")):
        container = shell(script, {"name": "v", "mountPath": "/v"})
        node.api.add_pod(name, {"containers": [container], "volumes": [volume], "restartPolicy": "Never"})
        await node.api.until_phase(name, "Succeeded")
    assert await (await node.request("logs", "b")).all() == {1: b"kept\n"}
    node.api.add_pod("c", {"containers": [shell("true")], "volumes": [{"name": "v", "hostPath": {"path": "/usr"}}]})
    told = await node.api.until(lambda: node.api.events("FailedMount"))
    assert told[0].startswith('MountVolume.SetUp failed for volume "v" : hostPath /usr is the machine\'s')
