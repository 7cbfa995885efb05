"""The control plane that the other tests stand on."""

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from cluster import ApiError, Cluster, ClusterError, populate_pods  # noqa: E402

READ_ONE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: "odd/na+me"}
"""

# A test that dies: it starts a cluster in a thread that ends, leaves a fork
# behind that holds its pipes, and says where its files and servers are.
DYING = """
import os, sys, threading, time
sys.path.insert(0, sys.argv[1])
from cluster import Cluster
cluster = Cluster(nodes=1, controllers=False)
thread = threading.Thread(target=cluster.start)
thread.start()
thread.join()
if sys.argv[2] == "paused":
    cluster.pause_apiserver()
    cluster.pause_etcd()
if os.fork() == 0:
    os.close(1)
    os.close(2)
    time.sleep(100)
    os._exit(0)
print(cluster.directory, cluster.supervisor.process.pid, flush=True)
time.sleep(200)
"""


@pytest.fixture(scope="module")
def cluster():
    with Cluster(nodes=2, audit=True, users={"early": ["birds"]}) as made:
        yield made


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def processes_in(directory):
    """The processes that have a folder's name among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(directory).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def gone(directory):
    deadline = time.monotonic() + 60
    while processes_in(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("victim", ["test", "supervisor", "paused"])
def test_nothing_outlives_a_killed_test(victim):
    process = subprocess.Popen([sys.executable, "-c", DYING, str(HERE), victim], stdout=subprocess.PIPE, text=True)
    directory, supervisor = process.stdout.readline().split()
    try:
        assert len(processes_in(directory)) >= 4
        os.kill(int(supervisor) if victim == "supervisor" else process.pid, signal.SIGKILL)
        assert gone(directory)
        if victim != "supervisor":
            assert not Path(directory).exists()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        subprocess.run(["rm", "-rf", directory], check=True)


def test_clusters_stand_side_by_side(cluster):
    with Cluster(nodes=0, controllers=False) as other:
        other.api.create(config_map("only-here", a="b"))
        assert other.exists("/api/v1/namespaces/default/configmaps/only-here")
        assert not cluster.exists("/api/v1/namespaces/default/configmaps/only-here")
        assert other.server != cluster.server
        directory = other.directory
    assert gone(directory) and not directory.exists()


def answers(cluster):
    """The server says that it is ready before each of its clients of etcd is, of which every resource has one."""
    try:
        for version in ("/api/v1", "/apis/rbac.authorization.k8s.io/v1", "/apis/storage.k8s.io/v1"):
            for resource in cluster.api("GET", version)["resources"]:
                if "/" not in resource["name"] and "list" in resource["verbs"]:
                    cluster.api("GET", f"{version}/{resource['name']}", limit=1)
    except (ApiError, OSError, http.client.HTTPException):
        return False
    return True


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("server", ["apiserver", "etcd"])
def test_a_restart_keeps_port_and_data(cluster, end, server):
    name = f"survivor-{end}-{server}"
    cluster.api.create(config_map(name, a="b"))
    url = cluster.server
    getattr(cluster, f"{end}_{server}")()
    # The API server asks etcd for its health now and then only.
    cluster.wait_for(lambda: not cluster.is_ready(), "no longer ready")
    getattr(cluster, f"start_{server}")()
    cluster.wait_for(cluster.is_ready, "ready again")
    assert cluster.server == url
    cluster.wait_for(lambda: answers(cluster), "an answer of everything")
    assert cluster.exists(f"/api/v1/namespaces/default/configmaps/{name}")


def test_a_paused_server_answers_when_it_resumes(cluster):
    cluster.pause_apiserver()
    assert not cluster.is_ready()
    cluster.resume_apiserver()
    cluster.wait_for(cluster.is_ready, "ready again")


@pytest.mark.parametrize("certificate", [False, True])
def test_users_have_the_rights_they_are_given(cluster, certificate):
    config = cluster.add_user("odd/na+me", ["a", "b/c"], READ_ONE, certificate)
    assert "odd/na+me" in cluster.kubectl("auth", "whoami", kubeconfig=config)
    cluster.kubectl("get", "configmaps", "-n", "default", kubeconfig=config)
    with pytest.raises(ClusterError, match="Forbidden"):
        cluster.kubectl("get", "secrets", "-n", "default", kubeconfig=config)


def test_users_may_be_known_from_the_start(cluster):
    assert "birds" in cluster.kubectl("auth", "whoami", kubeconfig=cluster.add_user("early"))


def test_a_revoked_token_is_refused(cluster):
    config = cluster.add_user("leaver")
    cluster.kubectl("auth", "whoami", kubeconfig=config)
    cluster.revoke_token("leaver")

    def refused():
        try:
            cluster.kubectl("auth", "whoami", kubeconfig=config)
        except ClusterError as error:
            return "Unauthorized" in str(error) or "logged in" in str(error)
    cluster.wait_for(refused, "a refusal")


def test_requests_are_counted_and_logged(cluster):
    path = "/apis/storage.k8s.io/v1/storageclasses"
    labels = {"verb": "LIST", "resource": "storageclasses"}
    before = cluster.metric("apiserver_request_total", **labels)
    cluster.api("GET", path)
    # Controllers list them, too.
    assert cluster.metric("apiserver_request_total", **labels) > before
    assert any(event["requestURI"] == path and event["userAgent"] == "kubefs-tests"
               for event in cluster.audit_events(verb="list"))


def test_errors_tell_what_the_server_said(cluster):
    with pytest.raises(ApiError, match="404 NotFound") as caught:
        cluster.api("GET", "/api/v1/namespaces/nowhere")
    assert caught.value.status == 404


def test_kubectl_output_is_not_touched(cluster):
    cluster.api.create(config_map("line-ends", text="a\r\nb\n"))
    text = cluster.kubectl("get", "configmap", "line-ends", "-o", "jsonpath={.data.text}")
    assert text == "a\r\nb\n"


def test_populated_pods_run(cluster):
    namespaces = populate_pods(cluster, 60, nodes=3, namespaces=2)
    text = cluster.kubectl("get", "pod", "frontend-00000", "-n", namespaces[0], "-o", "yaml")
    assert 3500 < len(text.encode()) < 5500
    assert "phase: Running" in text


def test_the_sample_runs(cluster):
    cluster.apply_sample()
    assert cluster.sample_runs()
    cluster.apply_sample()
    numbers = cluster.api("GET", "/apis/sample.kubefs.dev/v1/namespaces/shop/recipes/numbers")["spec"]["anything"]
    assert numbers["largestInt64"] == 2**63 - 1
    assert numbers["tinier"] == 5e-324


def test_the_log_of_a_failing_server_is_shown():
    with pytest.raises(ClusterError, match="no-such-flag"):
        Cluster(nodes=0, controllers=False, extra_apiserver_args=["--no-such-flag"]).start()
