"""Values as files give them: each with its place, and with a hole where the file doesn't tell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from slash24.errors import Slash24Error


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something is written. line: from 1 on."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class ReadError(Slash24Error):
    """A file that can't be read as what it is; `place` is where it stops making sense."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(f"{place}: {message}", fix="mend the file, or leave it out")
        self.reason = message
        self.place = place


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that the file doesn't tell.

    reason: why not. text: what is known of it, with each hole as `<name>`. Two values with the same holes are the same
    value, which is how a subnet's id, of which nobody knows the subscription yet, finds its subnet.
    """

    reason: str
    text: str


Plain = str | int | float | bool | None
Value = Plain | Unknown | tuple["Node", ...] | Mapping[str, "Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands."""

    value: Value
    place: Place

    def at(self, place: Place) -> "Node":
        """Return the same value at another place: where it is used, not where it was made."""
        return Node(self.value, place)

    @property
    def unknown(self) -> Unknown | None:
        return self.value if isinstance(self.value, Unknown) else None

    @property
    def text(self) -> str:
        """The value as text, holes included; "" for a list, an object and null."""
        if isinstance(self.value, Unknown):
            return self.value.text
        return text_of(self.value) if isinstance(self.value, str | int | float) else ""

    def get(self, *path: str) -> "Node | None":
        """Return what is at the end of a path of keys, compared as ARM does, without case; None if nothing is there.

        A hole on the way is the answer: what would be below it is as unknown.
        """
        found = self
        for key in path:
            if isinstance(found.value, Unknown):
                return found
            if not isinstance(found.value, Mapping):
                return None
            name = key if key in found.value else next((one for one in found.value if one.lower() == key.lower()), key)
            inner = found.value.get(name)
            if inner is None or inner.value is None:
                return None
            found = inner
        return found

    def items(self) -> Iterator["Node"]:
        """Yield the items of a list; a value alone is a list of one, nothing an empty one."""
        if isinstance(self.value, tuple):
            yield from self.value
        elif self.value is not None:
            yield self


def text_of(value: Plain) -> str:
    """Return a value as Terraform and Bicep write it into a text.

    >>> text_of(True), text_of(3.0), text_of(None)
    ('true', '3', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def mapping(fields: dict[str, Node]) -> Mapping[str, Node]:
    """Return the fields as a value that nobody changes."""
    return MappingProxyType(fields)
