"""A proxy in front of a real API server that breaks off where a test wants it to.

    with CuttingProxy(cluster) as proxy:
        proxy.rule = proxy.once("PUT", "after")
        Mount(proxy.kubeconfig, folder)

rule(request) names what becomes of a request; without a name it is handed through:
    before        the connection is reset; nothing is forwarded
    half          half of the body is forwarded, then both connections end
    after         it is forwarded and answered, and the connection is reset before the answer is handed on
    half answer   half of the answer is handed on, then the connection is reset
    hold          it waits for proxy.go, then is handed through; it is dropped where the proxy ends first
    silent        it is neither forwarded nor answered
    swallow       it is forwarded, and never answered
"""

import contextlib
import http.client
import json
import socket
import threading

from scripted_api import Request

PASSED_ON = ("content-type", "warning", "retry-after", "audit-id")


class CuttingProxy:
    def __init__(self, cluster):
        self.cluster = cluster
        self.rule = lambda request: None
        self.go = threading.Event()
        self.held = threading.Event()
        self.ended = threading.Event()
        self.requests = []
        self.upstreams = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.kubeconfig = self.cluster.write_file(f"proxy-{self.url.rpartition(':')[2]}.kubeconfig", json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "c", "user": "u"}}]}))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.go.set()
        self.listener.close()
        for upstream in self.upstreams:
            # Their threads wait for what a watch brings, and may close it meanwhile.
            end = upstream.sock
            with contextlib.suppress(OSError):
                if end:
                    end.shutdown(socket.SHUT_RDWR)

    def reset(self):
        self.rule = lambda request: None
        self.go.clear()
        self.held.clear()

    def once(self, method, what, dry_run=False):
        """A rule for the first request with that method which is no dry run, or is one; what asks for rights is none."""
        left = [what]

        def rule(request):
            asks = request.path.startswith("/apis/authorization.k8s.io/")
            if request.method == method and ("dryRun" in request.query) == dry_run and not asks and left:
                return left.pop()
            return None
        return rule

    @staticmethod
    def route(path):
        """What a Request asks: this proxy knows of no resources."""
        return None, None, None

    def _accept(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, http.client.HTTPException), connection, connection.makefile("rb") as reader:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream = http.client.HTTPSConnection("127.0.0.1", self.cluster.port, context=self.cluster.api.context)
            self.upstreams.append(upstream)
            while not self.ended.is_set():
                request = Request(self, connection, reader)
                self.requests.append(request)
                self._handle(request, upstream, self.rule(request))

    def _handle(self, request, upstream, what):
        if what == "before":
            request.reset()
        elif what == "silent":
            request.stall()
        elif what == "half":
            self._send_half(request, upstream)
            request.reset()
        elif what in ("after", "half answer", "swallow"):
            response = self._forward(request, upstream)
            body = response.read()
            if what == "swallow":
                request.stall()
            if what == "half answer":
                request.begin(response.status, len(body))
                request.send(body[:len(body) // 2])
            request.reset()
        else:
            if what == "hold":
                self.held.set()
                self.go.wait(120)
                if self.ended.is_set():
                    # Nobody let it go.
                    return
            self._hand_through(request, upstream)

    def _headers(self, request):
        headers = {key: value for key, value in request.headers.items()
                   if key not in ("host", "connection", "accept-encoding", "authorization", "content-length")}
        return {**headers, "Authorization": f"Bearer {self.cluster.admin_token}"}

    def _forward(self, request, upstream):
        upstream.request(request.method, request.target, request.body or None, self._headers(request))
        return upstream.getresponse()

    def _hand_through(self, request, upstream):
        response = self._forward(request, upstream)
        request.begin(response.status, **{
            key.title().replace("-", "_"): value for key, value in response.getheaders() if key.lower() in PASSED_ON})
        while data := response.read1(1 << 16):
            request.chunk(data)
        # Without it the connection is not ready for another request.
        response.close()
        request.end()

    def _send_half(self, request, upstream):
        upstream.putrequest(request.method, request.target)
        for key, value in self._headers(request).items():
            upstream.putheader(key, value)
        upstream.putheader("Content-Length", str(len(request.body)))
        upstream.endheaders()
        upstream.send(request.body[:len(request.body) // 2])
        upstream.close()
