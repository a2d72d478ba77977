"""`slash24 doctor`, with each answer of the machine forced."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from slash24.cli.main import main
from slash24.kernel import abilities
from slash24.kernel.abilities import Ability


def examine(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "-o", "json"])
    return code, {item["what"]: item for item in json.loads(capsys.readouterr().out)}


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that can do everything, and has no lab."""
    monkeypatch.setenv("SLASH24_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(abilities, "probe", lambda rootless: [Ability("vxlan", "the encapsulated transport", "", "")])
    monkeypatch.setattr(abilities, "user_namespaces", lambda: Ability("user namespaces", "a lab without root", "", ""))


def test_a_machine_that_can_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, items = examine(capsys)
    assert code == 0
    assert items["vxlan"]["state"] == items["kubectl"]["state"] == items["nft"]["state"] == "ok"
    assert items["kubectl"]["found"].startswith("v1.37")


def test_what_keeps_a_lab_from_running_is_an_error_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = Ability("vxlan", "the encapsulated transport", "Operation not supported", "modprobe vxlan")
    monkeypatch.setattr(abilities, "probe", lambda rootless: [lacking])
    code, items = examine(capsys)
    assert (code, items["vxlan"]["state"], items["vxlan"]["fix"]) == (4, "error", "modprobe vxlan")


@pytest.mark.parametrize(("user", "code", "state"), [(1000, 4, "error"), (0, 0, "warn")])
def test_forbidden_user_namespaces_keep_who_is_not_root_from_a_lab(
    user: int, code: int, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forbidden = Ability("user namespaces", "a lab without root", "AppArmor forbids them", "sudo sysctl -w a=0")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(abilities, "user_namespaces", lambda: forbidden)
    found, items = examine(capsys)
    assert (found, items["user namespaces"]["state"]) == (code, state)
    assert items["user namespaces"]["fix"] == "sudo sysctl -w a=0"
    assert ("vxlan" in items) == (user == 0)  # without them it could not be tried


def test_who_is_not_root_can_have_a_lab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, items = examine(capsys)
    assert (code, items["vxlan"]["state"]) == (0, "ok")
    assert "without root" in items["root"]["found"]


def test_a_missing_program_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    code, items = examine(capsys)
    assert (code, items["nft"]["fix"]) == (4, "apt-get install nftables")
    assert (items["kubectl"]["state"], items["nsenter"]["state"]) == ("warn", "warn")


def test_a_lab_whose_server_is_gone_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labs" / "old").mkdir(parents=True)
    code, items = examine(capsys)
    assert (code, items["lab old"]["state"]) == (0, "warn")
    assert "slash24 lab down old" in items["lab old"]["fix"]
