import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from slash24.store.leases import (
    OWNED,
    AttachedError,
    BlockFullError,
    Lease,
    Leases,
    NodeSettings,
    StoreError,
)

NODE = NodeSettings("n1", "10.224.0.4", ("192.168.0.0/28",), ("192.168.0.0",), 1450)


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    store = Leases(tmp_path / "leases.db", boot="b1")
    store.configure(NODE)
    yield store
    store.close()


def take(leases: Leases, container: str, *, uid: str = "") -> Lease:
    lease = leases.reserve(container, "eth0", attempt=container, host_veth=f"v-{container}", netns="", pod_uid=uid)
    assert leases.own(lease)
    return lease


def test_every_address_of_a_block_but_the_reserved_is_given_out_and_then_none(leases: Leases) -> None:
    given = [take(leases, f"c{number}").ip for number in range(15)]
    assert given == [ip_address("192.168.0.1") + number for number in range(15)]
    with pytest.raises(BlockFullError, match=r"^not enough IPs available of type IPv4 for c15, waiting on") as error:
        take(leases, "c15")
    assert "node n1: all 15 pod addresses of 192.168.0.0/28 are in use" in str(error.value)


def test_the_address_released_longest_ago_is_used_first_and_never_refused(leases: Leases) -> None:
    held = [take(leases, f"c{number}") for number in range(15)]
    order = [held[9], held[2], held[5]]
    for lease in order:
        leases.release(lease)
    assert [take(leases, f"d{number}").ip for number in range(3)] == [lease.ip for lease in order]


def test_a_block_can_be_replaced_all_at_once_again_and_again(leases: Leases) -> None:
    for turn in range(3):
        held = [take(leases, f"c{turn}-{number}") for number in range(15)]
        assert len({lease.ip for lease in held}) == 15
        for lease in held:
            leases.release(lease)
    assert leases.free_count() == 15


def test_an_attachment_has_one_address(leases: Leases) -> None:
    take(leases, "c1")
    with pytest.raises(AttachedError, match="attached already"):
        take(leases, "c1")


def test_an_add_that_its_del_overtook_is_refused_once(leases: Leases) -> None:
    leases.bury("c1", "eth0", 1000)
    with pytest.raises(AttachedError, match="late ADD"):
        take(leases, "c1")
    assert take(leases, "c1").state == 0


def test_a_tombstone_is_forgotten_and_a_clock_that_is_set_back_does_not_keep_it(leases: Leases) -> None:
    leases.bury("c1", "eth0", 1000)
    leases.bury("c2", "eth0", 2000)
    take(leases, "c1")
    leases.bury("c3", "eth0", 10)
    take(leases, "c2")


def test_a_release_of_an_old_lease_does_not_free_the_new_owners_address(leases: Leases) -> None:
    old = take(leases, "c1")
    leases.release(old)
    for number in range(14):
        take(leases, f"x{number}")
    again = take(leases, "new")
    assert again.ip == old.ip
    leases.release(old)
    leases.dying(old)
    assert not leases.own(old)
    found = leases.find("new", "eth0")
    assert found is not None
    assert found.state == OWNED


def test_leases_of_another_boot_are_void_at_once(leases: Leases, tmp_path: Path) -> None:
    for number in range(10):
        take(leases, f"c{number}")
    leases.put("status", "ready")
    with_same = Leases(tmp_path / "leases.db", boot="b1")
    assert len(with_same.all()) == 10
    with_same.close()
    rebooted = Leases(tmp_path / "leases.db", boot="b2")
    assert rebooted.all() == []
    assert rebooted.free_count() == 15
    assert rebooted.get("status") == ""
    assert rebooted.settings() == NODE
    rebooted.close()


def test_a_changed_block_keeps_the_leases_of_the_old_one_until_they_end(leases: Leases) -> None:
    lease = take(leases, "c1")
    leases.configure(NodeSettings("n1", "10.224.0.4", ("192.168.7.0/28",), (), 1450))
    assert str(take(leases, "c2").ip) == "192.168.7.0"
    assert leases.find("c1", "eth0") == leases.all()[0]
    leases.release(lease)
    assert leases.free_count() == 15
    assert {str(lease.ip) for lease in leases.all()} == {"192.168.7.0"}


def test_pods_are_found_by_their_uid(leases: Leases) -> None:
    take(leases, "c1", uid="u1")
    take(leases, "c2")
    assert [lease.container_id for lease in leases.of_pod("u1")] == ["c1"]
    assert leases.of_pod("") == []


def test_two_owners_of_an_address_are_against_the_schema(leases: Leases, tmp_path: Path) -> None:
    take(leases, "c1")
    raw = sqlite3.connect(tmp_path / "leases.db")
    for sql in (
        "update address set container_id='c1', ifname='eth0', state=1, host_veth='w' where ip=x'c0a80005'",
        "insert into address(ip) values(x'c0a80001')",
        "update address set container_id='c9' where ip=x'c0a80006'",
        "update address set container_id='c9', ifname='eth0', state=1, host_veth='v-c1' where ip=x'c0a80006'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(sql)
    raw.close()


def test_a_store_that_is_no_store_or_too_new_is_refused_with_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "leases.db"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError, match=r"leases\.db can't be used"):
        Leases(path, boot="b")
    path.unlink()
    Leases(path, boot="b").close()
    raw = sqlite3.connect(path)
    raw.execute("pragma user_version=99")
    raw.close()
    with pytest.raises(StoreError, match="schema 99"):
        Leases(path, boot="b")


def test_a_killed_writer_leaves_a_whole_store(tmp_path: Path) -> None:
    path = tmp_path / "leases.db"
    first = Leases(path, boot="b")
    first.configure(NODE)
    first.close()
    for _ in range(3):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            store = Leases(path, boot="b")
            os.write(writer, b"x")
            for number in range(1 << 30):
                container = f"{os.getpid()}-{number}"
                lease = store.reserve(container, "eth0", attempt=container, host_veth=container, netns="")
                store.own(lease)
                store.release(lease)
        os.read(reader, 1)
        time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)
        store = Leases(path, boot="b")
        assert len(store.all()) <= 1
        for lease in store.all():
            store.release(lease)
        assert store.free_count() == 15
        store.close()


class Allocator(RuleBasedStateMachine):
    """Two writers on one store, against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "leases.db"
        self.stores = [Leases(path, boot="b"), Leases(path, boot="b")]
        self.stores[0].configure(NodeSettings("n", "", ("10.0.0.0/30",), (), 1450))
        self.owners: dict[str, Lease] = {}
        self.stale: list[Lease] = []
        self.count = 0

    @rule(which=st.integers(0, 1), name=st.sampled_from("abcdef"))
    def add(self, which: int, name: str) -> None:
        self.count += 1
        try:
            lease = self.stores[which].reserve(name, "eth0", attempt=str(self.count), host_veth=f"v{name}", netns="")
        except AttachedError:
            assert name in self.owners
        except BlockFullError:
            assert len(self.owners) == 4
        else:
            assert name not in self.owners
            assert lease.ip not in {other.ip for other in self.owners.values()}
            assert self.stores[1 - which].own(lease)
            self.owners[name] = lease

    @precondition(lambda self: self.owners)
    @rule(which=st.integers(0, 1), data=st.data())
    def delete(self, which: int, data: st.DataObject) -> None:
        lease = self.owners.pop(data.draw(st.sampled_from(sorted(self.owners))))
        self.stores[which].release(lease)
        self.stale.append(lease)

    @precondition(lambda self: self.stale)
    @rule(which=st.integers(0, 1), data=st.data())
    def delete_again(self, which: int, data: st.DataObject) -> None:
        self.stores[which].release(data.draw(st.sampled_from(self.stale)))

    @invariant()
    def both_stores_agree_with_the_model(self) -> None:
        want = {name: lease.ip for name, lease in self.owners.items()}
        for store in self.stores:
            assert {lease.container_id: lease.ip for lease in store.all()} == want
            assert store.free_count() == 4 - len(want)

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()


TestAllocator = Allocator.TestCase
TestAllocator.settings = hypothesis_settings(max_examples=20, stateful_step_count=25, deadline=None)
