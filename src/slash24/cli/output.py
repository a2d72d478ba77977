"""Results on stdout: columns as kubectl prints them, or data as az prints it, with az's `--query`."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slash24.errors import UsageError

FORMATS = ("table", "wide", "json", "jsonc", "yaml", "yamlc", "tsv", "none")
MISSING = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `value`: a dotted path into the row, or a function of it. `wide`: shown with `-o wide` only."""

    header: str
    value: str | Callable[[Any], Any]
    right: bool = False
    wide: bool = False

    def of(self, row: Any) -> str:
        found = self.value(row) if callable(self.value) else _walk(row, self.value)
        return cell(found)


def _walk(row: Any, path: str) -> Any:
    for key in path.split("."):
        row = row.get(key) if isinstance(row, dict) else None
    return row


def cell(value: Any) -> str:
    """Return a value as a table shows it: one line, "-" if there is none, thousands apart above 9,999."""
    if value is None or value in ("", [], {}):
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) > 9999 else str(value)
    if isinstance(value, list):
        return ",".join(cell(item) for item in value)
    if isinstance(value, dict):
        return ",".join(f"{key}={cell(item)}" for key, item in value.items())
    return str(value).replace("\n", " ")


def table(rows: Iterable[Any], columns: Sequence[Column], *, headers: bool = True) -> str:
    """Return the rows in columns, two blanks apart and without boxes."""
    lines = [[column.header for column in columns]] if headers else []
    lines += [[column.of(row) for column in columns] for row in rows]
    widths = [max((len(line[index]) for line in lines), default=0) for index in range(len(columns))]
    shown = (
        "  ".join(
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    )
    return "\n".join(shown)


def render(value: Any, columns: Sequence[Column], *, form: str, query: str = "", headers: bool = True) -> str:
    """Return a value (an object, or a list of them) in the form asked for; "" is nothing to print.

    columns: of the table. With a query the table has the columns that the query makes.
    Raises UsageError for a query that is no JMESPath.
    """
    if query:
        value = search(value, query)
        columns = ()
    if form in ("json", "jsonc"):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if form in ("yaml", "yamlc"):
        import yaml

        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip("\n")
    if form == "tsv":
        return "\n".join(_tsv(value))
    if form == "none":
        return ""
    if not columns:
        return _table_of_anything(value, headers=headers)
    rows = value if isinstance(value, list) else [] if value is None else [value]
    shown = [column for column in columns if form == "wide" or not column.wide]
    return table(rows, shown, headers=headers)


def search(value: Any, query: str) -> Any:
    """Return what a JMESPath query finds. Raises UsageError if it is no query."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(query, value)
    except JMESPathError as error:
        raise UsageError(
            f"--query {query!r} is not a JMESPath query: {str(error).splitlines()[0]}",
            fix="--query name, or --query '[].{name:name, cidr:networkProfile.podCidr}'",
        ) from error


def _tsv(value: Any) -> list[str]:
    """Return lines as az does: one an item, its values apart by tabs, objects within left empty."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    return [_tsv_line(item) for item in items]


def _tsv_line(item: Any) -> str:
    if isinstance(item, dict):
        return "\t".join(_tsv_cell(found) for found in item.values())
    if isinstance(item, list):
        return "\t".join(_tsv_cell(found) for found in item)
    return _tsv_cell(item)


def _tsv_cell(value: Any) -> str:
    if value is None or isinstance(value, dict):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return str(len(value))
    return re.sub(r"[\t\r\n]", " ", str(value))


def _table_of_anything(value: Any, *, headers: bool) -> str:
    rows = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(row, dict) for row in rows):
        return "\n".join("  ".join(map(cell, row)) if isinstance(row, list) else cell(row) for row in rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return table(rows, [Column(_header(name), itemgetter_or_none(name)) for name in names], headers=headers)


def itemgetter_or_none(name: str) -> Callable[[Any], Any]:
    """Return a function that takes one key, dots and all, out of a row."""
    return lambda row: row.get(name)


def _header(name: str) -> str:
    """Return a property's name as a heading: podCidr -> POD CIDR."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).upper()


def write(text: str) -> None:
    """Print a result on stdout; nothing if there is nothing."""
    if text:
        sys.stdout.write(text + "\n")
