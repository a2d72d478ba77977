"""The lab's topology as a picture: network, subnets, nodes with their blocks and pods; the internet beside them."""

import math
from typing import Any

from slash24.core.topology import resource_key
from slash24.web import svg

Json = dict[str, Any]
_FEWEST_COLUMNS, _MOST_COLUMNS = 3, 6
_NODE_WIDTH, _GAP, _PAD = 284, 16, 18
_POD_ROWS = 4  # pods named in a node's box; the others are counted
_INTERNET_WIDTH = 250
_INK, _SOFT, _WARNING = "#1b2733", "#5b6b7a", "#b42318"
_COLOURS = ("#2f6fde", "#b4541a", "#1f8a5b", "#8a3ffc", "#b0245c", "#6b7280")  # one a cluster


def draw_topology(status: Json, pods: dict[str, list[dict[str, str]]]) -> str:
    """Return an SVG of the lab.

    status: what `lab status -o json` says. pods: node name -> its pods, each with `name` and `ip`.
    """
    shapes: list[str] = []
    clusters = status["clusters"]
    colour = {cluster["key"]: _COLOURS[i % len(_COLOURS)] for i, cluster in enumerate(clusters)}
    nodes = [(cluster, node) for cluster in clusters for node in cluster["nodes"]]
    rows_of_pods = min(_POD_ROWS, max([len(pods.get(node["name"], ())) for _, node in nodes], default=0))
    node_height = 92 + 18 * (rows_of_pods + 1)
    y = 64.0
    columns = min(max(1, len(nodes)), max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, math.isqrt(len(nodes)))))
    width = max(2 * _PAD + columns * (_NODE_WIDTH + _GAP) - _GAP, 420)
    shapes.append(svg.text(24, 34, f"slash24 lab {status['name']}", size=20, weight=700))
    shapes.append(svg.text(24, 52, _sentence(clusters), size=12, fill=_SOFT))
    for vnet in status["virtualNetworks"]:
        y = _draw_vnet(shapes, vnet, nodes, pods, colour, y, width, node_height, columns) + 24
    _draw_internet(shapes, status, colour, 24 + width + 40, y)
    return svg.document(24 + width + 40 + _INTERNET_WIDTH + 24, y, f"Topology of the lab {status['name']}", shapes)


def _sentence(clusters: list[Json]) -> str:
    parts = []
    for cluster in clusters:
        way = "VXLAN between node addresses" if cluster["transport"] == "encapsulated" else "routed by the fabric"
        parts.append(f"{cluster['name']}: pod CIDR {cluster['podCidr']}, {way}")
    return " · ".join(parts) or "no cluster yet"


def in_subnet(nodes: list[tuple[Json, Json]], vnet: Json, subnet: Json) -> list[tuple[Json, Json]]:
    """Return those of the nodes, (cluster, node) each, that are in a subnet: by its id, for networks may overlap."""
    key = f"{resource_key(vnet['id'])}/subnets/{subnet['name'].lower()}"
    return [(cluster, node) for cluster, node in nodes if resource_key(node["subnetId"]) == key]


def node_state(node: Json) -> str:
    """Return a node's state in one word: Ready, NotReady, or Stopped if somebody stopped it."""
    if node["power"] == "stopped":
        return "Stopped"
    return "Ready" if node["ready"] else "NotReady"


def _draw_vnet(
    shapes: list[str], vnet: Json, nodes: list[tuple[Json, Json]],
    pods: dict[str, list[dict[str, str]]], colour: dict[str, str], top: float, width: float, node_height: float,
    columns: int,
) -> float:  # fmt: skip
    """Draw one virtual network from `top` down; return where it ends."""
    at = len(shapes)
    y = top + 34
    for subnet in vnet["subnets"]:
        inside = in_subnet(nodes, vnet, subnet)
        rows = max(1, -(-len(inside) // columns))
        height = 40 + (rows * (node_height + _GAP) if inside else 16)
        shapes.append(svg.box(24 + _PAD / 2, y, width - _PAD, height, fill="#f6f9fc", stroke="#b9c6d3", dash="5 4"))
        label = f"subnet {subnet['name']}  {subnet['addressPrefix']}"
        shapes.append(svg.text(24 + _PAD, y + 22, label, size=12, fill=_SOFT))
        for i, (cluster, node) in enumerate(inside):
            x = 24 + _PAD + (i % columns) * (_NODE_WIDTH + _GAP)
            _draw_node(shapes, node, pods.get(node["name"], []), colour[cluster["key"]],
                       x, y + 36 + (i // columns) * (node_height + _GAP), node_height)  # fmt: skip
        y += height + 12
    if vnet["virtualMachine"]:
        shapes.append(svg.box(24 + _PAD, y, 210, 34, fill="#ffffff", stroke=_SOFT))
        shapes.append(svg.text(24 + _PAD + 12, y + 22, f"virtual machine  {vnet['virtualMachine']}", size=12))
        y += 46
    shapes.insert(at, svg.box(24, top, width, y - top, fill="#eaf1f8", stroke="#8fa5ba"))
    title = f"virtual network {vnet['name']}  {', '.join(vnet['addressPrefixes'])}"
    shapes.insert(at + 1, svg.text(24 + _PAD, top + 23, title, size=14, weight=700))
    return y


def _draw_node(
    shapes: list[str], node: Json, pods: list[dict[str, str]], colour: str, x: float, y: float,
    height: float,
) -> None:  # fmt: skip
    well = node["ready"]
    fill, dash = ("#ffffff", "") if well else ("#eceff2", "5 4")
    shapes.append(svg.box(x, y, _NODE_WIDTH, height, fill=fill, stroke=colour, dash=dash))
    shapes.append(svg.box(x, y, 6, height, fill=colour, stroke=colour, radius=3))
    shapes.append(svg.text(x + 16, y + 21, node["name"], size=11.5, weight=700))
    shapes.append(
        svg.text(
            x + 16,
            y + 39,
            f"{node['address']}   {node_state(node)}",
            size=11,
            mono=True,
            fill=_INK if well else _WARNING,
        )
    )
    shapes.append(svg.text(x + 16, y + 57, f"block {node['podCidr'] or 'none yet'}", size=11, mono=True, fill=colour))
    shapes.append(svg.line([(x + 16, y + 66), (x + _NODE_WIDTH - 12, y + 66)], stroke="#dbe3ea", width=1))
    shown = pods[:_POD_ROWS]
    for i, pod in enumerate(shown):
        row = y + 84 + 18 * i
        shapes.append(svg.text(x + 16, row, pod["name"][:19], size=11))
        shapes.append(svg.text(x + _NODE_WIDTH - 12, row, pod["ip"] or "-", size=11, mono=True, anchor="end"))
    rest = len(pods) - len(shown)
    if rest or not pods:
        words = f"and {rest} more pods" if rest else "no pods"
        shapes.append(svg.text(x + 16, y + 84 + 18 * len(shown), words, size=11, fill=_SOFT))


def _draw_internet(shapes: list[str], status: Json, colour: dict[str, str], x: float, bottom: float) -> None:
    shapes.append(svg.box(x, 64, _INTERNET_WIDTH, bottom - 64 - 24, fill="#f3f0fa", stroke="#a89bc8"))
    shapes.append(svg.text(x + _PAD, 87, "internet", size=14, weight=700))
    shapes.append(svg.text(x + _PAD, 110, f"host {status['internetHost']}", size=11, mono=True))
    y = 140
    for cluster in status["clusters"]:
        shapes.append(svg.line([(x - 40, y - 4), (x + _PAD - 4, y - 4)], stroke=colour[cluster["key"]], width=2))
        words = f"{cluster['name']} leaves as"
        shapes.append(svg.text(x + _PAD, y, words, size=11, fill=colour[cluster["key"]], weight=700))
        shapes.append(svg.text(x + _PAD, y + 17, cluster["outboundAddress"], size=11, mono=True))
        y += 46


def to_png(svg_text: str) -> bytes:
    """Return an SVG as a PNG, drawn at twice its size."""
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg_text, zoom=2))
