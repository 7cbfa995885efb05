"""A small client of the Kubernetes API on Python's own library."""

import http.client
import json
import select
import socket
import ssl
import threading
import time
from urllib.parse import quote, urlencode, urlsplit


class ApiError(Exception):
    """The server's answer was not a success; has .status, .reason and .body."""

    def __init__(self, method, path, status, body):
        self.status = status
        self.body = body
        try:
            answer = json.loads(body)
            self.reason, message = answer.get("reason", ""), answer.get("message", "")
        except (ValueError, AttributeError):
            self.reason, message = "", body.decode(errors="replace")[:500]
        super().__init__(f"{method} {path}: {status} {self.reason}: {message}")


class Connection:
    """One keep-alive connection; used by one thread at a time."""

    def __init__(self, server, context, token, timeout):
        parts = urlsplit(server)
        self.http = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=timeout)
        self.headers = {"User-Agent": "kubefs-tests", "Accept": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def _drop_if_closed(self):
        """Nothing is to be read between an answer and the next request but the server's farewell."""
        if self.http.sock is not None and select.select([self.http.sock], [], [], 0)[0]:
            self.http.close()

    def send(self, method, path, body=None, headers=None):
        """Send a request; returns the response, whose body is not read yet."""
        headers = {**self.headers, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        self._drop_if_closed()
        fresh = self.http.sock is None
        try:
            self.http.request(method, path, body, headers)
            return self.http.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # A kept connection may have been closed since; the request was
            # not answered, so only those that can be repeated are.
            self.http.close()
            if fresh or method != "GET":
                raise
            self.http.request(method, path, body, headers)
            return self.http.getresponse()
        except (OSError, http.client.HTTPException):
            self.http.close()
            raise

    def call(self, method, path, body=None, headers=None):
        """Send a request; returns the body's bytes or raises ApiError."""
        while True:
            response = self.send(method, path, body, headers)
            try:
                data = response.read()
            except BaseException:
                self.http.close()
                raise
            if response.status == 429 and response.headers.get("Retry-After"):
                time.sleep(float(response.headers["Retry-After"]))
                continue
            if response.status >= 400:
                raise ApiError(method, path, response.status, data)
            return data

    def close(self):
        self.http.close()


class Api:
    """The API of one server, for any number of threads."""

    def __init__(self, server, ca_file, token=None, certificate=None, timeout=60):
        self.server = server
        self.token = token
        self.timeout = timeout
        self.context = ssl.create_default_context(cafile=str(ca_file))
        if certificate:
            self.context.load_cert_chain(*map(str, certificate))
        self.local = threading.local()
        self.resources = {}

    def connect(self, timeout=None):
        return Connection(self.server, self.context, self.token, timeout or self.timeout)

    def connection(self):
        if not hasattr(self.local, "connection"):
            self.local.connection = self.connect()
        return self.local.connection

    def raw(self, method, path, body=None, headers=None):
        """Send a request on this thread's connection; returns bytes."""
        return self.connection().call(method, path, body, headers)

    def __call__(self, method, path, body=None, content_type=None, **query):
        """Send a request; returns the decoded answer. A patch needs its content type."""
        if query:
            path += "?" + urlencode(query)
        return json.loads(self.raw(method, path, body, {"Content-Type": content_type} if content_type else None))

    def resource(self, api_version, kind):
        """The APIResource of a kind, from discovery; asked for once."""
        if (api_version, kind) not in self.resources:
            root = "/api/" if "/" not in api_version else "/apis/"
            for resource in self("GET", root + api_version)["resources"]:
                if "/" not in resource["name"]:
                    self.resources[api_version, resource["kind"]] = resource
        return self.resources[api_version, kind]

    def collection_path(self, api_version, kind, namespace=None):
        resource = self.resource(api_version, kind)
        path = ("/api/" if "/" not in api_version else "/apis/") + api_version
        if resource["namespaced"] and namespace:
            path += f"/namespaces/{quote(namespace, safe='')}"
        return f"{path}/{resource['name']}"

    def object_path(self, item):
        """The path of an object that has apiVersion, kind and metadata."""
        metadata = item["metadata"]
        collection = self.collection_path(item["apiVersion"], item["kind"], metadata.get("namespace", "default"))
        return f"{collection}/{quote(metadata['name'], safe='')}"

    def create(self, item, exists_ok=True):
        """Create an object; one that exists already is left as it is."""
        path = self.collection_path(item["apiVersion"], item["kind"], item["metadata"].get("namespace", "default"))
        try:
            return self("POST", path, item)
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists" and exists_ok:
                return None
            raise

    def delete(self, item, **options):
        return self("DELETE", self.object_path(item), options or None)

    def create_many(self, items, connections=8):
        """Create objects on several connections; raises the first error met."""
        self.for_each(self.create, items, connections)

    def for_each(self, function, items, connections=8):
        """Call a function for each item, on several threads."""
        iterator = iter(items)
        lock = threading.Lock()
        errors = []

        def work():
            try:
                while not errors:
                    with lock:
                        item = next(iterator, None)
                    if item is None:
                        return
                    function(item)
            except Exception as error:
                errors.append(error)
            finally:
                if hasattr(self.local, "connection"):
                    self.local.connection.close()

        threads = [threading.Thread(target=work) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def watch(self, path, timeout=60, headers=None, **query):
        """Yield a watch's events until it ends or the time is over.

        Without a resourceVersion the objects that exist come first, as ADDED.
        """
        deadline = time.monotonic() + timeout
        connection = self.connect(timeout)
        query = {"watch": "1", "timeoutSeconds": max(1, int(timeout)), **query}
        try:
            response = connection.send("GET", f"{path}?{urlencode(query)}", headers=headers)
            if response.status >= 400:
                raise ApiError("GET", path, response.status, response.read())
            while time.monotonic() < deadline:
                line = response.readline()
                if not line:
                    return
                yield json.loads(line)
        except (socket.timeout, TimeoutError):
            return
        finally:
            connection.close()
