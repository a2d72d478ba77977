"""`slash24 lint`: forms of the report, exit codes, settings of the project."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from slash24.cli.main import main

BAD = "az aks create -g rg -n c1 --pod-cidr 10.0.0.0/16\n"
WARNED = "az aks create -g rg -n c1 --max-pods 30\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.sh").write_text(BAD)
    (tmp_path / "warned.sh").write_text(WARNED)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["bad.sh"], 1), (["warned.sh"], 0), (["warned.sh", "--fail-on", "warning"], 1),
        (["bad.sh", "--fail-on", "never"], 0), (["bad.sh", "--ignore", "S24-102"], 0), (["nothere.sh"], 3),
        (["bad.sh", "--as-of", "yesterday"], 2), ([], 2), (["bad.sh", "-o", "word"], 2),
    ],
)  # fmt: skip
def test_the_exit_code_tells_whether_a_finding_is_bad_enough(arguments: list[str], code: int) -> None:
    assert main(["lint", *arguments]) == code


def test_json_has_findings_and_what_is_unchecked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "hole.sh").write_text("az aks create -g rg -n c1 --pod-cidr $POD\n")
    main(["lint", "bad.sh", "hole.sh", "-o", "json"])
    found = json.loads(capsys.readouterr().out)
    (one,) = [one for one in found["findings"] if one["code"] == "S24-102"]
    assert {"file", "line", "code", "severity", "message", "fix"} <= one.keys()
    assert (one["file"], one["line"], one["severity"]) == ("bad.sh", 1, "error")
    assert any(
        hole["file"] == "hole.sh" and hole["line"] == 1 and "POD" in hole["reason"] for hole in found["unchecked"]
    )


@pytest.mark.usefixtures("folder")
def test_sarif_names_the_rule_and_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "bad.sh", "-o", "sarif"])
    document = json.loads(capsys.readouterr().out)
    (run,) = document["runs"]
    result = next(one for one in run["results"] if one["ruleId"] == "S24-102")
    where = result["locations"][0]["physicalLocation"]
    assert document["version"] == "2.1.0" and result["level"] == "error"
    assert (where["artifactLocation"]["uri"], where["region"]["startLine"]) == ("bad.sh", 1)
    assert "S24-102" in [rule["id"] for rule in run["tool"]["driver"]["rules"]]


@pytest.mark.usefixtures("folder")
def test_junit_has_a_case_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "bad.sh", "warned.sh", "-o", "junit"])
    suite = ET.fromstring(capsys.readouterr().out)
    assert [case.get("name") for case in suite.findall("testcase")] == ["bad.sh", "warned.sh"]
    assert "S24-102" in [failure.get("type") for failure in suite.iter("failure")]


@pytest.mark.usefixtures("folder")
def test_github_gets_an_annotation_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "bad.sh", "-o", "github"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("::error file=bad.sh,line=1,title=S24-102::") and "%0A" in line for line in lines)


def test_a_folder_is_searched_for_what_is_known_and_json_of_others_is_left(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".terraform").mkdir()
    (folder / ".terraform/x.sh").write_text(BAD)
    (folder / "package.json").write_text('{"name": "x"}')
    (folder / "README.md").write_text(BAD)
    main(["lint", ".", "-o", "json"])
    assert json.loads(capsys.readouterr().out)["files"] == ["bad.sh", "warned.sh"]


def test_the_project_s_settings_hold_where_no_option_does(folder: Path) -> None:
    (folder / "slash24.toml").write_text('[lint]\nfail-on = "warning"\nignore = ["S24-102"]\n')
    assert main(["lint", "warned.sh"]) == 1
    assert main(["lint", "warned.sh", "--fail-on", "error"]) == 0
    (folder / "slash24.toml").write_text('[lint]\nfail-on = "often"\n')
    assert main(["lint", "bad.sh"]) == 2
    (folder / "slash24.toml").write_text("lint = 3\n")
    assert main(["lint", "bad.sh"]) == 2
