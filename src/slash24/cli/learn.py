"""`slash24 learn`: lessons of which every command can be typed. Their texts are beside, and make docs/learn.md too."""

import re
from dataclasses import asdict, dataclass
from importlib import resources

import click

from slash24.cli.command import Command
from slash24.cli.output import Column
from slash24.cli.session import lab_runs
from slash24.cli.ui import Ui, common
from slash24.errors import NotFoundError

_COLUMNS = (Column("N", "number", right=True), Column("LESSON", "title"))
_BLOCK = re.compile(r"^```console\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_BEGIN = 'slash24 lab up --nodes 2; eval "$(slash24 lab env)"'


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson. `text` is Markdown; its console blocks show commands after `$ `, and below what they print."""

    number: int
    title: str
    text: str


def lessons() -> list[Lesson]:
    """Return all lessons in their order."""
    folder = resources.files("slash24.cli").joinpath("lessons")
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        head, _, text = file.read_text().partition("\n")
        found.append(Lesson(int(file.name.partition("-")[0]), head.removeprefix("# "), text.strip() + "\n"))
    return found


def page() -> str:
    """Return docs/learn.md: all lessons, with what comes before and after."""
    index = "\n".join(f"{lesson.number} {lesson.title}" for lesson in lessons())
    parts = [
        _HEAD.format(index=index),
        *(f"## {lesson.number}. {lesson.title}\n\n{lesson.text}" for lesson in lessons()),
        _TAIL,
    ]
    return "\n".join(parts)


@click.command(cls=Command, examples=["slash24 learn", "slash24 learn 2", "slash24 learn 2 | less"])
@click.argument("lesson", required=False, shell_complete=lambda *_: ["list", *(str(one.number) for one in lessons())])
@common
def learn(ui: Ui, lesson: str | None) -> None:
    """List the lessons on overlay networking, or show one: what to type, and why what comes is so."""
    found = lessons()
    if lesson in (None, "list"):
        ui.show([{"number": one.number, "title": one.title} for one in found], _COLUMNS)
        ui.note("slash24 learn N shows one")
        return
    chosen = next((one for one in found if str(one.number) == lesson), None)
    if chosen is None:
        raise NotFoundError(
            f"there is no lesson {lesson!r}", fix=f"slash24 learn list; numbers go from 1 to {len(found)}"
        )
    if ui.output not in ("table", "wide"):
        ui.show(asdict(chosen), ())
        return
    click.echo(f"Lesson {chosen.number}: {chosen.title}\n")
    click.echo(_BLOCK.sub(lambda block: re.sub(r"^(?=.)", "    ", block[1], flags=re.MULTILINE), chosen.text), nl=False)
    if not lab_runs(ui.lab):
        ui.note(f"\nno lab runs yet; begin with: {_BEGIN}")


_HEAD = """\
# Lessons

Six short ones, `slash24 learn N` in a terminal: what to type, and why what one sees is so. Each stands by itself and
leaves the lab as it found it; all of them want a lab of two nodes and the machine's `curl`. (`make golden` makes this
page of the texts that `slash24 learn` shows, and a test types every command.)

```console
$ slash24 lab up --nodes 2 --quiet
...
$ eval "$(slash24 lab env)"
$ slash24 learn
N LESSON
{index}
slash24 learn N shows one
```
"""
_TAIL = """\
## And then

```console
$ slash24 lab down --quiet
```

Faults to find and repair: [faults.md](faults.md). A lab for a class, from a file: [lab.md](lab.md#again-from-a-file).
"""
