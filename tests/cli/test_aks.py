"""Clusters from the command line, against a lab that is only remembered."""

import json
from pathlib import Path

import pytest
import yaml

from slash24.cli.kubeconfig import without_clusters
from slash24.core.topology import Transport
from tests.azure.fake import FakeProvisioner
from tests.cli.conftest import Run

SUBNET = (
    "/subscriptions/<subscription>/resourceGroups/rg-aks-cni/providers/Microsoft.Network/virtualNetworks/vnet-aks"
    "/subnets/aks-subnet"
)
ARTICLE = (
    "aks create -n aks-cni-01 -g rg-aks-cni --location northeurope --network-plugin azure "
    "--network-plugin-mode overlay --pod-cidr 192.168.0.0/16 --generate-ssh-keys --node-count 2 "
    f"--node-vm-size Standard_DS2_v2 --enable-cluster-autoscaler --min-count 2 --max-count 10 --vnet-subnet-id {SUBNET}"
).split()


@pytest.fixture
def network(run: Run, lab: FakeProvisioner) -> None:
    assert run("group", "create", "-n", "rg-aks-cni", "-l", "northeurope").code == 0
    line = "network vnet create -g rg-aks-cni -n vnet-aks --address-prefixes 10.20.0.0/16 --subnet-name aks-subnet"
    assert run(*line.split(), "--subnet-prefixes", "10.20.4.0/24").code == 0


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("ending", [[], ["\\"]])
def test_the_articles_line_builds_its_cluster(run: Run, lab: FakeProvisioner, ending: list[str]) -> None:
    result = run(*ARTICLE, *ending)
    assert (result.code, result.out.splitlines()[1].split()) == (
        0,
        ["aks-cni-01", "rg-aks-cni", "northeurope", "2", "2-10", "192.168.0.0/16", "encapsulated", "Succeeded"],
    )
    (cluster,) = lab.clusters.values()
    assert str(cluster.pod_cidr) == "192.168.0.0/16"
    assert (cluster.pools[0].count, cluster.pools[0].min_count, cluster.pools[0].max_count) == (2, 2, 10)
    assert "nodes Ready" in result.err


@pytest.mark.usefixtures("lab")
def test_the_output_has_azs_names(run: Run) -> None:
    assert run("aks", "create", "-g", "rg", "-n", "c1", "--node-count", "1").code == 0
    shown = json.loads(run("aks", "show", "-g", "rg", "-n", "c1", "-o", "json").out)
    assert shown["networkProfile"]["dnsServiceIp"] == "10.0.0.10"
    assert shown["agentPoolProfiles"][0]["vnetSubnetId"].endswith("/subnets/aks-subnet")
    assert run("aks", "show", "-g", "rg", "-n", "c1", "--query", "networkProfile.podCidr", "-o", "tsv").out == (
        "10.244.0.0/16\n"
    )
    assert yaml.safe_load(run("aks", "list", "-o", "yaml").out) == [shown]
    assert run("aks", "list", "--query", "[].{name:name, nodes:agentPoolProfiles[0].count}").out == (
        "NAME  NODES\nc1    1\n"
    )
    assert run("aks", "list", "-o", "none").out == ""


def test_without_a_subnet_the_group_and_a_managed_network_are_made(run: Run, lab: FakeProvisioner) -> None:
    assert run("aks", "create", "-g", "rg", "-n", "c1", "--transport", "routed", "--block-prefix", "26").code == 0
    (cluster,) = lab.clusters.values()
    assert (cluster.transport, cluster.block_prefix) == (Transport.ROUTED, 26)
    (vnet,) = lab.vnets.values()
    assert "MC_rg_c1_northeurope" in vnet.id
    assert (str(vnet.prefixes[0]), str(vnet.subnets[0].prefix)) == ("10.224.0.0/12", "10.224.0.0/16")
    assert run("group", "list", "--query", "[].name", "-o", "tsv").out.split() == ["MC_rg_c1_northeurope", "rg"]
    assert run("aks", "delete", "-g", "rg", "-n", "c1", "--yes").code == 0
    assert not lab.clusters
    assert not lab.vnets
    assert run("group", "list", "--query", "[].name", "-o", "tsv").out.split() == ["rg"]


@pytest.mark.usefixtures("network")
def test_a_refusal_has_four_lines(run: Run, lab: FakeProvisioner) -> None:
    result = run(
        "aks", "create", "-g", "rg-aks-cni", "-n", "c1", "--vnet-subnet-id", SUBNET, "--service-cidr", "10.20.0.0/16"
    )
    assert result.code == 1
    assert result.out == ""
    assert result.err.splitlines() == [
        "error S24-103: service CIDR 10.20.0.0/16 overlaps subnet aks-subnet 10.20.4.0/24",
        "  why:   pods would send traffic for 10.20.4.0/24 to a Service",
        "  azure: ServiceCidrOverlapExistingSubnetsCidr (what AKS itself would answer): "
        "The specified service CIDR 10.20.0.0/16 is conflicted with an existing subnet CIDR 10.20.4.0/24",
        "  fix:   --service-cidr 10.0.0.0/16 --dns-service-ip 10.0.0.10",
    ]
    assert not lab.clusters
    assert run("aks", "list", "--query", "length(@)").out == "0\n"


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ("--pod-cidr 999.1.2.3/99", 1, "error S24-106: pod CIDR '999.1.2.3/99' is not a CIDR"),
        ("--pod-cidr 192.168.1.0/16", 1, "error S24-106: pod CIDR 192.168.1.0/16 has host bits set"),
        ("--pod-cidr 10.20.0.0/16", 1, "error S24-101: pod CIDR 10.20.0.0/16 overlaps subnet aks-subnet 10.20.4.0/24"),
        ("--pod-cidr 10.0.0.0/16", 1, "error S24-102"),
        ("--pod-cidr 172.16.0.0/12", 1, "error S24-104: pod CIDR 172.16.0.0/12 contains 172.30.0.0/16"),
        ("--pod-cidr 10.240.100.0/22 --node-count 5", 1, "Pre-allocated IPs 1280 exceeds IPs available 1024"),
        ("--max-pods 9", 1, "The value of parameter maxPods is invalid."),
        ("--max-pods 251", 1, "error S24-112"),
        ("--node-count 300", 1, "error S24-110: subnet aks-subnet 10.20.4.0/24 has 251 free addresses"),
        ("--service-cidr 10.0.0.0/12", 1, "error S24-114"),
        ("--dns-service-ip 10.0.0.1", 1, "DnsServiceIpConflicting"),
        ("--network-plugin flannel", 2, "aks create: 'flannel' is not a valid value for '--network-plugin'. "
         "Allowed values: kubenet, azure, none."),
        ("--network-plugin-mode overlayx", 2, "Did you mean 'overlay' ?"),
        ("--network-plugin kubenet", 1, "--network-plugin kubenet is not implemented yet"),
        ("--network-plugin azure", 1, "error S24-120: --network-plugin azure without --network-plugin-mode overlay"),
        ("--network-plugin azure --pod-cidr 10.9.0.0/16", 1, "error: Please specify network plugin mode `overlay` when "
         "using --pod-cidr or use network plugin `kubenet`."),
        ("--network-policy calico", 1, "error: --network-policy calico is not implemented yet"),
        ("--network-dataplane cilium", 1, "--network-dataplane cilium is not implemented yet"),
        ("--network-dataplane ebpf", 2, "Allowed values: azure, cilium."),
        ("--outbound-type managedNATGateway", 1, "--outbound-type managedNATGateway is not implemented yet"),
        ("--ip-families ipv4,ipv6", 1, "--ip-families ipv4,ipv6 is not implemented yet"),
        ("--pod-cidrs 10.9.0.0/16,fd00::/64", 1, "--pod-cidrs with two ranges (dual-stack) is not implemented yet"),
        ("--enable-private-cluster", 1, "--enable-private-cluster is not implemented yet"),
        ("--api-server-authorized-ip-ranges 1.2.3.4/32", 1, "is not implemented yet"),
        ("--load-balancer-managed-outbound-ip-count 2", 1, "is not implemented yet"),
        ("--enable-addons ingress-appgw", 1, "(Application Gateway ingress) is not implemented yet"),
        ("--pod-subnet-id /x", 1, "--pod-subnet-id /x is not implemented yet"),
        ("--enable-cluster-autoscaler", 1,
         "error: Please specify both min-count and max-count when --enable-cluster-autoscaler enabled"),
        ("--enable-cluster-autoscaler --min-count 5 --max-count 2", 1,
         "Value of min-count should be less than or equal to value of max-count"),
        ("--enable-cluster-autoscaler --min-count 2 --max-count 10 --node-count 11", 1,
         "node-count is not in the range of min-count and max-count"),
        ("--min-count 2", 1, "min-count and max-count are required for --enable-cluster-autoscaler,"),
        ("--enable-cluster-autoscaler --min-count 1 --max-count 1001", 1, "--max-count must be in the range [0,1000]"),
        ("--nodepool-name averylongpoolname", 1, "--nodepool-name can contain at most 12 characters"),
        ("--nodepool-name a-b", 1, "--nodepool-name should contain only alphanumeric characters"),
        ("--kubernetes-version banana", 1, "--kubernetes-version should be the full version number"),
        ("--podcidr 10.0.0.0/8", 2, "unrecognized arguments: --podcidr, did you mean"),
        ("extra", 2, "unrecognized arguments: extra"),
        ("--vnet-subnet-id foo", 1, "--vnet-subnet-id is not a valid Azure resource ID."),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_leaves_nothing(
    run: Run, lab: FakeProvisioner, options: str, code: int, text: str
) -> None:
    result = run("aks", "create", "-g", "rg-aks-cni", "-n", "c1", "--vnet-subnet-id", SUBNET, *options.split())
    assert text in result.err
    assert (result.code, result.out) == (code, "")
    assert not lab.clusters
    assert run("group", "list", "--query", "[].name", "-o", "tsv").out == "rg-aks-cni\n"


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("aks show -g nope -n c1", "error: Resource group 'nope' could not be found."),
        ("group show -n nope", "  azure: ResourceGroupNotFound"),
        (f"aks create -g nope -n c1 --vnet-subnet-id {SUBNET}", "Resource group 'nope' could not be found."),
        ("group delete -n nope --yes", "Resource group 'nope' could not be found."),
    ],
)
def test_what_is_not_there_ends_with_3(run: Run, line: str, text: str) -> None:
    result = run(*line.split())
    assert (result.code, text in result.err) == (3, True)


@pytest.mark.usefixtures("network")
def test_a_missing_subnet_ends_with_3_and_says_how_to_make_it(run: Run) -> None:
    result = run("aks", "create", "-g", "rg-aks-cni", "-n", "c1", "--vnet-subnet-id", SUBNET + "2")
    assert result.code == 3
    assert "slash24 network vnet subnet create -g rg-aks-cni --vnet-name vnet-aks -n aks-subnet2" in result.err


@pytest.mark.usefixtures("lab")
def test_a_name_of_64_characters_is_refused_in_azs_words(run: Run) -> None:
    result = run("aks", "create", "-g", "rg", "-n", "a" * 64)
    assert result.code == 1
    assert result.err.startswith(
        "error: --name cannot exceed 63 characters and can only contain letters, numbers, underscores (_) "
        "or dashes (-)."
    )


def test_a_failed_build_says_at_which_step_and_leaves_nothing(run: Run, lab: FakeProvisioner) -> None:
    lab.fail_at = "nodes Ready"
    result = run("aks", "create", "-g", "rg", "-n", "c1")
    assert result.code == 1
    assert "error S24-999: nodes Ready: it broke" in result.err
    assert "control plane" in result.err
    assert "nodes Ready\n" in result.err
    assert run("group", "list", "-o", "tsv").out == ""
    assert not lab.vnets


@pytest.mark.usefixtures("lab")
def test_options_without_networking_are_kept(run: Run) -> None:
    line = (
        "aks create -g rg -n c1 --node-count 1 --tier standard --kubernetes-version 1.36.1 --node-osdisk-size 64 "
        "--nodepool-labels a=b c=d --tags x=y z --zones 1 2 --enable-oidc-issuer --enable-addons monitoring "
        "--enable-managed-identity --attach-acr acr --network-policy none --outbound-type loadBalancer "
        "--load-balancer-sku Standard --node-resource-group my-nodes --client-secret s3cret"
    )
    result = run(*line.split(), "-o", "json")
    assert result.code == 0, result.err
    shown = json.loads(result.out)
    assert shown["sku"] == {"tier": "standard"}
    assert shown["kubernetesVersion"] == "1.36.1"
    assert shown["oidcIssuerProfile"] == {"enabled": True}
    assert shown["nodeResourceGroup"] == "my-nodes"
    assert shown["tags"] == {"x": "y", "z": ""}
    assert shown["azOptions"]["--enable-addons"] == "monitoring"
    assert "s3cret" not in result.out
    pool = shown["agentPoolProfiles"][0]
    assert pool["nodeLabels"] == {"a": "b", "c": "d"}
    assert pool["availabilityZones"] == ["1", "2"]
    assert pool["osDiskSizeGb"] == 64


def test_scaling_and_pools(run: Run, lab: FakeProvisioner) -> None:
    assert run("aks", "create", "-g", "rg", "-n", "c1", "--node-count", "1").code == 0
    assert run("aks", "scale", "-g", "rg", "-n", "c1", "--node-count", "3").code == 0
    (cluster,) = lab.clusters.values()
    assert cluster.pools[0].count == 3
    pool = ("-g", "rg", "--cluster-name", "c1", "-n", "apps")
    added = run(
        "aks", "nodepool", "add", *pool, "--node-count", "2", "--labels", "a=b", "--node-taints", "k=v:NoSchedule"
    )
    assert added.code == 0, added.err
    (cluster,) = lab.clusters.values()
    assert (cluster.pools[1].count, cluster.pools[1].mode, cluster.pools[1].labels) == (2, "User", (("a", "b"),))
    assert cluster.pools[1].taints == ("k=v:NoSchedule",)
    assert "already exists, please try a different name" in run("aks", "nodepool", "add", *pool).err
    assert "There are more than one node pool" in run("aks", "scale", "-g", "rg", "-n", "c1", "-c", "2").err
    assert run("aks", "nodepool", "scale", *pool, "-c", "2").err.startswith(
        "error: The new node count is the same as the current node count."
    )
    assert run("aks", "nodepool", "scale", *pool, "-c", "1").code == 0
    assert run("aks", "nodepool", "list", "-g", "rg", "--cluster-name", "c1").out.splitlines() == [
        "NAME       MODE    COUNT  AUTOSCALER  MAX PODS  SUBNET      STATE",
        "nodepool1  System      3  -                250  aks-subnet  Succeeded",
        "apps       User        1  -                250  aks-subnet  Succeeded",
    ]
    assert run("aks", "nodepool", "delete", *pool).code == 0
    assert run("aks", "nodepool", "show", *pool).code == 3
    assert run("aks", "nodepool", "delete", *pool).code == 3
    last = run("aks", "nodepool", "delete", "-g", "rg", "--cluster-name", "c1", "-n", "nodepool1")
    assert (last.code, "at least one system agent pool" in last.err) == (1, True)


@pytest.mark.usefixtures("lab")
def test_credentials_go_beside_what_is_there(run: Run, home: Path, tmp_path: Path) -> None:
    for name in ("c1", "c2"):
        assert run("aks", "create", "-g", "rg", "-n", name, "--node-count", "1").code == 0
    file = tmp_path / "deep" / "kubeconfig"
    for name in ("c1", "c2"):
        result = run("aks", "get-credentials", "-g", "rg", "-n", name, "--file", str(file))
        assert result.code == 0
        assert f'Merged "{name}" as current context in {file}' in result.err
    config = yaml.safe_load(file.read_text())
    assert [entry["name"] for entry in config["contexts"]] == ["c1", "c2"]
    assert config["current-context"] == "c2"
    assert file.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(run("aks", "get-credentials", "-g", "rg", "-n", "c1", "-f", "-").out)["kind"] == "Config"
    assert run("aks", "get-credentials", "-g", "rg", "-n", "c1").code == 0
    assert (home / "labs/default/kubeconfig").exists()
    config["users"][0]["user"]["token"] = "other"
    file.write_text(yaml.safe_dump(config))
    clash = run("aks", "get-credentials", "-g", "rg", "-n", "c1", "--file", str(file))
    assert (clash.code, "A different object named clusterUser_c1 already exists in users" in clash.err) == (1, True)
    assert run("aks", "get-credentials", "-g", "rg", "-n", "c1", "--file", str(file), "--overwrite-existing").code == 0


def test_a_deleted_cluster_leaves_the_kubeconfig_and_others_stay() -> None:
    def entries(name: str, url: str) -> dict[str, list[dict[str, object]]]:
        return {
            "clusters": [{"name": name, "cluster": {"server": url}}],
            "users": [{"name": f"user-{name}", "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": f"user-{name}"}}],
        }

    lab = "https://127.0.0.1:1/clusters/"
    parts = [
        entries("gone", lab + "rg.gone"),
        entries("kept", lab + "rg.kept"),
        entries("work", "https://work.example"),
    ]
    config = {key: [one for part in parts for one in part[key]] for key in ("clusters", "users", "contexts")}
    left = without_clusters(config | {"current-context": "gone"}, lab, {"rg.kept"})
    for key in ("clusters", "users", "contexts"):
        assert left[key] == config[key][1:]
    assert left["current-context"] == "kept"
    assert without_clusters(config, lab, {"rg.kept", "rg.gone"}) == config


@pytest.mark.usefixtures("network")
def test_a_dry_run_is_judged_and_changes_nothing(run: Run, lab: FakeProvisioner) -> None:
    good = run(*ARTICLE, "--dry-run")
    assert good.code == 0
    method, path = good.out.splitlines()[0].split()
    assert (method, path.endswith("/managedClusters/aks-cni-01")) == ("PUT", True)
    body = json.loads(good.out.partition("\n")[2])
    assert body["properties"]["networkProfile"]["podCidr"] == "192.168.0.0/16"
    bad = run(*ARTICLE, "--dry-run", "--pod-cidr", "10.20.0.0/16")
    assert (bad.code, "S24-101" in bad.err) == (1, True)
    assert run("aks", "list", "-o", "json").out == "[]\n"
    assert not lab.clusters


@pytest.mark.usefixtures("lab")
def test_a_cluster_that_exists_is_not_made_again(run: Run) -> None:
    assert run("aks", "create", "-g", "rg", "-n", "c1", "--node-count", "1").code == 0
    result = run("aks", "create", "-g", "rg", "-n", "c1", "--node-count", "1")
    assert (result.code, "The cluster 'c1' under resource group 'rg' already exists." in result.err) == (1, True)


@pytest.mark.usefixtures("lab")
def test_warnings_are_told_on_stderr(run: Run) -> None:
    result = run("aks", "create", "-g", "rg", "-n", "c1", "--node-count", "2", "--max-pods", "30")
    assert result.code == 0
    assert "warning S24-112: node pool nodepool1: max pods 30 uses 12 % of each node's /24" in result.err
    silent = run("aks", "create", "-g", "rg", "-n", "c2", "--node-count", "2", "--max-pods", "30", "--only-show-errors")
    assert silent.err == ""
