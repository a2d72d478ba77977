"""From a container's manifest to what its run is started with. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from slash24.lab.kubelet import spec
from slash24.lab.kubelet.container import Launch
from slash24.lab.kubelet.images import Image
from slash24.lab.kubelet.sandbox import Sandbox
from slash24.lab.kubelet.volumes import Bind

Json = dict[str, Any]

TERMINATION_LOG = "/dev/termination-log"
_SHARED_FILES = ("hosts", "hostname", "resolv.conf")


def compile_launch(
    pod: Json,
    manifest: Json,
    image: Image,
    env: Mapping[str, str],
    sandbox: Sandbox,
    *,
    etc: str,
    message: str,
    volumes: Iterable[Bind],
    pidns: str = "",
) -> Launch:
    """Return how to start a container in a sandbox.

    etc: the folder of the files that the pod's containers share. message: the file that takes the last words.
    pidns: of the container whose processes it is to see. Raises ContainerConfigError.
    """
    rights, _ = spec.capabilities(manifest)
    uid, gid = spec.user(pod, manifest)
    own = {f"/etc/{name}": (f"{etc}/{name}", False) for name in _SHARED_FILES}
    own[str(manifest.get("terminationMessagePath") or TERMINATION_LOG)] = (message, False)
    binds = own | {target: (source, read_only) for source, target, read_only in volumes}
    context = manifest.get("securityContext") or {}
    return Launch(
        words=spec.arguments(manifest, image, env),
        env=env,
        netns=sandbox.netns,
        hostname=env["HOSTNAME"],
        # A folder before what is mounted in it.
        binds=[(source, target, read_only) for target, (source, read_only) in sorted(binds.items())],
        capabilities=rights,
        cgroup=sandbox.cgroup,
        pidns=pidns,
        uid=uid,
        gid=gid,
        directory=str(manifest.get("workingDir") or "/"),
        tty=bool(manifest.get("tty")),
        stdin=bool(manifest.get("stdin")),
        stdin_once=bool(manifest.get("stdinOnce")),
        read_only=bool(context.get("readOnlyRootFilesystem")),
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
    )
