"""The linter's report in the forms that other programs read: SARIF, JUnit, and GitHub's annotations."""

import json
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from slash24 import __version__

Json = dict[str, Any]
_LINE = "line"
_SARIF_LEVEL = {"error": "error", "warning": "warning", "info": "note"}
_GITHUB_LEVEL = {"error": "error", "warning": "warning", "info": "notice"}


def sarif(report: Json) -> str:
    """Return the report as SARIF 2.1.0, which GitHub's code scanning and editors read."""
    rules = {
        finding["code"]: {
            "id": finding["code"],
            "helpUri": finding["source"].partition(" ")[0] if finding["source"].startswith("http") else None,
            "help": {"text": finding["why"] or finding["message"]},
        }
        for finding in report["findings"]
    }
    results = [
        {
            "ruleId": finding["code"],
            "level": _SARIF_LEVEL[finding["severity"]],
            "message": {"text": _sentence(finding)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": finding["file"]},
                        "region": {"startLine": finding["line"]},
                    }
                }
            ],
        }
        for finding in report["findings"]
    ]
    driver = {
        "name": "slash24",
        "version": __version__,
        "rules": [{key: value for key, value in rule.items() if value} for _, rule in sorted(rules.items())],
    }
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def junit(report: Json) -> str:
    """Return the report as JUnit's XML: one case a file, one failure a finding, what is unchecked as its output."""
    cases = []
    for name in report["files"]:
        findings = [finding for finding in report["findings"] if finding["file"] == name]
        holes = [hole for hole in report["unchecked"] if hole["file"] == name]
        inner = [
            f"    <failure type={quoteattr(finding['code'])} message={quoteattr(finding['message'])}>"
            f"{escape(f'{name}:{finding[_LINE]}: {_sentence(finding)}')}"
            "</failure>"
            for finding in findings
        ]
        if holes:
            text = "\n".join(f"{name}:{hole['line']}: not checked: {hole['reason']}" for hole in holes)
            inner.append(f"    <system-out>{escape(text)}</system-out>")
        cases.append(
            "\n".join([f'  <testcase classname="slash24.lint" name={quoteattr(name)}>', *inner, "  </testcase>"])
        )
    count = len(report["findings"])
    head = f'<testsuite name="slash24 lint" tests="{len(report["files"])}" failures="{count}">'
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', head, *cases, "</testsuite>"])


def github(report: Json) -> str:
    """Return the report as commands of GitHub Actions, which become annotations of a pull request."""
    lines = []
    for finding in report["findings"]:
        level = _GITHUB_LEVEL[finding["severity"]]
        place = f"file={_property(finding['file'])},line={finding['line']},title={_property(finding['code'])}"
        lines.append(f"::{level} {place}::{_data(_sentence(finding))}")
    lines += [
        f"::notice file={_property(hole['file'])},line={hole['line']}::{_data('not checked: ' + hole['reason'])}"
        for hole in report["unchecked"]
    ]
    return "\n".join(lines)


def _sentence(finding: Json) -> str:
    parts = [finding["message"]]
    parts += [f"{word}: {finding[word]}" for word in ("why", "fix") if finding[word]]
    return "\n".join(parts)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
