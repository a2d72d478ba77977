"""The linter: files in, findings out, each with its file and line; what could not be judged is told, never guessed."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from itertools import product

from slash24.plan.finding import Finding, Severity
from slash24.plan.iac import armtemplate, azscript, bicep, comments, hcl, jsontext, resource, terraform, tfplan
from slash24.plan.iac.expression import Expression
from slash24.plan.iac.file import File, Kind
from slash24.plan.iac.inventory import Found, Inventory, subnet_ids, vnet_of
from slash24.plan.iac.node import Place, ReadError
from slash24.plan.iac.resource import Reading, Resource, Unchecked
from slash24.plan.iac.wording import in_words_of
from slash24.plan.rulebook import Rule, examine
from slash24.plan.rules.files import BAD_IGNORE, REPLACED, UNKNOWN_OPTION, UNREADABLE

_CODE = re.compile(r"S24-\d{3}")
_ORDER = {severity: index for index, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Located:
    """A finding and where it is."""

    place: Place
    finding: Finding


@dataclass(frozen=True, slots=True)
class LintReport:
    """What was found in files: findings by file and line, what could not be judged, which files were read."""

    findings: tuple[Located, ...]
    unchecked: tuple[Unchecked, ...]
    files: tuple[str, ...]

    def fails(self, threshold: Severity | None) -> bool:
        """Return whether a finding is as bad as the threshold; None is never."""
        return threshold is not None and any(_ORDER[one.finding.severity] <= _ORDER[threshold] for one in self.findings)


@dataclass(frozen=True, slots=True)
class Unit:
    """What is read together: a script, a folder of Terraform, a template with one set of parameters."""

    reading: Reading
    findings: tuple[Located, ...] = ()


Reader = Callable[[File], Unit]


def lint(files: Sequence[File], *, as_of: date | None = None, ignored: Iterable[str] = ()) -> LintReport:
    """Return what is wrong in the files.

    as_of: judge by the rules as they stood on that day. ignored: codes that nobody wants to hear of.
    """
    units = list(_units(files))
    shared = _networks(units)
    found: list[Located] = []
    unchecked: set[Unchecked] = set()
    for unit in units:
        found += unit.findings
        unchecked |= set(unit.reading.unchecked)
        inventory = Inventory([*unit.reading.resources, *_elsewhere(shared, unit)])
        for cluster in (*inventory.clusters(), *inventory.lone_pools()):
            more, holes = _judged(cluster, as_of)
            found += more
            unchecked |= holes
    unjudged = frozenset(_CODE.findall(" ".join(one.reason for one in unchecked)))
    kept = _without_ignored(files, _distinct(found), frozenset(ignored), unjudged)
    kept.sort(key=lambda one: (one.place, _ORDER[one.finding.severity], one.finding.code))
    return LintReport(
        tuple(kept),
        tuple(sorted(unchecked, key=lambda one: (one.place, one.reason))),
        tuple(file.name for file in files),
    )


def read(files: Sequence[File]) -> Reading:
    """Return what the files make, all of them taken together. Raises ReadError if one can't be read."""
    units = list(_units(files))
    for unit in units:
        for one in unit.findings:
            if one.finding.code == UNREADABLE.code:
                raise ReadError(one.finding.message, one.place)
    return Reading.together(unit.reading for unit in units)


def _distinct(found: Iterable[Located]) -> list[Located]:
    """Return each finding once: a template is judged anew for each of its parameter files."""
    return list(dict.fromkeys(found))


def _networks(units: Sequence[Unit]) -> dict[str, list[Resource]]:
    """Return the networks that units make or show, by the VNet's id; one whose name has a hole is nobody else's."""
    found: dict[str, list[Resource]] = {}
    for unit in units:
        for one in unit.reading.resources:
            if one.kind in (resource.VNET, resource.SUBNET) and "<" not in one.id:
                found.setdefault(vnet_of(one.id), []).append(one)
    return found


def _elsewhere(shared: Mapping[str, Sequence[Resource]], unit: Unit) -> Iterator[Resource]:
    """Yield the networks of other units in which this one's pools are, and which it doesn't make."""
    own = {(one.kind, one.id) for one in unit.reading.resources if not one.existing}
    for vnet in {vnet_of(key) for key in subnet_ids(unit.reading.resources)}:
        for one in shared.get(vnet, ()):
            if (one.kind, one.id) not in own:
                yield replace(one, existing=True)


def _units(files: Sequence[File]) -> Iterable[Unit]:
    folders: dict[str, list[File]] = {}
    kinds: dict[Kind, list[File]] = {}
    for file in files:
        try:
            kind = file.kind
        except ReadError as error:
            yield Unit(Reading(), (_unreadable(error, "JSON"),))
            continue
        if kind is None:
            yield Unit(Reading(unchecked=(Unchecked(Place(file.name, 1), "no kind of file that is read here"),)))
        elif kind in (Kind.TERRAFORM, Kind.TERRAFORM_VALUES):
            folders.setdefault(file.folder, []).append(file)
        else:
            kinds.setdefault(kind, []).append(file)
    for folder in folders.values():
        yield from _terraform(folder)
    for file in kinds.get(Kind.SCRIPT, ()):
        yield _read(file, _script)
    for file in kinds.get(Kind.TERRAFORM_PLAN, ()):
        yield _read(file, _plan)
    yield from _templates(kinds)
    for kind in (Kind.AZ_CLUSTER, Kind.AZ_NETWORK):
        for file in kinds.get(kind, ()):
            yield _read(file, lambda file: Unit(jsontext.read_shown(file)))


def _read(file: File, reader: Reader) -> Unit:
    try:
        return reader(file)
    except ReadError as error:
        return Unit(Reading(), (_unreadable(error, str(file.kind)),))


def _unreadable(error: ReadError, what: str) -> Located:
    finding = _finding(
        UNREADABLE, f"this can't be read as {what}: {error.reason}", why="nothing behind this line is judged",
        fix="mend the file, or leave it out",
    )  # fmt: skip
    return Located(error.place, finding)


def _finding(rule: Rule, message: str, *, why: str, fix: str, severity: Severity | None = None) -> Finding:
    return Finding(
        rule.code, severity or rule.severity, message, why, fix, "", "", "", rule.as_of, rule.sources[0].where
    )


def _terraform(folder: Sequence[File]) -> Iterable[Unit]:
    """Yield a folder as one unit; a file in it that can't be read is a finding, and the others are read without it."""
    good: list[tuple[File, hcl.Block]] = []
    for file in folder:
        try:
            good.append((file, hcl.parse(file)))
        except ReadError as error:
            yield Unit(Reading(), (_unreadable(error, "Terraform"),))
    if good:
        yield Unit(terraform.read_folder(good))


def _script(file: File) -> Unit:
    script = azscript.Script(file)
    reading = script.read()
    return Unit(reading, tuple(_unknown_option(one) for one in script.unknown_options))


def _unknown_option(one: azscript.UnknownOption) -> Located:
    finding = _finding(
        UNKNOWN_OPTION,
        f"az {one.command} has no option {one.option}",
        why="az ends with exit code 2 and does nothing"
        if one.near
        else "an extension, such as aks-preview, may have it",
        fix=one.near or f"az extension add -n aks-preview, or leave {one.option} out",
        severity=Severity.ERROR if one.near else Severity.WARNING,
    )
    return Located(one.place, finding)


def _plan(file: File) -> Unit:
    reading, replaced = tfplan.read(file)
    return Unit(reading, tuple(_replaced(one) for one in replaced))


def _replaced(one: tfplan.Replacement) -> Located:
    causes = "; ".join(
        f"{cause.attribute} {cause.before or 'unset'} -> {cause.after or 'unset'}" for cause in one.causes
    )
    provider = f"azurerm {one.version}" if one.version else "the provider azurerm"
    finding = _finding(
        REPLACED,
        f"this plan destroys {one.address}" + (f" and makes it anew: {causes}" if one.causes else ""),
        why=f"{provider} can't change that in place; nodes, pods and addresses of the cluster go",
        fix="make the change by az aks update and then tell Terraform, or keep the old value",
    )
    return Located(one.place, finding)


def _templates(kinds: Mapping[Kind, Sequence[File]]) -> Iterable[Unit]:
    """Yield each template once for each of its parameter files, or once without."""
    for file in kinds.get(Kind.BICEP, ()):
        own: list[File | None] = [one for one in kinds.get(Kind.BICEP_PARAMETERS, ()) if _uses(one, file)]
        for values in own or [None]:
            yield _read(values or file, lambda _, file=file, values=values: Unit(_bicep(file, values)))  # type: ignore[misc]
    for file in kinds.get(Kind.BICEP_PARAMETERS, ()):
        if not any(_uses(file, one) for one in kinds.get(Kind.BICEP, ())):
            yield Unit(Reading(unchecked=(Unchecked(Place(file.name, 1), "the template that it is for isn't here"),)))
    for file in kinds.get(Kind.ARM, ()):
        stem = file.name.removesuffix(".json")
        own = [one for one in kinds.get(Kind.ARM_PARAMETERS, ()) if one.name.startswith(f"{stem}.")]
        for values in own or [None]:
            yield _read(values or file, lambda _, file=file, values=values: Unit(_arm(file, values)))  # type: ignore[misc]


def _bicep(file: File, values: File | None) -> Reading:
    given: Mapping[str, Expression] = bicep.parameters(values) if values else {}
    return bicep.read(file, given, values.name if values else "")


def _arm(file: File, values: File | None) -> Reading:
    return armtemplate.read(file, jsontext.parse(values).get("parameters") if values else None)


def _uses(values: File, template: File) -> bool:
    """Return whether a .bicepparam file says `using` this template."""
    try:
        line = next((line for line in values.text.split("\n") if line.strip().startswith("using ")), "")
    except ReadError:
        return values.folder == template.folder
    name = line.partition("'")[2].partition("'")[0]
    path = [part for part in f"{values.folder}/{name}".split("/") if part not in ("", ".")]
    while ".." in path[1:]:
        at = path.index("..", 1)
        del path[at - 1 : at + 1]
    return [part for part in template.name.split("/") if part not in ("", ".")] == path


def _judged(found: Found, as_of: date | None) -> tuple[list[Located], set[Unchecked]]:
    report = examine(found.request, as_of=as_of)
    located = [_located(found, finding) for finding in report.findings]
    facts: dict[str, list[str]] = {}
    for one in report.unchecked:
        facts.setdefault(one.fact, []).append(one.code)
    holes = {one.reason: one for one in found.unchecked}
    for fact, codes in facts.items():
        rules = ", ".join(sorted(set(codes)))
        told = next((one for one in found.unchecked if one.reason.startswith(f"{fact} is not known")), None)
        if told is not None:
            holes[told.reason] = Unchecked(told.place, f"{told.reason}; not judged: {rules}")
        else:
            holes[fact] = Unchecked(found.place, f"{fact} is not known; not judged: {rules}")
    return located, set(holes.values())


def _located(found: Found, finding: Finding) -> Located:
    place = _place(found, finding)
    suffix = place.file.rpartition(".")[2].lower()
    return Located(place, replace(finding, fix=in_words_of(suffix, finding.fix)))


def _place(found: Found, finding: Finding) -> Place:
    """Return the line of what a finding speaks of: the property it names, else what holds it, else the cluster."""
    head, _, rest = finding.target.partition(".")
    if head in ("agentPoolProfile", "agentPoolProfiles"):
        words = set(finding.message.replace(":", " ").replace(",", " ").split())
        pools = [pool for pool in found.pools if (name := pool.get("name")) is not None and name.text in words]
        for pool in pools or found.pools:
            at = pool.get(*rest.split("."))
            if at is not None:
                return at.place
        return (pools or found.pools or (found.document,))[0].place
    if not finding.target:
        return found.place
    path = finding.target.split(".")
    for names in (path, [*path[:-1], f"{path[-1]}s"]):  # a range may be given alone or in a list
        at = found.document.get("properties", *names) or found.document.get(*names)
        if at is not None:
            return at.place
    profile = found.document.get("properties", "networkProfile")
    return (profile or found.document).place


def _without_ignored(
    files: Sequence[File], found: list[Located], ignored: frozenset[str], unjudged: frozenset[str]
) -> list[Located]:
    notes: list[comments.Ignore] = []
    for file in files:
        with suppress(ReadError):  # told already
            notes += comments.ignores(file)
    covering: dict[tuple[str, int, str], list[comments.Ignore]] = {}
    for note in notes:
        for line, code in product(note.lines, note.codes if note.valid else ()):
            covering.setdefault((note.place.file, line, code), []).append(note)
    kept: list[Located] = []
    for one in found:
        covered = covering.get((one.place.file, one.place.line, one.finding.code), [])
        for note in covered:
            note.used.add(one.finding.code)
        if not covered and one.finding.code not in ignored:
            kept.append(one)
    return kept + [Located(note.place, finding) for note in notes for finding in _bad_ignore(note, unjudged)]


def _bad_ignore(note: comments.Ignore, unjudged: frozenset[str]) -> Iterable[Finding]:
    if not note.valid:
        missing = "a code" if not note.codes else "a reason"
        yield _finding(
            BAD_IGNORE, f"slash24:ignore without {missing}", severity=Severity.ERROR,
            why="the next reader must know what is ignored and why", fix="# slash24:ignore S24-112 small pods only",
        )  # fmt: skip
        return
    for code in note.codes:
        if code not in note.used and code not in unjudged:
            yield _finding(
                BAD_IGNORE, f"slash24:ignore {code} ignores nothing",
                why="what it was for has gone, or it stands at another line", fix="take the comment away",
            )  # fmt: skip
