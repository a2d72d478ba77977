"""CNI's JSON and error codes, versions 0.3.1 to 1.1.0: where its camelCase ends."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any

from slash24.attach.link import GATEWAY, HOST_MAC, LinkError
from slash24.attach.pods import Attached, Attachment, DamagedError, GoneError, NotConfiguredError
from slash24.core.addresses import IPAddress
from slash24.errors import Slash24Error
from slash24.kernel.netlink import NetlinkError
from slash24.kernel.netns import NetnsError
from slash24.store.leases import AttachedError, BlockFullError, StoreError

VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
COMMANDS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")

# The specification's codes, section "Error"; from 100 on they are the plugin's own.
INCOMPATIBLE_VERSION, UNSUPPORTED_FIELD, UNKNOWN_CONTAINER, BAD_ENVIRONMENT, IO_FAILURE = 1, 2, 3, 4, 5
BAD_JSON, BAD_CONFIG, TRY_AGAIN, NOT_AVAILABLE, LIMITED = 6, 7, 11, 50, 51
ATTACHED_ALREADY, DAMAGED, KERNEL_REFUSED, INTERNAL = 101, 102, 103, 199

_CODES: tuple[tuple[type[Slash24Error], int], ...] = (
    (BlockFullError, TRY_AGAIN),
    (NotConfiguredError, TRY_AGAIN),
    (GoneError, UNKNOWN_CONTAINER),
    (AttachedError, ATTACHED_ALREADY),
    (LinkError, ATTACHED_ALREADY),
    (DamagedError, DAMAGED),
    (StoreError, IO_FAILURE),
    (NetlinkError, KERNEL_REFUSED),
    (NetnsError, UNKNOWN_CONTAINER),
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
_IFNAME = re.compile(r"[^\s/:]{1,15}")


class CniError(Slash24Error):
    """A request that the specification forbids; `cni_code` is its code."""

    def __init__(self, cni_code: int, message: str, details: str = "") -> None:
        super().__init__(message, fix=details, azure=str(cni_code))
        self.cni_code = cni_code


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the plugin."""

    command: str
    version: str
    attachment: Attachment
    conf: Mapping[str, Any]

    @property
    def mtu_bytes(self) -> int | None:
        mtu = self.conf.get("mtu")
        return mtu if isinstance(mtu, int) and mtu > 0 else None


def parse(environment: Mapping[str, str], stdin: bytes) -> Request:
    """Return the request that a runtime made by environment variables and stdin; raises CniError."""
    command = environment.get("CNI_COMMAND", "")
    if command not in COMMANDS:
        raise CniError(BAD_ENVIRONMENT, f"CNI_COMMAND is {command!r}", f"one of {', '.join(COMMANDS)}")
    try:
        conf = json.loads(stdin)
    except ValueError as error:
        raise CniError(BAD_JSON, "the network configuration on stdin is no JSON", str(error)) from error
    if not isinstance(conf, dict):
        raise CniError(BAD_JSON, "the network configuration on stdin is no JSON object")
    version = str(conf.get("cniVersion", "0.1.0"))
    if version not in VERSIONS:
        raise CniError(INCOMPATIBLE_VERSION, f"cniVersion {version} is not supported", f"one of {', '.join(VERSIONS)}")
    needed = {"ADD": 3, "CHECK": 3, "DEL": 2}.get(command, 0)
    if command != "VERSION":
        _check_conf(conf)
    if (command in ("STATUS", "GC")) and version != "1.1.0":
        raise CniError(INCOMPATIBLE_VERSION, f"{command} needs cniVersion 1.1.0, this is {version}")
    if command == "CHECK" and version == "0.3.1":
        raise CniError(INCOMPATIBLE_VERSION, "CHECK needs cniVersion 0.4.0, this is 0.3.1")
    return Request(command, version, _attachment(environment, needed), conf)


def _check_conf(conf: Mapping[str, Any]) -> None:
    name = conf.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CniError(
            BAD_CONFIG, f"the network's name is {name!r}", "letters, digits, _ . - ; a letter or digit first"
        )
    if conf.get("ipam"):
        raise CniError(UNSUPPORTED_FIELD, "ipam is set", "slash24 gives out the addresses of the node's block itself")


def _attachment(environment: Mapping[str, str], needed: int) -> Attachment:
    container = environment.get("CNI_CONTAINERID", "")
    ifname = environment.get("CNI_IFNAME", "")
    netns = environment.get("CNI_NETNS", "")
    if needed >= 2:
        if not _NAME.fullmatch(container):
            raise CniError(BAD_ENVIRONMENT, f"CNI_CONTAINERID is {container!r}", "letters, digits, _ . - are allowed")
        if not _IFNAME.fullmatch(ifname) or ifname in (".", ".."):
            raise CniError(BAD_ENVIRONMENT, f"CNI_IFNAME is {ifname!r}", "1 to 15 bytes, no space, slash or colon")
    if needed >= 3 and not netns:
        raise CniError(BAD_ENVIRONMENT, "CNI_NETNS is missing", "the path of the container's network namespace")
    # Runtimes add IgnoreUnknown and others of their own.
    pairs = (pair.partition("=") for pair in environment.get("CNI_ARGS", "").split(";"))
    arguments = {key: value for key, _, value in pairs}
    return Attachment(
        container,
        ifname,
        netns,
        arguments.get("K8S_POD_NAMESPACE", ""),
        arguments.get("K8S_POD_NAME", ""),
        arguments.get("K8S_POD_UID", ""),
    )


def add_result(request: Request, attached: Attached) -> dict[str, Any]:
    """Return ADD's result in the form of the request's version."""
    link, new = attached.link, request.version == "1.1.0"
    mtu = {"mtu": link.mtu_bytes} if new else {}
    address: dict[str, Any] = {
        "address": f"{link.address}/{link.address.max_prefixlen}",
        "gateway": str(GATEWAY),
        "interface": 1,
    }
    if request.version < "1":
        address["version"] = str(link.address.version)
    return {
        "cniVersion": request.version,
        "interfaces": [
            {"name": link.host_veth, "mac": HOST_MAC, **mtu},
            {"name": link.ifname, "mac": link.pod_mac, "sandbox": request.attachment.netns, **mtu},
        ],
        "ips": [address],
        "routes": [{"dst": "0.0.0.0/0", "gw": str(GATEWAY)}],
        "dns": request.conf.get("dns", {}),
    }


def previous_addresses(request: Request) -> list[IPAddress]:
    """Return the addresses that the runtime's `prevResult` gives this interface; CHECK must have one."""
    previous = request.conf.get("prevResult")
    if not isinstance(previous, dict):
        raise CniError(BAD_CONFIG, "CHECK needs prevResult, the result of the ADD")
    try:
        return [ip_interface(entry["address"]).ip for entry in previous.get("ips", [])]
    except (ValueError, TypeError, KeyError) as error:
        raise CniError(BAD_CONFIG, f"prevResult has a malformed address: {error}") from error


def valid_attachments(request: Request) -> list[tuple[str, str]]:
    """Return GC's list of the attachments to keep: (container, interface)."""
    listed = request.conf.get("cni.dev/valid-attachments", request.conf.get("cni.dev/attachments"))
    if not isinstance(listed, list):
        raise CniError(BAD_CONFIG, "GC needs cni.dev/valid-attachments, the list of what to keep")
    try:
        return [(entry["containerID"], entry["ifname"]) for entry in listed]
    except (TypeError, KeyError) as error:
        raise CniError(BAD_CONFIG, "an entry of cni.dev/valid-attachments lacks containerID or ifname") from error


def error_result(version: str, error: Slash24Error) -> dict[str, Any]:
    """Return CNI's error object for `error`."""
    code = error.cni_code if isinstance(error, CniError) else None
    if code is None:
        code = next((number for kind, number in _CODES if isinstance(error, kind)), INTERNAL)
    details = error.why or error.fix
    return {
        "cniVersion": version if version in VERSIONS else VERSIONS[-1],
        "code": code,
        "msg": error.message,
        **({"details": details} if details else {}),
    }


def version_result() -> dict[str, Any]:
    return {"cniVersion": VERSIONS[-1], "supportedVersions": list(VERSIONS)}
