"""Label and field selectors of the Kubernetes API, as predicates on objects."""

import re
from collections.abc import Callable
from typing import Any

from slash24.errors import Slash24Error

Predicate = Callable[[dict[str, Any]], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_SPLIT = re.compile(r",(?![^()]*\))")


class SelectorError(Slash24Error):
    """A selector can't be read."""


def field_of(item: dict[str, Any], path: str) -> str:
    """Return the text of a dotted field of an object, "" if it isn't there."""
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else (str(value).lower() if isinstance(value, bool) else str(value))


def field_terms(selector: str) -> list[tuple[str, bool, str]]:
    """Return (path, equal, value) of each term of a field selector."""
    terms = []
    for term in filter(None, selector.split(",")):
        for sign, equal in (("!=", False), ("==", True), ("=", True)):
            if sign in term:
                path, _, value = term.partition(sign)
                terms.append((path.strip(), equal, value.strip()))
                break
        else:
            raise SelectorError(f"invalid field selector {term!r}")
    return terms


def field_predicate(selector: str) -> Predicate:
    terms = field_terms(selector)
    return lambda item: all((field_of(item, path) == value) == equal for path, equal, value in terms)


def label_predicate(selector: str) -> Predicate:
    terms = [_label_term(term) for term in _SPLIT.split(selector) if term.strip()]

    def matches(item: dict[str, Any]) -> bool:
        labels = item.get("metadata", {}).get("labels") or {}
        return all(term(labels) for term in terms)

    return matches


def _label_term(term: str) -> Callable[[dict[str, str]], bool]:
    found = _SET.match(term)
    if found:
        values = {value.strip() for value in found["values"].split(",")}
        inside = found["op"] == "in"
        return lambda labels: (labels.get(found["key"]) in values) == inside
    for sign, equal in (("!=", False), ("==", True), ("=", True)):
        if sign in term:
            key, _, value = (part.strip() for part in term.partition(sign))
            return lambda labels: (labels.get(key) == value) == equal
    key = term.strip()
    if not re.fullmatch(r"!?[A-Za-z0-9./_-]+", key):
        raise SelectorError(f"unable to parse requirement: {term!r}")
    if key.startswith("!"):
        return lambda labels: key[1:] not in labels
    return lambda labels: key in labels


def selects(*, field_selector: str = "", label_selector: str = "", namespace: str = "") -> Predicate:
    """Return one predicate for all that a list or a watch may ask for."""
    fields = field_predicate(field_selector) if field_selector else None
    labels = label_predicate(label_selector) if label_selector else None

    def matches(item: dict[str, Any]) -> bool:
        if namespace and item["metadata"].get("namespace", "") != namespace:
            return False
        return (fields is None or fields(item)) and (labels is None or labels(item))

    return matches
