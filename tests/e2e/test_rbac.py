"""What a user may do decides what a mount shows, and nothing else."""

import errno
import json
import os
import re
import pathlib
import shutil
import stat
import subprocess
import tempfile
import time

import pytest

import devices
from cluster import ClusterError
from editing import save
from mounting import BINARY, environment, require_tools, sanitizer_reports
from relay import Relay


def rules(name, namespace, user, *rules):
    """A role and its binding, as YAML; cluster-wide without a namespace."""
    kind, place = ("Role", f", namespace: {namespace}") if namespace else ("ClusterRole", "")
    return f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata: {{name: {name}{place}}}
rules: [{", ".join(rules)}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}Binding
metadata: {{name: {name}{place}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]
---
"""


def rule(resources, verbs, names=""):
    named = f", resourceNames: [{names}]" if names else ""
    return f'{{apiGroups: ["*"], resources: [{resources}], verbs: [{verbs}]{named}}}'


pytestmark = pytest.mark.sanitize
EVERYTHING = rule('"*"', '"*"')
READING = "get, list, watch"


@pytest.fixture
def filled(cluster, namespace):
    """The namespace with two config maps and a secret."""
    cluster.kubectl("create", "configmap", "one", "-n", namespace, "--from-literal=key=first")
    cluster.kubectl("create", "configmap", "two", "-n", namespace, "--from-literal=key=first")
    cluster.kubectl("create", "secret", "generic", "hidden", "-n", namespace, "--from-literal=key=value")
    return namespace


@pytest.fixture
def user(cluster, namespace):
    """user(*documents): a kubeconfig of a new user, named as the namespace, with these roles."""
    def make(*documents):
        return cluster.add_user(namespace, rbac_yaml="".join(documents) or None, namespace=namespace)
    yield make
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", namespace, "--ignore-not-found")


def failure_of(function, *arguments):
    with pytest.raises(OSError) as caught:
        function(*arguments)
    return caught.value.errno


def change(cluster, namespace, name, text):
    cluster.kubectl("patch", "configmap", name, "-n", namespace, "--type=merge", "-p", f'{{"data":{{"key":"{text}"}}}}')


def permissions(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_one_namespace_only(cluster, mount, filled, user):
    kubeconfig = user(rules("all", filled, filled, EVERYTHING))
    mounted = mount("-o", "ro", kubeconfig=kubeconfig)
    assert os.listdir(mounted.path / "namespaces") == [filled]
    assert {"one.yaml", "two.yaml"} <= set(os.listdir(mounted.resource("configmaps", filled)))
    wanted = cluster.kubectl_bytes("get", "configmap", "one", "-n", filled, "-o", "yaml")
    assert mounted.file("configmaps", "one", filled).read_bytes() == wanted
    for name in os.listdir(mounted.path / "namespaces" / filled):
        # Other tests' resources come and go.
        if not name.endswith("example.com"):
            os.listdir(mounted.resource(name, filled))
    change(cluster, filled, "one", "second")
    mounted.wait_for(lambda: "second" in mounted.file("configmaps", "one", filled).read_text(), "the change")
    # Another namespace may be walked into, but has nothing to show.
    assert failure_of(os.listdir, mounted.resource("configmaps", "kube-system")) == errno.EACCES
    assert failure_of(os.stat, mounted.file("configmaps", "one", "kube-system")) == errno.EACCES
    assert failure_of(os.listdir, mounted.resource("nodes")) == errno.EACCES
    assert sorted(os.listdir(mounted.path / "namespaces")) == sorted({filled, "kube-system"})


@pytest.mark.parametrize("verbs", ["get", READING])
def test_named_objects_only(cluster, mount, filled, user, verbs):
    kubeconfig = user(rules("named", filled, filled, rule("configmaps", verbs, "one, later")))
    mounted = mount("-o", "ro", kubeconfig=kubeconfig)
    one = mounted.file("configmaps", "one", filled)
    assert one.read_bytes() == cluster.kubectl_bytes("get", "configmap", "one", "-n", filled, "-o", "yaml")
    change(cluster, filled, "one", "second")
    mounted.wait_for(lambda: "second" in one.read_text(), "the change")
    assert failure_of(os.listdir, mounted.resource("configmaps", filled)) == errno.EACCES
    assert failure_of(os.stat, mounted.file("configmaps", "two", filled)) == errno.EACCES
    later = mounted.file("configmaps", "later", filled)
    assert not later.exists()
    cluster.kubectl("create", "configmap", "later", "-n", filled)
    mounted.wait_for(later.exists, "a new object")
    cluster.kubectl("delete", "configmap", "later", "-n", filled)
    mounted.wait_for(lambda: not later.exists(), "its deletion")
    # A namespace that cannot be listed resolves, and is shown from then on.
    assert filled in os.listdir(mounted.path / "namespaces")


def test_no_secrets(cluster, mount, filled, user):
    """grep -r says which directory it could not read, goes on over the rest and ends with 2."""
    kubeconfig = user(rules("most", filled, filled, rule("configmaps, services, pods, serviceaccounts", READING)))
    mounted = mount("-o", "ro", kubeconfig=kubeconfig)
    top = mounted.path / "namespaces" / filled
    assert failure_of(os.listdir, top / "secrets") == errno.EACCES
    assert failure_of(open, top / "secrets" / "hidden.yaml") == errno.EACCES
    done = subprocess.run(["grep", "-r", "key: first", "configmaps", "secrets", "services", "serviceaccounts"], cwd=top,
                          capture_output=True, text=True, timeout=60, check=False)
    assert sorted(done.stdout.split("\n")[:-1]) == ["configmaps/one.yaml:  key: first", "configmaps/two.yaml:  key: first"]
    assert done.stderr.strip() == "grep: secrets: Permission denied"
    assert done.returncode == 2
    assert "EACCES" in mounted.errors() and "secrets" in mounted.errors()


def test_modes_follow_the_rules(cluster, mount, filled, user):
    kubeconfig = user(
        rules("readers", filled, filled, rule("configmaps, secrets", READING)),
        rules("writers", filled, filled, rule("secrets, services", f"{READING}, update, patch")))
    cluster.kubectl("create", "service", "clusterip", "web", "-n", filled, "--tcp=80")
    read_only = mount("-o", "ro", kubeconfig=kubeconfig)
    assert permissions(read_only.file("configmaps", "one", filled)) == 0o444
    assert permissions(read_only.file("secrets", "hidden", filled)) == 0o400
    assert permissions(read_only.file("secrets", "hidden", filled, "json")) == 0o400
    assert permissions(read_only.resource("configmaps", filled)) == 0o555
    writable = mount(kubeconfig=kubeconfig)
    one = writable.file("configmaps", "one", filled)
    writable.wait_for(lambda: permissions(one) == 0o444, "the rules")
    assert permissions(writable.file("secrets", "hidden", filled)) == 0o600
    assert permissions(writable.file("services", "web", filled)) == 0o644
    assert os.access(one, os.R_OK)
    # Who opens it all the same is told by the server, whose rules may be others by now.
    assert failure_of(save, one, one.read_text().replace("first", "other")) == errno.EACCES
    assert "first" in one.read_text()
    # Where root may do all, the answer to access(2) is the bits' all the same.
    for path, verb, wanted in (("secrets/hidden.yaml", "-w", 0), ("configmaps/one.yaml", "-x", 1), ("services", "-x", 0)):
        done = subprocess.run(["test", verb, path], cwd=writable.path / "namespaces" / filled, check=False, timeout=30)
        assert done.returncode == wanted, path


def test_modes_of_views_follow_rights_of_their_own(cluster, mount, filled, user):
    """Who may scale may not update."""
    cluster.kubectl("create", "deployment", "web", "-n", filled, "--image=web", "--replicas=0")
    mounted = mount(kubeconfig=user(
        rules("readers", filled, filled, rule("deployments, deployments/scale, deployments/status", READING)),
        rules("writers", filled, filled, rule("deployments/scale", "update"))))
    file = mounted.file("deployments.apps", "web", filled)
    views = file.with_name("web@")
    mounted.wait_for(lambda: permissions(file) == 0o444, "the rules")
    assert permissions(views / "status.yaml") == 0o444
    assert permissions(views / "scale") == 0o644
    assert not os.access(views / "status.yaml", os.W_OK)
    mounted.wait_for(lambda: "\n  observedGeneration: " in file.read_text(), "its controller saw it")
    changed = re.sub(r"(?m)^  observedGeneration: .*$", "  observedGeneration: 7", file.read_text())
    assert failure_of(save, views / "status.yaml", changed) == errno.EACCES
    save(views / "scale", "1\n")


# Mounts as nobody, asks access(2) as nobody, and waits for the end.
ACCESS = """
cat >"$HOME/access.py"
exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -euc '
"$@"
daemon=$(pgrep -o -f "^$1 .*$HOME/mnt\\$")
python3 "$HOME/access.py" "$HOME/mnt" || status=$?
fusermount3 -u "$HOME/mnt"
tail --pid="$daemon" -f /dev/null
exit ${status-0}
' sh "$@"
"""
ASK = """
import json, os, sys, time
top = sys.argv[1] + "/namespaces/" + os.environ["NAMESPACE"]
def may(path):
    return "".join(letter for letter, flag in (("r", os.R_OK), ("w", os.W_OK), ("x", os.X_OK))
                   if os.access(f"{top}/{path}", flag))
# What the server allows is taken for everything until it has said so.
deadline = time.monotonic() + 60
while "w" in may("configmaps/one.yaml") and time.monotonic() < deadline:
    time.sleep(0.05)
paths = ["configmaps", "configmaps/one.yaml", "configmaps/one.json", "secrets/hidden.yaml", "services/web.yaml", "pods"]
print(json.dumps({path: may(path) for path in paths} | {".kubefs": may("../../.kubefs/status")}))
"""


@pytest.mark.parametrize("options, writable, directory", [
    ([], "rw", "rwx"), (["-o", "default_permissions"], "rw", "rwx"), (["-o", "ro"], "r", "rx")], ids=["rw", "kernel", "ro"])
def test_access_as_an_ordinary_user(cluster, filled, user, options, writable, directory):
    """Who is not root is answered as the rules say, by us or by the kernel (default_permissions)."""
    require_tools("setpriv", "pgrep", "fusermount3")
    kubeconfig = user(rules("readers", filled, filled, rule("configmaps, secrets, pods", READING)),
                      rules("writers", filled, filled, rule("secrets, services", f"{READING}, update, patch")))
    cluster.kubectl("create", "service", "clusterip", "web", "-n", filled, "--tcp=80")
    with tempfile.TemporaryDirectory(prefix="kubefs-access-") as made:
        folder = pathlib.Path(made)
        folder.chmod(0o755)
        home = folder / "home"
        (home / "mnt").mkdir(parents=True)
        # Neither the build nor the cluster's folder is open to others.
        program = shutil.copy(BINARY, folder)
        config = shutil.copy(kubeconfig, home)
        for path in (home, home / "mnt", config):
            os.chown(path, 65534, 65534)
        done = devices.run(folder, ACCESS, program, "--kubeconfig", config, *options, home / "mnt", input=ASK,
                           env=environment(home, NAMESPACE=filled))
        assert not sanitizer_reports(home), sanitizer_reports(home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "configmaps": directory, "configmaps/one.yaml": "r", "configmaps/one.json": "r", "secrets/hidden.yaml": writable,
        "services/web.yaml": writable, "pods": directory, ".kubefs": "r"}


def test_impersonation(cluster, mount, filled, user):
    user(rules("all", filled, filled, rule("configmaps", READING)),
         f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: group, namespace: {filled}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: viewers-{filled}}}]
""")
    mounted = mount("-o", "ro", "--as", filled, "--namespace", filled)
    assert os.listdir(mounted.path / "namespaces") == [filled]
    assert "one.yaml" in os.listdir(mounted.resource("configmaps", filled))
    assert failure_of(os.listdir, mounted.resource("services", filled)) == errno.EACCES
    grouped = mount("-o", "ro", "--as", "somebody", f"--as-group=viewers-{filled}", "--as-group=others")
    assert "one.yaml" in os.listdir(grouped.resource("configmaps", filled))
    assert os.listdir(grouped.resource("services", filled)) == []
    assert failure_of(os.listdir, grouped.resource("secrets", filled)) == errno.EACCES


def test_rights_that_come(cluster, mount, filled, user):
    """A denied directory is asked for again."""
    kubeconfig = user()
    mounted = mount("-o", "ro", kubeconfig=kubeconfig)
    directory = mounted.resource("configmaps", filled)
    assert failure_of(os.listdir, directory) == errno.EACCES
    cluster.kubectl("apply", "-f", "-", input=rules("late", filled, filled, rule("configmaps", READING)))
    mounted.wait_for(lambda: can_list(directory), "the new right")
    assert "one.yaml" in os.listdir(directory)


@pytest.fixture
def relay(cluster):
    with Relay(cluster.port) as made:
        yield made


# Who may read what, and is it all objects or one by name.
GRANTS = {
    "cluster": lambda name: (rules(name, None, name, rule("configmaps", READING)), True),
    "namespace": lambda name: (rules(name, name, name, rule("configmaps", READING)), True),
    "named": lambda name: (rules(name, name, name, rule("configmaps", READING, "one")), False),
}


@pytest.mark.bounded(400)
@pytest.mark.parametrize("grant, options", [("cluster", []), ("namespace", ["-o", "ro"]), ("named", ["-o", "ro"])],
                         ids=GRANTS)
def test_rights_that_go_and_come_back(cluster, mount, filled, user, relay, grant, options):
    """What was read and may no more be read is EACCES from the next watch on; nobody hangs; rights given back heal.

    The server asks whether a watch is allowed when it begins, so this one is made to begin anew.
    """
    granted, whole = GRANTS[grant](filled)
    user(granted, rules("rest", filled, filled, rule("services", READING)))
    cluster.kubectl("create", "service", "clusterip", "web", "-n", filled, "--tcp=80")
    kubeconfig = relay.kubeconfig(cluster, filled, {"token": cluster.tokens[filled]})
    mounted = mount(*options, kubeconfig=kubeconfig)
    directory, one = mounted.resource("configmaps", filled), mounted.file("configmaps", "one", filled)
    web = mounted.file("services", "web", filled)
    assert b"key: first" in one.read_bytes() and b"first" in one.with_suffix(".json").read_bytes()
    assert bool(can_list(directory)) == whole
    assert b"name: web" in web.read_bytes()

    def may_read():
        try:
            return cluster.kubectl("get", "configmap", "one", "-n", filled, kubeconfig=kubeconfig)
        except ClusterError as error:
            assert "Forbidden" in str(error)
            return None

    with open(one) as held:
        cluster.kubectl("delete", "-f", "-", input=granted)
        cluster.wait_for(lambda: not may_read(), "the right is gone", 60)
        relay.cut()
        mounted.wait_for(lambda: denied(os.stat, one), "the object is denied")
        # Nor is it to be had by another name, or by what the kernel kept; and nothing of this takes long.
        began = time.monotonic()
        for function, path in ((os.listdir, directory), (pathlib.Path.read_bytes, one), (os.stat, directory / "two.yaml"),
                               (pathlib.Path.read_bytes, one.with_suffix(".json")),
                               (os.stat, mounted.resource("cm", filled) / "one.yaml")):
            # The kernel forgets one name after another.
            mounted.wait_for(lambda: denied(function, path), f"{path} is denied")
        done = subprocess.run(["grep", "-r", "key: first", "configmaps"], cwd=directory.parent, capture_output=True,
                              text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "grep: configmaps: Permission denied\n")
        assert time.monotonic() - began < 45
        assert "key: first" in held.read(), "who had it open keeps that version"
    assert "EACCES" in mounted.errors() and "configmaps" in mounted.errors()
    # What may still be read is, and stays true.
    cluster.kubectl("annotate", "service", "web", "-n", filled, "changed=yes")
    mounted.wait_for(lambda: "changed" in web.read_text(), "the change of what may be read")

    change(cluster, filled, "one", "meanwhile")
    cluster.kubectl("apply", "-f", "-", input=granted)
    mounted.wait_for(lambda: not denied(os.stat, one), "the right is back", 100)
    assert one.read_bytes() == cluster.kubectl_bytes("get", "configmap", "one", "-n", filled, "-o", "yaml")
    assert bool(can_list(directory)) == whole
    change(cluster, filled, "one", "afterwards")
    mounted.wait_for(lambda: "afterwards" in one.read_text(), "a change after that")


def denied(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return error.errno == errno.EACCES
    return False


def can_list(directory):
    try:
        return os.listdir(directory)
    except PermissionError:
        return None
