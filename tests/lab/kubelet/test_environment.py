"""A container's environment, and the volumes that are made of other objects: what they hold, and what is missing."""

import base64
from typing import Any

import pytest

from slash24.lab.kubelet.contents import File, VolumeError, files_of, kind_of, references
from slash24.lab.kubelet.downward import ContainerConfigError, Facts
from slash24.lab.kubelet.environment import environment

OBJECTS = {
    ("ConfigMap", "app"): {
        "data": {"color": "blue", "size": "9"},
        "binaryData": {"logo": base64.b64encode(b"\xff").decode()},
    },
    ("Secret", "key"): {"data": {"password": base64.b64encode(b"s3cret").decode()}},
}
FACTS = Facts(
    {"status.podIP": "10.244.0.9", "spec.nodeName": "n1"}, {"cpu": "2", "memory": "1Gi"},
    lambda kind, name: OBJECTS.get((kind, name)),
)  # fmt: skip
METADATA = {
    "name": "web-1", "namespace": "shop", "uid": "u", "labels": {"app": "web", "tier": 'a"b'},
    "annotations": {"x": "y"},
}  # fmt: skip
CONTAINER: dict[str, Any] = {"name": "c", "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}}}
POD: dict[str, Any] = {"metadata": METADATA, "spec": {"serviceAccountName": "robot", "containers": [CONTAINER]}}


def value(source: dict[str, Any]) -> str | None:
    env = environment(POD, CONTAINER | {"env": [{"name": "X", "valueFrom": source}]}, FACTS, "h")
    return env.get("X")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"fieldRef": {"fieldPath": "metadata.name"}}, "web-1"),
        ({"fieldRef": {"fieldPath": "metadata.namespace"}}, "shop"),
        ({"fieldRef": {"fieldPath": "metadata.uid"}}, "u"),
        ({"fieldRef": {"fieldPath": "metadata.labels['app']"}}, "web"),
        ({"fieldRef": {"fieldPath": "metadata.labels['none']"}}, ""),
        ({"fieldRef": {"fieldPath": "metadata.annotations['x']"}}, "y"),
        ({"fieldRef": {"fieldPath": "spec.serviceAccountName"}}, "robot"),
        ({"fieldRef": {"fieldPath": "spec.nodeName"}}, "n1"),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "10.244.0.9"),
        ({"resourceFieldRef": {"resource": "requests.cpu"}}, "1"),
        ({"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}, "250"),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}, "64"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "2"),
        ({"configMapKeyRef": {"name": "app", "key": "color"}}, "blue"),
        ({"secretKeyRef": {"name": "key", "key": "password"}}, "s3cret"),
        ({"configMapKeyRef": {"name": "none", "key": "color", "optional": True}}, None),
        ({"secretKeyRef": {"name": "key", "key": "none", "optional": True}}, None),
    ],
)
def test_a_value_comes_from_where_it_says(source: dict[str, Any], expected: str | None) -> None:
    assert value(source) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"fieldRef": {"fieldPath": "spec.nope"}}, "unsupported fieldPath: spec.nope"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "containerName": "z"}}, 'container "z" not found'),
        ({"resourceFieldRef": {"resource": "cpu"}}, "unsupported container resource: cpu"),
        ({"configMapKeyRef": {"name": "none", "key": "color"}}, 'configmap "none" not found'),
        ({"configMapKeyRef": {"name": "app", "key": "none"}}, "couldn't find key none in ConfigMap shop/app"),
        ({"secretKeyRef": {"name": "none", "key": "x"}}, 'secret "none" not found'),
        ({"fileKeyRef": {"key": "x"}}, "env X: the lab has no valueFrom.fileKeyRef"),
    ],
)
def test_a_value_that_cannot_be_had_is_told_in_a_kubelets_words(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ContainerConfigError) as caught:
        value(source)
    assert caught.value.message == message


def test_whole_objects_give_variables_with_a_prefix_and_env_wins() -> None:
    sources = [{"prefix": "APP_", "configMapRef": {"name": "app"}}, {"secretRef": {"name": "key"}},
               {"configMapRef": {"name": "none", "optional": True}}]  # fmt: skip
    env = environment(POD, {"envFrom": sources, "env": [{"name": "APP_size", "value": "1"}]}, FACTS, "h")
    assert {name: text for name, text in env.items() if name not in ("PATH", "HOME", "HOSTNAME")} == {
        "APP_color": "blue", "APP_size": "1", "password": "s3cret",
    }  # fmt: skip


def test_volumes_hold_the_files_of_their_objects() -> None:
    assert files_of({"name": "v", "configMap": {"name": "app"}}, POD, FACTS) == {
        "color": File(b"blue", 0o644), "size": File(b"9", 0o644), "logo": File(b"\xff", 0o644),
    }  # fmt: skip
    items = [{"key": "password", "path": "a/b", "mode": 0o400}]
    secret = {"name": "v", "secret": {"secretName": "key", "items": items, "defaultMode": 0o600}}
    assert files_of(secret, POD, FACTS) == {"a/b": File(b"s3cret", 0o400)}
    downward = {"items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "requests.cpu", "divisor": "1m"}},
    ]}  # fmt: skip
    sources = [{"downwardAPI": downward}, {"configMap": {"name": "app", "items": [{"key": "size", "path": "size"}]}}]
    assert files_of({"name": "v", "projected": {"sources": sources, "defaultMode": 0o440}}, POD, FACTS) == {
        "labels": File(b'app="web"\ntier="a\\"b"', 0o440), "cpu": File(b"250", 0o440), "size": File(b"9", 0o440),
    }  # fmt: skip
    assert files_of({"name": "v", "secret": {"secretName": "none", "optional": True}}, POD, FACTS) == {}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        (
            {"configMap": {"name": "app", "items": [{"key": "z", "path": "z"}]}},
            "configmap references non-existent config key: z",
        ),
        ({"configMap": {"name": "app", "items": [{"key": "size", "path": "../x"}]}}, "invalid path '../x'"),
        ({"persistentVolumeClaim": {"claimName": "x"}}, "no volume plugin matched: persistentVolumeClaim"),
    ],
)
def test_a_volume_that_cannot_be_had_says_why(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeError) as caught:
        files_of({"name": "v", **volume}, POD, FACTS)
    assert caught.value.message.startswith(message)


def test_what_a_pod_refers_to_is_found_in_volumes_and_environments_of_all_containers() -> None:
    projected = {"sources": [{"configMap": {"name": "c1"}}, {"secret": {"name": "s2"}}]}
    keyed = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "k"}}}
    spec = {
        "volumes": [{"name": "a", "secret": {"secretName": "s1"}},
                    {"name": "b", "projected": projected}],
        "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "c2"}}]}],
        "containers": [{"name": "c", "env": [keyed]}],
    }  # fmt: skip
    assert references({"spec": spec}) == {
        ("Secret", "s1"), ("ConfigMap", "c1"), ("Secret", "s2"), ("ConfigMap", "c2"), ("Secret", "s3"),
    }  # fmt: skip


def test_a_volume_without_a_kind_is_an_empty_directory() -> None:
    assert kind_of({"name": "v"}) == "emptyDir"
