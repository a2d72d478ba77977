"""A plan as Terraform, in resources of the azurerm provider 4."""

from collections.abc import Iterator, Mapping

from slash24.plan.iac.blueprint import Blueprint, PoolPlan, Worth, pool_settings

# Of the default node pool: it is System and Linux, and has no attribute for either.
_NOT_ON_DEFAULT = ("mode", "osType")


def write_terraform(plan: Blueprint) -> str:
    """Return one file: provider, group, network, cluster, further pools."""
    blocks = [
        [f"# {note}" for note in plan.notes] + _block("terraform", _body({}, [
            _block("required_providers", ['azurerm = { source = "hashicorp/azurerm", version = "~> 4.50" }']),
        ])),
        _block('provider "azurerm"', ["features {}"]),
        _block('resource "azurerm_resource_group" "this"', _body({"name": plan.group, "location": plan.location})),
        *_network(plan),
        *_identity(plan),
        _cluster(plan),
        *(_pool(pool) for pool in plan.pools[1:]),
    ]  # fmt: skip
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _network(plan: Blueprint) -> Iterator[list[str]]:
    if not plan.subnets:
        return
    yield _block(
        'resource "azurerm_virtual_network" "this"',
        _body({"name": plan.vnet, **_WHERE, "address_space": plan.vnet_prefixes}),
    )
    for subnet in plan.subnets:
        yield _block(
            f'resource "azurerm_subnet" "{_label(subnet.name)}"',
            _body(
                {
                    "name": subnet.name,
                    "resource_group_name": _Raw("azurerm_resource_group.this.name"),
                    "virtual_network_name": _Raw("azurerm_virtual_network.this.name"),
                    "address_prefixes": (subnet.prefix,),
                }
            ),
        )


def _identity(plan: Blueprint) -> Iterator[list[str]]:
    """Routes in a subnet of the user's need an identity of the user's."""
    if plan.own_identity:
        yield _block(
            'resource "azurerm_user_assigned_identity" "this"', _body({"name": f"{plan.name}-identity", **_WHERE})
        )


def _cluster(plan: Blueprint) -> list[str]:
    own: dict[str, Worth | _Raw] = {"name": plan.name, **_WHERE, "dns_prefix": plan.name}
    profile: dict[str, Worth | _Raw] = {}
    for one, value in plan.cluster_settings():
        head, _, rest = one.terraform.partition(".")
        if rest:
            profile[rest] = value
        else:
            own[head] = value
    first = plan.pools[0]
    identity: dict[str, Worth | _Raw] = {"type": "SystemAssigned"}
    if plan.own_identity:
        identity = {"type": "UserAssigned", "identity_ids": _Raw("[azurerm_user_assigned_identity.this.id]")}
    return _block(
        'resource "azurerm_kubernetes_cluster" "this"',
        _body(
            own,
            [
                _block("default_node_pool", _pool_body(first, without=_NOT_ON_DEFAULT)),
                _block("identity", _body(identity)),
                _block("network_profile", _body(profile)),
            ],
        ),
    )


def _pool(pool: PoolPlan) -> list[str]:
    return _block(
        f'resource "azurerm_kubernetes_cluster_node_pool" "{_label(pool.name)}"',
        [*_pool_body(pool, head={"kubernetes_cluster_id": _Raw("azurerm_kubernetes_cluster.this.id")})],
    )


def _pool_body(
    pool: PoolPlan, *, without: tuple[str, ...] = (), head: "Mapping[str, Worth | _Raw] | None" = None
) -> list[str]:
    values: dict[str, Worth | _Raw] = {"name": pool.name, **(head or {})}
    blocks: list[list[str]] = []
    for one, value in pool_settings(pool):
        name, _, rest = one.terraform.partition(".")
        if not one.terraform or one.arm in without:
            continue
        if rest:
            blocks.append(_block(name, _body({rest: value})))
        else:
            values[name] = value
    if pool.subnet:
        values["vnet_subnet_id"] = _Raw(f"azurerm_subnet.{_label(pool.subnet)}.id")
    if pool.pod_subnet:
        values["pod_subnet_id"] = _Raw(f"azurerm_subnet.{_label(pool.pod_subnet)}.id")
    return _body(values, blocks)


class _Raw(str):
    """An expression, written as it is."""

    __slots__ = ()


_WHERE = {
    "location": _Raw("azurerm_resource_group.this.location"),
    "resource_group_name": _Raw("azurerm_resource_group.this.name"),
}


def _body(values: "Mapping[str, Worth | _Raw]", blocks: list[list[str]] | None = None) -> list[str]:
    width = max((len(name) for name in values), default=0)
    lines = [f"{name.ljust(width)} = {_value(value)}" for name, value in values.items()]
    for block in blocks or []:
        lines += ([""] if lines else []) + block
    return lines


def _block(head: str, body: list[str]) -> list[str]:
    return [f"{head} {{", *(f"  {line}" if line else "" for line in body), "}"]


def _value(value: "Worth | _Raw") -> str:
    if isinstance(value, _Raw):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return f'"{escaped}"'


def _label(name: str) -> str:
    text = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in name)
    return text if text[:1].isalpha() else f"_{text}"
