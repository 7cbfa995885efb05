"""A mount that is measured, and what it costs."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def find_kubefs(given):
    """The program that was named, else it is built."""
    if given:
        return given
    folder = Path(os.environ.get("KUBEFS_BUILD", HERE.parent.parent / "build"))
    program = folder / "kubefs/kubefs"
    if not program.exists():
        subprocess.run(["meson", "setup", "--buildtype=release", folder, HERE.parent.parent], check=True)
    subprocess.run(["ninja", "-C", folder, "kubefs/kubefs"], check=True, stdout=subprocess.DEVNULL)
    return str(program)


class Mount:
    """A running kubefs in the foreground."""

    def __init__(self, kubefs, *arguments):
        self.point = Path(tempfile.mkdtemp(prefix="kubefs-bench-"))
        self.process = subprocess.Popen([kubefs, "-f", *arguments, self.point], stderr=subprocess.PIPE)
        while not os.path.ismount(self.point):
            if self.process.poll() is not None:
                sys.exit(f"kubefs: {self.process.stderr.read().decode()}")
            time.sleep(0.001)

    def resident(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def close(self):
        subprocess.run(["fusermount3", "-u", self.point], check=True)
        self.process.wait()
        self.point.rmdir()


def slab_bytes():
    """What the kernel's inodes, dentries and page tree nodes take."""
    names = ("fuse_inode", "dentry", "radix_tree_node")
    total = 0
    for line in Path("/proc/slabinfo").read_text().splitlines():
        fields = line.split()
        if fields[0] in names:
            total += int(fields[1]) * int(fields[3])
    return total
