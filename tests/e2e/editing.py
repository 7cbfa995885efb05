"""What tests of saving share: a desk to work at, and what the server says was written.

    with Desk(cluster) as desk:
        item = desk.config_map(key="one")
        item.file.write_text(item.file.read_text().replace("one", "two"))
        assert item.stored_writes() == ["update"]

A desk is outside /tmp, where vim makes no backups.
"""

import contextlib
import errno
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

from api import ApiError
from build import cache_folder
from mounting import Mount, is_mounted

AGENT = "kubefs/"
# What a change may end with when it is not known, or not at once, what became of it.
UNKNOWN = (errno.EIO, errno.ETIMEDOUT, errno.EAGAIN, errno.ECONNREFUSED, errno.EHOSTUNREACH)
WRITES = ("create", "update", "patch", "delete", "deletecollection")
MERGE_PATCH = "application/merge-patch+json"
# For so long a removed object is kept for who makes it again.
REMOVAL_SECONDS = 0.25


class Audit:
    """What kubefs asked the server to write, in order, from the server's audit log.

    events are its writes, dry runs included, as settle last saw them.
    """

    def __init__(self, cluster):
        self.cluster = cluster
        self.path = cluster.directory / "audit.log"
        self.events = []
        self.rest = b""
        self.file = open(self.path, "rb")
        self.file.seek(0, os.SEEK_END)

    def close(self):
        self.file.close()

    def settle(self, timeout=60):
        """Read on up to a request of our own: what was answered before it stands before it."""
        marker = f"marker-{uuid.uuid4()}"
        with contextlib.closing(self.cluster.api.connect()) as connection:
            connection.call("GET", f"/version?{marker}")
        deadline = time.monotonic() + timeout
        while not self._read(marker):
            assert time.monotonic() < deadline, "the audit log does not show our own request"
            time.sleep(0.01)
        return self.events

    def _read(self, marker):
        *lines, self.rest = (self.rest + self._bytes()).split(b"\n")
        seen = False
        for line in lines:
            event = json.loads(line)
            if event["verb"] in WRITES and event.get("userAgent", "").startswith(AGENT):
                self.events.append(event)
            seen = seen or marker in event["requestURI"]
        return seen

    def _bytes(self):
        """What is new; the server begins a new file when one is large."""
        data = self.file.read()
        # In between there is none of that name.
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_ino != os.fstat(self.file.fileno()).st_ino:
                data += self.file.read()
                following = open(self.path, "rb")
                self.file.close()
                self.file = following
                data += self.file.read()
        return data


def is_dry_run(event):
    return "dryRun=All" in event["requestURI"]


def code_of(event):
    return event.get("responseStatus", {}).get("code", 0)


def without_comments(text):
    """A rejected text without the reason on top of it."""
    lines = text.splitlines(keepends=True)
    return "".join(itertools.dropwhile(lambda line: line.startswith("#"), lines))


def comments(text):
    lines = text.splitlines(keepends=True)
    return "".join(itertools.takewhile(lambda line: line.startswith("#"), lines))


class Item:
    """One object of a test and its file."""

    def __init__(self, desk, resource, made):
        self.desk, self.resource, self.made = desk, resource, made
        self.name = made["metadata"]["name"]
        self.namespace = made["metadata"].get("namespace")
        self.uid = made["metadata"]["uid"]
        self.path = desk.cluster.api.object_path(made)
        self.file = desk.mount.file(resource, self.name, self.namespace)
        self.rejected = self.file.with_name(self.file.name + ".rejected")
        self.views = self.file.with_name(self.name + "@")
        self.since = len(desk.audit.settle())
        desk.mount.wait_for(self.is_current, f"{self.file} is there")

    # What the server has

    def stored(self):
        return self.desk.cluster.api("GET", self.path)

    def exists(self):
        return self.desk.cluster.exists(self.path)

    def kubectl_text(self):
        place = ["-n", self.namespace] if self.namespace else []
        return self.desk.cluster.kubectl("get", self.resource, self.name, *place, "-o", "yaml")

    def events(self):
        """kubefs's writes of this object since it was made; an answerless create has no name."""
        def is_ours(event):
            reference = event.get("objectRef", {})
            plural = self.resource.partition(".")[0]
            return (reference.get("resource") == plural and reference.get("namespace", None) == self.namespace
                    and reference.get("name", self.name) == self.name)
        return [event for event in self.desk.audit.settle()[self.since:] if is_ours(event)]

    def sent(self):
        """What kubefs asked for that was no dry run: (verb, HTTP status)."""
        return [(event["verb"], code_of(event)) for event in self.events() if not is_dry_run(event)]

    def stored_writes(self):
        """The verbs of what the server did for kubefs."""
        return [verb for verb, code in self.sent() if code < 300]

    def wait_removed(self):
        """Until the server has deleted it for kubefs and has noted that, which is a little after it is gone."""
        self.desk.mount.wait_for(lambda: ("delete", 200) in self.sent(), f"{self.name} is deleted")
        assert not self.exists()

    def was_removed(self):
        return ("delete", 200) in self.sent() or not self.exists()

    def forget_writes(self):
        self.since = len(self.desk.audit.settle())

    # What others do

    def change(self, patch, wait=True):
        """Somebody else's merge patch; wait until the mount shows it."""
        changed = self.desk.cluster.api("PATCH", self.path, patch, MERGE_PATCH)
        if wait:
            # A controller may have gone on from there.
            version = int(changed["metadata"]["resourceVersion"])
            self.desk.mount.wait_for(lambda: int(self.version() or 0) >= version, "the mount shows somebody's change")
        return changed

    def change_data(self, wait=True, **data):
        return self.change({"data": data}, wait)

    # What the mount has

    def version(self):
        try:
            return os.getxattr(self.file, "user.kubefs.resource_version").decode()
        except OSError:
            return None

    def is_current(self):
        return self.version() == self.stored()["metadata"]["resourceVersion"]

    def text(self):
        return self.file.read_text()

    def error(self):
        """The reason of the last failed save."""
        try:
            return os.getxattr(self.file, "user.kubefs.error").decode()
        except OSError:
            return None

    def rejected_text(self):
        return self.rejected.read_text()

    # What must hold

    def check_saved(self, verbs=("update",)):
        """One save landed, at once: the object is the same one and the file is what kubectl prints."""
        shown = self.text()
        assert shown == self.kubectl_text()
        assert self.stored()["metadata"]["uid"] == self.uid
        assert self.stored_writes() == list(verbs)
        assert not os.path.lexists(self.rejected)

    def check_refused(self, text, *reasons):
        """Nothing was stored, the file shows the truth and the refused text is kept with the reasons."""
        assert self.stored_writes() == []
        assert self.text() == self.kubectl_text()
        assert self.stored()["metadata"]["uid"] == self.uid
        kept = self.rejected_text()
        assert without_comments(kept) == text
        assert comments(kept)
        for reason in reasons:
            assert reason in comments(kept)
            assert reason in self.desk.mount.errors()
            assert reason in self.desk.mount.log_text()
        assert self.rejected.name in os.listdir(self.rejected.parent)


class Desk:
    """A mount outside /tmp with a new namespace; arguments are the mount's options."""

    numbers = itertools.count(1)

    def __init__(self, cluster, *arguments, kubeconfig=None):
        self.cluster, self.arguments, self.kubeconfig = cluster, arguments, kubeconfig or cluster.kubeconfig
        self.api = cluster.api
        self.namespace = f"desk-{os.getpid()}-{next(self.numbers)}"
        self.folder = self.mount = self.audit = None

    def __enter__(self):
        place = cache_folder() / "desks"
        place.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="desk-", dir=place))
        self.home = self.folder / "home"
        self.home.mkdir()
        try:
            self.audit = Audit(self.cluster)
            self.cluster.create_namespace(self.namespace)
            self.mount = Mount(self.kubeconfig, self.folder, *self.arguments).start()
            self.mount.wait_for(lambda: self.directory().is_dir(), "the namespace is there")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.mount.__exit__(kind, value, trace)
        finally:
            self._remove()

    def _remove(self):
        if self.mount:
            self.mount.abandon()
        if self.audit:
            self.audit.close()
        # What is below a mount point is the cluster's.
        if not is_mounted(self.folder / "mnt"):
            shutil.rmtree(self.folder)
        with contextlib.suppress(ApiError, OSError):
            self.api("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def writes(self, since):
        """kubefs's writes in this desk's namespace, dry runs included, after so many; what it asks of its rights is none."""
        return [event for event in self.audit.settle()[since:]
                if event.get("objectRef", {}).get("namespace") == self.namespace]

    def directory(self, resource="configmaps", namespace=None):
        return self.mount.resource(resource, namespace or self.namespace)

    def name(self, stem="item"):
        return f"{stem}-{next(self.numbers)}"

    def create(self, resource, item):
        """Make an object as somebody else would; in this desk's namespace unless it says another."""
        metadata = item.setdefault("metadata", {})
        metadata.setdefault("name", self.name())
        if self.api.resource(item["apiVersion"], item["kind"])["namespaced"]:
            metadata.setdefault("namespace", self.namespace)
        return Item(self, resource, self.api.create(item, exists_ok=False))

    def config_map(self, namespace=None, metadata=None, **data):
        metadata = {**(metadata or {}), **({"namespace": namespace} if namespace else {})}
        return self.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    def find(self, resource, name, namespace=None):
        """An object that a test made through the mount."""
        kinds = {"configmaps": "ConfigMap", "secrets": "Secret", "services": "Service"}
        path = self.api.object_path({"apiVersion": "v1", "kind": kinds[resource], "metadata": {
            "name": name, "namespace": namespace or self.namespace}})
        item = self.api("GET", path)
        return Item(self, resource, {"apiVersion": "v1", "kind": kinds[resource], **item})

    def listing(self, resource="configmaps", namespace=None):
        return set(os.listdir(self.directory(resource, namespace)))

    def close_left(self):
        """What a failed test left open would keep the mount busy."""
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{number}").startswith(str(self.mount.path)):
                    os.close(int(number))

    def check_alive(self):
        status = self.mount.process.poll() if self.mount.process else "killed"
        assert status is None, f"kubefs ended with {status}:\n{self.mount.log_tail()}"


class Desks:
    """The desk of some tests; a new one when the last one broke."""

    def __init__(self, cluster, *arguments):
        self.cluster, self.arguments = cluster, arguments
        self.desk = None

    def get(self):
        if self.desk and (self.desk.mount.process is None or self.desk.mount.process.poll() is not None):
            self.desk._remove()
            self.desk = None
        if self.desk is None:
            self.desk = Desk(self.cluster, *self.arguments).__enter__()
        return self.desk

    def close(self):
        if self.desk:
            self.desk.__exit__(None, None, None)


def in_one_go(make, replace, tries=10):
    """Let replace(item) remove a file and make it again; the item, of those that make() gives, and what replace returned.

    It returns the seconds that this took, too. Where they are more than a removed object is kept, the two may have been a
    removal and another object, as they should: then it is tried once more.
    """
    for _ in range(tries):
        item = make()
        result, seconds = replace(item)
        if seconds < REMOVAL_SECONDS or not item.was_removed():
            break
    return item, result


# Texts

def changed(item, old="key: one", new="key: two"):
    """Its text with something else in it."""
    text = item.text()
    assert old in text
    return text.replace(old, new)


def manifest(name=None, namespace=None, data=None, kind="ConfigMap", metadata=""):
    """The text of a new object; without a name it has that of its file."""
    place = "".join(f"  {key}: {value}\n" for key, value in (("name", name), ("namespace", namespace)) if value)
    lines = "".join(f"  {key}: {value}\n" for key, value in (data or {"key": "one"}).items())
    return f"apiVersion: v1\nkind: {kind}\n" + (f"metadata:\n{place}{metadata}" if place or metadata else "") + f"data:\n{lines}"


def new_file(desk, resource="configmaps", namespace=None):
    """The path of a file that is not there yet."""
    return desk.directory(resource, namespace) / f"{desk.name('new')}.yaml"


def made(desk, file, resource="configmaps", namespace=None):
    """The object that a file stands for, checked against kubectl."""
    item = desk.find(resource, file.name.removesuffix(".yaml"), namespace)
    assert file.read_text() == item.kubectl_text()
    return item


# Saves by system calls

def open_to_write(path, flags=os.O_TRUNC):
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o666)


def write_all(descriptor, data):
    data = data.encode() if isinstance(data, str) else data
    while data:
        data = data[os.write(descriptor, data):]


def save(path, data, flags=os.O_TRUNC):
    """Open, write, close; raises the first error, that of close(2) included."""
    descriptor = open_to_write(path, flags)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def create(path, data, flags=0):
    save(path, data, os.O_CREAT | os.O_TRUNC | flags)


def failure_of(function, *arguments):
    """The errno of what must fail."""
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    raise AssertionError(f"{function.__name__} succeeded")


def outcome_of(function, *arguments):
    """0 or the errno."""
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return 0


WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from editing import *
try:
    exec(sys.argv[2], {**globals(), "arguments": sys.argv[3:]})
except OSError as error:
    print(error.errno)
else:
    print(0)
"""


def start_other(code, *arguments, **options):
    """Python code in a process of its own, with all that is here and with arguments."""
    argv = [sys.executable, "-c", WRITER, pathlib.Path(__file__).parent, code, *map(str, arguments)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1] / "cluster")}, **options)


def finish(process, timeout=60):
    """The errno that it ended with, or 0."""
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0 and output, f"it ended with {process.returncode}: {output}"
    return int(output.split()[-1])


def in_other(code, *arguments):
    return finish(start_other(code, *arguments))


def save_in_other(path, text):
    return in_other("save(arguments[0], arguments[1])", path, text)
