"""An ordinary user of this machine, for tests that run as root: no account, no right, no group."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slash24.kernel import userns

_ID = 65534
ROOT = Path(__file__).parents[2]


@contextmanager
def stranger() -> Iterator[tuple[list[str], Path]]:
    """Yield the words that let a stranger give a command, and a folder that is the stranger's.

    A suite that is not root's own is an ordinary user's already, with a user namespace about it.

    Python or the checkout may lie in a folder of root's that nobody else can pass (/root): the commands get a mount
    namespace in which it can be.
    """
    with tempfile.TemporaryDirectory(prefix="slash24-stranger-") as name:
        folder = Path(name)
        if not userns.owns_all_users():
            yield ["env", "SLASH24_ROOTLESS=1"], folder
            return
        os.chown(folder, _ID, _ID)
        script = f"set -e\n{_opening_script(folder)}\necho ready; exec sleep infinity"
        place = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
        try:
            assert place.stdout and place.stdout.readline() == "ready\n"
            enter = ["nsenter", f"--mount=/proc/{place.pid}/ns/mnt"]
            yield [
                *enter, "setpriv", f"--reuid={_ID}", f"--regid={_ID}", "--clear-groups", "--inh-caps=-all",
                "--bounding-set=-all",
            ], folder  # fmt: skip
        finally:
            place.kill()
            place.communicate()


def _opening_script(folder: Path) -> str:
    """Return shell commands that put an open folder over each closed one, with only what is needed in it."""
    needed = {Path(sys.base_prefix).resolve(), Path(sys.prefix), ROOT, folder.parent}
    by_closed: dict[Path, list[Path]] = {}
    for path in sorted(needed):
        closed = next((above for above in reversed(path.parents) if not above.stat().st_mode & 0o001), None)
        if closed:
            by_closed.setdefault(closed, []).append(path)
    lines = []
    for closed, paths in by_closed.items():
        hold = shlex.quote(f"{folder}/hold")
        lines += [f"mkdir {hold}", f"mount -t tmpfs hold {hold}"]
        for number, path in enumerate(paths):
            lines += [f"mkdir {hold}/{number}", f"mount --rbind {shlex.quote(str(path))} {hold}/{number}"]
        lines += [f"mount -t tmpfs -o mode=755 open {shlex.quote(str(closed))}"]
        for number, path in enumerate(paths):
            quoted = shlex.quote(str(path))
            lines += [f"mkdir -p {quoted}", f"mount --move {hold}/{number} {quoted}"]
        lines += [f"umount {hold}", f"rmdir {hold}"]
    return "\n".join(lines)
