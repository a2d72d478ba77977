"""`slash24 lint`: what Azure would refuse, or do otherwise than meant, in files that have not been deployed yet."""

import time
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from slash24.cli.command import Choice, Command
from slash24.errors import UsageError

if TYPE_CHECKING:  # imported when it runs: help stays quick
    from slash24.plan.iac.lint import LintReport

FORMS = ["table", "json", "jsonc", "yaml", "yamlc", "tsv", "none", "sarif", "junit", "github"]
LEVELS = ["error", "warning", "info", "never"]


@click.command(
    cls=Command,
    examples=[
        "slash24 lint deploy.azcli main.tf infra/            files, and all that is known in a folder",
        "az aks show -g rg -n c1 -o json > c1.json; slash24 lint c1.json",
        "slash24 lint infra -o github --fail-on warning      in a workflow: annotations, exit code 1",
    ],
)
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@click.option(
    "-o",
    "--output",
    type=Choice(FORMS),
    default="table",
    envvar="SLASH24_OUTPUT",
    show_default=True,
    help="Form of the report: " + ", ".join(FORMS) + ".",
    metavar="FORM",
)
@click.option("--query", default="", help="JMESPath: what to show of the report.", metavar="JMESPATH")
@click.option("--no-headers", is_flag=True, help="A table without its first line.")
@click.option(
    "--fail-on",
    type=Choice(LEVELS),
    metavar="SEVERITY",
    help="Exit with 1 from this severity on: error, warning, info, or never.  [default: error]",
)
@click.option("--ignore", "ignored", multiple=True, metavar="CODE", help="A rule that nobody wants to hear of.")
@click.option("--as-of", metavar="DATE", help="Judge by the rules as they stood on that day.  [default: today]")
@click.option("--quiet", is_flag=True, help="The report alone: no summary, nothing of what was not checked.")
def lint(
    files: tuple[str, ...],
    output: str,
    query: str,
    no_headers: bool,
    fail_on: str | None,
    ignored: tuple[str, ...],
    as_of: str | None,
    quiet: bool,
) -> int:
    """Check az scripts, Terraform, Bicep, ARM templates and `az ... show` JSON, offline.

    A comment `slash24:ignore S24-112 reason` leaves a finding of its line, or the next. What the files don't tell is
    reported as not checked, never guessed. [lint] in slash24.toml may set fail-on and ignore.
    """  # fmt: skip
    from slash24.cli import sources
    from slash24.plan.finding import Severity
    from slash24.plan.iac.lint import lint as judge

    began = time.monotonic()
    settings = _settings()
    level = fail_on or str(settings.get("fail-on", "error"))
    if level not in LEVELS:
        raise UsageError(f"slash24.toml: fail-on = {level!r} is none of {', '.join(LEVELS)}", fix='fail-on = "error"')
    more = settings.get("ignore", [])
    if not isinstance(more, list):
        raise UsageError("slash24.toml: ignore is no list", fix='ignore = ["S24-112"]')
    report = judge(sources.read(files), as_of=day_of(as_of), ignored=[*ignored, *map(str, more)])
    document = _document(report)
    _show(document, output, query, headers=not no_headers)
    if output == "table" and not quiet and not query:
        _tell(report, time.monotonic() - began)
    return 1 if report.fails(None if level == "never" else Severity(level)) else 0


def _settings() -> dict[str, Any]:
    """Return the table [lint] of the project's file. Raises UsageError if it is none."""
    from slash24.cli.plan_options import load_toml, project_file

    path = project_file()
    found = load_toml(path).get("lint", {}) if path is not None else {}
    if not isinstance(found, dict):
        raise UsageError(f"{path}: lint is no table", fix="write [lint] in a line of its own")
    return found


def day_of(text: str | None) -> date:
    """Return the day of `--as-of`, today without one. Raises UsageError."""
    try:
        return date.fromisoformat(text) if text else date.today()
    except ValueError as error:
        raise UsageError(f"--as-of {text!r} is no date", fix="--as-of 2024-03-30") from error


def _document(report: "LintReport") -> dict[str, Any]:
    findings = []
    for one in report.findings:
        fields = asdict(one.finding)
        findings.append(
            {
                "file": one.place.file, "line": one.place.line, "code": fields["code"],
                "severity": str(one.finding.severity), "message": fields["message"], "why": fields["why"],
                "fix": fields["fix"], "azureCode": fields["azure"], "asOf": str(fields["as_of"]),
                "source": fields["source"],
            }
        )  # fmt: skip
    unchecked = [{"file": one.place.file, "line": one.place.line, "reason": one.reason} for one in report.unchecked]
    return {"files": list(report.files), "findings": findings, "unchecked": unchecked}


def _show(document: dict[str, Any], output: str, query: str, *, headers: bool) -> None:
    from slash24.cli import lint_forms
    from slash24.cli.output import Column, render, write

    if output in ("sarif", "junit", "github") and not query:
        write(getattr(lint_forms, output)(document))
        return
    columns = (
        Column("PLACE", lambda row: f"{row['file']}:{row['line']}"),
        Column("SEVERITY", "severity"),
        Column("CODE", "code"),
        Column("MESSAGE", "message"),
    )
    if output == "table" and not query:
        lines = render(document["findings"], columns, form="table", headers=headers).split("\n")
        fixes = (
            ["", *(finding["fix"] for finding in document["findings"])]
            if headers
            else [finding["fix"] for finding in document["findings"]]
        )
        if document["findings"]:
            write("\n".join(f"{line}\n  fix: {fix}" if fix else line for line, fix in zip(lines, fixes, strict=True)))
        return
    value = document["findings"] if output == "tsv" and not query else document
    write(render(value, (), form=output, query=query, headers=headers))


def _tell(report: "LintReport", seconds: float) -> None:
    for one in report.unchecked:
        click.echo(f"{one.place}: not checked: {one.reason}", err=True)
    counts = dict.fromkeys(("error", "warning", "info"), 0)
    for found in report.findings:
        counts[str(found.finding.severity)] += 1
    words = ", ".join(f"{count} {word}{'s' * (count != 1 and word != 'info')}" for word, count in counts.items())
    files = f"{len(report.files)} file{'s' * (len(report.files) != 1)}"
    code = report.findings[0].finding.code if report.findings else ""
    more = f" `slash24 explain {code}` tells more of a code." if code else ""
    click.echo(f"{words} in {files} ({seconds:.1f} s), {len(report.unchecked)} not checked.{more}", err=True)
