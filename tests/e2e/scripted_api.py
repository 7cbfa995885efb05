"""An API server that misbehaves on demand: enough of discovery, list, watch and get for a mount.

    with ScriptedApi() as api:
        api.put("configmaps", config_map("one"))
        api.hooks.append(lambda request: request.verb == "list" and request.answer(500, b"{}"))
        Mount(api.kubeconfig(folder), folder)

A hook sees each request before the server does, in the request's own thread; when it returns true it has
answered. Objects are dicts; what is put while a watch runs is sent to it.
"""

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
import urllib.parse

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
GONE = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version"}


class Resource:
    def __init__(self, name, kind, group="", namespaced=True, verbs=None):
        self.name, self.kind, self.group, self.namespaced = name, kind, group, namespaced
        self.verbs = VERBS if verbs is None else verbs
        self.version = "v1"

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self):
        return f"/apis/{self.group}/v1" if self.group else "/api/v1"


RESOURCES = (
    Resource("configmaps", "ConfigMap"),
    Resource("namespaces", "Namespace", namespaced=False),
    Resource("secrets", "Secret"),
    Resource("widgets", "Widget", group="example.com"),
)


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
            "code": code, "message": message}


def config_map(name, namespace="default", kind="ConfigMap", api_version="v1", **data):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace,
            "uid": f"uid-{namespace}-{name}", "creationTimestamp": "2024-01-01T00:00:00Z"}, "data": data}


def frame(kind, item):
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


class Request:
    """One request. verb is list, watch, get or other; resource is set for the first three."""

    def __init__(self, api, connection, reader):
        self.api, self.connection = api, connection
        line = reader.readline(65536)
        if not line:
            raise ConnectionError
        self.method, self.target, _ = line.decode("latin-1").split(" ", 2)
        self.headers = {}
        while (line := reader.readline(65536)) not in (b"\r\n", b"\n", b""):
            key, _, value = line.decode("latin-1").partition(":")
            self.headers[key.lower()] = value.strip()
        self.body = reader.read(int(self.headers.get("content-length", 0)))
        self.path, _, query = self.target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        self.time = time.monotonic()
        self.resource, self.namespace, self.name = api.route(self.path)
        self.verb = "other"
        if self.resource is not None and self.method == "GET":
            watched = self.query.get("watch") in ("true", "1")
            self.verb = "get" if self.name else "watch" if watched else "list"

    def is_for(self, verb, resource):
        return self.verb == verb and self.resource.name == resource

    def send(self, data):
        self.connection.sendall(data)

    def begin(self, code=200, length=None, **headers):
        """Send a head; without a length the body is in chunks (see chunk and end)."""
        fields = {"Content-Type": "application/json",
                  **{key.replace("_", "-"): value for key, value in headers.items()}}
        if length is None:
            fields["Transfer-Encoding"] = "chunked"
        else:
            fields["Content-Length"] = str(length)
        head = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        self.send(f"HTTP/1.1 {code} Scripted\r\n{head}\r\n".encode("latin-1"))

    def chunk(self, data):
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self):
        self.send(b"0\r\n\r\n")

    def answer(self, code, body, **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if "gzip" in self.headers.get("accept-encoding", "") and self.api.gzip and "Content_Encoding" not in headers:
            body = gzip.compress(body)
            headers["Content_Encoding"] = "gzip"
        self.begin(code, len(body), **headers)
        self.send(body)
        return True

    def fail(self, code, reason, message, **headers):
        return self.answer(code, status(code, reason, message), **headers)

    def reset(self):
        """End the connection with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError

    def stall(self):
        """Say nothing more until the client leaves or the server ends."""
        self.connection.settimeout(0.5)
        while not self.api.ended.is_set():
            with contextlib.suppress(socket.timeout):
                if not self.connection.recv(4096):
                    break
        raise ConnectionAbortedError


class ScriptedApi:
    def __init__(self, resources=RESOURCES, minor="30"):
        self.resources = list(resources)
        self.minor = minor
        self.hooks = []
        self.requests = []
        self.gzip = False
        self.page = None  # a size of pages smaller than what the client asks for
        self.rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        self.ended = threading.Event()
        self.changed = threading.Condition()
        self.version = 100
        self.objects = {}  # (resource, namespace, name) -> object
        self.events = []  # (version, resource, type, object)
        self.put("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "uid": "u0"}})

    # Life

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, args=[self.listener], daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        with self.changed:
            self.changed.notify_all()
        self.listener.close()

    def kubeconfig(self, folder, user=None):
        file = folder / "scripted.kubeconfig"
        file.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "scripted",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}], "users": [{"name": "u", "user": user or {}}],
            "contexts": [{"name": "scripted", "context": {"cluster": "c", "user": "u"}}]}))
        file.chmod(0o600)
        return file

    def _accept(self, listener):
        while not self.ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        # The descriptor is closed only once the reader is closed as well.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self.ended.is_set():
                request = Request(self, connection, reader)
                self.requests.append(request)
                if not any(hook(request) for hook in list(self.hooks)):
                    self._answer(request)

    # What there is

    def resource(self, name):
        return next(resource for resource in self.resources if resource.name == name)

    def put(self, resource, item, kind=None):
        """Create or replace an object; its resourceVersion is set unless it is there (or has no metadata)."""
        with self.changed:
            self.version += 1
            metadata = item.get("metadata")
            if isinstance(metadata, dict):
                metadata.setdefault("resourceVersion", str(self.version))
            key = self._key(resource, item)
            kind = kind or ("MODIFIED" if key in self.objects else "ADDED")
            self.objects[key] = item
            self.events.append((self.version, resource, kind, item))
            self.changed.notify_all()

    def remove(self, resource, name, namespace="default"):
        with self.changed:
            self.version += 1
            item = json.loads(json.dumps(self.objects.pop((resource, namespace, name))))
            item["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, resource, "DELETED", item))
            self.changed.notify_all()

    @staticmethod
    def _key(resource, item):
        metadata = item.get("metadata") if isinstance(item.get("metadata"), dict) else {}
        return resource, metadata.get("namespace", ""), metadata.get("name", id(item))

    def count(self, verb, resource):
        return sum(request.is_for(verb, resource) for request in list(self.requests))

    # Answers

    def route(self, path):
        for resource in self.resources:
            if not path.startswith(resource.root + "/"):
                continue
            parts = [urllib.parse.unquote(part) for part in path[len(resource.root) + 1:].split("/")]
            namespace = ""
            if resource.namespaced and parts[0] == "namespaces" and len(parts) > 2:
                namespace, parts = parts[1], parts[2:]
            if parts[0] == resource.name and len(parts) <= 2:
                return resource, namespace, parts[1] if len(parts) == 2 else None
        return None, None, None

    def _answer(self, request):
        if request.verb == "list":
            return self.answer_list(request)
        if request.verb == "watch":
            return self.answer_watch(request)
        if request.verb == "get":
            item = self.objects.get((request.resource.name, request.namespace, request.name))
            return request.answer(200, item) if item else request.fail(404, "NotFound", "not found")
        if request.path == "/version":
            return request.answer(200, {"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"})
        if request.path in ("/api", "/apis"):
            return request.answer(200, self.discovery(request.path == "/api"), Content_Type=DISCOVERY)
        if request.path.endswith("/selfsubjectrulesreviews"):
            return request.answer(201, {"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1",
                                        "status": {"resourceRules": self.rules, "incomplete": False}})
        return request.fail(404, "NotFound", "the server could not find the requested resource")

    def discovery(self, core):
        groups = {}
        for resource in self.resources:
            if (resource.group == "") == core:
                groups.setdefault(resource.group, []).append({
                    "resource": resource.name, "singularResource": resource.kind.lower(),
                    "responseKind": {"group": resource.group, "version": "v1", "kind": resource.kind},
                    "scope": "Namespaced" if resource.namespaced else "Cluster", "verbs": resource.verbs})
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [
            {"metadata": {"name": group} if group else {}, "versions": [
                {"version": "v1", "freshness": "Current", "resources": resources}]}
            for group, resources in groups.items()]}

    def selected(self, request):
        wanted = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        with self.changed:
            return str(self.version), [
                item for (resource, namespace, name), item in sorted(self.objects.items(), key=str)
                if resource == request.resource.name and request.namespace in ("", namespace)
                and wanted in ("", name)]

    def list_body(self, request, items, version, token=None):
        metadata = {"resourceVersion": version} | ({"continue": token} if token else {})
        return json.dumps({"kind": f"{request.resource.kind}List", "apiVersion": request.resource.api_version,
                           "metadata": metadata, "items": items}).encode()

    def answer_list(self, request):
        version, items = self.selected(request)
        begin = 0
        if "continue" in request.query:
            version, begin = request.query["continue"].split(":")
        begin = int(begin)
        limit = int(request.query.get("limit", 0))
        if limit and self.page:
            limit = self.page
        end = begin + limit if limit else len(items)
        token = f"{version}:{end}" if end < len(items) else None
        return request.answer(200, self.list_body(request, items[begin:end], version, token))

    def pending(self, request, sent):
        """The events after the first `sent` that a watch is to see."""
        return [(kind, item) for version, resource, kind, item in self.events[sent:]
                if resource == request.resource.name and version > int(request.query.get("resourceVersion") or 0)
                and request.namespace in ("", self._key(resource, item)[1])]

    def answer_watch(self, request, write=None):
        """Follow the changes; write(bytes) sends a frame, by default as one chunk."""
        request.begin()
        sent = 0
        if "sendInitialEvents" in request.query:
            version, items = self.selected(request)
            for item in items:
                (write or request.chunk)(frame("ADDED", item))
            (write or request.chunk)(frame("BOOKMARK", {
                "apiVersion": request.resource.api_version, "kind": request.resource.kind,
                "metadata": {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}}))
            request.query["resourceVersion"] = version
        while not self.ended.is_set():
            with self.changed:
                events, sent = self.pending(request, sent), len(self.events)
                if not events:
                    self.changed.wait(0.5)
            for kind, item in events:
                (write or request.chunk)(frame(kind, item))
            if not events and self._is_left(request):
                break
        return True

    @staticmethod
    def _is_left(request):
        try:
            return request.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
