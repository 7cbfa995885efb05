"""What a file says is what kubectl prints, and its attributes are true."""

import calendar
import concurrent.futures
import contextlib
import ctypes
import errno
import json
import os
import pathlib
import re
import stat
import struct
import subprocess
import threading
import time
import urllib.parse

import pytest

from api import ApiError
from cluster import ClusterError

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_GETDENTS64 = 217
pytestmark = pytest.mark.sanitize
THREADS = 4


class Oracle:
    """tests/cluster/oracle on a pipe."""

    def __init__(self, cluster):
        self.process = subprocess.Popen([cluster.bin / "yaml-oracle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()

    def read_yaml(self, text):
        """The value that sigs.k8s.io/yaml reads; ValueError where it reads none."""
        with self.lock:
            self.process.stdin.write(b"r" + struct.pack(">I", len(text)) + text)
            self.process.stdin.flush()
            status, length = struct.unpack(">BI", self.process.stdout.read(5))
            answer = self.process.stdout.read(length)
        if status != 0:
            raise ValueError(answer.decode(errors="replace"))
        return json.loads(answer)


def config_map(name, namespace, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def files_below(directory):
    """Each NAME.yaml of a resource's directory, by the object's name; long names lie in directories."""
    found = {}
    for folder, _, names in os.walk(directory):
        above = "".join(part[:-1] for part in pathlib.Path(folder).relative_to(directory).parts)
        for name in names:
            assert name.endswith(".yaml"), f"{folder}/{name} is listed"
            # A character may be cut in two.
            whole = urllib.parse.unquote_to_bytes(os.fsencode(above + name.removesuffix(".yaml")))
            found[whole.decode()] = pathlib.Path(folder) / name
    return found


def same_value(oracle, text, printed, stored):
    """The two exceptions: kubectl fails, or what it printed reads back as another value."""
    stored["metadata"].pop("managedFields", None)
    if printed is not None:
        with contextlib.suppress(ValueError):
            assert oracle.read_yaml(printed) != stored, f"kubectl's text was good:\n{printed.decode()}\nours:\n{text.decode()}"
    assert oracle.read_yaml(text) == stored
    return True


def version_of(file):
    try:
        return os.getxattr(file, "user.kubefs.resource_version").decode()
    except OSError as error:
        # Component statuses have none.
        if error.errno != errno.ENODATA:
            raise
        return ""


def read_with_version(file):
    """A file's text and the version that it is of; it may change, or go, at any time."""
    while True:
        before = version_of(file)
        text = file.read_bytes()
        if version_of(file) == before:
            return text, before


def expect_kubectl(cluster, oracle, form, file, resource, name, namespace, path):
    """The file equals kubectl's text of the same version: both are read again while they differ in that."""
    place = ["-n", namespace] if namespace else []
    deadline = time.monotonic() + 120
    while True:
        over = time.monotonic() > deadline
        try:
            text, version = read_with_version(file)
        except FileNotFoundError:
            if not cluster.exists(path):
                return False
            # Another one of its name may not be shown yet.
            if over:
                raise
            time.sleep(0.1)
            continue
        try:
            printed = cluster.kubectl_bytes("get", resource, name, *place, "-o", form)
        except ClusterError as error:
            if "NotFound" in str(error):
                return False
            printed = None
        # It may have changed, and the file with it, while kubectl ran.
        with contextlib.suppress(FileNotFoundError):
            if printed in (text, file.read_bytes()):
                return True
        if printed is None or f'resourceVersion: "{version}"'.encode() in printed or over:
            assert form == "yaml", f"{resource} {name} as JSON:\n{text.decode()}\nkubectl:\n{(printed or b'').decode()}"
            try:
                stored = cluster.api("GET", path)
            except ApiError as error:
                assert error.status == 404, error
                return False
            if over or stored["metadata"].get("resourceVersion", "") == version:
                return same_value(oracle, text, printed, stored)


def all_resources(cluster, namespaced):
    return cluster.kubectl("api-resources", "-o", "name", "--verbs=get,list", f"--namespaced={namespaced}").split()


@pytest.mark.bounded(600)
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_every_object_is_what_kubectl_prints(sample, mount, form):
    mounted = mount("-o", "ro")
    paths = {}
    for group_version in ["v1"] + [
            version["groupVersion"] for group in sample.api("GET", "/apis")["groups"]
            for version in [group["preferredVersion"]]]:
        root = f"/api/{group_version}" if "/" not in group_version else f"/apis/{group_version}"
        group = group_version.partition("/")[0] if "/" in group_version else ""
        # Other tests' APIs come and go.
        with contextlib.suppress(ApiError):
            for item in sample.api("GET", root)["resources"]:
                paths[f"{item['name']}.{group}".rstrip(".")] = root, item["name"]

    def path(resource, name, namespace):
        root, plural = paths[resource]
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{place}/{plural}/{urllib.parse.quote(name, safe='')}"

    work = []
    for resource in filter(paths.__contains__, all_resources(sample, False)):
        work += [(file, resource, name, None) for name, file in files_below(mounted.resource(resource)).items()]
    for namespace in os.listdir(mounted.path / "namespaces"):
        for resource in filter(paths.__contains__, all_resources(sample, True)):
            work += [(file, resource, name, namespace)
                     for name, file in files_below(mounted.resource(resource, namespace)).items()]
    kinds = {resource for _, resource, _, _ in work}
    assert {"pods", "secrets", "nodes", "recipes.sample.kubefs.dev", "componentstatuses"} <= kinds
    with Oracle(sample) as oracle, concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        compared = [done.result() for done in [
            pool.submit(expect_kubectl, sample, oracle, form, file.with_suffix(f".{form}"), resource, name, namespace,
                        path(resource, name, namespace))
            for file, resource, name, namespace in work]]
    assert sum(compared) > 200, f"{sum(compared)} of {len(work)} objects were there to compare"


ODD_VALUES = {
    "delete": "a\x7fb", "c1": "a\x85b\x9f", "separators": "a\u2028b\u2029", "bom": "\ufeffx", "nul": "a\x00b",
    "crlf": "a\r\nb\r\n", "cr": "\ra", "tabs": "\ta\t\n\tb", "blank": " ", "newline": "\n", "newlines": "\n\n  x\n\n",
    "yes": "yes", "hex": "0x1F", "huge": "1e400", "date": "2024-01-01", "null": "null", "tilde": "~", "merge": "<<",
    "long": "word " * 80, "wide": "x" * 500, "emoji": "👋🏽 Grüß", "colon": "a: b", "comment": "a #b", "dash": "- a",
    "bar": "|", "at": "@a", "percent": "%a", "star": "*a", "and": "&a", "bang": "!a", "quotes": "'\"'", "octal": "0o17",
    "sexagesimal": "1:20:30", "underscore": "1_000", "inf": ".inf", "equals": "=", "y": "y", "trailing": "a ",
    "block-blank": "a\n \nb\n", "leading": "  a\nb\n",
}
ODD_KEYS = ["", " ", "a b", "yes", "1", "0x1F", "2024-01-01", "a: b", "#", "-", "?", "[", "<<", "k" * 200, "ключ", "a\nb"]


def test_odd_values(sample, namespace, mount):
    deep = "bottom"
    for level in range(60):
        deep = {"d": deep} if level % 2 else [deep]
    recipes = [{"text": {"value": value}} for value in ODD_VALUES.values()] + [{"keys": {key: 1}} for key in ODD_KEYS] + [
        {"numbers": [0, -1, 2**63 - 1, -2**63, 0.1, 1e21, 1e20, 1e-7, 1.5e300, 5e-324, 123456789.125, True, None, {}, [], ""]},
        {"deep": deep}, {"list": [[[]], [{}], [[1], 2]]},
    ]
    names = []
    for number, anything in enumerate(recipes):
        item = {"apiVersion": "sample.kubefs.dev/v1", "kind": "Recipe",
                "metadata": {"name": f"odd-{number}", "namespace": namespace}, "spec": {"anything": anything}}
        try:
            sample.api.create(item)
            names.append((item["metadata"]["name"], sample.api.object_path(item)))
        except ApiError as error:
            assert error.status in (400, 422), error
    assert len(names) > 50
    mounted = mount()
    with Oracle(sample) as oracle, concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda which: [
            expect_kubectl(sample, oracle, form,
                           mounted.file("recipes.sample.kubefs.dev", which[0], namespace, form), "recipes.sample.kubefs.dev",
                           which[0], namespace, which[1]) for form in ("yaml", "json")], names))
        for name, path in names:
            stored = sample.api("GET", path)
            stored["metadata"].pop("managedFields", None)
            assert oracle.read_yaml(mounted.file("recipes.sample.kubefs.dev", name, namespace).read_bytes()) == stored


def test_sizes_and_link_counts(sample, mount):
    mounted = mount()
    for folder, folders, names in os.walk(mounted.path):
        assert ".kubefs" not in folders
        for name in names:
            file = pathlib.Path(folder, name)
            try:
                with open(file, "rb") as stream:
                    said, text = os.fstat(stream.fileno()), stream.read()
            except FileNotFoundError:
                continue
            # The kernel counts no link of what was deleted since it was opened, as other tests' namespaces are.
            assert said.st_size == len(text) > 0 and (said.st_nlink == 1 or not file.exists())
        if not names:
            mounted.wait_for(lambda: not os.path.exists(folder) or links(folder) in (2 + len(subdirectories(folder)), 1),
                             f"the link count of {folder}")
    for name in (".", "namespaces", "cluster", "namespaces/shop"):
        folder = mounted.path / name
        mounted.wait_for(lambda: links(folder) == 2 + len(subdirectories(folder)), f"the link count of {name}")


def links(folder):
    """None when it is gone."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(folder).st_nlink
    return None


def subdirectories(folder):
    with contextlib.suppress(FileNotFoundError):
        return [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    return []


def test_json_and_control_are_not_listed(sample, mount):
    mounted = mount()
    file = mounted.file("configmaps", "storefront-config", "shop", "json")
    assert json.loads(file.read_bytes())["kind"] == "ConfigMap" and file.stat().st_size == len(file.read_bytes())
    assert file.name not in os.listdir(file.parent)
    assert sorted(os.listdir(mounted.path)) == ["cluster", "namespaces"]
    assert {"status", "version", "errors"} <= set(os.listdir(mounted.path / ".kubefs"))
    assert (mounted.path / ".kubefs" / "status").read_text()
    assert "events.events.k8s.io" not in os.listdir(mounted.path / "namespaces" / "shop")
    other = mounted.path / "namespaces" / "shop" / "events.events.k8s.io"
    assert other.is_dir() and not other.is_symlink()
    events = mounted.wait_for(lambda: os.listdir(other), "what the controllers told")
    assert "\napiVersion: events.k8s.io/v1\n" in "\n" + (other / events[0]).read_text()


def test_modes(sample, mount):
    for options, writable in (["-o", "ro"], 0), ([], 0o200):
        mounted = mount(*options)
        folder = mounted.path / "namespaces" / "shop"
        assert stat.S_IMODE(os.stat(folder / "configmaps" / "storefront-config.yaml").st_mode) == 0o444 | writable
        assert stat.S_IMODE(os.stat(folder / "secrets" / "database.yaml").st_mode) == 0o400 | writable
        assert stat.S_IMODE(os.stat(folder / "secrets" / "database.json").st_mode) == 0o400 | writable


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def versions_match(file, item):
    with contextlib.suppress(FileNotFoundError):
        return version_of(file) == item["metadata"]["resourceVersion"]
    return False


def test_times_follow_the_object(cluster, namespace, mount):
    mounted = mount()
    made = cluster.api.create({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "timed", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "none"}]}}}})
    path = cluster.api.object_path(made)
    cluster.wait_for(lambda: cluster.api("GET", path)["status"].get("observedGeneration"), "its controller saw it")
    file = mounted.file("replicasets.apps", "timed", namespace)
    seen = cluster.api("GET", path)
    mounted.wait_for(lambda: versions_match(file, seen), "the object is seen")
    before = file.stat()
    assert int(before.st_mtime) == seconds(made["metadata"]["creationTimestamp"])

    # A change of the status is none of the file's content proper.
    status = cluster.api("PATCH", path + "/status", {"status": {"fullyLabeledReplicas": 0, "conditions": [
        {"type": "Odd", "status": "True"}]}}, "application/merge-patch+json")
    mounted.wait_for(lambda: versions_match(file, status), "the status is seen")
    after = file.stat()
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ctime_ns != before.st_ctime_ns and after.st_ctime_ns >= after.st_mtime_ns
    assert after.st_ino == before.st_ino

    # Two changes in one second differ in their nanoseconds.
    times = set()
    for number in range(4):
        changed = cluster.api("PATCH", path, {"metadata": {"labels": {"n": str(number)}}}, "application/merge-patch+json")
        mounted.wait_for(lambda: versions_match(file, changed), "the label is seen")
        newest = max(seconds(entry["time"]) for entry in changed["metadata"]["managedFields"]
                     if entry.get("subresource") != "status")
        now = file.stat()
        assert now.st_mtime_ns // 10**9 == newest and now.st_ino == before.st_ino
        times.add(now.st_mtime_ns)
    assert len(times) == 4


def test_time_of_a_deletion_under_way(cluster, namespace, mount):
    mounted = mount()
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "leaving", "namespace": namespace, "finalizers": ["example.com/stay"]},
           "spec": {"containers": [{"name": "c", "image": "none"}], "nodeName": "node-0",
                    "terminationGracePeriodSeconds": 1000}}
    cluster.ensure_service_account(namespace)
    cluster.api.create(pod)
    cluster.api.delete(pod)
    try:
        file = mounted.file("pods", "leaving", namespace)
        now = time.time()
        mounted.wait_for(lambda: b"deletionTimestamp" in file.read_bytes(), "the deletion is seen")
        assert abs(file.stat().st_mtime - now) < 100, "not in the future, as the timestamp is"
    finally:
        cluster.api("PATCH", cluster.api.object_path(pod), {"metadata": {"finalizers": None}},
                    "application/merge-patch+json")


def test_inode_follows_the_object(cluster, namespace, mount):
    mounted = mount()
    item = config_map("one", namespace, a="b")
    made = cluster.api.create(item)
    file = mounted.file("configmaps", "one", namespace)
    inode = file.stat().st_ino
    assert os.getxattr(file, "user.kubefs.uid").decode() == made["metadata"]["uid"]
    assert os.getxattr(file, "user.kubefs.resource_version").decode() == made["metadata"]["resourceVersion"]
    assert os.listxattr(file) == []
    with pytest.raises(OSError, match="not supported"):
        os.getxattr(file, "security.selinux")
    assert file.with_suffix(".json").stat().st_ino != inode
    cluster.api.delete(item)
    again = cluster.api.create(item)
    mounted.wait_for(lambda: versions_match(file, again), "the new one is seen")
    assert file.stat().st_ino != inode


def kubectl_resolves(cluster, alias):
    """The resource that kubectl takes a name for, from the request that it makes."""
    done = subprocess.run(
        [cluster.bin / "kubectl", f"--kubeconfig={cluster.kubeconfig}", f"--cache-dir={cluster.directory}/kubectl-cache",
         "get", alias, "-A", "-v=6", "-o", "name"], capture_output=True, text=True, check=False)
    found = re.findall(r'https://[^/]+/(?:api/(v\d\w*)|apis/([^/"]+)/(\w+))/([\w-]+)\?limit=500', done.stderr)
    if not found:
        return None
    _, group, _, plural = found[-1]
    return f"{plural}.{group}".rstrip(".")


@pytest.mark.bounded(300)
def test_aliases(sample, mount):
    mounted = mount("-o", "ro")
    places = {}
    for namespaced, folder in (True, "namespaces/shop"), (False, "cluster"):
        for resource in all_resources(sample, namespaced):
            places[resource] = mounted.path / folder
    aliases = set()
    for group_version in ["v1"] + [group["preferredVersion"]["groupVersion"] for group in sample.api("GET", "/apis")["groups"]
                                   # Other tests' resources come and go.
                                   if not group["name"].endswith("example.com")]:
        root = f"/api/{group_version}" if "/" not in group_version else f"/apis/{group_version}"
        for item in sample.api("GET", root)["resources"]:
            if "/" not in item["name"] and "list" in item["verbs"]:
                aliases |= {item["name"], item["singularName"], *item.get("shortNames", [])}
    aliases = sorted(aliases - set(places) - {""})
    assert {"po", "deploy", "deployment", "deployments", "rcp", "recipe", "crd", "no", "ev"} <= set(aliases)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        resolved = dict(zip(aliases, pool.map(lambda alias: kubectl_resolves(sample, alias), aliases)))
    for alias, resource in resolved.items():
        assert resource, f"kubectl does not know {alias}"
        link = places[resource] / alias
        assert link.is_symlink() and os.readlink(link) == resource, f"{alias} of {resource}"
        assert alias not in os.listdir(link.parent)
        other = mounted.path / ("cluster" if link.parent.name == "shop" else "namespaces/shop") / alias
        assert not os.path.lexists(other)
    assert (mounted.path / "namespaces/shop/cm/storefront-config.yaml").read_bytes() == mounted.file(
        "configmaps", "storefront-config", "shop").read_bytes()


def test_listing_is_what_api_resources_lists(sample, mount):
    mounted = mount("-o", "ro")
    for namespaced, folder in (True, "namespaces/shop"), (False, "cluster"):
        def wanted():
            return set(sample.kubectl("api-resources", "-o", "name", "--verbs=list", f"--namespaced={namespaced}").split())

        # Other tests' resources come and go.
        mounted.wait_for(lambda: set(os.listdir(mounted.path / folder)) == wanted() - {"events.events.k8s.io"},
                         f"{folder} is what kubectl lists")


ODD_NAMES = ["system:odd", "odd@example.com", "a b", "brk~", ".odd", "#odd#", "-rf", "x.yaml", "x.json", "x", "Grüße", "e\u0301",
             "back\\slash", "new\nline", "@", "a" * 250, "b" * 251, "c" * 255, "c" * 256, "d" * 700, "e" * 199 + "é" * 60,
             "f" * 200, "f" * 401]


def test_odd_names(cluster, mount):
    items = [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": []}
             for name in ODD_NAMES]
    made = {}
    try:
        for item in items:
            made[item["metadata"]["name"]] = cluster.api.create(item)["metadata"]["uid"]
        mounted = mount()
        found = files_below(mounted.resource("clusterroles.rbac.authorization.k8s.io"))
        for name, uid in made.items():
            assert name in found, f"{name!r} is not listed"
            assert os.getxattr(found[name], "user.kubefs.uid").decode() == uid
            assert os.getxattr(found[name].with_name(found[name].name[:-5] + ".json")
                               if len(name) < 240 else found[name], "user.kubefs.uid").decode() == uid
        assert not (mounted.resource("clusterroles.rbac.authorization.k8s.io") / "%61.yaml").exists()
        # In a mount that never listed it, too; and what comes and goes there.
        fresh = mount("-o", "ro")
        for name, file in found.items():
            if name in made:
                assert os.getxattr(fresh.path / file.relative_to(mounted.path), "user.kubefs.uid").decode() == made[name]
        cluster.api.delete(items[-1])
        made.pop(ODD_NAMES[-1])
        gone = found[ODD_NAMES[-1]]
        mounted.wait_for(lambda: not gone.exists(), "a long name goes")
        mounted.wait_for(lambda: ODD_NAMES[-1] not in files_below(
            mounted.resource("clusterroles.rbac.authorization.k8s.io")), "its directory goes")
        made[ODD_NAMES[-1]] = cluster.api.create(items[-1])["metadata"]["uid"]
        mounted.wait_for(gone.exists, "a long name comes back")
    finally:
        for item in items:
            if item["metadata"]["name"] in made:
                cluster.api.delete(item)


def test_long_dns_names(cluster, namespace, mount):
    mounted = mount("-o", "ro")
    names = [letter * 63 + ("." + letter * 63) * 2 + "." + letter * (253 - 192) for letter in "ab"] + ["c" * 63 + ".short"]
    assert len(names[0]) == 253
    cluster.api.create_many(config_map(name, namespace) for name in names)
    found = files_below(mounted.resource("configmaps", namespace))
    for name in names:
        assert f"  name: {name}\n" in found[name].read_text()


def test_contexts_with_odd_names(sample, mount):
    names = ["a/b", "..", "100%", "x" * 240, "plain"]
    files = [sample.write_kubeconfig(f"odd-{number}", {"token": sample.admin_token}, context=name)
             for number, name in enumerate(names)]
    mounted = mount(kubeconfig="", source="all", environment={"KUBECONFIG": ":".join(map(str, files))})
    listed = os.listdir(mounted.path)
    assert sorted(map(urllib.parse.unquote, listed)) == sorted(names)
    assert "%2E%2E" in listed and "a%2Fb" in listed and "100%25" in listed
    texts = {(mounted.path / name / "namespaces/shop/configmaps/storefront-config.yaml").read_bytes() for name in listed}
    assert len(texts) == 1
    inodes = {(mounted.path / name / "namespaces/shop/configmaps/storefront-config.yaml").stat().st_ino for name in listed}
    assert len(inodes) == len(names), "diff takes files of one inode number for one file"


def getdents(descriptor, size):
    """The names of one getdents64(2), without "." and ".."; None at the end."""
    buffer = ctypes.create_string_buffer(size)
    got = LIBC.syscall(SYS_GETDENTS64, descriptor, buffer, size)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    names, at = [], 0
    while at < got:
        length, = struct.unpack_from("<H", buffer, at + 16)
        names.append(buffer.raw[at + 19:at + length].split(b"\0", 1)[0].decode())
        at += length
    return [name for name in names if name not in (".", "..")] if got else None


@pytest.mark.parametrize("options", [[], ["-o", "ro"], ["-o", "ro,without=readdirplus"]], ids=["rw", "ro", "plain"])
def test_directory_offsets_survive_changes(cluster, namespace, mount, options):
    count = 400
    cluster.api.create_many(config_map(f"m{number:04}", namespace) for number in range(count))
    mounted = mount(*options)
    directory = mounted.resource("configmaps", namespace)
    rounds = 0
    for warm in (False, True):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            read, deleted, added = [], set(), set()
            while (names := getdents(descriptor, 1000)) is not None:
                read += names
                rounds += 1
                if len(read) > 60 * (1 + len(deleted) // 4) and len(deleted) < 16:
                    # Some that were read, some that were not, and new ones before, between and behind.
                    step = len(deleted)
                    gone = {f"m{number:04}" for number in (step, step + 21, 380 - step, 390 - step)}
                    gone = {name for name in gone if (directory / f"{name}.yaml").exists()}
                    new = {f"{place}-{warm}-{step}".lower() for place in ("a", "m0200x", "z")}
                    deleted |= gone | {f"step{step}"}
                    added |= new
                    cluster.api.for_each(cluster.api.delete, [config_map(name, namespace) for name in gone])
                    cluster.api.create_many(config_map(name, namespace) for name in new)
                    changed = cluster.api("PATCH", cluster.api.object_path(config_map("m0150", namespace)),
                                          {"data": {"step": str(step)}}, "application/merge-patch+json")
                    mounted.wait_for(lambda: versions_match(directory / "m0150.yaml", changed), "the changes are seen")
        finally:
            os.close(descriptor)
        assert len(deleted) >= 12, "the directory was read in one go"
        assert len(read) == len(set(read)), "a name was read twice"
        stayed = {f"m{number:04}.yaml" for number in range(count)
                  if (directory / f"m{number:04}.yaml").exists()}
        assert not stayed - set(read), "a name was left out"
        present = {item["metadata"]["name"] + ".yaml"
                   for item in cluster.api("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]}
        mounted.wait_for(lambda: set(os.listdir(directory)) == present, "a fresh listing is complete")


def test_rewinddir_and_seekdir(cluster, namespace, mount):
    cluster.api.create_many(config_map(f"m{number:04}", namespace) for number in range(300))
    mounted = mount("-o", "ro")
    descriptor = os.open(mounted.resource("configmaps", namespace), os.O_RDONLY | os.O_DIRECTORY)
    try:
        first = getdents(descriptor, 600)
        middle = os.lseek(descriptor, 0, os.SEEK_CUR)
        second = getdents(descriptor, 600)
        os.lseek(descriptor, 0, os.SEEK_SET)
        assert getdents(descriptor, 600) == first
        os.lseek(descriptor, middle, os.SEEK_SET)
        assert getdents(descriptor, 600) == second
    finally:
        os.close(descriptor)


def test_statfs(sample, mount):
    mounted = mount("-o", "ro")
    len(os.listdir(mounted.resource("configmaps", "shop")))
    said = os.statvfs(mounted.path)
    assert said.f_namemax == 255 and said.f_files > 0 and said.f_blocks > 0 and said.f_bsize > 0
    assert subprocess.run(["df", mounted.path], capture_output=True, check=False).returncode == 0
