"""A CNI runtime: runs whatever plugin list stands in the node's folder, as libcni does.

Source: the CNI specification 1.1.0, sections 1 to 4, and libcni's texts, which users know from `kubectl describe`.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slash24.errors import Slash24Error
from slash24.lab.kubelet import files, spawn

_KINDS = (".conf", ".conflist", ".json")
_MEMFD_LIMIT = 1 << 20  # bytes of an answer that are read; a result has a few hundred
NOT_INITIALIZED = "cni plugin not initialized"


class CniError(Slash24Error):
    """A plugin, or its configuration, failed; `number` is CNI's error code, 0 if there is none."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message, azure=str(number) if number else "")
        self.number = number


class NotConfiguredError(CniError):
    """No plugin list can be used: there is none, or the first is bad. A node isn't ready then."""


@dataclass(frozen=True, slots=True)
class Network:
    """One plugin list. `plugins` are the JSON objects as they stand in the file."""

    name: str
    version: str
    plugins: tuple[dict[str, Any], ...]
    disable_gc: bool = False

    def at_least(self, major: int, minor: int) -> bool:
        parts = [int(part) if part.isdigit() else 0 for part in self.version.split(".")[:2]]
        return tuple(parts) >= (major, minor)


def parse(text: str, is_list: bool) -> Network:
    """Return the list that a configuration file holds; a single plugin becomes a list of one. Raises CniError."""
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise CniError(f"error parsing configuration list: {error}") from error
    plugins = raw.get("plugins") if is_list else [raw]
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise CniError("error parsing configuration list: no name")
    if not isinstance(plugins, list) or not plugins:
        raise CniError(f"CNI network {name} has no plugins")
    if not all(isinstance(plugin, dict) and isinstance(plugin.get("type"), str) for plugin in plugins):
        raise CniError(f"CNI network {name}: a plugin has no type")
    versions = [str(version) for version in raw.get("cniVersions", ())] + [str(raw.get("cniVersion") or "0.1.0")]
    newest = max(versions, key=lambda version: [int(part) if part.isdigit() else 0 for part in version.split(".")])
    return Network(name, newest, tuple(plugins), bool(raw.get("disableGC", False)))


def load(folder: Path) -> Network:
    """Return the network of the first configuration file in lexical order. Raises NotConfiguredError."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(_KINDS))
    except OSError:
        names = []
    if not names:
        raise NotConfiguredError(NOT_INITIALIZED)
    path = folder / names[0]
    try:
        text = path.read_text()
        is_list = path.suffix == ".conflist" or (path.suffix == ".json" and '"plugins"' in text)
        return parse(text, is_list)
    except (OSError, UnicodeDecodeError, CniError) as error:
        raise NotConfiguredError(
            f"cni config load failed: failed to load CNI config list file {path}: {error}: invalid cni config"
        ) from error


def addresses(result: Mapping[str, Any]) -> list[str]:
    """Return the pod's addresses in a result, without prefix lengths, the result's order."""
    found = [entry.get("address", "") for entry in result.get("ips") or ()]
    found += [result[key]["ip"] for key in ("ip4", "ip6") if isinstance(result.get(key), dict)]  # 0.2.0
    return [address.partition("/")[0] for address in found if address]


def plugin_args(namespace: str, name: str, uid: str, container_id: str) -> str:
    """Return CNI_ARGS as a kubelet's runtime gives them."""
    return ";".join(
        (
            "IgnoreUnknown=1",
            f"K8S_POD_NAMESPACE={namespace}",
            f"K8S_POD_NAME={name}",
            f"K8S_POD_INFRA_CONTAINER_ID={container_id}",
            f"K8S_POD_UID={uid}",
        )
    )


class Runtime:
    """Calls the plugins, one container's in order, and keeps what an ADD answered until its DEL."""

    def __init__(self, conf_dir: str, bin_dirs: Iterable[str], cache_dir: str, timeout_s: float = 60.0) -> None:
        self._conf_dir = Path(conf_dir)
        self._bin_dirs = list(bin_dirs)
        self._cache_dir = Path(cache_dir)
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        self._timeout_s = timeout_s

    def network(self) -> Network:
        return load(self._conf_dir)

    def fingerprint(self) -> str:
        """Return a text that changes when a configuration file does."""
        try:
            entries = sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(self._conf_dir))
        except OSError:
            return ""
        return repr(entries)

    async def add(
        self, container_id: str, netns: str, args: str, *, ports: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Return the list's result for eth0 of `netns`. Raises CniError; then DEL has been called for what was made."""
        network = self.network()
        capabilities = {"portMappings": ports} if ports else {}
        call = _Call(container_id, netns, args, capabilities)
        result: dict[str, Any] | None = None
        try:
            for plugin in network.plugins:
                result = await self._run("ADD", network, plugin, call, result)
        except CniError:
            await self._delete(network, call, None)
            raise
        # The configuration with which it was made: the folder may hold another one when the pod ends.
        record = {
            "name": network.name, "version": network.version, "plugins": network.plugins, "netns": netns, "args": args,
            "capabilities": capabilities, "result": result,
        }  # fmt: skip
        files.write(self._cache(container_id), json.dumps(record))
        return result or {}

    async def delete(self, container_id: str, netns: str, args: str) -> None:
        """Undo an ADD, also one of which nothing is known. `netns`: "" if it is gone. Raises CniError."""
        result = None
        try:
            kept = json.loads(self._cache(container_id).read_text())
            network = Network(kept["name"], kept["version"], tuple(kept["plugins"]))
            call, result = _Call(container_id, netns, kept["args"], kept["capabilities"]), kept["result"]
        except (OSError, ValueError, KeyError, TypeError):  # never written, or a disk that ran full
            try:
                network = self.network()
            except CniError:
                return  # nothing was added without a configuration
            call = _Call(container_id, netns, args, {})
        problem = await self._delete(network, call, result)
        if problem:
            raise problem
        self._cache(container_id).unlink(missing_ok=True)

    async def status(self, network: Network) -> None:
        """Ask every plugin whether it can take an ADD. Raises CniError with its text."""
        if not network.at_least(1, 1):
            return
        for plugin in network.plugins:
            await self._run("STATUS", network, plugin, None, None)

    async def collect_garbage(self, valid: Iterable[str]) -> None:
        """Tell the plugins which containers exist, so that they free what others hold. Raises CniError."""
        network = self.network()
        if network.disable_gc or not network.at_least(1, 1):
            return
        attachments = [{"containerID": container_id, "ifname": "eth0"} for container_id in valid]
        for plugin in network.plugins:
            extended = plugin | {"cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments}
            await self._run("GC", network, extended, None, None)

    def result(self, container_id: str) -> dict[str, Any] | None:
        """Return what a container's ADD answered; None if it never ended, or was undone."""
        try:
            found = json.loads(self._cache(container_id).read_text())["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, dict) else None

    def known(self) -> list[str]:
        """Return the containers whose ADD has not been undone."""
        return [path.stem for path in self._cache_dir.glob("*.json")]

    def _cache(self, container_id: str) -> Path:
        return self._cache_dir / f"{container_id}.json"

    async def _delete(self, network: Network, call: "_Call", result: dict[str, Any] | None) -> CniError | None:
        previous = result if network.at_least(0, 4) else None
        for plugin in reversed(network.plugins):
            try:
                await self._run("DEL", network, plugin, call, previous)
            except CniError as error:
                return error
        return None

    async def _run(
        self,
        command: str,
        network: Network,
        plugin: dict[str, Any],
        call: "_Call | None",
        previous: dict[str, Any] | None,
    ) -> dict[str, Any]:
        where = f'plugin type="{plugin["type"]}" name="{network.name}" failed ({command.lower()})'
        config = {**plugin, "name": network.name, "cniVersion": network.version}
        if previous is not None:
            config["prevResult"] = previous
        asked = plugin.get("capabilities") or {}
        wanted = {key: value for key, value in (call.capabilities if call else {}).items() if asked.get(key)}
        if wanted:
            config["runtimeConfig"] = wanted
        env = {"PATH": os.environ.get("PATH", os.defpath), "CNI_COMMAND": command, "CNI_PATH": ":".join(self._bin_dirs)}
        if call:
            env |= {"CNI_CONTAINERID": call.container_id, "CNI_NETNS": call.netns, "CNI_IFNAME": "eth0"}
            env |= {"CNI_ARGS": call.args}
        code, output, complaint = await self._execute(self._find(plugin["type"]), env, json.dumps(config), where)
        if code:
            raise CniError(f"{where}: {_failure(code, output, complaint)}", _number(output))
        if command != "ADD":
            return {}
        try:
            result = json.loads(output)
            if not isinstance(result, dict):
                raise ValueError("not an object")
        except ValueError as error:
            raise CniError(f"{where}: its result is not JSON: {error}") from error
        return result

    def _find(self, kind: str) -> str:
        if "/" not in kind:
            for folder in self._bin_dirs:
                path = Path(folder, kind)
                if path.is_file():
                    return str(path)
        raise CniError(f'failed to find plugin "{kind}" in path [{" ".join(self._bin_dirs)}]')

    async def _execute(self, program: str, env: dict[str, str], text: str, where: str) -> tuple[int, str, str]:
        # Files in memory, not pipes: nothing to pump, and a plugin that leaves a daemon behind holds nobody up.
        fds = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdin", "stdout", "stderr")]
        try:
            os.write(fds[0], text.encode())
            os.lseek(fds[0], 0, os.SEEK_SET)
            process = spawn.start(program, [program], env, dict(enumerate(fds)))
            try:
                ended = await process.wait(self._timeout_s)
            except asyncio.CancelledError:
                process.forget()
                raise
            if not ended:
                process.signal(signal.SIGKILL)
                await process.wait(5.0)
                raise CniError(f"{where}: no answer within {self._timeout_s:.0f} s")
            output, complaint = (os.pread(fd, _MEMFD_LIMIT, 0).decode(errors="replace") for fd in fds[1:])
            return process.code or 0, output, complaint
        except spawn.ProcessError as error:
            raise CniError(f"{where}: {error}") from error
        finally:
            for fd in fds:
                os.close(fd)


@dataclass(frozen=True, slots=True)
class _Call:
    container_id: str
    netns: str
    args: str
    capabilities: dict[str, Any]


def _error(output: str) -> dict[str, Any]:
    try:
        error = json.loads(output)
    except ValueError:
        return {}
    return error if isinstance(error, dict) else {}


def _number(output: str) -> int:
    code = _error(output).get("code")
    return code if isinstance(code, int) else 0


def _failure(code: int, output: str, complaint: str) -> str:
    error = _error(output)
    if error.get("msg"):
        return f"{error['msg']}; {error['details']}" if error.get("details") else str(error["msg"])
    if complaint.strip() or output.strip():
        return f"netplugin failed: {(complaint.strip() or output.strip())!r}"
    return f"netplugin failed with no error message: exit status {code}"
