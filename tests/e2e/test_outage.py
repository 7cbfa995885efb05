"""Servers that end, die and stop under a running reader: nobody hangs, nothing wrong is shown, all heals."""

import calendar
import contextlib
import errno
import http.client
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from api import ApiError
from cluster import Cluster
from ports import take

NAMES = [f"c{number:02}" for number in range(20)]
PAUSE = 30  # seconds
BOUND = 100  # a request of the kernel is answered within 60
# The API server's own client of etcd backs off for up to two minutes.
HEALED = 150


@pytest.fixture(scope="module")
def cluster():
    """A control plane of this file's own: it is broken on purpose."""
    with Cluster(nodes=0, controllers=False) as made:
        for name in NAMES:
            made.kubectl("create", "configmap", name, "--from-literal=key=first", f"--from-literal=name={name}")
        yield made


def change(cluster, name, text):
    call(cluster, "PATCH", name, {"data": {"key": text}}, {"Content-Type": "application/merge-patch+json"})


def change_at_last(cluster, name, text):
    """The API server says that it is ready before each of its clients of etcd is."""
    def attempt():
        with contextlib.suppress(OSError, http.client.HTTPException, ApiError):
            change(cluster, name, text)
            return True
        return False

    cluster.wait_for(attempt, f"a change of {name}", HEALED)


def call(cluster, method, name, body=None, headers=None):
    """On a connection of its own: older ones did not survive."""
    with contextlib.closing(cluster.api.connect()) as connection:
        answer = connection.call(method, f"/api/v1/namespaces/default/configmaps/{name}", body, headers)
        return json.loads(answer)


class Reader(threading.Thread):
    """Loops of ls, cat and grep -r over a directory; notes what took long, failed or was wrong."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.directory = directory
        self.ended = threading.Event()
        self.slowest = 0
        self.rounds = 0
        self.problems = []

    def run(self):
        commands = (["ls", "-l"], ["cat", *(f"{name}.yaml" for name in NAMES)], ["grep", "-r", "name: c", "."])
        while not self.ended.is_set():
            for command in commands:
                began = time.monotonic()
                done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False)
                self.slowest = max(self.slowest, time.monotonic() - began)
                missing = [name for name in NAMES if f"{name}" not in done.stdout]
                if done.returncode or missing:
                    self.problems.append(f"{command[0]}: {done.returncode} {missing} {done.stderr[:500]}")
            self.rounds += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join(BOUND)
        assert not self.is_alive(), "the reader hangs"


@pytest.fixture
def read_mount(cluster, mount):
    for name in NAMES:
        change_at_last(cluster, name, "first")
    mounted = mount("-o", "ro")
    directory = mounted.resource("configmaps", "default")
    assert {f"{name}.yaml" for name in NAMES} <= set(os.listdir(directory))
    return mounted


def says(mounted, name, text):
    path = mounted.file("configmaps", name, "default")
    return lambda: f"key: {text}\n" in path.read_text()


def restart_apiserver(cluster, mounted):
    cluster.stop_apiserver()
    cluster.start_apiserver()


def kill_apiserver(cluster, mounted):
    cluster.kill_apiserver()
    mounted.wait_for(mounted.is_away, "the status to say so", 60)
    cluster.start_apiserver()


def pause_apiserver(cluster, mounted):
    cluster.pause_apiserver()
    wait_out(PAUSE)
    cluster.resume_apiserver()


def restart_etcd(cluster, mounted):
    cluster.stop_etcd()
    cluster.start_etcd()


def kill_etcd(cluster, mounted):
    cluster.kill_etcd()
    cluster.start_etcd()


def pause_etcd(cluster, mounted):
    cluster.pause_etcd()
    wait_out(PAUSE)
    cluster.resume_etcd()


def wait_out(seconds):
    """The pause itself is what is tested."""
    threading.Event().wait(seconds)


@pytest.mark.bounded(700)
@pytest.mark.parametrize("outage", [restart_apiserver, kill_apiserver, pause_apiserver, restart_etcd, kill_etcd, pause_etcd])
def test_outage_under_a_reader(cluster, read_mount, outage):
    directory = read_mount.resource("configmaps", "default")
    with Reader(directory) as reader:
        read_mount.wait_for(lambda: reader.rounds > 1, "the reader")
        outage(cluster, read_mount)
        cluster.wait_for(cluster.is_ready, "the server", HEALED)
        change_at_last(cluster, "c03", "second")
        read_mount.wait_for(says(read_mount, "c03", "second"), "a change after the outage", HEALED)
        before = reader.rounds
        read_mount.wait_for(lambda: reader.rounds > before + 1, "the reader afterwards")
    assert not reader.problems
    # What was read once is served from memory, whatever the server does: it is away for longer.
    assert reader.slowest < 20
    read_mount.wait_for(lambda: not read_mount.is_away(), "the status to say that it is back")
    assert read_mount.file("configmaps", "c07", "default").read_bytes() == cluster.kubectl_bytes(
        "get", "configmap", "c07", "-o", "yaml")


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_server_away(cluster, read_mount):
    """The last state is served and the status says since when; what was never read fails in bounded time."""
    began = int(time.time())
    cluster.kill_apiserver()
    read_mount.wait_for(read_mount.is_away, "the status to say so", 60)
    status = read_mount.status()
    since = next(line.split(": ", 1)[1] for line in status.splitlines() if line.startswith("  since: "))
    when = time.strptime(since, "%Y-%m-%dT%H:%M:%SZ")
    assert began - 1 <= calendar.timegm(when) <= time.time() + 1
    assert "  reason: " in status
    assert says(read_mount, "c00", "first")()
    asked = time.monotonic()
    with pytest.raises(OSError) as caught:
        os.listdir(read_mount.resource("secrets", "default"))
    assert time.monotonic() - asked < BOUND
    # EHOSTDOWN, at once, when it has been away for 3 s (cache/health.h).
    assert caught.value.errno in (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EIO, errno.EHOSTUNREACH, errno.ENOTCONN,
                                  errno.EHOSTDOWN)
    assert says(read_mount, "c00", "first")()
    cluster.start_apiserver()
    change_at_last(cluster, "c00", "second")
    read_mount.wait_for(says(read_mount, "c00", "second"), "the change", HEALED)
    read_mount.wait_for(lambda: not read_mount.is_away(), "the status to say that it is back")
    read_mount.wait_for(lambda: can_list(read_mount.resource("secrets", "default")), "the directory never read before")


def can_list(directory):
    try:
        return os.listdir(directory) is not None
    except OSError:
        return False


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_compaction_while_disconnected(cluster, mount):
    """What was deleted while nobody watched, and cannot be told any more (410), vanishes; the rest stays as it is."""
    for name in ("gone", "changed", "stays"):
        cluster.kubectl("create", "configmap", name, "--from-literal=key=first")
    mounted = mount("-o", "ro")
    directory = mounted.resource("configmaps", "default")
    # The first list comes from the API server's cache, which is somewhat later.
    mounted.wait_for(lambda: {"gone.yaml", "changed.yaml", "stays.yaml"} <= set(os.listdir(directory)), "the objects")
    kept = os.stat(directory / "stays.yaml")
    mounted.process.send_signal(signal.SIGSTOP)
    try:
        call(cluster, "DELETE", "gone")
        change(cluster, "changed", "second")
        version = call(cluster, "GET", "changed")["metadata"]["resourceVersion"]
        cluster.kill_apiserver()
        subprocess.run([cluster.bin / "etcdctl", f"--endpoints=http://127.0.0.1:{cluster.etcd_port}",
                        "--command-timeout=60s", "compact", version],
                       check=True, capture_output=True, timeout=90)
        cluster.start_apiserver()
    finally:
        mounted.process.send_signal(signal.SIGCONT)
    mounted.wait_for(lambda: not (directory / "gone.yaml").exists(), "the deletion", HEALED)
    mounted.wait_for(says(mounted, "changed", "second"), "the change", HEALED)
    now = os.stat(directory / "stays.yaml")
    assert (now.st_ino, now.st_mtime, now.st_size) == (kept.st_ino, kept.st_mtime, kept.st_size)
    mounted.wait_for(lambda: "gone.yaml" not in os.listdir(directory), "its listing")
    cluster.kubectl("delete", "configmap", "changed", "stays")


def test_first_of_several_servers_is_dead(cluster, mount):
    with_nobody = take()
    try:
        mounted = mount("-o", "ro", f"--server=https://127.0.0.1:{with_nobody.number},{cluster.server}")
        assert "c00.yaml" in os.listdir(mounted.resource("configmaps", "default"))
        change(cluster, "c00", "by the second server")
        mounted.wait_for(says(mounted, "c00", "by the second server"), "a change")
        assert not mounted.is_away()
    finally:
        with_nobody.release()
