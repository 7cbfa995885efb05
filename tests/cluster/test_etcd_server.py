"""The etcd clusters that tests of etcd stand on."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from etcd_server import VERSIONS, Etcd  # noqa: E402


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_keeps_its_port_and_data(version):
    with Etcd(version, tls=True, auth=True) as etcd:
        etcd.ctl("put", "/a", "b")
        for end in (etcd.terminate, etcd.kill):
            end(0)
            assert etcd.try_ctl("get", "/a").returncode != 0
            etcd.launch(0)
            etcd.wait_ready()
            assert etcd.ctl("get", "/a") == "/a\nb\n"
        assert f'"version":"{version}.' in etcd.ctl("endpoint", "status", "-w", "json")
        directory = etcd.directory
    assert not directory.exists()


def test_members_are_one_cluster():
    with Etcd("3.6", members=3) as etcd:
        etcd.ctl("put", "/a", "b", numbers=[0])
        etcd.kill(etcd.leader())
        # Until another one leads; by itself etcdctl waits for five seconds.
        assert etcd.ctl("--command-timeout=60s", "get", "/a") == "/a\nb\n"
        assert etcd.url_of(2, 0, prefix="/x") == f"etcd://{etcd.addresses[2]},{etcd.addresses[0]}/x"


def test_users_may_what_was_granted():
    with Etcd("3.6", auth=True) as etcd:
        etcd.add_user("reader", "x", ("read", "/a/"))
        assert etcd.ctl("user", "get", "reader") == "User: reader\nRoles: reader\n"
        assert "[/a/, /a0)" in etcd.ctl("role", "get", "reader")
