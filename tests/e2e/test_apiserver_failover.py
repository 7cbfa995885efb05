"""Two API servers on one etcd, both given to the mount: the one in use dies, and the other one takes over."""

import contextlib
import errno
import http.client
import json
import threading
import time

import pytest

from api import ApiError
from cluster import Cluster
from keys import settle
from test_etcd_outage import Loop

HEALED = 90
NAMES = ("counter", "steady", "saved")
# What a save may end with while nobody knows what became of it.
UNKNOWN = (errno.EIO, errno.ETIMEDOUT, errno.EAGAIN, errno.ECONNREFUSED, errno.EHOSTUNREACH)


@pytest.fixture(scope="module")
def cluster():
    with Cluster(nodes=0, controllers=False, apiservers=2) as made:
        for name in NAMES:
            made.kubectl("create", "configmap", name, "--from-literal=key=0")
        yield made


@pytest.fixture
def mounted(cluster, mount):
    made = mount("--server", ",".join(cluster.servers), kubeconfig=cluster.kubeconfig)
    # The first list comes from an API server's cache, which is somewhat later.
    for name in NAMES:
        made.wait_for(made.file("configmaps", name, "default").exists, name)
    return made


def stored(cluster, name):
    return int(cluster.kubectl("get", "configmap", name, "-o", "jsonpath={.data.key}"))


def number_in(text):
    return int(json.loads(text)["data"]["key"])


class Writer(Loop):
    """Counts by way of whichever server answers, each time from the version that is there."""

    def __init__(self, cluster):
        super().__init__()
        self.apis = [cluster.api_of(number) for number in range(2)]
        self.acknowledged = 0

    def step(self):
        try:
            # On a connection of its own: older ones may not have survived.
            with contextlib.closing(self.apis[0].connect(timeout=10)) as connection:
                self.count(connection)
        except (OSError, http.client.HTTPException, ApiError):
            self.apis.append(self.apis.pop(0))
        self.ended.wait(0.005)

    def count(self, connection):
        path = "/api/v1/namespaces/default/configmaps/counter"
        item = json.loads(connection.call("GET", path))
        number = int(item["data"]["key"]) + 1
        item["data"]["key"] = str(number)
        connection.call("PUT", path, item)
        self.acknowledged = number


class Reader(Loop):
    """Reads the counter from the mount: it never goes back."""

    def __init__(self, mount):
        super().__init__()
        self.file = mount.file("configmaps", "counter", "default", "json")
        self.last = 0

    def step(self):
        number = number_in(self.file.read_text())
        assert number >= self.last, f"{number} after {self.last}"
        self.last = number
        self.ended.wait(0.002)


def goes_on(writer, reader):
    after = writer.acknowledged
    settle(lambda: writer.acknowledged > after + 10, "the writer goes on", HEALED)
    settle(lambda: reader.last > after, "the reader follows", HEALED)


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_the_server_in_use_dies(cluster, mounted):
    """Each of the two in turn, so that one of them was in use; what has not changed stays the same file."""
    steady = mounted.file("configmaps", "steady", "default")
    before = steady.stat()
    with Reader(mounted) as reader:
        with Writer(cluster) as writer:
            goes_on(writer, reader)
            for number in (0, 1):
                cluster.kill_apiserver(number)
                try:
                    goes_on(writer, reader)
                finally:
                    cluster.start_apiserver(number)
                goes_on(writer, reader)
        assert stored(cluster, "counter") >= writer.acknowledged
        # What the writer has given up may arrive yet.
        settle(lambda: reader.last == stored(cluster, "counter"), "the reader sees the last one", HEALED)
    status = steady.stat()
    assert (status.st_ino, status.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    settle(lambda: not mounted.is_away(), "the status says that it is back", HEALED)
    # What was never read is read from the one that is there.
    assert (mounted.resource("serviceaccounts", "default") / "default.yaml").is_file()


@pytest.mark.sanitize
@pytest.mark.bounded(500)
def test_saves_end_with_the_truth(cluster, mounted):
    """What was saved is there, and what failed for certain is not; the numbers only grow."""
    file = mounted.file("configmaps", "saved", "default")
    ended = threading.Event()
    outcomes = []

    def save():
        for number in range(1, 100_000):
            if ended.is_set():
                return
            before = file.read_text()
            old = before.split('  key: "', 1)[1].split('"', 1)[0]
            try:
                file.write_text(before.replace(f'  key: "{old}"', f'  key: "{number}"'))
                outcomes.append((number, 0, int(old)))
            except OSError as error:
                outcomes.append((number, error.errno, int(old)))
                time.sleep(0.1)

    writer = threading.Thread(target=save)
    writer.start()
    try:
        for number in (0, 1):
            after = len(outcomes)
            settle(lambda: len(outcomes) > after + 5, "saves", HEALED)  # pylint: disable=cell-var-from-loop
            cluster.kill_apiserver(number)
            try:
                good = sum(not failed for _, failed, _ in outcomes)
                # pylint: disable-next=cell-var-from-loop
                settle(lambda: sum(not failed for _, failed, _ in outcomes) > good + 5, "saves go on", HEALED)
            finally:
                cluster.start_apiserver(number)
    finally:
        ended.set()
        writer.join(90)
    assert not writer.is_alive()
    assert {failed for _, failed, _ in outcomes} <= {0, errno.EBUSY, *UNKNOWN}
    # Who reads what was saved last finds it, unless a save in doubt came between.
    good = 0
    doubtful = set()
    for number, failed, found in outcomes:
        assert found == good or found in doubtful, outcomes
        # Nobody else saves it: what came in between can only be a save in doubt that has arrived.
        assert failed != errno.EBUSY or doubtful, outcomes
        if found in doubtful:
            good = found
        if failed == errno.EBUSY:
            continue
        if failed:
            doubtful.add(number)
        else:
            good, doubtful = number, set()
    last = stored(cluster, "saved")
    assert last == good or last in doubtful
