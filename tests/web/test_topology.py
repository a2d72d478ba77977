"""The picture of a lab."""

from typing import Any
from xml.etree import ElementTree

from slash24.web.topology import draw_topology, to_png

STATUS: dict[str, Any] = {
    "name": "class",
    "internetHost": "198.51.100.10",
    "virtualNetworks": [
        {
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
                {"name": f"node-{i}", "ready": i < 3, "address": f"10.10.0.{4 + i}", "podCidr": f"192.168.{i}.0/24"}
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
