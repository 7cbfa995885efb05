"""Members of an etcd that die, stop and start again under readers, watches and writers.

A counter is written all the time; who reads it by way of a mount never sees it go back, and a watch that is resumed
meets each of its versions exactly once.
"""

import base64
import contextlib
import errno
import http.client
import json
import os
import signal
import threading
import time

import pytest

from etcd_server import Etcd
from keys import Gateway, encode, settle
from mounting import Mount
from test_etcd_client import Probe, fields

# The mount notices a member that fell silent within 18 s (client/etcd_pulse.h).
HEALED = 90
COUNTER = b"/counter/value"


@pytest.fixture(scope="module")
def quorum():
    with Etcd(members=3) as made:
        made.ctl("put", COUNTER.decode(), "0")
        made.ctl("put", "/counter/steady", "")
        yield made


@pytest.fixture(scope="module")
def mounted(quorum, tmp_path_factory):
    with Mount(None, tmp_path_factory.mktemp("quorum"), source=quorum.url) as made:
        yield made


class Loop(threading.Thread):
    """Does something again and again until it is ended; what it raises is raised at its end."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.failure = None

    def run(self):
        try:
            while not self.ended.is_set():
                self.step()
        except BaseException as error:  # pylint: disable=broad-except
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        self.ended.set()
        self.join(90)
        assert not self.is_alive(), f"{type(self).__name__} hangs"
        if self.failure is not None:
            raise self.failure


class Writer(Loop):
    """Counts, each time from what is there: a member that was stopped may yet take what was sent to it before."""

    def __init__(self, etcd):
        super().__init__()
        self.gateways = [Gateway(endpoint, timeout=3) for endpoint in etcd.endpoints]
        self.revision = 0
        self.acknowledged = 0

    def step(self):
        try:
            if not self.revision:
                self.look()
            self.count()
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            # It may have died amid its answer. Whether the change arrived nobody knows.
            self.gateways.append(self.gateways.pop(0))
            self.revision = 0
        self.ended.wait(0.005)

    def look(self):
        found = self.gateways[0].all(COUNTER)[COUNTER]
        assert int(found["value"]) >= self.acknowledged
        self.acknowledged, self.revision = int(found["value"]), int(found["mod_revision"])

    def count(self):
        answer = self.gateways[0](
            "kv/txn",
            compare=[{"key": encode(COUNTER), "target": "MOD", "mod_revision": str(self.revision)}],
            success=[{"request_put": {"key": encode(COUNTER), "value": encode(b"%d" % (self.acknowledged + 1))}}])
        self.revision = int(answer["header"]["revision"]) if answer.get("succeeded") else 0
        self.acknowledged += answer.get("succeeded", False)


class Reader(Loop):
    """Reads the counter from a mount."""

    def __init__(self, mount):
        super().__init__()
        self.file = mount.path / "counter" / "value"
        self.last = 0

    def step(self):
        number = int(self.file.read_bytes())
        assert number >= self.last, f"{number} after {self.last}"
        self.last = number
        self.ended.wait(0.002)


class Follower(Loop):
    """Watches the counter, and resumes its watch behind the last event whenever it ends."""

    def __init__(self, etcd):
        super().__init__()
        self.next = etcd.revision() + 1
        self.versions = []
        self.resumed = -1
        self.probe = Probe(etcd, seconds=600)

    def step(self):
        self.resumed += 1
        try:
            self.probe.tell("watch", COUNTER.decode(), "-", self.next)
            while (line := self.probe.line()) != "end":
                if line.startswith("put "):
                    self.take(fields(line)[2])
        except (AssertionError, BrokenPipeError):
            if not self.ended.is_set():
                raise

    def take(self, numbers):
        assert int(numbers["mod"]) >= self.next, "told for the second time"
        self.next = int(numbers["mod"]) + 1
        self.versions.append(int(numbers["version"]))

    def last(self):
        return self.versions[-1] if self.versions else 0

    def __exit__(self, kind, value, trace):
        self.ended.set()
        self.probe.timer.cancel()
        self.probe.process.kill()
        self.probe.process.wait()
        super().__exit__(kind, value, trace)


class Counting:
    """Writer, reader and watch at work; in the end all have seen all."""

    def __init__(self, quorum, mount):
        self.quorum = quorum
        self.follower, self.reader, self.writer = Follower(quorum), Reader(mount), Writer(quorum)
        self.steady = mount.path / "counter" / "steady"
        self.before = self.steady.stat()

    def __enter__(self):
        self.follower.__enter__()
        self.reader.__enter__()
        self.writer.__enter__()
        self.goes_on()
        return self

    def goes_on(self):
        """Writer and reader get beyond where they are."""
        after = self.writer.acknowledged
        settle(lambda: self.writer.acknowledged > after + 10, "the writer goes on", HEALED)
        settle(lambda: self.reader.last > after, "the reader follows", HEALED)

    def __exit__(self, kind, value, trace):
        with contextlib.ExitStack() as stack:
            stack.push(self.follower)
            stack.push(self.reader)
            self.writer.__exit__(kind, value, trace)
            if kind is None:
                self.check()

    def stored(self):
        return json.loads(self.quorum.ctl("get", COUNTER.decode(), "-w", "json"))["kvs"][0]

    def have_seen_all(self):
        # What the writer has given up may arrive yet: it is asked for each time.
        stored = self.stored()
        return (self.reader.last == int(base64.b64decode(stored["value"]))
                and self.follower.last() >= stored["version"])

    def check(self):
        stored = self.stored()
        assert int(base64.b64decode(stored["value"])) >= self.writer.acknowledged
        settle(self.have_seen_all, "reader and watch see the last one", HEALED)
        # What has not changed is the same file still.
        status = self.steady.stat()
        assert (status.st_ino, status.st_mtime_ns) == (self.before.st_ino, self.before.st_mtime_ns)
        versions = list(self.follower.versions)
        assert versions == list(range(versions[0], versions[-1] + 1)) and versions[-1] >= stored["version"]


@pytest.fixture
def counting(quorum, mounted):
    quorum.wait_ready()
    return Counting(quorum, mounted)


class Saver(Loop):
    """Saves new files, and one that is there, by way of a mount, and notes what is said of each."""

    def __init__(self, mount):
        super().__init__()
        self.mount = mount
        self.verdicts = []
        self.counted = 0

    def step(self):
        number = len(self.verdicts)
        self.verdicts.append(self.save(f"{number:06}", "xb", number))
        if self.save("counter", "wb", number) == 0:
            self.counted = number

    def save(self, name, mode, number):
        try:
            with open(self.mount.path / "saved" / name, mode, buffering=0) as file:
                file.write(b"%d" % number)
        except OSError as error:
            return error.errno
        return 0


def others(number):
    return [other for other in range(3) if other != number]


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_the_leader_is_killed(quorum, counting):
    with counting:
        leader = quorum.leader()
        quorum.kill(leader)
        try:
            counting.goes_on()
        finally:
            quorum.launch(leader)
        quorum.wait_ready()
        counting.goes_on()


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_a_member_is_cut_off(quorum, counting, tmp_path):
    """When it is back it serves nothing that is old."""
    with counting:
        leader = quorum.leader()
        quorum.pause(leader)
        try:
            counting.goes_on()
            counting.quorum.ctl("put", "/fresh/key", "new", numbers=others(leader))
            acknowledged = counting.writer.acknowledged
        finally:
            quorum.resume(leader)
        with Mount(None, tmp_path, source=quorum.url_of(leader)) as late:
            assert int((late.path / "counter" / "value").read_bytes()) >= acknowledged
            assert (late.path / "fresh" / "key").read_bytes() == b"new"
        counting.goes_on()


@pytest.mark.bounded(500)
def test_there_is_no_quorum(quorum, counting, mounted):
    """What was read stays, and says since when; then all goes on."""
    with counting:
        gone = others(quorum.leader())
        for number in gone:
            quorum.pause(number)
        try:
            settle(mounted.is_away, "the status says so", HEALED)
            before = counting.reader.last
            began = time.monotonic()
            assert sorted(os.listdir(mounted.path / "counter")) == ["steady", "value"]
            assert time.monotonic() - began < 15
            assert int((mounted.path / "counter" / "value").read_bytes()) >= before
        finally:
            for number in gone:
                quorum.resume(number)
        counting.goes_on()
        settle(lambda: not mounted.is_away(), "the status says that it is back", HEALED)


@pytest.mark.bounded(500)
def test_each_member_is_restarted(quorum, counting):
    with counting:
        for number in range(3):
            quorum.terminate(number)
            quorum.launch(number)
            quorum.wait_ready()
            counting.goes_on()


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_compaction_and_defragmentation(quorum, counting):
    """Under a watch, up to what it has told."""
    with counting:
        told = counting.follower.next
        for number in range(3):
            # What is compacted cannot be compacted again.
            settle(lambda: counting.follower.next > told, "the watch goes on", HEALED)
            told = counting.follower.next
            quorum.ctl("compact", told - 1)
            quorum.ctl("defrag", numbers=[number])
            counting.goes_on()


@pytest.mark.bounded(400)
def test_compaction_of_what_the_mount_has_not_seen(quorum, mounted):
    """What was missed can no longer be told: it is read anew, and nothing goes back."""
    quorum.wait_ready()
    with Reader(mounted) as reader, Writer(quorum) as writer:
        settle(lambda: writer.acknowledged > 10, "the beginning", HEALED)
        after = writer.acknowledged
        settle(lambda: reader.last >= after, "the reader follows", HEALED)
        mounted.process.send_signal(signal.SIGSTOP)
        try:
            after = writer.acknowledged
            settle(lambda: writer.acknowledged > after + 10, "the writer goes on", HEALED)
            leader = quorum.leader()
            for number in (leader, *others(leader)):
                quorum.kill(number)
                quorum.launch(number)
                quorum.wait_ready()
            quorum.ctl("compact", quorum.revision())
        finally:
            mounted.process.send_signal(signal.SIGCONT)
        settle(lambda: reader.last > after, "the reader follows", HEALED)


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_acknowledged_changes_stay(quorum):
    """Each transaction ends with the truth, also while the leader dies."""
    quorum.wait_ready()
    answers = {}
    ended = threading.Event()

    def change():
        with Probe(quorum, seconds=500) as probe:
            while not ended.is_set():
                number = len(answers)
                answers[number] = probe.run("create", f"/txn/{number:06}", 0, number)

    def goes_on():
        after = len(answers)
        settle(lambda: len(answers) > after + 20, "transactions", HEALED)

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for _ in range(2):
            goes_on()
            leader = quorum.leader()
            quorum.kill(leader)
            try:
                goes_on()
            finally:
                quorum.launch(leader)
            quorum.wait_ready()
    finally:
        ended.set()
        writer.join(60)
    assert not writer.is_alive()
    listed = quorum.ctl("get", "/txn/", "--prefix", "--keys-only").split()
    there = {int(key.removeprefix("/txn/")) for key in listed}
    for number, lines in answers.items():
        if lines[0] == "succeeded 1":
            assert number in there
        else:
            # No key is there before its own transaction.
            assert lines[-1].startswith("failed ")
            assert number not in there or " uncertain 1: " in lines[-1], lines
    assert there <= answers.keys()


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_saves_end_with_the_truth(quorum, mounted):
    """While the leader dies, and then falls silent, under who writes files."""
    quorum.wait_ready()
    quorum.ctl("put", "/saved/counter", "0")
    settle((mounted.path / "saved" / "counter").exists, "the file", HEALED)
    with Saver(mounted) as saver:
        for stop, resume in ((quorum.kill, quorum.launch), (quorum.pause, quorum.resume)):
            leader = quorum.leader()
            for is_there in (False, True):
                (resume if is_there else stop)(leader)
                after, counted = saver.verdicts.count(0), saver.counted
                settle(lambda: saver.verdicts.count(0) > after + 10 and saver.counted > counted, "saves", HEALED)
            quorum.wait_ready()
    stored = Gateway(quorum.endpoints[quorum.leader()]).all(b"/saved/")
    counted = int(stored.pop(b"/saved/counter")["value"])
    assert saver.counted <= counted < len(saver.verdicts)
    errors = (mounted.path / ".kubefs" / "errors").read_text()
    for number, verdict in enumerate(saver.verdicts):
        key = b"/saved/%06d" % number
        if verdict == 0:
            assert stored[key]["value"] == b"%d" % number
        elif key in stored:
            lines = [line for line in errors.splitlines() if f"/{number:06}" in line]
            assert any("not known whether" in line for line in lines), (errno.errorcode[verdict], lines)
    assert stored.keys() <= {b"/saved/%06d" % number for number in range(len(saver.verdicts))}


def test_no_space(tmp_path):
    """Reads go on without any left; once there is, so do changes."""
    with Etcd(extra=["--unsafe-no-fsync", "--quota-backend-bytes=2097152"]) as etcd:
        etcd.ctl("put", "/dir/small", "first")
        etcd.ctl("put", "/big/key", "small")
        with Mount(None, tmp_path, source=etcd.url) as mount:
            file = mount.path / "dir" / "small"
            assert file.read_bytes() == b"first"
            for number in range(100):
                if "space exceeded" in etcd.try_ctl("put", "/big/key", "x" * 100_000 + str(number)).stderr:
                    break
            with Probe(etcd) as probe:
                failed = probe.run("create", "/dir/other", 0, "x")[-1]
                assert failed.startswith("failed ENOSPC ")
            assert file.read_bytes() == b"first" and os.listdir(mount.path / "dir") == ["small"]
            assert len((mount.path / "big" / "key").read_bytes()) > 100_000
            assert "NOSPACE" in (mount.path / ".kubefs" / "etcd" / "table").read_text()
            assert not mount.is_away()
            etcd.ctl("compact", etcd.revision())
            etcd.ctl("defrag")
            etcd.ctl("alarm", "disarm")
            etcd.ctl("put", "/dir/small", "second")
            settle(lambda: file.read_bytes() == b"second", "the change", HEALED)
            settle(lambda: "NOSPACE" not in (mount.path / ".kubefs" / "etcd" / "table").read_text(), "no alarm")
