"""Two plans compared: what differs, and what that asks of a cluster that stands."""

from dataclasses import dataclass, fields, replace

from slash24.plan.finding import Finding, Severity
from slash24.plan.request import ClusterRequest, Operation
from slash24.plan.rulebook import check

_NO_SETTINGS = {"current", "operation", "known", "others", "pools"}
_CHANGES = ("S24-113", "S24-131", "S24-137", "S24-138", "S24-139", "S24-167", "S24-179")


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs: its name, before and after as text."""

    setting: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """changes: what differs; findings: what the rules say of making the change to a cluster that stands."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]

    @property
    def in_place(self) -> bool:
        """Whether AKS can make the change without a new cluster or a new pool."""
        return all(one.severity is not Severity.ERROR or one.code not in _CHANGES for one in self.findings)


def compare(before: ClusterRequest, after: ClusterRequest) -> Difference:
    """Return what differs from one plan to the other, pool by pool and setting by setting."""
    changes = [
        Change(field.name, _text(getattr(before, field.name)), _text(getattr(after, field.name)))
        for field in fields(ClusterRequest)
        if field.name not in _NO_SETTINGS and getattr(before, field.name) != getattr(after, field.name)
    ]
    old, new = ({pool.name: pool for pool in request.pools} for request in (before, after))
    for name in dict.fromkeys([*old, *new]):
        if name not in old or name not in new:
            changes.append(Change(f"pool {name}", "there" if name in old else "", "there" if name in new else ""))
            continue
        changes += [
            Change(
                f"pool {name}.{field.name}",
                _text(getattr(old[name], field.name)),
                _text(getattr(new[name], field.name)),
            )
            for field in fields(old[name])
            if getattr(old[name], field.name) != getattr(new[name], field.name)
        ]
    if not changes:
        return Difference((), ())
    update = replace(after, operation=Operation.UPDATE, current=before)
    return Difference(tuple(changes), tuple(check(update)))


def _text(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        return ",".join(sorted(map(str, value))) if isinstance(value, frozenset) else ",".join(map(str, value))
    return "" if value is None else str(value)
