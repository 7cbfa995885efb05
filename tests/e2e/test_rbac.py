"""What a user may do decides what a mount shows, and nothing else."""

import errno
import os
import stat
import subprocess

import pytest


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
    failed = [name for name in os.listdir(mounted.path / "namespaces" / filled)
              if not isinstance(os.listdir(mounted.resource(name, filled)), list)]
    assert not failed
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
    assert failure_of(open, one, "r+") in (errno.EACCES, errno.EROFS)
    # Where root may do all, the answer to access(2) is the bits' all the same.
    for path, verb, wanted in (("secrets/hidden.yaml", "-w", 0), ("configmaps/one.yaml", "-x", 1), ("services", "-x", 0)):
        done = subprocess.run(["test", verb, path], cwd=writable.path / "namespaces" / filled, check=False, timeout=30)
        assert done.returncode == wanted, path


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


def test_rights_that_come_and_go(cluster, mount, filled, user):
    """A denied directory is asked for again, and what is denied later is not shown for ever."""
    kubeconfig = user()
    mounted = mount("-o", "ro", kubeconfig=kubeconfig)
    directory = mounted.resource("configmaps", filled)
    assert failure_of(os.listdir, directory) == errno.EACCES
    cluster.kubectl("apply", "-f", "-", input=rules("late", filled, filled, rule("configmaps", READING)))
    mounted.wait_for(lambda: can_list(directory), "the new right")
    assert "one.yaml" in os.listdir(directory)


def can_list(directory):
    try:
        return os.listdir(directory)
    except PermissionError:
        return None
