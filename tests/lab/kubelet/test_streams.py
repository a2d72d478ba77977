"""exec, attach and logs through the kubelet's socket, as the API server asks for them."""

import asyncio
import json
from typing import Any

from tests.lab.kubelet.in_node import Node, in_node

PAUSE = {"name": "c", "image": "pause"}


def shell(script: str, **more: object) -> dict[str, Any]:
    return {"name": "c", "image": "busybox", "command": ["sh", "-c", script], **more}


async def running(node: Node, container: dict[str, Any], name: str = "p", **spec: object) -> None:
    node.write_network()
    if node.kubelet is None:
        await node.start_kubelet()
    node.api.add_pod(name, {"containers": [container], **spec})
    await node.api.until_phase(name, "Running")


@in_node
async def test_exec_tells_output_errors_and_exit_code(node: Node) -> None:
    await running(node, PAUSE)
    out, err, end = await node.run("p", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (out, err) == ("out\n", "err\n")
    assert end["reason"] == "NonZeroExitCode"
    assert end["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    _, _, end = await node.run("p", "true")
    assert end == {"metadata": {}, "status": "Success"}
    _, _, end = await node.run("p", "sh", "-c", "kill -9 $$")
    assert end["details"]["causes"][0]["message"] == "137"


@in_node
async def test_exec_of_what_is_not_there_is_an_error_not_an_exit_code(node: Node) -> None:
    await running(node, PAUSE)
    _, _, end = await node.run("p", "nope")
    assert end["code"] == 500
    assert 'exec: "nope": executable file not found in $PATH' in end["message"]
    _, _, end = await node.run("p", "true", container="other")
    assert end["message"] == "container other is not valid for pod p"
    _, _, end = await node.run("q", "true")
    assert end["code"] == 404


@in_node
async def test_exec_carries_stdin_to_its_end_and_megabytes_both_ways(node: Node) -> None:
    await running(node, PAUSE)
    stream = await node.request("exec", "p", command=["cat"], stdin=True)
    data = bytes(range(256)) * 8192
    for at in range(0, len(data), 30000):
        stream.send(0, data[at : at + 30000])
    stream.send(255, b"\0")
    found = await stream.all()
    assert found[1] == data
    assert json.loads(found[3])["status"] == "Success"


@in_node
async def test_exec_with_a_terminal_has_job_control_and_a_size(node: Node) -> None:
    await running(node, PAUSE)
    stream = await node.request("exec", "p", command=["bash", "--norc"], stdin=True, tty=True)
    stream.send(4, b'{"Width":101,"Height":33}\n')
    stream.send(0, b"stty size; tty; PS1='> '\n")
    assert b"33 101" in await stream.until(b"/dev/pts/")
    stream.send(0, b"sleep 100\n")
    await asyncio.sleep(0.2)
    stream.send(0, b"\3")  # Ctrl-C ends the sleep, not the shell
    stream.send(0, b"echo code $?\n")
    assert b"job control" not in await stream.until(b"code 130")
    stream.send(0, b"exit 5\n")
    found = await stream.all()
    assert json.loads(found[3])["details"]["causes"][0]["message"] == "5"
    assert 2 not in found


@in_node
async def test_a_command_ends_with_its_client(node: Node) -> None:
    await running(node, PAUSE)
    stream = await node.request("exec", "p", command=["sh", "-c", "echo up; sleep 1000"])
    await stream.until(b"up")
    stream.writer.close()
    async with asyncio.timeout(5):
        while "sleep" in (await node.run("p", "ps", "ax"))[0]:
            await asyncio.sleep(0.05)


@in_node
async def test_a_background_child_does_not_hold_exec(node: Node) -> None:
    await running(node, PAUSE)
    out, _, end = await node.run("p", "sh", "-c", "sleep 30 & echo started")
    assert (out, end["status"]) == ("started\n", "Success")


@in_node
async def test_logs_follow_tail_and_times(node: Node) -> None:
    await running(node, shell("for i in 1 2 3; do echo line $i; done; echo oops >&2; sleep 0.5; echo late; sleep 100"))
    followed = await node.request("logs", "p", follow=True)
    await followed.until(b"late\n")
    found = await (await node.request("logs", "p")).all()
    assert sorted(found[1].splitlines()) == [b"late", b"line 1", b"line 2", b"line 3", b"oops"]
    found = await (await node.request("logs", "p", tailLines=2)).all()
    assert len(found[1].splitlines()) == 2
    assert found[1].endswith(b"late\n")
    assert await (await node.request("logs", "p", tailLines=0)).all() == {}
    found = await (await node.request("logs", "p", tailLines=1, timestamps=True)).all()
    stamp, text = found[1].split(b" ", 1)
    assert (stamp[:2], stamp[-1:], text) == (b"20", b"Z", b"late\n")
    assert await (await node.request("logs", "p", sinceSeconds=0)).all() == {}
    node.api.delete_pod("p", grace_s=0)
    assert await followed.all() == {}  # it ends with the container


@in_node
async def test_logs_of_the_run_before(node: Node) -> None:
    await running(node, shell("echo run; sleep 0.2; exit 1"))
    found = await (await node.request("logs", "p", previous=True)).all()
    assert json.loads(found[3])["message"] == 'previous terminated container "c" in pod "p" not found'
    await node.api.until(lambda: node.api.pod("p")["status"]["containerStatuses"][0]["restartCount"] == 1)
    assert await (await node.request("logs", "p", previous=True)).all() == {1: b"run\n"}


@in_node
async def test_logs_before_the_start_say_what_it_waits_for(node: Node) -> None:
    node.write_network()
    await node.start_kubelet()
    node.api.add_pod("p", {"containers": [{"name": "c", "image": "example.org/app:1"}]})
    await node.api.until(lambda: node.api.events("Failed"))
    found = await (await node.request("logs", "p")).all()
    assert json.loads(found[3])["message"] == 'container "c" in pod "p" is trying and failing to pull image'


@in_node
async def test_a_very_long_line_comes_back_whole(node: Node) -> None:
    await running(node, shell("head -c 100000 /dev/zero | tr '\\0' x; echo; sleep 100"))
    await asyncio.sleep(0.3)
    found = await (await node.request("logs", "p")).all()
    assert found[1] == b"x" * 100000 + b"\n"


@in_node
async def test_attach_reaches_the_containers_own_input(node: Node) -> None:
    await running(node, shell("while read x; do echo got $x; done; echo end", stdin=True, stdinOnce=True),
                  restartPolicy="Never")  # fmt: skip
    stream = await node.request("attach", "p", stdin=True)
    stream.send(0, b"hello\n")
    await stream.until(b"got hello")
    stream.send(255, b"\0")
    found = await stream.all()
    assert found[1] == b"end\n"
    assert json.loads(found[3])["status"] == "Success"
    await node.api.until_phase("p", "Succeeded")


@in_node
async def test_attach_to_a_containers_terminal(node: Node) -> None:
    terminal = {"name": "c", "image": "busybox", "command": ["bash", "--norc"], "stdin": True, "tty": True}
    await running(node, terminal | {"stdinOnce": True}, restartPolicy="Never")
    stream = await node.request("attach", "p", stdin=True, tty=True)
    stream.send(4, b'{"Width":90,"Height":20}\n')
    stream.send(0, b"stty size; tty\n")
    assert b"20 90" in await stream.until(b"/dev/pts/0")
    stream.writer.close()  # a terminal survives its client
    again = await node.request("attach", "p", stdin=True, tty=True)
    again.send(0, b"exit\n")
    await again.all()
    await node.api.until_phase("p", "Succeeded")


@in_node
async def test_a_forwarded_port_is_one_of_the_pods_own_loopback(node: Node) -> None:
    server = {"name": "c", "image": "agnhost", "args": ["netexec", "--http-port=8080"]}
    await running(node, server | {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}})
    await node.api.until(lambda: node.api.pod("p")["status"]["containerStatuses"][0]["ready"])
    stream = await node.request("portforward", "p", port="8080")
    frame = await stream.frame()
    assert frame is not None and json.loads(frame[1]) == {"status": "Success"}
    stream.writer.write(b"GET /hostname HTTP/1.0\r\n\r\n")
    assert (await stream.reader.read()).endswith(b"\r\n\r\np")
    stream.writer.close()
    for port, message in (("81", "dial tcp4 127.0.0.1:81: connect: connection refused"), ("x", "can't be forwarded")):
        found = await (await node.request("portforward", "p", port=port)).all()
        assert message in json.loads(found[3])["message"]
