"""What goes by itself: the rest of a deletion that an earlier server began, and old events."""

import time
from datetime import timedelta
from typing import Any

import pytest

from slash24.lab.kubeapi import deleting
from slash24.lab.kubeapi.deleting import sweep_events
from tests.lab.kubeapi.conftest import Cluster

Object = dict[str, Any]


def test_a_namespace_that_an_earlier_server_was_emptying_goes(cluster: Cluster) -> None:
    cluster.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "half"}})
    cluster.create(
        "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "half"}}
    )
    mark = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["slash24.io/contents"]}

    def begin(item: Object) -> Object:
        return item | {"metadata": item["metadata"] | mark}

    cluster.server.call(cluster.objects.update, "namespaces", "half", begin)
    until = time.monotonic() + 5
    while (seen := cluster.run("get", "ns", "half")).code == 0 and time.monotonic() < until:
        time.sleep(0.05)
    assert 'namespaces "half" not found' in seen.err
    assert cluster.server.call(cluster.objects.list, "configmaps", namespace="half") == []


def event(name: str, **fields: str) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, **fields}


def test_events_are_forgotten_a_while_after_they_were_last_seen(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.create("events", event("old"))
    cluster.create("events", event("seen-again", lastTimestamp="2999-01-01T00:00:00Z"))
    cluster.server.call(sweep_events, cluster.objects)
    assert len(cluster.server.call(cluster.objects.list, "events")) == 2
    monkeypatch.setattr(deleting, "_EVENTS_KEPT_FOR", timedelta(seconds=-5))  # as if time had passed
    cluster.server.call(sweep_events, cluster.objects)
    (left,) = cluster.server.call(cluster.objects.list, "events")
    assert left["metadata"]["name"] == "seen-again"
