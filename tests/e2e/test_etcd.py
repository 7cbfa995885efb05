"""Keys of a real etcd as files."""

import concurrent.futures
import datetime
import errno
import os
import random
import re
import shlex
import stat
import subprocess
import threading
import time

import pytest

import keys
from cluster import http_ok
from etcd_server import Etcd
from keys import GONE, Gateway, listed_paths, nasty_keys, nasty_value, path_of, settle, walk
from mounting import BINARY, Mount, MountError, environment
from relay import Relay
from terminal import Terminal

# A directory that is not watched shows what is new within LAYOUT_POLLED, and as long again for the kernel: 6 s, and the
# machine's own time; what nothing but the end of the kernel's longer time-outs told (LAYOUT_USE) would come later.
POLLED = 30


@pytest.fixture(scope="module")
def etcd():
    with Etcd() as made:
        made.gateway = Gateway(made.endpoints[0])
        yield made


@pytest.fixture
def gateway(etcd):
    etcd.gateway.clear()
    yield etcd.gateway


@pytest.fixture
def etcd_mount(etcd, tmp_path):
    """etcd_mount(*arguments, prefix="", source=...): a mount of the keys, ended and checked afterwards."""
    made = []

    def start(*arguments, prefix="", source=None, **options):
        folder = tmp_path / f"mount{len(made)}"
        folder.mkdir()
        mounted = Mount(None, folder, *arguments, source=source or etcd.url_of(0, prefix=prefix), **options)
        made.append(mounted)
        return mounted.start()

    yield start
    for mounted in reversed(made):
        mounted.stop()


def read(mount, key, prefix=b"", value=True):
    with open(os.path.join(os.fsencode(mount.path), path_of(key, prefix, value)), "rb") as opened:
        return opened.read()


def shows(mount, key, content, value=True):
    """Whether the key's file holds that, None: whether there is none."""
    try:
        return read(mount, key, value=value) == content
    except (FileNotFoundError, NotADirectoryError):
        return content is None


def stored_tree(gateway, prefix=b""):
    """What a walk should find now."""
    stored = gateway.all(prefix)
    wanted = {path: stored[key]["value"] for path, key in listed_paths(set(stored), prefix).items()}
    assert len(wanted) == len(stored)
    return wanted


def check_tree(mount, gateway, prefix=b""):
    wanted = stored_tree(gateway, prefix)
    found = walk(mount.path)
    assert found.keys() == wanted.keys()
    assert found == wanted


def settle_tree(mount, gateway, timeout=30):
    """The names that are left after a change, and what the kernel holds of them, follow in an order of their own."""
    settle(lambda: stored_tree(gateway) == walk(mount.path, GONE), "the tree", timeout)


# What is shown

@pytest.mark.sanitize
@pytest.mark.parametrize("seed", range(3))
def test_tree_is_what_etcd_has(etcd_mount, gateway, seed):
    chosen = random.Random(seed)
    for key in nasty_keys(seed, 400):
        gateway.put(key, nasty_value(chosen))
    check_tree(etcd_mount(), gateway)


@pytest.mark.parametrize("seed", range(2))
def test_escaped_path_always_resolves(etcd_mount, gateway, seed):
    stored = {key: key[::-1] for key in nasty_keys(100 + seed, 300)}
    for key, value in stored.items():
        gateway.put(key, value)
    mount = etcd_mount()
    paths = {path_of(key, value=True) for key in stored}
    assert len(paths) == len(stored)
    # Without a walk first, in no order.
    order = sorted(stored)
    random.Random(seed).shuffle(order)
    for key in order:
        assert read(mount, key) == stored[key]
    for path in paths:
        assert not os.path.lexists(os.path.join(os.fsencode(mount.path), path + b"%="))


@pytest.mark.parametrize("prefix", ["/", "/a", "/a/", "/%", "/.", "/none", "/a/b"])
def test_prefix_is_literal(etcd_mount, gateway, prefix):
    for key in nasty_keys(7, 300):
        gateway.put(key, key + b"!")
    check_tree(etcd_mount(prefix=prefix), gateway, prefix.encode())


@pytest.mark.sanitize
def test_registry_like(etcd_mount, gateway):
    for kind in range(30):
        for number in range(20):
            gateway.put(f"/registry/kind{kind}/default/object{number}".encode(), os.urandom(100))
    mount = etcd_mount()
    assert len(os.listdir(mount.path / "registry")) == 30
    # What is below is not read for that, nor for a file elsewhere.
    assert "\n  keys: 0\n" in mount.status()
    assert len(read(mount, b"/registry/kind7/default/object9")) == 100
    assert "\n  keys: 20\n" in mount.status()
    check_tree(mount, gateway)


@pytest.mark.bounded(600)
def test_big_directory(etcd_mount, gateway):
    count = 50000
    for first in range(0, count, 100):
        gateway("kv/txn", success=[{"request_put": {
            "key": keys.encode(f"/big/{number:08}".encode()), "value": keys.encode(b"v%d" % number)}}
            for number in range(first, first + 100)])
    mount = etcd_mount("-o", "ro")
    names = os.listdir(mount.path / "big")
    assert len(names) == count and len(set(names)) == count
    with os.scandir(mount.path / "big") as entries:
        assert sum(entry.stat().st_size for entry in entries) == sum(len(b"v%d" % number) for number in range(count))
    gateway.put(b"/big/zz", b"new")
    settle(lambda: shows(mount, b"/big/zz", b"new", value=False), "a new key")
    # The kernel is told of the listing by another thread than of the name.
    settle(lambda: len(os.listdir(mount.path / "big")) == count + 1, "its listing")


def test_attributes(etcd_mount, gateway):
    before = time.time()
    lease = gateway.lease(1000)
    gateway.put(b"/dir/key", b"one")
    created = gateway.all()[b"/dir/key"]
    mount = etcd_mount()
    file = mount.path / "dir" / "key"
    first = file.stat()
    assert stat.S_IMODE(first.st_mode) == 0o600 and first.st_size == 3
    assert before - 1 < first.st_mtime < time.time() + 1
    # While somebody looks, the directory is kept true.
    gateway.put(b"/dir/key", b"three", lease=str(lease))
    settle(lambda: file.read_bytes() == b"three", "the change")
    second = file.stat()
    assert second.st_ino == first.st_ino and second.st_size == 5 and second.st_mtime_ns > first.st_mtime_ns
    wanted = gateway.all()[b"/dir/key"]
    attributes = {name: os.getxattr(file, f"user.kubefs.{name}").decode()
                  for name in ("create_revision", "mod_revision", "version", "lease")}
    assert attributes == {"create_revision": created["mod_revision"], "mod_revision": wanted["mod_revision"],
                          "version": "2", "lease": str(lease)}
    assert os.listxattr(file) == []
    with pytest.raises(OSError) as failed:
        os.getxattr(file, "security.selinux")
    assert failed.value.errno == errno.EOPNOTSUPP


def test_inodes_differ(etcd_mount, gateway):
    for key in nasty_keys(3, 300):
        gateway.put(key, b"")
    mount = etcd_mount()
    seen = {}
    for folder, folders, files in os.walk(os.fsencode(mount.path)):
        for name in folders + files:
            path = os.path.join(folder, name)
            assert seen.setdefault(os.stat(path).st_ino, path) == path


def test_too_long_paths_are_reported(etcd_mount, gateway):
    fits = b"/" + b"/".join([b"x" * 200] * 30)[:4095 - 2] + b"yy"
    deep = b"/deep" + (b"/" + b"y" * 100) * 50
    gateway.put(fits, b"fits")
    gateway.put(deep, b"deep")
    gateway.put(b"/long/" + b"z" * 6000, b"one name")
    mount = etcd_mount()
    found = walk(mount.path)
    assert len(path_of(fits)) == 4095
    assert sorted(found.values()) == [b"fits"]
    lines = [line for line in mount.errors().splitlines() if "ENAMETOOLONG" in line]
    assert len(lines) == 2
    assert any("long/zzz" in line for line in lines) and any("deep/yyy" in line for line in lines)
    walk(mount.path)
    assert len([line for line in mount.errors().splitlines() if "ENAMETOOLONG" in line]) == 2


# What changes

@pytest.mark.sanitize
def test_changes_show(etcd_mount, gateway):
    gateway.put(b"/dir/a", b"1")
    mount = etcd_mount()
    folder = mount.path / "dir"
    assert os.listdir(folder) == ["a"]
    assert not (folder / "b").exists()
    gateway.put(b"/dir/b", b"2")
    settle(lambda: shows(mount, b"/dir/b", b"2", value=False) and sorted(os.listdir(folder)) == ["a", "b"], "a new key")
    for number in range(50):
        gateway.put(b"/dir/a", b"%d" % number * number)
        settle(lambda: shows(mount, b"/dir/a", b"%d" % number * number, value=False), "a change")
    gateway.delete(b"/dir/b")
    settle(lambda: shows(mount, b"/dir/b", None, value=False) and os.listdir(folder) == ["a"], "a deletion")


def test_open_file_stays_what_it_was(etcd_mount, gateway):
    gateway.put(b"/dir/a", b"old" * 100000)
    mount = etcd_mount()
    with open(mount.path / "dir" / "a", "rb") as opened:
        assert opened.read(3) == b"old"
        gateway.put(b"/dir/a", b"new")
        settle(lambda: shows(mount, b"/dir/a", b"new"), "the change")
        assert opened.read() == (b"old" * 100000)[3:]


@pytest.mark.sanitize
def test_key_becomes_a_directory_and_back(etcd_mount, gateway):
    gateway.put(b"/dir/a", b"key")
    gateway.put(b"/dir/other", b"")
    mount = etcd_mount()
    folder = mount.path / "dir"
    key = folder / "a"
    assert key.read_bytes() == b"key"
    assert (folder / "a%=").read_bytes() == b"key"
    inode = key.stat().st_ino
    gateway.put(b"/dir/a/below", b"below")
    settle(key.is_dir, "the directory")
    settle(lambda: sorted(os.listdir(folder)) == ["a", "a%=", "other"], "both names")
    assert (key / "below").read_bytes() == b"below"
    assert (folder / "a%=").read_bytes() == b"key" and (folder / "a%=").stat().st_ino == inode
    assert key.stat().st_ino != inode
    gateway.put(b"/dir/a", b"changed")
    settle(lambda: (folder / "a%=").read_bytes() == b"changed", "the key's change")
    gateway.delete(b"/dir/a/below")
    settle(key.is_file, "the key")
    settle(lambda: sorted(os.listdir(folder)) == ["a", "other"], "one name")
    assert key.read_bytes() == b"changed"
    gateway.put(b"/dir/a/below", b"again")
    gateway.delete(b"/dir/a")
    settle(lambda: key.is_dir() and not (folder / "a%=").exists(), "the directory alone")
    settle(lambda: sorted(os.listdir(folder)) == ["a", "other"], "its listing")
    # What is in it is another watch's news.
    settle(lambda: shows(mount, b"/dir/a/below", b"again"), "what is in it")
    settle_tree(mount, gateway)


def test_directories_come_and_go(etcd_mount, gateway):
    gateway.put(b"/top/one/key", b"1")
    mount = etcd_mount()
    top = mount.path / "top"
    assert os.listdir(top) == ["one"]
    gateway.put(b"/top/two/key", b"2")
    settle(lambda: sorted(os.listdir(top)) == ["one", "two"], "a new directory", POLLED)
    assert (top / "two" / "key").read_bytes() == b"2"
    gateway.delete(b"/top/one/key")
    settle(lambda: os.listdir(top) == ["two"], "a directory less", POLLED)
    settle(lambda: not (top / "one").exists(), "its name", POLLED)
    gateway.put(b"slashless", b"3")
    settle(lambda: sorted(os.listdir(mount.path)) == ["%.", "top"], "keys without a slash", POLLED)
    assert (mount.path / "%." / "slashless").read_bytes() == b"3"
    gateway.clear()
    settle(lambda: os.listdir(mount.path) == [], "nothing", POLLED)


@pytest.mark.sanitize
@pytest.mark.bounded(400)
@pytest.mark.parametrize("options", [(), ("-o", "without=no_open+no_opendir"), ("-o", "idle=1")])
def test_tree_after_much_change(etcd_mount, gateway, options):
    """Readers walk while keys come, change and go; in the end all is as etcd has it."""
    mount = etcd_mount(*options)
    stop = threading.Event()
    broken = []

    def look():
        while not stop.is_set():
            for folder, _, files in os.walk(os.fsencode(mount.path)):
                for name in files:
                    try:
                        with open(os.path.join(folder, name), "rb") as opened:
                            content = opened.read()
                            if content != content[:1] * len(content):
                                broken.append((folder, name, content))
                    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                        pass

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    chosen = random.Random(5)
    try:
        for _ in range(1000):
            key = b"/" + b"/".join(chosen.choice((b"a", b"b", b"c")) for _ in range(chosen.randrange(1, 4)))
            if chosen.random() < 0.6:
                gateway.put(key, bytes([chosen.randrange(256)]) * chosen.randrange(5000))
            else:
                gateway.delete(key)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not broken
    settle_tree(mount, gateway, POLLED)


# When etcd is away

def away_for(mount):
    """The seconds since which the status says so."""
    since = datetime.datetime.fromisoformat(re.search(r"\n  since: (\S+)Z\n", mount.status())[1] + "+00:00")
    return time.time() - since.timestamp()


@pytest.mark.sanitize
def test_restart_of_etcd(etcd_mount):
    with Etcd() as etcd:
        gateway = Gateway(etcd.endpoints[0])
        gateway.put(b"/dir/a", b"1")
        gateway.put(b"/never/read", b"2")
        mount = etcd_mount(source=etcd.url)
        assert read(mount, b"/dir/a") == b"1"
        etcd.kill(0)
        settle(mount.is_away, "the status says so", 30)
        assert read(mount, b"/dir/a") == b"1" and os.listdir(mount.path / "dir") == ["a"]
        # Nobody waits for it any more (HEALTH_PATIENCE_S).
        settle(lambda: away_for(mount) > 4, "it has been away for long")
        began = time.monotonic()
        with pytest.raises(OSError) as failed:
            os.listdir(mount.path / "never")
        assert failed.value.errno == errno.EHOSTDOWN and time.monotonic() - began < 5
        etcd.launch(0)
        etcd.wait_ready()
        gateway.put(b"/dir/a", b"3")
        gateway.put(b"/dir/b", b"4")
        settle(lambda: not mount.is_away(), "the status says so", 30)
        settle(lambda: shows(mount, b"/dir/a", b"3") and shows(mount, b"/dir/b", b"4"), "the changes", 30)
        assert (mount.path / "never" / "read").read_bytes() == b"2"


@pytest.mark.sanitize
def test_loads_at_a_time_share_no_connection(etcd_mount):
    """Without TLS libcurl 7.88 now and then loses what has come for one of them (client/http_setup.c)."""
    with Etcd(extra=("--unsafe-no-fsync", "--enable-grpc-gateway=false")) as etcd:
        port = int(etcd.url.rpartition(":")[2])
        for name in "abcde":
            etcd.ctl("put", f"/{name}/key", name)
        with Relay(port) as relay:
            mount = etcd_mount(source=f"etcd://127.0.0.1:{relay.url.rpartition(':')[2]}")
            assert sorted(os.listdir(mount.path)) == list("abcde") and os.listdir(mount.path / "a") == ["key"]
            before = relay.count
            etcd.pause(0)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                looks = [pool.submit(os.listdir, mount.path / name) for name in "bcde"]
                try:
                    # One of them has that of the first look. Later, each is tried again with a new one.
                    settle(lambda: relay.count >= before + 3, "connections", 10)
                finally:
                    etcd.resume(0)
                assert [look.result(60) for look in looks] == [["key"]] * 4


def test_compaction_while_away(etcd_mount):
    """What happened meanwhile can no longer be told, and is found by a reload."""
    with Etcd() as etcd:
        gateway = Gateway(etcd.endpoints[0])
        for number in range(20):
            gateway.put(b"/dir/%d" % number, b"old")
        mount = etcd_mount(source=etcd.url)
        assert len(walk(mount.path)) == 20
        mount.process.send_signal(19)
        etcd.kill(0)
        etcd.launch(0)
        etcd.wait_ready()
        for number in range(10):
            gateway.delete(b"/dir/%d" % number)
        gateway.put(b"/dir/11", b"new")
        gateway.put(b"/dir/20", b"new")
        gateway.compact(etcd.revision())
        mount.process.send_signal(18)
        settle(lambda: shows(mount, b"/dir/20", b"new"), "the new key", 60)
        # The names that are gone follow, at the end of what is read anew.
        settle_tree(mount, gateway, 60)
        assert len(walk(mount.path)) == 11


def test_restored_from_an_older_state(etcd_mount):
    """Revisions begin anew: nothing that was known may be taken for known."""
    with Etcd() as etcd:
        gateway = Gateway(etcd.endpoints[0])
        for number in range(50):
            gateway.put(b"/dir/%d" % (number % 10), b"first %d" % number)
        mount = etcd_mount(source=etcd.url)
        assert len(walk(mount.path)) == 10
        etcd.kill(0)
        etcd.erase(0)
        etcd.launch(0)
        etcd.wait_ready()
        gateway.put(b"/dir/1", b"second")
        gateway.put(b"/else", b"second")
        settle(lambda: shows(mount, b"/dir/1", b"second"), "the new value", 60)
        settle(lambda: shows(mount, b"/else", b"second"), "the new key", 60)
        settle_tree(mount, gateway, 60)
        assert len(walk(mount.path)) == 2


def test_interrupt_ends_waiting(etcd_mount):
    with Etcd() as etcd:
        gateway = Gateway(etcd.endpoints[0])
        gateway.put(b"/dir/a", b"1")
        mount = etcd_mount(source=etcd.url)
        etcd.pause(0)
        try:
            waiting = subprocess.Popen(["ls", mount.path / "dir"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            mount.wait_for(lambda: "parkedRequests: 1" in mount.status(), "ls waits")
            began = time.monotonic()
            waiting.send_signal(2)
            waiting.wait(60)
            # Etcd is given up after 18 s (client/etcd_pulse.h).
            assert time.monotonic() - began < 10
        finally:
            etcd.resume(0)


# What cannot be done

def test_nothing_can_be_changed(etcd_mount, gateway, etcd):
    gateway.put(b"/dir/a", b"1")
    folder = etcd_mount("-o", "ro").path / "dir"
    attempts = [
        lambda: (folder / "a").write_bytes(b"2"), lambda: (folder / "new").write_bytes(b"2"),
        lambda: (folder / "a").unlink(), lambda: (folder / "a").rename(folder / "b"), lambda: os.truncate(folder / "a", 0),
        lambda: (folder / "sub").mkdir(), lambda: folder.rmdir(), lambda: os.link(folder / "a", folder / "b"),
        lambda: os.symlink("a", folder / "b"), lambda: os.chmod(folder / "a", 0o600), lambda: os.utime(folder / "a"),
        lambda: os.setxattr(folder / "a", "user.x", b"y"), lambda: os.mkfifo(folder / "b"),
    ]
    for number, attempt in enumerate(attempts):
        with pytest.raises(OSError) as failed:
            attempt()
        assert (number, failed.value.errno) == (number, errno.EROFS)
    assert gateway.all().keys() == {b"/dir/a"} and gateway.all()[b"/dir/a"]["value"] == b"1"


def test_errors_of_the_command_line(etcd, tmp_path):
    def fails(*arguments, **variables):
        done = subprocess.run([BINARY, "-f", *arguments, tmp_path], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=120, env=environment(tmp_path, **variables),
                              start_new_session=True)
        assert done.returncode == 1 and done.stderr.startswith("kubefs: ") and done.stderr.count("\n") == 1
        return done.stderr

    assert "127.0.0.1:1" in fails("etcd://127.0.0.1:1")
    assert "etcds" in fails("--cacert", "/etc/ssl/certs/ca-certificates.crt", "etcd://127.0.0.1:1")
    assert "--user" in fails("--user", "me:secret", etcd.url) and "secret" not in fails("--user", "me:secret", etcd.url)
    assert "--password-file" in fails("--user", "me", etcd.url) and "no terminal" in fails("--user", "me", etcd.url)
    assert fails("etcd://", ETCDCTL_ENDPOINTS=etcd.endpoints[0])


def check_absent_name(mount, top, gateway):
    """What is not there at the top shows when it comes, also when the watch has ended that would have told."""
    gateway.put(b"/watched", b"")
    settle((top / "watched").exists, "the key")
    # The watch begins where the load ends, which is what shows the key.
    settle(lambda: "\n  watchedDirectories: 1\n" in mount.status(), "the watch")
    assert not (top / "late").exists()
    for _ in range(16):
        gateway.put(b"/below/big", os.urandom(250000))
    settle(lambda: "\n  watchedDirectories: 0\n" in mount.status(), "the end of the watch")
    assert not (top / "later").exists()
    gateway.put(b"/late", b"late")
    gateway.put(b"/later", b"later")
    settle(lambda: (top / "late").exists() and (top / "later").exists(), "the keys", POLLED)


def test_absent_name_at_the_mount_point(etcd_mount, gateway):
    mount = etcd_mount()
    check_absent_name(mount, mount.path, gateway)


@pytest.mark.parametrize("version", ["3.4", "3.5", "3.6"])
def test_versions(etcd_mount, version):
    with Etcd(version) as etcd:
        gateway = Gateway(etcd.endpoints[0])
        for key in nasty_keys(11, 150):
            gateway.put(key, key)
        mount = etcd_mount(source=etcd.url)
        check_tree(mount, gateway)
        gateway.put(b"/new/key", b"1")
        settle(lambda: shows(mount, b"/new/key", b"1"), "a new key", POLLED)
        gateway.put(b"/new/key", b"2")
        settle(lambda: shows(mount, b"/new/key", b"2"), "its change")


def test_tls_and_users(etcd_mount, tmp_path):
    with Etcd(tls=True, auth=True) as etcd:
        etcd.add_user("reader", "word", ("read", "/mine/"))
        etcd.ctl("put", "/mine/a", "1")
        etcd.ctl("put", "/others/b", "2")
        password = tmp_path / "password"
        password.write_text(etcd.password + "\n")
        files = ["--cacert", etcd.ca_file, "--cert", etcd.certificate, "--key", etcd.key]
        mount = etcd_mount(*files, "--user", "root", "--password-file", password, source=etcd.url)
        assert walk(mount.path) == {b"mine/a": b"1", b"others/b": b"2"}
        etcd.ctl("put", "/mine/a", "3")
        settle(lambda: read(mount, b"/mine/a") == b"3", "the change")
        variables = etcd.environment("reader", "word")
        mount = etcd_mount(source=etcd.url + "/mine/", environment=variables)
        assert walk(mount.path) == {b"a": b"3"}
        with pytest.raises(MountError, match="permission denied"):
            etcd_mount(source=etcd.url, environment=variables)
        check_prompt(tmp_path, [*files, "--user", "root", etcd.url], etcd.password)


def check_prompt(tmp_path, arguments, password):
    """The password is asked for and not shown; whatever happens, the terminal echoes afterwards."""
    folder = tmp_path / "prompt"
    folder.mkdir()
    command = f"{shlex.join(map(str, [BINARY, *arguments, folder]))}; echo status $?; stty -a"
    for answer, status in ((password, 0), ("wrong", 1), (None, 130)):
        with Terminal(["bash", "-c", f"trap 'echo interrupted' INT; {command}"], tmp_path) as terminal:
            terminal.wait_for("Password of root:")
            if answer is None:
                terminal.press("C-c")
            else:
                terminal.say(answer)
            terminal.wait_for(rf"status {status}\n", timeout=60)
            terminal.wait_for(r" echo\s")
            assert answer is None or answer not in terminal.screen()
    assert (folder / "mine/a").read_text() == "3"
    subprocess.run(["fusermount3", "-u", folder], check=True)


# Beside a cluster

@pytest.fixture(scope="module")
def registry(cluster):
    return Gateway(f"http://127.0.0.1:{cluster.etcd_port}")


def test_registry_of_a_control_plane(cluster, registry, mount):
    assert http_ok(cluster.etcd_port, "/readyz")
    mounted = mount("--endpoints", f"127.0.0.1:{cluster.etcd_port}")
    assert sorted(os.listdir(mounted.path)) == ["cluster", "etcd", "namespaces"]
    assert os.stat(mounted.path).st_nlink == 5
    # Leases and the like change all the time, and what other tests have made comes and goes: what was the same before
    # and after must be what is shown, and nothing that was there neither before nor after.
    deadline = time.monotonic() + 90
    while True:
        before = registry.all()
        found = walk(mounted.path / "etcd", GONE)
        after = registry.all()
        wanted = listed_paths(set(before))
        assert len(wanted) == len(before)
        steady = {path: before[key]["value"] for path, key in wanted.items() if before[key] == after.get(key)}
        wrong = [path for path, value in steady.items() if found.get(path) != value]
        wrong += found.keys() - wanted.keys() - listed_paths(set(after)).keys()
        # What came or went just before may not be seen yet.
        if not wrong:
            break
        assert time.monotonic() < deadline, wrong
    assert len(steady) > len(wanted) // 2


def test_object_shows_in_both_trees(cluster, registry, mount, namespace):
    mounted = mount(environment={"ETCDCTL_ENDPOINTS": f"127.0.0.1:{cluster.etcd_port}"})
    cluster.kubectl("create", "configmap", "both", "-n", namespace, "--from-literal=a=b")
    key = mounted.path / "etcd" / "registry" / "configmaps" / namespace / "both"
    settle(key.is_file, "the key", POLLED)
    assert key.read_bytes().startswith(b"k8s\0") and b"both" in key.read_bytes()
    # The API server's list comes from a cache, which is somewhat later.
    settle(mounted.file("configmaps", "both", namespace).is_file, "the object")
    with pytest.raises(OSError) as failed:
        key.unlink()
    assert failed.value.errno == errno.EROFS
    with pytest.raises(OSError) as failed:
        os.rename(mounted.file("configmaps", "both", namespace), key)
    # mv copies then, which fails as this does.
    assert failed.value.errno == errno.EXDEV
    with pytest.raises(OSError) as failed:
        key.write_bytes(b"raw")
    assert failed.value.errno == errno.EROFS
    # The rest of the tree can be written.
    mounted.file("configmaps", "both", namespace).unlink()
    settle(lambda: not key.exists(), "the key's end", POLLED)


def test_absent_name_beside_a_cluster(etcd, gateway, mount):
    mounted = mount("--endpoints", etcd.endpoints[0])
    check_absent_name(mounted, mounted.path / "etcd", gateway)


def test_unreachable_etcd_costs_only_itself(cluster, mount):
    mounted = mount("--endpoints", "127.0.0.1:1")
    assert "default" in os.listdir(mounted.path / "namespaces")
    with pytest.raises(OSError):
        os.listdir(mounted.path / "etcd")
    assert "127.0.0.1:1" in mounted.errors()
    settle(lambda: "\n  state: away\n" in mounted.status().split("etcd:")[1], "the status says so")
