"""The CNI runtime: which list it takes, how it calls the plugins, what it does with their answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from slash24.lab.kubelet import cni

PLUGIN = """#!/bin/sh
config=$(cat)
printf '%s\\n' "$CNI_COMMAND ${{0##*/}} $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS $config" >> {log}
[ "$CNI_COMMAND" = ADD ] && echo '{{"ips": [{{"address": "10.1.2.3/24"}}], "by": "'${{0##*/}}'"}}'
exit 0
"""


class Bench:
    """A conf folder, a bin folder, and the calls that its plugins noted."""

    def __init__(self, path: Path) -> None:
        self.conf, self.bin, self.log = path / "conf", path / "bin", path / "log"
        self.conf.mkdir()
        self.bin.mkdir()
        self.runtime = cni.Runtime(str(self.conf), [str(self.bin)], str(path / "cache"), timeout_s=1.0)

    def plugin(self, name: str, text: str = PLUGIN) -> None:
        (self.bin / name).write_text(text.format(log=self.log))
        (self.bin / name).chmod(0o755)

    def network(self, *plugins: dict[str, Any], version: str = "1.0.0", name: str = "10-net.conflist") -> None:
        body = {"cniVersion": version, "name": "net", "plugins": list(plugins)}
        (self.conf / name).write_text(json.dumps(body))

    def calls(self) -> list[tuple[list[str], dict[str, Any]]]:
        found = []
        for line in self.log.read_text().splitlines():
            head, _, config = line.partition(" {")
            found.append((head.split(), json.loads("{" + config)))
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_plugins_are_chained_and_deleted_in_reverse(bench: Bench) -> None:
    bench.plugin("one")
    bench.plugin("two")
    bench.network({"type": "one", "mtu": 1400}, {"type": "two", "capabilities": {"portMappings": True}})
    args = cni.plugin_args("shop", "web", "uid", "box")
    ports = [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp"}]
    result = await bench.runtime.add("box", "/run/netns/x", args, ports=ports)
    assert (cni.addresses(result), result["by"]) == (["10.1.2.3"], "two")
    await bench.runtime.delete("box", "/run/netns/x", args)
    calls = bench.calls()
    assert [(words[0], words[1]) for words, _ in calls] == [
        ("ADD", "one"), ("ADD", "two"), ("DEL", "two"), ("DEL", "one"),
    ]  # fmt: skip
    words, config = calls[1]
    assert words[2:] == [
        "box", "/run/netns/x", "eth0",
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=box;K8S_POD_UID=uid",
    ]  # fmt: skip
    assert (config["name"], config["cniVersion"], config["prevResult"]["by"]) == ("net", "1.0.0", "one")
    assert config["runtimeConfig"] == {"portMappings": ports}
    assert "runtimeConfig" not in calls[0][1]
    assert "prevResult" not in calls[0][1]
    assert calls[2][1]["prevResult"] == calls[3][1]["prevResult"] == result


async def test_a_delete_uses_the_list_that_the_add_used(bench: Bench) -> None:
    bench.plugin("one")
    bench.plugin("other")
    bench.network({"type": "one"})
    await bench.runtime.add("box", "/n", "")
    bench.network({"type": "other"})
    await bench.runtime.delete("box", "", "")
    assert bench.calls()[-1][0][:2] == ["DEL", "one"]
    await bench.runtime.delete("box", "", "")  # nothing is known any more: the list that stands there
    assert bench.calls()[-1][0][:2] == ["DEL", "other"]


async def test_a_failed_add_is_undone_and_told(bench: Bench) -> None:
    bench.plugin("one")
    bench.plugin("bad", '#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] || exit 0\necho \'{{"code": 11, "msg": "full", "details": "x"}}\'\nexit 1\n')  # fmt: skip  # noqa: E501
    bench.network({"type": "one"}, {"type": "bad"})
    with pytest.raises(cni.CniError) as raised:
        await bench.runtime.add("box", "/n", "")
    assert str(raised.value) == 'plugin type="bad" name="net" failed (add): full; x'
    assert raised.value.number == 11
    assert [words[0] for words, _ in bench.calls()] == ["ADD", "DEL"]
    assert bench.runtime.known() == []


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("sleep 10", "no answer within 1 s"),
        ("echo oops >&2; exit 2", "netplugin failed: 'oops'"),
        ("exit 2", "netplugin failed with no error message: exit status 2"),
        ("echo nonsense", "its result is not JSON"),
        ("kill -9 $$", "exit status 137"),
    ],
)
async def test_every_way_to_fail_has_its_words(bench: Bench, script: str, text: str) -> None:
    bench.plugin("bad", f'#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] || exit 0\n{script}\n')
    bench.network({"type": "bad"})
    with pytest.raises(cni.CniError, match=text.replace("(", r"\(")):
        await bench.runtime.add("box", "/n", "")


async def test_a_missing_plugin_is_named_with_where_it_was_sought(bench: Bench) -> None:
    bench.network({"type": "nowhere"})
    with pytest.raises(cni.CniError, match=r'failed to find plugin "nowhere" in path \['):
        await bench.runtime.add("box", "/n", "")


async def test_status_and_garbage_collection_are_for_lists_that_know_them(bench: Bench) -> None:
    bench.plugin("one")
    bench.network({"type": "one"})
    await bench.runtime.status(bench.runtime.network())
    await bench.runtime.collect_garbage(["box"])
    assert not bench.log.exists()
    bench.network({"type": "one"}, version="1.1.0")
    await bench.runtime.status(bench.runtime.network())
    await bench.runtime.collect_garbage(["box"])
    (status, _), (garbage, config) = bench.calls()
    assert (status[0], garbage[0]) == ("STATUS", "GC")
    assert config["cni.dev/valid-attachments"] == [{"containerID": "box", "ifname": "eth0"}]


def test_the_first_file_in_lexical_order_counts(bench: Bench) -> None:
    with pytest.raises(cni.NotConfiguredError, match=r"^cni plugin not initialized$"):
        bench.runtime.network()
    bench.network({"type": "late"}, name="20-net.conflist")
    (bench.conf / "10-net.conf").write_text(json.dumps({"cniVersion": "0.4.0", "name": "single", "type": "early"}))
    (bench.conf / "00-readme.txt").write_text("not a network")
    network = bench.runtime.network()
    assert (network.name, network.version, network.plugins[0]["type"]) == ("single", "0.4.0", "early")
    (bench.conf / "05-bad.conflist").write_text('{"name": "x", "plugins": []}')
    with pytest.raises(cni.NotConfiguredError, match=r"05-bad\.conflist: CNI network x has no plugins: invalid"):
        bench.runtime.network()


async def test_a_truncated_record_does_not_stop_a_delete(bench: Bench) -> None:
    bench.plugin("one")
    bench.network({"type": "one"})
    await bench.runtime.add("box", "/n", "")
    (record,) = bench.log.parent.rglob("box.json")
    record.write_text(record.read_text()[:20])
    await bench.runtime.delete("box", "", "args")
    assert bench.calls()[-1][0][:3] == ["DEL", "one", "box"]
    assert not record.exists()
