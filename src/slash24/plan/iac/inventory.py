"""Clusters as the rules want them, from the resources that were read; holes are kept as unknown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from slash24.core.addresses import IPNetwork, network_or_none
from slash24.core.topology import resource_key
from slash24.plan.iac import resource, settings
from slash24.plan.iac.node import Node, Place, text_of
from slash24.plan.iac.resource import Resource, Unchecked, overlaid
from slash24.plan.outbound import LoadBalancer, NatGateway
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest, Operation
from slash24.plan.vnet import SubnetFacts


@dataclass(frozen=True, slots=True)
class Found:
    """A cluster that was read: what the rules judge, the document it was made from, and the pools' documents."""

    request: ClusterRequest
    document: Node
    pools: tuple[Node, ...]
    subnets: tuple[Resource, ...]
    unchecked: tuple[Unchecked, ...]
    place: Place


class Inventory:
    """All resources of the files that are read together."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = _settled(resources)

    def _of(self, kind: str) -> list[Resource]:
        return [one for one in self._resources if one.kind == kind]

    def clusters(self) -> list[Found]:
        """Return the clusters that are made here, and those that are changed here without being made."""
        return [self._found(one) for one in self._of(resource.CLUSTER) if not one.existing]

    def lone_pools(self) -> list[Found]:
        """Return pools of clusters that no file makes: each with a cluster of which only the pool is known."""
        made = {one.id for one in self._of(resource.CLUSTER)}
        return [
            self._lone(one)
            for one in self._of(resource.POOL)
            if one.id.rpartition("/agentpools/")[0] not in made and not one.existing
        ]

    def _lone(self, one: Resource) -> Found:
        reader = _Reader()
        pool = _pool_node(one)
        request = ClusterRequest(
            name=None, pools=(reader.pool(pool, change=one.change),), plugin=None, mode=None, dataplane=None,
            policy=None, pod_cidrs=None, service_cidrs=None, dns_service_ip=None, ip_families=None, addons=None,
            outbound_type=None, operation=Operation.ADD_POOL,
        )  # fmt: skip
        return Found(request, Node(None, one.place), (pool,), (), tuple(reader.unchecked), one.place)

    def _found(self, one: Resource) -> Found:
        reader = _Reader()
        pools = self._pools(one)
        subnets = self._subnets_of(pools)
        vnet = next(
            (found for found in self._of(resource.VNET) if subnets and subnets[0].id.startswith(f"{found.id}/")), None
        )
        request = reader.request(one, pools)
        prefixes = vnet.body.get("properties", "addressSpace", "addressPrefixes") if vnet else None
        request = replace(
            request,
            vnet_id=vnet.id if vnet else "",
            vnet_prefixes=tuple(reader.networks(prefixes, "the VNet's address space")),
            subnets=tuple(fact for subnet in subnets for fact in reader.subnet(subnet, self)),
        )
        return Found(request, one.body, tuple(pools), tuple(subnets), tuple(reader.unchecked), one.place)

    def _pools(self, cluster: Resource) -> list[Node]:
        """Return the pools of a cluster: those in its document, and those that are resources of their own."""
        listed = cluster.body.get("properties", "agentPoolProfiles")
        inner = [] if listed is None or listed.unknown else list(listed.items())
        own = [one for one in self._of(resource.POOL) if one.id.rpartition("/agentpools/")[0] == cluster.id]
        names = [_name(pool) for pool in inner]
        for one in own:
            node = _pool_node(one)
            if _name(node) in names:
                at = names.index(_name(node))
                inner[at] = overlaid(inner[at], node)
            else:
                inner.append(node)
                names.append(_name(node))
        return inner

    def _subnets_of(self, pools: Sequence[Node]) -> list[Resource]:
        """Return all subnets of the VNet that the pools are in, their own first."""
        keys = set(_subnets_named(pools))
        vnets = {vnet_of(key) for key in keys}
        near = [one for one in self._of(resource.SUBNET) if vnet_of(one.id) in vnets]
        return sorted(near, key=lambda one: one.id not in keys)

    def routes(self, table: str) -> list[Node] | None:
        """Return the routes of a table that is made here, None if it isn't."""
        found = next((one for one in self._of(resource.ROUTE_TABLE) if one.id == resource_key(table)), None)
        if found is None:
            return None
        routes = found.body.get("properties", "routes")
        return list(routes.items()) if routes is not None else []


def vnet_of(subnet: str) -> str:
    """Return the id of the VNet that a subnet is in; a VNet's own id is itself."""
    return subnet.partition("/subnets/")[0]


def subnet_ids(resources: Iterable[Resource]) -> Iterator[str]:
    """Yield the keys of the subnets that pools of these clusters name."""
    for one in resources:
        if one.kind == resource.POOL:
            yield from _subnets_named([_pool_node(one)])
        elif one.kind == resource.CLUSTER:
            listed = one.body.get("properties", "agentPoolProfiles")
            yield from _subnets_named([] if listed is None or listed.unknown else list(listed.items()))


def _subnets_named(pools: Iterable[Node]) -> Iterator[str]:
    for pool in pools:
        for name in ("vnetSubnetID", "podSubnetID"):
            given = pool.get(name)
            if given is not None:
                yield resource_key(given.text)


def _settled(resources: Iterable[Resource]) -> list[Resource]:
    """Return the resources with the changes laid over what they change. A change of what isn't made here stays one."""
    found: dict[tuple[str, str], Resource] = {}
    for one in resources:
        key = (one.kind, one.id)
        before = found.get(key)
        if before is None:
            found[key] = one
        elif one.change or before.existing:
            found[key] = replace(
                before, body=_changed(before.body, one.body), existing=before.existing and one.existing
            )
        elif not one.existing and not before.existing and "<" in one.id:
            found[(one.kind, f"{one.id}#{len(found)}")] = one  # two whose names are holes are two
        elif not one.existing:
            found[key] = replace(before, body=_changed(before.body, one.body))
    return list(found.values())


def _changed(below: Node, above: Node) -> Node:
    """Lay a document over another; a table's routes come together."""
    routes = [node.get("properties", "routes") for node in (below, above)]
    whole = overlaid(below, above)
    if all(one is not None and isinstance(one.value, tuple) for one in routes) and isinstance(whole.value, Mapping):
        both = tuple(item for one in routes if one is not None for item in one.items())
        extra = resource.Draft(above.place)
        extra.put("properties.routes", Node(both, above.place))
        return overlaid(whole, extra.node())
    return whole


def _pool_node(one: Resource) -> Node:
    """Return a pool's own document in the shape that it has within its cluster's."""
    inner = one.body.get("properties")
    name = one.body.get("name") or Node(one.name, one.place)
    last = Node(name.text.rpartition("/")[2], name.place) if not name.unknown else name
    draft = resource.Draft(one.place)
    draft.put("name", last)
    return overlaid(inner, draft.node()) if inner is not None and not inner.unknown else draft.node()


def _id(text: str) -> str:
    """Return an id whose holes are short: the name of a hole is no name that Azure limits."""
    return "/".join(f"{part[:40]}>" if "<" in part and len(part) > 40 else part for part in text.split("/"))


def _name(pool: Node) -> str:
    found = pool.get("name")
    return found.text if found else ""


class _Reader:
    """Takes values out of documents; what is a hole becomes None, and is told."""

    def __init__(self) -> None:
        self.unchecked: list[Unchecked] = []

    def _hole(self, node: Node, what: str) -> None:
        reason = node.unknown.reason if node.unknown else "it is not of the right type"
        self.unchecked.append(Unchecked(node.place, f"{what} is not known: {reason}"))

    def text(self, node: Node | None, what: str) -> str | None:
        """Return a text, "" if it isn't given, None if it is a hole."""
        if node is None:
            return ""
        if node.unknown or not isinstance(node.value, str | int | float):
            self._hole(node, what)
            return None
        return text_of(node.value)

    def number(self, node: Node | None, what: str, absent: int | None = 0) -> int | None:
        if node is None:
            return absent
        try:
            return int(node.text)
        except ValueError:
            self._hole(node, what)
            return None

    def switch(self, node: Node | None, what: str) -> bool | None:
        if node is None:
            return False
        if node.unknown:
            self._hole(node, what)
            return None
        return node.text.lower() == "true"

    def texts(self, one: Node | None, many: Node | None, what: str) -> tuple[str, ...] | None:
        """Return what is given as a list, or alone."""
        node = many if many is not None and many.value != () else one
        if node is None:
            return ()
        found = [self.text(item, what) for item in node.items()]
        return None if any(item is None for item in found) else tuple(item for item in found if item)

    def networks(self, node: Node | None, what: str) -> Iterator[IPNetwork]:
        for item in node.items() if node is not None else ():
            text = self.text(item, what)
            network = network_or_none(text) if text else None
            if network is not None:
                yield network

    def request(self, one: Resource, pools: Sequence[Node]) -> ClusterRequest:
        body = one.body
        profile = body.get("properties", "networkProfile")

        def at(*path: str) -> Node | None:
            return profile.get(*path) if profile is not None else None

        families = self.texts(None, at("ipFamilies"), "the IP families")
        balancer = ("loadBalancerProfile",)
        name = body.get("name")
        return ClusterRequest(
            name=self.text(name, "the cluster's name") if name is not None else None,
            pools=tuple(self.pool(pool, change=one.change) for pool in pools),
            plugin=self._word(at("networkPlugin"), "the network plugin"),
            mode=self._word(at("networkPluginMode"), "the network plugin mode"),
            dataplane=self._word(at("networkDataplane"), "the network dataplane"),
            policy=self._word(at("networkPolicy"), "the network policy"),
            pod_cidrs=self.texts(at("podCidr"), at("podCidrs"), "the pod CIDR"),
            service_cidrs=self.texts(at("serviceCidr"), at("serviceCidrs"), "the service CIDR"),
            dns_service_ip=self.text(at("dnsServiceIP"), "the DNS service IP"),
            ip_families=tuple(family.lower() for family in families) if families is not None else None,
            kubernetes_version=self.text(body.get("properties", "kubernetesVersion"), "the Kubernetes version") or None,
            identity=self.text(body.get("identity", "type"), "the identity") or None,
            addons=self._addons(body),
            outbound_type=self.text(at("outboundType"), "the outbound type"),
            load_balancer=LoadBalancer(
                sku=self._word(at("loadBalancerSku"), "the load balancer's SKU"),
                managed_ips=self.number(at(*balancer, "managedOutboundIPs", "count"), "the count of outbound IPs"),
                ports=self.number(at(*balancer, "allocatedOutboundPorts"), "the outbound ports"),
                idle_min=self.number(at(*balancer, "idleTimeoutInMinutes"), "the idle timeout"),
            ),
            nat_gateway=NatGateway(
                managed_ips=self.number(
                    at("natGatewayProfile", "managedOutboundIPProfile", "count"), "the NAT gateway's count of IPs"
                ),
                idle_min=self.number(at("natGatewayProfile", "idleTimeoutInMinutes"), "the NAT gateway's idle timeout"),
            ),
            operation=Operation.UPDATE if one.change else Operation.CREATE,
        )

    def _addons(self, body: Node) -> frozenset[str] | None:
        """Return the add-ons that are on, None if one may be."""
        found: set[str] = set()
        for one in settings.ADDONS:
            node = body.get("properties", *one.arm.split("."))
            if node is not None and node.unknown:
                self._hole(node, "the add-ons")
                return None
            if node is not None and node.text.lower() in ("true", "auto"):
                found.add(one.az)
        return frozenset(found)

    def _word(self, node: Node | None, what: str) -> str | None:
        found = self.text(node, what)
        return found.lower() if found else found

    def pool(self, pool: Node, *, change: bool) -> PoolRequest:
        name = self.text(pool.get("name"), "a pool's name")
        of = f"of pool {name or '?'}"
        autoscale = self.switch(pool.get("enableAutoScaling"), f"the autoscaler {of}")
        lowest = self.number(pool.get("minCount"), f"the minimum count {of}", None)
        default = lowest if autoscale and lowest is not None else None if change else 1
        subnet, pod_subnet = pool.get("vnetSubnetID"), pool.get("podSubnetID")
        return PoolRequest(
            name=name,
            count=self.number(pool.get("count"), f"the node count {of}", default),
            max_pods=self.number(pool.get("maxPods"), f"max pods {of}"),
            mode=self.text(pool.get("mode"), f"the mode {of}") or "User",
            autoscale=autoscale,
            min_count=lowest,
            max_count=self.number(pool.get("maxCount"), f"the maximum count {of}", None),
            subnet_id=_id(subnet.text) if subnet is not None else "",
            pod_subnet_id=_id(pod_subnet.text) if pod_subnet is not None else "",
            pod_allocation=self.text(pool.get("podIPAllocationMode"), f"the allocation mode {of}"),
            os=self.text(pool.get("osType"), f"the OS {of}") or "Linux",
            os_sku=self.text(pool.get("osSKU"), f"the OS {of}"),
            vm_size=self.text(pool.get("vmSize"), f"the VM size {of}"),
            vm_set=self.text(pool.get("type"), f"the VM set {of}"),
            max_surge=self.text(pool.get("upgradeSettings", "maxSurge"), f"max surge {of}"),
        )

    def subnet(self, one: Resource, inventory: Inventory) -> Iterable[SubnetFacts]:
        """Yield what is known of a subnet, nothing if its range is not."""
        body = one.body
        given = body.get("properties", "addressPrefixes") or body.get("properties", "addressPrefix")
        first = next(given.items(), None) if given is not None else None
        if first is None:
            return
        text = self.text(first, f"the range of subnet {one.name}")
        network = network_or_none(text) if text else None
        if network is None:
            return
        delegations = body.get("properties", "delegations")
        table = body.get("properties", "routeTable", "id")
        gateway = body.get("properties", "natGateway", "id")
        group = body.get("properties", "networkSecurityGroup")
        if group is not None:
            self.unchecked.append(
                Unchecked(group.place, f"the NSG of subnet {one.name} is not known: its rules are not read")
            )
        unknown_ties = None if one.existing else ""
        yield SubnetFacts(
            id=_id(one.id),
            prefix=network,
            delegation=_delegation(delegations) if delegations is not None else unknown_ties,
            route_table=table.text if table is not None else unknown_ties,
            default_route=self._default_route(inventory.routes(table.text)) if table is not None else unknown_ties,
            nat_gateway=gateway.text if gateway is not None else unknown_ties,
            nsg=() if group is None and not one.existing else None,
        )

    def _default_route(self, routes: Sequence[Node] | None) -> str | None:
        if routes is None:
            return None
        for route in routes:
            prefix, hop = route.get("properties", "addressPrefix"), route.get("properties", "nextHopType")
            if prefix is not None and prefix.text == "0.0.0.0/0":
                return hop.text if hop is not None and not hop.unknown else None
        return ""


def _delegation(node: Node) -> str:
    first = next(node.items(), None)
    if first is None:
        return ""
    service = first.get("properties", "serviceName") or first.get("name")
    return service.text if service is not None else first.text
