"""The picture of a lab."""

from typing import Any
from xml.etree import ElementTree

from slash24.web.mermaid import draw_mermaid
from slash24.web.topology import draw_topology, to_png

VNET = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet-aks"
STATUS: dict[str, Any] = {
    "name": "class",
    "internetHost": "198.51.100.10",
    "virtualNetworks": [
        {
            "id": VNET,
            "name": "vnet-aks",
            "addressPrefixes": ["10.10.0.0/16"],
            "virtualMachine": "10.10.255.244",
            "subnets": [{"name": "aks-subnet", "addressPrefix": "10.10.0.0/24"}],
        }
    ],
    "clusters": [
        {
            "key": "rg.c",
            "name": "c <1>",
            "podCidr": "192.168.0.0/16",
            "transport": "encapsulated",
            "outboundAddress": "203.0.113.2",
            "nodes": [
                {
                    "name": f"node-{i}",
                    "ready": i < 3,
                    "power": "running",
                    "address": f"10.10.0.{4 + i}",
                    "subnetId": f"{VNET}/subnets/AKS-subnet",
                    "podCidr": f"192.168.{i}.0/24",
                }
                for i in range(4)
            ],
        }
    ],
}


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_node_block_and_pod_is_in_the_picture() -> None:
    found = " ".join(words(draw_topology(STATUS, {"node-0": [{"name": "web", "ip": "192.168.0.9"}]})))
    for text in (
        "node-3",
        "192.168.3.0/24",
        "10.10.0.7",
        "web",
        "192.168.0.9",
        "203.0.113.2",
        "10.10.255.244",
        "NotReady",
    ):
        assert text in found


def test_a_name_with_marks_is_escaped() -> None:
    assert "c <1> leaves as" in words(draw_topology(STATUS, {}))


def test_pods_beyond_four_are_counted() -> None:
    pods = [{"name": f"p{i}", "ip": ""} for i in range(9)]
    found = words(draw_topology(STATUS, {"node-1": pods}))
    assert "and 5 more pods" in found
    assert "p4" not in found


def test_an_empty_lab_is_a_picture_too() -> None:
    svg = draw_topology({**STATUS, "clusters": [], "virtualNetworks": []}, {})
    assert "no cluster yet" in words(svg)


def test_the_png_is_twice_the_size_of_the_svg() -> None:
    svg = draw_topology(STATUS, {})
    width = float(ElementTree.fromstring(svg).get("width", "0"))
    png = to_png(svg)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[16:20], "big") == round(width * 2)


def test_a_node_of_a_network_with_the_same_addresses_is_drawn_once() -> None:
    (vnet,) = STATUS["virtualNetworks"]
    twin = {**vnet, "id": VNET.replace("vnet-aks", "other"), "name": "other"}
    found = words(draw_topology({**STATUS, "virtualNetworks": [vnet, twin]}, {}))
    assert found.count("node-0") == 1


def test_a_node_that_is_off_says_so() -> None:
    (cluster,) = STATUS["clusters"]
    off = [{**cluster["nodes"][0], "ready": False, "power": "stopped"}]
    status = {**STATUS, "clusters": [{**cluster, "nodes": off}]}
    assert any("Stopped" in text for text in words(draw_topology(status, {})))
    assert "Stopped" in draw_mermaid(status, {})


def test_the_flowchart_has_each_node_once_inside_its_subnet_and_what_leaves() -> None:
    pods = {"node-0": [{"name": f"p{i}", "ip": ""} for i in range(6)]}
    text = draw_mermaid(STATUS, pods)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "flowchart LR"
    assert sum(line.startswith("subgraph") for line in lines) == sum(line == "end" for line in lines) == 2
    inside = lines[lines.index('subgraph vnet0subnet0 ["subnet aks-subnet<br/>10.10.0.0/24"]') + 1 :]
    assert [line.partition("[")[0] for line in inside[:4]] == ["node0", "node1", "node2", "node3"]
    assert "p3 -<br/>and 2 more pods" in inside[0] and "p4" not in text
    assert 'cluster0 -->|"leaves as<br/>203.0.113.2"| internet' in lines
    assert "class node3 down" in lines
    assert "c &lt;1&gt;" in text


def test_marks_of_mermaid_in_a_name_are_escaped() -> None:
    text = draw_mermaid(
        {**STATUS, "virtualNetworks": [], "clusters": [{**STATUS["clusters"][0], "name": 'a"b', "nodes": []}]}, {}
    )
    assert "a#quot;b" in text
