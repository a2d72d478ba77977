"""Kubernetes objects in SQLite: versions, optimistic locking, watches."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from slash24.errors import NotFoundError
from slash24.store import watches
from slash24.store.objects import AlreadyExistsError, ClusterObjects, ConflictError, ExpiredError, ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    opened = ObjectStore(tmp_path / "lab.db")
    yield opened
    opened.close()


@pytest.fixture
def view(store: ObjectStore) -> ClusterObjects:
    return store.cluster("demo")


def pod(name: str, *, node: str = "", namespace: str = "default", **labels: str) -> dict[str, Any]:
    spec = {"nodeName": node} if node else {}
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


async def take(events: AsyncIterator[tuple[str, dict[str, Any]]], count: int) -> list[tuple[str, str]]:
    """Return the next `count` events as (type, name)."""
    async with asyncio.timeout(2):
        return [(kind, item["metadata"]["name"]) for kind, item in [await anext(events) for _ in range(count)]]


def version(item: dict[str, Any]) -> int:
    return int(item["metadata"]["resourceVersion"])


def test_a_new_object_gets_uid_time_generation_and_version(view: ClusterObjects) -> None:
    made = view.create("pods", pod("a"))
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"].endswith("Z")
    assert made["metadata"]["generation"] == 1
    assert version(made) == view.version
    assert view.get("pods", "a", namespace="default") == made


def test_a_name_is_taken_once_per_kind_namespace_and_cluster(store: ObjectStore, view: ClusterObjects) -> None:
    view.create("pods", pod("a"))
    with pytest.raises(AlreadyExistsError):
        view.create("pods", pod("a"))
    view.create("pods", pod("a", namespace="other"))
    view.create("configmaps", pod("a"))
    store.cluster("second").create("pods", pod("a"))


def test_generated_names_differ(view: ClusterObjects) -> None:
    template = {"metadata": {"generateName": "web-", "namespace": "default"}}
    names = {view.create("pods", template)["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("web-") and len(name) == 9 for name in names)


def test_one_counter_counts_all_kinds(view: ClusterObjects) -> None:
    first, second = view.create("pods", pod("a")), view.create("nodes", {"metadata": {"name": "n"}})
    assert version(second) == version(first) + 1


def test_a_stale_replace_is_a_conflict_and_changes_nothing(view: ClusterObjects) -> None:
    old = view.create("pods", pod("a"))
    new = view.replace("pods", old | {"spec": {"nodeName": "n1"}})
    with pytest.raises(ConflictError, match="the object has been modified"):
        view.replace("pods", old | {"spec": {"nodeName": "n2"}})
    assert view.get("pods", "a", namespace="default") == new


def test_a_replace_without_a_version_always_wins(view: ClusterObjects) -> None:
    view.create("pods", pod("a"))
    view.replace("pods", pod("a", node="n1"))
    assert view.get("pods", "a", namespace="default")["spec"] == {"nodeName": "n1"}


def test_a_replace_keeps_what_the_store_gave(view: ClusterObjects) -> None:
    made = view.create("pods", pod("a"))
    changed = view.replace("pods", pod("a", node="n1"))
    for key in ("uid", "creationTimestamp"):
        assert changed["metadata"][key] == made["metadata"][key]


def test_generation_grows_with_the_spec_only(view: ClusterObjects) -> None:
    made = view.create("pods", pod("a"))
    status = view.replace("pods", made | {"status": {"phase": "Running"}})
    assert status["metadata"]["generation"] == 1
    assert view.replace("pods", status | {"spec": {"nodeName": "n"}})["metadata"]["generation"] == 2


def test_an_equal_replace_is_no_change(view: ClusterObjects) -> None:
    made = view.create("pods", pod("a"))
    before = view.version
    assert version(view.replace("pods", made)) == version(made)
    assert view.version == before


def test_update_changes_a_copy(view: ClusterObjects) -> None:
    made = view.create("pods", pod("a"))

    def bind(item: dict[str, Any]) -> dict[str, Any]:
        item["spec"]["nodeName"] = "n1"
        return item

    assert view.update("pods", "a", bind, namespace="default")["spec"]["nodeName"] == "n1"
    assert made["spec"] == {}


def test_a_deleted_object_is_gone_with_a_new_version(view: ClusterObjects) -> None:
    made = view.create("pods", pod("a"))
    gone = view.delete("pods", "a", namespace="default")
    assert version(gone) > version(made)
    with pytest.raises(NotFoundError):
        view.get("pods", "a", namespace="default")
    with pytest.raises(NotFoundError):
        view.delete("pods", "a", namespace="default")


def test_lists_are_selected_and_sorted(view: ClusterObjects) -> None:
    for name, node in (("c", "n1"), ("a", "n1"), ("b", "n2")):
        view.create("pods", pod(name, node=node, app="x" if name < "c" else "y"))
    view.create("pods", pod("z", namespace="aa", app="x"))

    def names(**selectors: str) -> list[str]:
        return [item["metadata"]["name"] for item in view.list("pods", **selectors)]

    assert names() == ["z", "a", "b", "c"]
    assert names(namespace="default") == ["a", "b", "c"]
    assert names(field_selector="spec.nodeName=n1") == ["a", "c"]
    assert names(label_selector="app=x", namespace="default") == ["a", "b"]
    assert names(label_selector="app in (y,q)") == ["c"]


def test_objects_and_counter_survive_a_restart(tmp_path: Path) -> None:
    first = ObjectStore(tmp_path / "lab.db")
    made = first.cluster("demo").create("pods", pod("a"))
    first.cluster("demo").create("pods", pod("b"))
    gone = first.cluster("demo").delete("pods", "b", namespace="default")
    first.close()
    again = ObjectStore(tmp_path / "lab.db")
    view = again.cluster("demo")
    assert view.list("pods") == [made]
    assert view.version == version(gone)
    again.close()


async def test_a_dropped_cluster_leaves_nothing_and_ends_its_watches(store: ObjectStore, view: ClusterObjects) -> None:
    view.create("pods", pod("a"))
    store.cluster("other").create("pods", pod("b"))
    seen = []

    async def follow() -> None:
        async for kind, item in view.watch("pods", send_initial=True):
            seen.append((kind, item["metadata"]["name"]))

    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        group.create_task(follow())
        await asyncio.sleep(0)
        store.drop_cluster("demo")
    assert seen == [("ADDED", "a")]
    assert store.cluster("demo").list("pods") == []
    assert len(store.cluster("other").list("pods")) == 1


async def test_a_watch_sees_what_comes_after_its_version(view: ClusterObjects) -> None:
    made = view.create("pods", pod("a"))
    view.create("nodes", {"metadata": {"name": "n"}})
    view.replace("pods", made | {"spec": {"x": 1}})
    view.delete("pods", "a", namespace="default")
    async with aclosing(view.watch("pods", since=version(made))) as events:
        assert await take(events, 2) == [("MODIFIED", "a"), ("DELETED", "a")]
        view.create("pods", pod("b"))
        assert await take(events, 1) == [("ADDED", "b")]


async def test_a_deleted_event_has_the_newest_version(view: ClusterObjects) -> None:
    start = view.version
    view.create("pods", pod("a"))
    view.delete("pods", "a", namespace="default")
    async with aclosing(view.watch("pods", since=start)) as events:
        await take(events, 1)
        kind, item = await anext(events)
    assert (kind, version(item)) == ("DELETED", view.version)


async def test_a_watch_can_begin_with_what_is_there(view: ClusterObjects) -> None:
    view.create("pods", pod("a"))
    async with aclosing(view.watch("pods", send_initial=True)) as events:
        assert await take(events, 1) == [("ADDED", "a")]
        view.create("pods", pod("b"))
        assert await take(events, 1) == [("ADDED", "b")]


async def test_a_selector_makes_comings_and_goings(view: ClusterObjects) -> None:
    async with aclosing(view.watch("pods", since=view.version, field_selector="spec.nodeName=n1")) as events:
        waiting = asyncio.ensure_future(take(events, 3))
        await asyncio.sleep(0)
        made = view.create("pods", pod("a"))
        bound = view.replace("pods", made | {"spec": {"nodeName": "n1"}})
        changed = view.replace("pods", bound | {"status": {"phase": "Running"}})
        away = view.replace("pods", changed | {"spec": {"nodeName": "n2"}})
        assert await waiting == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
        assert version(away) == view.version


async def test_a_watch_of_one_node_is_not_woken_by_the_pods_of_others(view: ClusterObjects) -> None:
    async with aclosing(view.watch("pods", since=view.version, field_selector="spec.nodeName=n1")) as events:
        waiting = asyncio.ensure_future(take(events, 1))
        await asyncio.sleep(0)
        for number in range(100):
            view.create("pods", pod(f"other-{number}", node="n2"))
        assert not waiting.done()
        view.create("pods", pod("mine", node="n1"))
        assert await waiting == [("ADDED", "mine")]


async def test_an_unknown_version_has_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "_EVENTS_KEPT", 3)
    store = ObjectStore(tmp_path / "lab.db")
    view = store.cluster("demo")
    start = view.version
    for number in range(4):
        view.create("pods", pod(f"p{number}"))
    with pytest.raises(ExpiredError):
        await anext(view.watch("pods", since=start))
    with pytest.raises(ExpiredError):
        await anext(view.watch("pods", since=view.version + 1))
    async with aclosing(view.watch("pods", since=start + 1)) as events:
        assert await take(events, 3) == [("ADDED", "p1"), ("ADDED", "p2"), ("ADDED", "p3")]
    store.close()


async def test_a_watcher_that_never_reads_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "_QUEUE", 5)
    store = ObjectStore(tmp_path / "lab.db")
    view = store.cluster("demo")
    view.create("pods", pod("first"))
    events = view.watch("pods", send_initial=True)
    await anext(events)
    for number in range(10):
        view.create("pods", pod(f"p{number}"))
    async with asyncio.timeout(2):
        rest = [event async for event in events]
    assert len(rest) < 10
    store.close()
