"""`slash24 plan` and `slash24 explain`, as a user types them; no lab, no root."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slash24.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> tuple[int, str, str]:
        code = main(line.split())
        out, err = capsys.readouterr()
        assert "Traceback" not in err and "a bug in slash24" not in err
        return code, out, err

    return run


def data(run: Run, line: str) -> Any:
    return json.loads(run(f"{line} -o json")[1])


def test_the_articles_example_comes_out(run: Run) -> None:
    models = {one["model"]: one for one in data(run, "plan size --nodes 10 --max-pods 30")["models"]}
    assert {name: one["vnet_addresses"] for name, one in models.items() if name in ("kubenet", "overlay")} == {
        "kubenet": 10,
        "overlay": 10,
    }
    assert (models["node-subnet"]["vnet_addresses"], models["node-subnet"]["vnet_addresses_at_peak"]) == (310, 341)
    assert models["node-subnet"]["smallest_subnet"] == "/23"
    assert "S24-121" in models["kubenet"]["rules"]


def test_advice_names_a_range_that_is_free_and_why_the_default_is_not(run: Run) -> None:
    code, out, _ = run(
        "plan advise --vnet 10.20.0.0/16 --subnet 10.20.4.0/24 --nodes 40 --max-pods 110 "
        "--known hub=10.10.0.0/16 on-prem=10.128.0.0/9"
    )
    assert code == 0
    assert "Subnet nodes 10.20.4.0/24: 251 usable (Azure keeps 5). Peak 40 nodes + 4 surge." in out
    lines = [line.split() for line in out.splitlines()]
    assert ["Pod", "CIDR", "10.244.0.0/16", "NO", "inside", "on-prem", "10.128.0.0/9", "S24-107"] in lines
    assert any(line[:4] == ["Pod", "CIDR", "100.64.0.0/16", "ok"] for line in lines)


def test_advice_says_no_where_even_overlay_has_no_room(run: Run) -> None:
    assert run("plan advise --subnet 10.20.4.0/28 --nodes 40")[0] == 1


def test_a_check_tells_what_is_refused_and_what_could_not_be_looked_at(run: Run) -> None:
    code, out, err = run("plan check --pod-cidr 10.0.0.0/16 --network-policy calico --network-plugin azure "
                         "--network-plugin-mode overlay")  # fmt: skip
    assert code == 1
    assert "S24-102" in out
    assert "1 error, 0 warnings; not checked, because unknown: the Kubernetes version" in err


def test_a_plan_file_has_clusters_pools_and_known_networks(run: Run, tmp_path: Path) -> None:
    (tmp_path / "networks.csv").write_text('"Prefix","Description"\n"10.244.0.0/20","lab, old"\n')
    (tmp_path / "slash24.toml").write_text(
        '[plan]\nvnet = "10.20.0.0/16"\nsubnets = { aks = "10.20.4.0/24" }\nknown = ["networks.csv"]\n'
        "[plan.pools.apps]\nmax-count = 35\nmax-pods = 110\n[plan.clusters.a]\n[plan.clusters.b]\n"
        'pod-cidr = "100.64.0.0/16"\n'
    )
    code, out, _ = run("plan check -o json")
    found = [(one["cluster"], one["code"]) for one in json.loads(out)["findings"]]
    assert (code, found) == (1, [("a", "S24-107")])
    assert run("plan check --cluster b")[0] == 0


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("plan size --pool x,nodes", 2, "is no KEY=VALUE"),
        ("plan size --pool x,pods=3", 2, "unknown key 'pods'"),
        ("plan size --vnet 10.0.0.0", 2, "is not a network"),
        ("plan size --known nowhere.csv", 3, "no file nowhere.csv"),
        ("plan size -f nowhere.toml", 3, "no file nowhere.toml"),
        ("plan size --as-of yesterday", 2, "'yesterday'"),
        ("plan check --cluster z", 3, "the plan has no cluster z"),
        ("explain S24-000", 3, "no rule 'S24-000'"),
        ("explain InsuficientSubnetSize", 3, "slash24 explain InsufficientSubnetSize"),
    ],
)
def test_a_wrong_call_is_told_with_its_code(run: Run, line: str, code: int, words: str) -> None:
    found, _, err = run(line)
    assert found == code
    assert words in err


def test_a_code_is_explained_with_the_users_numbers(run: Run) -> None:
    _, out, _ = run("explain insufficientsubnetsize --nodes 300")
    assert "error S24-111: The pod CIDR has a block for every node" in out
    assert "why:   300 nodes x 256 addresses are 76800, and 10.244.0.0/16 has 65536" in out


def test_a_rule_is_explained_as_it_stood(run: Run) -> None:
    days = ("2024-03-30", "2026-11-01")
    assert [data(run, f"explain S24-126 --as-of {day}")[0]["holds"] for day in days] == [True, False]
