"""What was read once is answered by the kernel: shown by a daemon that is stopped meanwhile and cannot answer."""

import contextlib
import os
import signal
import subprocess

import pytest

COUNT = 20


@contextlib.contextmanager
def stopped(mounted):
    mounted.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        mounted.process.send_signal(signal.SIGCONT)


@pytest.fixture
def maps(cluster, namespace):
    for number in range(COUNT):
        cluster.kubectl("create", "configmap", f"map-{number}", "-n", namespace, f"--from-literal=key=value-{number}")
    return namespace


def read_all(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# Not those that walk with fts(3), as grep -r and find: they ask for each directory's statfs, which the kernel keeps nowhere.
@pytest.mark.parametrize("command", ['cat "$1"/*.yaml', 'tar -cf - "$1" | tar -xOf -', 'stat -c %n:%s:%y "$1"/*.yaml'],
                         ids=["cat", "tar", "stat"])
def test_a_read_only_mount_sends_no_message(maps, mount, command):
    mounted = mount("-o", "ro")
    folder = mounted.resource("configmaps", maps)
    # The first pass is answered by the list, the second one fills the kernel's listing.
    for _ in range(2):
        known = read_all("sh", "-euc", command, "sh", folder)
        assert known.returncode == 0, known.stderr
    with stopped(mounted):
        again = read_all("sh", "-euc", command, "sh", folder)
    assert (again.returncode, again.stdout) == (0, known.stdout), again.stderr


def test_a_reader_of_a_writable_mount_closes_without_a_message(maps, mount):
    mounted = mount()
    file = mounted.file("configmaps", "map-0", maps)
    text = file.read_bytes()
    opened = os.open(file, os.O_RDONLY)
    with stopped(mounted):
        # A thread that waits for the daemon would stay in the kernel: dd shows it by its time-out.
        subprocess.run(["dd", "bs=64k", "status=none", "of=/dev/null"], stdin=opened, timeout=60, check=True)
        assert os.pread(opened, len(text) + 1, 0) == text
        os.close(opened)
