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
