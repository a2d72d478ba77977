"""The images that the lab knows. Nothing is pulled: a container runs the host's own programs, or our helper."""

from dataclasses import dataclass

#: Where the helper stands in every container.
AGNHOST = "/agnhost"


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's configuration would say."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


_SHELL = Image(command=("sh",))
_KNOWN = {
    "agnhost": Image(entrypoint=(AGNHOST,), command=("pause",)),
    "pause": Image(entrypoint=(AGNHOST, "pause")),
    "nginx": Image(entrypoint=(AGNHOST, "web", "--port=80")),
    "busybox": _SHELL,
    "alpine": _SHELL,
    "debian": _SHELL,
    "ubuntu": _SHELL,
    "netshoot": _SHELL,
    "curl": Image(command=("curl", "--help")),
}


def short_name(reference: str) -> str:
    """Return an image's name without registry, folders, tag and digest.

    >>> short_name("registry.k8s.io/e2e-test-images/agnhost:2.53")
    'agnhost'
    >>> short_name("localhost:5000/nginx@sha256:abc")
    'nginx'
    """
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def find(reference: str) -> Image | None:
    """Return what the lab runs for an image; None if it doesn't know it."""
    return _KNOWN.get(short_name(reference))


def canonical(reference: str) -> str:
    """Return a reference as a runtime spells it out: with registry and tag.

    >>> canonical("nginx")
    'docker.io/library/nginx:latest'
    """
    first, slash, _ = reference.partition("/")
    if not slash:
        reference = f"docker.io/library/{reference}"
    elif not ("." in first or ":" in first or first == "localhost"):
        reference = f"docker.io/{reference}"
    return reference if ":" in reference.rpartition("/")[2] or "@" in reference else f"{reference}:latest"


def pull_error(reference: str) -> str:
    """Return why an image can't be had: a runtime's words, then ours."""
    name = canonical(reference)
    return (
        f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {name}: not found: '
        f"the lab pulls no images; it knows {', '.join(sorted(_KNOWN))}"
    )
