"""JSON with the line of every value, and the readers of what `az ... show` and `az ... list` print."""

import re
from collections.abc import Iterator
from typing import Any

from slash24.plan.iac import armdocument
from slash24.plan.iac.file import File
from slash24.plan.iac.node import Node, Place, ReadError, mapping
from slash24.plan.iac.resource import Reading

MAX_VALUES = 1_000_000
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[-\w.+]+|\n')


def parse(file: File) -> Node:
    """Return a JSON file as values with their places. Raises ReadError if it is no JSON, or too much of it.

    The standard library says whether it is JSON and what its values are; a second pass finds the lines.
    """
    whole = file.json
    lines = _lines(file)
    count = 0

    def node(value: Any) -> Node:
        nonlocal count
        count += 1
        if count > MAX_VALUES:
            raise ReadError(f"it has more than {MAX_VALUES:,} values", Place(file.name, 1))
        place = Place(file.name, next(lines, 1))
        if isinstance(value, dict):
            fields = {}
            for key, inner in value.items():
                next(lines, 1)  # the key's own
                fields[key] = node(inner)
            return Node(mapping(fields), place)
        if isinstance(value, list):
            return Node(tuple(node(inner) for inner in value), place)
        return Node(value, place)

    return node(whole)


def _lines(file: File) -> Iterator[int]:
    """Yield the line of each key and each value, in the order in which the text has them."""
    line = 1
    for match in _TOKEN.finditer(file.text):
        if match[0] == "\n":
            line += 1
        elif match[0] not in ("}", "]"):
            yield line


def read_shown(file: File) -> Reading:
    """Return the clusters or networks of what az printed about them."""
    return armdocument.shown(parse(file))
