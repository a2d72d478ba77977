"""Autoscaler, power and upgrades from the command line, in az's words; the lab is only remembered."""

import json

import pytest

from tests.azure.fake import FakeProvisioner
from tests.cli.conftest import Run

CLUSTER = ("-g", "rg", "-n", "c1")
POOL = ("-g", "rg", "--cluster-name", "c1", "-n", "nodepool1")


@pytest.fixture(autouse=True)
def _cluster(run: Run, lab: FakeProvisioner) -> None:
    assert run("aks", "create", *CLUSTER, "--node-count", "2", "-k", "1.36.0").code == 0


def pool(lab: FakeProvisioner) -> tuple[bool, int | None, int | None]:
    (cluster,) = lab.clusters.values()
    return cluster.pools[0].autoscale, cluster.pools[0].min_count, cluster.pools[0].max_count


@pytest.mark.parametrize("command", [("aks", "update", *CLUSTER), ("aks", "nodepool", "update", *POOL)])
def test_the_autoscaler_comes_changes_and_goes(run: Run, lab: FakeProvisioner, command: tuple[str, ...]) -> None:
    early = run(*command, "--update-cluster-autoscaler", "--min-count", "1", "--max-count", "3")
    assert early.err.startswith("error: Cluster autoscaler is not enabled for this node pool.")
    assert run(*command, "--disable-cluster-autoscaler").err == (
        "Cluster autoscaler is already disabled for this node pool.\n"
    )
    assert run(*command, "--enable-cluster-autoscaler", "--min-count", "1", "--max-count", "3").code == 0
    assert pool(lab) == (True, 1, 3)
    assert "already enabled" in run(*command, "-e", "--min-count", "1", "--max-count", "9").err
    assert run(*command, "-u", "--min-count", "2", "--max-count", "9").code == 0
    assert pool(lab) == (True, 2, 9)
    assert run(*command, "-d").code == 0
    assert pool(lab) == (False, None, None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-e --min-count 5 --max-count 2", "Value of min-count should be less than or equal to value of max-count"),
        (
            "-e --min-count 0 --max-count 2",
            "Value of min-count should be greater than or equal to 1 for System node pools",
        ),
        ("-e --min-count 1", "Please specify both min-count and max-count when --enable-cluster-autoscaler or"),
        ("--min-count 1", "min-count and max-count are required for --enable-cluster-autoscaler or"),
        ("-e --min-count 1 --max-count 1001", "--max-count must be in the range [0,1000]"),
        ("-e -d --min-count 1 --max-count 2", "Can only specify one of --enable-cluster-autoscaler, "),
        ("-e --min-count 1 --max-count 300", "pod CIDR 10.244.0.0/16 holds 256 node blocks"),
        ("--cluster-autoscaler-profile bad-key=1", "'bad-key' is an invalid key for cluster-autoscaler-profile. Valid"),
        ("--cluster-autoscaler-profile =1", "Empty key specified for cluster-autoscaler-profile"),
        ("--cluster-autoscaler-profile scan-interval=soon", "scan-interval: 'soon' is not a duration such as 10s"),
    ],
)
def test_a_bad_autoscaler_is_refused_in_azs_words(run: Run, options: str, told: str) -> None:
    result = run("aks", "update", *CLUSTER, *options.split())
    assert result.code == 1
    assert told in result.err


def test_an_update_without_a_change_is_wrong_usage(run: Run) -> None:
    assert run("aks", "update", *CLUSTER).code == 2
    assert run("aks", "nodepool", "update", *POOL).code == 2


def test_a_profile_is_set_shown_as_az_does_and_reset(run: Run, lab: FakeProvisioner) -> None:
    line = ("aks", "update", *CLUSTER, "--cluster-autoscaler-profile")
    assert run(*line, "scan-interval=30s,expander=most-pods").code == 0
    assert run(*line, "scan-interval=20s", "max-empty-bulk-delete=3").code == 0
    shown = json.loads(run("aks", "show", *CLUSTER, "-o", "json", "--query", "autoScalerProfile").out)
    assert (shown["scanInterval"], shown["expander"], shown["maxEmptyBulkDelete"]) == ("20s", "most-pods", "3")
    assert run(*line, "").code == 0
    (cluster,) = lab.clusters.values()
    assert cluster.autoscaler.expander == "random"


def test_a_pool_that_the_autoscaler_has_is_not_scaled_by_hand(run: Run) -> None:
    assert run("aks", "update", *CLUSTER, "-e", "--min-count", "1", "--max-count", "3").code == 0
    for command in (("aks", "scale", *CLUSTER), ("aks", "nodepool", "scale", *POOL)):
        refused = run(*command, "--node-count", "3")
        assert (refused.code, refused.err.splitlines()[0]) == (
            1,
            "error: Cannot scale cluster autoscaler enabled node pool.",
        )


def test_stop_and_start(run: Run, lab: FakeProvisioner) -> None:
    assert run("aks", "stop", *CLUSTER).code == 0
    again = run("aks", "stop", *CLUSTER)
    assert (again.code, again.err.splitlines()[0]) == (
        1,
        "error: managed cluster is in Provisioning State(Succeeded) and Power State(Stopped), stopping cannot be "
        "performed",
    )
    refused = run("aks", "scale", *CLUSTER, "--node-count", "5")
    assert "Power State(Stopped), scaling cannot be performed" in refused.err
    assert "slash24 aks start -g rg -n c1" in refused.err
    assert run("aks", "start", *CLUSTER, "--dry-run").code == 0
    assert run("aks", "start", *CLUSTER).code == 0
    (cluster,) = lab.clusters.values()
    assert not cluster.stopped


def test_upgrades(run: Run, lab: FakeProvisioner) -> None:
    assert run("aks", "get-upgrades", *CLUSTER).out.splitlines()[1].split() == [
        "default",
        "1.36.0",
        "1.37.1,1.37.0,1.36.1",
    ]
    assert "1.37.1" in run("aks", "get-versions", "-l", "northeurope").out
    assert run("aks", "upgrade", *CLUSTER, "-k", "1.37.0", "--control-plane-only", "--yes").code == 0
    (cluster,) = lab.clusters.values()
    assert (cluster.version, cluster.pools[0].version) == ("1.37.0", "1.36.0")
    line = ("aks", "nodepool", "upgrade", *POOL, "-k", "1.37.0", "--max-surge", "50%", "--node-soak-duration", "1")
    assert run(*line, "--yes").code == 0
    (cluster,) = lab.clusters.values()
    upgraded = cluster.pools[0]
    assert (upgraded.version, upgraded.upgrade.max_surge, upgraded.upgrade.soak_min) == ("1.37.0", "50%", 1)
    assert run("aks", "upgrade", *CLUSTER, "--node-image-only", "--yes").code == 0
    (cluster,) = lab.clusters.values()
    assert cluster.pools[0].image == 2
    same = run("aks", "upgrade", *CLUSTER, "-k", "1.37.0", "--yes")
    assert same.code == 0
    assert "The cluster is already on version 1.37.0 and is not in a failed state." in same.err


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (
            "-k 1.35.1",
            1,
            "Downgrading Kubernetes version 1.36.0 to 1.35.1 is not allowed. Available upgrades: [1.37.1 ",
        ),
        ("-k 1.99.0", 1, "Version 1.99.0 is not supported in this region."),
        ("-k banana", 1, "--kubernetes-version should be the full version number or major.minor version number"),
        ("-k 1.37.0 --node-image-only", 1, "Conflicting flags. Upgrading the Kubernetes version will also"),
        ("", 2, "neither a version nor --node-image-only was given"),
    ],
)
def test_an_upgrade_that_can_not_be_is_refused(run: Run, options: str, code: int, told: str) -> None:
    result = run("aks", "upgrade", *CLUSTER, "--yes", *options.split())
    assert result.code == code
    assert told in result.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--max-surge -1", "--max-surge must be positive"),
        ("--max-surge some", "--max-surge should be an int or percentage"),
        ("--max-unavailable x%", "--max-unavailable should be an int or percentage"),
        ("--max-surge 0", "it has to be greater than 0 when maxUnavailable is 0"),
        ("--max-surge 0 --max-unavailable 1", "it can't be set on system node pools"),
        ("--drain-timeout 1", "1 is not in the range 5 to 1440 minutes"),
    ],
)
def test_bad_upgrade_settings_are_refused(run: Run, options: str, told: str) -> None:
    result = run("aks", "nodepool", "update", *POOL, *options.split())
    assert result.code == 1
    assert told in result.err


def test_a_new_pool_takes_upgrade_settings(run: Run, lab: FakeProvisioner) -> None:
    line = ("aks", "nodepool", "add", "-g", "rg", "--cluster-name", "c1", "-n", "apps", "--node-count", "1")
    assert run(*line, "--max-surge", "0", "--max-unavailable", "50%").code == 0
    (cluster,) = lab.clusters.values()
    assert (cluster.pools[1].upgrade.max_surge, cluster.pools[1].upgrade.max_unavailable) == ("0", "50%")
    assert run("aks", "nodepool", "stop", *line[3:9]).code == 0
    (cluster,) = lab.clusters.values()
    assert (cluster.pools[1].stopped, cluster.pools[1].count) == (True, 1)
    assert run("aks", "nodepool", "start", *line[3:9]).code == 0
