"""The linter: each kind of file gives its findings at their lines, and what it can't know is told as not checked."""

import json
from textwrap import dedent

import pytest

from slash24.plan.finding import Severity
from slash24.plan.iac.biceptext import parse
from slash24.plan.iac.file import File
from slash24.plan.iac.lint import LintReport, lint


def of(name: str, text: str, *more: tuple[str, str]) -> LintReport:
    files = [(name, text), *more]
    return lint([File(one, dedent(content).encode()) for one, content in files])


def found(report: LintReport) -> list[tuple[int, str]]:
    return [(one.place.line, one.finding.code) for one in report.findings]


ARTICLE = """\
    MY_SUBSCRIPTION_ID=<subscription>
    CLUSTERNAME="aks-cni-01"
    RG="rg-aks-cni"
    LOCATION="northeurope"
    VNET_NAME="vnet-aks"
    AKS_SUBNET_ID="/subscriptions/$MY_SUBSCRIPTION_ID/resourceGroups/$RG/providers/Microsoft.Network/virtualNetworks/$VNET_NAME/subnets/aks-subnet"

    az aks create -n $CLUSTERNAME \\
      -g $RG \\
      --location $LOCATION \\
      --network-plugin azure \\
      --network-plugin-mode overlay \\
      --pod-cidr 192.168.0.0/16 \\
      --generate-ssh-keys \\
      --node-count 2 \\
      --node-vm-size Standard_DS2_v2 \\
      --enable-cluster-autoscaler --min-count 2 --max-count 10 \\
      --vnet-subnet-id $AKS_SUBNET_ID \\
    """


def test_the_article_s_script_is_read_and_nothing_in_it_is_refused() -> None:
    report = of("deploy.azcli", ARTICLE)
    assert [one for one in report.findings if one.finding.severity is Severity.ERROR] == []
    wrong = of("deploy.azcli", ARTICLE.replace("192.168.0.0/16", "172.16.0.0/12"))
    assert (13, "S24-104") in found(wrong)


def test_a_subnet_that_a_script_makes_is_found_by_its_id_in_a_variable() -> None:
    report = of(
        "a.sh",
        """\
        az network vnet create -g rg -n v --address-prefixes 10.0.0.0/8
        az network vnet subnet create -g rg --vnet-name v -n nodes --address-prefixes 10.244.1.0/24
        ID=$(az network vnet subnet show -g rg --vnet-name v -n nodes --query id -o tsv)
        az aks create -g rg -n c1 --vnet-subnet-id "$ID" --pod-cidr 10.244.0.0/16
        """,
    )
    assert (4, "S24-101") in found(report)


def test_powershell_continues_lines_with_backticks_and_has_variables_of_its_own() -> None:
    report = of(
        "a.ps1",
        """\
        $podCidr = "172.16.0.0/12"
        <# az aks create
        --pod-cidr nonsense #>
        az aks create `
          --name c1 -g rg `
          --pod-cidr $PODCIDR
        """,
    )
    assert [line for line, code in found(report) if code == "S24-104"] == [6]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('P=10.0.0.0/16\nARGS="--pod-cidr $P -n c1"\naz aks create -g rg $ARGS', (3, "S24-102")),
        ("args=(--pod-cidr 10.0.0.0/16\n  -n c1)\naz aks create -g rg \"${args[@]}\"", (3, "S24-102")),
        ("az aks create -g rg -n c1 --pod-cidr ${POD:-10.0.0.0/16}", (1, "S24-102")),
        ("cat <<EOF\naz aks create --pod-cidr nonsense\nEOF\naz aks create -g rg -n c1 --pod-cidr x", (4, "S24-106")),
        ("az aks create -n c1 -g rg --pod-cird 10.1.0.0/16", (1, "S24-202")),
    ],
)  # fmt: skip
def test_a_script_s_words_are_what_a_shell_would_make_of_them(script: str, expected: tuple[int, str]) -> None:
    assert expected in found(of("a.sh", script))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("az aks create -n c1 -g rg --pod-cidr $POD", "POD is not set here"),
        ("az aks create -n c1 -g rg --pod-cidr <pod-cidr>", "a placeholder"),
        ("if x; then P=10.0.0.0/16; fi\naz aks create -n c1 -g rg --pod-cidr $P", "in a branch"),
        ("az aks create -n c1 -g rg $EXTRA", "may hold"),
        ("az aks create -n c1 -g rg --pod-cidr $(terraform output -raw cidr)", "not known"),
    ],
)
def test_what_a_script_doesn_t_tell_is_not_checked(script: str, reason: str) -> None:
    report = of("a.sh", script)
    assert any(reason in one.reason for one in report.unchecked)
    assert not [one for one in report.findings if one.finding.severity is Severity.ERROR]


TERRAFORM = """\
    variable "vnet" {
      default = "10.20.0.0/16"
    }
    locals {
      nodes = cidrsubnet(var.vnet, 8, 4)
    }
    resource "azurerm_virtual_network" "this" {
      name                = "v"
      resource_group_name = "rg"
      location            = "northeurope"
      address_space       = [var.vnet]
    }
    resource "azurerm_subnet" "nodes" {
      name                 = "nodes"
      resource_group_name  = "rg"
      virtual_network_name = azurerm_virtual_network.this.name
      address_prefixes     = [local.nodes]
    }
    resource "azurerm_kubernetes_cluster" "this" {
      name                = "c1"
      resource_group_name = "rg"
      location            = "northeurope"
      dns_prefix          = "c1"
      default_node_pool {
        name           = "system"
        node_count     = 3
        max_pods       = 30
        vm_size        = "Standard_D4s_v5"
        vnet_subnet_id = azurerm_subnet.nodes.id
      }
      network_profile {
        network_plugin      = "azure"
        network_plugin_mode = "overlay"
        pod_cidr            = "10.20.4.0/22"
        service_cidr        = "172.10.0.0/16"
        dns_service_ip      = "172.10.0.10"
      }
    }
    """


def test_terraform_is_followed_through_variables_locals_functions_and_ids() -> None:
    report = of("main.tf", TERRAFORM)
    assert {(34, "S24-101"), (35, "S24-105"), (27, "S24-112")} <= set(found(report))
    assert report.unchecked == () or all("Kubernetes version" in one.reason for one in report.unchecked)


def test_the_files_of_a_folder_are_one_module_and_tfvars_override_defaults() -> None:
    cluster = """
    resource "azurerm_kubernetes_cluster" "c" {
      name = "c"
      network_profile {
        network_plugin = "none"
        pod_cidr       = var.pods
      }
    }
    """
    report = of(
        "net/main.tf", cluster, ("net/v.tf", 'variable "pods" {\n  default = "10.1.0.0/16"\n}'),
        ("net/terraform.tfvars", 'pods = "172.31.0.0/16"'),
    )  # fmt: skip
    assert (6, "S24-104") in found(report)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('module "aks" {\n  source = "Azure/aks/azurerm"\n}', "module aks (Azure/aks/azurerm)"),
        ('resource "azurerm_subnet" "x" {\n  count = var.many\n  name = "x"\n}', "count of azurerm_subnet.x"),
        ('resource "azurerm_subnet" "x" {\n  dynamic "delegation" {\n    content {}\n  }\n}', "block delegation"),
    ],
)  # fmt: skip
def test_what_terraform_alone_can_work_out_is_not_checked(line: str, reason: str) -> None:
    assert any(reason in one.reason for one in of("a.tf", line).unchecked)


BICEP = """\
    param prefix string = 'demo'
    var pods = '172.30.0.0/16'
    resource vnet 'Microsoft.Network/virtualNetworks@2024-05-01' = {
      name: '${prefix}-vnet'
      properties: {
        addressSpace: { addressPrefixes: ['10.20.0.0/16'] }
        subnets: [
          { name: 'nodes', properties: { addressPrefix: cidrSubnet('10.20.0.0/16', 24, 4) } }
        ]
      }
    }
    resource aks 'Microsoft.ContainerService/managedClusters@2024-09-01' = {
      name: '${prefix}-aks'
      location: resourceGroup().location
      properties: {
        networkProfile: {
          networkPlugin: 'azure'
          networkPluginMode: 'overlay'
          podCidr: pods
          serviceCidr: '10.20.4.0/24'
          dnsServiceIP: '10.20.4.10'
        }
        agentPoolProfiles: [
          { name: 'system', count: 3, mode: 'System', vnetSubnetID: vnet.properties.subnets[0].id }
        ]
      }
    }
    """


def test_bicep_is_followed_through_parameters_functions_and_symbols() -> None:
    assert {(19, "S24-104"), (20, "S24-103")} <= set(found(of("main.bicep", BICEP)))


def test_a_bicepparam_gives_the_template_its_values() -> None:
    template = BICEP.replace("var pods = '172.30.0.0/16'", "param pods string")
    values = "using './main.bicep'\n\nparam pods = '192.0.2.0/25'\n"
    assert (19, "S24-104") in found(of("infra/main.bicep", template, ("infra/prod.bicepparam", values)))
    assert any("pods has no default value" in one.reason for one in of("main.bicep", template).unchecked)


def test_an_arm_template_is_followed_through_its_expressions() -> None:
    subnets = "Microsoft.Network/virtualNetworks/subnets"
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "parameters": {"pods": {"type": "string", "defaultValue": "10.244.0.0/16"}},
        "variables": {"vnet": "v", "subnet": f"[resourceId('{subnets}', variables('vnet'), 'nodes')]"},
        "resources": [
            {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "[variables('vnet')]",
             "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
                            "subnets": [{"name": "nodes", "properties": {"addressPrefix": "10.244.3.0/24"}}]}},
            {"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-09-01", "name": "c1",
             "properties": {"networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay",
                                               "podCidr": "[parameters('pods')]"},
                            "agentPoolProfiles": [
                                {"name": "np", "count": 3, "vnetSubnetID": "[variables('subnet')]"}]}},
        ],
    }  # fmt: skip
    text = json.dumps(template, indent=1)
    line = next(number for number, one in enumerate(text.split("\n"), 1) if '"podCidr"' in one)
    assert (line, "S24-101") in found(lint([File("azuredeploy.json", text.encode())]))


def test_what_az_shows_of_a_cluster_and_its_network_is_read_together() -> None:
    group = "/subscriptions/1/resourceGroups/rg/providers"
    subnet = f"{group}/Microsoft.Network/virtualNetworks/v/subnets/nodes"
    cluster = {
        "id": f"{group}/Microsoft.ContainerService/managedClusters/c1", "name": "c1", "location": "x",
        "agentPoolProfiles": [{"name": "np", "count": 3, "maxPods": 250, "vnetSubnetId": subnet}],
        "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": "10.20.4.0/22"},
    }  # fmt: skip
    vnet = {
        "id": subnet.rpartition("/subnets/")[0], "name": "v", "type": "Microsoft.Network/virtualNetworks",
        "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
        "subnets": [{"id": subnet, "name": "nodes", "addressPrefix": "10.20.4.0/24"}],
    }  # fmt: skip
    report = of("c1.json", json.dumps(cluster), ("v.json", json.dumps(vnet)))
    assert (1, "S24-101") in found(report)


def test_a_terraform_plan_that_destroys_a_cluster_is_named_with_what_forces_it() -> None:
    plan = {
        "format_version": "1.2",
        "resource_changes": [
            {"address": "azurerm_kubernetes_cluster.this", "mode": "managed", "type": "azurerm_kubernetes_cluster",
             "change": {"actions": ["delete", "create"],
                        "before": {"name": "c1", "network_profile": [{"network_policy": "calico"}]},
                        "after": {"name": "c1", "network_profile": [{"network_policy": "azure"}]},
                        "after_unknown": {"id": True},
                        "replace_paths": [["network_profile", 0, "network_policy"]]}},
        ],
    }  # fmt: skip
    (one,) = [one for one in of("plan.json", json.dumps(plan, indent=1)).findings if one.finding.code == "S24-130"]
    assert one.place.line == 4
    assert "network_profile.network_policy calico -> azure" in one.finding.message


def test_an_ignore_needs_a_reason_and_something_to_ignore() -> None:
    line = "az aks create -n c1 -g rg --pod-cidr 10.0.0.0/16"
    assert found(of("a.sh", f"# slash24:ignore S24-102 services are elsewhere\n{line}")) == []
    assert found(of("a.sh", f"{line} # slash24:ignore S24-102 services are elsewhere")) == []
    assert found(of("a.sh", f"{line} # slash24:ignore S24-102")) == [(1, "S24-102"), (1, "S24-203")]
    assert found(of("a.sh", "az aks create -n c1 -g rg # slash24:ignore S24-102 why")) == [(1, "S24-203")]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.tf", 'resource "x" {\n  a = = 1\n}\n', 2),
        ("a.sh", 'echo one\naz aks create -n "x\n', 2),
        ("a.json", '{\n "a": 1,\n}', 3),
        ("a.json", "[" * 10_000_000, 1),
        ("a.ps1", "<# never closed", 1),
    ],
)
def test_a_file_that_can_t_be_read_is_a_finding_at_its_line(name: str, text: str, line: int) -> None:
    assert found(of(name, text)) == [(line, "S24-201")]


ON = "--network-plugin azure --network-plugin-mode overlay"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sh", f"az aks create -n c -g rg {ON} --enable-addons virtual-node"),
        ("a.tf", 'resource "azurerm_kubernetes_cluster" "c" {\n  name = "c"\n  aci_connector_linux {\n'
                 '    subnet_name = "x"\n  }\n  network_profile {\n    network_plugin = "azure"\n'
                 '    network_plugin_mode = "overlay"\n  }\n}'),
        ("c.json", '{"name": "c", "agentPoolProfiles": [], "addonProfiles": {"aciConnectorLinux": {"enabled": true}},'
                   '"networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay"}}'),
    ],
)  # fmt: skip
def test_add_ons_are_read_and_judged(name: str, text: str) -> None:
    assert any("virtual" in one.finding.message.lower() for one in of(name, text).findings)


@pytest.mark.parametrize("text", [BICEP, BICEP.replace("'demo'", "'''demo'''"), BICEP.replace("\n", "\n// x\n")])
def test_the_parser_of_bicep_sees_the_declarations_that_tree_sitter_sees(text: str) -> None:
    import tree_sitter_bicep
    from tree_sitter import Language, Parser

    source = dedent(text)
    tree = Parser(Language(tree_sitter_bicep.language())).parse(source.encode())
    assert not tree.root_node.has_error
    seen = []
    for node in tree.root_node.named_children:
        names = [child for child in node.children if child.type == "identifier"]
        if node.type.endswith("_declaration") and names and names[0].text:
            seen.append((names[0].text.decode(), node.start_point[0] + 1))
    declared, faults = parse(File("main.bicep", source.encode()))
    assert faults == []
    assert [(one.name, one.line) for one in declared] == seen


def test_a_fix_is_in_the_words_of_its_file() -> None:
    fixes = {one.finding.code: one.finding.fix for one in of("main.tf", TERRAFORM).findings}
    assert fixes["S24-105"] == 'service_cidr = "10.0.0.0/16" dns_service_ip = "10.0.0.10"'
    assert fixes["S24-112"].startswith("max_pods = 250 ")
    (one,) = [one for one in of("main.bicep", BICEP).findings if one.finding.code == "S24-104"]
    assert one.finding.fix.startswith("podCidr: '")
