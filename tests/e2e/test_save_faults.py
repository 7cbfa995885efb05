"""Saves among many writers, killed writers, and a server or a daemon that dies at each point of a save.

Afterwards the object is wholly old or wholly new, close(2) told the truth or that it does not know, and
nothing was done twice.
"""

import concurrent.futures
import contextlib
import errno
import os
import pathlib
import re
import signal
import statistics
import subprocess
import threading
import time

import pytest

from admission import Webhook
from api import ApiError
from cutting_proxy import CuttingProxy
from editing import (UNKNOWN, changed, comments, failure_of, finish, in_other, open_to_write, outcome_of, save,
                     save_in_other, start_other, without_comments, write_all)

WRITERS = 50
BOUND = 75  # seconds: a request of the kernel is answered within 60


# Many writers

FORKED = """
import random
children = []
for number in range(int(arguments[1])):
    child = os.fork()
    if child == 0:
        try:
            work(number)
        except OSError as error:
            os._exit(error.errno)
        except BaseException:
            os._exit(255)
        os._exit(0)
    children.append(child)
statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
if any(statuses):
    raise OSError(next(filter(None, statuses)), f"{statuses}")
"""

EACH_ITS_FIELD = """
def work(number):
    path = arguments[0]
    text = open(path).read()
    save(path, text.replace(f'field-{number:02}: "0"', f'field-{number:02}: "1"'))
""" + FORKED

EACH_ADDS_ONE = """
import re
def work(number):
    path = arguments[0]
    chance = random.Random(number)
    deadline = time.monotonic() + 250
    while True:
        text = open(path).read()
        count = int(re.search(r'count: "(\\d+)"', text).group(1))
        try:
            return save(path, text.replace(f'count: "{count}"', f'count: "{count + 1}"'))
        except OSError as error:
            if error.errno != 16 or time.monotonic() > deadline:
                raise
        time.sleep(chance.random() / 20)
""" + FORKED


def test_disjoint_fields(desk):
    item = desk.config_map(**{f"field-{number:02}": "0" for number in range(WRITERS)})
    assert finish(start_other(EACH_ITS_FIELD, item.file, WRITERS), 150) == 0
    assert set(item.stored()["data"].values()) == {"1"}
    assert item.stored_writes() == ["update"] * WRITERS
    item.check_saved(["update"] * WRITERS)


@pytest.mark.sanitize
@pytest.mark.bounded(400)
def test_one_counter(desk):
    item = desk.config_map(count="0")
    assert finish(start_other(EACH_ADDS_ONE, item.file, WRITERS), 300) == 0
    assert item.stored()["data"] == {"count": str(WRITERS)}
    assert item.stored_writes() == ["update"] * WRITERS


def test_with_a_writer_of_another_kind(desk):
    """kubectl's people change the same object all the while, past the daemon."""
    item = desk.config_map(**{f"field-{number:02}": "0" for number in range(20)}, theirs="0")
    ended = threading.Event()
    counts = []

    def disturb():
        while not ended.wait(0.01):
            counts.append(item.change({"data": {"theirs": str(len(counts) + 1)}}, wait=False))

    with concurrent.futures.ThreadPoolExecutor() as pool:
        disturber = pool.submit(disturb)
        code = finish(start_other(EACH_ITS_FIELD, item.file, 20), 150)
        ended.set()
        disturber.result()
    # Versions may move too often for a save: it says so, and what it said is true.
    assert code in (0, errno.EBUSY)
    data = item.stored()["data"]
    assert data.pop("theirs") == str(len(counts))
    assert sum(map(int, data.values())) == len(item.stored_writes())
    if code == 0:
        assert set(data.values()) == {"1"}


# Killed writers

def reordered(item):
    """A text of which the first part alone is a valid object with less in it."""
    text = item.text()
    head = text[:text.index("data:\n")] + text[text.index("kind:"):]
    data = text[text.index("data:\n"):text.index("kind:")]
    lines = data.replace("key: one", "key: two").splitlines(keepends=True)
    return head + "".join(lines[:2]), "".join(lines[2:])


COMMANDS = {
    "cat": ["sh", "-c", 'exec cat > "$0"'],
    "group": ["bash", "-c", '{ cat; sleep 100; } > "$0"'],
    "exec": ["bash", "-c", 'exec 3> "$0"; cat >&3; sleep 100'],
    "dd": ["sh", "-c", 'exec dd bs=1 of="$0" status=none'],
}


KILLS = [(command, number) for command in COMMANDS for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
         # dd closes its file in good order before it dies of Ctrl-C.
         if (command, number) != ("dd", signal.SIGINT)]


@pytest.mark.sanitize
@pytest.mark.parametrize("command, number", KILLS, ids=lambda value: getattr(value, "name", value))
def test_killed_writer(desk, command, number):
    """Half a config map is a valid config map: it must not be saved."""
    item = desk.config_map(key="one", other="first")
    half, _ = reordered(item)
    # A shell in the background would ignore SIGINT, and who runs under nohup SIGHUP.
    process = subprocess.Popen([*COMMANDS[command], item.file], stdin=subprocess.PIPE, start_new_session=True,
                               preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL)
                                                   for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)])
    process.stdin.write(half.encode())
    process.stdin.flush()
    if command in ("exec", "group"):
        process.stdin.close()
    wait_written(process, item, len(half))
    if command in ("exec", "group"):
        # A shell takes no notice of a SIGINT that comes while it waits for what then ends well, as cat does.
        desk.mount.wait_for(lambda: "sleep" in map(name_of, [process.pid, *descendants(process.pid)]), "it waits")
    os.killpg(process.pid, number)
    process.wait(60)
    desk.mount.wait_for(item.rejected.exists, "the text is kept")
    assert without_comments(item.rejected_text()) == half
    assert "killed" in comments(item.rejected_text())
    assert item.sent() == []
    assert item.text() == item.kubectl_text()
    item.rejected.unlink()


def wait_written(process, item, size):
    """Until a descriptor of one of its processes is so far in the file."""
    def positions():
        for pid in [process.pid, *map(int, descendants(process.pid))]:
            # Any of them may end meanwhile.
            with contextlib.suppress(OSError):
                for number in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        if os.readlink(f"/proc/{pid}/fd/{number}") == str(item.file):
                            yield int(pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text().split()[1])

    item.desk.mount.wait_for(lambda: any(position >= size for position in positions()), "the half is written")


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def descendants(pid):
    children = []
    with contextlib.suppress(OSError):
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        yield child
        yield from descendants(child)


@pytest.mark.sanitize
def test_interrupted_save_on_the_wire(proxy, proxy_desk):
    """Ctrl-C while the server thinks: the outcome is the true one, never EINTR; a killed one ends."""
    item = proxy_desk.config_map(key="one")
    text = changed(item)
    code = """
import signal
signal.signal(signal.SIGINT, lambda *_: None)
save(arguments[0], arguments[1])
"""
    proxy.rule = proxy.once("PUT", "hold")
    process = start_other(code, item.file, text)
    assert proxy.held.wait(60)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)  # for the signal to be seen
    assert process.poll() is None
    proxy.go.set()
    assert finish(process) == 0
    item.check_saved()

    proxy.reset()
    proxy.rule = proxy.once("PUT", "hold")
    process = start_other("save(arguments[0], arguments[1])", item.file,
                          changed(item, "key: two", "key: three"))
    assert proxy.held.wait(60)
    process.kill()
    time.sleep(0.2)  # for the signal to be seen
    proxy.go.set()
    process.communicate(timeout=60)
    proxy_desk.mount.wait_for(lambda: "key: three" in item.text(), "what was on the wire is done")
    item.check_saved(["update", "update"])


# The connection at each point of a save

def check_outcome(item, code, text, new):
    """The truth was told, and what it is."""
    writes = item.stored_writes()
    stored = item.stored()["data"]["key"]
    assert len(writes) <= 1, "it was done twice"
    assert stored == (new if writes else "one")
    if code == 0:
        item.desk.mount.wait_for(item.is_current, "the file is the object")
        item.check_saved()
        return
    assert code in UNKNOWN, os.strerror(code)
    item.desk.mount.wait_for(item.is_current, "the file is the object", 100)
    assert without_comments(item.rejected_text()) == text
    # The same writer's next try finds out; it is no conflict with itself.
    save(item.file, text)
    assert item.stored()["data"]["key"] == new
    assert not item.rejected.exists()
    assert item.text() == item.kubectl_text()


@pytest.mark.sanitize
@pytest.mark.parametrize("point", ["before", "half", "after", "half answer"])
def test_cut_update(proxy, proxy_desk, point):
    item = proxy_desk.config_map(key="one")
    text = changed(item)
    proxy.rule = proxy.once("PUT", point)
    began = time.monotonic()
    code = outcome_of(save, item.file, text)
    assert time.monotonic() - began < BOUND
    check_outcome(item, code, text, "two")
    if point in ("after", "half answer"):
        assert code == 0 or item.stored_writes(), "the server has it"


@pytest.mark.parametrize("point", ["before", "after"])
def test_cut_create(proxy, proxy_desk, point):
    name = proxy_desk.name("cut")
    file = proxy_desk.directory() / f"{name}.yaml"
    proxy.rule = proxy.once("POST", point)
    code = outcome_of(save, file, "apiVersion: v1\nkind: ConfigMap\ndata:\n  key: one\n", os.O_CREAT)
    path = f"/api/v1/namespaces/{proxy_desk.namespace}/configmaps/{name}"
    there = proxy_desk.cluster.exists(path)
    if code == 0:
        assert there
    else:
        assert code in UNKNOWN, os.strerror(code)
        assert file.with_name(f"{file.name}.rejected").exists()
    events = [event for event in proxy_desk.audit.settle() if event["verb"] == "create"
              and event.get("objectRef", {}).get("name") == name]
    assert sum(event["responseStatus"]["code"] == 201 for event in events) == int(there)
    assert len(events) <= 2
    proxy_desk.mount.wait_for(lambda: file.exists() == there, "the file says the same")


@pytest.mark.parametrize("point", ["before", "after"])
def test_cut_delete(proxy, proxy_desk, point):
    item = proxy_desk.config_map(key="one")
    proxy.rule = proxy.once("DELETE", point)
    subprocess.run(["rm", item.file], check=True)
    # In the end it is gone or back with a reason.
    proxy_desk.mount.wait_for(lambda: not item.exists() or item.file.exists() and item.name in proxy_desk.mount.errors(),
                              "the object is gone or back", 60)
    assert len([verb for verb, code in item.sent() if code == 200]) <= 1
    proxy_desk.mount.wait_for(lambda: item.file.exists() == item.exists(), "the file says the same", 60)


@pytest.mark.bounded(300)
def test_server_that_says_nothing(proxy, proxy_desk):
    """Time-outs are bounded, and so are those of what arrived and was not answered."""
    points = ["silent", "swallow"]
    items = [proxy_desk.config_map(key="one") for _ in points]
    texts = [changed(item) for item in items]
    by_path = dict(zip((item.path for item in items), points))

    def rule(request):
        if request.method == "PUT" and request.path in by_path:
            return by_path.pop(request.path)
        return None

    proxy.rule = rule
    with concurrent.futures.ThreadPoolExecutor() as pool:
        began = time.monotonic()
        saves = [pool.submit(outcome_of, save, item.file, text) for item, text in zip(items, texts)]
        codes = [future.result(BOUND) for future in saves]
        assert time.monotonic() - began < BOUND
    for item, text, code in zip(items, texts, codes):
        check_outcome(item, code, text, "two")


def test_others_are_not_held_up(proxy, proxy_desk):
    """While a save hangs: who reads, lists or saves another file does so at once."""
    hanging, other = proxy_desk.config_map(key="one"), proxy_desk.config_map(key="one")
    text = changed(other)
    proxy.rule = proxy.once("PUT", "hold")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        save_of_it = pool.submit(outcome_of, save, hanging.file, changed(hanging))
        assert proxy.held.wait(60)
        times = []
        for _ in range(50):
            began = time.monotonic()
            assert "key: one" in other.text()
            os.listdir(other.file.parent)
            assert "key: one" in hanging.text()
            times.append(time.monotonic() - began)
        save(other.file, text)
        # It hangs for as long as nobody lets it go: none of these has waited for it.
        assert not save_of_it.done()
        proxy.go.set()
        assert save_of_it.result(BOUND) == 0
    other.check_saved()
    hanging.check_saved()
    # Who waited for a time-out would do so for seconds, each time.
    assert statistics.median(times) < 0.5, f"{statistics.median(times)} {max(times)}"


# The daemon

@pytest.mark.sanitize
def test_killed_daemon(cluster, desk, mount):
    """kill -9 between write and close: nothing was sent, and close(2) says so."""
    item = desk.config_map(key="one")
    doomed = mount(kill_at_end=True)
    file = doomed.file("configmaps", item.name, desk.namespace)
    text = file.read_text().replace("key: one", "key: two")
    descriptor = open_to_write(file)
    write_all(descriptor, text)
    doomed.process.kill()
    doomed.process.wait()
    assert failure_of(os.close, descriptor) in (errno.ENOTCONN, errno.EIO, errno.ECONNABORTED)
    doomed.abandon()
    assert item.stored() == item.made and item.sent() == []
    again = mount()
    assert again.file("configmaps", item.name, desk.namespace).read_text() == item.kubectl_text()


@pytest.mark.parametrize("point", ["before", "after"])
def test_killed_daemon_amid_a_save(cluster, desk, mount, point):
    """What did not reach the server is not there, and what it got is whole."""
    item = desk.config_map(key="one")
    with CuttingProxy(cluster) as proxy:
        doomed = mount(kubeconfig=proxy.kubeconfig, kill_at_end=True)
        file = doomed.file("configmaps", item.name, desk.namespace)
        text = file.read_text().replace("key: one", "key: two")
        proxy.rule = proxy.once("PUT", "hold" if point == "before" else "swallow")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            saving = pool.submit(outcome_of, save, file, text)
            if point == "before":
                assert proxy.held.wait(60)
            else:
                # Its log is written a little after others see the object.
                cluster.wait_for(item.stored_writes, "the server has it")
            doomed.process.kill()
            assert saving.result(BOUND) in (errno.ENOTCONN, errno.EIO, errno.ECONNABORTED)
        doomed.abandon()
    desk.mount.wait_for(item.is_current, "the outcome is seen")
    assert item.stored_writes() == ([] if point == "before" else ["update"])
    assert item.stored()["data"] == {"key": "one" if point == "before" else "two"}
    assert item.text() == item.kubectl_text()


# The server

@pytest.mark.bounded(400)
def test_killed_server(other_cluster, other_desk):
    """kill -9 before the save, and while it is under way; afterwards the same text can be saved."""
    item = other_desk.config_map(key="one")
    text = changed(item)
    descriptor = open_to_write(item.file)
    write_all(descriptor, text)
    other_cluster.kill_apiserver()
    began = time.monotonic()
    code = outcome_of(os.close, descriptor)
    assert time.monotonic() - began < BOUND
    assert code in UNKNOWN, os.strerror(code)
    assert without_comments(item.rejected_text()) == text
    assert "key: one" in item.text()
    other_cluster.start_apiserver()
    other_desk.mount.wait_for(lambda: not other_desk.mount.is_away(), "the server is back", 100)
    other_cluster.api.local.__dict__.clear()
    assert item.stored() == item.made
    os.rename(item.rejected, item.file)
    assert item.stored()["data"] == {"key": "two"} and not item.rejected.exists()

    item = other_desk.config_map(key="one")
    text = changed(item)
    with Webhook(other_cluster, other_desk.namespace, seconds=30) as webhook:
        webhook.hang()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            saving = pool.submit(outcome_of, save, item.file, text)
            assert webhook.asked.wait(60)
            other_cluster.kill_apiserver()
            webhook.allow()
            webhook.go.set()
            other_cluster.start_apiserver()
            code = saving.result(BOUND)
        other_cluster.api.local.__dict__.clear()
        other_desk.mount.wait_for(lambda: not other_desk.mount.is_away(), "the server is back", 100)
        check_outcome(item, code, text, "two")


# What the server does not allow, or not in time

@pytest.mark.sanitize
def test_admission(cluster, desk):
    item = desk.config_map(key="one")
    text = changed(item)
    # Five tries of that, and the pauses between them, are less than a save may take.
    with Webhook(cluster, desk.namespace, seconds=4) as webhook:
        for code, wanted in (403, errno.EACCES), (422, errno.EINVAL), (400, errno.EINVAL):
            webhook.refuse(code, f"not on a Friday, says {code}")
            assert failure_of(save, item.file, text) == wanted
            item.check_refused(text, f"not on a Friday, says {code}")
        # Asked at once, before the name is gone.
        assert in_other("os.unlink(arguments[0])", item.file) == errno.EINVAL
        assert item.file.exists() and item.exists()
        webhook.hang()
        began = time.monotonic()
        assert failure_of(save, item.file, text) in (errno.EIO, errno.EAGAIN, errno.ETIMEDOUT)
        assert time.monotonic() - began < BOUND
        item.check_refused(text, "webhook")
        webhook.go.set()
        webhook.allow()
        os.rename(item.rejected, item.file)
    assert item.stored()["data"] == {"key": "two"}
    item.check_saved()


def is_exceeded(cluster, namespace):
    """Whether the server refuses another config map for that reason."""
    try:
        cluster.api("POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", {"metadata": {"name": "probe"}})
    except ApiError as error:
        return "exceeded quota" in str(error)
    return False


def test_quota(cluster, desk):
    """One more than may be: the reason is the server's."""
    namespace = desk.name(f"{desk.namespace}-quota")
    cluster.kubectl("create", "namespace", namespace)
    try:
        path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        cluster.api("POST", path, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
                                   "spec": {"hard": {"count/configmaps": "0"}}})
        cluster.wait_for(lambda: is_exceeded(cluster, namespace), "the quota is in force")
        folder = desk.directory("configmaps", namespace)
        desk.mount.wait_for(folder.is_dir, "the namespace")
        text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  key: one\n"
        assert failure_of(save, folder / "one.yaml", text, os.O_CREAT) == errno.EACCES
        rejected = (folder / "one.yaml.rejected").read_text()
        assert without_comments(rejected) == text and "exceeded quota" in comments(rejected)
        assert "exceeded quota" in desk.mount.errors()
        (folder / "one.yaml.rejected").unlink()
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_processes_of_one_object_in_turn(desk):
    """Each from the text that it read: what is newer is a conflict, whoever's it is."""
    item = desk.config_map(key="one")
    text = item.text()
    assert save_in_other(item.file, re.sub("key: one", "key: two", text)) == 0
    assert save_in_other(item.file, re.sub("key: one", "key: three", text)) == errno.EBUSY
    assert save_in_other(item.file, re.sub("key: two", "key: three", item.text())) == 0
    assert item.stored_writes() == ["update"] * 2
