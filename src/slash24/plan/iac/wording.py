"""A fix in the words of the file that it is for: rules speak az's, `--pod-cidr 10.244.0.0/16`."""

import re

from slash24.plan.iac import settings
from slash24.plan.iac.settings import Setting, Type

_OPTION = re.compile(r"(--[a-z][a-z-]*) ([^\s,]+)")
_BY_OPTION: dict[str, Setting] = {one.az: one for one in (*settings.CLUSTER, *settings.POOL) if one.az}
_TERRAFORM = frozenset({"tf", "tfvars"})
_TEMPLATE = {"bicep": "{name}: {value}", "bicepparam": "{name}: {value}", "json": '"{name}": {value}'}


def in_words_of(suffix: str, fix: str) -> str:
    """Return the fix with az's options as attributes of the file's own language; those without a name stay.

    >>> in_words_of("tf", "--pod-cidr 10.244.0.0/16, or a /14"), in_words_of("bicep", "--max-pods 250")
    ('pod_cidr = "10.244.0.0/16", or a /14', 'maxPods: 250')
    """
    if suffix not in _TERRAFORM and suffix not in _TEMPLATE:
        return fix
    return _OPTION.sub(lambda match: _attribute(suffix, match[1], match[2]) or match[0], fix)


def _attribute(suffix: str, option: str, value: str) -> str:
    one = _BY_OPTION.get(option)
    if one is None or one.type is Type.LIST:
        return ""
    plain = one.type is not Type.TEXT and value.isdecimal()
    if suffix in _TERRAFORM:
        name = one.terraform.rpartition(".")[2]
        text = value if plain else f'"{value}"'
        return f"{name} = {text}" if name else ""
    quote = '"' if suffix == "json" else "'"
    return _TEMPLATE[suffix].format(name=one.arm.rpartition(".")[2], value=value if plain else f"{quote}{value}{quote}")
