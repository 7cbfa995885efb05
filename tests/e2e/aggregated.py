"""An aggregated API server: a group of its own behind an APIService, that stalls or dies on demand.

    with Aggregated(cluster, "slow.example.com") as api:
        api.stall()

Its resources, in version v1: "slows" can be listed and watched, "gauges" only be listed and got; each has the
object "one" in every namespace, with a value that a test sets.
"""

import http.server
import json
import ssl
import threading
import urllib.parse

RESOURCES = {
    "slows": ("Slow", ["get", "list", "watch"]),
    "gauges": ("Gauge", ["get", "list"]),
}


class Aggregated:
    def __init__(self, cluster, group):
        self.cluster = cluster
        self.group = group
        self.name = group.replace(".", "-")
        self.value = "first"
        self.requests = []
        self.going = threading.Event()
        self.going.set()

    def __enter__(self):
        certificate, key = self.cluster.authority.issue(f"aggregated-{self.name}", "localhost", usage="serverAuth",
                                                        names=["DNS:localhost"])
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self.port = 0
        self.serve()
        for item in self.items():
            self.cluster.api.create(item)
        self.wait_available(True)
        return self

    def __exit__(self, *_):
        self.going.set()
        for item in reversed(list(self.items())):
            self.cluster.api.delete(item)
        if self.server:
            self.end()

    def items(self):
        yield from ({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": self.name, "namespace": "default"},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self.port}]},
        }, {
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": f"v1.{self.group}"},
            "spec": {"group": self.group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
                     "insecureSkipTLSVerify": True,
                     "service": {"name": self.name, "namespace": "default", "port": self.port}},
        })

    def wait_available(self, available):
        def is_so():
            service = self.cluster.api("GET", f"/apis/apiregistration.k8s.io/v1/apiservices/v1.{self.group}")
            return any(condition["type"] == "Available" and (condition["status"] == "True") == available
                       for condition in service.get("status", {}).get("conditions", []))
        self.cluster.wait_for(is_so, f"v1.{self.group} is {'' if available else 'not '}available", 150)

    def stall(self):
        """Let lists and watches hang."""
        self.going.clear()

    def go_on(self):
        self.going.set()

    # The server

    def serve(self):
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                api.answer(self)

            def log_message(self, *_):
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler, bind_and_activate=False)
        self.server.allow_reuse_address = True
        self.server.daemon_threads = True
        self.server.server_bind()
        self.server.server_activate()
        # The handshake is made in the connection's own thread.
        self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def end(self):
        """Die: connections are refused from now on."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.server = None

    def item(self, resource, namespace):
        return {"apiVersion": f"{self.group}/v1", "kind": RESOURCES[resource][0],
                "metadata": {"name": "one", "namespace": namespace, "creationTimestamp": "2024-01-01T00:00:00Z"},
                "value": self.value}

    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        parts = url.path.strip("/").split("/")
        query = dict(urllib.parse.parse_qsl(url.query))
        if parts == ["apis", self.group, "v1"]:
            self.reply(request, {
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{self.group}/v1", "resources": [
                    {"name": name, "singularName": name[:-1], "namespaced": True, "kind": kind, "verbs": verbs}
                    for name, (kind, verbs) in RESOURCES.items()]})
            return
        if parts[:3] != ["apis", self.group, "v1"]:
            self.reply(request, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}, 404)
            return
        namespace = None
        if parts[3] == "namespaces":
            namespace, parts = parts[4], parts[2:]
        resource = parts[3]
        self.requests.append((resource, "watch" in query))
        self.going.wait()
        kind, verbs = RESOURCES[resource]
        if query.get("watch") in ("1", "true"):
            self.watch(request, resource, "watch" in verbs, query)
        elif len(parts) > 4:
            self.reply(request, self.item(resource, namespace))
        else:
            spaces = [namespace] if namespace else [
                item["metadata"]["name"] for item in self.cluster.api("GET", "/api/v1/namespaces")["items"]]
            self.reply(request, {"kind": f"{kind}List", "apiVersion": f"{self.group}/v1",
                                 "metadata": {"resourceVersion": "1"},
                                 "items": [self.item(resource, space) for space in spaces]})

    def watch(self, request, resource, allowed, query):
        if not allowed or "sendInitialEvents" in query:
            code = 422 if allowed else 405
            self.reply(request, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                                 "reason": "Invalid" if allowed else "MethodNotAllowed"}, code)
            return
        # Nothing ever changes; the watch ends as soon as it began.
        self.reply(request, None)

    def reply(self, request, body, status=200):
        data = b"" if body is None else json.dumps(body).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            request.close_connection = True
