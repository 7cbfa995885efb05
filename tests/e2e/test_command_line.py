"""The command line: what it says, where, its exit status, and how the program begins and ends."""

import http.server
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time

import pytest

from mounting import BINARY, BUILD, TOP, environment, is_mounted, require_tools, sanitizer_reports, unmount
from pki import Authority

MANUAL = TOP / "kubefs" / "kubefs.1"
CANARY = "canary-7Zp0qL"
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
pytestmark = pytest.mark.sanitize


class Daemons:
    """Runs kubefs as a user does, without --foreground, and ends what that leaves behind."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "mnt"
        self.path.mkdir()

    def run(self, *arguments, timeout=90, cwd=None, **variables):
        """The finished command; a daemon that it left is not waited for, as its descriptors are its own."""
        done = subprocess.run([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, text=True, timeout=timeout,
                              capture_output=True, env=environment(self.folder, **variables), cwd=cwd, check=False)
        assert not sanitizer_reports(self.folder), sanitizer_reports(self.folder)
        return done

    def processes(self, path=None):
        """The processes that have our mount point as their last argument."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0] == str(BINARY).encode() and str(path or self.path).encode() in words:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def wait_gone(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self.processes() or is_mounted(self.path):
            assert time.monotonic() < deadline, f"still there: {self.processes()}, mounted: {is_mounted(self.path)}"
            time.sleep(0.02)
        assert not sanitizer_reports(self.folder), sanitizer_reports(self.folder)

    def close(self):
        if is_mounted(self.path):
            unmount(self.path, lazy=True)
        for process in self.processes():
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def kubefs(tmp_path):
    made = Daemons(tmp_path)
    yield made
    made.close()


@pytest.fixture
def public_kubefs():
    """The same in a folder that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="kubefs-test-") as folder:
        os.chmod(folder, 0o755)
        made = Daemons(pathlib.Path(folder))
        yield made
        made.close()



def fails(done, *parts):
    """The command failed, mounted nothing, and said so in one line that has these parts in their order."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("kubefs: "), lines
    at = len("kubefs: ")
    for part in map(str, parts):
        found = lines[0].find(part, at)
        assert found >= 0, f"{part!r} is not in its place in {lines[0]!r}"
        at = found + len(part)
    assert CANARY not in lines[0]


# What it says about itself


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_fits_a_screen(kubefs, option):
    done = kubefs.run(option)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    for word in ("usage: kubefs", "MOUNTPOINT", "--kubeconfig", "--context", "--namespace", "--as", "-o ", "--foreground",
                 "--log-level", "--syslog", "--version", "fusermount3 -u"):
        assert word in done.stdout


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(kubefs, option):
    done = kubefs.run(option)
    assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(r"kubefs \d+\.\d+\.\d+\n", done.stdout)


def test_the_manual_is_of_this_version_and_names_every_option(kubefs):
    manual = MANUAL.read_text().replace("\\-", "-")
    assert f'"{kubefs.run("--version").stdout.strip()}"' in manual.splitlines()[0]
    for option in set(re.findall(r"--[a-z][a-z-]+", kubefs.run("--help").stdout)):
        assert option in manual, option


# Mistakes


@pytest.mark.parametrize("arguments, parts", [
    (["--bogus", "MNT"], ["unknown option", "--bogus", "--help"]),
    (["--help=yes", "MNT"], ["unknown option", "--help=yes"]),
    (["-Z", "MNT"], ["unknown option", "-Z"]),
    (["MNT", "-o", "bogus"], ["-o", "bogus"]),
    (["MNT", "-o", "ro,bogus=1"], ["-o", "bogus=1"]),
    (["MNT", "-o"], ["-o", "value"]),
    (["MNT", "--kubeconfig"], ["--kubeconfig", "value"]),
    (["--log-level", "loud", "MNT"], ["--log-level", "loud", "error, warning, info"]),
    (["-o", "idle=soon", "MNT"], ["idle", "soon", "seconds"]),
    (["-o", "idle=0", "MNT"], ["idle", "0", "seconds"]),
    (["MNT", "-o", "ro="], ["-o ro:", "context", "missing"]),
    (["MNT", "-o", "ro=elsewhere"], ["-o ro=elsewhere:", '"elsewhere"', "not mounted"]),
    (["MNT", "-o", "read_only=test:elsewhere"], ["-o ro=test:elsewhere:", '"elsewhere"', "not mounted"]),
    (["MNT", "-o", "dry_run="], ["-o dry_run:", "context", "missing"]),
    (["MNT", "-o", "dry_run=test:"], ["-o dry_run=test::", '""', "not mounted"]),
    (["MNT", "-o", "rmdir_namespaces=1"], ["-o", "rmdir_namespaces=1"]),
    (["MNT", "-o", "allow="], ["-o allow:", "empty"]),
    (["MNT", "-o", "allow=pods::secrets"], ["-o allow:", "empty"]),
    (["MNT", "-o", "allow"], ["-o:", "allow"]),
    (["MNT", "-o", "deny=secrets/patch"], ["-o deny:", "secrets/patch", "create, update, delete"]),
    (["MNT", "-o", "deny=pods/"], ["-o deny:", "pods/", "create, update, delete"]),
    (["MNT", "-o", "deny=*.apps"], ["-o deny:", "*.apps", "resource"]),
    (["MNT", "-o", "deny=pods,secrets"], ["-o", "secrets"]),
    (["MNT", "--deny", "pods"], ["unknown option", "--deny"]),
    (["a", "b", "MNT"], ["too many", "MNT"]),
    (["a,,b", "MNT"], ["a,,b", "empty"]),
    (["--server", "http://[", "MNT"], ["server", "URL"]),
])
def test_bad_options(kubefs, arguments, parts, cluster):
    def fill(word):
        return word.replace("MNT", str(kubefs.path))
    fails(kubefs.run("--kubeconfig", cluster.kubeconfig, *map(fill, arguments)), *map(fill, parts))
    assert not is_mounted(kubefs.path)


def test_no_mount_point(kubefs, cluster):
    fails(kubefs.run(), "mount point", "--help")
    fails(kubefs.run(kubefs.folder / "nowhere"), kubefs.folder / "nowhere", "No such file or directory")
    file = kubefs.folder / "file"
    file.touch()
    fails(kubefs.run("--kubeconfig", cluster.kubeconfig, file), file, "Not a directory")


def test_bad_kubeconfigs(kubefs, cluster):
    fails(kubefs.run("--kubeconfig", "/no/such/file", kubefs.path), "/no/such/file", "No such file or directory")
    fails(kubefs.run(kubefs.path), ".kube/config")
    broken = kubefs.folder / "broken"
    broken.write_text(f"users: [{{name: x, user: {{token: {CANARY}}}}}\nclusters: ]")
    fails(kubefs.run("--kubeconfig", broken, kubefs.path), broken)
    fails(kubefs.run("--kubeconfig", cluster.kubeconfig, "elsewhere", kubefs.path), "elsewhere", cluster.kubeconfig)
    fails(kubefs.run("--kubeconfig", cluster.kubeconfig, "--context", "elsewhere", kubefs.path), "elsewhere")


# Servers


def silent_port():
    """A port on which nobody listens, held for as long as the socket lives."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()[1]


def test_unreachable_servers(kubefs, cluster):
    holder, port = silent_port()
    with holder:
        server = f"https://127.0.0.1:{port}"
        fails(kubefs.run("--kubeconfig", cluster.kubeconfig, "--server", server, kubefs.path), server, "refused")
    server = "https://no-such-host.invalid"
    fails(kubefs.run("--kubeconfig", cluster.kubeconfig, "--server", server, kubefs.path), server, "no-such-host.invalid")


def test_wrong_authority(kubefs, cluster, tmp_path):
    folder = tmp_path / "pki"
    folder.mkdir()
    other = Authority(folder)
    wrong = cluster.write_kubeconfig("wrong-ca", {"token": CANARY}, {
        "certificate-authority-data": None, "certificate-authority": str(other.certificate)})
    fails(kubefs.run("--kubeconfig", wrong, kubefs.path), cluster.server, "certificate")
    none = cluster.write_kubeconfig("no-ca", {"token": CANARY}, {"certificate-authority-data": None})
    fails(kubefs.run("--kubeconfig", none, kubefs.path), cluster.server, "certificate")


def test_wrong_name_in_the_certificate(kubefs, cluster):
    fails(kubefs.run("--kubeconfig", cluster.write_kubeconfig("wrong-name", {"token": CANARY}, {
        "tls-server-name": "another.example"}), kubefs.path), cluster.server, "certificate")


def test_refused_tokens(kubefs, cluster):
    bad = cluster.write_kubeconfig("bad-token", {"token": CANARY})
    fails(kubefs.run("--kubeconfig", bad, kubefs.path), cluster.server, "401")
    revoked = cluster.add_user("leaver")
    cluster.revoke_token("leaver")

    def refused():
        done = kubefs.run("--kubeconfig", revoked, kubefs.path)
        if done.returncode == 0:
            unmount(kubefs.path)
            kubefs.wait_gone()
        return done.returncode and done
    fails(cluster.wait_for(refused, "the revoked token is refused", 100), cluster.server, "401")


def test_expired_client_certificate(kubefs, cluster, tmp_path):
    """Signed by the right authority, but no longer valid."""
    require_tools("openssl")
    key, request, certificate = (tmp_path / f"old.{suffix}" for suffix in ("key", "csr", "crt"))
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", request, "-subj", "/O=system:masters/CN=old"], check=True, capture_output=True)
    (tmp_path / "index").touch()
    (tmp_path / "ca.conf").write_text(
        "[ca]\ndefault_ca=it\n[it]\npolicy=any\ndatabase=%s\nrand_serial=yes\ndefault_md=sha256\nnew_certs_dir=%s\n"
        "[any]\ncommonName=supplied\norganizationName=optional\n" % (tmp_path / "index", tmp_path))
    subprocess.run(["openssl", "ca", "-batch", "-config", tmp_path / "ca.conf", "-in", request, "-out", certificate,
                    "-cert", cluster.ca_file, "-keyfile", cluster.pki / "ca.key", "-notext",
                    "-startdate", "20200101000000Z", "-enddate", "20200102000000Z"], check=True, capture_output=True)
    config = cluster.write_kubeconfig("old", {"client-certificate": str(certificate), "client-key": str(key)})
    fails(kubefs.run("--kubeconfig", config, kubefs.path), cluster.server)


class Silent(http.server.BaseHTTPRequestHandler):
    """Not a Kubernetes API server."""

    def do_GET(self):
        body = b"<html>\x1b[31mhello</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_what_is_no_api_server(kubefs, cluster):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = kubefs.run("--kubeconfig", cluster.write_kubeconfig("none", {}, {
            "server": url, "certificate-authority-data": None}), kubefs.path)
        server.shutdown()
    fails(done, url)
    assert "\x1b" not in done.stderr


def test_an_endless_answer_ends_the_mount_in_time(kubefs, cluster):
    """A server that takes the connection and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        server = f"https://127.0.0.1:{listener.getsockname()[1]}"
        begin = time.monotonic()
        done = kubefs.run("--kubeconfig", cluster.kubeconfig, "--server", server, kubefs.path, timeout=150)
        assert time.monotonic() - begin < 120
    fails(done, server)


def write_contexts(kubefs, cluster, **servers):
    """A kubeconfig with a context for each server, by its name."""
    config = kubefs.folder / "contexts"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": next(iter(servers)),
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority": str(cluster.ca_file)}}
                     for name, server in servers.items()],
        "users": [{"name": "me", "user": {"token": cluster.admin_token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in servers]}))
    return config


def test_of_several_contexts_one_may_be_away(kubefs, cluster):
    holder, port = silent_port()
    config = write_contexts(kubefs, cluster, here=cluster.server, away=f"https://127.0.0.1:{port}")
    with holder:
        for source in ("here,away", "all"):
            done = kubefs.run("--kubeconfig", config, source, kubefs.path)
            assert done.returncode == 0, done.stderr
            assert sorted(os.listdir(kubefs.path)) == ["away", "here"]
            assert "default" in os.listdir(kubefs.path / "here" / "namespaces")
            with pytest.raises(OSError):
                os.listdir(kubefs.path / "away" / "namespaces")
            assert not unmount(kubefs.path)
            kubefs.wait_gone()


# Safety switches


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def switches(kubefs):
    """What each context is, as .kubefs/status has it: "NAME r-" for a read-only one, "NAME -d" for a dry run."""
    text = (kubefs.path / ".kubefs" / "status").read_text()
    found = re.findall(r"^- name: (.*)\n  server: .*\n  readOnly: (true|false)\n  dryRun: (true|false)\n", text, re.M)
    return [f"{name} {'r' if read_only == 'true' else '-'}{'d' if dry_run == 'true' else '-'}"
            for name, read_only, dry_run in found]


ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/one"


@pytest.mark.parametrize("options, seen, mounted", [
    ("rw", ["a --", f"{ARN} --", "b --"], "rw"),
    ("ro=a:b", ["a r-", f"{ARN} --", "b r-"], "rw"),
    (f"ro={ARN},dry_run=a:b", ["a -d", f"{ARN} r-", "b -d"], "rw"),
    (f"ro=a:b,read_only={ARN}", ["a r-", f"{ARN} r-", "b r-"], "rw"),
    ("dry_run", ["a -d", f"{ARN} -d", "b -d"], "rw"),
    ("ro", ["a r-", f"{ARN} r-", "b r-"], "ro"),
])
def test_contexts_are_switched_by_name(kubefs, cluster, options, seen, mounted):
    config = write_contexts(kubefs, cluster, **dict.fromkeys(("a", ARN, "b"), cluster.server))
    done = kubefs.run("--kubeconfig", config, f"a,{ARN},b", kubefs.path, "-o", options)
    assert (done.returncode, done.stderr) == (0, "")
    assert switches(kubefs) == seen
    assert mounted in mount_table(kubefs.path)[3].split(",")
    for name, line in (("a", seen[0]), ("b", seen[2])):
        default = kubefs.path / name / "namespaces" / "default"
        closed = "r" in line.split(" ")[1]
        assert mode(default / "configmaps") == (0o555 if closed else 0o755)
        assert mode(default / "configmaps" / "kube-root-ca.crt.yaml") == (0o444 if closed else 0o644)
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


@pytest.mark.parametrize("options, expected", [
    ("deny=cm/update", {"configmaps": 0o444, "services": 0o644}),
    ("deny=configmaps/delete:/create", {"configmaps": 0o644, "services": 0o644}),
    ("allow=configmaps/update", {"configmaps": 0o644, "services": 0o444}),
    ("allow=*,deny=svc", {"configmaps": 0o644, "services": 0o444}),
])
def test_refused_updates_show_in_modes(kubefs, cluster, options, expected):
    assert kubefs.run("--kubeconfig", cluster.kubeconfig, kubefs.path, "-o", options).returncode == 0
    default = kubefs.path / "namespaces" / "default"
    found = {resource: mode(default / resource / name) for resource, name in
             (("configmaps", "kube-root-ca.crt.yaml"), ("services", "kubernetes.yaml"))}
    assert found == expected
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


def test_slips_in_resources_are_noted(kubefs, cluster):
    done = kubefs.run("--kubeconfig", cluster.kubeconfig, kubefs.path, "-o", "deny=secerts:secrets,allow=pods:po/update:widgets.none.example")
    assert done.returncode == 0
    errors = (kubefs.path / ".kubefs" / "errors").read_text()
    assert re.findall(r"-o (\S+): no server has such a resource", errors) == ["allow=widgets.none.example", "deny=secerts"]
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


# Its life


def mount_table(path):
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split(" ")
        if fields[1] == str(path):
            return fields
    return None


def test_a_daemon_is_mounted_when_the_command_ends(kubefs, cluster):
    done = kubefs.run("--kubeconfig", cluster.kubeconfig, kubefs.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(os.listdir(kubefs.path)) == ["cluster", "namespaces"]
    source, _, kind, options = mount_table(kubefs.path)[:4]
    assert (source, kind) == ("test", "fuse.kubefs")
    assert {"rw", "nosuid", "nodev"} <= set(options.split(",")) and "allow_other" not in options

    daemon, = kubefs.processes()
    assert os.readlink(f"/proc/{daemon}/cwd") == "/"
    assert {os.readlink(f"/proc/{daemon}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    assert os.getsid(daemon) == daemon
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


def test_sigterm_ends_it(kubefs, cluster):
    assert kubefs.run("--kubeconfig", cluster.kubeconfig, "-o", "ro", kubefs.path).returncode == 0
    assert "ro" in mount_table(kubefs.path)[3].split(",")
    daemon, = kubefs.processes()
    os.kill(daemon, signal.SIGTERM)
    kubefs.wait_gone()
    assert os.listdir(kubefs.path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_the_foreground(mount, number):
    mounted = mount()
    os.listdir(mounted.path / "namespaces")
    mounted.process.send_signal(number)
    mounted.check_end()


def test_unmounting_ends_the_foreground(mount):
    mounted = mount("-o", "ro")
    os.listdir(mounted.path / "namespaces")
    assert not unmount(mounted.path)
    mounted.check_end()


def test_sigterm_while_the_mount_is_in_use(mount, cluster):
    mounted = mount()
    with open(mounted.file("namespaces", "default")) as file:
        mounted.process.send_signal(signal.SIGTERM)
        mounted.process.wait(60)
        with pytest.raises(OSError):
            file.read()
            os.listdir(mounted.path)
    mounted.check_end()


def test_sigterm_while_the_server_hangs(kubefs, cluster):
    """Before it is mounted, it ends as well."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        listener.settimeout(90)
        process = subprocess.Popen(
            [BINARY, "-f", "--kubeconfig", cluster.kubeconfig, "--server",
             f"https://127.0.0.1:{listener.getsockname()[1]}", kubefs.path],
            stderr=subprocess.PIPE, text=True, env=environment(kubefs.folder))
        connection, _ = listener.accept()
        process.terminate()
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()
            connection.close()
    assert process.returncode != 0


def test_foreground_logs_and_background_does_not(mount, cluster):
    quiet = mount(log_level="warning")
    assert quiet.log_text() == ""
    loud = mount(log_level="debug")
    os.listdir(loud.path / "namespaces")
    assert all(line.startswith("kubefs: ") for line in loud.log_text().splitlines())
    assert "kubefs: debug: " in loud.log_text()


def test_debug_stays_in_the_foreground(kubefs, cluster):
    process = subprocess.Popen([BINARY, "-d", "--kubeconfig", cluster.kubeconfig, kubefs.path],
                               stderr=subprocess.PIPE, text=True, env=environment(kubefs.folder))
    cluster.wait_for(lambda: is_mounted(kubefs.path) and os.stat(kubefs.path), "mounted", 90)
    assert process.poll() is None
    assert not unmount(kubefs.path)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 0 and "kubefs: debug: " in text, text


def test_a_busy_mount_point_is_refused_by_the_kernel_alone(kubefs, cluster):
    """A mount over a mount is allowed, as for every file system; the second unmount shows the first."""
    for _ in range(2):
        assert kubefs.run("--kubeconfig", cluster.kubeconfig, kubefs.path).returncode == 0
    assert len(kubefs.processes()) == 2
    assert not unmount(kubefs.path)
    assert sorted(os.listdir(kubefs.path)) == ["cluster", "namespaces"]
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


def test_without_a_fuse_device(kubefs, cluster):
    """Whoever may not open /dev/fuse is told so."""
    require_tools("unshare")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /dev/fuse && exec "$@"', "sh",
         BINARY, "--kubeconfig", cluster.kubeconfig, kubefs.path],
        capture_output=True, text=True, env=environment(kubefs.folder), timeout=60, check=False)
    assert done.returncode == 1 and not is_mounted(kubefs.path)
    assert str(kubefs.path) in done.stderr.splitlines()[-1]


def test_relative_and_odd_mount_points(kubefs, cluster):
    odd = kubefs.folder / "a b,c\\d"
    odd.mkdir()
    assert kubefs.run("--kubeconfig", cluster.kubeconfig, odd.name, cwd=kubefs.folder).returncode == 0
    try:
        assert sorted(os.listdir(odd)) == ["cluster", "namespaces"]
    finally:
        assert not unmount(odd)
    assert kubefs.run("--kubeconfig", os.path.relpath(cluster.kubeconfig, kubefs.folder), "--", "mnt",
                      cwd=kubefs.folder).returncode == 0
    assert sorted(os.listdir(kubefs.path)) == ["cluster", "namespaces"]
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


# Options that reach the server


def test_impersonation(kubefs, cluster):
    cluster.add_user("nobody-special")
    done = kubefs.run("--kubeconfig", cluster.kubeconfig, "--as", "nobody-special", "--as-group", "system:authenticated",
                      "--as-group", "others", "--namespace", "default", kubefs.path)
    assert done.returncode == 0, done.stderr
    assert os.listdir(kubefs.path / "namespaces") == ["default"]
    with pytest.raises(PermissionError):
        os.listdir(kubefs.path / "namespaces" / "default" / "secrets")
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


def test_the_first_server_that_answers_is_used(kubefs, cluster):
    holder, port = silent_port()
    with holder:
        done = kubefs.run("--kubeconfig", cluster.kubeconfig, "--server", f"https://127.0.0.1:{port},{cluster.server}",
                          kubefs.path)
    assert done.returncode == 0, done.stderr
    assert "default" in os.listdir(kubefs.path / "namespaces")
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


def test_options_of_fstab(kubefs, cluster):
    done = kubefs.run("none", kubefs.path, "-o",
                      f"ro,_netdev,nofail,x-systemd.automount,noauto,kubeconfig={cluster.kubeconfig},namespace=default")
    assert done.returncode == 0, done.stderr
    assert {"ro", "nosuid", "nodev"} <= set(mount_table(kubefs.path)[3].split(","))
    assert not unmount(kubefs.path)
    kubefs.wait_gone()


def test_allow_other_forces_default_permissions(public_kubefs, cluster):
    require_tools("setpriv")
    path = public_kubefs.path
    done = public_kubefs.run("--kubeconfig", cluster.kubeconfig, "-o", "allow_other", path)
    assert done.returncode == 0, done.stderr
    assert {"allow_other", "default_permissions"} <= set(mount_table(path)[3].split(","))
    cluster.kubectl("create", "secret", "generic", "hidden", "-n", "kube-system", f"--from-literal=a={CANARY}")
    try:
        assert subprocess.run([*AS_NOBODY, "ls", path / "namespaces"], capture_output=True, check=False).returncode == 0
        hidden = path / "namespaces/kube-system/secrets/hidden.yaml"
        # The first list comes from the API server's cache, which is somewhat later.
        cluster.wait_for(hidden.exists, "the secret")
        for closed in (hidden, path / ".kubefs" / "status"):
            closed.read_bytes()
            done = subprocess.run([*AS_NOBODY, "cat", closed], capture_output=True, text=True, check=False)
            assert done.returncode == 1 and "Permission denied" in done.stderr, (closed, done)
    finally:
        cluster.kubectl("delete", "secret", "hidden", "-n", "kube-system")
    assert not unmount(path)
    public_kubefs.wait_gone()


def test_others_do_not_get_in(public_kubefs, cluster):
    require_tools("setpriv")
    assert public_kubefs.run("--kubeconfig", cluster.kubeconfig, public_kubefs.path).returncode == 0
    done = subprocess.run([*AS_NOBODY, "ls", public_kubefs.path], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "Permission denied" in done.stderr
    assert not unmount(public_kubefs.path)
    public_kubefs.wait_gone()


# Memory holds secrets


def is_address_sanitized():
    return b"__asan_init" in BINARY.read_bytes()


def test_no_core_is_written(mount):
    """Not even where the caller wants one; AddressSanitizer keeps the program dumpable."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        mounted = mount(kill_at_end=True)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    limits = pathlib.Path(f"/proc/{mounted.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
    mounted.process.send_signal(signal.SIGABRT)
    end = os.waitid(os.P_PID, mounted.pid, os.WEXITED | os.WNOWAIT)
    assert is_address_sanitized() or (end.si_code, end.si_status) == (os.CLD_KILLED, signal.SIGABRT)


def test_memory_cannot_be_read_by_the_same_user(public_kubefs, cluster):
    """PR_SET_DUMPABLE 0 gives /proc/PID/ to root. Not with AddressSanitizer: its leak check traces the process."""
    require_tools("setpriv")
    holder, port = silent_port()
    config = public_kubefs.folder / "config"
    with holder:
        holder.listen(16)
        config.write_text(cluster.kubeconfig.read_text().replace(cluster.server, f"https://127.0.0.1:{port}"))
        config.chmod(0o644)
        # The build directory may be closed to others.
        program = shutil.copy(BINARY, public_kubefs.folder)
        process = subprocess.Popen([*AS_NOBODY, program, "-f", "--kubeconfig", config, public_kubefs.path],
                                   stderr=subprocess.PIPE, env=environment(public_kubefs.folder))
        try:
            holder.settimeout(90)
            connection, _ = holder.accept()
            assert os.stat(f"/proc/{process.pid}/mem").st_uid == (65534 if is_address_sanitized() else 0)
            assert "Uid:\t65534\t" in pathlib.Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.kill()
            process.communicate()
        connection.close()


# Installation


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    require_tools("meson")
    done = subprocess.run(["meson", "install", "-C", BUILD, "--destdir", folder, "--no-rebuild", "--quiet"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return folder


def find(folder, name):
    found = [path for path in folder.rglob(name)]
    assert len(found) == 1, found
    return found[0]


def test_what_is_installed(installed):
    program, manual, link = (find(installed, name) for name in ("kubefs", "kubefs.1", "mount.fuse.kubefs"))
    assert program.parent.name == "bin" and os.access(program, os.X_OK)
    assert manual.parent.name == "man1"
    assert link.is_symlink() and link.parent.name == "sbin"
    # It leads to the program wherever the whole is put.
    assert link.resolve() == program
    everything = [path for path in installed.rglob("*") if not path.is_dir()]
    assert sorted(everything) == sorted([program, manual, link])


def test_mount_finds_its_helper(installed, kubefs, cluster):
    """mount(8) runs mount.fuse.kubefs of its search path; a private /sbin shows ours alone."""
    require_tools("unshare", "mount")
    link = find(installed, "mount.fuse.kubefs")
    script = ('mount --bind "$1" /usr/sbin && mount -t fuse.kubefs test "$2" -o "ro,kubeconfig=$3,_netdev" && '
              'cat /proc/self/mounts | grep " $2 " && ls "$2" && umount "$2"')
    sbin = kubefs.folder / "sbin"
    sbin.mkdir()
    (sbin / "mount.fuse.kubefs").symlink_to(link.resolve())
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", script, "sh", sbin, kubefs.path, cluster.kubeconfig],
                          capture_output=True, text=True, env=environment(kubefs.folder), timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split(" ")[:3] == ["test", str(kubefs.path), "fuse.kubefs"]
    assert done.stdout.splitlines()[1:] == ["cluster", "namespaces"]
    kubefs.wait_gone()


def test_mount_hands_the_switches_on(installed, kubefs, cluster):
    """mount(8) leaves all of them alone but ro=, which it takes for ro: read_only= is there for that."""
    require_tools("unshare", "mount")
    link = find(installed, "mount.fuse.kubefs")
    script = ('mount --bind "$1" /usr/sbin && mount -t fuse.kubefs test "$2" -o "kubeconfig=$3,$4" && '
              'cat "$2/.kubefs/status" /proc/self/mounts && umount "$2"')
    sbin = kubefs.folder / "sbin"
    sbin.mkdir()
    (sbin / "mount.fuse.kubefs").symlink_to(link.resolve())
    for options, read_only, mounted in (("read_only=test,dry_run=test,deny=secrets:/delete,allow=*,rmdir_namespaces", "true", "rw"),
                                        ("ro=test,dry_run=test", "true", "ro")):
        done = subprocess.run(["unshare", "--mount", "sh", "-ec", script, "sh", sbin, kubefs.path, cluster.kubeconfig, options],
                              capture_output=True, text=True, env=environment(kubefs.folder), timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        assert f"  readOnly: {read_only}\n  dryRun: true\n" in done.stdout
        assert re.search(rf" {re.escape(str(kubefs.path))} fuse\.kubefs {mounted},", done.stdout), done.stdout
        kubefs.wait_gone()


def test_the_manual_is_well_formed():
    require_tools("man")
    done = subprocess.run(["man", "--warnings", "-l", MANUAL], capture_output=True, text=True, check=False,
                          env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "KUBEFS(1)" in done.stdout and len(done.stdout.splitlines()) > 100
