"""What an etcd cluster says of itself: .kubefs/etcd/, asked of real members."""

import json
import os
import signal
import stat
import time

import pytest

from etcd_server import Etcd
from keys import settle
from mounting import Mount


@pytest.fixture(scope="module")
def quorum():
    with Etcd(members=3) as made:
        made.ctl("put", "/a", "b")
        yield made


@pytest.fixture(scope="module")
def mounted(quorum, tmp_path_factory):
    """Told of one member only: the others are asked where the cluster says that they are."""
    with Mount(None, tmp_path_factory.mktemp("quorum"), source=quorum.url_of(0)) as made:
        yield made


def read(mount, name):
    return (mount.path / ".kubefs" / "etcd" / name).read_text()


def members(mount):
    """{number: member}"""
    told = json.loads(read(mount, "json"))["members"]
    return {int(member["name"].removeprefix("etcd-")): member for member in told}


def rows(mount):
    """{number: {title: cell}} of the table."""
    title, *lines = read(mount, "table").splitlines()
    titles = title.split()
    found = [dict(zip(titles, line.split(maxsplit=len(titles) - 1))) for line in lines]
    return {int(row["NAME"].removeprefix("etcd-")): row for row in found}


def forget():
    """An answer is kept for a second, and nothing tells of its end."""
    time.sleep(1.1)


def statuses(etcd, numbers=None):
    """{number: what etcdctl says}"""
    told = json.loads(etcd.ctl("endpoint", "status", "-w", "json", numbers=numbers))
    return {etcd.endpoints.index(one["Endpoint"]): one["Status"] for one in told}


def test_listing(mounted):
    folder = mounted.path / ".kubefs" / "etcd"
    assert ".kubefs" not in os.listdir(mounted.path) and "etcd" in os.listdir(mounted.path / ".kubefs")
    assert sorted(os.listdir(folder)) == ["json", "table"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o500
    for name in ("json", "table"):
        # The next answer, a second later, may have another length.
        with open(folder / name, "rb") as opened:
            status = os.fstat(opened.fileno())
            assert stat.S_IMODE(status.st_mode) == 0o400 and status.st_size == len(opened.read())
    with pytest.raises(FileNotFoundError):
        (folder / "none").stat()


def steady(statuses):
    """Of what etcdctl says that which no look should change."""
    return {number: [status[name] for name in ("leader", "raftTerm", "dbSize", "dbSizeInUse")]
            for number, status in statuses.items()}


@pytest.mark.sanitize
def test_members_are_what_etcdctl_says(quorum, mounted):
    deadline = time.monotonic() + 90
    while True:
        forget()
        before = statuses(quorum)
        told = members(mounted)
        table = rows(mounted)
        after = statuses(quorum)
        leader = quorum.leader()
        # The cluster agrees on its version some time after its start, and may elect another leader at any time; and a
        # busy machine may keep one from answering in its 3 s.
        answered = all("failure" not in member for member in told.values()) and all(
            row["ROLE"] != "<unknown>" for row in table.values())
        leads = before[leader]["header"]["member_id"] == before[leader]["leader"]
        if answered and leads and steady(before) == steady(after):
            break
        assert time.monotonic() < deadline, (before, told, after)
    listed = {int(member["name"].removeprefix("etcd-")): member
              for member in json.loads(quorum.ctl("member", "list", "-w", "json"))["members"]}
    assert told.keys() == listed.keys() == {0, 1, 2}
    for number, member in told.items():
        assert int(member["id"], 16) == listed[number]["ID"] == before[number]["header"]["member_id"]
        assert member["peerURLs"] == listed[number]["peerURLs"] and member["clientURLs"] == listed[number]["clientURLs"]
        assert member["version"] == before[number]["version"]
        assert int(member["leader"], 16) == before[number]["leader"]
        assert member["raftTerm"] == before[number]["raftTerm"]
        assert before[number]["raftIndex"] <= member["raftIndex"] <= after[number]["raftIndex"]
        assert before[number]["raftAppliedIndex"] <= member["raftAppliedIndex"] <= after[number]["raftAppliedIndex"]
        assert member["dbSize"] == before[number]["dbSize"] and member["dbSizeInUse"] == before[number]["dbSizeInUse"]
        assert member["isLearner"] is False and member["alarms"] == [] and member["errors"] == []
    assert [number for number, member in told.items() if member["isLeader"]] == [leader]
    assert {number: row["ROLE"] for number, row in table.items()} == {
        number: "leader" if number == leader else "follower" for number in range(3)}
    assert all(row["ERRORS"] == "<none>" and row["VERSION"] == told[number]["version"] for number, row in table.items())


def test_one_look_sees_one_state(mounted):
    """What ls tells is what cat reads, while the raft index goes on."""
    for _ in range(30):
        path = mounted.path / ".kubefs" / "etcd" / "json"
        size = os.stat(path).st_size
        with open(path, "rb") as opened:
            status = os.fstat(opened.fileno())
            assert len(opened.read()) == status.st_size
        if size == status.st_size:
            return
    pytest.fail("never twice the same")


@pytest.mark.bounded(300)
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_members_that_do_not_answer(quorum, mounted, how):
    """Are named with the reason, in bounded time, and the others tell who leads."""
    gone = next(number for number in (1, 2) if number != quorum.leader())
    getattr(quorum, how)(gone)
    try:
        forget()
        began = time.monotonic()
        told = members(mounted)
        # Each has 3 s (client/etcd_cluster.h), one time-out of TCP would be minutes.
        assert time.monotonic() - began < 30
        assert str(quorum.ports[gone]) in told[gone]["failure"] and "version" not in told[gone]
        assert sum("failure" in member for member in told.values()) == 1
        row = rows(mounted)[gone]
        assert row["ROLE"] == row["VERSION"] == "<unknown>" and told[gone]["failure"] in row["ERRORS"]
        assert sum(member["isLeader"] for member in told.values()) == 1
    finally:
        quorum.launch(gone) if how == "kill" else quorum.resume(gone)
        quorum.wait_ready()
    settle(lambda: not any("failure" in member for member in members(mounted).values()), "its answer")


@pytest.mark.bounded(300)
def test_without_a_quorum(quorum, mounted):
    """Who is left says that nobody leads."""
    gone = (1, 2)
    for number in gone:
        quorum.signal(number, signal.SIGSTOP)
    try:
        def says_so():
            told = json.loads(read(mounted, "json"))
            return told["leader"] is None and "no leader" in told.get("alarmsFailure", "")

        settle(says_so, "nobody leads", 60)
        assert rows(mounted)[0]["ROLE"] == "no-leader"
    finally:
        for number in gone:
            quorum.resume(number)
        quorum.wait_ready()


def test_alarms(tmp_path):
    with Etcd("3.5", extra=["--unsafe-no-fsync", "--quota-backend-bytes=1048576"]) as etcd:
        for number in range(100):
            if "space exceeded" in etcd.try_ctl("put", f"/{number}", "x" * 100_000).stderr:
                break
        with Mount(None, tmp_path, source=etcd.url) as mount:
            assert members(mount)[0]["alarms"] == ["NOSPACE"]
            assert rows(mount)[0]["ALARMS"] == "NOSPACE"


@pytest.mark.sanitize
def test_tls_users_and_learners(tmp_path):
    with Etcd("3.5", tls=True, auth=True) as etcd:
        etcd.ctl("member", "add", "late\x1b[31m", "--learner", "--peer-urls=http://127.0.0.1:1")
        files = ["--cacert", etcd.ca_file, "--cert", etcd.certificate, "--key", etcd.key]
        with Mount(None, tmp_path, *files, source=etcd.url,
                   environment={"ETCDCTL_USER": "root", "ETCDCTL_PASSWORD": etcd.password}) as mount:
            told = json.loads(read(mount, "json"))["members"]
            first, learner = sorted(told, key=lambda member: member["isLearner"])
            assert first["isLeader"] and first["version"].startswith("3.5.") and first["errors"] == []
            assert learner["isLearner"] and learner["peerURLs"] == ["http://127.0.0.1:1"]
            assert "no client URL" in learner["failure"]
            assert "learner" in read(mount, "table")


def test_beside_a_cluster(cluster, mount):
    mounted = mount("-o", "ro", "--endpoints", f"127.0.0.1:{cluster.etcd_port}")
    assert "etcd" in os.listdir(mounted.path / ".kubefs")
    told = json.loads(read(mounted, "json"))["members"]
    assert [member["name"] for member in told] == ["test"] and told[0]["isLeader"]
    assert "etcd" not in os.listdir(mount().path / ".kubefs")
