"""The past of etcd: .revisions/REVISION/."""

import errno
import json
import os
import shutil
import subprocess

import pytest

from etcd_server import Etcd
from keys import Gateway, settle
from mounting import Mount


@pytest.fixture(scope="module")
def etcd():
    with Etcd() as made:
        made.gateway = Gateway(made.endpoints[0])
        yield made


@pytest.mark.sanitize
def test_revisions_differ_and_compact(etcd, tmp_path):
    for number in range(20):
        etcd.gateway.put(f"/tree/{number % 3}/key{number}".encode(), str(number).encode())
    before = etcd.gateway.put(b"/tree/0/changes", b"old")
    etcd.gateway.put(b"/tree/0/changes", b"new")
    after = etcd.gateway.delete(b"/tree/1/key1")
    with Mount(None, tmp_path, source=etcd.url_of(0)) as mounted:
        past = mounted.path / ".revisions"
        assert ".revisions" not in os.listdir(mounted.path)
        told = subprocess.run(["diff", "-r", past / str(before), past / str(after)], capture_output=True, text=True)
        assert told.stdout == (f"diff -r {past}/{before}/tree/0/changes {past}/{after}/tree/0/changes\n1c1\n< old\n"
                               "\\ No newline at end of file\n---\n> new\n\\ No newline at end of file\n"
                               f"Only in {past}/{before}/tree/1: key1\n")
        assert subprocess.run(["diff", "-r", past / str(after) / "tree", mounted.path / "tree"]).returncode == 0
        with pytest.raises(OSError) as failed:
            (past / str(before) / "tree" / "new").write_text("")
        assert failed.value.errno == errno.EROFS
        assert not (past / str(after + 1000)).exists()
        etcd.gateway.compact(after)
        assert (past / str(before) / "tree" / "0" / "changes").read_bytes() == b"old"
        with pytest.raises(OSError) as failed:
            os.listdir(past / str(before - 1))
        assert failed.value.errno == errno.ESTALE
        assert f".revisions/{before - 1}: " in mounted.errors() and "compacted" in mounted.errors()


def content(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


@pytest.mark.parametrize("version", ["3.4", "3.5", pytest.param("3.6", marks=pytest.mark.sanitize)])
def test_versions_of_a_key(version, tmp_path):
    with Etcd(version) as etcd:
        gateway = Gateway(etcd.endpoints[0])
        gateway.put(b"/dir/key", b"another life")
        gateway.delete(b"/dir/key")
        stored = {}
        for number in range(5):
            stored[gateway.put(b"/dir/key", b"%d\0" % number * number)] = b"%d\0" % number * number
            gateway.put(b"/dir/other", b"%d" % number)
        with Mount(None, tmp_path, source=etcd.url) as mounted:
            key = mounted.path / "dir" / "key"
            views = mounted.path / "dir" / "key@"
            versions = views / "revisions"
            assert sorted(os.listdir(views)) == ["raw", "revisions"] and os.stat(views).st_nlink == 3
            assert content(versions) == {str(revision): value for revision, value in stored.items()}
            created = min(stored)
            for number, revision in enumerate(sorted(stored)):
                file = versions / str(revision)
                assert file.stat().st_size == len(stored[revision]) and file.stat().st_mode & 0o777 == 0o400
                told = {name: os.getxattr(file, f"user.kubefs.{name}") for name in ("create_revision", "mod_revision", "version", "lease")}
                assert told == {"create_revision": b"%d" % created, "mod_revision": b"%d" % revision, "version": b"%d" % (number + 1),
                                "lease": b"0"}
            for name in ("0", "1", str(created - 1), str(created + 1), f"0{created}", "x", str(max(stored) + 100)):
                assert not (versions / name).exists()
            with pytest.raises(OSError) as failed:
                (versions / str(created)).write_bytes(b"x")
            assert failed.value.errno == errno.EROFS
            # The way back, by another program and by the same one.
            subprocess.run(["cp", versions / str(created + 2), key], check=True)
            assert gateway.all(b"/dir/key")[b"/dir/key"]["value"] == stored[created + 2]
            shutil.copyfile(versions / str(created + 4), key)
            assert key.read_bytes() == stored[created + 4]
            settle(lambda: len(os.listdir(versions)) == 7, "the new versions")
            gateway.compact(created + 5)
            settle(lambda: str(created) not in os.listdir(versions), "the end of what was compacted")
            assert min(map(int, os.listdir(versions))) == created + 4

            def is_stale():
                try:
                    (versions / str(created)).read_bytes()
                except OSError as error:
                    return error.errno == errno.ESTALE
                return False

            settle(is_stale, "an error for what was compacted")
            assert f"dir/key@/revisions/{created}: compacted" in mounted.errors()
            gateway.delete(b"/dir/key")
            settle(lambda: not versions.exists(), "the end of the key")


def test_big_versions_are_cut(etcd, tmp_path):
    size = 1 << 20
    revisions = [etcd.gateway.put(b"/big/key", b"%d" % (number % 10) * size) for number in range(20)]
    with Mount(None, tmp_path, source=etcd.url_of(0)) as mounted:
        versions = mounted.path / "big" / "key@" / "revisions"
        assert sorted(map(int, os.listdir(versions))) == revisions[4:]
        assert (versions / str(revisions[4])).read_bytes() == b"4" * size
        assert "big/key@/revisions: only the newest 16 versions" in mounted.errors()


def test_decoded_versions(etcd, tmp_path):
    revisions = [etcd.gateway.put(b"/custom/a", json.dumps({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"},
                                                            "size": number}).encode()) for number in range(3)]
    with Mount(None, tmp_path, "-o", "decode", source=etcd.url_of(0)) as mounted:
        versions = mounted.path / "custom" / "a@" / "revisions"
        shown = content(versions)
        assert sorted(map(int, shown)) == revisions
        for number, revision in enumerate(revisions):
            assert shown[str(revision)].decode().endswith(f'  resourceVersion: "{revision}"\nsize: {number}\n')


@pytest.mark.parametrize("resource, path", [("configmaps", "configmaps"), ("deployments.apps", "deployments")])
def test_a_deleted_object_comes_back(cluster, mount, namespace, resource, path):
    mounted = mount("--endpoints", f"127.0.0.1:{cluster.etcd_port}")
    what = ["configmap", "back", "--from-literal=a=b"] if path == "configmaps" else ["deployment", "back", "--image=example.com/app",
                                                                                     "--replicas=0"]
    cluster.kubectl("create", *what, "-n", namespace)
    file = mounted.file(resource, "back", namespace)
    settle(file.exists, "the object")
    key = mounted.path / "etcd" / "registry" / path / namespace / "back"
    settle(key.exists, "the key")
    revision = os.getxattr(key, "user.kubefs.mod_revision").decode()
    cluster.kubectl("delete", resource, "back", "-n", namespace)
    settle(lambda: not file.exists(), "the end of the object")
    shutil.copyfile(mounted.path / "etcd" / ".revisions" / revision / "registry" / path / namespace / "back@" / "yaml", file)
    shown = json.loads(cluster.kubectl("get", resource, "back", "-n", namespace, "-o", "json"))
    if path == "configmaps":
        assert shown["data"] == {"a": "b"}
    else:
        assert shown["spec"]["template"]["spec"]["containers"][0]["image"] == "example.com/app"
