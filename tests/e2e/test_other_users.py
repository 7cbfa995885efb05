"""With allow_other: what other users find of one user's scratch files, drafts and refused texts."""

import contextlib
import errno
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

import devices
from editing import failure_of, manifest, open_to_write, save, write_all
from mounting import BINARY, Mount, environment, require_tools, sanitizer_reports

NOBODY = 65534
CANARY = "canary-Qd41Lz"
# As somebody else: tries each thing and tells the errno, or what it got.
TRIES = """
import json, os, sys
folder = sys.argv[1]
os.chdir(folder)
def attempt(function, *arguments):
    try:
        return function(*arguments)
    except OSError as error:
        return error.errno
def read(name):
    with open(name) as file:
        return file.read()
def write(name, flags):
    os.close(os.open(name, flags, 0o666))
    return "done"
def done(function):
    return lambda *arguments: function(*arguments) or "done"
answers = {"list": sorted(os.listdir(".")), "again": sorted(entry.name for entry in os.scandir("."))}
for name in json.loads(sys.argv[2]):
    answers[name] = {
        "read": attempt(read, name),
        "write": attempt(write, name, os.O_WRONLY), "truncate": attempt(done(os.truncate), name, 0),
        "unlink": attempt(done(os.unlink), name), "rename": attempt(done(os.rename), name, name + ".stolen"),
        "chmod": attempt(done(os.chmod), name, 0o666), "link": attempt(done(os.link), name, ".stolen"),
    }
answers["create"] = [attempt(write, name, os.O_WRONLY | os.O_CREAT) for name in ("theirs.yaml", ".theirs.swp")]
answers["symlink"] = attempt(done(os.symlink), "x", ".#theirs")
answers["mkdir"] = attempt(done(os.mkdir), "../../theirs")
top = folder[:folder.index("/namespaces/")]
answers["control"] = [attempt(os.listdir, top + "/.kubefs"), *(attempt(read, f"{top}/.kubefs/{name}")
                                                               for name in ("status", "errors", "version"))]
print(json.dumps(answers))
"""


@pytest.fixture
def shared(cluster):
    """A mount that other users reach, in a folder that they may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="kubefs-shared-") as folder:
        os.chmod(folder, 0o755)
        with Mount(cluster.kubeconfig, folder, "-o", "allow_other") as mounted:
            yield mounted


def ask_as_nobody(folder, names):
    require_tools("setpriv")
    done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-c",
                           TRIES, folder, json.dumps(names)], capture_output=True, text=True, check=False, timeout=60,
                          cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_kept_out(answers, name, read):
    """Nothing can be done to it; read says what the mode lets others read."""
    got = answers[name]
    assert got.pop("read") == read, name
    for what, answer in got.items():
        assert answer in (errno.EPERM, errno.ENOENT, errno.EACCES), f"{name}: {what}: {answer}"


@pytest.mark.sanitize
def test_scratch_files_and_drafts_of_others(cluster, shared, namespace):
    """They are not listed, nothing can be done to them, and what is not saved yet cannot be read."""
    cluster.kubectl("create", "configmap", "one", "-n", namespace, "--from-literal=key=one")
    folder = shared.resource("configmaps", namespace)
    file = folder / "one.yaml"
    before = file.read_text()
    with contextlib.ExitStack() as stack:
        private, public = folder / ".one.yaml.swp", folder / "one.yaml~"
        for scratch, mode in (private, 0o600), (public, 0o644):
            scratch.write_text(CANARY)
            scratch.chmod(mode)
            stack.callback(scratch.unlink, missing_ok=True)
        rejected = folder / "one.yaml.rejected"
        assert failure_of(save, file, before.replace("key: one", f"bad key!: {CANARY}")) == errno.EINVAL
        stack.callback(rejected.unlink, missing_ok=True)
        # Open and not saved: of an object that is there, and of one that will be.
        drafts = [open_to_write(file), open_to_write(folder / "two.yaml", os.O_CREAT)]
        for draft in drafts:
            write_all(draft, f"# {CANARY}\n")
        assert {private.name, public.name, rejected.name, "two.yaml"} <= set(os.listdir(folder))

        answers = ask_as_nobody(str(folder), [private.name, public.name, rejected.name, "one.yaml", "two.yaml"])
        assert answers["list"] == answers["again"] == ["kube-root-ca.crt.yaml", "one.yaml"]
        check_kept_out(answers, private.name, errno.EACCES)
        # As any file whose owner lets others read it, for who knows its name.
        check_kept_out(answers, public.name, CANARY)
        check_kept_out(answers, "one.yaml", before)
        for name in "two.yaml", rejected.name:
            check_kept_out(answers, name, errno.EACCES)
        assert set(answers["create"]) == {errno.EACCES} and answers["symlink"] == errno.EACCES and answers["mkdir"] == errno.EACCES
        assert answers["control"] == [errno.EACCES] * 4

        # Whoever made them has lost nothing of it.
        assert {private.name, public.name, rejected.name, "two.yaml"} <= set(os.listdir(folder))
        assert private.read_text() == public.read_text() == CANARY and stat.S_IMODE(private.stat().st_mode) == 0o600
        for draft, text in zip(drafts, (before.replace("key: one", "key: two"), manifest(data={"key": "new"}))):
            os.ftruncate(draft, 0)
            os.lseek(draft, 0, os.SEEK_SET)
            write_all(draft, text)
            os.close(draft)
    for name, value in ("one", "two"), ("two", "new"):
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        assert cluster.api("GET", path)["data"] == {"key": value}


def test_secrets_of_others(cluster, shared, namespace):
    """Neither the object nor a backup, a draft or a refused text of it."""
    cluster.kubectl("create", "secret", "generic", "one", "-n", namespace, f"--from-literal=key={CANARY}")
    folder = shared.resource("secrets", namespace)
    file, backup, scratch = folder / "one.yaml", folder / "one.yaml~", folder / ".one.yaml.swp"
    text = file.read_text()
    os.rename(file, backup)
    scratch.write_text(text)
    scratch.chmod(0o644)
    assert failure_of(save, file, text.replace("  key:", "  bad key!:")) == errno.EINVAL
    draft = open_to_write(folder / "two.yaml", os.O_CREAT)
    write_all(draft, text)
    try:
        names = ["one.yaml", "one.json", backup.name, scratch.name, "one.yaml.rejected", "two.yaml"]
        answers = ask_as_nobody(str(folder), names)
        for name in names:
            check_kept_out(answers, name, errno.EACCES)
    finally:
        os.ftruncate(draft, 0)
        os.close(draft)
        for left in backup, scratch, folder / "one.yaml.rejected":
            left.unlink()


# Mounts as nobody for everybody, and asks as nobody, as another user and as root.
SHARE = """
printf 'user_allow_other\\n' >"$HOME/fuse.conf"
mount --bind "$HOME/fuse.conf" /etc/fuse.conf
cat >"$HOME/tries.py"
as() { id=$1; shift; setpriv --reuid="$id" --regid="$id" --clear-groups "$@"; }
as 65534 "$@"
daemon=$(pgrep -o -f "^$1 .*$HOME/mnt\\$")
trap 'kill "$daemon" 2>/dev/null || true' EXIT
folder="$HOME/mnt/namespaces/$NAMESPACE/configmaps"
as 65534 sh -euc 'printf %s mine >"$1/.one.yaml.swp"; chmod 600 "$1/.one.yaml.swp"' sh "$folder"
as 65534 ls -A "$folder" >"$HOME/listed.65534"
as 1234 "$PYTHON" "$HOME/tries.py" "$folder" '[".one.yaml.swp", "one.yaml"]' >"$HOME/answers"
ls -A "$folder" >"$HOME/listed.0"
as 65534 cat "$folder/.one.yaml.swp" >"$HOME/content"
as 65534 fusermount3 -u "$HOME/mnt"
tail --pid="$daemon" -f /dev/null
"""


def test_mount_of_an_ordinary_user(cluster, namespace):
    """Nor does root, who may read all, have the files of others listed."""
    require_tools("setpriv", "pgrep", "fusermount3")
    cluster.kubectl("create", "configmap", "one", "-n", namespace, "--from-literal=key=one")
    with tempfile.TemporaryDirectory(prefix="kubefs-shared-") as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        home = folder / "home"
        (home / "mnt").mkdir(parents=True)
        program, config = shutil.copy(BINARY, folder), shutil.copy(cluster.kubeconfig, home)
        for path in (home, home / "mnt", config):
            os.chown(path, NOBODY, NOBODY)
        done = devices.run(folder, SHARE, program, "--kubeconfig", config, "-o", "allow_other", home / "mnt", input=TRIES,
                           env=environment(home, NAMESPACE=namespace, PYTHON=sys.executable))
        assert not sanitizer_reports(home), sanitizer_reports(home)
        assert done.returncode == 0, done.stderr
        listed = {name: (home / f"listed.{name}").read_text().split() for name in ("65534", "0")}
        answers = json.loads((home / "answers").read_text())
        content = (home / "content").read_text()
    objects = ["kube-root-ca.crt.yaml", "one.yaml"]
    assert listed == {"65534": [".one.yaml.swp", *objects], "0": objects}
    assert answers["list"] == answers["again"] == objects and content == "mine"
    check_kept_out(answers, ".one.yaml.swp", errno.EACCES)
    assert set(answers["create"]) == {errno.EACCES} and answers["symlink"] == errno.EACCES and answers["mkdir"] == errno.EACCES
    assert answers["control"] == [errno.EACCES] * 4
