"""The rules, by what they speak of. Importing this package registers them all."""

from slash24.plan.rules import capacity, dns, names, overlaps, ranges

__all__ = ["capacity", "dns", "names", "overlaps", "ranges"]
