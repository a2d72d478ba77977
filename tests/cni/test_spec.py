import json
from ipaddress import ip_address
from typing import Any

import pytest

from slash24.attach.link import Link
from slash24.attach.pods import Attached, GoneError
from slash24.cni import spec
from slash24.store.leases import BlockFullError, Lease

ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/x",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u1",
}
CONF = {"cniVersion": "1.0.0", "name": "slash24", "type": "slash24"}


def request(command: str = "ADD", conf: dict[str, Any] | None = None, **environment: str) -> spec.Request:
    values = {**ENVIRONMENT, "CNI_COMMAND": command, **environment}
    return spec.parse(values, json.dumps({**CONF, **(conf or {})}).encode())


def test_a_request_says_which_pod_it_is_for() -> None:
    wanted = request().attachment
    assert (wanted.pod_namespace, wanted.pod_name, wanted.pod_uid) == ("default", "web", "u1")
    assert (wanted.container_id, wanted.ifname, wanted.netns) == ("c1", "eth0", "/run/netns/x")


@pytest.mark.parametrize(
    ("command", "conf", "environment", "code"),
    [
        ("NOPE", {}, {}, spec.BAD_ENVIRONMENT),
        ("ADD", {}, {"CNI_CONTAINERID": ""}, spec.BAD_ENVIRONMENT),
        ("ADD", {}, {"CNI_CONTAINERID": "a/b"}, spec.BAD_ENVIRONMENT),
        ("ADD", {}, {"CNI_IFNAME": "a" * 16}, spec.BAD_ENVIRONMENT),
        ("ADD", {}, {"CNI_IFNAME": ".."}, spec.BAD_ENVIRONMENT),
        ("ADD", {}, {"CNI_NETNS": ""}, spec.BAD_ENVIRONMENT),
        ("ADD", {"cniVersion": "0.2.0"}, {}, spec.INCOMPATIBLE_VERSION),
        ("ADD", {"cniVersion": "9.0.0"}, {}, spec.INCOMPATIBLE_VERSION),
        ("CHECK", {"cniVersion": "0.3.1"}, {}, spec.INCOMPATIBLE_VERSION),
        ("STATUS", {"cniVersion": "1.0.0"}, {}, spec.INCOMPATIBLE_VERSION),
        ("ADD", {"name": ""}, {}, spec.BAD_CONFIG),
        ("ADD", {"name": "a b"}, {}, spec.BAD_CONFIG),
        ("ADD", {"ipam": {"type": "host-local"}}, {}, spec.UNSUPPORTED_FIELD),
    ],
)
def test_a_bad_request_has_the_specifications_code(
    command: str, conf: dict[str, Any], environment: dict[str, str], code: int
) -> None:
    with pytest.raises(spec.CniError) as error:
        request(command, conf, **environment)
    assert error.value.cni_code == code


def test_what_is_no_json_is_said_so() -> None:
    for stdin in (b"", b"{", b"[]", b"\xff"):
        with pytest.raises(spec.CniError) as error:
            spec.parse(ENVIRONMENT, stdin)
        assert error.value.cni_code == spec.BAD_JSON


def test_a_del_needs_no_namespace() -> None:
    assert request("DEL", CNI_NETNS="").attachment.netns == ""


@pytest.mark.parametrize("version", spec.VERSIONS)
def test_adds_result_has_the_form_of_its_version(version: str) -> None:
    ip = ip_address("192.168.0.1")
    lease = Lease(ip, "c1", "eth0", 1, "x", "s24p1", "/run/netns/x", "", "", "")
    link = Link("s24p1", 9, "eth0", "02:00:c0:a8:00:01", ip, 1450)
    result = spec.add_result(request(conf={"cniVersion": version}), Attached(lease, link))
    assert result["cniVersion"] == version
    assert result["ips"][0]["address"] == "192.168.0.1/32"
    assert result["ips"][0].get("version") == ("4" if version < "1" else None)
    assert [entry.get("mtu") for entry in result["interfaces"]] == [1450 if version == "1.1.0" else None] * 2
    assert result["interfaces"][1]["sandbox"] == "/run/netns/x"
    assert result["interfaces"][result["ips"][0]["interface"]]["name"] == "eth0"


def test_errors_have_codes() -> None:
    full = spec.error_result("1.0.0", BlockFullError("full", fix="add a node"))
    assert full == {"cniVersion": "1.0.0", "code": 11, "msg": "full", "details": "add a node"}
    assert spec.error_result("", GoneError("gone"))["code"] == spec.UNKNOWN_CONTAINER


def test_gc_and_check_read_their_lists() -> None:
    listed = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}]}
    assert spec.valid_attachments(request("GC", listed)) == [("a", "eth0")]
    previous = {"prevResult": {"ips": [{"address": "192.168.0.1/32"}]}}
    assert spec.previous_addresses(request("CHECK", previous)) == [ip_address("192.168.0.1")]
    for bad in ({}, {"prevResult": {"ips": [{"address": "x"}]}}):
        with pytest.raises(spec.CniError):
            spec.previous_addresses(request("CHECK", bad))
