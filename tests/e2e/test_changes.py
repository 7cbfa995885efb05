"""Changes, old versions, schemas and warnings of the Kubernetes source against real servers (source_probe).

KUBEFS_BUILD names the build directory.
"""

import base64
import errno
import json
import os
import subprocess
import types
import urllib.request

import pytest
from cluster import Cluster
from mounting import BUILD, Mount

PROBE = BUILD / "tests" / "e2e" / "source_probe"
CANARY = "c4n4ry-v4lu3"

DEFINITIONS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: relics.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: relics, singular: relic, kind: Relic}
  versions:
  - name: v1
    served: true
    storage: true
    deprecated: true
    deprecationWarning: "example.com/v1 Relic is \\"old\\""
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {a: {type: integer}}}}}}
"""


@pytest.fixture(scope="module")
def cluster():
    with Cluster(nodes=0, controllers=False) as made:
        made.kubectl("apply", "-f", "-", input=DEFINITIONS)
        made.kubectl("wait", "--for=condition=Established", "--timeout=120s", "crd/relics.example.com")
        # An established definition is served somewhat later, and described later still.
        for path in ("/apis/example.com/v1/namespaces/default/relics", "/openapi/v3/apis/example.com/v1"):
            made.wait_for(lambda: made.exists(path), path)
        yield made


@pytest.fixture
def probe(cluster):
    """Runs a command. error is 0 or the errno, and the rest is what it printed."""
    def run(*arguments, body=None, dry_run=False):
        text = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
        done = subprocess.run([PROBE, cluster.kubeconfig, *map(str, arguments)], text=True, capture_output=True,
                              timeout=120, input=text, check=False,
                              env={**os.environ, **({"DRY_RUN": "1"} if dry_run else {})})
        lines = done.stderr.splitlines()

        def told(word):
            return [line.removeprefix(word + " ") for line in lines if line.startswith(word + " ")]

        error = told("error")
        assert bool(error) == (done.returncode != 0), done.stderr
        return types.SimpleNamespace(
            error=int(error[0].split()[0]) if error else 0, message=error[0] if error else "", causes=told("cause"),
            warnings=told("warning"), uncertain=told("uncertain"), stderr=done.stderr,
            object=json.loads(done.stdout) if done.stdout.startswith("{") else None)

    return run


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def deployment(name):
    labels = {"app": name}
    pod = {"containers": [{"name": "c", "image": "i"}]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": pod}}}


def refused(result, number):
    assert result.error == number, result.stderr
    assert result.uncertain == ["0"] and result.object is None
    return result


def test_an_object_s_life(probe):
    made = probe("create", "configmaps", "default", "", body=config_map("life", a="1")).object
    assert made["metadata"]["managedFields"][0]["manager"] == "kubefs"
    again = probe("create", "configmaps", "default", "", body=config_map("life"))
    assert "AlreadyExists" in refused(again, errno.EEXIST).message
    made["data"]["a"] = "2"
    changed = probe("update", "configmaps", "default", "life", body=made).object
    assert changed["data"] == {"a": "2"}
    assert "\"Conflict\"" in refused(probe("update", "configmaps", "default", "life", body=made), errno.EBUSY).message
    assert probe("get", "configmaps", "default", "life").object == changed
    refused(probe("delete", "configmaps", "default", "life", "another-uid"), errno.EBUSY)
    gone = probe("delete", "configmaps", "default", "life", made["metadata"]["uid"])
    assert gone.error == 0 and gone.object is None
    refused(probe("delete", "configmaps", "default", "life", made["metadata"]["uid"]), errno.ENOENT)
    refused(probe("update", "configmaps", "default", "life", body=changed), errno.ENOENT)


def test_a_delete_tells_what_is_left(cluster, probe):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "left"}, "spec": {"ports": [{"port": 1}]}}
    assert probe("create", "services", "default", "", body=service).error == 0
    # The server answers this one with the object that is gone.
    assert probe("delete", "services", "default", "left").object is None
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    assert probe("create", "configmaps", "default", "", body=held).error == 0
    left = probe("delete", "configmaps", "default", "held").object
    assert left["metadata"]["deletionTimestamp"] and left == probe("get", "configmaps", "default", "held").object
    cluster.kubectl("create", "namespace", "leaving")
    assert probe("delete", "namespaces", "", "leaving").object["status"]["phase"] == "Terminating"


def test_a_dry_run_changes_nothing(probe):
    made = probe("create", "configmaps", "default", "", body=config_map("dry", a="1"), dry_run=True)
    assert made.object["metadata"]["uid"]
    assert probe("get", "configmaps", "default", "dry").error == errno.ENOENT
    kept = probe("create", "configmaps", "default", "", body=config_map("dry", a="1")).object
    changed = {**kept, "data": {"a": "2"}}
    assert probe("update", "configmaps", "default", "dry", body=changed, dry_run=True).object["data"] == {"a": "2"}
    gone = probe("delete", "configmaps", "default", "dry", kept["metadata"]["uid"], dry_run=True)
    assert gone.error == 0 and gone.object is None
    assert probe("get", "configmaps", "default", "dry").object == kept


def test_a_refusal_is_told_field_by_field(probe):
    bad = deployment("bad")
    bad["spec"]["replicas"] = -1
    bad["spec"]["template"]["spec"]["containers"][0]["name"] = "C"
    result = refused(probe("create", "deployments.apps", "default", "", body=bad), errno.EINVAL)
    assert any(line.startswith("spec.replicas: Invalid value: -1: must be") for line in result.causes), result.causes
    assert any(line.startswith("spec.template.spec.containers[0].name: Invalid value: ") for line in result.causes)
    odd = json.dumps(deployment("odd"))
    odd = odd.replace('"replicas": 1', '"replicas": 1, "foo, bar": 1, "replicas": 2, "baz": 3')
    result = refused(probe("create", "deployments.apps", "default", "", body=odd), errno.EINVAL)
    assert sorted(result.causes) == ['duplicate field "spec.replicas"', 'unknown field "spec.baz"',
                                     'unknown field "spec.foo, bar"'], result.causes


def test_subresources(probe):
    made = probe("create", "deployments.apps", "default", "", body=deployment("web")).object
    scale = probe("get", "deployments.apps/scale", "default", "web").object
    assert scale["kind"] == "Scale" and scale["apiVersion"] == "autoscaling/v1"
    scale["spec"]["replicas"] = 3
    assert probe("update", "deployments.apps/scale", "default", "web", body=scale).object["spec"]["replicas"] == 3
    made = probe("get", "deployments.apps/status", "default", "web").object
    assert made["spec"]["replicas"] == 3
    made["status"]["observedGeneration"] = 1
    changed = probe("update", "deployments.apps/status", "default", "web", body=made).object
    assert changed["status"] == {"observedGeneration": 1}


def test_an_old_version_is_there_until_it_is_compacted(cluster, probe):
    first = probe("create", "configmaps", "default", "", body=config_map("old", a="1")).object
    second = probe("update", "configmaps", "default", "old", body={**first, "data": {"a": "2"}}).object
    assert probe("delete", "configmaps", "default", "old").error == 0
    versions = [version["metadata"]["resourceVersion"] for version in (first, second)]
    for version, wanted in zip(versions, (first, second)):
        got = probe("get-at", "configmaps", "default", "old", version).object
        assert {key: got[key] for key in ("metadata", "data")} == {key: wanted[key] for key in ("metadata", "data")}
    assert probe("get-at", "configmaps", "default", "never", versions[1]).error == errno.ENOENT
    assert "expired 1" in probe("get-at", "configmaps", "default", "old", "999999999").message
    body = json.dumps({"revision": versions[1], "physical": True}).encode()
    urllib.request.urlopen(f"http://127.0.0.1:{cluster.etcd_port}/v3/kv/compaction", body, timeout=30).close()
    expired = probe("get-at", "configmaps", "default", "old", versions[0])
    assert expired.error == errno.ESTALE and "expired 1" in expired.message, expired.stderr


def test_schemas(probe):
    schemas = probe("schema", "deployments.apps").object["components"]["schemas"]
    assert "io.k8s.api.apps.v1.Deployment" in schemas
    assert "io.k8s.api.core.v1.Pod" in probe("schema", "pods").object["components"]["schemas"]
    assert "com.example.v1.Relic" in probe("schema", "relics.example.com").object["components"]["schemas"]


def secret(name, **fields):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, **fields}


@pytest.mark.parametrize("fields, causes", [
    ({"data": {"a": CANARY + "!"}}, ["illegal base64 data at input byte 6"]),
    ({"stringData": {"a": 1234567890}}, ["stringData: must be a string"]),
    ({"stringData": {"a": {CANARY: CANARY}}}, ["stringData: must be a string"]),
    ({"stringData": {"a b": CANARY}}, ["Invalid value"]),
    ({"stringData": {"a": CANARY}, "typo": {"a": CANARY}}, ['unknown field "typo"']),
    ({"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": CANARY}},
     ["data[.dockerconfigjson]: Invalid value"]),
    ({"type": "kubernetes.io/tls", "stringData": {"tls.crt": CANARY}}, ["data[tls.key]: Required value"]),
    ({"metadata": {"name": "s", "labels": {"a": CANARY + "\n"}}}, ["metadata.labels: Invalid value"]),
    ({"metadata": {"name": CANARY.upper()}}, ["metadata.name: Invalid value"]),
])
def test_a_secret_s_values_are_not_repeated(probe, fields, causes):
    result = refused(probe("create", "secrets", "default", "", body=secret("s", **fields)), errno.EINVAL)
    for form in (CANARY, CANARY.upper(), "1234567890", base64.b64encode(CANARY.encode()).decode()):
        assert form not in result.stderr
    assert result.causes == causes, result.stderr


def test_an_immutable_secret_s_values_are_not_repeated(probe):
    fixed = secret("fixed", immutable=True, stringData={"a": CANARY})
    made = probe("create", "secrets", "default", "", body=fixed).object
    made["data"]["a"] = base64.b64encode(b"another").decode()
    result = refused(probe("update", "secrets", "default", "fixed", body=made), errno.EINVAL)
    assert result.causes == ["data: Forbidden"]
    assert made["data"]["a"] not in result.stderr and "Forbidden" in result.stderr


OLD = 'example.com/v1 Relic is "old"'


def test_warnings_of_deprecated_versions(cluster, probe):
    relic = {"apiVersion": "example.com/v1", "kind": "Relic", "metadata": {"name": "r"}, "spec": {"a": 1}}
    assert probe("create", "relics.example.com", "default", "", body=relic).warnings == [OLD]
    assert probe("list", "relics.example.com", "default").warnings == [OLD]
    relic["spec"]["b"] = 2
    result = refused(probe("create", "relics.example.com", "default", "", body=relic), errno.EINVAL)
    assert result.causes == ['unknown field "spec.b"']


def test_a_mount_tells_of_deprecated_versions(cluster, tmp_path):
    with Mount(cluster.kubeconfig, tmp_path, "-o", "ro") as mount:
        os.listdir(mount.path / "namespaces" / "default" / "relics.example.com")
        assert mount.errors().count(" warning " + OLD) == 1, mount.errors()
