"""The keys of etcd's v2 store, in etcd2/."""

import errno
import json
import os
import random
import stat
import urllib.error
import urllib.parse
import urllib.request

import pytest

from etcd_server import Etcd
from keys import GONE, settle, walk
from mounting import Mount

# As long as an answer is kept, and as long again for the kernel: 6 s, and the machine's own time.
POLLED = 30
V2 = ["--unsafe-no-fsync", "--enable-v2"]


class Keys:
    """The v2 keys API."""

    def __init__(self, etcd):
        self.url = etcd.endpoints[0] + "/v2/keys"

    def __call__(self, method, key, **fields):
        request = urllib.request.Request(self.url + urllib.parse.quote(key), method=method,
                                         data=urllib.parse.urlencode(fields).encode() if fields else None)
        request.add_header("Content-Type", "application/x-www-form-urlencoded")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["node"]

    def put(self, key, value):
        return self("PUT", key, value=value)


@pytest.fixture(scope="module")
def etcd():
    with Etcd("3.4", extra=V2) as made:
        made.keys = Keys(made)
        yield made


@pytest.fixture(scope="module")
def mounted(etcd, tmp_path_factory):
    etcd.ctl("put", "/a", "v3")
    with Mount(None, tmp_path_factory.mktemp("v2"), source=etcd.url) as made:
        yield made


def top(mount):
    return mount.path / ".kubefs" / "etcd2"


@pytest.mark.sanitize
def test_tree_is_what_the_store_has(etcd, mounted):
    chosen = random.Random(1)
    names = ["a", "b.c", "ä\u202e", "%", "%2F", "x y", "-", "n" * 200, "\x1b[31m", "q?#&"]
    wanted = {b"nul": b"a\0b"}
    etcd.keys.put("/nul", "a\0b")
    for number in range(80):
        key = [chosen.choice(names) for _ in range(chosen.choice((1, 2, 3)))]
        value = chosen.choice(("", "text\n", "\"\\/\t\r\x07", "\U0001f600\u2028" * 50, "v" * 100_000)) + str(number)
        try:
            etcd.keys.put("/" + "/".join(key), value)
        except urllib.error.HTTPError:
            continue  # a key cannot be a directory
        wanted["/".join(name.replace("%", "%25") for name in key).encode()] = value.encode()
    settle(lambda: walk(top(mounted), GONE) == wanted, "the tree", POLLED)
    assert os.listdir(mounted.path) == ["a"] and (mounted.path / "a").read_bytes() == b"v3"
    assert "etcd2" not in os.listdir(mounted.path / ".kubefs")


@pytest.mark.sanitize
def test_changes_and_attributes(etcd, mounted):
    node = etcd.keys.put("/dir/key", "one")
    etcd.keys.put("/dir/_hidden", "secret")
    folder = top(mounted) / "dir"
    settle(folder.is_dir, "the directory", POLLED)
    file = folder / "key"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o500 and stat.S_IMODE(file.stat().st_mode) == 0o400
    assert os.getxattr(file, "user.kubefs.mod_revision").decode() == str(node["modifiedIndex"])
    assert os.listdir(folder) == ["key"] and (folder / "_hidden").read_bytes() == b"secret"
    first = file.stat()
    changed = etcd.keys.put("/dir/key", "three")
    settle(lambda: file.read_bytes() == b"three", "the change", POLLED)
    assert file.stat().st_size == 5 and file.stat().st_mtime_ns > first.st_mtime_ns
    assert os.getxattr(file, "user.kubefs.create_revision").decode() == str(changed["createdIndex"])
    etcd.keys.put("/dir/more/below", "x")
    settle(lambda: sorted(os.listdir(folder)) == ["key", "more"], "what is new", POLLED)
    etcd.keys("DELETE", "/dir/key")
    settle(lambda: os.listdir(folder) == ["more"] and not file.exists(), "the end", POLLED)
    for change in (lambda: (folder / "new").write_text("x"), (folder / "more" / "below").unlink, (folder / "d").mkdir,
                   lambda: (folder / "more" / "below").write_text("x")):
        with pytest.raises(OSError) as failed:
            change()
        assert failed.value.errno == errno.EROFS


def test_many_keys(etcd, mounted):
    """More than one reply of the kernel holds."""
    for number in range(1500):
        etcd.keys.put(f"/many/{number:04}", str(number))
    folder = top(mounted) / "many"
    settle(folder.is_dir, "the directory", POLLED)
    settle(lambda: len(os.listdir(folder)) == 1500, "all", POLLED)
    names = os.listdir(folder)
    assert sorted(names) == [f"{number:04}" for number in range(1500)]


@pytest.mark.parametrize("version, extra", [("3.4", []), ("3.6", [])])
def test_no_v2_store(version, extra, tmp_path):
    with Etcd(version) as etcd, Mount(None, tmp_path, source=etcd.url) as mount:
        with pytest.raises(OSError) as failed:
            os.listdir(top(mount))
        assert failed.value.errno == errno.EOPNOTSUPP
        assert f"EOPNOTSUPP {etcd.endpoints[0]}: the server has no v2 keys" in mount.errors()


def test_beside_a_cluster(etcd, cluster, mount):
    etcd.keys.put("/beside", "here")
    mounted = mount("-o", "ro", "--endpoints", etcd.endpoints[0])
    assert (mounted.path / "etcd2" / "beside").read_bytes() == (top(mounted) / "beside").read_bytes() == b"here"
    assert sorted(os.listdir(mounted.path)) == ["cluster", "etcd", "namespaces"]
    etcd.keys.put("/beside", "changed")
    settle(lambda: (mounted.path / "etcd2" / "beside").read_bytes() == b"changed", "the change", POLLED)
    etcd.keys.put("/second", "x")
    settle(lambda: "second" in os.listdir(mounted.path / "etcd2"), "the new key", POLLED)
