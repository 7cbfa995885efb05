"""Ports that stay ours while a server is down.

They are taken from below the range that the kernel hands to outgoing
connections, and a lock file each keeps other clusters of this machine off, so
that a server can be stopped and started again on the port it had.
"""

import fcntl
import os
import random
import socket
import tempfile

FIRST, LAST = 20000, 29999


class Port:
    def __init__(self, number, lock):
        self.number = number
        self.lock = lock

    def release(self):
        os.close(self.lock)


def is_free(number):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def lock_of(number):
    """Lock a port's file; None when another holds it or it is not ours."""
    folder = os.path.join(tempfile.gettempdir(), f"kubefs-ports.{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    descriptor = os.open(os.path.join(folder, str(number)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def take():
    """Take a free port until it is released or this process ends."""
    for number in random.sample(range(FIRST, LAST + 1), 200):
        lock = lock_of(number)
        if lock is None:
            continue
        if is_free(number):
            return Port(number, lock)
        os.close(lock)
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")
