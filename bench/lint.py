"""`make bench ONLY=lint`: how long the linter takes for a project, and for files that somebody made to keep it busy."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.results import Result, below

FILES = 100
LINES = 60
BRACKETS = 10_000_000
_PROGRAM = (sys.executable, "-m", "slash24.cli.main", "lint")


def measure(rounds: int) -> list[Result]:
    """Return the seconds of `slash24 lint` for 100 files of 60 lines, and for 10 MB of brackets of each kind."""
    with tempfile.TemporaryDirectory(prefix="slash24-bench-") as folder:
        root = Path(folder)
        for number in range(FILES):
            name, text = (_script, _terraform, _bicep)[number % 3](number)
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        _run(root)  # the first one compiles Python's files, and Terraform's grammar
        results = [below("lint of 100 files", "s", statistics.median(_run(root) for _ in range(rounds)), rounds, 1.5)]
        for suffix in ("sh", "ps1", "tf", "bicep", "json"):
            file = root / f"deep.{suffix}"
            file.write_bytes(b"[" * BRACKETS)
            results.append(
                below(f"10 MB of brackets, .{suffix}", "s", statistics.median(_run(file) for _ in range(3)), 3, 2.0)
            )
            file.unlink()
    return results


def _run(path: Path) -> float:
    began = time.perf_counter()
    subprocess.run([*_PROGRAM, str(path)], capture_output=True, check=False)
    return time.perf_counter() - began


def _script(number: int) -> tuple[str, str]:
    lines = [f'RG="rg-{number}"', 'POD="10.244.0.0/16"']
    while len(lines) < LINES - 8:
        lines += [
            f"az network vnet subnet create -g $RG --vnet-name v -n s{len(lines)} \\",
            f"  --address-prefixes 10.20.{len(lines)}.0/24",
        ]
    lines += [
        "ID=$(az network vnet subnet show -g $RG --vnet-name v -n s2 --query id -o tsv)",
        "az aks create -g $RG -n c \\",
        "  --network-plugin azure \\", "  --network-plugin-mode overlay \\", '  --pod-cidr "$POD" \\',
        "  --node-count 3 \\", '  --vnet-subnet-id "$ID" \\', "  --generate-ssh-keys",
    ]  # fmt: skip
    return f"s{number}.sh", "\n".join(lines) + "\n"


def _terraform(number: int) -> tuple[str, str]:
    subnets = "".join(
        f'resource "azurerm_subnet" "s{index}" {{\n  name = "s{index}"\n  resource_group_name = "rg"\n'
        f'  virtual_network_name = "v"\n  address_prefixes = [cidrsubnet(local.space, 8, {index})]\n}}\n'
        for index in range(5)
    )
    cluster = (
        'resource "azurerm_kubernetes_cluster" "c" {\n  name = "c"\n  resource_group_name = "rg"\n  location = "x"\n'
        '  dns_prefix = "c"\n  default_node_pool {\n    name = "np"\n    node_count = 3\n    vm_size = "x"\n'
        '    vnet_subnet_id = azurerm_subnet.s1.id\n  }\n  identity {\n    type = "SystemAssigned"\n  }\n'
        '  network_profile {\n    network_plugin = "azure"\n    network_plugin_mode = "overlay"\n'
        '    pod_cidr = "10.244.0.0/16"\n    service_cidr = "10.0.0.0/16"\n    dns_service_ip = "10.0.0.10"\n  }\n}\n'
    )
    return f"t{number}/main.tf", 'locals {\n  space = "10.20.0.0/16"\n}\n\n' + subnets + cluster


def _bicep(number: int) -> tuple[str, str]:
    subnets = "\n".join(
        f"      {{\n        name: 's{index}'\n        properties: {{\n"
        f"          addressPrefix: cidrSubnet(space, 24, {index})\n        }}\n      }}"
        for index in range(5)
    )
    text = (
        "param prefix string = 'demo'\nvar space = '10.20.0.0/16'\n"
        "resource vnet 'Microsoft.Network/virtualNetworks@2024-05-01' = {\n  name: '${prefix}-vnet'\n  properties: {\n"
        f"    addressSpace: {{\n      addressPrefixes: [space]\n    }}\n    subnets: [\n{subnets}\n    ]\n  }}\n}}\n"
        "resource aks 'Microsoft.ContainerService/managedClusters@2025-05-01' = {\n  name: '${prefix}-aks'\n"
        "  properties: {\n    networkProfile: {\n      networkPlugin: 'azure'\n      networkPluginMode: 'overlay'\n"
        "      podCidr: '10.244.0.0/16'\n    }\n    agentPoolProfiles: [\n      {\n        name: 'np'\n"
        "        count: 3\n        vnetSubnetID: vnet.properties.subnets[1].id\n      }\n    ]\n  }\n}\n"
    )
    return f"b{number}.bicep", text
