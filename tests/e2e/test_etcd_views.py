"""What stands beside a key: KEY@/."""

import errno
import json
import os
import pathlib
import subprocess
import time

import pytest

from api import ApiError
from etcd_server import Etcd
from keys import Gateway, path_of, settle
from mounting import Mount
from test_protobuf import Probe, get

THING = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "creationTimestamp": "2020-01-02T03:04:05Z"}}


@pytest.fixture(scope="module")
def etcd():
    with Etcd() as made:
        made.gateway = Gateway(made.endpoints[0])
        yield made


@pytest.fixture(scope="module")
def keys(etcd, tmp_path_factory):
    """A mount of that etcd; tests use keys of their own."""
    with Mount(None, tmp_path_factory.mktemp("keys"), source=etcd.url_of(0)) as mounted:
        yield mounted


def failure(path):
    with pytest.raises(OSError) as failed:
        pathlib.Path(path).read_bytes()
    return failed.value.errno


@pytest.mark.sanitize
def test_views_of_a_custom_resource(etcd, keys):
    revision = etcd.gateway.put(b"/custom/a", json.dumps(THING).encode())
    key = keys.path / "custom" / "a"
    views = pathlib.Path(f"{key}@")
    settle(key.exists, "the key")
    assert os.listdir(keys.path / "custom") == ["a"]
    assert sorted(os.listdir(views)) == ["json", "raw", "revisions", "yaml"]
    # One directory is in it.
    assert os.stat(views).st_nlink == 3
    shown = json.loads((views / "json").read_text())
    assert shown == {**THING, "metadata": {**THING["metadata"], "resourceVersion": str(revision)}}
    assert (views / "yaml").read_text().startswith("apiVersion: example.com/v1\nkind: Thing\nmetadata:\n")
    assert (views / "raw").read_bytes() == key.read_bytes() == json.dumps(THING).encode()
    for name in ("json", "raw", "yaml"):
        assert os.stat(views / name).st_size == len((views / name).read_bytes())
        assert os.getxattr(views / name, "user.kubefs.mod_revision") == str(revision).encode()
    assert os.stat(views / "yaml").st_mtime_ns == 1577934245 * 10**9 + revision
    assert pathlib.Path(f"{key}%=@/yaml").read_bytes() == (views / "yaml").read_bytes()
    with pytest.raises(OSError) as failed:
        (views / "yaml").write_text("")
    assert failed.value.errno == errno.EROFS


def test_views_follow_the_key(etcd, keys):
    etcd.gateway.put(b"/follow/a", b"1")
    views = keys.path / "follow" / "a@"
    settle(views.exists, "the key")
    assert (views / "raw").read_bytes() == b"1" and not (views / "yaml").exists()
    folder = os.open(views, os.O_RDONLY)
    etcd.gateway.put(b"/follow/a", json.dumps(THING).encode())
    settle((views / "yaml").exists, "the object")
    assert "kind: Thing" in (views / "yaml").read_text()
    etcd.gateway.put(b"/follow/a", b"2")
    settle(lambda: (views / "raw").read_bytes() == b"2", "the next version")
    settle(lambda: os.listdir(folder) == ["raw", "revisions"], "the listing without the object")
    etcd.gateway.delete(b"/follow/a")
    settle(lambda: not views.exists(), "the end of the key")
    settle(lambda: os.listdir(folder) == [], "the end of its views")
    os.close(folder)
    etcd.gateway.put(b"/follow/a", b"3")
    settle(views.exists, "the new key")


def test_what_cannot_be_decoded_says_why(etcd, keys):
    values = {b"enc": (b"k8s:enc:kms:v2:provider:top-secret", errno.ENOKEY, "encrypted (kms)"),
              b"cbor": (b"\xd9\xd9\xf7\xa0", errno.EOPNOTSUPP, "CBOR"),
              b"damaged": (b"k8s\0\x0a\x7f", errno.EBADMSG, "damaged: "),
              b"plain": (b"text", errno.ENOENT, "")}
    for name, (value, _, _) in values.items():
        etcd.gateway.put(b"/odd/" + name, value)
    for name, (value, number, reason) in values.items():
        views = keys.path / "odd" / f"{name.decode()}@"
        settle(views.exists, "the key")
        assert failure(views / "yaml") == failure(views / "json") == number
        assert number == errno.ENOENT or f"odd/{name.decode()}: " in keys.errors()
        assert name == b"damaged" or reason in keys.errors()
        assert sorted(os.listdir(views)) == ["raw", "revisions"]
        assert (views / "raw").read_bytes() == value
    assert "top-secret" not in keys.errors() + keys.log_text()


def test_decode_lists_text(etcd, tmp_path):
    for name in ("a", "b"):
        etcd.gateway.put(f"/decode/{name}".encode(), json.dumps({**THING, "word": f"word-{name}"}).encode())
    etcd.gateway.put(b"/decode/raw", b"\0word-raw")
    etcd.gateway.put(b"/decode/enc", b"k8s:enc:kms:word")
    with Mount(None, tmp_path, "-o", "decode", source=etcd.url_of(0)) as mounted:
        folder = mounted.path / "decode"
        found = subprocess.run(["grep", "-r", "^word: word-", folder], capture_output=True, text=True, check=True).stdout
        assert sorted(found.splitlines()) == [f"{folder}/a:word: word-a", f"{folder}/b:word: word-b"]
        for name in ("a", "b"):
            assert (folder / name).read_bytes() == (folder / f"{name}@" / "yaml").read_bytes()
            assert os.stat(folder / name).st_size == len((folder / name).read_bytes())
            assert json.loads((folder / f"{name}@" / "raw").read_bytes())["word"] == f"word-{name}"
        assert (folder / "raw").read_bytes() == b"\0word-raw" and (folder / "enc").read_bytes() == b"k8s:enc:kms:word"
        # As quick to follow as the bytes.
        etcd.gateway.put(b"/decode/a", json.dumps({**THING, "word": "changed"}).encode())
        settle(lambda: "word: changed\n" in (folder / "a").read_text(), "the change")
        etcd.gateway.put(b"/decode/a", b"no object")
        settle(lambda: (folder / "a").read_bytes() == b"no object", "the bytes")
        etcd.gateway.delete(b"/decode/b")
        settle(lambda: not (folder / "b").exists(), "the end of the key")
        assert mounted.errors() == ""


# Beside a cluster

def expected_text(cluster, probe, value):
    """The YAML that the API server's JSON makes of the stored object, or None when it shows none."""
    try:
        item = json.loads(get(cluster, cluster.api.object_path(value), "application/json")[1])
    except (KeyError, ApiError):
        return None
    item["metadata"].pop("managedFields", None)
    return probe.ask(b"j", json.dumps(item).encode())


@pytest.mark.bounded(400)
def test_every_key_is_what_the_server_shows(sample, mount):
    mounted = mount("--endpoints", f"127.0.0.1:{sample.etcd_port}")
    registry = Gateway(f"http://127.0.0.1:{sample.etcd_port}")
    kinds, alone = {}, []
    with Probe() as probe:
        for key in registry.all(b"/registry/"):
            if b"/test-" in key:
                # Another test's: there may be thousands, which come and go.
                continue
            views = mounted.path / "etcd" / f"{path_of(key).decode()}@"
            deadline = time.monotonic() + 60
            while True:
                try:
                    value, text = json.loads((views / "json").read_text()), (views / "yaml").read_text()
                except FileNotFoundError:
                    # Gone meanwhile, or no object.
                    break
                expected = expected_text(sample, probe, value)
                if expected is None:
                    alone.append(key.decode())
                    break
                if text == expected:
                    kind = value["apiVersion"], value["kind"]
                    kinds[kind] = kinds.get(kind, 0) + 1
                    break
                assert time.monotonic() < deadline, f"{key}: expected\n{expected}\ngot\n{text}"
    print(f"{sum(kinds.values())} objects of {len(kinds)} kinds; decoded, but not shown by the server: {alone}")
    assert len(kinds) > 25
    assert any("kubefs.dev" in version for version, _ in kinds)


def test_both_trees_show_the_same_bytes(cluster, mount, namespace):
    mounted = mount("--endpoints", f"127.0.0.1:{cluster.etcd_port}")
    cluster.kubectl("create", "deployment", "same", "-n", namespace, "--image=example.com/app", "--replicas=0")
    views = mounted.path / "etcd" / "registry" / "deployments" / namespace / "same@"
    settle(views.exists, "the key")
    for form in ("yaml", "json"):
        file = mounted.file("deployments.apps", "same", namespace, form)
        # The API server's list comes from a cache, which is somewhat later.
        settle(file.exists, "the object")
        # The controller has its say, too.
        settle(lambda: (views / form).read_bytes() == file.read_bytes(), "the same version")
