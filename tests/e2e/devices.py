"""A /dev of a test's own, in a mount namespace that ends with the test.

There /dev/fuse is for everybody, as on a Debian machine but not in every container, and /dev/log is a socket whose
messages the test reads. What is mounted there is seen there alone, so the test is a shell script.
"""

import contextlib
import os
import socket
import subprocess
import threading

from mounting import require_tools

# $1 is a folder for the new /dev.
PRIVATE_DEV = r"""
dev=$1; shift
mount -t tmpfs -o mode=755 none "$dev"
for name in null zero full random urandom tty; do
    touch "$dev/$name" && mount --bind "/dev/$name" "$dev/$name"
done
mknod -m 666 "$dev/fuse" c 10 229
ln -s /proc/self/fd "$dev/fd"
if [ -S "$dev.log" ]; then
    touch "$dev/log" && mount --bind "$dev.log" "$dev/log"
fi
mount --rbind "$dev" /dev
"""


def run(folder, script, *arguments, input="", timeout=200, **options):
    """The finished script, a shell's, with the arguments as $1 and so on; it runs as root."""
    require_tools("unshare", "mount", "mknod")
    dev = folder / "dev"
    dev.mkdir()
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-euc", PRIVATE_DEV + script, "sh", dev,
         *map(str, arguments)],
        input=input, capture_output=True, text=True, timeout=timeout, check=False, **options)


@contextlib.contextmanager
def syslog(folder):
    """What run(folder) finds as /dev/log; the list of what was sent there, as bytes."""
    messages = []
    path = os.fspath(folder / "dev.log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        os.chmod(path, 0o666)

        def receive():
            while (message := server.recv(1 << 16)) != b"end":
                messages.append(message)

        # Few messages fit into the socket, and who sends one more waits.
        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        try:
            yield messages
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.sendto(b"end", path)
            thread.join()
