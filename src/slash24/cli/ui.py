"""What every command shares: how to print, how to reach the lab, what to ask."""

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from slash24.cli.command import Choice
from slash24.errors import Slash24Error, UsageError

if TYPE_CHECKING:  # imported when a command runs: help and completion stay quick
    from slash24.cli.output import Column
    from slash24.cli.session import Session

Json = dict[str, Any]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
FORMATS = ["table", "wide", "json", "jsonc", "yaml", "yamlc", "tsv", "none"]
DEFAULT_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
DEFAULT_LOCATION = "northeurope"


@dataclass(slots=True)
class Ui:
    """The options that every command has, as things to do."""

    output: str = "table"
    query: str = ""
    headers: bool = True
    only_errors: bool = False
    quiet: bool = False
    verbosity: int = 0
    lab: str = "default"
    subscription: str = DEFAULT_SUBSCRIPTION
    _session: "Session | None" = field(default=None, repr=False)

    def session(self) -> "Session":
        """Return the session with the lab, opened on first use. Raises NoLabError if the lab doesn't run."""
        if self._session is None:
            from slash24.cli.session import Session

            self._session = Session(self.lab, trace=self._trace if self.verbosity else None)
        return self._session

    def go_inside(self) -> None:
        """Go on in the lab's own namespaces, if it has some (without root): there its nodes and pods can be entered."""
        from slash24.lab import holder
        from slash24.lab.paths import LabPaths, home

        first = holder.find(LabPaths(home(), self.lab))
        if first:
            first.visit()

    def _trace(self, line: str) -> None:
        click.echo(line if self.verbosity > 1 else line.splitlines()[0], err=True)

    def show(self, value: Any, columns: "Sequence[Column]") -> None:
        """Print a result on stdout."""
        from slash24.cli.output import render, write

        write(render(value, columns, form=self.output, query=self.query, headers=self.headers))

    def note(self, text: str) -> None:
        """Tell something on stderr that is no error."""
        if not (self.only_errors or self.quiet):
            click.echo(text, err=True)

    def warn(self, findings: Sequence[Json]) -> None:
        """Tell findings that stop nothing."""
        if self.only_errors:
            return
        for finding in findings:
            click.echo(f"warning {finding['code']}: {finding['message']}", err=True)
            for label in ("why", "fix"):
                if finding.get(label):
                    click.echo(f"  {label + ':':<7}{finding[label]}", err=True)

    def confirm(self, yes: bool) -> None:
        """Ask az's question, unless answered by --yes. Without a terminal nothing is asked: that is an error."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError("Unable to prompt for confirmation as no tty available. Use --yes.", fix="add --yes")
        click.confirm("Are you sure you want to perform this operation?", default=False, abort=True, err=True)

    def change(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        no_wait: bool = False,
        interrupted: str = "interrupted: the lab goes on with it, see `show`",
    ) -> None:
        """Send a change, tell its steps, and return when it is done (with `no_wait`, when it has begun).

        interrupted: what to tell a user who doesn't wait for the end.
        """
        from slash24.cli.progress import Progress
        from slash24.cli.session import OperationFailedError

        progress = Progress(quiet=self.quiet or self.only_errors)
        began = time.monotonic()
        session = self.session()
        try:
            operation = session.begin(method, path, body)
            if operation is None or no_wait:
                return
            document = session.wait(operation, progress.steps)
        except OperationFailedError as error:
            progress.failed(error.steps)
            raise
        except KeyboardInterrupt:
            progress.clear()
            if interrupted:
                self.note(interrupted)
            raise
        finally:
            progress.clear()
        self.warn(document.get("warnings", []))
        if len(document.get("steps", ())) > 1:
            progress.done("done", time.monotonic() - began)

    def forget_deleted_clusters(self) -> None:
        """Take the clusters that are no more out of the kubeconfigs."""
        from slash24.cli.kubeconfig import forget_deleted
        from slash24.cli.session import find_server
        from slash24.lab.names import cluster_key

        path = f"/subscriptions/{self.subscription}/providers/Microsoft.ContainerService/managedClusters"
        alive = {cluster_key(cluster["id"]) for cluster in self.session().list(path)}
        forget_deleted(self.lab, find_server(self.lab).url, alive)

    def dry_run(self, method: str, path: str, body: Json | None = None) -> None:
        """Print the request that would be sent and let a running lab judge it. Raises ServerError where it refuses."""
        from slash24.cli.session import lab_runs

        if self.output in ("table", "wide"):
            click.echo(f"{method} {path}" + (f"\n{json.dumps(body, indent=2)}" if body is not None else ""))
        else:
            self.show({"method": method, "path": path, "body": body}, ())
        sys.stdout.flush()
        if lab_runs(self.lab):
            self.session().judge(method, path, body)
            self.note(f'dry run: lab "{self.lab}" would take it; nothing was changed')
        else:
            self.note(f'dry run: no lab named "{self.lab}" is running, so nobody judged it')


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all have, and a Ui as its first argument."""

    @functools.wraps(function)
    def wrapper(
        output: str,
        query: str | None,
        no_headers: bool,
        only_show_errors: bool,
        quiet: bool,
        verbose: bool,
        debug: bool,
        lab: str | None,
        subscription: str | None,
        **options: Any,
    ) -> Any:
        from slash24.cli.session import lab_name

        ui = Ui(
            output=output,
            query=query or "",
            headers=not no_headers,
            only_errors=only_show_errors,
            quiet=quiet,
            verbosity=2 if debug else int(verbose),
            lab=lab_name(lab),
            subscription=subscription or os.environ.get("AZURE_SUBSCRIPTION_ID") or DEFAULT_SUBSCRIPTION,
        )
        try:
            return function(ui, **options)
        finally:
            if ui._session is not None:
                ui._session.close()

    decorate = [
        click.option(
            "-o", "--output", type=Choice(FORMATS), default="table", envvar="SLASH24_OUTPUT", show_default=True,
            help="Form of the result: " + ", ".join(FORMATS) + ".", metavar="FORM",
        ),
        click.option("--query", help="JMESPath: what to show of the result.", metavar="JMESPATH"),
        click.option("--no-headers", is_flag=True, help="A table without its first line."),
        click.option("--only-show-errors", is_flag=True, help="No warnings, no progress."),
        click.option("--quiet", is_flag=True, help="No progress."),
        click.option("-v", "--verbose", is_flag=True, help="Show the requests that are sent."),
        click.option("--debug", is_flag=True, help="Show requests and answers whole."),
        click.option("--lab", metavar="NAME", shell_complete=complete_labs,
            help="The lab that is meant (SLASH24_LAB, else default)."),
        click.option("--subscription", help="Taken as az takes it; the lab accepts any.", metavar="ID", hidden=True),
    ]  # fmt: skip
    decorated: Callable[..., Any] = wrapper
    for one in reversed(decorate):
        decorated = one(decorated)
    return decorated


def complete_labs(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of labs that begin so."""
    from slash24.lab.paths import home, lab_names

    return [name for name in lab_names(home()) if name.startswith(incomplete)]


def complete_machines(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the nodes and pods of a lab whose names begin so; a pod outside of `default` with its namespace."""
    import asyncio

    from slash24.cli.lab_access import pods_of
    from slash24.cli.session import Session, find_server, lab_name

    try:
        server = find_server(lab_name(ctx.params.get("lab")))
        with closing(Session("", server=server)) as session:
            clusters = session.get("/lab/status")["clusters"]
        names = [node["name"] for cluster in clusters for node in cluster["nodes"]]
        for cluster in clusters:
            for pod in asyncio.run(pods_of(server, cluster)):
                place = pod["metadata"]["namespace"]
                names.append(("" if place == "default" else f"{place}/") + pod["metadata"]["name"])
    except Slash24Error:
        return []
    return sorted(name for name in set(names) if name.startswith(incomplete))


def _complete(path: str, incomplete: str, ctx: click.Context) -> list[str]:
    from slash24.cli.session import Session, lab_name

    try:
        session = Session(lab_name(ctx.params.get("lab")))
        return [found["name"] for found in session.list(path) if str(found["name"]).startswith(incomplete)]
    except Slash24Error:
        return []


def complete_groups(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return _complete(f"/subscriptions/{DEFAULT_SUBSCRIPTION}/resourcegroups", incomplete, ctx)


def complete_clusters(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    path = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
    return _complete(path, incomplete, ctx)


def complete_vnets(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    path = f"/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.Network/virtualNetworks"
    return _complete(path, incomplete, ctx)


def in_group(*, required: bool = True) -> Callable[[Decorated], Decorated]:
    """Give a command `-g/--resource-group`; AZURE_DEFAULTS_GROUP stands in for it."""
    return click.option(
        "-g", "--resource-group", required=required, envvar="AZURE_DEFAULTS_GROUP", shell_complete=complete_groups,
        help="Resource group (AZURE_DEFAULTS_GROUP).", metavar="GROUP",
    )  # fmt: skip


def dry_run_option(function: Decorated) -> Decorated:
    return click.option("--dry-run", is_flag=True, help="Show the request, let the lab judge it, change nothing.")(
        function
    )


def no_wait_option(function: Decorated) -> Decorated:
    return click.option("--no-wait", is_flag=True, help="Return when the work has begun.")(function)


def yes_option(function: Decorated) -> Decorated:
    return click.option("-y", "--yes", is_flag=True, help="Don't ask.")(function)


def never_asks(function: Decorated) -> Decorated:
    """Take `--yes` where az asks nothing anyway."""
    return click.option("-y", "--yes", is_flag=True, hidden=True, expose_value=False)(function)


def pairs(values: Sequence[str]) -> dict[str, str]:
    """Return `a=b c=d` as a mapping; a word without `=` has an empty value, as with az."""
    found = {}
    for value in values:
        for word in value.split():
            key, _, text = word.partition("=")
            if key:
                found[key] = text
    return found
