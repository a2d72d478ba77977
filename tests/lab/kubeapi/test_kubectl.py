"""The commands that users type, with the real kubectl."""

import json
import subprocess
import time

import pytest

from tests.lab.kubeapi.conftest import Cluster, node, pod

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "1"}}
WEB = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "main", "image": "agnhost", "ports": [{"containerPort": 80}]}]},
}


def test_it_tells_its_version_and_kinds(cluster: Cluster) -> None:
    version = cluster.kubectl("version", "-o", "json")
    assert version.json["serverVersion"]["minor"] == "37"
    assert version.err == ""
    names = cluster.kubectl("api-resources", "-o", "name").out.split()
    assert {"pods", "nodes", "namespaces", "configmaps", "events", "leases.coordination.k8s.io"} < set(names)
    assert "nodenetworkconfigs.acn.azure.com" in names
    assert "acn.azure.com/v1alpha" in cluster.kubectl("api-versions").out.split()


def test_a_new_cluster_has_its_namespaces(cluster: Cluster) -> None:
    rows = cluster.kubectl("get", "ns").table()
    assert rows[0] == ["NAME", "STATUS", "AGE"]
    assert [row[:2] for row in rows[1:]] == [
        [name, "Active"] for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]


def test_a_config_map_lives_its_life(cluster: Cluster) -> None:
    assert cluster.apply(CONFIG_MAP).out == "configmap/cm created\n"
    assert cluster.apply(CONFIG_MAP).out == "configmap/cm unchanged\n"
    assert cluster.apply(CONFIG_MAP | {"data": {"b": "2"}}).out == "configmap/cm configured\n"
    assert cluster.kubectl("get", "cm", "cm", "-o", "jsonpath={.data}").out == '{"b":"2"}'
    assert cluster.kubectl("label", "cm", "cm", "x=y").out == "configmap/cm labeled\n"
    assert cluster.kubectl("get", "cm", "-l", "x=y", "-o", "name").out == "configmap/cm\n"
    assert cluster.kubectl("label", "cm", "cm", "x-").out == "configmap/cm unlabeled\n"
    assert cluster.kubectl("annotate", "cm", "cm", "note=hello").out == "configmap/cm annotated\n"
    assert cluster.kubectl("delete", "cm", "cm").out.startswith('configmap "cm" deleted')
    assert 'configmaps "cm" not found' in cluster.run("get", "cm", "cm").err


def test_kubectl_creates_small_kinds_by_itself(cluster: Cluster) -> None:
    cluster.kubectl("create", "ns", "team-a")
    cluster.kubectl("create", "cm", "c1", "--from-literal=k=v", "-n", "team-a")
    cluster.kubectl("create", "sa", "robot")
    assert cluster.kubectl("get", "cm", "c1", "-n", "team-a", "-o", "jsonpath={.data.k}").out == "v"
    refused = cluster.run("create", "cm", "c1", "-n", "team-a")
    assert refused.code == 1
    assert refused.err == 'error: failed to create configmap: configmaps "c1" already exists\n'
    assert 'namespaces "nowhere" not found' in cluster.run("create", "cm", "c1", "-n", "nowhere").err


def test_a_pod_by_apply_gets_its_defaults_and_stays_as_it_is(cluster: Cluster) -> None:
    assert cluster.apply(WEB).out == "pod/web created\n"
    assert cluster.apply(WEB).out == "pod/web unchanged\n"
    spec = cluster.kubectl("get", "pod", "web", "-o", "json").json["spec"]
    assert spec["restartPolicy"] == "Always"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert spec["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    other_image = json.loads(json.dumps(WEB))
    other_image["spec"]["containers"][0]["image"] = "agnhost:2"
    assert cluster.apply(other_image).out == "pod/web configured\n"
    other_image["spec"]["containers"][0]["command"] = ["sleep"]
    refused = cluster.run("apply", "-f", "-", stdin=json.dumps(other_image))
    assert refused.code == 1
    assert "pod updates may not change fields other than" in refused.err


def test_apply_tells_a_spelling_mistake(cluster: Cluster) -> None:
    wrong = json.loads(json.dumps(WEB))
    wrong["spec"]["containers"][0]["imagee"] = "x"
    wrong["spec"]["restartPolicyy"] = "Never"
    refused = cluster.run("apply", "-f", "-", stdin=json.dumps(wrong))
    assert refused.code == 1
    assert 'strict decoding error: unknown field "spec.containers[0].imagee"' in refused.err
    assert 'unknown field "spec.restartPolicyy"' in refused.err
    warned = cluster.run("apply", "--validate=warn", "-f", "-", stdin=json.dumps(wrong))
    assert warned.code == 0
    assert 'Warning: unknown field "spec.restartPolicyy"' in warned.err


def test_run_and_delete(cluster: Cluster) -> None:
    assert cluster.kubectl("run", "box", "--image=agnhost", "--", "pause").out == "pod/box created\n"
    assert cluster.kubectl("get", "pod", "box", "-o", "jsonpath={.spec.containers[0].args}").out == '["pause"]'
    assert cluster.kubectl("delete", "pod", "box").code == 0
    assert cluster.kubectl("get", "pods").err == "No resources found in default namespace.\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Upper", 'The Pod "Upper" is invalid: metadata.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain'),
        ("a" * 254, "must be no more than 253 "),
    ],
)
def test_a_bad_name_is_refused(cluster: Cluster, name: str, message: str) -> None:
    refused = cluster.run("run", name, "--image=agnhost")
    assert refused.code == 1
    assert message in refused.err


def test_pods_in_tables(cluster: Cluster) -> None:
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    entry = {"name": "main", "image": "agnhost", "imageID": "", "ready": True, "restartCount": 0, "state": running}
    status = {"phase": "Running", "podIP": "10.244.0.5", "podIPs": [{"ip": "10.244.0.5"}]}
    cluster.create("pods", pod("up", node="n1") | {"status": status | {"containerStatuses": [entry]}})
    loop = entry | {
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:00:00Z"}},
    }
    cluster.create("pods", pod("loop", node="n1") | {"status": status | {"containerStatuses": [loop]}})
    image = entry | {"ready": False, "state": {"waiting": {"reason": "ErrImagePull"}}}
    cluster.create("pods", pod("image") | {"status": {"phase": "Pending", "containerStatuses": [image]}})
    done = entry | {"ready": False, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    cluster.create("pods", pod("done") | {"status": {"phase": "Succeeded", "containerStatuses": [done]}})
    cluster.create("pods", pod("new"))
    rows = cluster.kubectl("get", "pods").table()
    assert rows[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [row[:3] for row in rows[1:]] == [
        ["done", "0/1", "Completed"],
        ["image", "0/1", "ErrImagePull"],
        ["loop", "0/1", "CrashLoopBackOff"],
        ["new", "0/1", "Pending"],
        ["up", "1/1", "Running"],
    ]
    assert rows[3][3].startswith("3 (")
    wide = cluster.kubectl("get", "pods", "up", "-o", "wide").table()
    assert wide[0][5:] == ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert wide[1][5:] == ["10.244.0.5", "n1", "<none>", "<none>"]
    assert cluster.kubectl("get", "pods", "-A", "--no-headers").table()[0][0] == "default"
    assert len(cluster.kubectl("get", "pods", "--chunk-size=2", "-o", "name").out.split()) == 5
    assert cluster.kubectl("get", "pods", "--field-selector=status.phase=Pending", "-o", "name").out.split() == [
        "pod/image", "pod/new"
    ]  # fmt: skip
    by_age = cluster.kubectl("get", "pods", "--sort-by=.metadata.creationTimestamp", "--no-headers").table()
    assert len(by_age) == 5


def test_nodes_in_tables_and_described(cluster: Cluster) -> None:
    cluster.create("nodes", node("n1"))
    cluster.create("nodes", node("n2", ready="False"))
    cluster.create("pods", pod("web", node="n1", phase="Running"))
    rows = cluster.kubectl("get", "nodes", "-o", "wide").table()
    assert rows[0] == [
        "NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION",
        "CONTAINER-RUNTIME",
    ]  # fmt: skip
    assert [row[:3] for row in rows[1:]] == [["n1", "Ready", "<none>"], ["n2", "NotReady", "<none>"]]
    assert rows[1][5] == "10.224.0.4"
    text = cluster.kubectl("describe", "node", "n1").out
    assert "Non-terminated Pods:          (1 in total)" in text
    assert "10.244.0.0/24" in text
    cluster.kubectl("cordon", "n1")
    assert cluster.kubectl("get", "nodes").table()[1][1] == "Ready,SchedulingDisabled"
    cluster.kubectl("uncordon", "n1")
    cluster.kubectl("taint", "node", "n1", "k=v:NoSchedule")
    assert cluster.kubectl("get", "node", "n1", "-o", "jsonpath={.spec.taints}").out == (
        '[{"effect":"NoSchedule","key":"k","value":"v"}]'
    )


def test_a_pod_described_with_its_events(cluster: Cluster) -> None:
    made = cluster.create("pods", pod("web"))
    about = {"kind": "Pod", "name": "web", "namespace": "default", "uid": made["metadata"]["uid"]}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "involvedObject": about,
        "reason": "FailedScheduling",
        "message": "no nodes available to schedule pods",
        "type": "Warning",
        "source": {"component": "default-scheduler"},
        "firstTimestamp": made["metadata"]["creationTimestamp"],
        "lastTimestamp": made["metadata"]["creationTimestamp"],
        "count": 1,
    }
    cluster.create("events", event)
    text = cluster.kubectl("describe", "pod", "web").out
    assert "FailedScheduling" in text
    assert "no nodes available to schedule pods" in text
    rows = cluster.kubectl("get", "events").table()
    assert rows[0] == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert rows[1][1:] == ["Warning", "FailedScheduling", "pod/web", "no nodes available to schedule pods"]
    assert "FailedScheduling" in cluster.kubectl("events").out


def test_a_bound_pod_ends_when_its_kubelet_says_so(cluster: Cluster) -> None:
    cluster.create("nodes", node("n1"))
    cluster.create("pods", pod("web", node="n1", phase="Running"))
    waiting = cluster.popen("delete", "pod", "web", stdout=subprocess.PIPE)
    for _ in range(100):
        found = cluster.server.call(cluster.objects.get, "pods", "web", namespace="default")
        if found["metadata"].get("deletionTimestamp"):
            break
        time.sleep(0.02)
    assert found["metadata"]["deletionGracePeriodSeconds"] == 30
    assert cluster.kubectl("get", "pods").table()[1][2] == "Terminating"
    assert waiting.poll() is None
    cluster.kubectl("delete", "pod", "web", "--force", "--grace-period=0")
    assert waiting.wait(5) == 0
    assert waiting.stdout is not None
    waiting.stdout.close()


def test_wait_sees_a_condition_and_a_deletion(cluster: Cluster) -> None:
    cluster.create("nodes", node("n1", ready="False"))
    waiting = cluster.popen("wait", "--for=condition=Ready", "node/n1", "--timeout=10s")
    time.sleep(0.3)
    assert waiting.poll() is None
    cluster.change("nodes", "n1", "", status=node("n1")["status"])
    assert waiting.wait(5) == 0
    cluster.create("pods", pod("web"))
    gone = cluster.popen("wait", "--for=delete", "pod/web", "--timeout=10s")
    time.sleep(0.3)
    cluster.server.call(cluster.objects.delete, "pods", "web", namespace="default")
    assert gone.wait(5) == 0


def test_get_w_prints_changes(cluster: Cluster) -> None:
    cluster.create("pods", pod("a"))
    watching = cluster.popen("get", "pods", "-w", stdout=subprocess.PIPE)
    assert watching.stdout is not None
    assert watching.stdout.readline().split()[:2] == ["NAME", "READY"]
    assert watching.stdout.readline().split()[0] == "a"
    cluster.create("pods", pod("b"))
    assert watching.stdout.readline().split()[0] == "b"
    cluster.change("pods", "b", status={"phase": "Running"})
    assert watching.stdout.readline().split()[2] == "Running"
    watching.terminate()
    watching.wait(5)
    watching.stdout.close()


def test_a_namespace_goes_with_what_is_in_it(cluster: Cluster) -> None:
    cluster.kubectl("create", "ns", "gone")
    cluster.kubectl("create", "cm", "c", "-n", "gone")
    cluster.create("nodes", node("n1"))
    held = pod("held", node="n1", phase="Running")
    held["metadata"]["namespace"] = "gone"
    cluster.create("pods", held)
    waiting = cluster.popen("delete", "ns", "gone", stdout=subprocess.DEVNULL)
    for _ in range(100):
        if cluster.kubectl("get", "ns", "gone").table()[1][1] == "Terminating":
            break
    refused = cluster.run("create", "cm", "d", "-n", "gone")
    assert "because it is being terminated" in refused.err
    cluster.kubectl("delete", "pod", "held", "-n", "gone", "--force", "--grace-period=0")
    assert waiting.wait(5) == 0
    assert 'namespaces "gone" not found' in cluster.run("get", "ns", "gone").err
    assert cluster.run("delete", "ns", "kube-system").code == 1


def test_logs(cluster: Cluster) -> None:
    cluster.create("pods", pod("web", node="n1", phase="Running"))
    assert cluster.kubectl("logs", "web").out == "one\ntwo\nthree\n"
    assert cluster.kubectl("logs", "web", "--tail=1").out == "three\n"
    assert cluster.kubectl("logs", "-f", "web").out == "one\ntwo\nthree\nlate\n"
    refused = cluster.run("logs", "web", "--previous")
    assert refused.code == 1
    assert refused.err == (
        'Error from server (BadRequest): previous terminated container "main" in pod "web" not found\n'
    )
    cluster.create("pods", pod("unbound"))
    assert "does not have a host assigned" in cluster.run("logs", "unbound").err


def test_exec(cluster: Cluster) -> None:
    cluster.create("pods", pod("web", node="n1", phase="Running"))
    assert cluster.kubectl("exec", "web", "--", "echo", "hello", "world").out == "hello world\n"
    assert cluster.kubectl("exec", "-i", "web", "--", "cat", stdin="from stdin").out == "from stdin"
    failed = cluster.run("exec", "web", "--", "fail", "3")
    assert (failed.code, failed.err.splitlines()) == (3, ["sorry", "command terminated with exit code 3"])
    request = cluster.server.kubelets.requests[-1]
    assert (request["verb"], request["command"], request["node"], request["cluster"], request["container"]) == (
        "exec", ["fail", "3"], "n1", cluster.key, "main",
    )  # fmt: skip
    cluster.create("pods", pod("ended", node="n1", phase="Succeeded"))
    assert "cannot exec into a container in a completed pod" in cluster.run("exec", "ended", "--", "id").err
    cluster.create("pods", pod("lost", node="dead", phase="Running"))
    assert "the kubelet of node dead can't be reached" in cluster.run("exec", "lost", "--", "id").err


def test_a_custom_resource_is_patched_by_merge_only(cluster: Cluster) -> None:
    config = {
        "apiVersion": "acn.azure.com/v1alpha",
        "kind": "NodeNetworkConfig",
        "metadata": {"name": "n1", "namespace": "kube-system"},
        "spec": {"requestedIPCount": 0},
    }
    cluster.apply(config)
    assert cluster.apply(config | {"spec": {"requestedIPCount": 16}}).out.endswith("configured\n")
    rows = cluster.kubectl("get", "nnc", "-A").table()
    assert rows[0][:2] == ["NAMESPACE", "NAME"]
    assert rows[1][1] == "n1"
    refused = cluster.run("patch", "nnc", "n1", "-n", "kube-system", "-p", '{"spec":{"x":1}}')
    assert refused.code == 1
    assert "is not supported by" in refused.err or "unknown format" in refused.err


def test_dry_run_diff_patch_replace_and_edit(cluster: Cluster) -> None:
    cluster.apply(CONFIG_MAP)
    assert cluster.apply(CONFIG_MAP).code == 0
    changed = json.dumps(CONFIG_MAP | {"data": {"a": "2"}})
    assert "server dry run" in cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=changed).out
    different = cluster.run("diff", "-f", "-", stdin=changed)
    assert different.code == 1
    assert '+  a: "2"' in different.out
    assert cluster.kubectl("get", "cm", "cm", "-o", "jsonpath={.data.a}").out == "1"
    cluster.kubectl("patch", "cm", "cm", "--type=json", "-p", '[{"op":"replace","path":"/data/a","value":"3"}]')
    assert cluster.kubectl("get", "cm", "cm", "-o", "jsonpath={.data.a}").out == "3"
    cluster.kubectl("patch", "cm", "cm", "-p", '{"data":{"b":"4"}}')
    cluster.kubectl("replace", "-f", "-", stdin=changed)
    assert cluster.kubectl("get", "cm", "cm", "-o", "jsonpath={.data}").out == '{"a":"2"}'


def test_server_side_apply(cluster: Cluster) -> None:
    text = json.dumps(CONFIG_MAP)
    assert cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text).out == ("configmap/cm serverside-applied\n")
    other = json.dumps(CONFIG_MAP | {"data": {"a": "2"}})
    conflict = cluster.run("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert conflict.code == 1
    assert 'conflict with "kubectl": .data.a' in conflict.err
    cluster.kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=other)
    assert cluster.kubectl("get", "cm", "cm", "-o", "jsonpath={.data.a}").out == "2"
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(CONFIG_MAP | {"data": {"b": "1"}}))
    assert cluster.kubectl("get", "cm", "cm", "-o", "jsonpath={.data}").out == '{"a":"2","b":"1"}'


def test_who_may_do_what(cluster: Cluster) -> None:
    assert cluster.kubectl("auth", "can-i", "create", "pods").out == "yes\n"
    assert "admin" in cluster.kubectl("auth", "whoami").out


def test_drain_evicts(cluster: Cluster) -> None:
    cluster.create("nodes", node("n1"))
    cluster.create("pods", pod("web", node="n1", phase="Running", terminationGracePeriodSeconds=0))
    done = cluster.kubectl("drain", "n1", "--force")
    assert "pod/web evicted" in done.out
    assert cluster.kubectl("get", "pods", "-o", "name").out == ""


def test_what_is_not_there_says_so(cluster: Cluster) -> None:
    assert 'pods "no" not found' in cluster.run("get", "pod", "no").err
    assert 'the server doesn\'t have a resource type "deployments"' in cluster.run("get", "deployments").err
    assert 'no matches for kind "Deployment"' in cluster.run(
        "apply", "-f", "-", stdin='{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"}}'
    ).err  # fmt: skip
    assert "the server could not find the requested resource" in cluster.run("get", "--raw", "/nowhere").err


def test_a_wrong_token_is_unauthorized(cluster: Cluster) -> None:
    refused = cluster.run("get", "pods", "--token=wrong", "--request-timeout=5s")
    assert refused.code == 1
    assert "You must be logged in to the server" in refused.err


def test_get_all_gets_the_pods(cluster: Cluster) -> None:
    cluster.create("pods", pod("web"))
    assert cluster.kubectl("get", "all").table()[1][0] == "web"
