"""`slash24 explain`: one rule, or a code that Azure answered."""

from typing import Any

import click

from slash24.cli.command import Command
from slash24.cli.output import Column
from slash24.cli.plan_options import Plan, planned
from slash24.cli.ui import Ui, common
from slash24.errors import NotFoundError


@click.command(
    cls=Command,
    examples=[
        "slash24 explain S24-111",
        "slash24 explain InsufficientSubnetSize",
        "slash24 explain S24-111 --nodes 300 --pod-cidr 10.244.0.0/18      with your numbers",
        "slash24 explain S24-126 --as-of 2024-03-30                        as it stood then",
    ],
)
@click.argument("code", shell_complete=lambda *given: [code for code in _codes() if code.startswith(given[-1])])
@planned
@common
def explain(ui: Ui, plan: Plan, code: str) -> None:
    """Explain a rule (S24-...) or an error code of Azure: cause, your numbers, sources, fix."""
    from slash24.plan import examine, versions

    found = []
    for name in _rules_of(code):
        stories = versions(name)
        now = next((one for one in stories if one.holds(plan.as_of)), None)
        shown = now or stories[-1]
        findings = [one for request in plan.requests for one in examine(request, as_of=plan.as_of).findings]
        found.append(
            {
                "code": name, "title": shown.title, "severity": str(shown.severity), "applies": shown.applies,
                "cause": shown.cause, "holds": now is not None, "as_of": plan.as_of.isoformat(),
                "azure": list(shown.azure), "dispute": shown.dispute,
                "versions": [{"since": _day(one.since), "until": _day(one.until), "severity": str(one.severity),
                              "cause": one.cause} for one in stories],
                "sources": [{"where": source.where, "read": source.read.isoformat()} for source in shown.sources],
                "findings": [{"message": one.message, "why": one.why, "fix": one.fix, "azure": one.azure,
                              "azure_text": one.azure_text} for one in findings if one.code == name],
            }
        )  # fmt: skip
    if ui.output in ("table", "wide") and not ui.query:
        for one in found:
            _tell(one)
    else:
        ui.show(found, (Column("CODE", "code"),))


def _rules_of(code: str) -> list[str]:
    """Return the codes that are meant: our own, or those whose rules answer as Azure does. Raises NotFoundError."""
    from slash24.plan import rules, versions

    wanted = code.strip()
    if versions(wanted.upper()):
        return [wanted.upper()]
    found = list(dict.fromkeys(
        one.code for one in rules() if wanted.lower() in (azure.lower() for azure in one.azure)
    ))  # fmt: skip
    if not found:
        import difflib

        near = difflib.get_close_matches(wanted, _codes(), 3, 0.5)
        raise NotFoundError(
            f"no rule {code!r}",
            why="it is neither a code of slash24's rulebook nor one that Azure is known to answer with it",
            fix=f"slash24 explain {near[0]}" if near else "docs/rules.md has them all",
        )
    return found


def _codes() -> list[str]:
    from slash24.plan import rules

    return list(dict.fromkeys([one.code for one in rules()] + [azure for one in rules() for azure in one.azure]))


def _day(day: Any) -> str | None:
    return day.isoformat() if day else None


def _tell(one: dict[str, Any]) -> None:
    click.echo(f"{one['severity']} {one['code']}: {one['title']}")
    click.echo(f"  cause:   {one['cause']}")
    click.echo(f"  applies: {one['applies']}")
    if not one["holds"]:
        click.echo(f"  holds:   not on {one['as_of']}")
    for version in one["versions"]:
        if len(one["versions"]) > 1 or version["since"] or version["until"]:
            times = " ".join(f"{word} {version[word]}" for word in ("since", "until") if version[word])
            click.echo(f"  {times}: {version['severity']}: {version['cause']}")
    if one["azure"]:
        click.echo(f"  azure:   {', '.join(one['azure'])}")
    if one["dispute"]:
        click.echo(f"  dispute: {one['dispute']}")
    for source in one["sources"]:
        click.echo(f"  source:  {source['where']} ({source['read']})")
    for finding in one["findings"]:
        click.echo(f"  here:    {finding['message']}")
        for label in ("why", "fix", "azure_text"):
            if finding[label]:
                click.echo(f"    {label.removesuffix('_text') + ':':<7}{finding[label]}")
