"""An admission webhook of a test's own: it allows, refuses or says nothing, of dry runs perhaps something else.

    with Webhook(cluster, namespace) as webhook:
        webhook.refuse(422, "not on a Friday")
"""

import contextlib
import base64
import http.server
import json
import ssl
import threading

from api import ApiError


class Webhook:
    """Asked about the ConfigMaps of one namespace; seconds is how long the API server waits for an answer."""

    def __init__(self, cluster, namespace, seconds=10):
        self.cluster, self.namespace, self.seconds = cluster, namespace, seconds
        self.asked = threading.Event()
        self.go = threading.Event()
        self.dry_runs = True
        self.allow()

    def allow(self):
        self.status, self.hangs = None, False

    def refuse(self, code, message, dry_runs=True):
        self.status, self.hangs = {"code": code, "message": message, "status": "Failure"}, False
        self.dry_runs = dry_runs

    def hang(self):
        """Say nothing until go is set."""
        self.go.clear()
        self.asked.clear()
        self.status, self.hangs = None, True

    def __enter__(self):
        self.name = f"webhook-{self.namespace}"
        certificate, key = self.cluster.authority.issue(self.name, self.name, usage="serverAuth", names=["IP:127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.cluster.api("POST", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", self._registration())
        self._wait_in_force()
        return self

    def __exit__(self, *_):
        self.go.set()
        with contextlib.closing(self.cluster.api.connect()) as connection:
            connection.call("DELETE", f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{self.name}")
        self.server.shutdown()
        self.server.server_close()

    def _registration(self):
        return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": self.name}, "webhooks": [{
                    "name": "test.kubefs.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                    "timeoutSeconds": self.seconds, "failurePolicy": "Fail",
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
                               "operations": ["CREATE", "UPDATE", "DELETE"]}],
                    "clientConfig": {"url": f"https://127.0.0.1:{self.server.server_port}/",
                                     "caBundle": base64.b64encode(self.cluster.ca_file.read_bytes()).decode()}}]}

    def _wait_in_force(self):
        """The server takes a moment to know of it; it may not wait long for the answer."""
        probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "namespace": self.namespace}}

        def asked():
            try:
                self.cluster.api("POST", f"/api/v1/namespaces/{self.namespace}/configmaps?dryRun=All", probe)
            except ApiError as error:
                assert error.status == 500, error
                return False
            return self.asked.is_set()
        self.cluster.wait_for(asked, "the webhook is asked", 100)
        self.asked.clear()

    def _handler(self):
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.asked.set()
                if webhook.hangs:
                    webhook.go.wait(60)
                status = webhook.status if webhook.dry_runs or not review["request"].get("dryRun") else None
                answer = {"uid": review["request"]["uid"], "allowed": status is None}
                if status:
                    answer["status"] = status
                body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                """A test's output is the test's."""

        return Handler
