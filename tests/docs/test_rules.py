"""docs/rules.md: written by `make golden` from the rulebook, so that no rule is without its line."""

import os
from collections.abc import Iterator
from pathlib import Path

from slash24.plan import RULEBOOK_DAY, Rule, rules
from tests.docs.facts import facts

PAGE = Path(__file__).parents[2] / "docs/rules.md"


def page() -> str:
    """Return the page as it must be."""
    return "\n".join([*_head(), *_table(), *_disputes(), *_facts()]) + "\n"


def _head() -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield "What `slash24 plan` and `slash24 aks create` refuse or warn of. Each rule is one function in"
    yield "`src/slash24/plan/rules`; where AKS changed on a day, the rule has a version for each time, and `--as-of`"
    yield f"judges by those of a day. The rulebook knows its sources as of {RULEBOOK_DAY}. `slash24 explain CODE` tells"
    yield "a rule's cause, sources and fix. This page is written by `make golden`."
    yield ""


def _table() -> Iterator[str]:
    yield "| code | rule | severity | applies to | holds | Azure's code | sources, as of |"
    yield "|---|---|---|---|---|---|---|"
    for one in rules():
        cells = (one.code, one.title, one.severity, one.applies, _validity(one), _codes(one), _sources(one))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _validity(one: Rule) -> str:
    if one.since is None and one.until is None:
        return "always"
    since = f"since {one.since}" if one.since else ""
    return f"{since} until {one.until}".strip() if one.until else since


def _codes(one: Rule) -> str:
    return ", ".join(f"`{code}`" for code in one.azure) or "-"


def _sources(one: Rule) -> str:
    return "; ".join(f"{source.where} ({source.read})" for source in one.sources)


def _disputes() -> Iterator[str]:
    yield "## Where sources disagree"
    yield ""
    seen = dict.fromkeys((one.code, one.dispute) for one in rules() if one.dispute)
    yield from (f"- **{code}**: {dispute}" for code, dispute in seen)


def _facts() -> Iterator[str]:
    yield ""
    yield "## What was read, and which rule judges it"
    yield ""
    yield "| subject | holds since | what the sources say | rule |"
    yield "|---|---|---|---|"
    for fact in facts():
        judged = ", ".join(fact.codes) or f"no rule, because {fact.reason}"
        yield f"| {fact.subject} | {fact.day or 'always'} | {fact.text} | {judged} |"


def test_every_rule_judges_a_fact_and_every_code_of_a_fact_is_a_rule() -> None:
    judged = {code for fact in facts() for code in fact.codes}
    assert judged == {one.code for one in rules()}


def test_every_day_on_which_a_rule_changes_is_a_fact() -> None:
    days = {(code, fact.day) for fact in facts() for code in fact.codes if fact.day}
    missing = {(one.code, day) for one in rules() for day in (one.since, one.until) if day} - days
    assert missing == set()


def test_the_page_of_rules_is_that_of_the_rulebook() -> None:
    text = page()
    if os.environ.get("GOLDEN") == "rewrite":
        PAGE.write_text(text)
    assert text == PAGE.read_text(), "run make golden and review the difference"


def test_every_rule_says_why() -> None:
    assert [one.code for one in rules() if not one.cause or not one.sources] == []
