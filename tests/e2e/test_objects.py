"""Objects that are made, copied, moved and deleted as files."""

import contextlib
import ctypes
import errno
import os
import re
import subprocess
import time

import pytest

from api import ApiError
from editing import (
    changed, code_of, comments, create, failure_of, finish, in_one_go, in_other, is_dry_run, made, manifest, new_file,
    open_to_write, save, save_in_other, start_other, without_comments, write_all)

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2


@pytest.fixture
def new_item(desk):
    return lambda: desk.config_map(key="one", other="first")


@pytest.fixture
def item(new_item):
    return new_item()


def renameat2(old, new, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(new))


# Creating

@pytest.mark.sanitize
def test_create_from_a_manifest(desk):
    file = new_file(desk)
    name = file.name.removesuffix(".yaml")
    for text in (manifest(name, desk.namespace), manifest(name), manifest()):
        file = new_file(desk)
        create(file, text.replace(name, file.name.removesuffix(".yaml")))
        item = made(desk, file)
        assert item.stored()["data"] == {"key": "one"}
        assert file.name in desk.listing()
        assert item.stored()["metadata"]["managedFields"][0]["manager"] == "kubefs"


def test_create_is_one_request(desk):
    file = new_file(desk)
    name = file.name.removesuffix(".yaml")
    create(file, manifest(), os.O_EXCL)
    events = [event for event in desk.audit.settle() if event.get("objectRef", {}).get("name") == name]
    assert [(event["verb"], event["responseStatus"]["code"]) for event in events] == [("create", 201)]


@pytest.mark.sanitize
def test_empty_file_is_a_draft(desk):
    file = new_file(desk)
    subprocess.run(["touch", file], check=True)
    assert file.stat().st_size == 0 and file.read_text() == ""
    assert not [event for event in desk.audit.settle() if file.name[:-5] in event["requestURI"]]
    create(file, manifest())
    made(desk, file)
    file = new_file(desk)
    subprocess.run(["touch", file], check=True)
    file.unlink()
    assert not file.exists() and file.name not in desk.listing()
    with open(file, "x", encoding="utf-8") as opened:
        opened.write(manifest())
    made(desk, file)


@pytest.mark.parametrize("text, reason", [
    (lambda name: manifest(name).replace("name:", "generateName:"), "generateName"),
    (lambda name: manifest("other"), "name"),
    (lambda name: manifest(name, "default"), "namespace"),
    (lambda name: manifest(name, kind="Secret"), "kind"),
    (lambda name: manifest(name).replace("apiVersion: v1", "apiVersion: apps/v1"), "apiVersion"),
    (lambda name: manifest(name) + "bogus: 1\n", "bogus"),
    (lambda name: manifest(name, data={"bad key!": "x"}), "bad key!"),
    (lambda name: manifest(name).replace("key: one", "key: [one"), "line"),
    (lambda name: manifest(name) + "---\n" + manifest(name), "document"),
])
def test_refused_create(desk, text, reason):
    file = new_file(desk)
    name = file.name.removesuffix(".yaml")
    assert failure_of(create, file, text(name)) == errno.EINVAL
    rejected = file.with_name(f"{file.name}.rejected")
    assert without_comments(rejected.read_text()) == text(name)
    assert reason in comments(rejected.read_text())
    assert not file.exists()
    create(rejected, manifest(name))
    made(desk, file)
    assert not rejected.exists()


@pytest.mark.parametrize("name", ["Upper", "under_score", "a b", "x" * 254, "-a"])
def test_names_that_the_server_refuses(desk, name):
    file = desk.directory() / f"{name}.yaml"
    assert failure_of(create, file, manifest()) in (errno.EINVAL, errno.ENAMETOOLONG)
    assert not file.exists()
    with contextlib.suppress(OSError):
        (desk.directory() / f"{name}.yaml.rejected").unlink()


@pytest.mark.sanitize
def test_exclusive_create(desk, item):
    assert failure_of(create, item.file, manifest(), os.O_EXCL) == errno.EEXIST
    file = new_file(desk)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    write_all(descriptor, manifest())
    # Somebody else is faster.
    theirs = desk.api.create({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "theirs"},
                              "metadata": {"name": file.name[:-5], "namespace": desk.namespace}})
    assert failure_of(os.close, descriptor) == errno.EEXIST
    assert desk.api("GET", desk.api.object_path({"apiVersion": "v1", "kind": "ConfigMap", **theirs})) == theirs
    assert without_comments(file.with_name(f"{file.name}.rejected").read_text()) == manifest()
    desk.mount.wait_for(lambda: file.exists() and "key: theirs" in file.read_text(), "theirs is shown")


def test_manifest_keeps_what_it_does_not_mention(desk):
    """A bare PUT would drop finalizers."""
    item = desk.config_map(metadata={"labels": {"a": "b", "c": "d"}, "annotations": {"n": "m"},
                                     "finalizers": ["example.com/stay"]}, key="one", gone="x")
    try:
        save(item.file, manifest(item.name, metadata="  labels:\n    a: new\n", data={"key": "two"}))
        stored = item.stored()
        assert stored["data"] == {"key": "two"}
        assert stored["metadata"]["labels"] == {"a": "new", "c": "d"}
        assert stored["metadata"]["annotations"] == {"n": "m"}
        assert stored["metadata"]["finalizers"] == ["example.com/stay"]
        item.check_saved()
    finally:
        item.change({"metadata": {"finalizers": None}}, wait=False)


@pytest.mark.sanitize
def test_copies(desk, item, other_namespace):
    item.change({"metadata": {"labels": {"a": "b"}, "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": item.name, "uid": item.uid}]}})
    for namespace in (None, other_namespace):
        file = new_file(desk, namespace=namespace)
        subprocess.run(["cp", item.file, file], check=True)
        copy = made(desk, file, namespace=namespace)
        stored = copy.stored()
        assert stored["data"] == item.stored()["data"] and stored["metadata"]["labels"] == {"a": "b"}
        assert stored["metadata"]["uid"] != item.uid and "ownerReferences" not in stored["metadata"]
        # Onto one that is there: an update of that one.
        item.change_data(key=f"for {namespace}")
        subprocess.run(["cp", item.file, file], check=True)
        assert copy.stored()["data"]["key"] == f"for {namespace}"
        assert copy.stored()["metadata"]["uid"] == copy.uid
    file = item.file.with_name(item.file.name)
    there = desk.directory(namespace=other_namespace) / file.name
    subprocess.run(["cp", "-p", file, there], check=True)
    assert made(desk, there, namespace=other_namespace).stored()["data"] == item.stored()["data"]


def test_copy_of_a_namespaces_config_maps(desk, other_namespace):
    source = desk.name(f"{desk.namespace}-source")
    desk.cluster.create_namespace(source)
    try:
        desk.mount.wait_for(desk.directory(namespace=source).is_dir, "the namespace")
        names = {f"map-{number}" for number in range(10)}
        desk.api.create_many({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": name},
                              "metadata": {"name": name, "namespace": source}} for name in names)
        desk.mount.wait_for(lambda: {f"{name}.yaml" for name in names} <= desk.listing(namespace=source), "they are there")
        subprocess.run(["cp", "-r", f"{desk.directory(namespace=source)}/.", desk.directory(namespace=other_namespace)],
                       check=True)
        copied = desk.api("GET", f"/api/v1/namespaces/{other_namespace}/configmaps")["items"]
        assert {item["metadata"]["name"]: item["data"] for item in copied if item["metadata"]["name"] in names} == {
            name: {"key": name} for name in names}
    finally:
        desk.cluster.kubectl("delete", "namespace", source, "--wait=false")


def test_copies_of_what_the_server_owns(desk):
    """A Service has its address and node port, a Job its selector and labels: copies have their own."""
    service = desk.create("services", {"apiVersion": "v1", "kind": "Service", "spec": {
        "type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80}]}})
    file = new_file(desk, "services")
    subprocess.run(["cp", service.file, file], check=True)
    copy = made(desk, file, "services").stored()
    assert copy["spec"]["clusterIP"] != service.made["spec"]["clusterIP"]
    assert copy["spec"]["ports"][0]["nodePort"] != service.made["spec"]["ports"][0]["nodePort"]
    headless = desk.create("services", {"apiVersion": "v1", "kind": "Service", "spec": {
        "clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80}]}})
    file = new_file(desk, "services")
    subprocess.run(["cp", headless.file, file], check=True)
    assert made(desk, file, "services").stored()["spec"]["clusterIP"] == "None"
    job = desk.create("jobs.batch", {"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": True, "template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "none"}]}}}})
    file = new_file(desk, "jobs.batch")
    subprocess.run(["cp", job.file, file], check=True)
    copy = desk.api("GET", f"/apis/batch/v1/namespaces/{desk.namespace}/jobs/{file.name[:-5]}")
    assert copy["spec"]["selector"] != job.stored()["spec"]["selector"]
    claim = desk.create("persistentvolumeclaims", {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": "none",
        "resources": {"requests": {"storage": "1Gi"}}}})
    file = new_file(desk, "persistentvolumeclaims")
    subprocess.run(["cp", claim.file, file], check=True)
    copy = desk.api("GET", f"/api/v1/namespaces/{desk.namespace}/persistentvolumeclaims/{file.name[:-5]}")
    assert "volumeName" not in copy["spec"]


@pytest.mark.sanitize
def test_mkdir_makes_a_namespace(desk):
    name = desk.name(f"{desk.namespace}-made")
    folder = desk.mount.path / "namespaces" / name
    try:
        os.mkdir(folder)
        assert desk.cluster.exists(f"/api/v1/namespaces/{name}")
        assert folder.is_dir() and name in os.listdir(folder.parent)
        create(folder / "configmaps" / "one.yaml", manifest())
        assert desk.find("configmaps", "one", name).stored()["data"] == {"key": "one"}
        assert failure_of(os.mkdir, folder) == errno.EEXIST
        assert failure_of(os.mkdir, folder / "configmaps") == errno.EEXIST
    finally:
        desk.cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
    assert failure_of(os.mkdir, desk.mount.path / "namespaces" / "Not_Valid") == errno.EINVAL
    for place in (desk.mount.path / "new", desk.mount.path / "cluster" / "new", folder.with_name(desk.namespace) / "new"):
        assert failure_of(os.mkdir, place) in (errno.EPERM, errno.EACCES)
    assert desk.listing() is not None


# Removing and renaming

def is_gone(item):
    return lambda: not item.exists()


@pytest.mark.sanitize
def test_rm(desk, item):
    subprocess.run(["rm", item.file], check=True)
    assert not item.file.exists() and item.file.name not in desk.listing()
    item.wait_removed()
    assert [(event["verb"], code_of(event), is_dry_run(event)) for event in item.events()] == [
        ("delete", 200, True), ("delete", 200, False)]
    again = desk.config_map()
    # A process that goes on: after a while all the same.
    process = start_other("os.unlink(arguments[0])\nprint(failure_of(os.unlink, arguments[0]), flush=True)\nos.read(0, 1)",
                          again.file)
    assert int(process.stdout.readline()) == errno.ENOENT
    assert not again.file.exists()
    desk.mount.wait_for(is_gone(again), "the object is deleted")
    process.stdin.write("x")
    assert finish(process) == 0


# In a process that has not listed the directory, as this one has.
REPLACE = """
began = time.monotonic()
os.unlink(arguments[0])
try:
    create(arguments[0], arguments[1], os.O_EXCL)
finally:
    print(time.monotonic() - began)
"""


def replace_in_other(program, text_of):
    """For in_one_go: the errno that a program over a file and a text ends with, and the seconds that it printed."""
    def replace(item):
        process = start_other(program, item.file, text_of(item))
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        seconds, code = output.split()
        return int(code), float(seconds)
    return replace


def test_unlink_and_create_by_one_process_is_an_update(new_item):
    item, code = in_one_go(new_item, replace_in_other(REPLACE, changed))
    assert code == 0
    item.check_saved()
    time.sleep(0.5)  # longer than the delay of a deletion
    item.check_saved()


def test_unlink_and_rename_by_one_process_is_an_update(new_item):
    """As Java's Files.move replaces a file: nothing is deleted afterwards."""
    program = """
scratch = arguments[0] + ".tmp"
save(scratch, arguments[1], os.O_CREAT)
began = time.monotonic()
os.unlink(arguments[0])
os.rename(scratch, arguments[0])
print(time.monotonic() - began, flush=True)
time.sleep(0.6)  # longer than the delay of a deletion
"""
    item, code = in_one_go(new_item, replace_in_other(program, changed))
    assert code == 0
    item.check_saved()
    time.sleep(0.5)
    item.check_saved()


def test_created_and_saved_again_through_one_descriptor(desk):
    file = new_file(desk)
    text = manifest(data={"key": "one"})
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    write_all(descriptor, text)
    os.fsync(descriptor)
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, text.replace("one", "two"))
    os.close(descriptor)
    assert made(desk, file).stored()["data"] == {"key": "two"}


def test_refused_texts_of_two_writers(item):
    """The second one does not cost the first one's author what was typed; a good save ends both."""
    texts = [changed(item, "key: one", f"bad key!: {who}") for who in ("first", "second")]
    for text in texts:
        assert save_in_other(item.file, text) == errno.EINVAL
    assert without_comments(item.rejected_text()) == texts[1]
    earlier = item.rejected.with_name(f"{item.rejected.name}.1")
    assert without_comments(earlier.read_text()) == texts[0]
    save(item.file, changed(item))
    assert not item.rejected.exists() and not earlier.exists()


def test_refused_before_anything_is_sent(item):
    """sed -i removes its temporary file: the text is kept all the same."""
    text = changed(item, "key: one", "key: " + "x" * (4 << 20))
    scratch = scratch_of(item, text)
    assert failure_of(os.rename, scratch, item.file) == errno.EFBIG
    assert without_comments(item.rejected_text()) == text
    os.unlink(scratch)
    assert item.sent() == []
    item.rejected.unlink()


def test_unlink_and_create_refused(new_item):
    """The object outlives it."""
    def bad_text(item):
        return changed(item, "key: one", "bad key!: one")

    item, code = in_one_go(new_item, replace_in_other(REPLACE, bad_text))
    assert code == errno.EINVAL
    text = bad_text(item)
    item.check_refused(text, "data[bad key!]")
    time.sleep(0.5)
    item.check_refused(text)
    assert item.sent() == [("update", 422)]
    item.rejected.unlink()


def test_finalizers_hold_an_object(desk):
    item = desk.config_map(metadata={"finalizers": ["example.com/stay"]}, key="one")
    subprocess.run(["rm", item.file], check=True)
    desk.mount.wait_for(lambda: "deletionTimestamp" in item.stored()["metadata"], "it is being deleted")
    desk.mount.wait_for(lambda: item.file.exists() and "deletionTimestamp" in item.text(), "it stays visible")
    save(item.file, re.sub(r"  finalizers:\n  - example.com/stay\n", "", item.text()))
    desk.mount.wait_for(is_gone(item), "it goes")
    desk.mount.wait_for(lambda: not item.file.exists(), "its file goes")


@pytest.mark.sanitize
@pytest.mark.bounded(600)
def test_namespaces_and_resources_are_not_emptied(desk, other_namespace):
    item = desk.config_map(namespace=other_namespace, key="one")
    folder = desk.mount.path / "namespaces" / other_namespace
    for argv in (["rm", "-r", folder], ["rm", "-rf", folder], ["rmdir", folder], ["rmdir", folder / "configmaps"],
                 ["find", folder, "-name", "item*", "-delete"], ["rm", "-rf", folder / "configmaps"]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode != 0, argv
        assert "not permitted" in done.stderr, done.stderr
    assert failure_of(os.rmdir, folder) == errno.EPERM
    assert failure_of(os.rmdir, folder / "configmaps") == errno.EPERM
    time.sleep(0.5)  # longer than the delay of a deletion
    assert item.exists() and item.file.exists() and item.sent() == []
    empty = folder.with_name(desk.name("empty-source"))
    done = subprocess.run(["rsync", "-r", "--delete", f"{desk.home}/", f"{folder}/"], capture_output=True, text=True,
                          check=False, timeout=300)
    assert done.returncode != 0 and not empty.exists()
    assert item.exists()


def test_rmdir_namespaces(cluster, mount):
    mounted = mount("-o", "rmdir_namespaces")
    name = f"to-go-{os.getpid()}"
    os.mkdir(mounted.path / "namespaces" / name)
    os.rmdir(mounted.path / "namespaces" / name)
    def is_leaving():
        try:
            return "deletionTimestamp" in cluster.api("GET", f"/api/v1/namespaces/{name}")["metadata"]
        except ApiError as error:
            return error.status == 404

    cluster.wait_for(is_leaving, "it is being deleted")


def test_rmdir_namespaces_lets_rm_delete_objects(cluster, mount, other_namespace):
    """One by one; what stands for a resource is no object, and so the namespace is left."""
    cluster.kubectl("create", "configmap", "one", "-n", other_namespace)
    mounted = mount("-o", "rmdir_namespaces")
    file = mounted.file("configmaps", "one", other_namespace)
    folder = file.parent.parent
    uid = cluster.api("GET", f"/api/v1/namespaces/{other_namespace}")["metadata"]["uid"]
    mounted.wait_for(file.exists, "it is there")
    done = subprocess.run(["rm", "-r", folder], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert f"cannot remove '{file.parent}': Operation not permitted" in done.stderr
    assert f"'{folder}'" not in done.stderr
    cluster.wait_for(lambda: not cluster.exists(f"/api/v1/namespaces/{other_namespace}/configmaps/one"), "it is deleted")
    left = cluster.api("GET", f"/api/v1/namespaces/{other_namespace}")
    assert left["metadata"]["uid"] == uid and left["status"]["phase"] == "Active"


@pytest.mark.sanitize
def test_mv(desk, item, other_namespace):
    for target in (new_file(desk), new_file(desk, namespace=other_namespace)):
        assert failure_of(os.rename, item.file, target) == errno.EXDEV
        assert item.exists() and not target.exists()
        data = item.stored()["data"]
        subprocess.run(["mv", item.file, target], check=True)
        namespace = target.parent.parent.name
        moved = made(desk, target, namespace=namespace)
        assert moved.stored()["data"] == data
        desk.mount.wait_for(is_gone(item), "the old one is deleted")
        assert not item.file.exists()
        item = moved
    for path in (desk.directory(), desk.directory().parent):
        assert failure_of(os.rename, path, path.with_name("renamed")) == errno.EPERM
    subprocess.run(["mv", desk.directory().parent, desk.directory().parent.with_name("renamed")], check=False,
                   capture_output=True)
    assert desk.cluster.exists(f"/api/v1/namespaces/{desk.namespace}")


def scratch_of(item, text):
    file = item.file.with_name(f".{item.file.name}.swp")
    file.write_text(text)
    return file


@pytest.mark.sanitize
def test_rename_flags(desk, item):
    text = changed(item)
    scratch = scratch_of(item, text)
    assert failure_of(renameat2, scratch, item.file, RENAME_NOREPLACE) == errno.EEXIST
    assert scratch.read_text() == text and item.sent() == []
    before = item.text()
    renameat2(scratch, item.file, RENAME_EXCHANGE)
    item.check_saved()
    assert scratch.read_text() == before
    scratch.unlink()
    target = new_file(desk)
    scratch = scratch_of(item, manifest())
    renameat2(scratch, target, RENAME_NOREPLACE)
    assert not scratch.exists()
    made(desk, target)


def test_refused_rename(item):
    text = changed(item, "key: one", "bad key!: one")
    scratch = scratch_of(item, text)
    assert failure_of(os.rename, scratch, item.file) == errno.EINVAL
    assert scratch.read_text() == text
    item.check_refused(text, "data[bad key!]")
    assert item.sent() == [("update", 422)]
    scratch.unlink()
    item.rejected.unlink()


@pytest.mark.sanitize
def test_backup_by_rename(item):
    """The object's name never disappears, and the backup is its text."""
    before = item.text()
    backup = item.file.with_name(f"{item.file.name}~")
    os.rename(item.file, backup)
    assert backup.read_text() == before
    assert in_other("open(arguments[0]).read()", item.file) == 0
    text = before.replace("key: one", "bad key!: one")
    assert failure_of(create, item.file, text) == errno.EINVAL
    os.unlink(item.file)
    os.rename(backup, item.file)
    assert not backup.exists()
    time.sleep(0.5)  # longer than the delay of a deletion
    assert item.sent() == [("update", 422)]
    item.check_refused(text)
    item.rejected.unlink()


@pytest.mark.sanitize
def test_backup_of_what_others_deleted_is_not_renamed_back(desk, item):
    """Who made it only puts back what was there; another program means it."""
    before = item.text()
    backup = item.file.with_name(f"{item.file.name}~")
    os.rename(item.file, backup)
    desk.cluster.kubectl("delete", "configmap", item.name, "-n", desk.namespace)
    desk.mount.wait_for(lambda: not item.file.exists(), "it is gone")
    assert failure_of(os.rename, backup, item.file) == errno.EBUSY
    assert "deleted by somebody else" in comments(item.rejected_text())
    assert without_comments(item.rejected_text()) == backup.read_text() == before
    assert not item.exists() and item.sent() == []
    subprocess.run(["mv", backup, item.file], check=True)
    assert item.exists() and not backup.exists()


@pytest.mark.sanitize
def test_unlinked_beside_a_backup(item):
    """What its maker was writing there is given up, and nothing else."""
    backup = item.file.with_name(f"{item.file.name}~")
    text = changed(item)
    os.rename(item.file, backup)
    descriptor = open_to_write(item.file)
    write_all(descriptor, text)
    os.unlink(item.file)
    os.close(descriptor)
    os.rename(backup, item.file)
    time.sleep(0.5)  # longer than the delay of a deletion
    assert item.sent() == [] and item.exists() and not os.path.lexists(item.rejected)
    assert item.text() == item.kubectl_text()


@pytest.mark.sanitize
def test_backup_renamed_back_at_once(item):
    """Were both names one inode to the kernel, it would answer by itself that all is done, and leave both."""
    backup = item.file.with_name(f"{item.file.name}___jb_old___")
    for _ in range(100):
        os.rename(item.file, backup)
        item.file.stat()
        os.rename(backup, item.file)
        assert not os.path.lexists(backup) and item.file.exists()
    assert item.sent() == []
