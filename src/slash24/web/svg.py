"""A few SVG shapes as text."""

from html import escape

FONT = "DejaVu Sans, Verdana, sans-serif"
MONO = "DejaVu Sans Mono, Menlo, monospace"


def box(
    x: float, y: float, width: float, height: float, *, fill: str, stroke: str, radius: float = 8, dash: str = ""
) -> str:
    """Return a rectangle with rounded corners; lengths in pixels."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" fill="{fill}" '
        f'stroke="{stroke}"{dashed}/>'
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 13,
    fill: str = "#1b2733",
    weight: int = 400,
    anchor: str = "start",
    mono: bool = False,
) -> str:
    """Return a line of text whose base line starts, ends or is centred (`anchor`) at x, y."""
    family = MONO if mono else FONT
    return (
        f'<text x="{x:g}" y="{y:g}" font-family="{family}" font-size="{size:g}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def line(points: list[tuple[float, float]], *, stroke: str, width: float = 1.5, dash: str = "") -> str:
    """Return a line through `points`."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'


def document(width: float, height: float, title: str, shapes: list[str]) -> str:
    """Return a whole SVG file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img">'
    )
    background = f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", background, *shapes, "</svg>"]) + "\n"
