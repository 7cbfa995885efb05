"""Renames, removals and new directories when the connection or the server breaks off at each point.

As for close(2) (test_save_faults.py), with the difference that the kernel holds the directory meanwhile: nothing
takes longer than ten seconds.
"""

import concurrent.futures
import errno
import os
import statistics
import subprocess
import threading
import time

import pytest

from admission import Webhook
from editing import (UNKNOWN, changed, comments, failure_of, finish, in_other, manifest, new_file, outcome_of, start_other,
                     without_comments)

SECONDS = 10
SLACK = 15  # on a busy machine; less than a save may take that is none of a name
POINTS = ["before", "half", "after", "half answer"]


def scratch_of(file, text):
    scratch = file.with_name(f".{file.name}.tmp")
    scratch.write_text(text)
    return scratch


def timed(function, *arguments):
    """The errno, or 0, and the seconds that it took."""
    began = time.monotonic()
    return outcome_of(function, *arguments), time.monotonic() - began


def wait_over(item):
    """Until what a rename began is over, which may be after its answer."""
    # The server notes an update a little after others see it.
    item.desk.mount.wait_for(lambda: item.stored_writes() or item.rejected.exists(), "the save is over")
    item.desk.mount.wait_for(item.is_current, "the file is the object", 100)


def check_renamed(item, scratch, text, code, new="two"):
    """The truth was told, and what it is; the text is not lost, and is good for another try."""
    wait_over(item)
    writes = item.stored_writes()
    assert len(writes) <= 1, "it was done twice"
    assert item.stored()["data"]["key"] == (new if writes else "one")
    assert item.stored()["metadata"]["uid"] == item.uid
    if code == 0:
        item.check_saved()
        assert not os.path.lexists(scratch)
        return
    assert code in UNKNOWN, os.strerror(code)
    assert scratch.read_text() == text
    if item.rejected.exists():
        assert without_comments(item.rejected_text()) == text and comments(item.rejected_text())
    assert item.name in item.desk.mount.errors()
    os.rename(scratch, item.file)
    assert not os.path.lexists(scratch) and not item.rejected.exists()
    item.check_saved()


# The connection

@pytest.mark.sanitize
@pytest.mark.parametrize("point", POINTS)
def test_cut_rename(proxy, proxy_desk, point):
    item = proxy_desk.config_map(key="one")
    text = changed(item)
    scratch = scratch_of(item.file, text)
    proxy.rule = proxy.once("PUT", point)
    code, took = timed(os.rename, scratch, item.file)
    assert took < SECONDS + SLACK
    check_renamed(item, scratch, text, code)
    if point in ("after", "half answer"):
        assert item.stored_writes() == ["update"], "the server has it"


@pytest.mark.parametrize("point", POINTS)
def test_cut_rename_of_a_new_object(proxy, proxy_desk, point):
    """mv, as a user has it, which asks for RENAME_NOREPLACE first."""
    file = new_file(proxy_desk)
    name = file.name.removesuffix(".yaml")
    scratch = scratch_of(file, manifest())
    proxy.rule = proxy.once("POST", point)
    began = time.monotonic()
    done = subprocess.run(["mv", scratch, file], capture_output=True, text=True, check=False)
    assert time.monotonic() - began < SECONDS + SLACK
    path = f"/api/v1/namespaces/{proxy_desk.namespace}/configmaps/{name}"
    there = proxy_desk.cluster.exists(path)
    creations = [event["responseStatus"]["code"] for event in proxy_desk.audit.settle()
                 if event["verb"] == "create" and event.get("objectRef", {}).get("name") == name]
    assert creations.count(201) == int(there) and len(creations) <= 2
    if done.returncode == 0:
        assert there and not scratch.exists()
        assert file.read_text() == proxy_desk.find("configmaps", name).kubectl_text()
        return
    assert scratch.read_text() == manifest(), done.stderr
    rejected = file.with_name(f"{file.name}.rejected")
    assert without_comments(rejected.read_text()) == manifest()


@pytest.mark.parametrize("point", POINTS)
def test_cut_unlink(proxy, proxy_desk, point):
    """The answer is that of a dry run, which may be repeated; then the object is deleted, once."""
    item = proxy_desk.config_map(key="one")
    proxy.rule = proxy.once("DELETE", point, dry_run=True)
    began = time.monotonic()
    code = in_other("os.unlink(arguments[0])", item.file)
    assert time.monotonic() - began < SECONDS + SLACK
    if code != 0:
        assert code in UNKNOWN, os.strerror(code)
        assert item.file.exists() and item.exists() and item.sent() == []
        assert in_other("os.unlink(arguments[0])", item.file) == 0
    assert not item.file.exists()
    item.wait_removed()
    assert item.sent() == [("delete", 200)]


@pytest.mark.parametrize("point", POINTS)
def test_cut_mkdir(proxy, proxy_desk, point):
    name = proxy_desk.name(f"{proxy_desk.namespace}-cut")
    folder = proxy_desk.mount.path / "namespaces" / name
    proxy.rule = proxy.once("POST", point)
    try:
        code, took = timed(os.mkdir, folder)
        assert took < SECONDS + SLACK
        there = proxy_desk.cluster.exists(f"/api/v1/namespaces/{name}")
        assert code == 0 and there or code in UNKNOWN, os.strerror(code)
        proxy_desk.mount.wait_for(lambda: folder.is_dir() == there, "the directory says the same")
        if code != 0:
            assert outcome_of(os.mkdir, folder) == (errno.EEXIST if there else 0)
        creations = [event["responseStatus"]["code"] for event in proxy_desk.audit.settle() if event["verb"] == "create"
                     and event.get("objectRef", {}).get("resource") == "namespaces"
                     and event["objectRef"].get("name") == name]
        assert creations.count(201) == 1
    finally:
        proxy_desk.cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}


@pytest.mark.bounded(300)
def test_server_that_says_nothing(proxy, proxy_desk):
    """Each operation has a directory of its own, which only the kernel locks: elsewhere nobody waits."""
    silent, other = proxy_desk.config_map(key="one"), proxy_desk.config_map(key="one")
    swallowed = proxy_desk.create("secrets", {"apiVersion": "v1", "kind": "Secret", "stringData": {"key": "one"}})
    victim = proxy_desk.create("roles.rbac.authorization.k8s.io", dict(ROLE))
    name = proxy_desk.name(f"{proxy_desk.namespace}-slow")
    folder = proxy_desk.mount.path / "namespaces" / name
    text, secret = changed(silent), swallowed.text().replace("key: b25l", "key: dHdv")
    assert secret != swallowed.text()
    scratches = scratch_of(silent.file, text), scratch_of(swallowed.file, secret)
    other.text()
    left = {("PUT", silent.path): "silent", ("PUT", swallowed.path): "swallow", ("DELETE", victim.path): "silent",
            ("POST", "/api/v1/namespaces"): "swallow"}
    begun = threading.Semaphore(0)

    def rule(request):
        what = left.pop((request.method, request.path), None)
        if what:
            begun.release()
        return what

    proxy.rule = rule
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            began = time.monotonic()
            waiting = [pool.submit(timed, *call) for call in (
                (os.rename, scratches[0], silent.file), (os.rename, scratches[1], swallowed.file),
                (in_other_or_fail, victim.file), (os.mkdir, folder))]
            for _ in waiting:
                assert begun.acquire(timeout=60)
            check_others(other, other.text())
            over = any(future.done() for future in waiting)
            assert not over or time.monotonic() - began > SECONDS
            for future in waiting:
                code, took = future.result(60)
                assert code == errno.ETIMEDOUT, os.strerror(code)
                assert SECONDS - 1 < took < SECONDS + SLACK
        # What was not asked for in earnest is as it was, and what arrived is shown as it is.
        assert victim.file.exists() and victim.exists() and victim.sent() == []
        proxy_desk.mount.wait_for(folder.is_dir, "the namespace")
        assert failure_of(os.mkdir, folder) == errno.EEXIST
        for scratch, item, kept in zip(scratches, (silent, swallowed), (text, secret)):
            assert scratch.read_text() == kept
            item.desk.mount.wait_for(item.rejected.exists, "the text is kept")
            assert without_comments(item.rejected_text()) == kept
            assert "ETIMEDOUT" in comments(item.rejected_text())
        assert silent.sent() == [] and swallowed.stored_writes() == ["update"]
        for scratch, item in zip(scratches, (silent, swallowed)):
            item.desk.mount.wait_for(item.is_current, "the file is the object")
            os.rename(scratch, item.file)
            item.check_saved()
    finally:
        proxy_desk.cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def in_other_or_fail(file):
    code = in_other("os.unlink(arguments[0])", file)
    if code:
        raise OSError(code, "unlink")


def check_others(other, text):
    """Reading, listing elsewhere and attributes, beside a directory that the kernel has locked."""
    times = []
    for _ in range(20):
        began = time.monotonic()
        assert other.text() == text
        os.listdir(other.file.parent.parent)
        os.stat(other.file)
        times.append(time.monotonic() - began)
    # Who waited for the others would do so for seconds, each time.
    assert statistics.median(times) < 0.5 and max(times) < SECONDS / 2, f"{statistics.median(times)} {max(times)}"


# The server

@pytest.mark.bounded(400)
def test_killed_server(other_cluster, other_desk):
    """kill -9 before and while a name changes; afterwards the same can be done."""
    item, victim = other_desk.config_map(key="one"), other_desk.config_map(key="one")
    text = changed(item)
    scratch = scratch_of(item.file, text)
    folder = other_desk.mount.path / "namespaces" / f"{other_desk.namespace}-late"
    other_cluster.kill_apiserver()
    for call in (os.rename, scratch, item.file), (os.unlink, victim.file), (os.mkdir, folder):
        code, took = timed(*call)
        assert code in UNKNOWN, f"{call[0].__name__}: {os.strerror(code)}"
        assert took < SECONDS + SLACK
    other_desk.mount.wait_for(item.rejected.exists, "the text is kept")
    assert scratch.read_text() == text == without_comments(item.rejected_text())
    assert "key: one" in item.text() and victim.file.exists()
    other_cluster.start_apiserver()
    other_desk.mount.wait_for(lambda: not other_desk.mount.is_away(), "the server is back", 100)
    other_cluster.api.local.__dict__.clear()
    assert item.stored() == item.made and victim.exists()
    os.rename(scratch, item.file)
    item.check_saved()
    assert in_other("os.unlink(arguments[0])", victim.file) == 0
    other_desk.mount.wait_for(lambda: not victim.exists(), "it is deleted")
    os.mkdir(folder)
    other_desk.api("DELETE", f"/api/v1/namespaces/{folder.name}")

    item = other_desk.config_map(key="one")
    text = changed(item)
    scratch = scratch_of(item.file, text)
    with Webhook(other_cluster, other_desk.namespace, seconds=30) as webhook:
        webhook.hang()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            renaming = pool.submit(timed, os.rename, scratch, item.file)
            assert webhook.asked.wait(60)
            other_cluster.kill_apiserver()
            webhook.allow()
            webhook.go.set()
            other_cluster.start_apiserver()
            code, took = renaming.result(60)
        assert took < SECONDS + SLACK
        other_cluster.api.local.__dict__.clear()
        other_desk.mount.wait_for(lambda: not other_desk.mount.is_away(), "the server is back", 100)
        check_renamed(item, scratch, text, code)


# Removals that were answered before they were made

def test_removal_that_is_refused_in_earnest(cluster, desk):
    """What is said of a dry run need not be what is said of the removal: then the name comes back, with the reason."""
    item = desk.config_map(key="one")
    reason = f"kept for the auditors of {item.name}"
    with Webhook(cluster, desk.namespace) as webhook:
        webhook.refuse(403, reason, dry_runs=False)
        subprocess.run(["rm", item.file], check=True)
        desk.mount.wait_for(lambda: reason in desk.mount.errors(), "the reason is told")
        desk.mount.wait_for(item.file.exists, "the name is back")
        desk.mount.wait_for(lambda: item.file.name in desk.listing(), "it is listed")
        assert item.text() == item.kubectl_text() and item.stored() == item.made
        line = next(line for line in desk.mount.errors().splitlines() if reason in line)
        assert "EACCES" in line and f"{item.file.name}: not deleted" in line
        # Whoever looks first is told the same, and it can be saved and removed as ever.
        webhook.allow()
        item.forget_writes()
        desk.mount.wait_for(item.is_current, "the file is the object")
        in_other("save(arguments[0], arguments[1])", item.file, changed(item))
        item.check_saved()
        subprocess.run(["rm", item.file], check=True)
        desk.mount.wait_for(lambda: not item.exists(), "it is deleted")
    assert not item.file.exists()


def test_removal_is_made_before_the_mount_ends(cluster, mount, namespace):
    """One that waits for its process is sent at unmount, and the program ends only when it was answered."""
    cluster.kubectl("create", "configmap", "one", "-n", namespace)
    path = f"/api/v1/namespaces/{namespace}/configmaps/one"
    mounted = mount()
    process = start_other("os.unlink(arguments[0])\nprint(0, flush=True)\nos.read(0, 1)",
                          mounted.file("configmaps", "one", namespace))
    assert process.stdout.readline() == "0\n"
    mounted.stop()
    assert not cluster.exists(path)
    process.stdin.write("x")
    assert finish(process) == 0


def test_unmount_waits_for_a_removal(proxy, cluster, mount, namespace):
    proxy.reset()
    cluster.kubectl("create", "configmap", "one", "-n", namespace)
    path = f"/api/v1/namespaces/{namespace}/configmaps/one"
    mounted = mount(kubeconfig=proxy.kubeconfig)
    proxy.rule = proxy.once("DELETE", "hold")
    try:
        assert in_other("os.unlink(arguments[0])", mounted.file("configmaps", "one", namespace)) == 0
        assert proxy.held.wait(60)
        subprocess.run(["fusermount3", "-u", mounted.path], check=True)
        with pytest.raises(subprocess.TimeoutExpired):
            mounted.process.wait(0.5)
        assert cluster.exists(path)
    finally:
        proxy.go.set()
    mounted.check_end()
    assert not cluster.exists(path)
