"""A plan as a script of az: network first, then the cluster with its first pool, then the other pools."""

from collections.abc import Iterator
from shlex import quote

from slash24.plan.iac.blueprint import Blueprint, PoolPlan, Worth, pool_settings

# Of `az aks create`: its options for the first pool; `--mode` is System, and others it doesn't have.
_NOT_ON_CREATE = ("mode", "osType", "upgradeSettings.maxSurge")


def write_az(plan: Blueprint) -> str:
    """Return the script, for bash; each command can be run again."""
    lines = ["#!/usr/bin/env bash", *(f"# {note}" for note in plan.notes), "set -euo pipefail", ""]
    lines += _command("az group create", [("--name", plan.group), ("--location", plan.location)])
    lines += _network(plan)
    first, *others = plan.pools
    options = [("--resource-group", plan.group), ("--name", plan.name), ("--location", plan.location)]
    if plan.own_identity:
        lines += ["", "# Routes in a subnet of yours need an identity of yours."]
        identity = f"{plan.name}-identity"
        lines += _command("az identity create", [("--resource-group", plan.group), ("--name", identity)])
        words = f"--resource-group {quote(plan.group)} --name {quote(identity)}"
        lines.append(f"identity=$(az identity show {words} --query id -o tsv)")
        options.append(("--assign-identity", "$identity"))
    options += [(one.az, _text(value)) for one, value in plan.cluster_settings()]
    options.append(("--nodepool-name", first.name))
    options += _pool(first, without=_NOT_ON_CREATE)
    options.append(("--generate-ssh-keys", ""))
    lines += ["", *_command("az aks create", options)]
    whose = [("--resource-group", plan.group), ("--cluster-name", plan.name)]
    if "upgradeSettings.maxSurge" in first.values:
        surge = _text(first.values["upgradeSettings.maxSurge"])
        lines += ["", "# az aks create has no option for it."]
        lines += _command("az aks nodepool update", [*whose, ("--name", first.name), ("--max-surge", surge)])
    for pool in others:
        lines += ["", *_command("az aks nodepool add", [*whose, ("--name", pool.name), *_pool(pool)])]
    return "\n".join(lines) + "\n"


def _network(plan: Blueprint) -> Iterator[str]:
    if not plan.subnets:
        return
    vnet = [("--resource-group", plan.group), ("--name", plan.vnet), ("--location", plan.location)]
    yield from ["", *_command("az network vnet create", [*vnet, ("--address-prefixes", " ".join(plan.vnet_prefixes))])]
    whose = [("--resource-group", plan.group), ("--vnet-name", plan.vnet)]
    used = {name for pool in plan.pools for name in (pool.subnet, pool.pod_subnet)}
    for subnet in plan.subnets:
        options = [*whose, ("--name", subnet.name), ("--address-prefixes", subnet.prefix)]
        yield from _command("az network vnet subnet create", options)
    for subnet in plan.subnets:
        if subnet.name in used:
            words = " ".join(f"{option} {quote(value)}" for option, value in [*whose, ("--name", subnet.name)])
            yield f"{_variable(subnet.name)}=$(az network vnet subnet show {words} --query id -o tsv)"


def _variable(subnet: str) -> str:
    return "subnet_" + "".join(letter if letter.isalnum() else "_" for letter in subnet)


def _pool(pool: PoolPlan, without: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    options = [
        (one.az, "" if value is True else _text(value))
        for one, value in pool_settings(pool)
        if one.az and one.arm not in without
    ]
    if pool.subnet:
        options.append(("--vnet-subnet-id", f"${_variable(pool.subnet)}"))
    if pool.pod_subnet:
        options.append(("--pod-subnet-id", f"${_variable(pool.pod_subnet)}"))
    return options


def _text(value: Worth) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _command(name: str, options: list[tuple[str, str]]) -> list[str]:
    words = [option if not value else f"{option} {_quoted(value)}" for option, value in options]
    one = f"{name} {' '.join(words)}"
    if len(one) <= 100:
        return [one]
    return [f"{name} \\", *(f"  {word} \\" for word in words[:-1]), f"  {words[-1]}"]


def _quoted(value: str) -> str:
    """Return a value as one word, or as the several that it has; a variable keeps its meaning."""
    return f'"{value}"' if value.startswith("$") else " ".join(quote(part) for part in value.split(" "))
