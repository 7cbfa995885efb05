"""What we decode from protobuf, sent by the API server or stored in etcd, is what its JSON says.

KUBEFS_BUILD names the build directory.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import struct
import subprocess
import time
import urllib.request

import pytest

from api import ApiError

TOP = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("KUBEFS_BUILD", TOP / "build")) / "tests" / "e2e" / "protobuf_probe"
PROTOBUF = "application/vnd.kubernetes.protobuf"

# Objects of kinds that the sample has none of.
MORE = """
apiVersion: v1
kind: PodTemplate
metadata: {name: protobuf, namespace: default}
template:
  metadata: {labels: {app: protobuf}}
  spec: {containers: [{name: app, image: example.com/app}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: protobuf, namespace: default}
spec:
  replicas: 0
  selector: {app: protobuf}
  template:
    metadata: {labels: {app: protobuf}}
    spec: {containers: [{name: app, image: example.com/app}]}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: protobuf}
handler: runc
overhead: {podFixed: {cpu: 250m, memory: "1.500"}}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: protobuf}
spec: {controller: example.com/ingress}
---
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: protobuf.example.com}
spec: {attachRequired: false}
---
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {name: node-0}
spec: {drivers: [{name: protobuf.example.com, nodeID: node-0, topologyKeys: []}]}
---
apiVersion: storage.k8s.io/v1
kind: CSIStorageCapacity
metadata: {name: protobuf, namespace: default}
storageClassName: protobuf
capacity: 8Gi
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: protobuf}
spec: {attacher: protobuf.example.com, nodeName: node-0, source: {persistentVolumeName: protobuf}}
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttributesClass
metadata: {name: protobuf}
driverName: protobuf.example.com
parameters: {iops: "3000"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: protobuf}
webhooks:
- name: hook.example.com
  clientConfig: {url: "https://127.0.0.1:1/", caBundle: ""}
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  objectSelector: {matchLabels: {never: matches}}
  rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: protobuf}
webhooks:
- name: hook.example.com
  clientConfig: {service: {name: hook, namespace: default}}
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  rules: [{apiGroups: [example.com], apiVersions: [v1], operations: ["*"], resources: [things]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: protobuf}
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]
  validations: [{expression: "true"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: protobuf}
spec: {policyName: protobuf, validationActions: [Warn]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: protobuf}
spec:
  failurePolicy: Ignore
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]
  mutations: [{patchType: JSONPatch, jsonPatch: {expression: "[JSONPatch{op: 'remove', path: '/a'}]"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: protobuf}
spec: {policyName: protobuf}
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: protobuf}
spec:
  selectors: [{cel: {expression: "true"}}]
  config: [{opaque: {driver: protobuf.example.com, parameters: {kind: Thing, size: 1.50, deep: [{}, null]}}}]
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: protobuf, namespace: default}
spec: {spec: {devices: {requests: [{name: one, exactly: {deviceClassName: protobuf}}]}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: protobuf, namespace: default}
spec: {devices: {requests: [{name: one, exactly: {deviceClassName: protobuf}}]}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: protobuf}
spec:
  driver: protobuf.example.com
  nodeName: node-0
  pool: {name: node-0, generation: 1, resourceSliceCount: 1}
  devices: [{name: one, attributes: {model: {string: a}, healthy: {bool: true}, slots: {int: 0}}, capacity: {memory: {value: 8Gi}}}]
---
apiVersion: v1
kind: Event
metadata: {name: protobuf, namespace: default}
involvedObject: {kind: Pod, name: web, namespace: default}
reason: Tested
type: Normal
"""


def signing_request(folder):
    """A CertificateSigningRequest; its certificate is not asked of anybody."""
    key, request = folder / "key", folder / "request"
    subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=protobuf", "-keyout", key,
                    "-out", request], check=True, capture_output=True)
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "protobuf"},
            "spec": {"signerName": "example.com/none", "usages": ["client auth"],
                     "request": base64.b64encode(request.read_bytes()).decode()}}


class Probe:
    """protobuf_probe on a pipe."""

    def __init__(self):
        self.process = subprocess.Popen([PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()
        assert self.process.returncode == 0

    def ask(self, operation, payload):
        self.process.stdin.write(operation + struct.pack(">I", len(payload)) + payload)
        self.process.stdin.flush()
        status, length = struct.unpack(">BI", self.process.stdout.read(5))
        text = self.process.stdout.read(length).decode()
        assert status == 0, f"{os.strerror(status)}: {text}: {payload.hex() if operation == b'p' else payload}"
        return text


@pytest.fixture(scope="module")
def filled(sample, tmp_path_factory):
    """A cluster with an object of every built-in kind."""
    more = f"{MORE}---\n{json.dumps(signing_request(tmp_path_factory.mktemp('request')))}\n"
    sample.kubectl("apply", "--server-side", "-f", "-", input=more)
    yield sample
    sample.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", input=more)


@pytest.fixture
def probe():
    with Probe() as started:
        yield started


def listable(cluster):
    """(path, apiVersion, kind) of each resource in each version that the server has."""
    versions = ["v1"] + [version["groupVersion"] for group in cluster.api("GET", "/apis")["groups"]
                         for version in group["versions"]]
    for version in versions:
        # Other tests' resources come and go.
        if version.partition("/")[0].endswith("example.com"):
            continue
        root = ("/api/" if "/" not in version else "/apis/") + version
        for resource in cluster.api("GET", root)["resources"]:
            if "/" not in resource["name"] and {"get", "list"} <= set(resource["verbs"]):
                yield f"{root}/{resource['name']}", version, resource["kind"]


def get(cluster, path, accept):
    response = cluster.api.connection().send("GET", path, headers={"Accept": accept})
    body = response.read()
    if response.status >= 400:
        raise ApiError("GET", path, response.status, body)
    return response.headers["Content-Type"], body


def same_both_ways(cluster, probe, path):
    """Whether the object came as protobuf; it may change while both forms are asked for."""
    deadline = time.monotonic() + 90
    while True:
        form, protobuf = get(cluster, path, f"{PROTOBUF}, application/json")
        text = get(cluster, path, "application/json")[1]
        if not form.startswith(PROTOBUF):
            return False
        got, expected = probe.ask(b"p", protobuf), probe.ask(b"j", text)
        if got == expected:
            return True
        assert time.monotonic() < deadline, f"{path}: expected\n{expected}\ngot\n{got}"


@pytest.mark.bounded(400)
def test_an_object_is_the_same_in_both_forms(filled, probe):
    same, without, json_only = {}, set(), set()
    for collection, version, kind in listable(filled):
        items = filled.api("GET", collection)["items"]
        for item in items or []:
            metadata = item["metadata"]
            path = filled.api.object_path({"apiVersion": version, "kind": kind, "metadata": metadata})
            try:
                if same_both_ways(filled, probe, path):
                    same[version, kind] = same.get((version, kind), 0) + 1
                else:
                    json_only.add((version, kind))
            except ApiError as error:
                assert error.status == 404
        if not items:
            without.add((version, kind))
    print(f"{sum(same.values())} objects of {len(same)} kinds; only JSON of {sorted(json_only)}")
    assert all("kubefs.dev" in version for version, _ in json_only), json_only
    assert not without


def list_as_json(cluster, probe, path):
    return "".join("---\n" + probe.ask(b"j", json.dumps(item).encode()) for item in cluster.api("GET", path)["items"] or [])


@pytest.mark.bounded(400)
def test_a_list_is_the_same_in_both_forms(filled, probe):
    items = 0
    for collection, version, _ in listable(filled):
        if "kubefs.dev" in version:
            continue
        deadline = time.monotonic() + 90
        while True:
            got = probe.ask(b"l", get(filled, collection, PROTOBUF)[1])
            expected = list_as_json(filled, probe, collection)
            if got == expected:
                break
            assert time.monotonic() < deadline, f"{collection}: expected\n{expected}\ngot\n{got}"
        items += expected.count("---\n")
    print(f"{items} items")


def test_a_watch_is_the_same_in_both_forms(filled, probe):
    bookmark = '--- BOOKMARK\napiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    k8s.io/initial-events-end: "true"\n'
    # A server that has little time may need more than one second until the bookmark.
    for seconds in 1, 5, 25:
        path = (f"/api/v1/namespaces/shop/secrets?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
                f"&timeoutSeconds={seconds}&resourceVersionMatch=NotOlderThan")
        form, frames = get(filled, path, PROTOBUF)
        assert form == f"{PROTOBUF};stream=watch"
        got, lines = probe.ask(b"w", frames), get(filled, path, "application/json")[1].splitlines()
        events = [json.loads(line) for line in lines]
        if bookmark in got and any(event["type"] == "BOOKMARK" for event in events):
            break
    objects = [event["object"] for event in events if event["type"] == "ADDED"]
    assert objects
    for item in objects:
        assert "--- ADDED\n" + probe.ask(b"j", json.dumps(item).encode()) in got
    assert bookmark in got


def files_below(mounted):
    return {os.path.relpath(os.path.join(folder, name), mounted.path)
            for top in ("cluster", "namespaces") for folder, _, names in os.walk(mounted.path / top) for name in names}


def read_or_nothing(mounted, name):
    with contextlib.suppress(FileNotFoundError):
        return (mounted.path / name).read_bytes()
    return None


def expect_same_trees(one, other):
    """Each file of both is the same; those of busy objects are read again while they differ."""
    deadline = time.monotonic() + 120
    names = files_below(one) | files_below(other)
    differing = names
    while differing:
        differing = {name for name in differing if read_or_nothing(one, name) != read_or_nothing(other, name)}
        assert not differing or time.monotonic() < deadline, sorted(differing)
    return names


ODD = {"kubefs.dev/odd": "a\r\n\x7f\u2028 \ufeff\x85: #'\"yes", "kubefs.dev/empty": "", "kubefs.dev/date": "2024-01-01"}


def annotate_one_of_each(cluster):
    """Give an object of each kind odd annotations; returns the kinds."""
    kinds = set()
    for collection, version, kind in listable(cluster):
        for item in (cluster.api("GET", f"{collection}?limit=1")["items"] or [])[:1]:
            path = cluster.api.object_path({"apiVersion": version, "kind": kind, "metadata": item["metadata"]})
            with contextlib.suppress(ApiError):
                cluster.api("PATCH", path, {"metadata": {"annotations": ODD}}, content_type="application/merge-patch+json")
                kinds.add((version, kind))
    return kinds


@pytest.mark.bounded(400)
def test_a_mount_is_the_same_in_both_forms(filled, namespace, mount):
    protobuf, plain = mount("-o", "ro"), mount("-o", "ro,without=protobuf")
    names = expect_same_trees(protobuf, plain)
    kinds = {name.split("/")[-2] for name in names}
    assert {"pods", "secrets", "nodes", "deployments.apps", "resourceslices.resource.k8s.io", "leases.coordination.k8s.io",
            "recipes.sample.kubefs.dev", "validatingwebhookconfigurations.admissionregistration.k8s.io"} <= kinds
    encodings = dict(re.findall(r"- resource: (\S+)\n(?:    namespace: .*\n)?    state: \w+\n    encoding: (\w+)",
                                protobuf.status()))
    print(f"{len(names)} files; as JSON alone: {sorted(name for name, form in encodings.items() if form == 'json')}")
    assert sum(form == "protobuf" for form in encodings.values()) > 50, encodings
    assert encodings["recipes.sample.kubefs.dev"] == "json"
    assert "encoding: protobuf" not in plain.status()
    # What a watch tells.
    assert len(annotate_one_of_each(filled)) > 50
    filled.api("POST", f"/api/v1/namespaces/{namespace}/configmaps", {
        "metadata": {"name": "odd"}, "data": {f"key{i}": value for i, value in enumerate(ODD.values())},
        "binaryData": {"bytes": "AP8="}})
    for mounted in protobuf, plain:
        mounted.wait_for(mounted.file("configmaps", "odd", namespace).exists, "the last change")
    expect_same_trees(protobuf, plain)
    filled.api("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/odd")
    for mounted in protobuf, plain:
        mounted.wait_for(lambda: not mounted.file("configmaps", "odd", namespace).exists(), "the deletion")
        assert "from now on" not in mounted.errors()


def stored_values(cluster):
    """Each key and value below /registry, a page at a time."""
    start, end = b"/registry/", b"/registry0"
    while True:
        question = {"key": base64.b64encode(start).decode(), "range_end": base64.b64encode(end).decode(), "limit": 200}
        request = urllib.request.Request(f"http://127.0.0.1:{cluster.etcd_port}/v3/kv/range", json.dumps(question).encode())
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        for pair in answer.get("kvs", []):
            yield base64.b64decode(pair["key"]), base64.b64decode(pair.get("value", ""))
        if not answer.get("more"):
            return
        start = base64.b64decode(answer["kvs"][-1]["key"]) + b"\0"


def stored_value(cluster, key):
    question = {"key": base64.b64encode(key).decode()}
    request = urllib.request.Request(f"http://127.0.0.1:{cluster.etcd_port}/v3/kv/range", json.dumps(question).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        pairs = json.load(response).get("kvs", [])
    return base64.b64decode(pairs[0]["value"]) if pairs else None


def head_of(text):
    """apiVersion, kind, name and namespace as our YAML shows them."""
    top, metadata, within = {}, {}, False
    for line in text.splitlines():
        if not line.startswith(" "):
            within = line == "metadata:"
        key, _, value = line.partition(": ")
        if within and key.startswith("  ") and not key.startswith("   "):
            metadata[key.strip()] = value.strip('"')
        elif not line.startswith((" ", "-")):
            top[key] = value
    return {"apiVersion": top.get("apiVersion"), "kind": top.get("kind"), "metadata": metadata}


def expect_stored(cluster, probe, key, value):
    """The kind, when the API server shows the object under that version; else None."""
    deadline = time.monotonic() + 90
    while True:
        got = probe.ask(b"p", value)
        item = head_of(got)
        try:
            path = cluster.api.object_path(item)
            expected = probe.ask(b"J", get(cluster, path, "application/json")[1])
        except (KeyError, ApiError):
            return None
        if got == expected:
            return item["apiVersion"], item["kind"]
        assert time.monotonic() < deadline, f"{key}: expected\n{expected}\ngot\n{got}"
        value = stored_value(cluster, key)
        if value is None:
            return None


@pytest.mark.bounded(400)
def test_what_is_stored_is_what_the_server_shows(filled, probe):
    same, alone = {}, []
    for key, value in stored_values(filled):
        if not value.startswith(b"k8s\0"):
            assert value.startswith((b"{", b"k8s:enc:")) or not value, key
            continue
        kind = expect_stored(filled, probe, key, value)
        if kind is None:
            alone.append(key.decode())
        else:
            same[kind] = same.get(kind, 0) + 1
    print(f"{sum(same.values())} objects of {len(same)} kinds; decoded, but not shown by the server: {alone}")
    assert len(same) > 45
