"""What editors leave beside a file, what attributes say, and switches that keep the cluster safe."""

import calendar
import contextlib
import errno
import json
import os
import shutil
import stat
import subprocess
import textwrap
import time

import pytest

from editing import Desk, changed, create, failure_of, manifest, new_file, open_to_write, save, without_comments


@pytest.fixture
def item(desk):
    return desk.config_map(key="one", other="first")


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


# Scratch files

SCRATCH = [".{}.swp", ".{}.swo", ".{}.swpx", "4913", "{}~", "#{}#", ".#{}", "sedAb12Cd", ".{}.Xy12Zw", "{}___jb_tmp___",
           "{}___jb_old___", ".DS_Store", "._{}", ".goutputstream-AB12CD", ".{}.un~", ".nfs000001", "{}.tmp"]


@pytest.mark.sanitize
@pytest.mark.parametrize("pattern", SCRATCH)
def test_scratch_files(item, pattern):
    file = item.file.with_name(pattern.format(item.file.name))
    since = len(item.desk.audit.settle())
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
    assert item.desk.writes(since) == []
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
        # A draft may need room as well; a whole file less is enough, beside the one that did not fit.
        for file in files[-2:]:
            file.unlink(missing_ok=True)
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
            mounted.wait_for(lambda: not cluster.exists(path), "it is deleted")
        else:
            assert cluster.exists(path)


def test_views_are_updates(cluster, mount, namespace):
    """What may not be updated is not updated by renaming onto a view of it, either."""
    cluster.kubectl("create", "deployment", "one", "-n", namespace, "--image=none", "--replicas=0")
    mounted = mount("-o", "deny=/update")
    views = mounted.resource("deployments.apps", namespace) / "one@"
    assert (views / "scale").read_text() == "0\n"
    scratch = views / "scratch"
    create(scratch, "1\n")
    assert failure_of(os.rename, scratch, views / "scale") == errno.EACCES
    assert failure_of(save, views / "scale", "1\n") == errno.EACCES
    spec = cluster.api("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/one")["spec"]
    assert spec["replicas"] == 0


def test_contexts_have_switches_of_their_own(cluster, mount, namespace, tmp_path):
    """Two contexts of one cluster: one is read-only, one only tries."""
    cluster.kubectl("create", "configmap", "one", "-n", namespace, "--from-literal=key=one")
    config = tmp_path / "contexts.kubeconfig"
    shutil.copy(cluster.kubeconfig, config)
    kubectl = [cluster.bin / "kubectl", "--kubeconfig", config, "config"]
    view = json.loads(subprocess.run([*kubectl, "view", "-o", "json"], check=True, capture_output=True).stdout)
    user, server = (view["contexts"][0]["context"][what] for what in ("user", "cluster"))
    for name in "fixed", "tried", "free":
        subprocess.run([*kubectl, "set-context", name, f"--cluster={server}", f"--user={user}"], check=True,
                       capture_output=True)
    mounted = mount("-o", "ro=fixed", "-o", "dry_run=tried", kubeconfig=config, source="fixed,tried,free")
    path = f"/api/v1/namespaces/{namespace}/configmaps/one"
    fixed, tried, free = (mounted.path / name / "namespaces" / namespace / "configmaps" / "one.yaml"
                          for name in ("fixed", "tried", "free"))
    text = fixed.read_text()
    for change in (lambda: save(fixed, text.replace("key: one", "key: two")), lambda: os.truncate(fixed, 3),
                   lambda: create(fixed.with_name("two.yaml"), manifest()), lambda: os.chmod(fixed, 0o600),
                   lambda: create(fixed.with_name(".one.yaml.swp"), "x"), lambda: os.mkdir(fixed.parents[2] / "new"),
                   lambda: os.rename(fixed, f"{fixed}~"), lambda: subprocess.run(["rm", "-f", fixed], check=True),
                   lambda: os.symlink("x", fixed.with_name(".#one.yaml"))):
        with pytest.raises((OSError, subprocess.CalledProcessError)) as failed:
            change()
        assert isinstance(failed.value, subprocess.CalledProcessError) or failed.value.errno == errno.EROFS
    save(tried, tried.read_text().replace("key: one", "key: two"))
    subprocess.run(["rm", tried], check=True)
    time.sleep(0.5)  # longer than the delay of a deletion
    assert cluster.api("GET", path)["data"] == {"key": "one"}
    mounted.wait_for(tried.exists, "it is there again")
    save(free, free.read_text().replace("key: one", "key: three"))
    assert cluster.api("GET", path)["data"] == {"key": "three"}
    mounted.wait_for(lambda: "key: three" in fixed.read_text(), "all show it")


def test_paths_that_cannot_be_written(desk):
    """What is the daemon's or a view is no place for files."""
    for place in (desk.mount.path, desk.mount.path / "namespaces", desk.mount.path / "cluster",
                  desk.mount.path / "namespaces" / desk.namespace, desk.mount.path / ".kubefs"):
        assert failure_of(create, place / "new.yaml", "x") in (errno.EPERM, errno.EACCES, errno.ENOENT, errno.EROFS)
    for name in ("status", "errors", "version"):
        assert failure_of(open_to_write, desk.mount.path / ".kubefs" / name) in (errno.EACCES, errno.EPERM, errno.EROFS)
        assert failure_of(os.unlink, desk.mount.path / ".kubefs" / name) in (errno.EACCES, errno.EPERM, errno.EROFS)
