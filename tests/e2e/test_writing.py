"""Saving by system calls: when a save is sent, what is checked, what it becomes, and what it tells."""

import calendar
import contextlib
import ctypes
import errno
import json
import mmap
import os
import pathlib
import re
import stat
import subprocess
import textwrap
import time

import pytest

from editing import (Desk, code_of, comments, create, failure_of, finish, in_other, is_dry_run, open_to_write, save,
                     save_in_other, start_other, without_comments, write_all)
from scripted_api import ScriptedApi, config_map, status

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
CANARY = "canary-value-Hb6nT3"


@pytest.fixture
def item(desk):
    return desk.config_map(key="one", other="first")


def changed(item, old="key: one", new="key: two"):
    text = item.text()
    assert old in text
    return text.replace(old, new)


def manifest(name=None, namespace=None, data=None, kind="ConfigMap", metadata=""):
    place = "".join(f"  {key}: {value}\n" for key, value in (("name", name), ("namespace", namespace)) if value)
    lines = "".join(f"  {key}: {value}\n" for key, value in (data or {"key": "one"}).items())
    return f"apiVersion: v1\nkind: {kind}\n" + (f"metadata:\n{place}{metadata}" if place or metadata else "") + f"data:\n{lines}"


def renameat2(old, new, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(new))


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


# When a save is sent (writes.md 3)

@pytest.mark.sanitize
def test_nothing_written(item):
    os.close(open_to_write(item.file, 0))
    os.close(os.open(item.file, os.O_RDWR))
    save(item.file, item.text())
    save(item.file, item.text() + "# a comment\n")
    assert item.sent() == []
    assert item.text() == item.kubectl_text()


@pytest.mark.sanitize
def test_truncated_and_left_empty(item):
    os.close(open_to_write(item.file))
    descriptor = open_to_write(item.file, 0)
    os.ftruncate(descriptor, 0)
    os.fsync(descriptor)
    os.close(descriptor)
    subprocess.run([": > \"$0\"", item.file], shell=True, check=True)
    assert item.sent() == []
    assert item.text() == item.kubectl_text()
    item.desk.mount.wait_for(lambda: item.name in item.desk.mount.errors(), "it is told that it was discarded")


@pytest.mark.sanitize
def test_copies_of_a_descriptor(item):
    """As `{ a; b; } > f`: a copy is closed half way, by the same process and by another one."""
    text = changed(item)
    descriptor = open_to_write(item.file)
    write_all(descriptor, text[:20])
    os.close(os.dup(descriptor))
    write_all(descriptor, text[20:40])
    subprocess.run(["true"], pass_fds=[descriptor], check=True)
    write_all(descriptor, text[40:60])
    subprocess.run(["bash", "-c", f"printf %s \"$0\" >&{descriptor}", text[60:80]], pass_fds=[descriptor], check=True)
    assert item.sent() == []
    write_all(descriptor, text[80:])
    os.close(descriptor)
    item.check_saved()


def test_opener_left_and_child_goes_on(item):
    """( sleep 1; cat x ) > f &: the last one to close it is another process than the one that opened it."""
    text = changed(item)
    code = """
descriptor = open_to_write(arguments[0])
if os.fork() == 0:
    os.read(0, 1)
    save_text = arguments[1]
    write_all(descriptor, save_text)
    os._exit(0)
"""
    with start_other(code, item.file, text) as process:
        process.stdin.write("x")
        assert finish(process) == 0
    item.desk.mount.wait_for(lambda: item.text() != item.made and "key: two" in item.text(), "the child's text is saved")
    item.check_saved()


@pytest.mark.sanitize
def test_fsync_saves(item):
    text = changed(item)
    descriptor = open_to_write(item.file)
    write_all(descriptor, text)
    other = os.dup(descriptor)
    assert item.sent() == []
    os.fsync(descriptor)
    item.check_saved()
    os.fdatasync(descriptor)
    os.close(other)
    item.check_saved()
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, text.replace("key: two", "key: three"))
    os.close(descriptor)
    item.check_saved(["update", "update"])


@pytest.mark.sanitize
def test_refusal_is_repeated_not_sent_again(item):
    text = changed(item, "key: one", "bad key!: one")
    descriptor = open_to_write(item.file)
    write_all(descriptor, text)
    assert failure_of(os.fsync, descriptor) == errno.EINVAL
    assert failure_of(os.fdatasync, descriptor) == errno.EINVAL
    assert failure_of(os.fsync, descriptor) == errno.EINVAL
    assert item.sent() == [("update", 422)]
    # Corrected in place it is another text.
    good = text.replace("bad key!", "goodkey")
    os.pwrite(descriptor, good.encode(), 0)
    os.ftruncate(descriptor, len(good))
    os.fsync(descriptor)
    os.close(descriptor)
    assert item.sent() == [("update", 422), ("update", 200)]
    item.check_saved()
    descriptor = open_to_write(item.file)
    write_all(descriptor, text)
    assert failure_of(os.fsync, descriptor) == errno.EINVAL
    assert failure_of(os.close, descriptor) == errno.EINVAL
    assert len(item.sent()) == 3
    assert without_comments(item.rejected_text()) == text
    item.rejected.unlink()


@pytest.mark.sanitize
@pytest.mark.parametrize("new", ["key: two", "a!: one"])
def test_stores_through_a_mapping(item, new):
    """They arrive after the last close, and only the release can save them."""
    text = changed(item, "key: one", new)
    assert len(text) in (len(item.text()), len(item.text()) - 1)
    descriptor = os.open(item.file, os.O_RDWR | os.O_CLOEXEC)
    os.ftruncate(descriptor, len(text))
    with mmap.mmap(descriptor, len(text)) as mapped:
        os.close(descriptor)
        mapped[:] = text.encode()
        assert item.sent() == []
    if new == "key: two":
        item.desk.mount.wait_for(lambda: new in item.text(), "the text is saved")
        item.check_saved()
    else:
        item.desk.mount.wait_for(item.rejected.exists, "the text is refused")
        item.check_refused(text, "data[a!]")
        item.rejected.unlink()


@pytest.mark.sanitize
def test_closed_by_exec(item):
    """Its /proc hangs for who waits for it in that close: ps must not, nor anything else."""
    text = changed(item)
    code = """
descriptor = open_to_write(arguments[0])
write_all(descriptor, arguments[1])
os.execv("/bin/echo", ["echo", "0"])
"""
    process = start_other(code, item.file, text)
    began = time.monotonic()
    assert subprocess.run(["ps", "-ef"], capture_output=True, timeout=30, check=True).stdout
    assert finish(process) == 0
    assert time.monotonic() - began < 10
    item.desk.mount.wait_for(lambda: "key: two" in item.text(), "the text is saved")
    item.check_saved()


def test_readers_see_no_draft(item):
    """Neither its bytes nor its size, and who has the file open keeps its version."""
    before, text = item.text(), changed(item, "key: one", "key: a longer one")
    reader = os.open(item.file, os.O_RDONLY)
    descriptor = open_to_write(item.file)
    write_all(descriptor, text[:30])
    assert in_other("assert open(arguments[0]).read() == arguments[1]", item.file, before) == 0
    assert in_other("assert os.stat(arguments[0]).st_size == len(arguments[1])", item.file, before) == 0
    write_all(descriptor, text[30:])
    assert os.pread(reader, 100000, 0).decode() == before
    os.close(descriptor)
    item.check_saved()
    assert os.pread(reader, 100000, 0).decode() == before
    os.close(reader)


# Ways to write

def overwrite(path, text):
    """Only the bytes that differ; the new text has the same length."""
    with open(path, "r+b", buffering=0) as file:
        old = file.read()
        for place, (was, byte) in enumerate(zip(old, text.encode())):
            if was != byte:
                os.pwrite(file.fileno(), bytes([byte]), place)


def byte_by_byte(path, text):
    descriptor = open_to_write(path)
    for byte in text.encode():
        os.write(descriptor, bytes([byte]))
    os.close(descriptor)


def backwards(path, text):
    descriptor = open_to_write(path)
    for place in range(len(text) - len(text) % 7, -1, -7):
        os.pwrite(descriptor, text[place:place + 7].encode(), place)
    os.close(descriptor)


def by_fallocate(path, text):
    descriptor = open_to_write(path, 0)
    os.posix_fallocate(descriptor, 0, 2 * len(text))
    os.pwrite(descriptor, text.encode(), 0)
    os.ftruncate(descriptor, len(text))
    os.close(descriptor)


def by_copy_file_range(path, text):
    source = path.with_name(f".{path.name}.source")
    source.write_text(text)
    with open(source, "rb") as reader:
        descriptor = open_to_write(path)
        done = 0
        while done < len(text):
            done += os.copy_file_range(reader.fileno(), descriptor, len(text) - done)
        os.close(descriptor)
    source.unlink()


def by_sendfile(path, text):
    source = path.with_name(f".{path.name}.source")
    source.write_text(text)
    with open(source, "rb") as reader:
        descriptor = open_to_write(path)
        os.sendfile(descriptor, reader.fileno(), 0, len(text))
        os.close(descriptor)
    source.unlink()


def by_direct_io(path, text):
    descriptor = open_to_write(path, os.O_TRUNC | os.O_SYNC)
    # Each write(2) would be synced by itself: the whole text is one.
    assert os.write(descriptor, text.encode()) == len(text)
    os.close(descriptor)


@pytest.mark.parametrize("way", [overwrite, byte_by_byte, backwards, by_fallocate, by_copy_file_range, by_sendfile,
                                 by_direct_io], ids=lambda way: way.__name__)
def test_ways_to_write(item, way):
    way(item.file, changed(item))
    item.check_saved()


def test_append(item):
    with open(item.file, "a", encoding="utf-8") as file:
        file.write("  labels:\n    appended: \"yes\"\n")
    item.check_saved()
    assert item.stored()["metadata"]["labels"] == {"appended": "yes"}


def test_hole(item):
    descriptor = open_to_write(item.file)
    os.pwrite(descriptor, b"x: y\n", 100)
    assert failure_of(os.close, descriptor) == errno.EINVAL
    assert item.sent() == []
    item.rejected.unlink()


def test_json(item):
    file = item.file.with_suffix(".json")
    text = json.dumps({**json.loads(file.read_text()), "data": {"key": "two"}}, indent=2)
    save(file, text)
    assert json.loads(file.read_text())["data"] == {"key": "two"}
    item.check_saved()
    assert failure_of(save, file, "{\n  \"apiVersion\": \"v1\",\n  oops\n}") == errno.EINVAL
    assert re.search(r"line 3\b.*column 3\b", item.desk.mount.errors())
    left = item.desk.listing()
    for name in (item.rejected.name, f"{item.name}.json.rejected"):
        if name in left:
            (item.file.parent / name).unlink()
    assert item.stored_writes() == ["update"]


# What is checked before anything is sent

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
BAD_TEXTS = {
    "syntax": (lambda text: text.replace("key: one", "key: [one"), r"line \d+.*column \d+"),
    "tab": (lambda text: text.replace("  key: one", "\tkey: one"), r"line 3.*column \d+"),
    "not UTF-8": (lambda text: text.encode().replace(b"one", b"\xff\xfe"), r"UTF-8"),
    "control character": (lambda text: text.replace("one", "o\x01e"), r"line \d+|character"),
    "two documents": (lambda text: text + "---\n" + text, r"document"),
    "comments alone": (lambda text: "# nothing\n# more\n", r"."),
    "scalar": (lambda text: "hello\n", r"."),
    "list": (lambda text: "- a\n- b\n", r"."),
    "List": (lambda text: "apiVersion: v1\nkind: List\nitems: []\n", r"List"),
    "duplicate key": (lambda text: text.replace("  key: one", "  key: one\n  key: two"), r"key"),
    "duplicate top key": (lambda text: text + "data: {}\n", r"line \d+.*key"),
    "apiVersion": (lambda text: text.replace("apiVersion: v1", "apiVersion: v2"), r"apiVersion"),
    "no apiVersion": (lambda text: text.replace("apiVersion: v1\n", ""), r"apiVersion"),
    "kind": (lambda text: text.replace("kind: ConfigMap", "kind: Secret"), r"kind"),
    "no kind": (lambda text: text.replace("kind: ConfigMap\n", ""), r"kind"),
    "name": (lambda text: re.sub(r"(?m)^  name: .*$", "  name: another", text), r"name"),
    "namespace": (lambda text: re.sub(r"(?m)^  namespace: .*$", "  namespace: default", text), r"namespace"),
    "creation": (lambda text: re.sub(r"creationTimestamp: .*", 'creationTimestamp: "2020-01-01T00:00:00Z"', text),
                 r"creationTimestamp"),
    "alias bomb": (lambda text: text + BOMB, r"alias|large|expan"),
    "nesting": (lambda text: text + "x: " + "[" * 100000 + "]" * 100000 + "\n", r"."),
}

TOO_MUCH = ("alias bomb", "nesting")


@pytest.mark.sanitize
@pytest.mark.parametrize("what", BAD_TEXTS)
def test_bad_text(item, what):
    change, reason = BAD_TEXTS[what]
    text = change(item.text())
    data = text if isinstance(text, bytes) else text.encode()
    memory = item.desk.mount.resident_bytes()
    began = time.monotonic()
    assert failure_of(save, item.file, data) == (errno.EFBIG if what in TOO_MUCH else errno.EINVAL)
    assert time.monotonic() - began < 10
    assert item.desk.mount.resident_bytes() - memory < 300 << 20
    assert item.sent() == []
    assert item.stored() == item.made
    assert item.text() == item.kubectl_text()
    kept = item.rejected.read_bytes()
    assert kept.endswith(data)
    assert re.search(reason, comments(kept.decode(errors="replace"))), comments(kept.decode(errors="replace"))
    item.rejected.unlink()
    assert not item.rejected.exists()


def test_too_large(item):
    text = item.text().replace("one", "x" * (4 << 20))
    assert failure_of(save, item.file, text) == errno.EFBIG
    assert item.sent() == []
    assert item.text() == item.kubectl_text()
    with contextlib.suppress(FileNotFoundError):
        item.rejected.unlink()


def test_as_kubectl_reads_it(desk):
    """YAML 1.1 as sigs.k8s.io/yaml has it: yes is true, 0o10 no number in a string's place."""
    item = desk.config_map(key="one")
    text = item.text()
    assert failure_of(save, item.file, text.replace("key: one", "key: yes")) == errno.EINVAL
    assert "unmarshal bool" in item.rejected_text() or "string" in item.rejected_text()
    save(item.file, text.replace("key: one", "key: &a !!str 010\n  again: *a\n  binary: !!binary aGk=\n  octal: \"010\"")
         + "immutable: off\n")
    stored = item.stored()
    assert stored["data"] == {"key": "010", "again": "010", "binary": "hi", "octal": "010"}
    assert stored.get("immutable") in (None, False)


def test_untouched_values_are_sent_as_they_were(sample, desk):
    anything = {"big": 9223372036854775807, "precise": 12345678901234567, "float": 1.5, "text": "1_000", "yes": "yes",
                "empty": {}, "nothing": None, "odd": "a\r\nb\u2028"}
    item = desk.create("recipes.sample.kubefs.dev", {
        "apiVersion": "sample.kubefs.dev/v1", "kind": "Recipe", "spec": {"servings": 1, "anything": anything}})
    save(item.file, changed(item, "servings: 1", "servings: 2"))
    item.check_saved()
    assert item.stored()["spec"] == {**item.made["spec"], "servings": 2}
    assert item.stored()["spec"]["anything"] == anything


# What the server says

def deployment(**spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {
        "replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "none"}]}}, **spec}}


def settled(desk, item):
    desk.mount.wait_for(lambda: item.stored().get("status", {}).get("observedGeneration") ==
                        item.stored()["metadata"]["generation"] and item.is_current(), "its controller is done")
    return item


def test_strict_validation(desk):
    """Every unknown field is named, a line each."""
    item = settled(desk, desk.create("deployments.apps", deployment()))
    text = item.text()
    bad = text.replace("  replicas: 0\n", "  replicas: 0\n  replicsa: 1\n  bogus: 2\n")
    assert failure_of(save, item.file, bad) == errno.EINVAL
    item.check_refused(bad, 'unknown field "spec.bogus"', 'unknown field "spec.replicsa"')
    lines = comments(item.rejected_text()).splitlines()
    assert [line.strip("# ") for line in lines if re.match(r"#\s+unknown field", line)] == [
        'unknown field "spec.bogus"', 'unknown field "spec.replicsa"']
    for value in ("abc", "-1", "1.5", '"2"'):
        bad = text.replace("replicas: 0", f"replicas: {value}")
        assert failure_of(save, item.file, bad) == errno.EINVAL
        item.check_refused(bad)
        assert "replicas" in comments(item.rejected_text())
    assert item.error() and "replicas" in item.error()
    assert "\n" not in item.error().strip()
    save(item.file, text.replace("replicas: 0", "replicas: 1"))
    assert not item.rejected.exists() and item.error() is None
    assert item.stored_writes() == ["update"]


@pytest.mark.sanitize
def test_status_is_refused_and_has_a_file_of_its_own(sample, desk):
    item = desk.create("recipes.sample.kubefs.dev", {
        "apiVersion": "sample.kubefs.dev/v1", "kind": "Recipe", "spec": {"servings": 1}})
    desk.api("PATCH", item.path + "/status", {"status": {"served": 2}}, "application/merge-patch+json")
    desk.mount.wait_for(item.is_current, "the status is there")
    item.forget_writes()
    bad = changed(item, "served: 2", "served: 3")
    assert failure_of(save, item.file, bad) == errno.EINVAL
    item.check_refused(bad, "status")
    assert item.sent() == []
    item.rejected.unlink()

    assert {"status.yaml", "scale"} <= set(os.listdir(item.views))
    file = item.views / "status.yaml"
    text = file.read_text()
    save(file, text.replace("served: 2", "served: 5"))
    assert item.stored()["status"] == {"served": 5} and item.stored()["spec"] == {"servings": 1}
    assert [event["objectRef"].get("subresource") for event in item.events()] == ["status"]
    assert "served: 5" in item.text() and "served: 5" in file.read_text()

    scale = item.views / "scale"
    assert scale.read_text() == "1\n"
    save(scale, "4\n")
    assert item.stored()["spec"] == {"servings": 4}
    assert scale.read_text() == "4\n" and "servings: 4" in item.text()
    save(scale, "3")
    assert item.stored()["spec"] == {"servings": 3}
    for bad in ("abc\n", "-1\n", "1 2\n", "99999999999999999999\n"):
        assert failure_of(save, scale, bad) in (errno.EINVAL, errno.ERANGE)
    assert scale.read_text() == "3\n"
    subprocess.run(["sh", "-c", "echo 7 > \"$0\"", scale], check=True)
    desk.mount.wait_for(lambda: item.stored()["spec"]["servings"] == 7, "it is scaled")


def test_scale_of_a_deployment(desk):
    item = settled(desk, desk.create("deployments.apps", deployment()))
    save(item.views / "scale", "2\n")
    assert item.stored()["spec"]["replicas"] == 2
    save(item.views / "scale", "0\n")
    assert not (desk.config_map().views / "scale").exists()


@pytest.fixture
def scripted(mount, tmp_path):
    """A server of which a test says how it answers a PUT, its file and the text to save."""
    with ScriptedApi() as api:
        api.put("configmaps", config_map("one", key="one"))
        mounted = mount(kubeconfig=api.kubeconfig(tmp_path))
        file = mounted.file("configmaps", "one", "default")
        yield api, mounted, file, file.read_text().replace("key: one", "key: two")


CODES = [
    (400, "BadRequest", [errno.EINVAL]), (401, "Unauthorized", [errno.EACCES]), (403, "Forbidden", [errno.EACCES]),
    (404, "NotFound", [errno.ENOENT]), (409, "AlreadyExists", [errno.EEXIST]), (413, "RequestEntityTooLarge", [errno.EFBIG]),
    (422, "Invalid", [errno.EINVAL]), (429, "TooManyRequests", [errno.EAGAIN, errno.EIO]),
    (500, "InternalError", [errno.EAGAIN, errno.EIO]), (503, "ServiceUnavailable", [errno.EAGAIN, errno.EIO]),
    (504, "Timeout", [errno.EAGAIN, errno.EIO, errno.ETIMEDOUT]),
]


@pytest.mark.sanitize
@pytest.mark.parametrize("code, reason, wanted", CODES)
def test_errno_of_each_answer(scripted, code, reason, wanted):
    api, mounted, file, text = scripted
    api.hooks.append(lambda request: request.method == "PUT" and request.fail(code, reason, f"no {code}\x1b[31m today"))
    assert failure_of(save, file, text) in wanted
    rejected = file.with_name("one.yaml.rejected").read_text()
    assert without_comments(rejected) == text
    # Of two the daemon knows more than the server says.
    said = {401: "does not accept the credential", 404: "was deleted meanwhile"}.get(code, f"no {code}")
    assert said in comments(rejected)
    assert "\x1b" not in comments(rejected) + mounted.errors()
    assert "one" in mounted.errors() and said in mounted.errors()
    assert "key: one" in file.read_text()


def test_version_that_moves_on_and_on(scripted):
    """A conflict of the version alone is tried again, a bounded number of times."""
    api, _, file, text = scripted

    def move(request):
        if request.method != "PUT":
            return False
        item = json.loads(json.dumps(api.objects["configmaps", "default", "one"]))
        del item["metadata"]["resourceVersion"]
        api.put("configmaps", item)
        return request.fail(409, "Conflict", "the object has been modified")

    api.hooks.append(move)
    assert failure_of(save, file, text) == errno.EBUSY
    assert 2 <= sum(request.method == "PUT" for request in api.requests) <= 20
    assert without_comments(file.with_name("one.yaml.rejected").read_text()) == text


def test_warnings_are_told(scripted):
    api, mounted, file, text = scripted

    def warn(request):
        if request.method != "PUT":
            return False
        item = json.loads(request.body)
        item["metadata"].pop("resourceVersion", None)
        api.put("configmaps", item)
        return request.answer(200, item, Warning='299 - "one is deprecated, use two"')

    api.hooks.append(warn)
    save(file, text)
    assert "one is deprecated, use two" in mounted.errors()
    assert "key: two" in file.read_text()


def test_status_object_with_causes(scripted):
    """Field by field, one a line."""
    api, _, file, text = scripted
    answer = status(422, "Invalid", "two things are wrong")
    answer["details"] = {"causes": [{"reason": "FieldValueInvalid", "message": "is too long", "field": "data.key"},
                                    {"reason": "FieldValueRequired", "message": "must be there", "field": "data.other"}]}
    api.hooks.append(lambda request: request.method == "PUT" and request.answer(422, answer))
    assert failure_of(save, file, text) == errno.EINVAL
    lines = comments(file.with_name("one.yaml.rejected").read_text()).splitlines()
    assert [line for line in lines if "data.key" in line and "is too long" in line]
    assert [line for line in lines if "data.other" in line and "must be there" in line]


# Base and merge (writes.md 5)

@pytest.mark.sanitize
@pytest.mark.parametrize("values", [("3", "5", "7"), ("3", "5", "3", "5")], ids="-".join)
def test_one_buffer_saved_again_and_again(desk, values):
    item = desk.config_map(count=values[0])
    text = item.text()
    for value in values[1:]:
        save(item.file, text.replace(f'count: "{values[0]}"', f'count: "{value}"'))
        assert item.stored()["data"] == {"count": value}
    item.check_saved(["update"] * (len(values) - 1))


@pytest.mark.sanitize
def test_two_writers_of_the_same_change(desk):
    item = desk.config_map(count="5", other="x")
    text = item.text()
    new = text.replace('count: "5"', 'count: "6"')
    assert save_in_other(item.file, new) == 0
    assert save_in_other(item.file, new) == errno.EBUSY
    item.desk.mount.wait_for(item.rejected.exists, "the text is kept")
    assert without_comments(item.rejected_text()) == new
    assert item.stored_writes() == ["update"] and item.stored()["data"]["count"] == "6"
    # Elsewhere in the object there is no conflict.
    assert save_in_other(item.file, text.replace("other: x", "other: z")) == 0
    assert item.stored()["data"] == {"count": "6", "other": "z"}


def test_own_lineage_is_no_licence(item):
    """What others changed since one's own last save is still theirs."""
    text = item.text()
    save(item.file, text.replace("key: one", "key: two"))
    item.change_data(other="theirs")
    save(item.file, text.replace("key: one", "key: three"))
    assert item.stored()["data"] == {"key": "three", "other": "theirs"}
    item.change_data(key="theirs")
    assert failure_of(save, item.file, text.replace("key: one", "key: four")) == errno.EBUSY
    assert item.stored()["data"] == {"key": "theirs", "other": "theirs"}


def test_lists_merge_by_their_keys(desk):
    item = settled(desk, desk.create("deployments.apps", deployment()))
    container = {"name": "c", "image": "none", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                 "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}
    item.change({"spec": {"template": {"spec": {"containers": [container]}}}})
    settled(desk, item)
    text = item.text()
    theirs = {**container, "env": [{"name": "A", "value": "theirs"}, {"name": "B", "value": "2"}],
              "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 53, "protocol": "UDP"}]}
    item.change({"spec": {"template": {"spec": {"containers": [theirs]}}}})
    item.forget_writes()
    mine = text.replace('value: "2"', "value: mine").replace("protocol: UDP", "name: dns\n          protocol: UDP")
    assert mine != text
    save(item.file, mine)
    stored = item.stored()["spec"]["template"]["spec"]["containers"][0]
    assert stored["env"] == [{"name": "A", "value": "theirs"}, {"name": "B", "value": "mine"}]
    assert {(port["containerPort"], port["protocol"], port.get("name")) for port in stored["ports"]} == {
        (80, "TCP", "web"), (53, "UDP", "dns")}
    assert item.stored_writes() == ["update"]


def test_unknown_base(item):
    text = re.sub(r'resourceVersion: "\d+"', 'resourceVersion: "1"', changed(item))
    assert failure_of(save, item.file, text) == errno.EBUSY
    item.check_refused(text, "version")
    item.rejected.unlink()


def test_recreated_object(desk, item):
    text = changed(item)
    desk.api.delete(item.made)
    fresh = desk.api.create({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "fresh"},
                             "metadata": {"name": item.name, "namespace": desk.namespace}})
    desk.mount.wait_for(lambda: item.is_current(), "the new one is there")
    assert failure_of(save, item.file, text) == errno.EBUSY
    assert item.stored() == fresh
    assert without_comments(item.rejected_text()) == text
    item.rejected.unlink()


# Rejected texts

@pytest.mark.sanitize
def test_rejected_text_can_be_saved_renamed_and_removed(item):
    for correct in ("save", "rename", "retry", "other", "remove"):
        bad = changed(item, "key: one", "bad key!: one")
        assert failure_of(save, item.file, bad) == errno.EINVAL
        kept = item.rejected_text()
        assert comments(kept) and without_comments(kept) == bad
        good = kept.replace("bad key!: one", f"key: one\n  added: {correct}")
        if correct == "save":
            save(item.rejected, good)
        elif correct == "rename":
            # As it is, it is refused again; corrected by an editor, it is not.
            assert failure_of(os.rename, item.rejected, item.file) == errno.EINVAL
            assert without_comments(item.rejected_text()) == bad
            scratch = item.file.with_name(f".{item.file.name}.swp")
            scratch.write_text(good)
            os.rename(scratch, item.file)
        elif correct == "retry":
            assert failure_of(save, item.rejected, kept + "\n") == errno.EINVAL
            save(item.rejected, good)
        elif correct == "other":
            save(item.file, changed(item, "key: one", f"key: one\n  added: {correct}"))
        else:
            item.rejected.unlink()
            assert item.error() is None or "bad key" in item.error()
        assert not os.path.lexists(item.rejected), correct
        assert item.rejected.name not in item.desk.listing()
        if correct != "remove":
            assert item.stored()["data"].get("added") == correct
            item.change({"data": {"added": None}})


def test_rejected_text_renamed_onto_the_object(item):
    """A conflict that others have made good: the same text is tried again as it is."""
    text = changed(item)
    item.change_data(key="theirs")
    assert failure_of(save, item.file, text) == errno.EBUSY
    item.change_data(key="one")
    os.rename(item.rejected, item.file)
    item.check_saved()
    assert item.stored()["data"]["key"] == "two"


def test_base_text_is_no_good_save(item):
    before, bad = item.text(), changed(item, "key: one", "bad key!: one")
    assert failure_of(save, item.file, bad) == errno.EINVAL
    save(item.file, before)
    assert without_comments(item.rejected_text()) == bad
    item.rejected.unlink()


def test_many_rejected_texts(desk):
    """They are bounded; the last ones are there."""
    before = desk.mount.resident_bytes()
    items = [desk.config_map(key="one") for _ in range(10)]
    for turn in range(20):
        for item in items:
            text = changed(item, "key: one", f"bad key!: {turn}{'x' * 100000}")
            assert failure_of(save, item.file, text) == errno.EINVAL
    assert without_comments(items[-1].rejected_text()) == text
    assert desk.mount.resident_bytes() - before < 200 << 20
    for item in items:
        with contextlib.suppress(FileNotFoundError):
            item.rejected.unlink()


@pytest.mark.sanitize
def test_secrets(desk):
    item = desk.create("secrets", {"apiVersion": "v1", "kind": "Secret", "stringData": {"key": CANARY}})
    text = item.text()
    value = re.search(r"key: (\S+)", text).group(1)
    assert stat.S_IMODE(item.file.stat().st_mode) == 0o600
    tries = [text.replace("  key:", "  bad key!:"), text.replace(value, CANARY), text.replace(value, f"[{CANARY}"),
             text + f"type: {CANARY}\n", text.replace("data:\n", f"data:\n  other: {value}\n  other: {value}\n"),
             text + f"bogus: {value}\n", f"{CANARY}\n", text.replace("  key:", "\tkey:")]
    for bad in tries:
        assert failure_of(save, item.file, bad) == errno.EINVAL, bad
        assert stat.S_IMODE(item.rejected.stat().st_mode) == 0o600
        assert without_comments(item.rejected_text()) == bad
        told = comments(item.rejected_text()) + desk.mount.errors() + (item.error() or "") + desk.mount.status()
        assert CANARY not in told and value not in told, bad
    log = desk.mount.log_text()
    assert CANARY not in log and value not in log
    item.rejected.unlink()
    scratch = item.file.with_name(f".{item.file.name}.swp")
    scratch.write_text(text)
    os.chmod(scratch, 0o600)
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o600
    scratch.unlink()
    backup = item.file.with_name(f"{item.file.name}~")
    os.rename(item.file, backup)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    backup.unlink()
    assert item.sent() and item.stored_writes() == []


# Creating

def made(desk, file, resource="configmaps", namespace=None):
    """The object that a file stands for, checked against kubectl."""
    item = desk.find(resource, file.name.removesuffix(".yaml"), namespace)
    assert file.read_text() == item.kubectl_text()
    return item


def new_file(desk, resource="configmaps", namespace=None):
    return desk.directory(resource, namespace) / f"{desk.name('new')}.yaml"


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


@pytest.fixture
def other_namespace(desk):
    name = desk.name(f"{desk.namespace}-other")
    desk.cluster.kubectl("create", "namespace", name)
    desk.mount.wait_for((desk.mount.path / "namespaces" / name / "configmaps").is_dir, "the namespace")
    yield name
    desk.cluster.kubectl("delete", "namespace", name, "--wait=false")


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
    desk.cluster.kubectl("create", "namespace", source)
    try:
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
    desk.mount.wait_for(is_gone(item), "the object is deleted", 5)
    assert [(event["verb"], code_of(event), is_dry_run(event)) for event in item.events()] == [
        ("delete", 200, True), ("delete", 200, False)]
    again = desk.config_map()
    # A process that goes on: after a while all the same.
    process = start_other("os.unlink(arguments[0])\nprint(failure_of(os.unlink, arguments[0]), flush=True)\nos.read(0, 1)",
                          again.file)
    assert int(process.stdout.readline()) == errno.ENOENT
    assert not again.file.exists()
    desk.mount.wait_for(is_gone(again), "the object is deleted", 5)
    process.stdin.write("x")
    assert finish(process) == 0


# In a process that has not listed the directory, as this one has.
REPLACE = "os.unlink(arguments[0])\ncreate(arguments[0], arguments[1], os.O_EXCL)"


def test_unlink_and_create_by_one_process_is_an_update(desk, item):
    text = changed(item)
    assert in_other(REPLACE, item.file, text) == 0
    item.check_saved()
    time.sleep(0.5)  # longer than the delay of a deletion
    item.check_saved()


def test_unlink_and_create_refused(desk, item):
    """The object outlives it."""
    text = changed(item, "key: one", "bad key!: one")
    assert in_other(REPLACE, item.file, text) == errno.EINVAL
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
def test_namespaces_and_resources_are_not_emptied(desk, other_namespace):
    item = desk.config_map(namespace=other_namespace, key="one")
    folder = desk.mount.path / "namespaces" / other_namespace
    for argv in (["rm", "-r", folder], ["rm", "-rf", folder], ["rmdir", folder], ["rmdir", folder / "configmaps"],
                 ["find", folder, "-name", "item*", "-delete"], ["rm", "-rf", folder / "configmaps"]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode != 0, argv
        assert "not permitted" in done.stderr, done.stderr
    assert failure_of(os.rmdir, folder) == errno.EPERM
    assert failure_of(os.rmdir, folder / "configmaps") == errno.EPERM
    time.sleep(0.5)  # longer than the delay of a deletion
    assert item.exists() and item.file.exists() and item.sent() == []
    empty = folder.with_name(desk.name("empty-source"))
    done = subprocess.run(["rsync", "-r", "--delete", f"{desk.home}/", f"{folder}/"], capture_output=True, text=True,
                          check=False, timeout=120)
    assert done.returncode != 0 and not empty.exists()
    assert item.exists()


def test_rmdir_namespaces(cluster, mount):
    mounted = mount("-o", "rmdir_namespaces")
    name = f"to-go-{os.getpid()}"
    os.mkdir(mounted.path / "namespaces" / name)
    os.rmdir(mounted.path / "namespaces" / name)
    cluster.wait_for(lambda: not cluster.exists(f"/api/v1/namespaces/{name}") or "deletionTimestamp" in cluster.api(
        "GET", f"/api/v1/namespaces/{name}")["metadata"], "it is being deleted")


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
def test_backup_renamed_back_at_once(item):
    """Were both names one inode to the kernel, it would answer by itself that all is done, and leave both."""
    backup = item.file.with_name(f"{item.file.name}___jb_old___")
    for _ in range(100):
        os.rename(item.file, backup)
        item.file.stat()
        os.rename(backup, item.file)
        assert not os.path.lexists(backup) and item.file.exists()
    assert item.sent() == []


# Scratch files

SCRATCH = [".{}.swp", ".{}.swo", ".{}.swpx", "4913", "{}~", "#{}#", ".#{}", "sedAb12Cd", ".{}.Xy12Zw", "{}___jb_tmp___",
           "{}___jb_old___", ".DS_Store", "._{}", ".goutputstream-AB12CD", ".{}.un~", ".nfs000001", "{}.tmp"]


@pytest.mark.sanitize
@pytest.mark.parametrize("pattern", SCRATCH)
def test_scratch_files(item, pattern):
    file = item.file.with_name(pattern.format(item.file.name))
    before = len(item.desk.audit.settle())
    data = os.urandom(300000)
    file.write_bytes(data)
    file.chmod(0o640)
    assert file.read_bytes() == data and stat.S_IMODE(file.stat().st_mode) == 0o640
    os.utime(file, (1e9, 1e9))
    assert file.stat().st_mtime == 1e9
    with open(file, "r+b") as opened:
        opened.truncate(1000)
        opened.seek(5)
        opened.write(b"hello")
    assert file.read_bytes() == (data[:5] + b"hello" + data[10:1000])
    other = file.with_name(f".{file.name}.other")
    os.rename(file, other)
    assert not file.exists() and other.read_bytes()[5:10] == b"hello"
    os.link(other, file)
    assert file.stat().st_nlink == 2 and file.stat().st_ino == other.stat().st_ino
    os.unlink(other)
    assert file.read_bytes()[5:10] == b"hello"
    file.unlink()
    assert not file.exists()
    os.symlink("user@host.123:456", file)
    assert os.readlink(file) == "user@host.123:456"
    file.unlink()
    assert not os.path.lexists(file)
    assert len(item.desk.audit.settle()) == before
    assert item.text() == item.kubectl_text()


def test_scratch_files_are_bounded(desk, item):
    """One more is a clear error, and the older ones are intact."""
    text = changed(item)
    files = []
    code = None
    block = os.urandom(1 << 20)
    try:
        for number in range(600):
            file = item.file.with_name(f".{item.name}-{number}.swp")
            files.append(file)
            file.write_bytes(block)
    except OSError as error:
        code = error.errno
    try:
        assert code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), f"{len(files)} MiB, {code}"
        assert all(file.read_bytes() == block for file in files[:-1])
        save(item.file, text)
        item.check_saved()
    finally:
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
    files[0].write_bytes(block)
    files[0].unlink()


def test_scratch_files_end_with_the_mount(cluster, mount, namespace):
    cluster.kubectl("create", "configmap", "one", "-n", namespace)
    mounted = mount()
    folder = mounted.resource("configmaps", namespace)
    (folder / ".one.yaml.swp").write_text("x")
    assert ".one.yaml.swp" in os.listdir(folder)
    mounted.stop()
    again = mount()
    assert ".one.yaml.swp" not in os.listdir(again.resource("configmaps", namespace))


# Attributes

@pytest.mark.sanitize
def test_attributes_of_a_saved_file(item):
    before = item.file.stat()
    save(item.file, changed(item))
    after = item.file.stat()
    assert after.st_ino == before.st_ino and after.st_size == len(item.text())
    newest = max(seconds(entry["time"]) for entry in item.stored()["metadata"]["managedFields"])
    assert after.st_mtime_ns // 10**9 == newest
    os.chmod(item.file, 0o600)
    os.chown(item.file, 12, 34)
    os.utime(item.file, (1, 1))
    again = item.file.stat()
    assert (again.st_mode, again.st_uid, again.st_mtime_ns) == (after.st_mode, after.st_uid, after.st_mtime_ns)
    assert len(item.sent()) == 1
    assert os.listxattr(item.file) == []
    assert failure_of(os.getxattr, item.file, "system.posix_acl_access") == errno.EOPNOTSUPP
    assert failure_of(os.setxattr, item.file, "user.mine", b"x") in (errno.EOPNOTSUPP, errno.EPERM, errno.EACCES)


def test_what_the_user_may_not(cluster, desk, mount, item):
    """The text is kept, the error says so, and the bits as well."""
    user = f"{item.name}-reader"
    config = cluster.add_user(user, namespace=desk.namespace, rbac_yaml=textwrap.dedent(f"""
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {{name: {user}, namespace: {desk.namespace}}}
        roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
        subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]
        """))
    mounted = mount(kubeconfig=config)
    file = mounted.file("configmaps", item.name, desk.namespace)
    text = file.read_text()
    mounted.wait_for(lambda: stat.S_IMODE(file.stat().st_mode) == 0o444, "the rules")
    assert failure_of(save, file, text.replace("key: one", "key: two")) == errno.EACCES
    assert failure_of(os.unlink, file) == errno.EACCES
    assert failure_of(create, file.with_name("fresh.yaml"), manifest()) == errno.EACCES
    assert file.exists() and item.stored() == item.made
    assert subprocess.run(["test", "-w", file], check=False).returncode == 1


# Switches

@pytest.fixture(scope="module")
def dry_desk(cluster):
    with Desk(cluster, "-o", "dry_run") as made_desk:
        yield made_desk


def test_dry_run(dry_desk):
    item = dry_desk.config_map(key="one")
    text = changed(item)
    save(item.file, text)
    assert item.stored() == item.made and item.sent() == []
    assert [event["responseStatus"]["code"] for event in item.events()] == [200]
    preview = (item.views / "dry_run.yaml").read_text()
    assert "key: two" in preview and item.uid in preview
    assert "key: one" in item.text()
    bad = changed(item, "key: one", "bad key!: one")
    assert failure_of(save, item.file, bad) == errno.EINVAL
    assert without_comments(item.rejected_text()) == bad
    file = new_file(dry_desk)
    create(file, manifest())
    subprocess.run(["rm", item.file], check=True)
    with contextlib.suppress(OSError):
        os.mkdir(dry_desk.mount.path / "namespaces" / f"{dry_desk.namespace}-dry")
    time.sleep(0.5)  # longer than the delay of a deletion
    assert item.exists() and item.sent() == []
    assert not dry_desk.cluster.exists(f"/api/v1/namespaces/{dry_desk.namespace}-dry")
    assert not dry_desk.cluster.exists(f"/api/v1/namespaces/{dry_desk.namespace}/configmaps/{file.name[:-5]}")


@pytest.mark.sanitize
def test_read_only(cluster, mount, namespace):
    cluster.kubectl("create", "configmap", "one", "-n", namespace)
    mounted = mount("-o", "ro")
    file = mounted.file("configmaps", "one", namespace)
    mounted.wait_for(file.exists, "the file")
    for function, *arguments in ((open_to_write, file), (os.unlink, file), (os.rename, file, file.with_name("two.yaml")),
                                 (create, file.with_name("two.yaml"), "x"), (os.mkdir, mounted.path / "namespaces" / "new"),
                                 (os.rmdir, file.parent), (os.symlink, "x", file.with_name(".x")), (os.chmod, file, 0o600),
                                 (os.truncate, file, 0), (create, file.with_name(".one.yaml.swp"), "x")):
        assert failure_of(function, *arguments) == errno.EROFS, function.__name__


@pytest.mark.parametrize("options, may_update, may_delete", [
    ("deny=secrets", ["configmaps"], ["configmaps"]),
    ("deny=configmaps/delete:secret/delete", ["configmaps", "secrets"], []),
    ("allow=cm/update", ["configmaps"], []),
    ("allow=*,deny=secrets/update", ["configmaps"], ["configmaps", "secrets"]),
])
def test_allow_and_deny(cluster, mount, namespace, options, may_update, may_delete):
    cluster.kubectl("create", "configmap", "one", "-n", namespace, "--from-literal=key=one")
    cluster.kubectl("create", "secret", "generic", "one", "-n", namespace, "--from-literal=key=one")
    mounted = mount("-o", options)
    for resource in "configmaps", "secrets":
        file = mounted.file(resource, "one", namespace)
        text = file.read_text().replace("key: ", "again: ")
        if resource in may_update:
            save(file, text)
            assert "again: " in file.read_text()
        else:
            assert failure_of(save, file, text) == errno.EACCES
            assert stat.S_IMODE(file.stat().st_mode) & 0o222 == 0
        if resource in may_delete:
            os.unlink(file)
        else:
            assert failure_of(os.unlink, file) == errno.EACCES
            assert file.exists()
        path = f"/api/v1/namespaces/{namespace}/{resource}/one"
        if resource in may_delete:
            mounted.wait_for(lambda: not cluster.exists(path), "it is deleted", 5)
        else:
            assert cluster.exists(path)


def test_paths_that_cannot_be_written(desk):
    """What is the daemon's or a view is no place for files."""
    for place in (desk.mount.path, desk.mount.path / "namespaces", desk.mount.path / "cluster",
                  desk.mount.path / "namespaces" / desk.namespace, desk.mount.path / ".kubefs"):
        assert failure_of(create, place / "new.yaml", "x") in (errno.EPERM, errno.EACCES, errno.ENOENT, errno.EROFS)
    for name in ("status", "errors", "version"):
        assert failure_of(open_to_write, desk.mount.path / ".kubefs" / name) in (errno.EACCES, errno.EPERM, errno.EROFS)
        assert failure_of(os.unlink, desk.mount.path / ".kubefs" / name) in (errno.EACCES, errno.EPERM, errno.EROFS)


def test_manual_has_the_table():
    """kubefs(1) names every errno that a save may end with."""
    text = (pathlib.Path(__file__).parents[2] / "kubefs" / "kubefs.1").read_text()
    for name in ("EINVAL", "EACCES", "ENOENT", "EBUSY", "EEXIST", "EFBIG", "EAGAIN", "EIO", "ETIMEDOUT", "EROFS", "EXDEV",
                 "EPERM", "ENOSPC"):
        assert re.search(rf"\b{name}\b", text), name
