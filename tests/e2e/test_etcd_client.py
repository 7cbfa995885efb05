"""The etcd client (client/etcd.h) against real etcd of each version, by way of etcd_probe.

KUBEFS_BUILD names the build directory.
"""

import os
import pathlib
import re
import subprocess
import sys
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "cluster"))
from etcd_server import VERSIONS, Etcd  # noqa: E402

from relay import Relay  # noqa: E402

PROBE = pathlib.Path(os.environ.get("KUBEFS_BUILD", TOP / "build")) / "tests" / "e2e" / "etcd_probe"
WAYS = {"plain": {}, "tls": {"tls": True}, "tls-auth": {"tls": True, "auth": True}}
SECONDS = 150  # less than a test may take


class Probe:
    """An etcd_probe that takes one command after another; tell() without waiting, lines() until the end."""

    def __init__(self, etcd, url=None, seconds=SECONDS, **environment):
        base = {key: value for key, value in os.environ.items() if not key.startswith("ETCDCTL_")}
        self.process = subprocess.Popen([PROBE, url or etcd.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**base, **etcd.environment(), **environment})
        self.seconds = seconds
        self.timer = threading.Timer(seconds, self.process.kill)
        self.timer.daemon = True
        self.timer.start()

    def tell(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def line(self):
        line = self.process.stdout.readline()
        assert line, "the probe has ended"
        return line.rstrip("\n")

    def lines(self):
        found = []
        while (line := self.line()) != "end":
            found.append(line)
        return found

    def until(self, pattern):
        """The lines up to the first one that matches."""
        found = [self.line()]
        while not re.match(pattern, found[-1]):
            found.append(self.line())
        return found

    def run(self, *words):
        self.tell(*words)
        return self.lines()

    def close(self):
        self.timer.cancel()
        self.process.stdin.close()
        if self.process.wait() < 0:
            pytest.fail(f"the probe was killed by signal {-self.process.returncode}, or took longer than {self.seconds} s")
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.process.kill()
            self.process.wait()
        else:
            self.close()


@pytest.fixture(scope="module", params=[f"{version}-{way}" for version in VERSIONS for way in WAYS])
def etcd(request):
    version, way = request.param.split("-", 1)
    with Etcd(version, **WAYS[way]) as made:
        yield made


@pytest.fixture(scope="module", params=VERSIONS)
def single(request):
    with Etcd(request.param) as made:
        yield made


@pytest.fixture
def probe(etcd):
    with Probe(etcd) as made:
        yield made


@pytest.fixture
def prefix(request):
    """A prefix of the test's own, and the end of its range."""
    name = re.sub(r"\W", "-", request.node.originalname)
    return f"/{name}/", f"/{name}0"


def failed(lines, errnum, words="", *, code=None, compact=0, uncertain=0):
    match = re.match(r"failed (\w+) code (\d+) compact (\d+) uncertain (\d): (.*)", lines[-1])
    assert match, lines[-1]
    assert match[1] == errnum and int(match[3]) == compact and int(match[4]) == uncertain, lines[-1]
    assert words in match[5], lines[-1]
    assert code is None or int(match[2]) == code, lines[-1]
    return True


def fields(line):
    """Of a line of a key: its word, its name, and its numbers and value by their names."""
    word, key, *rest = line.split(" ")
    return word, key, dict(zip(rest[::2], rest[1::2]))


def keys(lines):
    return [fields(line)[1] for line in lines if line.startswith("kv ")]


def test_ranges(etcd, probe, prefix):
    first, end = prefix
    for number in range(25):
        assert probe.run("create", f"{first}{number:02}", 0, f"v{number}")[0] == "succeeded 1"
    everything = probe.run("range", first, end)
    assert keys(everything) == [f"{first}{number:02}" for number in range(25)]
    assert everything[-2] == "more 0 count 25"
    assert everything[-1] == f"ok revision {etcd.revision()}"
    page = probe.run("range", first, end, 0, 10)
    assert len(keys(page)) == 10 and page[-2] == "more 1 count 25"
    assert fields(probe.run("keys", first, end)[0])[2]["value"] == "-"
    assert probe.run("count", first, end)[0] == "more 0 count 25"
    assert keys(probe.run("local", f"{first}07")) == [f"{first}07"]
    assert keys(probe.run("range", f"{first}20", "")) >= [f"{first}20"]
    # As it was when the third one came.
    revision = fields(everything[2])[2]["mod"]
    assert len(keys(probe.run("range", first, end, revision))) == 3


def test_bytes(etcd, probe, prefix):
    first, end = prefix
    for number, key in enumerate((r"\001\377", r"\303\244//", "..")):
        assert probe.run("create", first + key, 0, r"\377\n\\")[0] == "succeeded 1"
        line = probe.run("range", first + key)[0]
        assert fields(line)[2]["value"] == r"\377\012\134"
    assert keys(probe.run("range", first, end)) == [first + key for key in (r"\001\377", "..", r"\303\244//")]


def test_grpc_and_the_gateway_say_the_same(etcd, probe, prefix):
    first, end = prefix
    for number in range(30):
        assert probe.run("create", f"{first}{number:02}", 0, "x" * 1000 * number)[0] == "succeeded 1"
    assert probe.run("create", first + r"\377\001", 0, r"\377\n\\")[0] == "succeeded 1"
    lease = int(etcd.ctl("lease", "grant", "600").split()[1], 16)
    mod = fields(probe.run("keys", f"{first}03")[0])[2]["mod"]
    assert probe.run("put", f"{first}03", mod, "leased", lease)[0] == "succeeded 1"
    now = etcd.revision()
    ranges = [("range", first, end), ("range", first, end, now - 10), ("range", first, end, 0, 7), ("keys", first, end),
              ("count", first, end), ("local", first, end), ("range", end, end + "0"), ("range", first, ""),
              ("range", f"{first}03"), ("range", first, end, now + 1000), ("keys", f"{first}9", end, 0, 5)]
    with Probe(etcd, GATEWAY="1") as gateway:
        for words in ranges:
            assert probe.run(*words) == gateway.run(*words), words


def test_grpc_keeps_its_connections():
    with (Etcd("3.6", extra=("--unsafe-no-fsync", "--enable-grpc-gateway=false")) as etcd,
          Relay(int(etcd.url.rpartition(":")[2])) as relay,
          Probe(etcd, f"etcd://127.0.0.1:{relay.url.rpartition(':')[2]}") as probe):
        etcd.ctl("put", "/a", "1")
        for connections in (1, 2):
            for _ in range(5):
                assert keys(probe.run("range", "/", "0")) == ["/a"]
            assert relay.count == connections
            relay.cut()


@pytest.mark.parametrize("version", VERSIONS)
def test_grpc_needs_no_gateway(version):
    with Etcd(version, extra=("--unsafe-no-fsync", "--enable-grpc-gateway=false")) as etcd, Probe(etcd) as probe:
        for number in range(3):
            etcd.ctl("put", f"/a/{number}", number)
        # One after another, and each as the first.
        for _ in range(3):
            assert keys(probe.run("range", "/a/", "/a0")) == ["/a/0", "/a/1", "/a/2"]
        assert failed(probe.run("range", "/a/", "/a0", 1000), "ERANGE", "future revision", code=11)
        assert failed(probe.run("create", "/a/3", 0, "x"), "EOPNOTSUPP")


def test_transactions(etcd, probe, prefix):
    key = prefix[0] + "key"
    assert probe.run("create", key, 0, "one")[0] == "succeeded 1"
    assert probe.run("create", key, 0, "two")[0] == "succeeded 0"
    lease = etcd.ctl("lease", "grant", "600").split()[1]
    assert probe.run("put", key, etcd.revision(), "two", int(lease, 16))[0] == "succeeded 1"
    numbers = fields(probe.run("range", key)[0])[2]
    assert numbers["value"] == "two" and int(numbers["lease"]) == int(lease, 16)
    # The lease stays.
    assert probe.run("put", key, numbers["mod"], "three")[0] == "succeeded 1"
    assert probe.run("put", key, numbers["mod"], "four")[0] == "succeeded 0"
    changed = fields(probe.run("range", key)[0])[2]
    assert changed["value"] == "three" and changed["lease"] == numbers["lease"] and changed["version"] == "3"
    assert probe.run("delete", key, numbers["mod"])[0] == "succeeded 0"
    assert probe.run("delete", key, changed["mod"])[0] == "succeeded 1"
    assert keys(probe.run("range", key)) == []
    assert probe.run("delete", key, changed["mod"])[0] == "succeeded 0"
    assert failed(probe.run("create", key, 0, "x", 12345), "ENOENT", "lease not found")


@pytest.mark.sanitize
def test_watch(etcd, probe, prefix):
    first, end = prefix
    with Probe(etcd) as watch:
        watch.tell("watch", first, end, 0, 4)
        created = int(watch.line().removeprefix("created "))
        assert created == etcd.revision()
        probe.run("create", f"{first}a", 0, "1")
        probe.run("create", "/elsewhere", 0, "1")
        probe.run("create", f"{first}b", 0, "2")
        mod = etcd.revision()
        probe.run("put", f"{first}b", mod, "3")
        probe.run("delete", f"{first}b", mod + 1)
        lines = watch.lines()
    events = [fields(line) for line in lines if line.startswith(("put ", "delete "))]
    assert [(word, key, numbers["value"]) for word, key, numbers in events] == [
        ("put", f"{first}a", "1"), ("put", f"{first}b", "2"), ("put", f"{first}b", "3"), ("delete", f"{first}b", "-")]
    assert events[-1][2]["mod"] == str(mod + 2)
    # Once more, from then on.
    again = probe.run("watch", first, end, created + 1, 4)
    assert [line for line in again if line.startswith(("put ", "delete "))] == [
        line for line in lines if line.startswith(("put ", "delete "))]
    progress = [int(line.split()[1]) for line in lines if line.startswith("progress ")]
    assert progress == sorted(progress) and progress[-1] < mod + 2


@pytest.mark.bounded(400)
def test_catching_up_tells_no_progress_too_early(single, prefix):
    """A watch behind gets a thousand revisions a response, whose header is the store's present revision."""
    first, end = prefix
    count = 2100
    start = single.revision() + 1
    with Probe(single, seconds=360) as probe:
        mods = {}
        for number in range(count):
            key = f"{first}{number % 7}"
            lines = probe.run("put" if key in mods else "create", key, mods.get(key, 0), number)
            assert lines[0] == "succeeded 1"
            mods[key] = int(lines[-1].removeprefix("ok revision "))
        lines = probe.run("watch", first, end, start, count)
    told = 0
    for line in lines:
        if line.startswith("put "):
            told = int(fields(line)[2]["mod"])
        elif line.startswith("progress "):
            assert int(line.split()[1]) == told
    assert sum(line.startswith("put ") for line in lines) == count


def test_fragments(etcd, probe, prefix):
    """More than one response may hold."""
    first, end = prefix
    start = etcd.revision() + 1
    for number in range(12):
        assert probe.run("create", f"{first}{number:02}", 0, "x" * 400_000)[0] == "succeeded 1"
    lines = probe.run("watch", first, end, start, 12)
    assert [fields(line)[1] for line in lines if line.startswith("put ")] == [f"{first}{number:02}" for number in range(12)]
    assert all(len(fields(line)[2]["value"]) == 400_000 for line in lines if line.startswith("put "))


def test_compaction(etcd, probe, prefix):
    key = prefix[0] + "key"
    first = int(probe.run("create", key, 0, "1")[-1].removeprefix("ok revision "))
    for number in range(5):
        probe.run("put", key, first + number, str(number))
    now = first + 5
    etcd.ctl("compact", now - 1)
    assert failed(probe.run("range", key, "-", first), "ESTALE", "compacted", code=11)
    assert failed(probe.run("watch", key, "-", first, 1), "ESTALE", compact=now - 1)
    assert len(keys(probe.run("range", key, "-", now - 1))) == 1
    assert failed(probe.run("range", key, "-", now + 1000), "ERANGE", "future revision", code=11)
    assert probe.run("watch", key, "-", now, 1)[-1].startswith("ok")


def test_requests_have_a_limit(etcd, probe, prefix):
    """Just below, just above, and above what its gRPC takes."""
    key = prefix[0] + "key"
    assert probe.run("create", key, 0, "x" * 1_500_000)[0] == "succeeded 1"
    assert failed(probe.run("put", key, etcd.revision(), "x" * 1_600_000), "EFBIG")
    assert failed(probe.run("put", key, etcd.revision(), "x" * 4_000_000), "EFBIG")


def test_questions(etcd, probe):
    status = probe.run("status")[0]
    assert f'"version":"{etcd.version}.' in status and '"leader":' in status and '"dbSize":"' in status
    assert '"name":"etcd-0"' in probe.run("members")[0]
    assert "alarms" not in probe.run("alarms")[0]


@pytest.fixture(scope="module", params=VERSIONS)
def guarded(request):
    """With authentication; tests restart it and change its users."""
    with Etcd(request.param, auth=True) as made:
        made.add_user("reader", "ge:heim", ("read", "/a/"))
        yield made


def test_passwords(guarded):
    with Probe(guarded, ETCDCTL_PASSWORD="wrong") as probe:
        assert failed(probe.run("range", "/a/x"), "EACCES", "authentication failed")
        assert failed(probe.run("create", "/a/x", 0, "x"), "EACCES", "authentication failed")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ETCDCTL_")}
    done = subprocess.run([PROBE, guarded.url, "range", "/a/x"], env=environment, text=True, capture_output=True,
                          check=False, timeout=SECONDS)
    assert failed(done.stdout.splitlines(), "EACCES", "user name is empty")


def test_permissions(guarded):
    with Probe(guarded, ETCDCTL_USER="reader:ge:heim", ETCDCTL_PASSWORD="") as probe:
        assert probe.run("range", "/a/", "/a0")[-1].startswith("ok")
        assert failed(probe.run("range", "/", "0"), "EACCES", "permission denied", code=7)
        assert failed(probe.run("create", "/a/x", 0, "x"), "EACCES", "permission denied", code=7)
        assert failed(probe.run("watch", "/", "0", 0), "EACCES", "permission denied")
        probe.tell("watch", "/a/", "/a0", 0, 1)
        probe.until("created ")
        guarded.ctl("put", "/a/seen", "1")
        assert probe.until("put ")[-1].startswith("put /a/seen")


@pytest.mark.sanitize
def test_a_token_that_is_lost_is_renewed(guarded):
    """By a restart of the server, which keeps none."""
    with Probe(guarded) as probe:
        revision = int(probe.run("create", "/token", 0, "x")[-1].removeprefix("ok revision "))
        guarded.terminate(0)
        guarded.launch(0)
        guarded.wait_ready()
        assert probe.run("put", "/token", revision, "y")[0] == "succeeded 1"
        guarded.kill(0)
        guarded.launch(0)
        guarded.wait_ready()
        assert probe.run("watch", "/token", "-", revision, 2)[-1].startswith("ok")


def test_a_token_that_is_old_is_renewed(guarded):
    """Users and roles change under it."""
    name = "writer"
    guarded.add_user(name, "x", ("read", "/w/"))
    with Probe(guarded, ETCDCTL_USER=name, ETCDCTL_PASSWORD="x") as probe:
        assert failed(probe.run("create", "/w/x", 0, "x"), "EACCES", "permission denied")
        guarded.ctl("role", "grant-permission", "--prefix=true", name, "readwrite", "/w/")
        assert probe.run("create", "/w/x", 0, "x")[0] == "succeeded 1"
        guarded.ctl("role", "add", "another")
        assert probe.run("watch", "/w/", "/w0", 1, 1)[-1].startswith("ok")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_named_certificate_is_explained(version):
    with Etcd(version, tls=True, auth=True) as etcd:
        named = {"ETCDCTL_CERT": str(etcd.named_certificate), "ETCDCTL_KEY": str(etcd.named_key)}
        with Probe(etcd, **named) as probe:
            assert failed(probe.run("range", "/a"), "EACCES", "certificate with a common name")
        # By gRPC it is a user of that name.
        with Probe(etcd, **named, ETCDCTL_USER="", ETCDCTL_PASSWORD="") as probe:
            assert probe.run("range", "/a", "/b")[-1].startswith("ok")
            assert failed(probe.run("create", "/a", 0, "x"), "EACCES", "certificate with a common name")
        with Probe(etcd, ETCDCTL_CERT="", ETCDCTL_KEY="") as probe:
            assert failed(probe.run("range", "/a"), "EPROTO", "the server refuses the TLS connection")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_full_database(version):
    with Etcd(version, extra=["--unsafe-no-fsync", "--quota-backend-bytes=2097152"]) as etcd, Probe(etcd) as probe:
        for number in range(100):
            lines = probe.run("create", f"/{number}", 0, "x" * 200_000)
            if lines[0] != "succeeded 1":
                break
        assert failed(lines, "ENOSPC", "database space exceeded", code=8, uncertain=1)
        assert '"alarm":"NOSPACE"' in probe.run("alarms")[0]
        assert len(keys(probe.run("range", "/0"))) == 1


@pytest.fixture(scope="module", params=VERSIONS)
def quorum(request):
    with Etcd(request.param, members=3) as made:
        yield made


def healed(quorum):
    """Until all members agree again."""
    quorum.wait_ready()


def put_first(probe, key, value):
    """The revision of a new key; a change that meets the election of another leader may fail."""
    began = time.monotonic()
    while True:
        probe.run("create", key, 0, value)
        for line in probe.run("range", key):
            if line.startswith("kv "):
                return int(fields(line)[2]["mod"])
        assert time.monotonic() - began < 60


def has_put(probe, key, mod, value):
    """Whether it is stored now: a change that nobody knows of may have arrived, too."""
    return probe.run("put", key, mod, value)[0] == "succeeded 1" or any(
        fields(line)[2]["value"] == value for line in probe.run("range", key) if line.startswith("kv "))


def others(quorum, number):
    return [other for other in range(3) if other != number]


@pytest.mark.bounded(240)
@pytest.mark.parametrize("end", ["kill", "pause"])
def test_the_member_in_use_goes(quorum, end):
    """Reads and writes go on at another one, and the watch ends, to be resumed there."""
    leader = quorum.leader()
    url = quorum.url_of(leader, *others(quorum, leader))
    key = f"/gone-{end}"
    with Probe(quorum, url) as probe, Probe(quorum, url) as watch:
        first = put_first(probe, key, "1")
        watch.tell("watch", key, "-", first)
        watch.until("progress ")
        getattr(quorum, end)(leader)
        try:
            began = time.monotonic()
            lines = probe.run("range", key)
            assert keys(lines) == [key]
            # One that fell silent is given up after 18 s (client/etcd_pulse.h).
            assert time.monotonic() - began < 40
            while not has_put(probe, key, first, "2"):
                assert time.monotonic() - began < 90
            assert failed(watch.lines(), "EIO" if end == "kill" else "ETIMEDOUT")
            assert time.monotonic() - began < 90
            again = watch.run("watch", key, "-", first + 1, 1)
            assert [fields(line)[2]["value"] for line in again if line.startswith("put ")] == ["2"]
        finally:
            if end == "kill":
                quorum.launch(leader)
            else:
                quorum.resume(leader)
            healed(quorum)


@pytest.mark.bounded(240)
def test_a_member_without_a_quorum_says_so(quorum):
    """Its streams end, and it takes no change."""
    alone, *rest = range(3)
    key = "/alone"
    with Probe(quorum, quorum.url_of(alone)) as probe, Probe(quorum, quorum.url_of(alone)) as watch:
        revision = put_first(probe, key, "1")
        watch.tell("watch", key, "-", revision)
        watch.until("progress ")
        for number in rest:
            quorum.pause(number)
        try:
            assert failed(watch.lines(), "EAGAIN", "no leader")
            assert failed(probe.run("put", key, revision, "2"), "EAGAIN", "no leader", uncertain=0)
            assert keys(probe.run("local", key)) == [key]
        finally:
            for number in rest:
                quorum.resume(number)
            healed(quorum)
        began = time.monotonic()
        while not has_put(probe, key, revision, "2"):
            assert time.monotonic() - began < 60
