"""A token webhook: users that come and go while the server runs.

kube-apiserver reads --token-auth-file once, at its start. For a token that it
does not find there it asks this server (TokenReview, authentication.k8s.io/v1),
so that tests can add users and take their tokens away at any time.
"""

import http.server
import json
import secrets
import threading


class TokenServer:
    def __init__(self):
        self.users = {}
        reviewer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(reviewer.review(request)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Requests carry tokens: nothing is logged."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def review(self, request):
        user = self.users.get(request["spec"].get("token"))
        status = {"authenticated": False}
        if user:
            status = {"authenticated": True, "user": user}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}

    def add(self, name, groups=()):
        """Make a token for a user of that name, in these groups."""
        token = secrets.token_urlsafe(24)
        self.users[token] = {"username": name, "uid": name, "groups": list(groups)}
        return token

    def revoke(self, token):
        self.users.pop(token, None)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
