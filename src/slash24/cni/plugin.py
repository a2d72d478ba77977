"""The plugin without its agent: the same commands on the same store, in the runtime's own child process.

The shim starts it with the interpreter that plugin.conf names. Only the standard library is needed, so that it starts
without site-packages.
"""

import os
import sys
from pathlib import Path

from slash24.attach.boot import boot_identity
from slash24.attach.pods import Pods
from slash24.cni import commands, spec
from slash24.errors import Slash24Error
from slash24.kernel.netlink import Netlink
from slash24.store.leases import Leases


def main(store: str) -> int:
    """Carry out the request in the environment and on stdin; return the exit status."""
    version = spec.VERSIONS[-1]
    stdin = sys.stdin.buffer.read()
    try:
        request = spec.parse(os.environ, stdin)
        version = request.version
        leases = Leases(Path(store), boot=boot_identity())
        with Netlink() as netlink:
            reply = commands.answer(commands.carry_out(request, Pods(leases, netlink)))
        leases.close()
    except Slash24Error as error:
        reply = commands.failure(version, error)
    sys.stdout.buffer.write(reply[1:])
    sys.stdout.buffer.flush()
    return reply[0]


def command_line(store: Path) -> list[str]:
    """Return the program and arguments that run this file, for plugin.conf: one a line, so without newlines."""
    source = Path(__file__).resolve().parents[2]
    # -I and -S: no variable of the runtime's environment, and no site-packages, has a say; it starts sooner, too.
    code = f"import sys; sys.path.insert(0, {str(source)!r}); from slash24.cni.plugin import main; "
    return [sys.executable, "-I", "-S", "-c", code + f"sys.exit(main({str(store)!r}))"]
