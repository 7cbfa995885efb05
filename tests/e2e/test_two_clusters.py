"""Two real clusters in one mount: what is copied from one to the other is made there, as it is between names."""

import contextlib
import errno
import itertools
import os
import subprocess

import pytest

from editing import Audit, code_of, failure_of, is_dry_run, manifest, save

NUMBERS = itertools.count(1)
NAMES = {f"map-{number}" for number in range(10)}


@pytest.fixture
def clusters(cluster, other_cluster):
    return {"test": cluster, "other": other_cluster}


@pytest.fixture
def place(clusters, mount):
    """A namespace of one name in both clusters; place(context, resource) is its directory in the mount."""
    name = f"both-{os.getpid()}-{next(NUMBERS)}"
    for one in clusters.values():
        # Some test may have restarted its server.
        one.api.local.__dict__.clear()
        one.kubectl("create", "namespace", name)
    # Both administrators have one name: users are merged by it.
    configs = [one.write_kubeconfig(f"{context}-both", {"token": one.admin_token}) for context, one in clusters.items()]
    mounted = mount(kubeconfig="", source="all", environment={"KUBECONFIG": ":".join(map(str, configs))})

    def directory(context, resource="configmaps"):
        return mounted.path / context / "namespaces" / name / resource

    # First lists come from the API servers' caches, which are somewhat later.
    for context in clusters:
        mounted.wait_for(directory(context).is_dir, f"the namespace of {context}")
    directory.name, directory.mount = name, mounted
    directory.audits = {one: Audit(one) for one in clusters.values()}
    yield directory
    for one in clusters.values():
        directory.audits[one].close()
        with contextlib.suppress(Exception):
            one.kubectl("delete", "namespace", name, "--wait=false")


def stored(cluster, place, name, resource="configmaps", root="/api/v1"):
    return cluster.api("GET", f"{root}/namespaces/{place.name}/{resource}/{name}")


def create(cluster, place, context, name, **data):
    """An object of somebody else's, which the mount shows."""
    made = cluster.api("POST", f"/api/v1/namespaces/{place.name}/configmaps", {
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {"name": name, "labels": {"from": "there"}, "finalizers": ["example.com/stay"]}})
    place.mount.wait_for((place(context) / f"{name}.yaml").exists, f"{name} of {context}")
    return made


def release(cluster, place, name):
    cluster.api("PATCH", f"/api/v1/namespaces/{place.name}/configmaps/{name}", {"metadata": {"finalizers": None}},
                "application/merge-patch+json")


def kubectl_text(cluster, place, name):
    return cluster.kubectl("get", "configmaps", name, "-n", place.name, "-o", "yaml")


def writes(cluster, place):
    return [(event["verb"], code_of(event)) for event in place.audits[cluster].settle()
            if event["objectRef"].get("namespace") == place.name and not is_dry_run(event)]


def test_copy_to_a_new_name_and_onto_the_same(clusters, place):
    here, there = clusters.values()
    made = create(here, place, "test", "one", key="first")
    try:
        for name in "one", "another":
            source, target = place("test") / "one.yaml", place("other") / f"{name}.yaml"
            assert not target.exists()
            subprocess.run(["cp", source, target], check=True)
            copy = stored(there, place, name)
            assert copy["data"] == {"key": "first"} and copy["metadata"]["labels"] == {"from": "there"}
            assert copy["metadata"]["uid"] != made["metadata"]["uid"] and "finalizers" not in copy["metadata"]
            assert target.read_text() == kubectl_text(there, place, name)
        # Onto what is there: it is replaced, and stays the object that it was.
        save(source, source.read_text().replace("key: first", "key: second\n  more: x"))
        for name in "one", "another":
            before = stored(there, place, name)
            target = place("other") / f"{name}.yaml"
            subprocess.run(["cp", source, target], check=True)
            after = stored(there, place, name)
            assert after["data"] == {"key": "second", "more": "x"}
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            assert target.read_text() == kubectl_text(there, place, name)
        assert writes(there, place) == [("create", 201)] * 2 + [("update", 200)] * 2
        # The same once more changes nothing, and the source has been left alone.
        subprocess.run(["cp", source, place("other") / "one.yaml"], check=True)
        assert writes(there, place) == [("create", 201)] * 2 + [("update", 200)] * 2
        assert writes(here, place) == [("update", 200)]
        assert source.read_text() == kubectl_text(here, place, "one")
    finally:
        release(here, place, "one")


def test_copy_onto_an_object_of_both_names_that_others_change(clusters, place):
    """Objects of one name in two clusters are two: no edit of one is taken for a change of the other."""
    here, there = clusters.values()
    for context, data in ("test", {"key": "here"}), ("other", {"key": "there", "own": "x"}):
        create(clusters[context], place, context, "one", **data)
    source, target = place("test") / "one.yaml", place("other") / "one.yaml"
    try:
        assert "key: here" in source.read_text() and "key: there" in target.read_text()
        subprocess.run(["cp", source, target], check=True)
        assert stored(there, place, "one")["data"] == {"key": "here"}
        assert stored(there, place, "one")["metadata"]["finalizers"] == ["example.com/stay"], "the copy does not mention them"
        save(source, source.read_text().replace("key: here", "key: changed"))
        assert stored(there, place, "one")["data"] == {"key": "here"}
        assert stored(here, place, "one")["data"] == {"key": "changed"}
    finally:
        for one in here, there:
            release(one, place, "one")


@pytest.mark.parametrize("command", ["cp -r $0/. $1", "cp -r $0 $1/..", "rsync -r $0/ $1/"])
def test_copy_of_a_namespace_s_config_maps(clusters, place, command):
    here, there = clusters.values()
    here.api.create_many({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": name},
                          "metadata": {"name": name, "namespace": place.name}} for name in NAMES)
    # One of them is there, and is another.
    create(there, place, "other", "map-3", key="other")
    try:
        place.mount.wait_for(lambda: {f"{name}.yaml" for name in NAMES} <= set(os.listdir(place("test"))), "they are there")
        subprocess.run(["sh", "-c", command, place("test"), place("other")], check=True, capture_output=True, timeout=60)
        items = there.api("GET", f"/api/v1/namespaces/{place.name}/configmaps")["items"]
        assert {item["metadata"]["name"]: item["data"] for item in items if item["metadata"]["name"] in NAMES} == {
            name: {"key": name} for name in NAMES}
        for name in "map-1", "map-3":
            assert (place("other") / f"{name}.yaml").read_text() == kubectl_text(there, place, name)
        assert [verb for verb, code in writes(there, place) if code >= 300] == []
        assert writes(here, place) == []
        assert set(os.listdir(place("other"))) >= {f"{name}.yaml" for name in NAMES}
        assert not [name for name in os.listdir(place("other")) if not name.endswith(".yaml")]
    finally:
        release(there, place, "map-3")


def test_move_between_clusters(clusters, place):
    here, there = clusters.values()
    create(here, place, "test", "one", key="first")
    release(here, place, "one")
    source, target = place("test") / "one.yaml", place("other") / "two.yaml"
    place.mount.wait_for(lambda: source.exists() and "stay" not in source.read_text(), "it is as it should be")
    assert failure_of(os.rename, source, target) == errno.EXDEV
    subprocess.run(["mv", source, target], check=True)
    assert stored(there, place, "two")["data"] == {"key": "first"}
    here.wait_for(lambda: not here.exists(f"/api/v1/namespaces/{place.name}/configmaps/one"), "the old one is deleted")
    assert not source.exists() and writes(there, place) == [("create", 201)]


def test_copy_of_what_the_other_cluster_owns(clusters, place):
    """A Service's addresses and a Deployment's revision are the first cluster's."""
    here, there = clusters.values()
    here.kubectl("create", "service", "nodeport", "web", "-n", place.name, "--tcp=80")
    here.kubectl("create", "deployment", "web", "-n", place.name, "--image=none", "--replicas=0")
    source = place("test", "deployments.apps") / "web.yaml"
    place.mount.wait_for(lambda: source.exists() and "deployment.kubernetes.io/revision" in source.read_text(), "its revision")
    place.mount.wait_for((place("test", "services") / "web.yaml").exists, "the service")
    for resource in "services", "deployments.apps":
        subprocess.run(["cp", place("test", resource) / "web.yaml", place("other", resource) / "web.yaml"], check=True)
    copy = stored(there, place, "web", "deployments", "/apis/apps/v1")
    assert "deployment.kubernetes.io/revision" not in copy["metadata"].get("annotations", {})
    assert "observedGeneration" not in copy.get("status", {})
    assert stored(there, place, "web", "services")["spec"]["ports"][0]["port"] == 80


def test_manifest_goes_where_it_is_put(clusters, place):
    here, there = clusters.values()
    subprocess.run(["sh", "-c", f"printf %s '{manifest()}' | tee '{place('test')}/one.yaml' '{place('other')}/one.yaml'"],
                   check=True, stdout=subprocess.DEVNULL)
    for one in here, there:
        assert stored(one, place, "one")["data"] == {"key": "one"}
        assert writes(one, place) == [("create", 201)]
