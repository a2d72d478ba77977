"""What a Pod's JSON asks of a container."""

import doctest
from typing import Any

import pytest

from slash24.lab.kubelet import images, messages, spec


def pod(**more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1", "namespace": "shop", "uid": "u", "labels": {"app": "web"}}, "spec": more}


def test_examples_in_the_docstrings_hold() -> None:
    for module in (images, messages, spec):
        assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({}, ["/agnhost", "pause"]),
        ({"args": ["netexec"]}, ["/agnhost", "netexec"]),
        ({"command": ["sh"]}, ["sh"]),
        (
            {"command": ["sh"], "args": ["-c", "echo $(WHO) $(NOBODY) $$(WHO)"]},
            ["sh", "-c", "echo me $(NOBODY) $(WHO)"],
        ),
    ],
)
def test_command_replaces_entrypoint_and_args_replace_the_images(container: dict[str, Any], words: list[str]) -> None:
    image = images.find("registry.k8s.io/e2e-test-images/agnhost:2.53")
    assert image is not None
    assert spec.arguments(container, image, {"WHO": "me"}) == words


@pytest.mark.parametrize("name", ["agnhost", "k8s.gcr.io/agnhost:1", "a.b:5/x/nginx@sha256:0", "busybox:1.36"])
def test_known_images_are_found_under_any_registry_and_tag(name: str) -> None:
    assert images.find(name) is not None


def test_an_unknown_image_is_told_with_what_is_known() -> None:
    assert images.find("redis:7") is None
    assert 'failed to resolve reference "docker.io/library/redis:7"' in images.pull_error("redis:7")
    assert "agnhost" in images.pull_error("redis:7")


def test_fields_come_from_the_pod_and_the_node() -> None:
    def reference(path: str) -> dict[str, Any]:
        return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}

    for path, value in (
        ("metadata.name", "web-1"),
        ("metadata.namespace", "shop"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("status.podIP", "10.244.0.9"),
    ):
        env = spec.environment(pod(), {"env": [reference(path)]}, {"status.podIP": "10.244.0.9"}, "h")
        assert env["X"] == value, path
    with pytest.raises(spec.ContainerConfigError, match=r"unsupported fieldPath: spec\.nope"):
        spec.environment(pod(), {"env": [reference("spec.nope")]}, {}, "h")


def test_a_source_that_the_lab_cannot_read_is_an_error_unless_optional() -> None:
    secret = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    with pytest.raises(spec.ContainerConfigError, match="secretKeyRef"):
        spec.environment(pod(), {"env": [secret]}, {}, "h")
    secret["valueFrom"]["secretKeyRef"]["optional"] = True  # type: ignore[index]
    assert "X" not in spec.environment(pod(), {"env": [secret]}, {}, "h")


def test_rights_that_reach_past_the_pod_are_refused() -> None:
    default, refused = spec.capabilities({})
    assert (f"{default:x}", refused) == ("a80425fb", [])
    context = {"privileged": True, "capabilities": {"add": ["CAP_NET_ADMIN", "SYS_ADMIN"], "drop": ["NET_RAW"]}}
    given, refused = spec.capabilities({"securityContext": context})
    assert refused == ["SYS_ADMIN", "privileged"]
    assert given == default + (1 << 12) - (1 << 13)


def test_resolv_conf_follows_the_policy() -> None:
    assert spec.resolv_file(pod(dnsPolicy="Default"), "10.0.0.10", "cluster.local", "nameserver 1.2.3.4\n") == (
        "nameserver 1.2.3.4\n"
    )
    config = {"nameservers": ["9.9.9.9"], "searches": ["example.org"], "options": [{"name": "ndots", "value": "2"}]}
    assert spec.resolv_file(pod(dnsPolicy="None", dnsConfig=config), "10.0.0.10", "cluster.local", "") == (
        "search example.org\nnameserver 9.9.9.9\noptions ndots:2\n"
    )
    host = pod(hostNetwork=True)
    assert spec.resolv_file(host, "10.0.0.10", "cluster.local", "nameserver 1.2.3.4\n") == "nameserver 1.2.3.4\n"
