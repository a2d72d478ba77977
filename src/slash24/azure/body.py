"""Reading JSON bodies: values of the right type, or ARM's error that names the property."""

from typing import Any

from slash24.azure.errors import Json, invalid_parameter


def mapping(parent: Json, key: str, path: str = "") -> Json:
    """Return an object; {} if absent or null."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_parameter(path or key, f"expected an object, got {_shown(value)}")
    return value


def array(parent: Json, key: str, path: str = "") -> list[Any]:
    """Return a list; [] if absent or null."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid_parameter(path or key, f"expected a list, got {_shown(value)}")
    return value


def text(parent: Json, key: str, default: str = "", path: str = "") -> str:
    """Return a string; `default` if absent, null or empty: az sends "" for what the service shall choose."""
    value = parent.get(key)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise invalid_parameter(path or key, f"expected a string, got {_shown(value)}")
    return value


def number(parent: Json, key: str, path: str = "") -> int | None:
    """Return an integer, None if absent or null."""
    value = parent.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_parameter(path or key, f"expected an integer, got {_shown(value)}")
    return value


def switch(parent: Json, key: str, path: str = "") -> bool:
    """Return a boolean, False if absent or null."""
    value = parent.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise invalid_parameter(path or key, f"expected true or false, got {_shown(value)}")
    return value


def texts(parent: Json, key: str, path: str = "") -> list[str]:
    """Return a list of strings, [] if absent or null."""
    values = array(parent, key, path)
    if not all(isinstance(value, str) for value in values):
        raise invalid_parameter(path or key, "expected a list of strings")
    return values


def merged(old: Any, new: Any) -> Any:
    """Return `new` laid over `old`: objects key by key, null removes, everything else replaces."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _shown(value: object) -> str:
    return repr(value)[:60]
