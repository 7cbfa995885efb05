"""Saves that few programs make: truncate(2) by name, Ctrl-C before anything was sent, scale, and names of all kinds."""

import concurrent.futures
import errno
import os
import pathlib
import signal
import subprocess

import pytest

from editing import changed, comments, failure_of, finish, in_other, save, start_other, without_comments, write_all
from terminal import until


@pytest.fixture
def item(desk):
    return desk.config_map(key="one", other="first")


# truncate(2) of a path: there is no close(2) that would save it

def test_truncate_to_nothing(item):
    """Nothing never replaces an object."""
    assert failure_of(os.truncate, item.file, 0) == errno.EINVAL
    assert item.sent() == [] and item.text() == item.kubectl_text()
    assert item.stored() == item.made
    assert not item.rejected.exists(), "there is no text to keep"


def test_truncate_to_the_same_size(item):
    os.truncate(item.file, len(item.text()))
    assert item.sent() == [] and item.text() == item.kubectl_text()


def test_truncate_to_a_part_that_is_no_object(item):
    text = item.text()
    length = text.index("metadata:") + len("metadata:\n  name: ite")
    assert failure_of(os.truncate, item.file, length) == errno.EINVAL
    item.check_refused(text[:length], "name")
    assert item.sent() == []
    item.rejected.unlink()


def test_truncate_to_a_part_that_is_one(desk):
    """A comment behind the object is cut off, and a label with it: the rest is saved, once."""
    made = desk.config_map(key="one", metadata={"labels": {"a": "b"}})
    code = """
text = open(arguments[0]).read()
os.truncate(arguments[0], len(text[:text.index("  uid:")]))
"""
    # Without its uid the text is a manifest of that version.
    assert in_other(code, made.file) in (0, errno.EINVAL)
    assert made.stored()["data"] == {"key": "one"} and made.stored()["metadata"]["labels"] == {"a": "b"}
    assert made.stored()["metadata"]["uid"] == made.uid and made.text() == made.kubectl_text()


def test_truncate_to_more(item):
    """What is added are zeros, which are no YAML."""
    text = item.text()
    assert failure_of(os.truncate, item.file, len(text) + 10) == errno.EINVAL
    item.check_refused(text + "\0" * 10)
    assert item.sent() == []
    item.rejected.unlink()
    for size in (4 << 20) + 1, 1 << 40:
        assert failure_of(os.truncate, item.file, size) == errno.EFBIG
    assert item.sent() == [] and item.text() == item.kubectl_text()
    if item.rejected.exists():
        item.rejected.unlink()


def test_truncate_while_others_write(item):
    """A draft is its writer's alone: to cut the name is another save, of what is stored."""
    text = changed(item)
    descriptor = os.open(item.file, os.O_WRONLY | os.O_TRUNC)
    write_all(descriptor, text)
    assert failure_of(os.truncate, item.file, 0) == errno.EINVAL
    assert in_other("os.truncate(arguments[0], 0)", item.file) == errno.EINVAL
    os.close(descriptor)
    item.check_saved()


def test_truncate_scratch_and_new_files(desk, item):
    scratch = item.file.with_name(f".{item.file.name}.swp")
    scratch.write_text("hello")
    os.truncate(scratch, 2)
    assert scratch.read_text() == "he"
    scratch.unlink()
    file = item.file.with_name(f"{desk.name('new')}.yaml")
    subprocess.run(["touch", file], check=True)
    assert failure_of(os.truncate, file, 0) in (errno.EINVAL, 0)
    file.unlink(missing_ok=True)


# Ctrl-C

INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, lambda *_: None)
print("ready", flush=True)
save(arguments[0], arguments[1])
"""


@pytest.mark.sanitize
@pytest.mark.parametrize("way", ["close", "rename"])
def test_interrupted_before_anything_is_sent(proxy, proxy_desk, way):
    """It waits behind another save of the same object: Ctrl-C ends it, and the text is kept."""
    item = proxy_desk.config_map(key="one", other="first")
    first, second = changed(item), changed(item, "other: first", "other: second")
    code = INTERRUPTED
    if way == "rename":
        scratch = item.file.with_name(f".{item.file.name}.tmp")
        scratch.write_text(second)
        code = code.replace("save(arguments[0], arguments[1])", "os.rename(arguments[0] + '.tmp', arguments[1])")
    proxy.rule = proxy.once("PUT", "hold")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        saving = pool.submit(save, item.file, first)
        assert proxy.held.wait(30)
        process = start_other(code, *([item.file, second] if way == "close" else [str(scratch)[:-4], item.file]))
        assert process.stdout.readline() == "ready\n"
        wait_in_the_kernel(process, "fuse_flush" if way == "close" else "fuse_rename2")
        process.send_signal(signal.SIGINT)
        assert finish(process, 20) == errno.EINTR
        assert not saving.done()
        item.desk.mount.wait_for(item.rejected.exists, "the text is kept")
        assert without_comments(item.rejected_text()) == second
        assert "interrupted before it was sent" in comments(item.rejected_text())
        proxy.go.set()
        saving.result(60)
    assert item.stored_writes() == ["update"]
    assert item.stored()["data"] == {"key": "two", "other": "first"}
    # It is as good as new, and merges with what was saved meanwhile.
    proxy_desk.mount.wait_for(item.is_current, "the file is the object")
    assert in_other("os.rename(arguments[0], arguments[1])", item.rejected, item.file) == 0
    assert item.stored()["data"] == {"key": "two", "other": "second"}
    item.check_saved(["update", "update"])
    if way == "rename":
        assert scratch.read_text() == second
        scratch.unlink()


def wait_in_the_kernel(process, function):
    """Until it waits for the file system in that operation."""
    stack = pathlib.Path(f"/proc/{process.pid}/stack")
    until(lambda: f"{function}+" in stack.read_text(), f"it waits in {function}")


# Scale

def test_refused_scale(sample, desk):
    """Its text is kept beside it, and gone with the next good one."""
    item = desk.create("recipes.sample.kubefs.dev", {
        "apiVersion": "sample.kubefs.dev/v1", "kind": "Recipe", "spec": {"servings": 1}})
    scale, rejected = item.views / "scale", item.views / "scale.rejected"
    assert failure_of(save, scale, "many\n") in (errno.EINVAL, errno.ERANGE)
    assert without_comments(rejected.read_text()) == "many\n" and comments(rejected.read_text())
    assert rejected.name in os.listdir(item.views)
    assert not item.rejected.exists() and "scale" in desk.mount.errors()
    assert scale.read_text() == "1\n" and item.sent() == []
    assert os.getxattr(scale, "user.kubefs.error")
    # The object's own save is no save of its scale.
    save(item.file, changed(item, "servings: 1", "servings: 2"))
    assert rejected.exists() and scale.read_text() == "2\n"
    save(rejected, rejected.read_text().replace("many", "5"))
    assert item.stored()["spec"] == {"servings": 5} and scale.read_text() == "5\n"
    assert not rejected.exists() and rejected.name not in os.listdir(item.views)
    assert failure_of(save, scale, "-3\n") in (errno.EINVAL, errno.ERANGE)
    rejected.unlink()
    assert not rejected.exists() and scale.read_text() == "5\n"
    for refused, subresource in ("scale", "-4\n"), ("status.yaml", "x"):
        assert failure_of(save, item.views / refused, subresource) in (errno.EINVAL, errno.ERANGE)
        (item.views / f"{refused}.rejected").unlink()


# Names

ODD = [".odd", "..odd", "brk~", "brk x", "#x", "#x#", "a@", "a@.yaml", "sedAb12Cd", "4913", "a.tmp", ".a.yaml.swp", "a.rejected",
       "a.yaml.rejected", "ä:b", "-", "a:b*c", "\U0001f600", "x" * 240, "y" * 253]


@pytest.fixture
def roles(desk):
    """ClusterRoles of names of one's own; what is left of them is deleted."""
    made = []

    def role(name, verbs=("get",)):
        made.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
                     "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs)}]})
        return made[-1]

    yield role
    for left in made:
        if desk.cluster.exists(desk.api.object_path(left)):
            desk.api.delete(left)


def file_of(desk, name):
    """As the manual says that long ones are cut."""
    whole = f"{name}.yaml"
    folder = desk.mount.resource("clusterroles.rbac.authorization.k8s.io")
    while len(whole.encode()) > 255:
        folder /= f"{whole[:200]}%"
        whole = whole[200:]
    return folder / whole


@pytest.mark.parametrize("name", ODD)
def test_odd_names(desk, roles, name):
    """What is an object is shown, edited and removed as one, whatever its name looks like."""
    made = roles(name)
    item = desk.create("clusterroles.rbac.authorization.k8s.io", made) if len(name) + 5 <= 255 else None
    file = file_of(desk, name)
    if item is None:
        desk.api.create(made)
        desk.mount.wait_for(file.exists, "it is there")
    before = file.read_text()
    assert before == desk.cluster.kubectl("get", "clusterroles", name, "-o", "yaml")
    assert file.name in os.listdir(file.parent)
    path = desk.api.object_path(made)
    uid = desk.api("GET", path)["metadata"]["uid"]

    def verbs():
        stored = desk.api("GET", path)
        assert stored["metadata"]["uid"] == uid
        return stored["rules"][0]["verbs"]

    save(file, before.replace("- get\n", "- list\n"))
    assert verbs() == ["list"] and file.read_text() == desk.cluster.kubectl("get", "clusterroles", name, "-o", "yaml")
    subprocess.run(["sed", "-i", "s/- list$/- watch/", "--", file.name], cwd=file.parent, check=True)
    assert verbs() == ["watch"] and "- watch\n" in file.read_text()
    # Put in its place by a rename, as the same object.
    temporary = file.with_name(f".{os.getpid()}.tmp")
    temporary.write_text(file.read_text().replace("- watch\n", "- delete\n"))
    os.rename(temporary, file)
    assert verbs() == ["delete"] and "- delete\n" in file.read_text()
    bad = file.read_text().replace("rules:\n", "rulez:\n")
    assert failure_of(save, file, bad) == errno.EINVAL
    kept = [left for left in os.listdir(file.parent) if left.endswith(".rejected") and "#   unknown field" in
            (file.parent / left).read_text()]
    assert len(kept) == 1 and without_comments((file.parent / kept[0]).read_text()) == bad
    save(file.parent / kept[0], bad.replace("rulez:\n", "rules:\n").replace("- delete\n", "- patch\n"))
    assert verbs() == ["patch"] and kept[0] not in os.listdir(file.parent)
    assert in_other("os.unlink(arguments[0])", file) == 0
    assert not file.exists() and file.name not in os.listdir(file.parent)
    desk.mount.wait_for(lambda: not desk.cluster.exists(path), "it is deleted")


def test_scratch_file_in_the_way_of_an_odd_object(desk, roles):
    """An object of that name comes to be while a scratch file stands there: neither is taken for the other."""
    made = roles(".odd-one")
    file = file_of(desk, ".odd-one")
    file.write_text("scratch")
    before = len(desk.audit.settle())
    desk.api.create(made)
    desk.mount.wait_for(lambda: file.read_text() != "scratch", "the object is shown")
    assert file.read_text() == desk.cluster.kubectl("get", "clusterroles", ".odd-one", "-o", "yaml")
    assert os.listdir(file.parent).count(file.name) == 1
    save(file, file.read_text().replace("- get\n", "- list\n"))
    assert desk.api("GET", desk.api.object_path(made))["rules"][0]["verbs"] == ["list"]
    temporary = file.with_name(f".{os.getpid()}.tmp")
    temporary.write_text(file.read_text().replace("- list\n", "- watch\n"))
    os.rename(temporary, file)
    assert desk.api("GET", desk.api.object_path(made))["rules"][0]["verbs"] == ["watch"]
    assert [event["verb"] for event in desk.audit.settle()[before:] if event["objectRef"].get("name") == ".odd-one"] == [
        "update", "update"]
    assert in_other("os.unlink(arguments[0])", file) == 0
    desk.mount.wait_for(lambda: not desk.cluster.exists(desk.api.object_path(made)), "it is deleted")
    # What is left is the scratch file, and it can be removed.
    assert not file.exists() or file.read_text() == "scratch"
    file.unlink(missing_ok=True)
    assert not file.exists()
