"""kubeconfig as kubectl has it: files merged, and what goes on the wire.

The first half compares what generated files resolve to with `kubectl config view --minify --flatten`, the second what
kubectl sends to a server with what we would. KUBEFS_BUILD names the build directory; KUBEFS_SEED repeats a run.
"""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import random
import ssl
import subprocess
import sys
import threading

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "cluster"))
from pki import Authority  # noqa: E402

CACHE = pathlib.Path(os.environ.get("KUBEFS_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kubefs")
ASSETS = os.environ.get("KUBEBUILDER_ASSETS")
KUBECTL = (pathlib.Path(ASSETS) if ASSETS else CACHE / "current" / "bin") / "kubectl"
PROBE = pathlib.Path(os.environ.get("KUBEFS_BUILD", TOP / "build")) / "tests" / "e2e" / "kubeconfig_probe"
SEED = int(os.environ.get("KUBEFS_SEED", "20261124"))
ROUNDS = 150


def environment(folder, kubeconfig):
    """An environment with nothing of the caller's own configuration in it."""
    result = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    if kubeconfig is not None:
        result["KUBECONFIG"] = kubeconfig
    return result


def run_kubectl(folder, kubeconfig, *arguments):
    return subprocess.run([KUBECTL, *arguments], cwd=folder, env=environment(folder, kubeconfig), text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


def run_probe(folder, kubeconfig, context=None):
    ended = subprocess.run([PROBE] + ([context] if context else []), cwd=folder, text=True,
                           env=environment(folder, kubeconfig), capture_output=True, stdin=subprocess.DEVNULL,
                           timeout=60, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    result = json.loads(ended.stdout)
    assert ("error" in result) == (ended.returncode == 1)
    return result


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A server certificate, a client certificate, and their authority."""
    folder = tmp_path_factory.mktemp("pki")
    authority = Authority(folder)
    authority.issue("server", "server", names=["IP:127.0.0.1", "DNS:localhost", "DNS:other.name"],
                    usage="serverAuth")
    authority.issue("client", "someone")
    return folder


def encoded(path):
    return base64.b64encode(path.read_bytes()).decode()


# Generated files

NAMES = ["a", "b", "c d", "ü", "with:colon", "0", "yes"]


class Generator:
    """Kubeconfig files in folders of their own, which share few names so that they collide."""

    def __init__(self, seed, folder, pki):
        self.random = random.Random(seed)
        self.folder = folder
        self.pki = pki
        self.files = {}

    def maybe(self, likelihood=0.4):
        return self.random.random() < likelihood

    def file(self, folder, content):
        """A file below folder, named as it may be in a kubeconfig beside it."""
        name = f"f{len(self.files)}"
        form = self.random.choice(["{}", "./{}", "sub/{}", "../shared/{}", "sub/../{}", "absolute"])
        relative = name if form == "absolute" else form.format(name)
        path = folder / relative
        (folder / "sub").mkdir(exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        named = str(path) if form == "absolute" else relative
        self.files[named] = content
        return named

    def cluster(self, folder):
        result = {"server": self.random.choice(["https://x:1", "https://y/base", "https://z/"])}
        authority = (self.pki / "ca.crt").read_bytes() + b"# %d\n" % self.random.randrange(10**6)
        kind = self.random.randrange(4)
        if kind == 0:
            result["certificate-authority"] = self.file(folder, authority)
        elif kind == 1:
            result["certificate-authority-data"] = base64.b64encode(authority).decode()
        elif kind == 2:
            result["insecure-skip-tls-verify"] = True
        if self.maybe():
            result["tls-server-name"] = f"name{self.random.randrange(9)}"
        if self.maybe():
            result["proxy-url"] = self.random.choice(["http://p:1", "https://q", "socks5://r:3"])
        if self.maybe():
            result["disable-compression"] = self.maybe()
        return result

    def user(self, folder):
        result = {}
        number = self.random.randrange(10**6)
        kind = self.random.randrange(4)
        if kind == 0:
            result["token"] = f"token{number}"
        elif kind == 1:
            result["tokenFile"] = self.file(folder, b"file%d\n" % number)
        elif kind == 2:
            result["username"] = f"user{number}"
            result["password"] = f"päss {number}: word"
        if self.maybe():
            certificate, key = (self.pki / name for name in ("client.crt", "client.key"))
            if self.maybe():
                result["client-certificate-data"] = encoded(certificate)
                result["client-key-data"] = encoded(key)
            else:
                result["client-certificate"] = self.file(folder, certificate.read_bytes())
                result["client-key"] = self.file(folder, key.read_bytes())
        if self.maybe(0.3):
            result["as"] = f"other{number}"
            if self.maybe():
                result["as-groups"] = ["g1", f"g{number}"]
            if self.maybe():
                result["as-uid"] = str(number)
            if self.maybe():
                result["as-user-extra"] = {"scopes": ["one", "two"], "reason": []}
        return result

    def context(self):
        result = {"cluster": self.random.choice(NAMES), "user": self.random.choice(NAMES)}
        if self.maybe():
            result["namespace"] = f"ns-{self.random.randrange(9)}"
        return result

    def entries(self, key, make):
        names = self.random.sample(NAMES, self.random.randrange(len(NAMES) // 2, len(NAMES) + 1))
        return [{"name": name, key: make()} for name in names]

    def config(self, folder):
        result = {}
        if self.maybe(0.7):
            result |= {"apiVersion": "v1", "kind": "Config"}
        if self.maybe(0.6):
            result["current-context"] = self.random.choice(NAMES + [""])
        if self.maybe(0.8):
            result["clusters"] = self.entries("cluster", lambda: self.cluster(folder))
        if self.maybe(0.8):
            result["users"] = self.entries("user", lambda: self.user(folder))
        if self.maybe(0.8):
            result["contexts"] = self.entries("context", self.context)
        if self.maybe(0.2):
            result["preferences"] = {"colors": True}
        return result

    def text(self, config):
        """As JSON, which is YAML too, or as block YAML; sometimes nothing."""
        if self.maybe(0.1):
            return self.random.choice(["", "# nothing\n", "---\n", "{}"])
        if self.maybe():
            return json.dumps(config)
        return "\n".join(block(config)) + "\n"

    def kubeconfig(self):
        """Writes the files; returns $KUBECONFIG."""
        paths = []
        for index in range(self.random.randrange(2, 6)):
            folder = self.folder / f"d{index}"
            folder.mkdir()
            path = folder / "config"
            path.write_text(self.text(self.config(folder)))
            paths.append(self.random.choice([str(path), f"d{index}/config", f"./d{index}//config"]))
        for extra in ("", "missing", "/no/such/file", self.random.choice(paths)):
            if self.maybe():
                paths.insert(self.random.randrange(len(paths) + 1), extra)
        return ":".join(paths)


def block(value, indent=""):
    """YAML in block style, strings quoted."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                yield f"{indent}{json.dumps(key)}:"
                yield from block(item, indent + "  ")
            else:
                yield f"{indent}{json.dumps(key)}: {json.dumps(item)}"
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, dict):
                yield f"{indent}-"
                yield from block(item, indent + "  ")
            else:
                yield f"{indent}- {json.dumps(item)}"
    else:
        yield f"{indent}{json.dumps(value)}"


def only(view, section, key):
    """The one entry of a section of a minified view, or None when it is not there."""
    entries = view.get(section) or []
    assert len(entries) <= 1
    return entries[0][key] if entries else None


def authorization(user, files):
    if "token" in user:
        return "Bearer " + user["token"]
    if "tokenFile" in user:
        return "Bearer " + files[user["tokenFile"]].decode().strip()
    if "username" in user:
        return "Basic " + base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
    return None


def expected_from(view, files):
    """What the probe must print, out of kubectl's flattened view and what the token files hold."""
    context = only(view, "contexts", "context")
    cluster, user = only(view, "clusters", "cluster"), only(view, "users", "user") or {}
    result = {
        "context": view["current-context"],
        "server": cluster["server"].rstrip("/"),
        "ca": cluster.get("certificate-authority-data"),
        "insecure": cluster.get("insecure-skip-tls-verify", False),
        "tls-server-name": cluster.get("tls-server-name"),
        "proxy-url": (cluster.get("proxy-url") or "").replace("socks5:", "socks5h:") or None,
        "disable-compression": cluster.get("disable-compression", False),
        "namespace": context.get("namespace", "default"),
        "as": user.get("as"),
        "uid": user.get("as-uid"),
        "groups": user.get("as-groups", []),
        "extras": sorted([key, value] for key, values in user.get("as-user-extra", {}).items() for value in values),
        "authorization": authorization(user, files),
        "certificate": user.get("client-certificate-data"),
        "key": user.get("client-key-data"),
    }
    return {key: value for key, value in result.items() if value is not None}


def compare(folder, kubeconfig, context, files):
    """Asserts that we and kubectl agree. Returns "same", or "refused" when both find nothing to use."""
    ours = run_probe(folder, kubeconfig, context)
    choice = ["--context", context] if context else []
    names = run_kubectl(folder, kubeconfig, "config", "get-contexts", "-o", "name")
    assert names.returncode == 0, names.stderr
    assert ours.pop("contexts", []) == sorted(names.stdout.splitlines(), key=str.encode)
    theirs = run_kubectl(folder, kubeconfig, "config", "view", "--minify", "--flatten", "-o", "json", *choice)
    if theirs.returncode != 0:
        assert "error" in ours, theirs.stderr
        return "refused"
    ours.setdefault("extras", []).sort()
    assert ours == expected_from(json.loads(theirs.stdout), files)
    return "same"


@pytest.mark.bounded(600)
def test_merge(tmp_path, pair):
    outcomes = {}
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        generator = Generator(SEED + number, folder, pair)
        kubeconfig = generator.kubeconfig()
        context = generator.random.choice([None, None, *NAMES])
        try:
            outcome = compare(folder, kubeconfig, context, generator.files)
        except AssertionError:
            print(f"KUBEFS_SEED={SEED + number}, KUBECONFIG={kubeconfig!r} in {folder}, context {context!r}")
            raise
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(outcomes)
    assert outcomes["same"] >= ROUNDS // 3 and outcomes["refused"] >= ROUNDS // 10


def test_home(tmp_path, pair):
    folder = tmp_path / ".kube"
    folder.mkdir()
    user = {"token": "home"}
    (folder / "config").write_text(json.dumps({
        "current-context": "h",
        "contexts": [{"name": "h", "context": {"cluster": "h", "user": "h"}}],
        "clusters": [{"name": "h", "cluster": {"server": "https://h"}}],
        "users": [{"name": "h", "user": user}],
    }))
    for kubeconfig in (None, ""):
        assert compare(tmp_path, kubeconfig, None, {}) == "same"


# On the wire


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        headers = [(name.lower(), value) for name, value in self.headers.items()
                   if name.lower() == "authorization" or name.lower().startswith("impersonate-")]
        self.server.seen.append({"headers": sorted(headers), "certificate": bool(certificate), "path": self.path})
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(pki=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    if pki:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pki / "server.crt", pki / "server.key")
        tls.load_verify_locations(pki / "ca.crt")
        tls.verify_mode = ssl.CERT_OPTIONAL
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PLUGIN = """#!/bin/sh
cat <<END
{"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": "$ANSWER"}}
END
"""
EXEC = {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1beta1",
        "env": [{"name": "ANSWER", "value": "plugin"}]}
CERTIFICATE = {"client-certificate": "client.crt", "client-key": "client.key"}
# Not among them: a token beside a tokenFile, where kubectl 1.36 sends what the file holds and we the token.
USERS = {
    "token": {"token": "abc"},
    "tokenFile": {"tokenFile": "token"},
    "basic": {"username": "Aladdin", "password": "open sesame"},
    "name alone": {"username": "Aladdin"},
    "certificate": CERTIFICATE,
    "certificate and token": {**CERTIFICATE, "token": "abc"},
    "certificate and basic": {**CERTIFICATE, "username": "a", "password": "b"},
    "exec": {"exec": EXEC},
    "exec and token": {"exec": EXEC, "token": "abc"},
    "exec and tokenFile": {"exec": EXEC, "tokenFile": "token"},
    "exec and basic": {"exec": EXEC, "username": "a", "password": "b"},
    "exec and certificate": {"exec": EXEC, **CERTIFICATE},
    "as": {"token": "abc", "as": "someone", "as-uid": "7", "as-groups": ["x", "y"],
           "as-user-extra": {"scopes": ["one", "two"]}},
}


def headers_of(ours):
    """What we would send, as the server sees it."""
    result = []
    if "authorization" in ours:
        result.append(("authorization", ours["authorization"]))
    if "as" in ours:
        result.append(("impersonate-user", ours["as"]))
    if "uid" in ours:
        result.append(("impersonate-uid", ours["uid"]))
    result += [("impersonate-group", group) for group in ours["groups"]]
    result += [(f"impersonate-extra-{key}", value) for key, value in ours["extras"]]
    return sorted(result)


def write_wire_config(folder, pki, server, user):
    folder.mkdir(exist_ok=True)
    for name in ("ca.crt", "client.crt", "client.key"):
        (folder / name).write_bytes((pki / name).read_bytes())
    (folder / "token").write_text("from-file\n")
    (folder / "plugin").write_text(PLUGIN)
    (folder / "plugin").chmod(0o700)
    config = folder / "config"
    cluster = {"server": server}
    if not server.startswith("http:"):
        cluster["certificate-authority"] = "ca.crt"
    config.write_text(json.dumps({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }))
    return str(config)


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_wire(tmp_path, pair, name, secure):
    with serving(pair if secure else None) as server:
        url = f"http{'s' if secure else ''}://127.0.0.1:{server.server_address[1]}"
        kubeconfig = write_wire_config(tmp_path / "c", pair, url, USERS[name])
        ended = run_kubectl(tmp_path, kubeconfig, "get", "--raw", "/there")
        assert ended.returncode == 0, ended.stderr
        seen = server.seen[-1]
    ours = run_probe(tmp_path, kubeconfig)
    assert "error" not in ours
    assert headers_of(ours) == seen["headers"]
    assert ("certificate" in ours) == seen["certificate"]


@pytest.mark.parametrize("user", [
    {"token": "abc", "username": "a", "password": "b"},
    {"tokenFile": "token", "username": "a", "password": "b"},
    {"tokenFile": "missing"},
    {"client-certificate": "client.crt"},
    {"client-certificate": "missing", "client-key": "client.key"},
    {"client-certificate": "client.crt", "client-key": "missing"},
    {"client-certificate": "ca.crt", "client-certificate-data": "Zm9v", "client-key": "client.key"},
    {"client-certificate": "client.crt", "client-key": "ca.crt"},
    {"as-groups": ["x"]},
    {"auth-provider": {"name": "gcp"}},
    {"exec": {**EXEC, "apiVersion": "client.authentication.k8s.io/v1alpha1"}},
    {"exec": {**EXEC, "apiVersion": "client.authentication.k8s.io/v1"}},
    {"exec": {**EXEC, "interactiveMode": "Always"}},
    {"exec": {**EXEC, "command": "./missing"}},
    {"exec": {**EXEC, "command": ""}},
    {"token": 12},
    {"token": "a\nb"},
], ids=str)
def test_refused_by_both(tmp_path, pair, user):
    with serving(pair) as server:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        kubeconfig = write_wire_config(tmp_path / "c", pair, url, user)
        assert run_kubectl(tmp_path, kubeconfig, "get", "--raw", "/there").returncode != 0
    message = run_probe(tmp_path, kubeconfig)["error"]
    assert '"u"' in message and kubeconfig in message and "\n" not in message


@pytest.mark.parametrize("path", ["", "/", "/base", "/base/", "/base?q=1"])
def test_base_path(tmp_path, pair, path):
    with serving(pair) as server:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        kubeconfig = write_wire_config(tmp_path / "c", pair, url + path, {"token": "abc"})
        assert run_kubectl(tmp_path, kubeconfig, "get", "--raw", "/there").returncode == 0
        seen = server.seen[-1]["path"]
    assert run_probe(tmp_path, kubeconfig)["server"] == url + seen.removesuffix("/there")
