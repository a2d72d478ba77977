"""Where a lab keeps its files: everything of a lab is below one folder, which goes with it."""

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slash24.errors import UsageError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


def home() -> Path:
    """Return SLASH24_HOME, or slash24's folder in the XDG state folder. Raises UsageError if it is another user's."""
    chosen = os.environ.get("SLASH24_HOME")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    folder = Path(chosen or Path(state, "slash24")).absolute()
    with suppress(FileNotFoundError):
        try:
            os.scandir(folder).close()
        except (PermissionError, NotADirectoryError) as error:
            raise UsageError(
                f"the folder of labs {folder} can't be read: {error.strerror}",
                fix="let SLASH24_HOME name a folder of yours",
            ) from error
    return folder


@dataclass(frozen=True, slots=True)
class LabPaths:
    """The files of the lab `name`."""

    home: Path
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is not a lab's name",
                why="it names files, control groups and namespaces: lower-case letters, digits and dashes, 30 at most",
                fix="choose a name such as class-1",
            )

    @property
    def root(self) -> Path:
        return self.home / "labs" / self.name

    @property
    def server(self) -> Path:
        """What a client needs to reach the server: JSON with pid, started, url, token, ca_file."""
        return self.root / "server.json"

    @property
    def holder(self) -> Path:
        """The first process of a lab without root: JSON with pid and started. A lab of root's has no such file."""
        return self.root / "holder.json"

    @property
    def lock(self) -> Path:
        """Locked as long as a server of the lab, or its zygote, lives; says which server."""
        return self.root / "lock"

    @property
    def patience(self) -> Path:
        """How long the lab's Kubernetes waits for nodes, if the user said so."""
        return self.root / "patience.json"

    @property
    def kubeconfig(self) -> Path:
        """The lab's own kubeconfig, which `lab env` points kubectl to."""
        return self.root / "kubeconfig"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def database(self) -> Path:
        return self.root / "lab.db"

    @property
    def ca(self) -> Path:
        return self.root / "ca.pem"

    @property
    def expired_ca(self) -> Path:
        """The authority's certificate as a clock sees it that is years ahead: past its time."""
        return self.root / "ca-expired.pem"

    @property
    def unfinished(self) -> Path:
        """The text of the file that `lab up FILE` is building from; gone when it is done."""
        return self.root / "unfinished.yaml"

    @property
    def faults(self) -> Path:
        """What `lab break` has put in: a list in JSON."""
        return self.root / "faults.json"

    @property
    def namespaces(self) -> Path:
        return self.root / "netns"

    def netns(self, name: str) -> Path:
        return self.namespaces / name

    def node(self, name: str) -> Path:
        """The disk of a node: what survives its reboot."""
        return self.root / "nodes" / name

    @property
    def slug(self) -> str:
        """A name for kernel objects that no lab of another home shares."""
        return f"slash24-{self.name}-{hashlib.sha256(str(self.home).encode()).hexdigest()[:6]}"


def lab_names(base: Path) -> list[str]:
    """Return the names of the labs under the home `base`, running or left behind."""
    folder = base / "labs"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
