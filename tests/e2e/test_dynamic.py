"""Resources, namespaces and whole APIs that come and go while mounted; what cannot be watched; what is idle."""

import contextlib
import os
import subprocess
import time

import pytest

from aggregated import Aggregated
from api import ApiError

pytestmark = pytest.mark.sanitize
BOTH = pytest.mark.parametrize("options", [["-o", "ro"], []], ids=["ro", "rw"])


def config_map(name, namespace, text="x"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace},
            "data": {"text": text}}


def definition(plural, group="dynamic.example.com", scope="Namespaced", short=()):
    kind = plural[:-1].capitalize()
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope,
                 "names": {"plural": plural, "singular": plural[:-1], "kind": kind, "shortNames": list(short)},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                     "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def establish(cluster, item):
    cluster.api.create(item)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=90s", "crd", item["metadata"]["name"])


def create_soon(cluster, group, plural, item):
    """An established definition is served somewhat later."""
    namespace = item["metadata"].get("namespace")
    path = f"/apis/{group}/v1/" + (f"namespaces/{namespace}/" if namespace else "") + plural

    def create():
        try:
            return cluster.api("POST", path, item)
        except ApiError as error:
            assert error.status == 404, error
            return None
    return cluster.wait_for(create, "the definition is served", 60)


def wait_cached(cluster, path, is_so):
    """Until the API server's cache, from which a first list comes, shows names like that: it is somewhat later."""
    cluster.wait_for(lambda: is_so({item["metadata"]["name"] for item in cluster.api("GET", path, resourceVersion="0")["items"]}),
                     f"{path} from the cache", 60)


def shows(file, text):
    """An API that is just back may refuse at first."""
    with contextlib.suppress(OSError):
        return text in file.read_text()
    return False


@BOTH
@pytest.mark.bounded(500)
def test_definitions_come_and_go(cluster, namespace, mount, options):
    mounted = mount(*options)
    group = "dynamic.example.com"
    gadget, tower = definition("gadgets", short=["gdt"]), definition("towers", scope="Cluster")
    inside, outside = mounted.path / "namespaces" / namespace, mounted.path / "cluster"
    names = [inside / name for name in (f"gadgets.{group}", "gadgets", "gadget", "gdt")]
    os.listdir(inside)
    for round in range(2):
        # Negative answers are cached first.
        for _ in range(2):
            assert not any(os.path.lexists(name) for name in names)
            assert not os.path.lexists(outside / f"towers.{group}")
            assert f"gadgets.{group}" not in os.listdir(inside)
        try:
            establish(cluster, gadget)
            establish(cluster, tower)
            for name in names:
                mounted.wait_for(lambda: os.path.lexists(name), f"{name.name} appears", 60)
            assert all(os.readlink(name) == f"gadgets.{group}" for name in names[1:])
            mounted.wait_for(lambda: f"gadgets.{group}" in os.listdir(inside), "it is listed")
            mounted.wait_for(lambda: f"towers.{group}" in os.listdir(outside), "the other is listed")
            assert f"towers.{group}" not in os.listdir(inside) and f"gadgets.{group}" not in os.listdir(outside)
            create_soon(cluster, group, "gadgets", {
                "apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": "one", "namespace": namespace},
                "round": round})
            create_soon(cluster, group, "towers", {
                "apiVersion": f"{group}/v1", "kind": "Tower", "metadata": {"name": "one"}, "round": round})
            for file in (names[0] / "one.yaml", inside / "gdt" / "one.yaml", outside / f"towers.{group}" / "one.yaml"):
                mounted.wait_for(lambda: shows(file, f"\nround: {round}\n"), str(file))
            mounted.wait_for(lambda: os.listdir(names[0]) == ["one.yaml"], "its listing")
        finally:
            cluster.api.delete(gadget)
            cluster.api.delete(tower)
        for name in [*names, names[0] / "one.yaml", outside / f"towers.{group}"]:
            mounted.wait_for(lambda: not os.path.lexists(name), f"{name.name} goes", 60)
        mounted.wait_for(lambda: f"gadgets.{group}" not in os.listdir(inside), "it is listed no more")
        mounted.wait_for(lambda: f"towers.{group}" not in os.listdir(outside), "nor the other")


def test_a_definition_changes_its_scope(cluster, namespace, mount):
    mounted = mount()
    inside, outside = mounted.path / "namespaces" / namespace, mounted.path / "cluster"
    for scope, there, absent in (("Namespaced", inside, outside), ("Cluster", outside, inside)):
        item = definition("shifts", "scope.example.com", scope)
        establish(cluster, item)
        try:
            mounted.wait_for((there / "shifts.scope.example.com").exists, f"it appears as {scope}", 60)
            mounted.wait_for(lambda: not (absent / "shifts.scope.example.com").exists(), "only there", 60)
        finally:
            cluster.api.delete(item)
            cluster.wait_for(lambda: not cluster.exists(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/shifts.scope.example.com"), "it is gone")


@pytest.mark.bounded(600)
def test_an_aggregated_api_comes_dies_and_goes(cluster, namespace, mount):
    mounted = mount()
    inside = mounted.path / "namespaces" / namespace
    gauges, slows = inside / "gauges.far.example.com", inside / "slows.far.example.com"
    for _ in range(2):
        assert not gauges.exists()
    with Aggregated(cluster, "far.example.com") as far:
        mounted.wait_for(gauges.exists, "its resources appear", 60)
        mounted.wait_for(lambda: "gauges.far.example.com" in os.listdir(inside), "they are listed")
        mounted.wait_for(lambda: shows(gauges / "one.yaml", "\nvalue: first\n"), "what is in one")
        mounted.wait_for(lambda: shows(slows / "one.yaml", "\nvalue: first\n"), "what is in the other")
        far.end()
        far.wait_available(False)
        # It costs only itself: nothing else fails or waits, and a new mount is not kept from coming.
        began = time.monotonic()
        cluster.api.create(config_map("one", namespace))
        mounted.wait_for(mounted.file("configmaps", "one", namespace).exists, "the rest goes on")
        other = mount("-o", "ro")
        assert set(os.listdir(other.path / "namespaces" / namespace)) >= {"configmaps", "pods", "deployments.apps"}
        other.wait_for(lambda: "one.yaml" in os.listdir(other.resource("configmaps", namespace)), "the object")
        done = subprocess.run(["grep", "-r", "text: x", inside / "configmaps", inside / "secrets", gauges],
                              capture_output=True, text=True, check=False, timeout=90)
        assert "configmaps/one.yaml" in done.stdout
        assert time.monotonic() - began < 90
        far.value = "second"
        far.serve()
        far.wait_available(True)
        mounted.wait_for(lambda: shows(gauges / "one.yaml", "\nvalue: second\n"), "it is back", 90)
        mounted.wait_for((other.path / gauges.relative_to(mounted.path)).exists, "on the new mount, too", 90)
    mounted.wait_for(lambda: not gauges.exists(), "its resources go", 60)
    mounted.wait_for(lambda: "gauges.far.example.com" not in os.listdir(inside), "they are listed no more")


@BOTH
@pytest.mark.bounded(500)
def test_namespaces_come_and_go(cluster, mount, options):
    mounted = mount(*options)
    top = mounted.path / "namespaces"
    os.listdir(top)
    name = f"fleeting-{os.getpid()}"
    for _ in range(2):
        assert not (top / name).exists() and not (top / name / "configmaps" / "one.yaml").exists()
        cluster.kubectl("create", "namespace", name)
        mounted.wait_for((top / name).exists, "it appears")
        mounted.wait_for(lambda: name in os.listdir(top), "it is listed")
        cluster.api.create(config_map("one", name))
        mounted.wait_for((top / name / "configmaps" / "one.yaml").exists, "what is in it")
        mounted.wait_for(mounted.file("namespaces", name).exists, "its object")
        assert os.listdir(top / name / "configmaps")
        cluster.kubectl("delete", "namespace", name, timeout=170)
        mounted.wait_for(lambda: not (top / name).exists(), "it goes")
        mounted.wait_for(lambda: name not in os.listdir(top), "it is listed no more")


def test_what_cannot_be_watched_is_polled(cluster, namespace, mount):
    mounted = mount("-o", "ro")
    statuses = mounted.resource("componentstatuses")
    assert {"etcd-0.yaml", "scheduler.yaml"} <= set(os.listdir(statuses))
    assert "\nkind: ComponentStatus\n" in (statuses / "etcd-0.yaml").read_text()
    with Aggregated(cluster, "polled.example.com") as far:
        file = mounted.file("gauges.polled.example.com", "one", namespace)
        mounted.wait_for(file.exists, "it appears", 60)
        for value in ("second", "third"):
            far.value = value
            mounted.wait_for(lambda: f"\nvalue: {value}\n" in file.read_text(), "the new value", 60)
        assert file.stat().st_size == len(file.read_bytes())
        # When nobody looks, nobody asks, but for what is under way.
        time.sleep(2)
        count = len(far.requests)
        assert count < 100
        other = mount("-o", "ro")
        os.listdir(other.path / "namespaces" / namespace)
        assert [request for request in far.requests[count:] if request[0] == "gauges"] == []


def collection_states(mounted):
    states, resource = {}, None
    for line in mounted.status().splitlines():
        if line.startswith("  - resource: "):
            resource = line.removeprefix("  - resource: ")
        elif line.startswith("    state: "):
            states[resource] = line.removeprefix("    state: ")
    return states


@BOTH
@pytest.mark.bounded(700)
def test_idle_collections_stop_and_come_back(cluster, namespace, mount, options):
    mounted = mount(*(options[:1] or ["-o"]), ",".join([*options[1:], "idle=2"]))
    folder = mounted.resource("configmaps", namespace)
    cluster.api.create_many(config_map(name, namespace, "old") for name in ("stays", "changes", "goes"))
    cluster.wait_for(lambda: cluster.exists(f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt"), "its own object")
    for round in range(3):
        present = {item["metadata"]["name"] + ".yaml"
                   for item in cluster.api("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]}
        mounted.wait_for(lambda: set(os.listdir(folder)) == present, "the listing")
        text = (folder / "changes.yaml").read_text(), (folder / "changes.json").read_text()
        stayed = (folder / "stays.yaml").read_bytes()
        assert not (folder / f"comes{round}.yaml").exists() and not (folder / f"comes{round}.json").exists()
        # The kernel keeps the name of what is open, whatever becomes of its directory.
        with open(folder / "changes.yaml") as held, open(folder / "changes.json"):
            # A minute is how long the kernel may use what it knows without asking.
            mounted.wait_for(lambda: "configmaps" not in collection_states(mounted), "it stops", 150)
            cluster.api("PUT", cluster.api.object_path(config_map("changes", namespace)),
                        config_map("changes", namespace, f"new-{round}"))
            cluster.api.create(config_map(f"comes{round}", namespace))
            gone = "goes" if round == 0 else f"comes{round - 1}"
            cluster.api.delete(config_map(gone, namespace))
            wait_cached(cluster, f"/api/v1/namespaces/{namespace}/configmaps",
                        lambda names: f"comes{round}" in names and gone not in names)
            # At the first look, in the order that is the hardest for a cache.
            assert (folder / f"comes{round}.json").exists()
            assert f"new-{round}" in (folder / "changes.json").read_text() and "new" not in text[1] or round
            assert f"new-{round}" in (folder / "changes.yaml").read_text()
            assert not (folder / f"{gone}.yaml").exists()
            assert f"comes{round}.yaml" in os.listdir(folder)
            assert (folder / "stays.yaml").read_bytes() == stayed
            assert held.read() == text[0]


def test_an_idle_namespace_list_comes_back(cluster, mount):
    mounted = mount("-o", "ro,idle=2")
    top = mounted.path / "namespaces"
    assert "default" in os.listdir(top)
    name = f"unseen-{os.getpid()}"
    assert not (top / name).exists()
    mounted.wait_for(lambda: "namespaces" not in collection_states(mounted), "it stops", 150)
    cluster.kubectl("create", "namespace", name)
    wait_cached(cluster, "/api/v1/namespaces", lambda names: name in names)
    try:
        assert (top / name).is_dir() and name in os.listdir(top)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.bounded(400)
def test_what_is_in_use_does_not_stop(cluster, namespace, mount):
    mounted = mount("-o", "ro,idle=2")
    folder = mounted.resource("configmaps", namespace)
    cluster.api.create(config_map("one", namespace, "a"))
    file = folder / "one.yaml"
    mounted.wait_for(file.exists, "the object")
    file.read_bytes()
    for number in range(20):
        cluster.api("PUT", cluster.api.object_path(config_map("one", namespace)), config_map("one", namespace, f"b-{number} "))
        mounted.wait_for(lambda: f"b-{number} " in file.read_text(), "the change")
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            os.listdir(folder)
            file.stat()
