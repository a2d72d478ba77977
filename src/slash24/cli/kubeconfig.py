"""Writing a cluster's credentials into a kubeconfig, beside what is there."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from slash24.errors import Slash24Error
from slash24.lab.paths import LabPaths, home

Json = dict[str, Any]
_LISTS = ("clusters", "users", "contexts")


def default_file(lab: str) -> Path:
    """Return where credentials go that name no file: KUBECONFIG's first, else a file of the lab.

    Never ~/.kube/config unasked: a lab comes and goes, that file stays.
    """
    chosen = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(chosen) if chosen else LabPaths(home(), lab).kubeconfig


def renamed(text: str, context: str) -> str:
    """Return a kubeconfig with its context under another name."""
    config: Json = yaml.safe_load(text)
    for entry in config["contexts"]:
        if entry["name"] == config["current-context"]:
            entry["name"] = context
    config["current-context"] = context
    return yaml.safe_dump(config, sort_keys=False)


def merge_into(file: Path, text: str, *, overwrite: bool) -> str:
    """Write the entries of a kubeconfig into `file` and return its current context, now that of `text`.

    The file is its owner's alone and replaced as a whole. Raises Slash24Error if it is no kubeconfig, or holds another
    entry of the same name and `overwrite` is off.
    """
    new: Json = yaml.safe_load(text)
    merged = _read(file)
    for key in _LISTS:
        entries: list[Json] = merged.setdefault(key, None) or []
        for entry in new.get(key) or []:
            _check_clash(entries, entry, key, file, overwrite=overwrite)
            entries = [one for one in entries if one.get("name") != entry["name"]] + [entry]
        merged[key] = entries
    merged["current-context"] = new["current-context"]
    _write(file, yaml.safe_dump(merged, sort_keys=False))
    return str(merged["current-context"])


def forget_deleted(lab: str, server: str, alive: set[str]) -> None:
    """Remove a lab's clusters that are no more from the kubeconfigs that credentials go to.

    server: URL of the lab's server; alive: the keys of the clusters that there are. Entries of others stay.
    """
    files = {LabPaths(home(), lab).kubeconfig, default_file(lab), Path.home() / ".kube" / "config"}
    for file in sorted(file for file in files if file.exists()):
        with suppress(Slash24Error):  # one that can't be read has none of our entries, and is none of our business
            config = _read(file)
            kept = without_clusters(config, f"{server}/clusters/", alive)
            if kept != config:
                _write(file, yaml.safe_dump(kept, sort_keys=False))


def without_clusters(config: Json, prefix: str, alive: set[str]) -> Json:
    """Return a kubeconfig without the clusters below the URL `prefix` whose last part is not in `alive`."""

    def dead(cluster: Json) -> bool:
        url = str((cluster.get("cluster") or {}).get("server", ""))
        return url.startswith(prefix) and url.removeprefix(prefix) not in alive

    clusters, all_contexts = config.get("clusters") or [], config.get("contexts") or []
    gone = {cluster.get("name") for cluster in clusters if dead(cluster)}
    if not gone:
        return config

    def part(context: Json, name: str) -> Any:
        return (context.get("context") or {}).get(name)

    contexts = [one for one in all_contexts if part(one, "cluster") not in gone]
    lost = {part(one, "user") for one in all_contexts} - {part(one, "user") for one in contexts}
    names = [one.get("name", "") for one in contexts]
    current = config.get("current-context", "")
    return config | {
        "clusters": [one for one in clusters if one.get("name") not in gone],
        "users": [one for one in config.get("users") or [] if one.get("name") not in lost],
        "contexts": contexts,
        "current-context": current if current in names else next(iter(names), ""),
    }


def _read(file: Path) -> Json:
    try:
        found = yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError:
        found = {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Slash24Error(f"{file} can't be read as a kubeconfig: {error}", fix="name another --file") from error
    if not isinstance(found, dict):
        raise Slash24Error(f"{file} is no kubeconfig", fix="name another --file")
    return {"apiVersion": "v1", "kind": "Config", **found}


def _check_clash(entries: list[Json], entry: Json, key: str, file: Path, *, overwrite: bool) -> None:
    same = [one for one in entries if one.get("name") == entry["name"]]
    if not overwrite and same and same[0] != entry:
        raise Slash24Error(
            f"A different object named {entry['name']} already exists in {key} in your kubeconfig file.",
            why=f"{file} has it from another cluster, or from this one before it was made anew",
            fix="--overwrite-existing, or another --file",
        )


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new-{os.getpid()}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        new.replace(file.resolve())
    except OSError as error:
        raise Slash24Error(f"{file} can't be written: {error.strerror}", fix="name another --file") from error
