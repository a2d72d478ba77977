"""The lab's topology as text for Mermaid, which wikis and code hosts draw."""

from typing import Any

from slash24.web.topology import in_subnet, node_state

_MOST_PODS = 4  # named in a node's box; the others are counted


def draw_mermaid(status: dict[str, Any], pods: dict[str, list[dict[str, str]]]) -> str:
    """Return a flowchart of the lab; the arguments are those of `topology.draw_topology`."""
    lines = ["flowchart LR", f"  internet([{_label('internet', status['internetHost'])}])"]
    down = []
    nodes = [(cluster, node) for cluster in status["clusters"] for node in cluster["nodes"]]
    names = {node["name"]: f"node{i}" for i, (_, node) in enumerate(nodes)}
    for i, vnet in enumerate(status["virtualNetworks"]):
        lines.append(f"  subgraph vnet{i} [{_label('virtual network ' + vnet['name'], *vnet['addressPrefixes'])}]")
        if vnet["virtualMachine"]:
            lines.append(f"    vm{i}[{_label('virtual machine', vnet['virtualMachine'])}]")
        for j, subnet in enumerate(vnet["subnets"]):
            title = _label("subnet " + subnet["name"], subnet["addressPrefix"])
            lines.append(f"    subgraph vnet{i}subnet{j} [{title}]")
            for _, node in in_subnet(nodes, vnet, subnet):
                lines.append(f"      {names[node['name']]}[{_node(node, pods.get(node['name'], []))}]")
            lines.append("    end")
        lines.append("  end")
    for i, cluster in enumerate(status["clusters"]):
        transport = "VXLAN" if cluster["transport"] == "encapsulated" else "routed by the fabric"
        title = _label(f"cluster {cluster['name']}", f"pod CIDR {cluster['podCidr']}", transport)
        lines.append(f"  cluster{i}{{{{{title}}}}}")
        lines += [f"  cluster{i} --- {names[node['name']]}" for node in cluster["nodes"]]
        lines.append(f"  cluster{i} -->|{_label('leaves as', cluster['outboundAddress'])}| internet")
        down += [names[node["name"]] for node in cluster["nodes"] if not node["ready"]]
    if down:
        lines += ["  classDef down stroke-dasharray: 5 5,color:#777", f"  class {','.join(down)} down"]
    return "\n".join(lines) + "\n"


def _node(node: dict[str, Any], pods: list[dict[str, str]]) -> str:
    words = [node["name"], node["address"], f"block {node['podCidr'] or 'none yet'}"]
    words += [] if node["ready"] else [node_state(node)]
    words += [f"{pod['name']} {pod['ip'] or '-'}" for pod in pods[:_MOST_PODS]]
    words += [f"and {len(pods) - _MOST_PODS} more pods"] if len(pods) > _MOST_PODS else []
    return _label(*words)


def _label(*words: str) -> str:
    """Return a quoted label of several lines. Mermaid writes marks of its own as entities."""
    escaped = (
        word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "#quot;") for word in words
    )
    return '"' + "<br/>".join(escaped) + '"'
