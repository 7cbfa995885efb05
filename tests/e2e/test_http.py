"""HTTP as client/http.h does it, by way of http_probe: TLS, proxies and HTTP/2 with real servers.

KUBEFS_BUILD names the build directory.
"""

import base64
import contextlib
import errno
import http.server
import json
import os
import pathlib
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "cluster"))
from cluster import Cluster  # noqa: E402
from pki import Authority  # noqa: E402
from ports import take  # noqa: E402

PROBE = pathlib.Path(os.environ.get("KUBEFS_BUILD", TOP / "build")) / "tests" / "e2e" / "http_probe"
CANARY = "canary-7f3b"
NAME = "kubernetes.test"
WATCH = "/api/v1/pods?watch=1&timeoutSeconds=300"


def run_probe(kubeconfig, path="/version", *options, environment=None, timeout=90):
    """All lines: those of the exchanges, then the summary."""
    variables = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(environment or {})}
    done = subprocess.run([PROBE, *options, kubeconfig, path], text=True, capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, env=variables, check=False)
    assert CANARY not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def get(kubeconfig, path="/version", *options, **more):
    return run_probe(kubeconfig, path, *options, **more)[0]


# Certificates and small servers


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    authority = Authority(folder)
    authority.issue("server", "server", names=["IP:127.0.0.1", "IP:::1", f"DNS:{NAME}"], usage="serverAuth")
    authority.issue("named", "named", names=[f"DNS:{NAME}"], usage="serverAuth")
    authority.issue("one", "one")
    authority.issue("two", "two")
    (folder / "other").mkdir()
    Authority(folder / "other", "another-ca")
    return folder


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        peer = self.connection.getpeercert() or {}
        names = [value for part in peer.get("subject", ()) for key, value in part if key == "commonName"]
        self.server.seen.append({"path": self.path, "headers": dict(self.headers), "client": names[0] if names else None,
                                 "port": self.client_address[1], "sni": self.server.sni})
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    seen = None
    sni = None

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.failed = threading.Event()  # a connection has: its handshake, say

    def handle_error(self, request, client_address):
        self.failed.set()


class Server6(QuietServer):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def https_server(pki, certificate="server", host="127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / f"{certificate}.crt", pki / f"{certificate}.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    server = (Server6 if ":" in host else QuietServer)((host, 0), Handler)
    server.seen = []

    def note_name(connection, name, context):
        server.sni = name

    context.sni_callback = note_name
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.port = server.server_address[1]
    server.url = f"https://{'[' + host + ']' if ':' in host else host}:{server.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Relay:
    """A proxy in one thread a connection: HTTP CONNECT, over TLS if asked for, or SOCKS 5."""

    def __init__(self, kind, hosts, context=None):
        self.kind = kind
        self.hosts = hosts
        self.context = context
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            if self.context is not None:
                client = self.context.wrap_socket(client, server_side=True)
            host, port = self._socks(client) if self.kind == "socks5" else self._connect(client)
            target = socket.create_connection((self.hosts.get(host, host), port))
            client.sendall(b"\x05\x00\x00\x01" + bytes(6) if self.kind == "socks5" else b"HTTP/1.1 200 OK\r\n\r\n")
            other = threading.Thread(target=self._copy, args=(target, client), daemon=True)
            other.start()
            self._copy(client, target)

    def _connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(4096)
            if not data:
                raise ConnectionError
            head += data
        self.asked.append(head.decode())
        host, port = head.split()[1].decode().rsplit(":", 1)
        return host, int(port)

    def _socks(self, client):
        client.recv(4096)
        client.sendall(b"\x05\x00")
        asked = client.recv(4096)
        if asked[3] == 3:
            host, port = asked[5:5 + asked[4]].decode(), asked[5 + asked[4]:]
        else:
            host, port = socket.inet_ntoa(asked[4:8]), asked[8:]
        self.asked.append(host)
        return host, int.from_bytes(port, "big")

    @staticmethod
    def _copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def relay(kind="http", hosts=None, context=None):
    made = Relay(kind, hosts or {}, context)
    try:
        yield made
    finally:
        made.close()


def kubeconfig(folder, server, user=None, **cluster):
    """server may be a list: there is no way to say so in a kubeconfig, so the first counts."""
    text = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "u", "user": user or {"token": CANARY}}]}
    path = folder / f"config-{len(list(folder.iterdir()))}"
    path.write_text(json.dumps(text))
    return path


# TLS


def test_server_signed_by_the_given_authority(pki, tmp_path):
    with https_server(pki) as server:
        result = get(kubeconfig(tmp_path, server.url, **{"certificate-authority": str(pki / "ca.crt")}))
        assert result["errnum"] == 0 and result["bytes"] == 2
        assert server.seen[0]["headers"]["Authorization"] == f"Bearer {CANARY}"
        assert server.seen[0]["headers"]["Host"] == f"127.0.0.1:{server.port}"


def test_authority_inline_and_ipv6(pki, tmp_path):
    data = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
    with https_server(pki, host="::1") as server:
        assert get(kubeconfig(tmp_path, server.url, **{"certificate-authority-data": data}))["errnum"] == 0
        assert server.seen[0]["headers"]["Host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize("cluster", [{"certificate-authority": "other/ca.crt"}, {}])
def test_unknown_authority(pki, tmp_path, cluster):
    cluster = {key: str(pki / value) for key, value in cluster.items()}
    with https_server(pki) as server:
        result = get(kubeconfig(tmp_path, server.url, **cluster))
        assert result["errnum"] == errno.EPROTO and not result["connected"]
        assert result["message"].startswith(
            f"{server.url}: the server's certificate is not signed by the given certificate authority (")
        assert server.seen == []


def test_system_trust_store_of_the_environment(pki, tmp_path):
    with https_server(pki) as server:
        config = kubeconfig(tmp_path, server.url)
        assert get(config, environment={"SSL_CERT_FILE": str(pki / "ca.crt")})["errnum"] == 0
        folders = [tmp_path / "none", tmp_path / "certificates"]
        for folder in folders:
            folder.mkdir()
        shutil.copy(pki / "ca.crt", folders[1])
        subprocess.run(["openssl", "rehash", folders[1]], check=True)
        assert get(config, environment={"SSL_CERT_DIR": ":".join(map(str, folders))})["errnum"] == 0
        # Neither stands in for the other, and an empty one is none.
        nothing = {"SSL_CERT_FILE": str(pki / "other/ca.crt"), "SSL_CERT_DIR": str(folders[0])}
        assert get(config, environment=nothing)["errnum"] == errno.EPROTO
        empty = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": str(folders[1])}
        assert get(config, environment=empty)["errnum"] == 0


def test_an_authority_that_is_replaced(pki, tmp_path):
    """A server whose authority's file was behind is trusted once the file is right; no request was sent before."""
    file = tmp_path / "ca.crt"
    shutil.copy(pki / "other/ca.crt", file)
    with https_server(pki) as server:
        config = kubeconfig(tmp_path, server.url, **{"certificate-authority": str(file)})

        def replace():
            server.failed.wait(60)
            shutil.copy(pki / "ca.crt", tmp_path / "new")
            os.rename(tmp_path / "new", file)

        replacing = threading.Thread(target=replace)
        replacing.start()
        results = run_probe(config, "/version", "--count=30", "--interval=300")[:-1]
        replacing.join()
        outcomes = [result["errnum"] for result in results]
        assert outcomes[0] == errno.EPROTO and outcomes[-1] == 0, outcomes
        assert outcomes == sorted(outcomes, reverse=True), outcomes
        assert len(server.seen) == outcomes.count(0)


def test_wrong_name(pki, tmp_path):
    with https_server(pki, "named") as server:
        result = get(kubeconfig(tmp_path, server.url, **{"certificate-authority": str(pki / "ca.crt")}))
        assert result["errnum"] == errno.EPROTO
        assert "127.0.0.1" in result["message"].removeprefix(server.url)
        assert server.seen == []


def test_tls_server_name(pki, tmp_path):
    trust = {"certificate-authority": str(pki / "ca.crt")}
    with https_server(pki, "named") as server:
        result = get(kubeconfig(tmp_path, server.url + "/base", **trust, **{"tls-server-name": NAME}))
        assert result["errnum"] == 0
        assert server.seen[0]["sni"] == NAME
        assert server.seen[0]["headers"]["Host"] == f"127.0.0.1:{server.port}"
        assert server.seen[0]["path"] == "/base/version"
        result = get(kubeconfig(tmp_path, server.url, **trust, **{"tls-server-name": "wrong.test"}))
        assert result["errnum"] == errno.EPROTO
        assert "wrong.test" in result["message"]


def test_insecure(pki, tmp_path):
    with https_server(pki, "named") as server:
        assert get(kubeconfig(tmp_path, server.url, **{"insecure-skip-tls-verify": True}))["errnum"] == 0


def test_no_tls_on_the_other_side(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"

        def answer():
            client, _ = listener.accept()
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.recv(4096)
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        result = get(kubeconfig(tmp_path, url))
        assert result["errnum"] == errno.EPROTO
        assert result["message"].startswith(f"{url}: no TLS connection (")


def test_client_certificate_with_a_key_of_another(pki, tmp_path):
    user = {"client-certificate": str(pki / "one.crt"), "client-key": str(pki / "two.key")}
    with https_server(pki) as server:
        result = get(kubeconfig(tmp_path, server.url, user, **{"certificate-authority": str(pki / "ca.crt")}))
        assert result["errnum"] == errno.EPROTO
        assert "client certificate" in result["message"]
        assert server.seen == []


def test_key_material_is_never_on_disk(pki, tmp_path):
    """With a limit of no bytes a file, any write to one would end the program."""
    def encoded(name):
        return base64.b64encode((pki / name).read_bytes()).decode()

    user = {"client-certificate-data": encoded("one.crt"), "client-key-data": encoded("one.key")}
    with https_server(pki) as server:
        config = kubeconfig(tmp_path, server.url, user, **{"certificate-authority-data": encoded("ca.crt")})
        subprocess.run([PROBE, config, "/version"], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
        assert server.seen[0]["client"] == "one"


def test_rotated_client_certificate_gets_its_own_connection(pki, tmp_path):
    """The plugin hands out another certificate each time, and each expires at once."""
    plugin = tmp_path / "plugin"
    plugin.write_text(f"""#!{sys.executable}
import datetime, json, pathlib
count = pathlib.Path({str(tmp_path / "count")!r})
runs = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(runs))
name = "one" if runs % 2 else "two"
folder = pathlib.Path({str(pki)!r})
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {{
    "clientCertificateData": (folder / (name + ".crt")).read_text(),
    "clientKeyData": (folder / (name + ".key")).read_text(),
    "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ")}}}}))
""")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}}
    with https_server(pki) as server:
        config = kubeconfig(tmp_path, server.url, user, **{"certificate-authority": str(pki / "ca.crt")})
        results = run_probe(config, "/version", "--count=12", "--interval=400")
        assert [result["errnum"] for result in results[:-1]] == [0] * 12
        clients = [seen["client"] for seen in server.seen]
        ports = {(seen["client"], seen["port"]) for seen in server.seen}
        assert set(clients) == {"one", "two"}
        # A port belongs to one certificate, and one certificate needs one connection at a time.
        assert len({port for _, port in ports}) == len(ports)
        assert len(ports) < 12


# Connecting


def test_nobody_listens(tmp_path):
    nobody = take()
    result = get(kubeconfig(tmp_path, f"https://127.0.0.1:{nobody.number}"))
    nobody.release()
    assert result["errnum"] == errno.ECONNREFUSED and not result["connected"]
    assert result["message"] == f"https://127.0.0.1:{nobody.number}: connection refused"


def test_silent_server_costs_all_that_wait_one_connect_timeout(tmp_path):
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        start = time.monotonic()
        results = run_probe(kubeconfig(tmp_path, url), "/version", "--count=20", "--lane=all")
        # One of 10 s; two would be 20.
        assert 9 < time.monotonic() - start < 19
    assert [(result["errnum"], result["connected"]) for result in results[:-1]] == [(errno.ETIMEDOUT, False)] * 20
    assert results[0]["message"].startswith(f"{url}: no connection in time (")


# Proxies


def proxied(pki, tmp_path, proxy_url, server, **cluster):
    """The proxy alone knows where NAME is."""
    return kubeconfig(tmp_path, f"https://{NAME}:{server.port}", **{
        "certificate-authority": str(pki / "ca.crt"), "proxy-url": proxy_url, **cluster})


def test_http_proxy(pki, tmp_path):
    with https_server(pki) as server, relay(hosts={NAME: "127.0.0.1"}) as proxy:
        result = get(proxied(pki, tmp_path, f"http://joe:word@127.0.0.1:{proxy.port}", server))
        assert result["errnum"] == 0, result
        assert proxy.asked[0].startswith(f"CONNECT {NAME}:{server.port} HTTP/1.1\r\n")
        assert f"Proxy-Authorization: Basic {base64.b64encode(b'joe:word').decode()}\r\n" in proxy.asked[0]
        assert CANARY not in proxy.asked[0]
        assert server.seen[0]["headers"]["Authorization"] == f"Bearer {CANARY}"
        assert server.seen[0]["headers"]["Accept-Encoding"] == "gzip"


def test_proxy_and_tls_server_name(pki, tmp_path):
    with https_server(pki, "named") as server, relay(hosts={"far.test": "127.0.0.1"}) as proxy:
        config = kubeconfig(tmp_path, f"https://far.test:{server.port}", **{
            "certificate-authority": str(pki / "ca.crt"), "tls-server-name": NAME,
            "proxy-url": f"http://127.0.0.1:{proxy.port}"})
        assert get(config)["errnum"] == 0
        assert proxy.asked[0].startswith(f"CONNECT far.test:{server.port} HTTP/1.1\r\n")
        assert server.seen[0]["headers"]["Host"] == f"far.test:{server.port}"


def test_https_proxy(pki, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    with https_server(pki) as server, relay(hosts={NAME: "127.0.0.1"}, context=context) as proxy:
        assert get(proxied(pki, tmp_path, f"https://127.0.0.1:{proxy.port}", server))["errnum"] == 0
        assert len(proxy.asked) == 1
        # A proxy that fails the test is not even asked.
        config = kubeconfig(tmp_path, f"https://{NAME}:{server.port}", **{
            "certificate-authority": str(pki / "other" / "ca.crt"), "proxy-url": f"https://127.0.0.1:{proxy.port}"})
        result = get(config)
        assert result["errnum"] == errno.EPROTO and result["message"].startswith(f"https://{NAME}:{server.port}: ")
        assert len(proxy.asked) == 1


def test_socks_proxy_resolves_the_name(pki, tmp_path):
    with https_server(pki) as server, relay("socks5", {NAME: "127.0.0.1"}) as proxy:
        result = get(proxied(pki, tmp_path, f"socks5://127.0.0.1:{proxy.port}", server))
        assert result["errnum"] == 0, result
        assert proxy.asked == [NAME]


def test_proxy_of_the_environment(pki, tmp_path):
    trust = {"certificate-authority": str(pki / "ca.crt")}
    with https_server(pki) as server, relay(hosts={NAME: "127.0.0.1"}) as proxy:
        variables = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "ALL_PROXY": "http://127.0.0.1:1"}
        config = kubeconfig(tmp_path, f"https://{NAME}:{server.port}", **trust)
        assert get(config, environment=variables)["errnum"] == 0
        assert len(proxy.asked) == 1
        result = get(config, environment={**variables, "NO_PROXY": "x, " + NAME})
        assert result["errnum"] == errno.EHOSTUNREACH
        assert get(kubeconfig(tmp_path, server.url, **trust), environment=variables)["errnum"] == 0
        assert len(proxy.asked) == 1


# The API server: HTTP/2


@pytest.fixture(scope="module")
def cluster():
    with Cluster(nodes=0, controllers=False, extra_apiserver_args=["--goaway-chance=0.02"]) as made:
        yield made


def run_watches(cluster, *options, milliseconds):
    """All lines, of watches that are ended together, after as long as it takes to begin them all."""
    while True:
        lines = run_probe(cluster.kubeconfig, WATCH, *options, f"--cancel={milliseconds}")
        if milliseconds > 30000 or all(line["status"] for line in lines[:-1]):
            return lines
        milliseconds *= 5


@pytest.fixture(scope="module")
def calm():
    """One that ends no connection by itself."""
    with Cluster(nodes=0, controllers=False) as made:
        yield made


def check_watches(cluster):
    """The connections that 250 of them take."""
    lines = run_watches(cluster, "--lane=watch", "--count=250", milliseconds=2500)
    assert {line["errnum"] for line in lines[:-1]} == {errno.ECANCELED}
    assert {line["status"] for line in lines[:-1]} == {200}
    return lines[-1]["connections"]


def test_watches_share_connections(calm):
    # 250 streams do not fit on two.
    assert check_watches(calm) == 3


def test_goaway_loses_no_watch(cluster):
    """Those that wait for a connection that is told to go away may open one each (libcurl 7.88, client/http_channel.h)."""
    assert check_watches(cluster) >= 3


def test_every_lane_has_connections_of_its_own(calm):
    lines = run_watches(calm, "--lane=all", "--count=9", milliseconds=1500)
    assert {line["status"] for line in lines[:-1]} == {200}
    assert 3 <= lines[-1]["connections"] <= 6


def test_goaway_loses_no_request(cluster):
    lines = run_probe(cluster.kubeconfig, "/api/v1/namespaces", "--count=1500")
    assert [line for line in lines[:-1] if line["errnum"] != 0 or line["status"] != 200] == []


def test_refused_token(cluster, tmp_path):
    config = kubeconfig(tmp_path, cluster.server, **{"certificate-authority": str(cluster.ca_file)})
    result = get(config)
    assert result["errnum"] == errno.EACCES and result["status"] == 401
    assert result["message"] == f"{cluster.server}: the server does not accept the credential (401 Unauthorized)"


def test_forbidden_says_who_and_what(cluster):
    config = cluster.add_user("mallory")
    result = get(config, "/api/v1/secrets")
    assert result["errnum"] == errno.EACCES and result["reason"] == "Forbidden"
    assert 'User "mallory" cannot list resource "secrets"' in result["message"]


def post(cluster, tmp_path, size, count):
    body = tmp_path / "body"
    body.write_text(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x"},
                                "data": {"k": "x" * size}}))
    lines = run_probe(cluster.kubeconfig, "/api/v1/namespaces/default/configmaps?dryRun=All", f"--count={count}",
                      f"--post={body}")
    return {(line["errnum"], line["status"]) for line in lines[:-1]}


@pytest.mark.parametrize("size", [10, 100_000, 1_000_000])
def test_bodies_are_sent_side_by_side(cluster, tmp_path, size):
    # A write that meets a GOAWAY may have arrived: it is not sent again, and the caller is told.
    assert post(cluster, tmp_path, size, 10) - {(errno.EIO, 0)} == {(0, 201)}


def test_too_long_bodies_are_refused(calm, tmp_path):
    assert post(calm, tmp_path, 2_900_000, 1) == {(errno.EINVAL, 422)}
    assert post(calm, tmp_path, 5_000_000, 1) == {(errno.EFBIG, 413)}


@pytest.mark.bounded(300)
def test_slow_reader_holds_up_no_other_list(cluster):
    body = "x" * 900_000
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"big{i}"}, "data": {"k": body}}
             for i in range(24)]
    cluster.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    path = "/api/v1/namespaces/default/configmaps"
    # All four are to get the same from the cache, which is somewhat later.
    cluster.wait_for(lambda: len(cluster.api("GET", path, resourceVersion="0")["items"]) >= len(items), "the cache")
    lines = run_probe(cluster.kubeconfig, f"{path}?resourceVersion=0", "--lane=list", "--count=4", "--delay=40000",
                      timeout=240)
    assert {line["errnum"] for line in lines[:-1]} == {0}
    assert len({line["bytes"] for line in lines[:-1]}) == 1
    slow = lines[-2]["ms"]
    assert all(line["ms"] < slow / 2 for line in lines[:-2]), lines
    cluster.kubectl("delete", "configmaps", "--all")


def test_paused_server_times_out_and_heals(cluster):
    cluster.pause_apiserver()
    try:
        result = get(cluster.kubeconfig, "/version", "--timeout=2000")
        assert result["errnum"] == errno.ETIMEDOUT and result["ms"] < 15000
    finally:
        cluster.resume_apiserver()
    cluster.wait_for(lambda: get(cluster.kubeconfig)["errnum"] == 0, "the server to answer")


def test_killed_server_ends_watches_at_once(cluster):
    started = subprocess.Popen(
        [PROBE, "--lane=watch", "--count=120", "--cancel=120000", "--heads", cluster.kubeconfig, WATCH],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # One that has no answer yet would be asked for again.
    assert [started.stderr.readline() for _ in range(120)] == ["head\n"] * 120
    cluster.kill_apiserver()
    output, _ = started.communicate(timeout=60)
    lines = [json.loads(line) for line in output.splitlines()]
    assert {line["errnum"] for line in lines[:-1]} == {errno.EIO}
    assert all("the connection was lost" in line["message"] for line in lines[:-1])
    assert get(cluster.kubeconfig)["errnum"] == errno.ECONNREFUSED
    cluster.start_apiserver()
    assert get(cluster.kubeconfig)["errnum"] == 0
