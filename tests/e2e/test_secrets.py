"""Tokens, passwords and what Secrets hold stand nowhere but where they belong."""

import base64
import contextlib
import itertools
import os
import pathlib
import stat
import sys
import tempfile

import pytest

import devices
from mounting import BINARY, MountError, environment, sanitizer_reports

TOKEN = "canary-token-Qe7Xr2"
WRONG = "canary-wrong-Jd93nB"
PASSWORD = "canary-password-Lw51cV"
VALUE = "canary-value-Zk4mP9"
PLUGIN = """#!{python}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
(here / "environment").write_text("\\0".join(f"{{k}}={{v}}" for k, v in os.environ.items()))
(here / "arguments").write_text(json.dumps(sys.argv))
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {{"token": (here / "token").read_text()}}}}))
"""


def spellings(text):
    """The text as it may stand somewhere: plain, or base64 in any of its three phases."""
    data = text.encode()
    yield data
    for phase in range(3):
        coded = base64.b64encode(b"x" * phase + data).rstrip(b"=")
        yield coded[(phase * 8 + 5) // 6:-2]


CANARIES = {spelling: text for text in (TOKEN, WRONG, PASSWORD, VALUE) for spelling in spellings(text)}


def canaries_in(data):
    return {text for spelling, text in CANARIES.items() if spelling in data}


def check_process(pid):
    """Neither the program nor a child of it shows anything to ps; the threads share their program's."""
    for file in ("cmdline", "environ", "comm"):
        assert not canaries_in(pathlib.Path(f"/proc/{pid}/{file}").read_bytes()), file
        for child in children(pid):
            # It may have ended.
            with contextlib.suppress(OSError):
                assert not canaries_in(pathlib.Path(f"/proc/{child}/{file}").read_bytes()), file
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def open_files(pid):
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        # They come and go.
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(link)


def check_files(folder, known):
    """No file that appeared in the mount's HOME or in /tmp, nor its log, holds a canary."""
    for file in itertools.chain(files_below(folder, folder / "mnt"), new_files(known)):
        # One of somebody else's in /tmp may be gone by now.
        with contextlib.suppress(FileNotFoundError):
            if file.is_file() and not file.is_symlink():
                assert not canaries_in(file.read_bytes()), file


def files_below(folder, leave_out):
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if pathlib.Path(place, name) != leave_out]
        yield from (pathlib.Path(place, name) for name in names)


def new_files(known):
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        for file in set(pathlib.Path(place).glob("*")) - known:
            if file.is_file():
                yield file


def files_now():
    return {file for place in ("/tmp", "/var/tmp", "/dev/shm") for file in pathlib.Path(place).glob("*")}


def check_said(mounted):
    for text in (mounted.log_text(), mounted.status(), mounted.errors()):
        assert not canaries_in(text.encode()), text
    assert not [file for file in open_files(mounted.pid) if file.endswith("(deleted)") and file.startswith("/tmp")]


def plugin(folder, token):
    folder.mkdir(exist_ok=True)
    file = folder / "plugin"
    file.write_text(PLUGIN.format(python=sys.executable))
    file.chmod(0o700)
    (folder / "token").write_text(token)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(file), "args": ["get"],
                     "interactiveMode": "Never"}}


def user_entry(kind, token, folder):
    if kind == "token":
        return {"token": token}
    if kind == "token file":
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(token)
        return {"tokenFile": str(folder / "token")}
    if kind == "exec plugin":
        return plugin(folder, token)
    return {"username": "somebody", "password": PASSWORD}


@pytest.fixture
def canary(cluster, namespace):
    """The namespace with a canary secret; the cluster knows TOKEN as that of an administrator."""
    cluster.kubectl("create", "secret", "generic", "canary", "-n", namespace, f"--from-literal=key={VALUE}")
    cluster.webhook.users[TOKEN] = {"username": "canary-user", "uid": "canary-user", "groups": ["system:masters"]}
    yield namespace
    cluster.webhook.users.pop(TOKEN, None)


@pytest.mark.parametrize("kind", ["token", "token file", "exec plugin"])
@pytest.mark.parametrize("arguments", [["-o", "ro"], ["--debug"]], ids=["ro", "rw debug"])
def test_no_trace(cluster, canary, mount, tmp_path, kind, arguments):
    known = files_now()
    config = cluster.write_kubeconfig(f"{canary}-canary", user_entry(kind, TOKEN, tmp_path / "plugin"))
    mounted = mount(*arguments, kubeconfig=config, log_level="debug")
    for form in ("yaml", "json"):
        file = mounted.file("secrets", "canary", canary, form)
        assert canaries_in(file.read_bytes()) == {VALUE}
        assert stat.S_IMODE(file.stat().st_mode) & 0o477 == 0o400
    # Its values are in its own files and in nothing else that the mount shows.
    for folder, _, names in os.walk(mounted.path / "namespaces" / canary):
        for name in names:
            if (os.path.basename(folder), name) != ("secrets", "canary.yaml"):
                with open(os.path.join(folder, name), "rb") as opened:
                    assert not canaries_in(opened.read()), f"{folder}/{name}"
    cluster.kubectl("annotate", "secret", "canary", "-n", canary, "changed=yes")
    mounted.wait_for(lambda: "changed" in mounted.file("secrets", "canary", canary).read_text(), "the change")
    check_process(mounted.pid)
    check_said(mounted)
    check_files(mounted.folder, known)
    if kind == "exec plugin":
        assert not canaries_in((tmp_path / "plugin" / "environment").read_bytes())
        assert not canaries_in((tmp_path / "plugin" / "arguments").read_bytes())


@pytest.mark.parametrize("kind", ["token", "token file", "exec plugin", "basic auth"])
def test_no_trace_of_a_refused_credential(cluster, mount, tmp_path, kind):
    """The error says so, and nothing of what was sent."""
    known = files_now()
    config = cluster.write_kubeconfig("refused", user_entry(kind, WRONG, tmp_path / "plugin"))
    try:
        mounted = mount("-o", "ro", kubeconfig=config)
    except MountError as error:
        # To a server that knows no passwords, somebody with one is anonymous.
        assert "401" in str(error) or "403" in str(error)
        assert not canaries_in(str(error).encode())
    else:
        with pytest.raises(PermissionError):
            os.listdir(mounted.resource("pods", "default"))
        check_process(mounted.pid)
        check_said(mounted)
    check_files(tmp_path / "mount0", known)


def test_no_trace_of_a_forbidden_request(cluster, canary, mount):
    known = files_now()
    token = f"{TOKEN}-of-nobody"
    cluster.webhook.users[token] = {"username": "nobody", "uid": "nobody", "groups": []}
    mounted = mount("-o", "ro", kubeconfig=cluster.write_kubeconfig(f"{canary}-canary", {"token": token}))
    with pytest.raises(PermissionError):
        os.listdir(mounted.resource("secrets", canary))
    with pytest.raises(PermissionError):
        mounted.file("secrets", "canary", canary).read_bytes()
    assert "EACCES" in mounted.errors()
    check_process(mounted.pid)
    check_said(mounted)
    check_files(mounted.folder, known)


def test_no_trace_when_tls_fails(cluster, mount, tmp_path):
    """Nothing is sent to a server whose certificate is wrong."""
    known = files_now()
    config = cluster.write_kubeconfig("wrong-name", {"token": TOKEN}, {"tls-server-name": "other.example"})
    with pytest.raises(MountError) as caught:
        mount("-o", "ro", kubeconfig=config)
    assert not canaries_in(str(caught.value).encode())
    check_files(tmp_path / "mount0", known)


# Reads a canary, what is there besides, what is not there and what is refused; then waits for the daemon's end.
READ_ALL = """
"$@" --syslog --log-level=debug -o ro "$MOUNT"
daemon=$(pgrep -o -f "^$1 .*$MOUNT\\$")
cat "$MOUNT/namespaces/$NAMESPACE/secrets/canary.yaml" "$MOUNT/namespaces/$NAMESPACE/secrets/canary.json" || true
grep -r nothing-of-this "$MOUNT/namespaces/$NAMESPACE" || true
ls "$MOUNT/namespaces/$NAMESPACE/secrets/nowhere.yaml" "$MOUNT/namespaces/kube-system/secrets" || true
cat "$MOUNT/.kubefs/errors"
fusermount3 -u "$MOUNT"
tail --pid="$daemon" -f /dev/null
"""


@pytest.fixture
def logged(cluster, namespace):
    """logged(user): what READ_ALL printed with a kubeconfig of that user, and what came to syslog meanwhile."""
    # The name of a socket has a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="kubefs-log-") as made:
        folder = pathlib.Path(made)
        (folder / "mnt").mkdir()

        def read(user):
            config = cluster.write_kubeconfig(f"{namespace}-logged", user)
            with devices.syslog(folder) as messages:
                done = devices.run(folder, READ_ALL, BINARY, "--kubeconfig", config,
                                   env=environment(folder, MOUNT=str(folder / "mnt"), NAMESPACE=namespace))
            assert not sanitizer_reports(folder), sanitizer_reports(folder)
            return done, messages
        yield read


@pytest.mark.parametrize("kind", ["token", "token file", "exec plugin"])
def test_no_trace_in_syslog(cluster, canary, logged, tmp_path, kind):
    """At the highest level, which names what was refused."""
    known = files_now()
    # Another token than an administrator's: the server remembers for ten seconds whose a token is.
    token, user = f"{TOKEN}-limited", "limited-user"
    cluster.webhook.users[token] = {"username": user, "uid": user, "groups": []}
    cluster.kubectl("create", "role", "canary", "-n", canary, "--verb=get,list,watch", "--resource=secrets,configmaps")
    cluster.kubectl("create", "rolebinding", "canary", "-n", canary, "--role=canary", f"--user={user}")
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": user, "resourceAttributes": {"namespace": canary, "verb": "list", "resource": "secrets"}}}
    # The authorizer learns of the binding a little later.
    cluster.wait_for(lambda: cluster.api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
                     ["status"]["allowed"], "the rights are there")
    done, messages = logged(user_entry(kind, token, tmp_path / "plugin"))
    assert done.returncode == 0, done.stderr
    assert canaries_in(done.stdout.encode()) == {VALUE}, done.stderr
    # A daemon's priorities: 24 and 7 for debugging, 4 for a warning.
    assert any(text.startswith(b"<31>") and b" kubefs[" in text for text in messages), messages
    assert any(text.startswith(b"<28>") and b"EACCES" in text and b"secrets" in text for text in messages), messages
    assert not [text for text in messages if canaries_in(text)]
    assert not canaries_in(done.stderr.encode())
    check_files(tmp_path / "nothing", known)


def test_status_and_errors_are_the_owners(cluster, mount):
    mounted = mount("-o", "ro")
    assert stat.S_IMODE((mounted.path / ".kubefs").stat().st_mode) == 0o500
    for name in ("status", "errors", "version"):
        assert stat.S_IMODE((mounted.path / ".kubefs" / name).stat().st_mode) == 0o400


def test_spellings_are_found():
    """The search itself finds what it looks for, as a Secret holds it, too."""
    for text in (TOKEN, WRONG, PASSWORD, VALUE):
        for prefix in ("", "a", "ab"):
            assert canaries_in(base64.b64encode((prefix + text).encode())) == {text}
    assert not canaries_in(b"nothing here")
