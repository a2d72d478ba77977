"""How many nodes an upgrade adds, and how many it takes away at once."""

import re

DEFAULT_SURGE = "10%"  # docs/sources.md#surge
_SHARE = re.compile(r"(\d+)(%?)")


def share_of(text: str, nodes: int) -> int:
    """Return how many of `nodes` a setting such as 2 or 33% means: a percentage is rounded up, no more than all.

    Raises ValueError if the text is neither a number nor a percentage.

    >>> share_of("33%", 4), share_of("9", 4), share_of("0", 4)
    (2, 4, 0)
    """
    found = _SHARE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is neither a number nor a percentage")
    number = int(found[1])
    return min(nodes, -(-nodes * number // 100) if found[2] else number)


def surge_nodes(max_surge: str, nodes: int) -> int:
    """Return how many nodes an upgrade of `nodes` adds at once (docs/sources.md#surge). "" is 10 %.

    >>> surge_nodes("", 40), surge_nodes("50%", 5), surge_nodes("0", 4)
    (4, 3, 0)
    """
    return share_of(max_surge or DEFAULT_SURGE, nodes)
