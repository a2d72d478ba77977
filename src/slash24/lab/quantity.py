"""Kubernetes' quantities: `500m` of a processor, `64Mi` of memory (docs/sources.md#quantities). Pure."""

import re
from fractions import Fraction

_FORM = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)")
_SUFFIXES = {
    suffix: Fraction(1000) ** power for suffix, power in zip("numkMGTPE", (-3, -2, -1, *range(1, 7)), strict=True)
}
_SUFFIXES |= {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)}


def parse(text: str | int | float) -> Fraction:
    """Return a quantity as an exact number of its unit: processors, bytes. Raises ValueError.

    >>> parse("500m"), parse("64Mi"), parse("1e3"), parse(2)
    (Fraction(1, 2), Fraction(67108864, 1), Fraction(1000, 1), Fraction(2, 1))
    """
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: a number and perhaps a suffix, as in 500m or 64Mi")
    number, exponent, suffix = match.groups()
    if exponent:
        return Fraction(number + exponent)
    scale: Fraction = _SUFFIXES.get(suffix or "", Fraction(1))
    return Fraction(number) * scale
