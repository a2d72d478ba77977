"""What the container runtime needs to find: the plugin, what it falls back on, and last the network list."""

import json
from pathlib import Path

from slash24 import programs
from slash24.cni.plugin import command_line
from slash24.cni.spec import VERSIONS

PLUGIN = "slash24"
CONFLIST = "10-slash24.conflist"


def network_list() -> dict[str, object]:
    """Return the CNI network list of a node."""
    return {"cniVersion": VERSIONS[-1], "name": "slash24", "plugins": [{"type": PLUGIN}]}


def install_plugin(bin_dir: Path, socket: Path, store: Path) -> Path:
    """Put the shim into the runtime's folder, and tell it where agent and fallback are; return the shim's path."""
    lines = [str(socket), *command_line(store)]
    _replace(store.with_name("plugin.conf"), "".join(f"{line}\n" for line in lines).encode(), 0o600)
    plugin = bin_dir / PLUGIN
    _replace(plugin, programs.path("shim").read_bytes(), 0o755)
    return plugin


def write_network_list(conf_dir: Path) -> bool:
    """Write the network list, at once and whole: a runtime takes the node for ready when it sees it."""
    text = json.dumps(network_list(), indent=2) + "\n"
    return _replace(conf_dir / CONFLIST, text.encode(), 0o644)


def remove_network_list(conf_dir: Path) -> None:
    (conf_dir / CONFLIST).unlink(missing_ok=True)


def _replace(path: Path, content: bytes, mode: int) -> bool:
    """Make a file have this content; False if it had it already. Nobody ever sees a part of it."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    # A leading dot and no known ending: runtimes read every *.conf, *.conflist and *.json of the folder.
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(path)
    return True
