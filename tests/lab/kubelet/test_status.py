"""The status of a pod, from what its containers do."""

from typing import Any

import pytest

from slash24.lab.kubelet.container import Ended
from slash24.lab.kubelet.status import ContainerState, ContainerStates, PodState, compute, phase

NOW, BEFORE = "2026-01-01T00:00:10Z", "2026-01-01T00:00:00Z"


def ended(code: int) -> Ended:
    return Ended(code, 0, BEFORE, NOW, "slash24://x", "Completed" if code == 0 else "Error")


def state(what: str) -> ContainerState:
    fresh = ContainerState(what, "busybox")
    if what == "running":
        fresh.started_at, fresh.waiting, fresh.ready, fresh.started = NOW, None, True, True
    elif what.startswith("exit"):
        fresh.ended, fresh.waiting = ended(int(what[4:])), None
    elif what == "backoff":
        fresh.ended, fresh.waiting = ended(1), ("CrashLoopBackOff", "back-off")
    return fresh


@pytest.mark.parametrize(
    ("policy", "containers", "expected"),
    [
        ("Always", ["waiting"], "Pending"),
        ("Always", ["running", "waiting"], "Pending"),
        ("Always", ["running"], "Running"),
        ("Always", ["exit0"], "Running"),
        ("Always", ["backoff"], "Running"),
        ("OnFailure", ["exit0", "exit0"], "Succeeded"),
        ("OnFailure", ["exit0", "backoff"], "Running"),
        ("Never", ["exit0", "running"], "Running"),
        ("Never", ["exit0", "exit1"], "Failed"),
        ("Never", ["exit0"], "Succeeded"),
    ],
)
def test_the_phase_is_a_kubelets(policy: str, containers: list[str], expected: str) -> None:
    assert phase(policy, True, [state(one) for one in containers]) == expected


def conditions(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in status["conditions"]}


def test_conditions_keep_their_time_until_they_change_and_those_of_others() -> None:
    pod = PodState("Always", "10.224.0.4", BEFORE, has_sandbox=True, addresses=["10.244.0.5"])
    old = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": BEFORE},
        {"type": "Ready", "status": "False", "lastTransitionTime": BEFORE},
        {"type": "Initialized", "status": "True", "lastTransitionTime": BEFORE},
    ]
    status = compute(pod, ContainerStates([state("running")]), old, NOW)
    found = conditions(status)
    assert found["PodScheduled"] == old[0]
    assert (found["Ready"]["status"], found["Ready"]["lastTransitionTime"]) == ("True", NOW)
    assert found["Initialized"]["lastTransitionTime"] == BEFORE
    assert (status["podIP"], status["hostIPs"]) == ("10.244.0.5", [{"ip": "10.224.0.4"}])


def test_unready_containers_are_named() -> None:
    pod = PodState("Always", "10.224.0.4", BEFORE, has_sandbox=True)
    found = conditions(compute(pod, ContainerStates([state("running"), state("backoff")]), [], NOW))
    assert found["Ready"]["reason"] == "ContainersNotReady"
    assert found["ContainersReady"]["message"] == "containers with unready status: [backoff]"


def test_a_container_status_has_what_strict_clients_require() -> None:
    for what in ("waiting", "running", "exit3", "backoff"):
        status = state(what).status()
        assert {"name", "image", "imageID", "ready", "restartCount", "state", "lastState", "started"} <= set(status)
        assert len(status["state"]) == 1
    assert state("backoff").status()["lastState"]["terminated"]["exitCode"] == 1


def test_an_init_container_that_failed_for_good_fails_the_pod() -> None:
    pod = PodState("Never", "10.224.0.4", BEFORE, initialized=False)
    waiting = state("waiting")
    status = compute(pod, ContainerStates([waiting], [state("exit1")]), [], NOW)
    assert status["phase"] == "Failed"


def test_a_container_that_runs_is_ready_when_its_probes_say_so() -> None:
    pod = PodState("Always", "10.224.0.4", BEFORE, has_sandbox=True)
    unready = state("running")
    unready.ready = False
    status = compute(pod, ContainerStates([unready]), [], NOW)
    assert status["phase"] == "Running"
    assert conditions(status)["ContainersReady"]["message"] == "containers with unready status: [running]"
    assert (status["containerStatuses"][0]["ready"], status["containerStatuses"][0]["started"]) == (False, True)


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ([], 'corresponding condition of pod readiness gate "lb" does not exist.'),
        ([{"type": "lb", "status": "False"}], 'the status of pod readiness gate "lb" is not "True", but False'),
        ([{"type": "lb", "status": "True"}], None),
    ],
)
def test_readiness_gates_hold_ready_but_not_the_containers(old: list[dict[str, Any]], message: str | None) -> None:
    pod = PodState("Always", "10.224.0.4", BEFORE, has_sandbox=True, gates=("lb",))
    found = conditions(compute(pod, ContainerStates([state("running")]), old, NOW))
    assert found["ContainersReady"]["status"] == "True"
    assert found["Ready"]["status"] == ("False" if message else "True")
    assert found["Ready"].get("message") == message


def test_a_sidecar_counts_for_readiness_and_for_the_beginning() -> None:
    pod = PodState("Always", "10.224.0.4", BEFORE, has_sandbox=True, initialized=False)
    sidecar = state("waiting")
    found = conditions(compute(pod, ContainerStates([state("running")], [sidecar], [sidecar]), [], NOW))
    assert found["Initialized"]["message"] == "containers with incomplete status: [waiting]"
    assert found["Ready"]["message"] == "containers with unready status: [waiting]"


def test_a_pod_that_was_ended_has_failed_whatever_its_containers_said() -> None:
    pod = PodState("Always", "10.224.0.4", BEFORE, failure=("DeadlineExceeded", "too long"))
    status = compute(pod, ContainerStates([state("exit0")]), [], NOW)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "DeadlineExceeded", "too long")
    assert conditions(status)["Ready"]["reason"] == "PodFailed"
