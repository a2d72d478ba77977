"""Run nft. Rules go in as text, nft's documented language; state comes back as JSON."""

import json
import socket
import struct
import subprocess
from collections.abc import Iterable
from typing import Any

from slash24.errors import Slash24Error, UnsupportedError
from slash24.kernel.netns import inside

# linux/netfilter/nfnetlink.h and nf_tables.h
_NETLINK_NETFILTER = 12
_GETGEN = (10 << 8) | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN

#: The generation of a namespace in which there was no transaction yet.
FIRST_GENERATION = 1


class NftError(Slash24Error):
    """nft refused a script; `script` is what it was given."""

    def __init__(self, stderr: str, script: str) -> None:
        super().__init__(f"nft refused the ruleset: {stderr.strip()}")
        self.script = script


def _run(arguments: list[str], script: str, netns: int | None) -> str:
    try:
        with inside(netns):
            done = subprocess.run(["nft", *arguments], input=script, text=True, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UnsupportedError("the program nft is missing", fix="apt-get install nftables") from error
    if done.returncode:
        raise NftError(done.stderr, script)
    return done.stdout


def apply_script(script: str, netns: int | None = None) -> None:
    """Apply an nft script in the namespace of a descriptor: all of it or, on NftError, none of it."""
    # -f, not one call per rule: a file is one transaction, so packets never see half a ruleset.
    _run(["-f", "-"], script, netns)


def list_ruleset(netns: int | None = None) -> list[dict[str, Any]]:
    """Return what `nft -j list ruleset` says, without its first entry (nft's own version)."""
    answer: list[dict[str, Any]] = json.loads(_run(["-j", "list", "ruleset"], "", netns))["nftables"]
    return [entry for entry in answer if "metainfo" not in entry]


def counters(table: str, netns: int | None = None, family: str = "ip") -> dict[str, tuple[int, int]]:
    """Return the named counters of a table: name -> (packets, bytes). A table that isn't there has none."""
    try:
        answer = json.loads(_run(["-j", "list", "counters", "table", family, table], "", netns))["nftables"]
    except NftError as error:
        if "No such file" in str(error):
            return {}
        raise
    found = [entry["counter"] for entry in answer if "counter" in entry]
    return {entry["name"]: (entry["packets"], entry["bytes"]) for entry in found}


def list_tables(names: Iterable[str], netns: int | None = None, family: str = "ip") -> str:
    """Return nft's own text of these tables without counts; "" if one of them is missing."""
    try:
        # One call each: nft 1.0.6 finds only the last of several tables that one script lists.
        return "".join(_run(["--stateless", "list", "table", family, name], "", netns) for name in names)
    except NftError as error:
        if "No such file" in str(error):
            return ""
        raise


def generation(netns: int | None = None) -> int:
    """Return the number of the ruleset's generation: every transaction, of anybody, makes a new one.

    A question to the kernel of some microseconds; to look at the tables themselves takes a process for each.
    """
    with inside(netns):
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    with kernel:
        kernel.send(struct.pack("=IHHIIBBH", 20, _GETGEN, 1, 1, 0, 0, 0, 0))
        answer = kernel.recv(4096)
    # After both heads comes NFTA_GEN_ID: length, type, and the number in network order.
    number: int = struct.unpack_from("!I", answer, 24)[0]
    return number


def forward_drops(own: str, netns: int | None = None) -> list[str]:
    """Return the base chains in the forward hook whose policy is drop, except in tables that start with `own`."""
    answer = json.loads(_run(["-j", "list", "chains"], "", netns))["nftables"]
    chains = [entry["chain"] for entry in answer if "chain" in entry]
    return [
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and not chain["table"].startswith(own)
    ]
