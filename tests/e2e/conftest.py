"""Fixtures of the end-to-end tests: real servers, and mounts that must end well."""

import faulthandler
import itertools
import os
import pathlib
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cluster"))
sys.path.insert(0, str(HERE))
from cluster import Cluster  # noqa: E402
from cutting_proxy import CuttingProxy  # noqa: E402
from editing import Desk, Desks  # noqa: E402
from mounting import Mount  # noqa: E402

TIMEOUT = 300
NAMES = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: runs on the AddressSanitizer and ThreadSanitizer builds, too")
    config.addinivalue_line("markers", f"bounded(seconds): how long the test may take, instead of {TIMEOUT} s")


@pytest.fixture(autouse=True)
def bounded(request):
    """A test that hangs ends: who waits for a mount cannot be interrupted, but its mounts can be killed."""
    marker = request.node.get_closest_marker("bounded")
    seconds = marker.args[0] if marker else TIMEOUT
    expired = threading.Event()

    def end():
        expired.set()
        faulthandler.dump_traceback(sys.__stderr__)
        for mount in list(Mount.live):
            mount.process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    # Should that not help, the run ends; what tests started ends with it.
    faulthandler.dump_traceback_later(seconds + 120, exit=True, file=sys.__stderr__)
    yield
    timer.cancel()
    faulthandler.cancel_dump_traceback_later()
    assert not expired.is_set(), f"the test took longer than {seconds} s: its mounts were killed"


@pytest.fixture(scope="session")
def cluster():
    """A control plane with two nodes whose pods run, and an audit log. Shared: use names of your own."""
    with Cluster(nodes=2, audit=True) as made:
        yield made


@pytest.fixture(scope="session")
def sample(cluster):
    """The same, with the objects of tests/cluster/sample."""
    cluster.apply_sample()
    return cluster


@pytest.fixture(scope="session")
def other_cluster():
    """A second control plane, with an audit log, in the context "other". Tests kill its servers, and start them again."""
    with Cluster(nodes=0, controllers=False, audit=True, context="other") as made:
        yield made


@pytest.fixture
def namespace(cluster):
    """The name of a new namespace, which is deleted afterwards."""
    name = f"test-{os.getpid()}-{next(NAMES)}"
    cluster.create_namespace(name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def mount(request, tmp_path):
    """mount(*arguments, kubeconfig=..., **Mount's): a started Mount; all are stopped and checked at the end.

    Without a kubeconfig it is that of the fixture cluster.
    """
    made = []

    def start(*arguments, kubeconfig=None, **options):
        if kubeconfig is None:
            kubeconfig = request.getfixturevalue("cluster").kubeconfig
        folder = tmp_path / f"mount{len(made)}"
        folder.mkdir()
        mounted = Mount(kubeconfig, folder, *arguments, **options)
        made.append(mounted)
        return mounted.start()

    yield start
    failures = []
    for mounted in reversed(made):
        try:
            mounted.abandon() if mounted.kill_at_end else mounted.stop()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


@pytest.fixture(scope="module")
def desks(cluster):
    made = Desks(cluster)
    yield made
    made.close()


@pytest.fixture
def desk(desks):
    """A writable mount outside /tmp with a namespace of its own, which the tests of a file share."""
    shared = desks.get()
    yield shared
    shared.close_left()
    shared.check_alive()


@pytest.fixture
def other_namespace(desk):
    name = desk.name(f"{desk.namespace}-other")
    desk.cluster.create_namespace(name)
    desk.mount.wait_for((desk.mount.path / "namespaces" / name / "configmaps").is_dir, "the namespace")
    yield name
    desk.cluster.kubectl("delete", "namespace", name, "--wait=false")


# A desk whose server is reached by way of a proxy that breaks off.

@pytest.fixture(scope="module")
def proxy(cluster):
    with CuttingProxy(cluster) as made:
        yield made


@pytest.fixture(scope="module")
def shared_proxy_desk(cluster, proxy):
    with Desk(cluster, kubeconfig=proxy.kubeconfig) as made:
        yield made


@pytest.fixture
def proxy_desk(proxy, shared_proxy_desk):
    proxy.reset()
    yield shared_proxy_desk
    proxy.go.set()
    proxy.reset()
    shared_proxy_desk.close_left()
    shared_proxy_desk.check_alive()


@pytest.fixture
def other_desk(other_cluster):
    with Desk(other_cluster) as made:
        yield made
