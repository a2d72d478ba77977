"""The address map in a terminal: a strip of each private range and the node blocks, by signs and not by colour
alone.
"""

from collections.abc import Iterator

from slash24.plan.address_map import Cell, Kind, areas_of, node_blocks_in_use, strips
from slash24.plan.request import ClusterRequest

_SIGNS = {
    Kind.POD: "P", Kind.SERVICE: "S", Kind.VNET: "V", Kind.SUBNET: "N", Kind.KNOWN: "#", Kind.RESERVED: "R",
}  # fmt: skip
_USES = {"now": "█", "peak": "▓", "upgrade": "▒", "free": "·"}
_USES_ASCII = {"now": "@", "peak": "o", "upgrade": "+", "free": "."}


def map_lines(request: ClusterRequest, *, ascii_only: bool = False) -> Iterator[str]:
    """Yield the map. ascii_only: for terminals that have no other signs."""
    nothing = "." if ascii_only else "·"
    for strip in strips(request):
        yield f"{strip.prefix!s:<15} |{''.join(_sign(cell, nothing) for cell in strip.cells)}|"
    yield ""
    yield "P pods  S Services  V VNet  N subnet  # known network  R reserved by AKS  x conflict"
    for area in areas_of(request):
        if area.kind is not Kind.RESERVED:
            yield f"  {_SIGNS[area.kind]} {area.prefix!s:<18} {area.name}"
    blocks = node_blocks_in_use(request)
    if not blocks:
        return
    uses = _USES_ASCII if ascii_only else _USES
    yield ""
    taken = sum(block.use != "free" for block in blocks)
    total = 1 << (request.block_prefix - (request.pod_network or blocks[0].prefix).prefixlen)
    yield f"pod CIDR {request.pod_network}   {taken} of {total} node blocks at the peak of an upgrade"
    for start in range(0, len(blocks), 16):
        row = blocks[start : start + 16]
        yield f"  {row[0].prefix.network_address!s:<15} {' '.join(uses[block.use] for block in row)}"
    yield "  ".join(f"{uses[use]} {words}" for use, words in _WORDS)


_WORDS = (("now", "node"), ("peak", "autoscaler"), ("upgrade", "upgrade"), ("free", "free"))


def _sign(cell: Cell, nothing: str) -> str:
    if cell.conflict:
        return "x"
    return _SIGNS[cell.areas[-1].kind] if cell.areas else nothing
