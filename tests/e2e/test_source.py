"""The Kubernetes source (client/kubernetes.h) against real servers, by way of source_probe.

KUBEFS_BUILD names the build directory.
"""

import http.client
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys
import threading
import urllib.parse

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "cluster"))
from cluster import Cluster  # noqa: E402

PROBE = pathlib.Path(os.environ.get("KUBEFS_BUILD", TOP / "build")) / "tests" / "e2e" / "source_probe"

# The preferred version of example.com is v1; "oldies" exists only in the other one.
DEFINITIONS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: newbies.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: newbies, singular: newbie, kind: Newbie, shortNames: [nb], categories: [all]}
  versions:
  - {name: v1alpha1, served: true, storage: false, schema: &any {openAPIV3Schema: {type: object}}}
  - {name: v1, served: true, storage: true, schema: *any, subresources: {status: {}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: oldies.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: oldies, singular: oldie, kind: Oldie}
  versions:
  - {name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.dead.example.org}
spec:
  group: dead.example.org
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {namespace: default, name: nobody}
"""


def is_discovered(cluster):
    """What is established, or announced, comes to be discovered somewhat later."""
    text = cluster.api.raw("GET", "/apis", headers={
        "Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"})
    return all(name in text for name in (b'"newbies"', b'"oldies"', b'"dead.example.org"'))


@pytest.fixture(scope="module")
def cluster():
    with Cluster(nodes=0, controllers=False, audit=True) as made:
        made.kubectl("apply", "-f", "-", input=DEFINITIONS)
        made.kubectl("wait", "--for=condition=Established", "--timeout=90s", "crd/newbies.example.com", "crd/oldies.example.com")
        made.wait_for(lambda: is_discovered(made), "discovery of what was made", 90)
        yield made


def probe(kubeconfig, *arguments, code=0):
    done = subprocess.run([PROBE, kubeconfig, *map(str, arguments)], text=True, capture_output=True, timeout=120,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == code, done.stderr
    return done


def api_resources(cluster):
    return cluster.kubectl("api-resources", "-o", "name", "--cached=false").split()


class Rewriter(http.server.ThreadingHTTPServer):
    """Hands requests on to the API server as if it spoke only one dialect of discovery.

    The beta's documents differ from the final ones in the version's name alone, and 1.36 has them no more.
    """

    daemon_threads = True

    def __init__(self, cluster, dialect):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cluster = cluster
        self.accept = "application/json" if dialect == "plain" else (
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        self.paths = []
        self.types = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        upstream = urllib.parse.urlparse(self.server.cluster.server)
        context = ssl.create_default_context(cafile=self.server.cluster.ca_file)
        connection = http.client.HTTPSConnection(upstream.hostname, upstream.port, context=context)
        connection.request("GET", self.path, headers={
            "Accept": self.server.accept, "Authorization": f"Bearer {self.server.cluster.admin_token}"})
        answer = connection.getresponse()
        body = answer.read().replace(b"apidiscovery.k8s.io/v2", b"apidiscovery.k8s.io/v2beta1")
        kind = answer.headers["Content-Type"].replace("v=v2", "v=v2beta1")
        self.server.paths.append(self.path)
        self.server.types.add(kind)
        assert "v=v2beta1;as=APIGroupDiscoveryList" in self.headers["Accept"] or "beta" not in kind
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def rewriter(cluster, tmp_path):
    made = []

    def make(dialect):
        server = Rewriter(cluster, dialect)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "it",
                  "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                  "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                  "users": [{"name": "it", "user": {}}]}
        path = tmp_path / "rewriter.kubeconfig"
        path.write_text(json.dumps(config))
        return server, path

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


def check_catalog(cluster, done):
    names = done.stdout.split()
    assert names == sorted(api_resources(cluster))
    assert {"pods", "deployments.apps", "newbies.example.com", "oldies.example.com"} <= set(names)
    partial = [line for line in done.stderr.splitlines() if line.startswith("partial ")]
    assert len(partial) == 1 and partial[0].startswith("partial dead.example.org/v1beta1: "), done.stderr


def test_discovery_is_what_kubectl_shows(cluster):
    check_catalog(cluster, probe(cluster.kubeconfig, "discover"))


def test_discovery_in_the_beta_dialect(cluster, rewriter):
    server, kubeconfig = rewriter("beta")
    check_catalog(cluster, probe(kubeconfig, "discover"))
    assert all("v=v2beta1" in kind for kind in server.types), server.types
    assert sorted(server.paths) == ["/api", "/apis"]


def test_discovery_in_the_plain_dialect(cluster, rewriter):
    server, kubeconfig = rewriter("plain")
    check_catalog(cluster, probe(kubeconfig, "discover"))
    assert server.types == {"application/json", "text/plain; charset=utf-8"}, server.types
    assert "/api/v1" in server.paths and "/apis/example.com/v1" in server.paths
    assert len(server.paths) == len(set(server.paths))


def requests_for(cluster, resource, **fields):
    """The audit log's request URIs, in order, without the ones that are still under way."""
    return [event["requestURI"] for event in cluster.audit_events(stage="ResponseComplete", **fields)
            if event.get("objectRef", {}).get("resource") == resource]


def make_config_maps(cluster, namespace, count):
    cluster.kubectl("create", "namespace", namespace)
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{i:04}", "namespace": namespace}}
             for i in range(count)]
    cluster.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    # The cache, from which a list comes, is somewhat later.
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    cluster.wait_for(lambda: len(cluster.api("GET", path, resourceVersion="0")["items"]) >= count, "the cache", 60)


@pytest.fixture(scope="module")
def many(cluster):
    make_config_maps(cluster, "many", 1200)
    return "many"


def names_in(done, word):
    return sorted(line.split()[3].strip('"') for line in done.stdout.splitlines() if line.startswith(word + " "))


def test_list_and_watch_list_see_the_same(cluster, many):
    wanted = sorted(cluster.kubectl("get", "configmaps", "-n", many, "-o", "jsonpath={.items[*].metadata.name}").split())
    assert names_in(probe(cluster.kubeconfig, "list", "configmaps", many), "item") == wanted
    assert names_in(probe(cluster.kubeconfig, "list", "configmaps", many, "", "latest"), "item") == wanted
    streamed = probe(cluster.kubeconfig, "watch-list", "configmaps", many)
    assert names_in(streamed, "ADDED") == wanted
    assert streamed.stdout.splitlines()[-1].startswith("SYNCED v1 ConfigMap")


def test_the_first_list_is_from_the_cache_and_later_pages_have_no_version(cluster, many):
    def first_is_told():
        uris = requests_for(cluster, "secrets", verb="list")
        return uris[-1:] == ["/api/v1/namespaces/many/secrets?limit=500&resourceVersion=0"]

    def pages_are_told():
        pages = [uri for uri in requests_for(cluster, "configmaps", verb="list") if "kubefs" not in uri][-3:]
        return pages[:1] == ["/api/v1/namespaces/many/configmaps?limit=500"] and len(pages) == 3 and all(
            "limit=500&continue=" in uri and "resourceVersion" not in uri for uri in pages[1:])

    # The server notes a request when its answer has been sent.
    probe(cluster.kubeconfig, "list", "secrets", many)
    cluster.wait_for(first_is_told, "a list from the cache", 30)
    probe(cluster.kubeconfig, "list", "configmaps", many, "", "latest")
    cluster.wait_for(pages_are_told, "pages without a version", 30)


def test_a_version_from_the_future_is_expired(cluster):
    done = probe(cluster.kubeconfig, "list", "configmaps", "default", "", "999999999", code=1)
    assert "expired 1" in done.stderr and "Too large resource version" in done.stderr


def test_an_expired_watch_says_so(cluster, many):
    """The watch cache answers from a window: what lies before it is an ERROR event in a stream of status 200."""
    cluster.kubectl("create", "configmap", "changing", "-n", "default")
    version = cluster.kubectl("get", "configmap", "changing", "-n", "default", "-o",
                              "jsonpath={.metadata.resourceVersion}").strip()
    cluster.stop_apiserver()
    cluster.start_apiserver()
    cluster.kubectl("annotate", "configmap", "changing", "-n", "default", "a=b")
    done = probe(cluster.kubeconfig, "watch", "configmaps", "default", "", int(version) - 100, code=1)
    assert "status 410 reason \"Expired\" expired 1" in done.stderr


def test_names_with_colons_are_found(cluster):
    got = json.loads(probe(cluster.kubeconfig, "get", "clusterroles.rbac.authorization.k8s.io", "",
                           "system:public-info-viewer").stdout)
    assert got["metadata"]["name"] == "system:public-info-viewer"
    listed = probe(cluster.kubeconfig, "list", "clusterroles.rbac.authorization.k8s.io", "", "system:public-info-viewer")
    assert names_in(listed, "item") == ["system:public-info-viewer"]
