"""What has been put into a lab, kept beside it: a restart of its server forgets nothing, its end all."""

import json
from dataclasses import asdict, dataclass

from slash24.errors import Slash24Error
from slash24.lab.paths import LabPaths


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault that was put in: its name, the cluster's key, the node, and the peer whose way it may concern."""

    fault: str
    cluster: str
    node: str
    peer: str


def read_injected(paths: LabPaths) -> list[Injected]:
    """Return what was put in and neither undone nor seen repaired, in its order."""
    try:
        return [Injected(**entry) for entry in json.loads(paths.faults.read_text())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise Slash24Error(
            f"{paths.faults} can't be read: {error}", fix="remove it; `slash24 lab check` looks without it"
        ) from error


def write_injected(paths: LabPaths, injected: list[Injected]) -> None:
    new = paths.faults.with_suffix(".new")
    new.write_text(json.dumps([asdict(entry) for entry in injected], indent=2) + "\n")
    new.replace(paths.faults)
