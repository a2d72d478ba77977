"""What a Pod's JSON asks of a container."""

import doctest
from typing import Any

import pytest

from slash24.lab import quantity
from slash24.lab.kubelet import environment, images, messages, spec
from slash24.lab.kubelet.downward import ContainerConfigError


def pod(**more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1", "namespace": "shop", "uid": "u", "labels": {"app": "web"}}, "spec": more}


def test_examples_in_the_docstrings_hold() -> None:
    for module in (images, messages, environment, quantity):
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


@pytest.mark.parametrize(
    ("context", "who"),
    [
        ({}, (-1, -1)),
        ({"runAsUser": 1000, "runAsGroup": 7, "runAsNonRoot": True}, (1000, 7)),
        ({"runAsUser": 0}, (0, -1)),
    ],
)
def test_a_containers_user_is_its_own_or_the_pods(context: dict[str, Any], who: tuple[int, int]) -> None:
    assert spec.user(pod(), {"name": "c", "securityContext": context}) == who
    assert spec.user(pod(securityContext=context), {"name": "c"}) == who


def test_root_is_refused_where_it_must_not_be() -> None:
    with pytest.raises(
        ContainerConfigError, match=r"runAsNonRoot and image will run as root .*shop\(u\).*container: c"
    ):
        spec.user(pod(securityContext={"runAsNonRoot": True}), {"name": "c"})
    with pytest.raises(ContainerConfigError, match="breaks non-root policy"):
        spec.user(pod(), {"name": "c", "securityContext": {"runAsNonRoot": True, "runAsUser": 0}})
