"""The options of `slash24 plan`: a plan from the command line, from slash24.toml, or from both."""

import functools
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from slash24.cli.command import Choice, Several
from slash24.errors import NotFoundError, UsageError

PROJECT_FILE = "slash24.toml"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command is asked about: one cluster or several, and the day whose rules hold."""

    requests: tuple[Any, ...]  # of ClusterRequest, which is imported when a command runs
    as_of: date

    @property
    def one(self) -> Any:
        """The only cluster. Raises UsageError if there are several."""
        if len(self.requests) > 1:
            names = ", ".join(str(request.name) for request in self.requests)
            raise UsageError(f"the plan has several clusters: {names}", fix="--cluster NAME")
        return self.requests[0]


def planned(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that describe a plan, and the Plan as its argument `plan`."""

    @functools.wraps(function)
    def wrapper(**options: Any) -> Any:
        asked = {name: options.pop(name) for name in _NAMES}
        from slash24.plan.finding import UnknownFact

        try:
            return function(plan=plan_of(**asked), **options)
        except UnknownFact as unknown:
            raise UsageError(f"{unknown.fact} is not known, and without it there is no answer") from unknown

    decorated: Callable[..., Any] = wrapper
    for one in reversed(_OPTIONS):
        decorated = one(decorated)
    return decorated


_OPTIONS = [
    click.option("--vnet", cls=Several, metavar="CIDR", help="Address space of the VNet, one range or more."),
    click.option("--subnet", cls=Several, metavar="[NAME=]CIDR",
                 help="Subnets of the VNet; the first one is for the nodes."),
    click.option("--nodes", "--node-count", "nodes", type=click.IntRange(0), metavar="N",
                 help="Nodes of the pool.  [default: 3]"),
    click.option("--min-count", type=click.IntRange(0), metavar="N", help="Fewest nodes of the autoscaler."),
    click.option("--max-count", type=click.IntRange(0), metavar="N", help="Most nodes of the autoscaler."),
    click.option("--max-pods", type=int, metavar="N", help="Pods a node takes.  [default: each model's own]"),
    click.option("--max-surge", metavar="N|N%", help="Nodes that an upgrade adds.  [default: 10%]"),
    click.option("--pool", cls=Several, metavar="SPEC",
                 help="A pool: NAME,nodes=N,max-count=N,max-pods=N,max-surge=N,os-type=Windows; several make several."),
    click.option("--known", cls=Several, metavar="NAME=CIDR|FILE",
                 help="Networks that pods must reach: NAME=CIDR, or a file: NetBox or phpIPAM CSV, `az network vnet "
                 "list "
                 "-o json`, text."),
    click.option("--network-plugin", type=Choice(["kubenet", "azure", "none"]), help="azure; nothing means Overlay."),
    click.option("--network-plugin-mode", type=Choice(["overlay"]), help="overlay."),
    click.option("--network-dataplane", type=Choice(["azure", "cilium"]), help="azure or cilium."),
    click.option("--network-policy", type=Choice(["azure", "calico", "cilium", "none"]), help="The policy engine."),
    click.option("--pod-cidr", "--pod-cidrs", "pod_cidr", metavar="CIDR", help="Range of the pods."),
    click.option("--service-cidr", "--service-cidrs", "service_cidr", metavar="CIDR", help="Range of the Services."),
    click.option("--dns-service-ip", metavar="ADDRESS", help="Address of the cluster's DNS."),
    click.option("--ip-families", metavar="LIST", help="ipv4, or ipv4,ipv6."),
    click.option("--outbound-type", metavar="TYPE", help="How the cluster leaves, as az names it."),
    click.option("-k", "--kubernetes-version", metavar="VERSION", help="As in 1.33."),
    click.option("--operation", type=Choice(["create", "scale", "add-pool", "upgrade", "update"]), default="create",
                 show_default=True, help="What is asked for; each counts in its own way."),
    click.option("-f", "--file", type=click.Path(), metavar="FILE",
                 help=f"A plan: the [plan] table of a TOML file.  [default: {PROJECT_FILE}, looked for upwards]"),
    click.option("--cluster", metavar="NAME", help="The one cluster of the plan that is meant."),
    click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
                 help="Judge by the rules as they stood on that day.  [default: today]"),
]  # fmt: skip
_NAMES = (
    "vnet", "subnet", "nodes", "min_count", "max_count", "max_pods", "max_surge", "pool", "known", "network_plugin",
    "network_plugin_mode", "network_dataplane", "network_policy", "pod_cidr", "service_cidr", "dns_service_ip",
    "ip_families", "outbound_type", "kubernetes_version", "operation", "file", "cluster", "as_of",
)  # fmt: skip


_SEVERAL = ("vnet", "subnet", "pool", "known")


def plan_of(**asked: Any) -> Plan:
    """Return the plan that the options and the project file describe; options go before the file.

    Raises UsageError for what can't be read, NotFoundError for a file or a cluster that isn't there.
    """
    from slash24.plan.document import read_plan

    requests: tuple[Any, ...] = ()
    path = Path(asked["file"]) if asked["file"] else project_file()
    if path is not None:
        table = load_toml(path)
        if "plan" in table or asked["file"]:
            requests = read_plan(table.get("plan", {}), str(path), lambda name: _known_file(path.parent / name))
    if not requests:
        requests = read_plan({}, "", _no_file)
    if asked["cluster"]:
        requests = tuple(request for request in requests if request.name == asked["cluster"])
        if not requests:
            raise NotFoundError(f"the plan has no cluster {asked['cluster']}")
    day = asked["as_of"].date() if asked["as_of"] else date.today()
    return Plan(tuple(_with_options(request, asked) for request in requests), day)


def plan_of_file(name: str, cluster: str | None) -> Plan:
    """Return the plan of a file alone, or one cluster of it, judged as of today."""
    nothing = dict.fromkeys(_NAMES) | dict.fromkeys(_SEVERAL, ())
    return plan_of(**nothing | {"operation": "create", "file": name, "cluster": cluster})


def write_file(name: str, content: bytes) -> None:
    """Write a file. Raises UsageError if it can't be written."""
    try:
        Path(name).write_bytes(content)
    except OSError as error:
        raise UsageError(f"{name} can't be written: {error.strerror}") from error


def _no_file(name: str) -> list[Any]:
    raise NotFoundError(f"no file {name}")


def project_file() -> Path | None:
    """Return the project's slash24.toml: of this folder, or the nearest above it."""
    here = Path.cwd()
    return next((folder / PROJECT_FILE for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file()), None)


def load_toml(path: Path) -> dict[str, Any]:
    """Return what is in a TOML file. Raises NotFoundError, UsageError."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}", fix="a TOML file with a table [plan]") from error


def read_text(path: Path) -> str:
    """Return a file's text. Raises NotFoundError or UsageError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', '') or 'it is no text in UTF-8'}") from error


def _known_file(path: Path) -> list[Any]:
    from slash24.plan.known_networks import parse_known

    return parse_known(read_text(path), str(path))


def _with_options(request: Any, asked: dict[str, Any]) -> Any:
    from slash24.core.networks import Networks
    from slash24.plan.document import prefix_of
    from slash24.plan.known_networks import parse_pair
    from slash24.plan.request import Operation

    changes: dict[str, Any] = {"operation": Operation(asked["operation"])}
    for option, field in (
        ("network_plugin", "plugin"), ("network_plugin_mode", "mode"), ("network_dataplane", "dataplane"),
        ("network_policy", "policy"), ("dns_service_ip", "dns_service_ip"), ("outbound_type", "outbound_type"),
        ("kubernetes_version", "kubernetes_version"),
    ):  # fmt: skip
        if asked[option]:
            changes[field] = asked[option]
    lists = (("pod_cidr", "pod_cidrs"), ("service_cidr", "service_cidrs"), ("ip_families", "ip_families"))
    changes |= {
        field: tuple(part.strip() for part in asked[option].split(",")) for option, field in lists if asked[option]
    }
    if asked["vnet"]:
        changes["vnet_prefixes"] = tuple(prefix_of(text, "--vnet") for text in asked["vnet"])
    if asked["subnet"]:
        changes["subnets"] = tuple(_subnet(text, number) for number, text in enumerate(asked["subnet"]))
    if asked["known"]:
        named = list(request.known)
        for text in asked["known"]:
            named += [parse_pair(text, "--known")] if "=" in text else _known_file(Path(text))
        changes["known"] = Networks(named)
    first = changes["subnets"][0].id if "subnets" in changes else ""
    changes["pools"] = _pools(request, asked, first)
    return replace(request, **changes)


def _subnet(text: str, number: int) -> Any:
    from slash24.plan.known_networks import parse_pair
    from slash24.plan.vnet import SubnetFacts

    one = parse_pair(text, "--subnet")
    name = one.name if "=" in text else "nodes" if number == 0 else f"subnet{number + 1}"
    return SubnetFacts(f"/vnets/vnet/subnets/{name}", one.prefix)


def _pools(request: Any, asked: dict[str, Any], subnet_id: str) -> tuple[Any, ...]:
    pools = tuple(_pool(text) for text in asked["pool"]) or request.pools
    changes: dict[str, Any] = {}
    if asked["max_count"] is not None:
        changes |= {"autoscale": True, "max_count": asked["max_count"], "min_count": asked["min_count"] or 1}
        changes["count"] = min(asked["nodes"] or asked["min_count"] or 1, asked["max_count"])
    if asked["nodes"] is not None:
        changes["count"] = asked["nodes"]
    if asked["max_pods"] is not None:
        changes["max_pods"] = asked["max_pods"]
    if asked["max_surge"]:
        changes["max_surge"] = asked["max_surge"]
    if len(pools) > 1 and changes.keys() & {"count", "max_count"}:
        raise UsageError(
            "--nodes and --max-count are for one pool, and the plan has several", fix="--pool NAME,nodes=N"
        )
    if subnet_id:
        changes["subnet_id"] = subnet_id
    return tuple(replace(pool, **changes) for pool in pools)


def _pool(text: str) -> Any:
    from slash24.plan.document import read_plan

    name, *settings = text.split(",")
    table: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--pool {text}: {setting!r} is no KEY=VALUE", fix="--pool apps,nodes=10,max-pods=110")
        table[key.strip()] = int(value) if value.strip().isdecimal() and key.strip() != "max-surge" else value.strip()
    return read_plan({"pools": {name: table}}, f"--pool {text}", _no_file)[0].pools[0]
