"""Saving by system calls: when a save is sent, what is checked, and what is told."""

import contextlib
import errno
import json
import mmap
import os
import pathlib
import re
import stat
import subprocess
import time

import pytest

from editing import (
    changed, comments, failure_of, finish, in_other, open_to_write, save, save_in_other, start_other,
    without_comments, write_all)
from scripted_api import ScriptedApi, config_map, status

CANARY = "canary-value-Hb6nT3"


@pytest.fixture
def item(desk):
    return desk.config_map(key="one", other="first")


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
@pytest.mark.parametrize("collected", [False, True])
def test_killed_amid_stores_through_a_mapping(item, collected):
    """They arrive when the process ends; whether its parent has collected it by then is as it comes."""
    text = changed(item)
    code = """
import mmap
descriptor = os.open(arguments[0], os.O_RDWR)
os.ftruncate(descriptor, len(arguments[1]))
mapped = mmap.mmap(descriptor, len(arguments[1]))
os.close(descriptor)
mapped[:] = arguments[1].encode()
print("stored", flush=True)
os.read(0, 1)
"""
    process = start_other(code, item.file, text)
    assert process.stdout.readline() == "stored\n"
    process.kill()
    if collected:
        process.wait()
    item.desk.mount.wait_for(item.rejected.exists, "the text is refused")
    process.communicate()
    item.check_refused(text, "its writer was killed")
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
    assert subprocess.run(["ps", "-ef"], capture_output=True, timeout=60, check=True).stdout
    assert finish(process) == 0
    assert time.monotonic() - began < 60
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
    assert time.monotonic() - began < 60
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


# The manual

def test_manual_has_the_table():
    """kubefs(1) names every errno that a save may end with."""
    text = (pathlib.Path(__file__).parents[2] / "kubefs" / "kubefs.1").read_text()
    for name in ("EINVAL", "EACCES", "ENOENT", "EBUSY", "EEXIST", "EFBIG", "EAGAIN", "EIO", "ETIMEDOUT", "EROFS", "EXDEV",
                 "EPERM", "ENOSPC"):
        assert re.search(rf"\b{name}\b", text), name
