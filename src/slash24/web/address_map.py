"""The address map as a picture: a strip of each private range, and the pod CIDR's node blocks as a 16 x 16 grid."""

from slash24.plan.address_map import Area, Block, Kind, Strip, areas_of, node_blocks_in_use, strips
from slash24.plan.request import ClusterRequest
from slash24.web import svg

_INK, _SOFT = "#1b2733", "#5b6b7a"
_COLOURS = {
    Kind.POD: "#2f6fde", Kind.SERVICE: "#8a3ffc", Kind.VNET: "#9cc5a1", Kind.SUBNET: "#1f8a5b", Kind.KNOWN: "#b7bec6",
    Kind.RESERVED: "#e2b93b",
}  # fmt: skip
_CONFLICT = "#d11f3a"
_USES = {"now": "#2f6fde", "peak": "#8fb4f0", "upgrade": "#c9dbf8", "free": "#eef2f6"}
_CELLS, _CELL_WIDTH, _STRIP_HEIGHT = 64, 9, 26
_LEFT, _TOP = 24, 64
_GRID_CELL = 26


def draw_map(request: ClusterRequest) -> str:
    """Return an SVG of the plan's addresses."""
    shapes: list[str] = [svg.text(_LEFT, 34, "Address map", size=20, weight=700)]
    shapes.append(svg.text(_LEFT, 52, _sentence(request), size=12, fill=_SOFT))
    y = float(_TOP)
    for strip in strips(request, _CELLS):
        y = _draw_strip(shapes, strip, y)
    y = _draw_legend(shapes, areas_of(request), y)
    blocks = node_blocks_in_use(request)
    x = _LEFT + 140 + _CELLS * _CELL_WIDTH + 40
    bottom = _draw_grid(shapes, request, blocks, x) if blocks else 0.0
    width = x + (16 * (_GRID_CELL + 2) + 60 if blocks else 0)
    return svg.document(width, max(y, bottom) + 16, "Address map", shapes)


def _sentence(request: ClusterRequest) -> str:
    parts = [f"VNet {', '.join(map(str, request.vnet_prefixes))}"] if request.vnet_prefixes else []
    parts += [f"pods {', '.join(map(str, request.pod_networks))}"] if request.pod_networks else []
    parts.append(f"Services {', '.join(map(str, request.service_networks))}")
    return " · ".join(parts)


def _draw_strip(shapes: list[str], strip: Strip, y: float) -> float:
    shapes.append(svg.text(_LEFT, y + 18, str(strip.prefix), size=12, mono=True))
    x = _LEFT + 140.0
    for index, cell in enumerate(strip.cells):
        fill = _CONFLICT if cell.conflict else _COLOURS[cell.areas[-1].kind] if cell.areas else "#f4f6f8"
        left = x + index * _CELL_WIDTH
        shapes.append(svg.box(left, y, _CELL_WIDTH, _STRIP_HEIGHT, fill=fill, stroke="#ffffff", radius=1))
        if cell.conflict:
            shapes += _crossed(left, y)
    return y + _STRIP_HEIGHT + 12


def _crossed(left: float, top: float) -> list[str]:
    """Return a cross over a cell of a strip: a conflict is told without its colour too."""
    right, bottom = left + _CELL_WIDTH - 1, top + _STRIP_HEIGHT - 1
    return [
        svg.line([(left + 1, top + 1), (right, bottom)], stroke="#ffffff"),
        svg.line([(left + 1, bottom), (right, top + 1)], stroke="#ffffff"),
    ]


def _draw_legend(shapes: list[str], areas: tuple[Area, ...], y: float) -> float:
    y += 14
    for area in areas:
        if area.kind is Kind.RESERVED:
            continue
        shapes.append(svg.box(_LEFT, y - 10, 12, 12, fill=_COLOURS[area.kind], stroke="#ffffff", radius=2))
        shapes.append(svg.text(_LEFT + 20, y, str(area.prefix), size=12, mono=True))
        shapes.append(svg.text(_LEFT + 180, y, f"{area.name} ({area.kind})"[:60], size=12))
        y += 20
    shapes.append(svg.box(_LEFT, y - 10, 12, 12, fill=_COLOURS[Kind.RESERVED], stroke="#ffffff", radius=2))
    shapes.append(
        svg.text(_LEFT + 20, y, "reserved by AKS; red with a cross: two overlap that may not", size=12, fill=_SOFT)
    )
    return y + 8


def _draw_grid(shapes: list[str], request: ClusterRequest, blocks: tuple[Block, ...], x: float) -> float:
    title = f"{request.pod_network}: a cell is one node's /{request.block_prefix}"
    shapes.append(svg.text(x, _TOP - 8, title, size=12, weight=700))
    for index, block in enumerate(blocks):
        row, column = divmod(index, 16)
        left, top = x + 40 + column * (_GRID_CELL + 2), _TOP + 8 + row * (_GRID_CELL + 2)
        if column == 0:
            third = str(block.prefix.network_address).rsplit(".", 1)[0].split(".", 1)[1]
            shapes.append(svg.text(x + 34, top + 17, third, size=9, mono=True, anchor="end", fill=_SOFT))
        shapes.append(svg.box(left, top, _GRID_CELL, _GRID_CELL, fill=_USES[block.use], stroke="#d3dbe3", radius=3))
    y = _TOP + 8 + (len(blocks) + 15) // 16 * (_GRID_CELL + 2) + 18
    for use, words in (("now", "node"), ("peak", "autoscaler"), ("upgrade", "upgrade"), ("free", "free")):
        shapes.append(svg.box(x + 40, y - 10, 12, 12, fill=_USES[use], stroke="#d3dbe3", radius=2))
        count = sum(block.use == use for block in blocks)
        shapes.append(svg.text(x + 58, y, f"{words} {count}", size=12))
        x += 105
    return float(y + 12)
