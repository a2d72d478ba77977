"""Versions of Kubernetes: which way leads where, in AKS' words."""

import pytest

from slash24.azure.errors import ArmError
from slash24.azure.versions import OFFERED, judge_pool_upgrade, judge_upgrade, listing_of_versions, resolve, upgrades


def test_an_upgrade_goes_to_patches_and_to_the_next_minor() -> None:
    assert upgrades("1.35.0") == ["1.36.1", "1.36.0", "1.35.1"]
    assert upgrades(OFFERED[-1]) == []


@pytest.mark.parametrize(
    ("asked", "current", "meant"),
    [("1.36", "", "1.36.1"), ("1.36.0", "", "1.36.0"), ("1.36", "1.36.0", "1.36.0"), ("1.36.1", "1.36.0", "1.36.1")],
)
def test_a_minor_means_its_newest_patch_or_the_one_that_is_there(asked: str, current: str, meant: str) -> None:
    assert resolve(asked, current) == meant


def test_a_version_that_nobody_offers_is_refused_in_aks_words() -> None:
    with pytest.raises(ArmError, match=r"Version 1\.20\.7 is not supported in this region\. Please use \[az aks"):
        resolve("1.20.7")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "1.35.1",
            "1.37.0",
            "Upgrading Kubernetes version 1.35.1 to 1.37.0 is not allowed. Available upgrades: [1.36.1 1.36.0]. ",
        ),
        ("1.37.0", "1.36.1", "Downgrading Kubernetes version 1.37.0 to 1.36.1 is not allowed. "),
    ],
)
def test_a_way_that_is_not_there_is_refused_in_aks_words(old: str, new: str, told: str) -> None:
    with pytest.raises(ArmError) as caught:
        judge_upgrade(old, new)
    assert caught.value.arm_code == "OperationNotAllowed"
    assert caught.value.message.startswith(told)


def test_a_pool_follows_its_control_plane_and_never_overtakes_it() -> None:
    judge_pool_upgrade("np", "1.35.0", "1.37.1", "1.37.1")
    with pytest.raises(ArmError) as caught:
        judge_pool_upgrade("np", "1.36.1", "1.37.0", "1.36.1")
    assert caught.value.arm_code == "NodePoolMcVersionIncompatible"
    with pytest.raises(ArmError, match="Downgrading"):
        judge_pool_upgrade("np", "1.36.1", "1.36.0", "1.37.1")


def test_every_version_is_listed_with_its_upgrades() -> None:
    listed = {version for minor in listing_of_versions() for version in minor["patchVersions"]}
    assert listed == set(OFFERED)
    assert [minor["version"] for minor in listing_of_versions() if minor["isDefault"]] == ["1.37"]
