"""Networks that somebody else has, read from what companies keep them in: CSV of an IPAM, az's JSON, plain text."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from slash24.core.addresses import IPNetwork, parse_prefix
from slash24.core.networks import NamedNetwork
from slash24.errors import UsageError

# Headings, in small letters without blanks: of NetBox' and phpIPAM's exports.
_PREFIX_COLUMNS = ("prefix", "subnet", "network", "cidr")
_MASK_COLUMNS = ("mask", "bitmask")
_NAME_COLUMNS = ("name", "description", "site", "vrf", "section", "tenant")
_WORD = re.compile(r"[0-9A-Fa-f:.]+/\d+")


def parse_known(text: str, file: str) -> list[NamedNetwork]:
    """Return the networks in a file's text; `file` is its name, for messages.

    Taken are `az network vnet list -o json` (or one of `show`), a CSV with headings as NetBox and phpIPAM export it,
    and text with one network a line, a name before or after it, `#` beginning a comment.
    Raises UsageError with file and line for what is none of these.
    """
    if text.lstrip()[:1] in ("[", "{"):
        return list(_vnets(text, file))
    first = next((line for line in text.splitlines() if line.strip()), "")
    if "," in first or ";" in first:
        headings = _headings(first)
        if any(heading in _PREFIX_COLUMNS for heading in headings):
            return list(_rows(text, file, ";" if first.count(";") > first.count(",") else ","))
    return list(_lines(text, file))


def parse_pair(text: str, where: str) -> NamedNetwork:
    """Return the network that `name=CIDR` names, or a CIDR alone. Raises UsageError."""
    name, equals, prefix = text.rpartition("=")
    return NamedNetwork(name.strip() if equals else prefix.strip(), _prefix(prefix.strip(), where))


def _prefix(text: str, where: str) -> IPNetwork:
    try:
        return parse_prefix(text)
    except ValueError as error:
        raise UsageError(f"{where}: {text!r} is not a network: {error}", fix="a CIDR, as in 10.128.0.0/9") from error


def _headings(line: str) -> list[str]:
    return [re.sub(r"[\s_\"]", "", word).lower() for word in re.split("[,;]", line)]


def _rows(text: str, file: str, delimiter: str) -> Iterator[NamedNetwork]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    headings: list[str] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not headings:
                headings = [re.sub(r"[\s_]", "", cell).lower() for cell in row]
                continue
            fields = dict(zip(headings, (cell.strip() for cell in row), strict=False))
            where = f"{file}:{reader.line_num}"
            prefix = next((fields[name] for name in _PREFIX_COLUMNS if fields.get(name)), "")
            mask = next((fields[name] for name in _MASK_COLUMNS if fields.get(name)), "")
            if "/" not in prefix and mask:
                prefix = f"{prefix}/{mask.lstrip('/')}"
            name = next((fields[name] for name in _NAME_COLUMNS if fields.get(name)), prefix)
            yield NamedNetwork(name, _prefix(prefix, where))
    except csv.Error as error:
        raise UsageError(f"{file}:{reader.line_num}: not a CSV: {error}") from error


def _lines(text: str, file: str) -> Iterator[NamedNetwork]:
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        found = _WORD.search(content)
        where = f"{file}:{number}"
        if found is None:
            raise UsageError(f"{where}: no network in {content[:60]!r}", fix="a line such as: on-prem 10.128.0.0/9")
        name = (content[: found.start()] + content[found.end() :]).strip(" \t,;=")
        yield NamedNetwork(name or found[0], _prefix(found[0], where))


def _vnets(text: str, file: str) -> Iterator[NamedNetwork]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"{file}{line}: not JSON: {error}") from error
    for vnet in data if isinstance(data, list) else [data]:
        space = _member(_member(vnet, "properties") or vnet, "addressSpace")
        prefixes = _member(space, "addressPrefixes")
        if not isinstance(prefixes, list):
            raise UsageError(f"{file}: no addressSpace.addressPrefixes in it", fix="az network vnet list -o json")
        name = str(_member(vnet, "name") or "VNet")
        for prefix in prefixes:
            yield NamedNetwork(name, _prefix(str(prefix), f"{file}: {name}"))


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
