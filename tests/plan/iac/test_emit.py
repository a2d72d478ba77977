"""Plans as files: our own linter reads them back to the same plan, and each language's own parser takes them."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slash24.core.addresses import parse_prefix
from slash24.core.topology import resource_key
from slash24.plan import ClusterRequest, PoolRequest, SubnetFacts
from slash24.plan.iac import az_options
from slash24.plan.iac.blueprint import Blueprint, blueprint
from slash24.plan.iac.file import File
from slash24.plan.iac.inventory import Inventory
from slash24.plan.iac.lint import lint, read
from slash24.plan.iac.write_az import write_az
from slash24.plan.iac.write_template import write_arm, write_bicep
from slash24.plan.iac.write_terraform import write_terraform

WRITERS: dict[str, tuple[str, Callable[[Blueprint], str]]] = {
    "az": ("deploy.azcli", write_az),
    "bicep": ("main.bicep", write_bicep),
    "terraform": ("main.tf", write_terraform),
    "arm": ("azuredeploy.json", write_arm),
}
VNET = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"


def plan_of(**changes: Any) -> ClusterRequest:
    subnets = tuple(SubnetFacts(f"{VNET}/subnets/{name}", parse_prefix(prefix)) for name, prefix in (
        ("nodes", "10.20.4.0/24"), ("pods", "10.20.8.0/21"),
    ))  # fmt: skip
    pools = (
        PoolRequest("system", 3, subnet_id=subnets[0].id),
        PoolRequest("apps", 2, 110, "User", True, 2, 35, subnets[0].id, max_surge="33%"),
    )
    request = {"name": "c1", "vnet_id": VNET, "vnet_prefixes": (parse_prefix("10.20.0.0/16"),), "subnets": subnets,
               "pools": pools}  # fmt: skip
    return ClusterRequest(**request | changes)


PLANS = {
    "overlay": plan_of(),
    "managed network": plan_of(vnet_id="", vnet_prefixes=(), subnets=(), pools=(PoolRequest("np", 3),)),
    "kubenet": plan_of(plugin="kubenet", pod_cidrs=("10.244.0.0/16",), service_cidrs=("10.1.0.0/16",)),
    "node subnet": plan_of(plugin="azure", policy="calico"),
    "pod subnet": plan_of(
        plugin="azure",
        pools=(PoolRequest("np", 3, subnet_id=f"{VNET}/subnets/nodes", pod_subnet_id=f"{VNET}/subnets/pods"),),
    ),
    "cilium": plan_of(dataplane="cilium", policy="cilium", kubernetes_version="1.33", outbound_type="none"),
    "dual stack": plan_of(ip_families=("ipv4", "ipv6")),
    "byo": plan_of(plugin="none", pod_cidrs=("100.64.0.0/16",)),
}


def meaning(request: ClusterRequest) -> dict[str, Any]:
    """Return what a plan comes to, with AKS' defaults where nothing is written."""
    return {
        "name": request.name, "model": request.model, "pods": request.pod_ranges, "services": request.service_ranges,
        "dns": request.dns_text, "families": request.families, "version": request.kubernetes_version or None,
        "dataplane": request.dataplane or "azure", "policy": request.policy or "none",
        "outbound": request.outbound_type or "loadBalancer", "vnet": request.vnet_prefixes,
        "subnets": sorted((one.name, one.prefix) for one in request.subnets),
        "pools": [
            (pool.name, pool.nodes, request.max_pods(pool), pool.mode, pool.autoscale, pool.min_count, pool.max_count,
             (pool.subnet_id or "").rpartition("/")[2], (pool.pod_subnet_id or "").rpartition("/")[2], pool.max_surge)
            for pool in request.pools
        ],
    }  # fmt: skip


def reread(name: str, text: str) -> ClusterRequest:
    reading = read([File(name, text.encode())])
    assert reading.unchecked == ()
    (found,) = Inventory(reading.resources).clusters()
    assert found.unchecked == ()
    return found.request


@pytest.mark.parametrize("language", WRITERS)
@pytest.mark.parametrize("plan", PLANS)
def test_what_is_written_is_read_back_to_the_same_plan(plan: str, language: str) -> None:
    name, writer = WRITERS[language]
    text = writer(blueprint(PLANS[plan], group="rg", location="northeurope"))
    assert meaning(reread(name, text)) == meaning(PLANS[plan])
    assert [one for one in lint([File(name, text.encode())]).findings if one.finding.code == "S24-201"] == []


@pytest.mark.parametrize("language", WRITERS)
@settings(max_examples=25, deadline=None)
@given(
    name=st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
    counts=st.lists(st.integers(1, 900), min_size=1, max_size=4),
    max_pods=st.integers(10, 250),
    prefix=st.integers(12, 22),
)
def test_any_plan_is_read_back_to_itself(
    language: str, name: str, counts: list[int], max_pods: int, prefix: int
) -> None:
    pools = tuple(
        PoolRequest(f"p{number}", count, max_pods, "System" if number == 0 else "User", number % 2 == 1,
                    count if number % 2 else None, count + 5 if number % 2 else None, f"{VNET}/subnets/nodes")
        for number, count in enumerate(counts)
    )  # fmt: skip
    request = plan_of(name=name, pools=pools, pod_cidrs=(f"10.240.0.0/{prefix}",))
    file, writer = WRITERS[language]
    assert meaning(reread(file, writer(blueprint(request, group="rg", location="x")))) == meaning(request)


def test_a_network_that_only_the_plan_names_is_called_after_the_cluster() -> None:
    drawn = blueprint(plan_of(vnet_id="/vnets/vnet", name="shop"), group="rg", location="x")
    assert drawn.vnet == "vnet-shop"
    resource = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub"
    assert blueprint(plan_of(vnet_id=resource), group="rg", location="x").vnet == "hub"


def test_values_that_a_language_would_read_as_code_are_written_as_text() -> None:
    request = plan_of(outbound_type="a'b\"c${d}%{e}\\f")
    for language, (name, writer) in WRITERS.items():
        text = writer(blueprint(request, group="rg", location="x"))
        assert reread(name, text).outbound_type == request.outbound_type, language


@pytest.mark.parametrize("plan", PLANS)
def test_bicep_s_grammar_takes_what_is_written(plan: str) -> None:
    import tree_sitter_bicep
    from tree_sitter import Language, Parser

    text = write_bicep(blueprint(PLANS[plan], group="rg", location="northeurope"))
    tree = Parser(Language(tree_sitter_bicep.language())).parse(text.encode())
    assert not tree.root_node.has_error


@pytest.mark.parametrize("plan", PLANS)
def test_python_hcl2_takes_what_is_written(plan: str) -> None:
    import hcl2

    found = hcl2.loads(write_terraform(blueprint(PLANS[plan], group="rg", location="northeurope")))
    kinds = [next(iter(block)).strip('"') for block in found["resource"]]
    assert kinds.count("azurerm_kubernetes_cluster") == 1
    assert kinds.count("azurerm_kubernetes_cluster_node_pool") == len(PLANS[plan].pools) - 1


def az_python() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "slash24" / f"az-{az_options.VERSION}" / "bin/python"
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail("make az has not been run")
        pytest.skip("needs `make az`")
    return found


def ask_az(tmp_path: Path, **asked: Any) -> dict[str, Any]:
    done = subprocess.run(
        [az_python(), Path(__file__).with_name("az_parser.py")],
        input=json.dumps({"parse": [], "options": []} | asked), capture_output=True, text=True, check=False,
        env={**os.environ, "AZURE_CONFIG_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def test_az_s_own_parser_takes_every_command_that_is_written(tmp_path: Path) -> None:
    lines: list[list[str]] = []
    for plan in PLANS.values():
        text = write_az(blueprint(plan, group="rg", location="northeurope")).replace("\\\n", " ")
        calls = (line for line in text.splitlines() if line.startswith("az "))
        lines += [[word.replace("$identity", VNET) for word in shlex.split(line)[1:]] for line in calls]
    found = ask_az(tmp_path, parse=lines)["parse"]
    created = [one for one in found if one["command"] == "aks create"]
    assert [one["name"] for one in created] == ["c1"] * len(PLANS)
    assert created[0]["pod_cidr"] == "10.244.0.0/16"
    assert {one["command"] for one in found} >= {"network vnet create", "aks nodepool add", "identity create"}


def test_the_list_of_options_is_az_s_own(tmp_path: Path) -> None:
    found = ask_az(tmp_path, options=list(az_options.OPTIONS))["options"]
    for command, names in found.items():
        assert set(names) - az_options.COMMON == set(az_options.OPTIONS[command]) - az_options.COMMON, command


def test_ids_are_compared_without_their_subscription() -> None:
    request = reread("main.bicep", write_bicep(blueprint(plan_of(), group="rg", location="x")))
    assert request.subnet_of(request.pools[0]) is not None
    assert resource_key(request.pools[0].subnet_id or "") == resource_key(request.subnets[0].id)
