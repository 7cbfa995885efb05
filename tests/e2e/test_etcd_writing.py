"""Keys of a real etcd, written by real programs."""

import base64
import errno
import os
import stat
import subprocess
import threading
import time

import pytest

import keys
from etcd_server import Etcd
from keys import Gateway, settle
from mounting import Mount

# What is not watched may show so late, and as long again for the kernel: 6 s, and the machine's own time.
POLLED = 30
# What was removed stays for 10 s as a directory (kubefs/key_directories.h).
KEPT = 10


@pytest.fixture(scope="module", params=["3.6"])
def etcd(request):
    with Etcd(request.param) as made:
        made.gateway = Gateway(made.endpoints[0])
        yield made


@pytest.fixture(scope="module")
def shared(etcd, tmp_path_factory):
    # What shows a key is watched: new directories beside it are seen at once.
    etcd.gateway.put(b"/beside", b"")
    with Mount(None, tmp_path_factory.mktemp("writing"), source=etcd.url) as mount:
        yield mount


class Place:
    """A directory of keys of a test's own."""

    def __init__(self, mount, gateway, name):
        self.mount = mount
        self.gateway = gateway
        self.prefix = f"/{name}/"
        self.path = mount.path / name

    def key(self, name):
        return (self.prefix + name).encode() if isinstance(name, str) else self.prefix.encode() + name

    def put(self, name, value, **more):
        return self.gateway.put(self.key(name), value, **more)

    def delete(self, name):
        return self.gateway.delete(self.key(name))

    def stored(self):
        """{name: kv} of what is below."""
        return {key[len(self.prefix):].decode(): kv for key, kv in self.gateway.all(self.prefix.encode()).items()}

    def values(self):
        return {name: kv["value"] for name, kv in self.stored().items()}

    def errors(self):
        return (self.mount.path / ".kubefs" / "errors").read_text()


@pytest.fixture
def place(shared, etcd, request):
    made = Place(shared, etcd.gateway, request.node.name.replace("[", "-").replace("]", "").replace("/", "-"))
    made.put("first", b"one")
    settle(lambda: made.path.exists() and (made.path / "first").exists(), "the first key", POLLED)
    yield made
    etcd.gateway.delete(made.prefix.encode(), made.prefix.encode()[:-1] + b"0")


def fails(number, call, *arguments, **options):
    with pytest.raises(OSError) as failed:
        call(*arguments, **options)
    assert failed.value.errno == number, failed.value


def run(*arguments, **options):
    return subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, timeout=120,
                          check=False, **options)


# Saving

def test_save_is_exact_and_keeps_the_lease(place, etcd):
    lease = etcd.gateway.lease(1000)
    place.put("leased", b"old", lease=str(lease))
    file = place.path / "leased"
    settle(file.exists, "the key")
    value = bytes(range(256)) + b"\0\0end"
    file.write_bytes(value)
    kv = place.stored()["leased"]
    assert kv["value"] == value and int(kv["lease"]) == lease and int(kv["version"]) == 2
    # Without a wait for the watch.
    assert file.read_bytes() == value and file.stat().st_size == len(value)
    assert os.getxattr(file, "user.kubefs.mod_revision") == str(kv["mod_revision"]).encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and os.access(file, os.W_OK)
    with open(file, "r+b") as opened:
        opened.seek(3)
        opened.write(b"XYZ")
    assert place.values()["leased"] == value[:3] + b"XYZ" + value[6:]
    with open(file, "ab") as opened:
        opened.write(b"more")
    assert place.values()["leased"] == value[:3] + b"XYZ" + value[6:] + b"more"


def test_conflict_changes_nothing_and_keeps_the_text(place):
    file = place.path / "first"
    with open(file, "rb") as reading, open(file, "r+b") as opened:
        assert reading.read() == b"one"
        opened.write(b"mine\0raw")
        place.put("first", b"theirs")
        fails(errno.EBUSY, opened.close)
    assert place.values() == {"first": b"theirs"}
    settle(lambda: file.read_bytes() == b"theirs", "what others wrote")
    rejected = place.path / "first.rejected"
    assert rejected.read_bytes() == b"mine\0raw"
    assert b"meanwhile" in os.getxattr(file, "user.kubefs.error")
    assert "first: " in place.errors() and "EBUSY" in place.errors()
    assert "mine" not in place.errors()
    # Saved again: over what is there now.
    rejected.write_bytes(b"merged")
    assert place.values() == {"first": b"merged"}
    assert not rejected.exists()


def test_conflict_with_a_deletion(place):
    file = place.path / "first"
    with open(file, "r+b") as opened:
        opened.write(b"mine")
        place.delete("first")
        fails(errno.EBUSY, opened.close)
    assert place.values() == {}
    assert (place.path / "first.rejected").read_bytes() == b"mine"
    os.unlink(place.path / "first.rejected")


def test_base_is_what_the_process_has_read(place):
    """An editor opens the file anew to save it: what it has read before is its base."""
    file = place.path / "first"
    assert file.read_bytes() == b"one"
    place.put("first", b"theirs")
    settle(lambda: run("cat", file).stdout == "theirs", "what others wrote")
    fails(errno.EBUSY, file.write_bytes, b"two")
    assert place.values() == {"first": b"theirs"}
    assert file.read_bytes() == b"theirs"
    file.write_bytes(b"two")
    file.write_bytes(b"three")
    assert place.values() == {"first": b"three"}


def read_elsewhere(file, text):
    settle(lambda: run("cat", file).stdout == text, "what others wrote")


def test_base_is_what_a_thread_has_read(place):
    """One that is gone when another one of its process saves."""
    file = place.path / "first"
    thread = threading.Thread(target=file.read_bytes)
    thread.start()
    thread.join()
    place.put("first", b"theirs")
    read_elsewhere(file, "theirs")
    fails(errno.EBUSY, file.write_bytes, b"two")
    assert place.values() == {"first": b"theirs"}


def test_reading_to_write(place):
    """Who opens a key to read and write it has read it when it does, not by opening it."""
    file = place.path / "first"
    assert file.read_bytes() == b"one"
    place.put("first", b"theirs")
    read_elsewhere(file, "theirs")
    with open(file, "r+b", buffering=0) as opened:
        assert opened.read() == b"theirs"
        opened.write(b"+mine")
    assert place.values() == {"first": b"theirs+mine"}
    place.put("first", b"again")
    read_elsewhere(file, "again")
    with pytest.raises(OSError) as failed, open(file, "r+b", buffering=0) as opened:
        opened.write(b"AGAIN")
    assert failed.value.errno == errno.EBUSY
    assert place.values() == {"first": b"again"}


def test_own_changes_are_known(place):
    """What the process itself removed or renamed is no change of others."""
    file = place.path / "first"
    assert file.read_bytes() == b"one"
    os.unlink(file)
    settle(lambda: place.values() == {}, "the deletion")
    file.write_bytes(b"two")
    assert file.read_bytes() == b"two"
    os.rename(file, place.path / "second")
    file.write_bytes(b"three")
    assert file.read_bytes() == b"three"
    os.rename(place.path / "second", file)
    # Until the kernel was told of both names, an open to write can fail with ESTALE.
    read_elsewhere(file, "two")
    file.write_bytes(b"four")
    assert place.values() == {"first": b"four"}


def test_rename_over_what_has_changed(place):
    """Saving by renaming another key over it is held to what was read, too."""
    file, new = place.path / "first", place.path / "first.new"
    assert file.read_bytes() == b"one"
    new.write_bytes(b"two")
    place.put("first", b"theirs")
    read_elsewhere(file, "theirs")
    fails(errno.EBUSY, os.rename, new, file)
    assert place.values() == {"first": b"theirs", "first.new": b"two"}
    assert file.read_bytes() == b"theirs"
    os.rename(new, file)
    assert place.values() == {"first": b"two"}


def test_unchanged_is_not_sent(place):
    revision = place.stored()["first"]["mod_revision"]
    (place.path / "first").write_bytes(b"one")
    assert place.stored()["first"]["mod_revision"] == revision


def test_empty_values(place):
    file = place.path / "first"
    run("sh", "-c", f": > {file}")
    assert place.values() == {"first": b"one"}
    with open(file, "wb") as opened:
        os.fsync(opened.fileno())
    assert place.values() == {"first": b""}
    assert file.stat().st_size == 0
    file.write_bytes(b"two")
    os.truncate(file, 0)
    assert place.values() == {"first": b""}
    assert run("dd", "if=/dev/null", f"of={place.path}/new", "conv=fsync").returncode == 0
    assert place.values() == {"first": b"", "new": b""}


def test_shells(place):
    run("bash", "-c", f"{{ echo a; echo b; }} > {place.path}/new; cat {place.path}/new > {place.path}/copy")
    assert place.values() == {"first": b"one", "new": b"a\nb\n", "copy": b"a\nb\n"}
    assert {name: int(kv["version"]) for name, kv in place.stored().items()} == {"first": 1, "new": 1, "copy": 1}


def test_too_large(place):
    fails(errno.EFBIG, (place.path / "first").write_bytes, b"x" * (2 << 20))
    assert place.values() == {"first": b"one"}
    assert (place.path / "first.rejected").stat().st_size == 2 << 20
    big = os.urandom(300000)
    (place.path / "first").write_bytes(big)
    assert place.values() == {"first": big}


# Names that come and go

def test_create(place):
    new = place.path / "new"
    with open(new, "xb") as opened:
        opened.write(b"text")
        assert "new" not in place.values()
    assert place.values()["new"] == b"text" and new.read_bytes() == b"text"
    assert int(place.stored()["new"]["version"]) == 1
    fails(errno.EEXIST, open, new, "xb")
    with open(place.path / "late", "xb") as opened:
        opened.write(b"mine")
        place.put("late", b"theirs")
        fails(errno.EEXIST, opened.close)
    with open(place.path / "later", "wb") as opened:
        opened.write(b"mine")
        place.put("later", b"theirs")
        fails(errno.EBUSY, opened.close)
    assert place.values() == {"first": b"one", "new": b"text", "late": b"theirs", "later": b"theirs"}


def test_odd_names(place):
    (place.path / "a%25b").write_bytes(b"percent")
    (place.path / ".dot%=").write_bytes(b"dot")
    os.mkdir(place.path / "dir")
    (place.path / "dir" / "%-").write_bytes(b"trailing")
    (place.path / "dir%=").write_bytes(b"both")
    assert place.values() == {"first": b"one", "a%b": b"percent", ".dot": b"dot", "dir/": b"trailing", "dir": b"both"}
    fails(errno.EINVAL, (place.path / "a%b").write_bytes, b"no")
    assert sorted(os.listdir(place.path)) == [".dot", "a%25b", "dir", "dir%=", "first"]


def test_long_names(place):
    new = place.path / ("x" * 256)
    for call in (new.write_bytes, lambda _: os.mkdir(new), lambda _: os.rename(place.path / "first", new),
                 lambda _: os.link(place.path / "first", new), lambda _: os.symlink("first", new)):
        fails(errno.ENAMETOOLONG, call, b"")
    assert os.listdir(place.path) == ["first"] and place.values() == {"first": b"one"}


def test_unlink(place):
    fails(errno.ENOENT, os.unlink, place.path / "none")
    assert run("rm", place.path / "first").returncode == 0
    assert not (place.path / "first").exists()
    settle(lambda: place.values() == {}, "the deletion")


def test_unlink_of_what_has_changed(place):
    """What others made of it in the meantime stays."""
    for _ in range(20):
        os.unlink(place.path / "first")
        place.put("first", b"theirs")
        if int(place.stored()["first"]["version"]) > 1:
            break
        # It is deleted after 250 ms (kubefs/removal.h), and was before we came to it: once more.
        settle(lambda: (place.path / "first").exists(), "the key")
    settle(lambda: "first: not deleted" in place.errors(), "the refusal")
    assert place.values() == {"first": b"theirs"}
    settle(lambda: (place.path / "first").exists() and (place.path / "first").read_bytes() == b"theirs", "its return")


@pytest.mark.parametrize("program", ["mv", "tar"])
def test_replacing_is_an_update(place, etcd, tmp_path, program):
    lease = etcd.gateway.lease(1000)
    new = tmp_path / "first"
    # Who unlinks it has 250 ms to create it again (kubefs/removal.h), which a busy machine may not give.
    for _ in range(5):
        revision = place.put("first", b"one", lease=str(lease))
        created = place.stored()["first"]["create_revision"]
        # pylint: disable-next=cell-var-from-loop
        settle(lambda: os.getxattr(place.path / "first", "user.kubefs.mod_revision") == b"%d" % revision, "the key")
        new.write_bytes(b"new")
        if program == "mv":
            done = run("mv", new, place.path / "first")
        else:
            run("tar", "-C", tmp_path, "-cf", tmp_path / "x.tar", "first")
            done = run("tar", "-C", place.path, "-xf", tmp_path / "x.tar")
        assert done.returncode == 0, done
        time.sleep(0.5)
        kv = place.stored()["first"]
        assert kv["value"] == b"new"
        if kv["create_revision"] == created:
            break
    assert kv["create_revision"] == created and int(kv["lease"]) == lease


# Programs

def test_sed(place):
    created = place.stored()["first"]["create_revision"]
    done = run("sed", "-i", "s/one/two/", place.path / "first")
    assert done.returncode == 0, done.stderr
    assert place.values() == {"first": b"two"}
    assert place.stored()["first"]["create_revision"] == created
    assert run("cat", place.path / "first").stdout == "two"


VIM_OPTIONS = {"aside": "set writebackup backupcopy=no backupdir=.", "backup": "set backup backupcopy=no backupdir=.",
               "copy": "set writebackup backupcopy=yes backupdir=.", "plain": "set nofsync nowritebackup"}


@pytest.mark.parametrize("options", VIM_OPTIONS)
def test_vim(place, options):
    created = place.stored()["first"]["create_revision"]
    script = [VIM_OPTIONS[options], "%s/one/two/", "w", "%s/two/three/", "w"]
    done = run("vim", "-u", "NONE", "-i", "NONE", "-es", *(part for line in script for part in ("-c", line)), "-c", "qa!",
               place.path / "first", env={**os.environ, "TERM": "dumb"})
    assert done.returncode == 0, done
    assert place.values() == {"first": b"three\n"}
    assert place.stored()["first"]["create_revision"] == created


@pytest.mark.parametrize("options", VIM_OPTIONS)
def test_vim_conflict(place, options):
    """What others wrote since vim has read the file is not reverted by its save."""
    theirs = place.mount.path.parent / "theirs.sh"
    theirs.write_text(f"""#!/bin/sh
python3 -c 'import json, sys, urllib.request as u
u.urlopen(u.Request(sys.argv[1] + "/v3/kv/put", sys.argv[2].encode(), method="POST")).read()' \\
  {place.gateway.endpoint} '{{"key": "{keys.encode(place.key("first"))}", "value": "{keys.encode(b"theirs")}"}}'
# Until it shows.
for _ in $(seq 600); do
    [ "$(cat '{place.path / "first"}')" = theirs ] && exit
    sleep 0.1
done
""")
    theirs.chmod(0o755)
    # vim itself asks first: yes.
    script = [VIM_OPTIONS[options], "%s/one/two/", f"silent !{theirs}", "w!", "qa!"]
    done = run("vim", "-u", "NONE", "-i", "NONE", "-es", *(part for line in script for part in ("-c", line)), place.path / "first",
               env={**os.environ, "TERM": "dumb"}, input="y\n")
    assert place.values() == {"first": b"theirs"}, done
    assert (place.path / "first.rejected").read_bytes() == b"two\n"


@pytest.mark.bounded(400)
def test_cp_and_rsync(place, tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    for number in range(20):
        (tree / f"k{number}").write_bytes(os.urandom(100))
        (tree / "sub" / f"k{number}").write_bytes(os.urandom(100))
    wanted = {str(file.relative_to(tree)): file.read_bytes() for file in tree.rglob("*") if file.is_file()}
    done = run("cp", "-r", tree, place.path / "copied")
    assert done.returncode == 0, done.stderr
    values = place.values()
    assert {name[7:]: value for name, value in values.items() if name.startswith("copied/")} == wanted
    done = run("rsync", "-a", f"{tree}/", place.path / "synced")
    assert done.returncode == 0, done.stderr
    (tree / "k3").write_bytes(b"changed")
    (tree / "k4").unlink()
    done = run("rsync", "-a", "--delete", f"{tree}/", place.path / "synced")
    assert done.returncode == 0, done.stderr
    wanted["k3"] = b"changed"
    del wanted["k4"]
    settle(lambda: {name[7:]: value for name, value in place.values().items() if name.startswith("synced/")} == wanted,
           "what rsync made")
    done = run("diff", "-r", tree, place.path / "synced")
    assert done.returncode == 0, done.stdout


@pytest.mark.bounded(400)
def test_git(place, tmp_path):
    """A repository among the keys: many files that are created, renamed and read at once."""
    def git(*arguments, folder=place.path):
        done = run("git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments, cwd=folder, env={**os.environ, "HOME": str(tmp_path)})
        assert done.returncode == 0, done
        return done.stdout

    git("init", "-q")
    git("add", "first")
    git("commit", "-qm", "1")
    (place.path / "first").write_bytes(b"two")
    assert git("status", "--short") == " M first\n"
    git("commit", "-qam", "2")
    git("fsck")
    git("checkout", "-q", "HEAD~1")
    assert place.values()["first"] == b"one"
    git("clone", "-q", place.path, tmp_path / "clone", folder=tmp_path)
    assert (tmp_path / "clone" / "first").read_bytes() == b"one"
    assert f"EBUSY {place.path.name}/" not in place.errors()


def test_rm_r(place):
    for name in ("a/x", "a/y", "a/b/c/deep", "a/b/z", "b"):
        place.put(name, b"v")
    settle(lambda: (place.path / "a" / "b" / "c" / "deep").exists() and (place.path / "b").exists(), "the keys", POLLED)
    done = run("rm", "-r", place.path / "a")
    assert done.returncode == 0, done.stderr
    assert not (place.path / "a").exists()
    assert sorted(os.listdir(place.path)) == ["b", "first"]
    settle(lambda: place.values() == {"first": b"one", "b": b"v"}, "the deletions")
    assert sorted(os.listdir(place.path)) == ["b", "first"]


def test_directories(place):
    made = place.path / "made"
    os.mkdir(made)
    fails(errno.EEXIST, os.mkdir, made)
    assert os.listdir(made) == [] and "made" in os.listdir(place.path)
    assert place.values() == {"first": b"one"}
    os.rmdir(made)
    assert not made.exists() and "made" not in os.listdir(place.path)
    os.makedirs(made / "deeper")
    fails(errno.ENOTEMPTY, os.rmdir, made)
    (made / "deeper" / "key").write_bytes(b"v")
    assert place.values()["made/deeper/key"] == b"v"
    assert os.listdir(made) == ["deeper"]
    fails(errno.ENOTEMPTY, os.rmdir, made / "deeper")
    place.delete("made/deeper/key")
    settle(lambda: not made.exists(), "the end of a directory without keys", POLLED)


def test_way_to_what_is_kept(place):
    """Directories whose keys are gone lead to what is in memory alone."""
    place.put("a/b/c", b"one")
    place.put("a/b/d", b"one")
    file = place.path / "a" / "b" / "c"
    settle(file.exists, "the key", POLLED)
    with open(file, "r+b") as opened:
        opened.write(b"mine")
        place.delete("a/b/c")
        fails(errno.EBUSY, opened.close)
    place.delete("a/b/d")
    settle(lambda: os.listdir(file.parent) == ["c.rejected"], "the deletion", POLLED)
    place.put("a/z", b"")
    settle(lambda: sorted(os.listdir(place.path / "a")) == ["b", "z"], "another key", POLLED)
    place.delete("a/z")
    settle(lambda: os.listdir(place.path / "a") == ["b"], "its deletion", POLLED)
    time.sleep(1.5)
    assert (file.parent / "c.rejected").read_bytes() == b"mine"
    os.unlink(file.parent / "c.rejected")
    os.rmdir(place.path / "a" / "b")
    os.rmdir(place.path / "a")


def test_rmdir_upwards(place):
    place.put("a/b/c", b"one")
    settle((place.path / "a" / "b" / "c").exists, "the key", POLLED)
    began = time.monotonic()
    os.unlink(place.path / "a" / "b" / "c")
    settle(lambda: "a/b/c" not in place.values(), "the deletion")
    time.sleep(1.5)
    try:
        assert os.listdir(place.path / "a") == ["b"]
        os.rmdir(place.path / "a" / "b")
        os.rmdir(place.path / "a")
    except FileNotFoundError:
        assert time.monotonic() - began > KEPT
    settle(lambda: os.listdir(place.path) == ["first"], "the end of both", POLLED)


def test_key_of_a_directory_that_was_made(place):
    made = place.path / "made"
    os.makedirs(made / "deeper")
    with open(place.path / "made%=", "xb") as opened:
        opened.write(b"v")
        opened.flush()
        assert os.listdir(made) == ["deeper"]
    assert place.values() == {"first": b"one", "made": b"v"}
    place.delete("made")
    settle(lambda: made.is_dir() and os.listdir(made) == ["deeper"], "the directory")


def test_rename_of_a_key(place, etcd):
    lease = etcd.gateway.lease(1000)
    place.put("first", b"one", lease=str(lease))
    before = int(place.stored()["first"]["mod_revision"])
    settle(lambda: os.getxattr(place.path / "first", "user.kubefs.mod_revision") == b"%d" % before, "the key")
    os.mkdir(place.path / "dir")
    os.rename(place.path / "first", place.path / "dir" / "second")
    kv = place.stored()["dir/second"]
    assert list(place.stored()) == ["dir/second"] and kv["value"] == b"one" and int(kv["lease"]) == lease
    # One transaction.
    assert int(kv["mod_revision"]) == before + 1
    assert not (place.path / "first").exists() and (place.path / "dir" / "second").read_bytes() == b"one"
    (place.path / "other").write_bytes(b"other")
    os.rename(place.path / "dir" / "second", place.path / "other")
    assert place.values() == {"other": b"one"}
    assert (place.path / "other").read_bytes() == b"one"


def test_mv_of_a_directory(place):
    for name in ("a/x", "a/b/y"):
        place.put(name, name.encode())
    settle(lambda: (place.path / "a" / "b" / "y").exists(), "the keys", POLLED)
    fails(errno.EXDEV, os.rename, place.path / "a", place.path / "c")
    done = run("mv", place.path / "a", place.path / "c")
    assert done.returncode == 0, done.stderr
    settle(lambda: place.values() == {"first": b"one", "c/x": b"a/x", "c/b/y": b"a/b/y"}, "what mv made")
    assert not (place.path / "a").exists()


def test_scratch_files_stay_here(place):
    revision = place.gateway.put(b"/unrelated", b"")
    for name in (".first.swp", "first~", "#first#", ".first.Ab12cd", "sedAb12cd"):
        (place.path / name).write_bytes(b"scratch")
        assert (place.path / name).read_bytes() == b"scratch"
    os.rename(place.path / ".first.Ab12cd", place.path / "first")
    os.unlink(place.path / "first~")
    assert place.values() == {"first": b"scratch"}
    assert place.gateway.put(b"/unrelated", b"") == revision + 2
    for name in (".first.swp", "#first#", "sedAb12cd"):
        os.unlink(place.path / name)


# Safety

def test_registry_is_read_only(place, etcd):
    place.gateway.put(b"/registry/pods/default/web", b"k8s\0raw")
    place.put("protobuf", b"k8s\0raw")
    place.put("encrypted", b"k8s:enc:aescbc:v1:key1:x")
    place.put("custom", b'{"apiVersion":"example.com/v1"}')
    registry = place.mount.path / "registry" / "pods" / "default"
    settle(lambda: (registry / "web").exists() and (place.path / "custom").exists(), "the keys", POLLED)
    for file in (registry / "web", *(place.path / name for name in ("protobuf", "encrypted", "custom"))):
        assert stat.S_IMODE(file.stat().st_mode) == 0o400
        fails(errno.EROFS, file.write_bytes, b"x")
        fails(errno.EROFS, os.unlink, file)
        fails(errno.EROFS, os.rename, file, place.path / "stolen")
        assert not os.access(file, os.W_OK)
    fails(errno.EROFS, (registry / "new").write_bytes, b"x")
    fails(errno.EROFS, os.mkdir, registry / "new")
    fails(errno.EROFS, os.rename, place.path / "first", registry / "new")
    assert stat.S_IMODE(registry.stat().st_mode) == 0o500
    for path in (f"{place.path.name}/protobuf", "registry/pods/default/web", "registry/pods/default/new"):
        assert f" EROFS {path}: the key is a Kubernetes API server's" in place.errors()
    assert place.gateway.all(b"/registry/").keys() == {b"/registry/pods/default/web"}


def test_past_and_views_are_read_only(place):
    past = place.mount.path / ".revisions" / str(place.stored()["first"]["mod_revision"]) / place.path.name
    views = place.path / "first@"
    for folder, name in ((past, "first"), (views, "raw")):
        assert (folder / name).read_bytes() == b"one"
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o400
        fails(errno.EROFS, (folder / name).write_bytes, b"x")
        fails(errno.EROFS, os.truncate, folder / name, 0)
        fails(errno.EROFS, os.unlink, folder / name)
        fails(errno.EROFS, os.rename, folder / name, folder / "new")
        fails(errno.EROFS, os.rename, place.path / "first", folder / "new")
        fails(errno.EROFS, (folder / "new").write_bytes, b"x")
        fails(errno.EROFS, os.mkdir, folder / "new")
    assert "new: the past of the keys" in place.errors() and "first: can only be read" in place.errors()
    assert place.values() == {"first": b"one"}


def test_copy_of_the_past_is_the_way_back(place):
    past = place.mount.path / ".revisions" / str(place.stored()["first"]["mod_revision"]) / place.path.name / "first"
    (place.path / "first").write_bytes(b"two")
    assert run("cp", past, place.path / "first").returncode == 0
    assert place.values() == {"first": b"one"}


@pytest.mark.parametrize("option, number", [
    ("ro", errno.EROFS), ("dry_run", errno.EROFS), ("decode", errno.EROFS), ("deny=etcd", errno.EACCES), ("allow=configmaps", errno.EACCES),
    ("etcd_registry_write", 0), ("allow=etcd", 0)])
def test_switches(etcd, tmp_path, option, number):
    etcd.gateway.put(b"/switch/plain", b"v")
    etcd.gateway.put(b"/registry/x/y", b"k8s\0v")
    with Mount(None, tmp_path, "-o", option, source=etcd.url) as mount:
        for file in (mount.path / "switch" / "plain", mount.path / "switch" / "new"):
            if number:
                fails(number, file.write_bytes, b"new")
            else:
                file.write_bytes(b"new")
        if option == "etcd_registry_write":
            (mount.path / "registry" / "x" / "y").write_bytes(b"raw")
        if number:
            fails(number, os.unlink, mount.path / "switch" / "plain")
            # The mount as a whole is read-only where nothing else is in it.
            assert option in ("ro", "decode") or f"-o {option.partition('=')[0]}" in mount.errors()
    values = {key: kv["value"] for key, kv in etcd.gateway.all(b"/switch/").items()}
    etcd.gateway.delete(b"/switch/", b"/switch0")
    assert values == ({b"/switch/plain": b"v"} if number else {b"/switch/plain": b"new", b"/switch/new": b"new"})
    assert etcd.gateway.all(b"/registry/x/y")[b"/registry/x/y"]["value"] == (
        b"raw" if option == "etcd_registry_write" else b"k8s\0v")


# Trouble

def test_etcd_hangs_during_a_save(place, etcd):
    file = place.path / "first"
    outcome = []
    paused = threading.Event()

    def save():
        try:
            with open(file, "r+b") as opened:
                opened.write(b"two")
                etcd.pause(0)
                paused.set()
        except OSError as error:
            outcome.append(error.errno)

    thread = threading.Thread(target=save)
    thread.start()
    try:
        assert paused.wait(60)
        time.sleep(2)
        assert thread.is_alive()
    finally:
        etcd.resume(0)
    thread.join(60)
    # It arrived when etcd went on, and that is what close said.
    assert outcome == [] and place.values() == {"first": b"two"}


@pytest.mark.bounded(600)
def test_counter(place):
    """Read, compare, write by several at once, through the mount and beside it: nothing is lost."""
    each, file, failures = 40, place.path / "first", []
    place.put("first", b"0")
    settle(lambda: file.read_bytes() == b"0", "the counter")

    script = f"""
import errno, sys
done = 0
while done < {each}:
    with open({str(file)!r}, "rb") as opened:
        now = int(opened.read())
    try:
        with open({str(file)!r}, "wb") as opened:
            opened.write(b"%d" % (now + 1))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    else:
        done += 1
"""

    def beside():
        key = keys.encode(place.key("first"))
        done = 0
        while done < each:
            kv = place.gateway("kv/range", key=key)["kvs"][0]
            value = keys.encode(b"%d" % (int(base64.b64decode(kv["value"])) + 1))
            answer = place.gateway("kv/txn", compare=[{"key": key, "target": "MOD", "mod_revision": kv["mod_revision"]}],
                                   success=[{"request_put": {"key": key, "value": value}}])
            done += bool(answer.get("succeeded"))

    def guarded(call):
        try:
            call()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    writers = [subprocess.Popen(["python3", "-c", script]) for _ in range(3)]
    threads = [threading.Thread(target=guarded, args=(beside,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    for writer in writers:
        assert writer.wait(240) == 0
    assert failures == []
    assert place.values()["first"] == str(5 * each).encode()
    settle(lambda: file.read_bytes() == str(5 * each).encode(), "the sum")


@pytest.mark.parametrize("version", ["3.4", "3.5"])
def test_older_versions(version, tmp_path):
    with Etcd(version) as etcd:
        gateway = Gateway(etcd.endpoints[0])
        lease = gateway.lease(1000)
        gateway.put(b"/dir/a", b"one", lease=str(lease))
        with Mount(None, tmp_path, source=etcd.url) as mount:
            folder = mount.path / "dir"
            (folder / "a").write_bytes(b"two\0")
            (folder / "b").write_bytes(b"new")
            with open(folder / "b", "r+b") as opened:
                opened.write(b"mine")
                gateway.put(b"/dir/b", b"theirs")
                fails(errno.EBUSY, opened.close)
            fails(errno.EFBIG, (folder / "a").write_bytes, b"x" * (2 << 20))
            os.rename(folder / "a", folder / "c")
            stored = gateway.all()
            assert {key: kv["value"] for key, kv in stored.items()} == {b"/dir/b": b"theirs", b"/dir/c": b"two\0"}
            assert int(stored[b"/dir/c"]["lease"]) == lease
            for name in (folder / "b.rejected", folder / "a.rejected"):
                os.unlink(name)
            # What the mount does not know of would not be deleted.
            settle(lambda: (folder / "b").read_bytes() == b"theirs", "what others wrote")
            assert run("rm", "-r", folder).returncode == 0
            settle(lambda: gateway.all() == {}, "the deletions")


@pytest.mark.parametrize("version", ["3.4", "3.6"])
def test_no_room(version, tmp_path):
    with Etcd(version, extra=["--unsafe-no-fsync", "--quota-backend-bytes=2097152"]) as etcd:
        gateway = Gateway(etcd.endpoints[0])
        gateway.put(b"/dir/a", b"one")
        with Mount(None, tmp_path, source=etcd.url) as mount:
            file = mount.path / "dir" / "a"
            assert file.read_bytes() == b"one"
            outcome = None
            for number in range(100):
                try:
                    (mount.path / "dir" / f"k{number}").write_bytes(os.urandom(100000))
                except OSError as error:
                    outcome = error.errno
                    break
            assert outcome == errno.ENOSPC
            fails(errno.ENOSPC, file.write_bytes, b"two")
            assert file.read_bytes() == b"one" and gateway.all(b"/dir/a")[b"/dir/a"]["value"] == b"one"
            assert (mount.path / "dir" / "a.rejected").read_bytes() == b"two"
            # What makes room is let through.
            os.unlink(file)
            settle(lambda: gateway.all(b"/dir/a") == {}, "the deletion")


def test_permission(tmp_path):
    with Etcd(auth=True) as etcd:
        etcd.add_user("writer", "word", ("read", "/"), ("write", "/mine/"))
        etcd.ctl("put", "/mine/a", "1")
        etcd.ctl("put", "/others/b", "2")
        with Mount(None, tmp_path, source=etcd.url + "/", environment=etcd.environment("writer", "word")) as mount:
            (mount.path / "mine" / "a").write_bytes(b"3")
            fails(errno.EACCES, (mount.path / "others" / "b").write_bytes, b"4")
            assert (mount.path / "others" / "b").read_bytes() == b"2"
            assert etcd.ctl("get", "--print-value-only", "/mine/a") == "3\n"
            assert "others/b" in (mount.path / ".kubefs" / "errors").read_text()


def test_etcd_was_restored(tmp_path):
    """A revision that is given for the second time is not taken for what was read."""
    with Etcd() as etcd:
        gateway = Gateway(etcd.endpoints[0])
        before = gateway.put(b"/dir/a", b"one")
        with Mount(None, tmp_path, source=etcd.url) as mount:
            file = mount.path / "dir" / "a"
            with open(file, "r+b") as opened:
                opened.write(b"mine")
                etcd.kill(0)
                etcd.erase(0)
                etcd.launch(0)
                etcd.wait_ready()
                assert gateway.put(b"/dir/a", b"theirs") == before
                fails(errno.EBUSY, opened.close)
            assert gateway.all(b"/dir/a")[b"/dir/a"]["value"] == b"theirs"
            assert (mount.path / "dir" / "a.rejected").read_bytes() == b"mine"


def test_etcd_is_away(tmp_path):
    with Etcd() as etcd:
        etcd.ctl("put", "/dir/a", "1")
        with Mount(None, tmp_path, source=etcd.url) as mount:
            file = mount.path / "dir" / "a"
            assert file.read_bytes() == b"1"
            etcd.kill(0)
            fails(errno.EIO, file.write_bytes, b"2")
            assert (mount.path / "dir" / "a.rejected").read_bytes() == b"2"
            with pytest.raises(OSError):
                os.unlink(file)
            etcd.launch(0)
            etcd.wait_ready()
            os.rename(mount.path / "dir" / "a.rejected", file)
            assert etcd.ctl("get", "--print-value-only", "/dir/a") == "2\n"
