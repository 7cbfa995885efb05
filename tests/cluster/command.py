"""The command line of cluster.py: one control plane that stays until "down".

A keeper process holds the Cluster and a lock on DIR/lock. The lock says
whether it runs; the file holds the keeper's process id.
"""

import argparse
import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from build import BuildError
from cluster import Cluster, ClusterError, populate_pods


def default_folder():
    return Path(tempfile.gettempdir()) / f"kubefs-demo.{os.getuid()}"


class Place:
    """The folder of a control plane that was brought up."""

    def __init__(self, folder):
        self.folder = Path(folder).absolute()
        self.cluster = self.folder / "cluster"
        self.kubeconfig = self.cluster / "admin.kubeconfig"
        self.lock = self.folder / "lock"
        self.ready = self.folder / "ready"
        self.log = self.folder / "keeper.log"

    def create(self):
        try:
            self.folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            if self.folder.is_symlink() or self.folder.stat().st_uid != os.getuid():
                raise ClusterError(f"{self.folder} belongs to somebody else") from None

    def keeper(self):
        """A pidfd of the keeper that runs, None when none does."""
        try:
            file = open(self.lock)
        except FileNotFoundError:
            return None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                with contextlib.suppress(ValueError, ProcessLookupError):
                    return os.pidfd_open(int(file.read()))
        return None


def say(text):
    print(text, file=sys.stderr, flush=True)


def up(place, options):
    """Start a keeper and wait until its control plane is ready."""
    place.create()
    if place.keeper() is not None and place.ready.exists():
        say(f"a control plane runs already in {place.folder}")
        print(place.kubeconfig)
        return 0

    argv = [sys.executable, str(Path(__file__).with_name("cluster.py")), "keep", "--dir", str(place.folder),
            "--nodes", str(options.nodes), "--pods", str(options.pods), *(["--sample"] if options.sample else [])]
    reader, writer = os.pipe()
    with open(place.log, "ab") as log:
        keeper = subprocess.Popen([*argv, "--tell", str(writer)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  pass_fds=[writer], start_new_session=True)
    os.close(writer)
    try:
        ready = relay(reader)
    except BaseException:
        keeper.terminate()
        keeper.wait()
        raise
    if not ready:
        keeper.wait()
        say(f"no control plane; see {place.log}")
        return 1
    print(place.kubeconfig)
    return 0


def relay(reader):
    """Show the keeper's progress; returns whether it said that it is ready."""
    with open(reader) as lines:
        for line in lines:
            if line == "ready\n":
                return True
            sys.stderr.write(line)
            sys.stderr.flush()
    return False


def keep(place, options):
    """Hold a cluster until a signal comes; what `up` runs."""
    lock = open(place.lock, "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(options.tell, f"another control plane runs or starts in {place.folder}\n".encode())
        return 1
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    place.ready.unlink(missing_ok=True)

    # A signal ends the keeper wherever it is; the cluster's end is orderly.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Builds show their progress on the standard error.
    log = os.dup(2)
    os.dup2(options.tell, 2)
    os.close(options.tell)
    try:
        place.cluster.mkdir(mode=0o700, exist_ok=True)
        with Cluster(nodes=options.nodes, directory=place.cluster, context="demo") as cluster:
            fill(cluster, options)
            place.ready.touch()
            os.write(2, b"ready\n")
            os.dup2(log, 2)
            while True:
                signal.pause()
    except (ClusterError, BuildError, OSError, RuntimeError) as error:
        say(str(error))
        return 1
    finally:
        place.ready.unlink(missing_ok=True)


def fill(cluster, options):
    say(f"control plane ready on {cluster.server}")
    if options.sample:
        say("creating the sample ...")
        cluster.apply_sample()
    if options.pods:
        say(f"creating {options.pods} pods ...")
        start = time.monotonic()
        populate_pods(cluster, options.pods)
        say(f"{options.pods} pods run after {time.monotonic() - start:.0f} s")


def down(place, options):
    """End the keeper; it takes the servers and their files with it."""
    keeper = place.keeper()
    if keeper is None:
        say(f"no control plane runs in {place.folder}")
    else:
        signal.pidfd_send_signal(keeper, signal.SIGTERM)
        if not select.select([keeper], [], [], 30)[0]:
            signal.pidfd_send_signal(keeper, signal.SIGKILL)
            select.select([keeper], [], [], 10)
        os.close(keeper)
        say(f"the control plane in {place.folder} is gone")
    for file in (place.lock, place.log, place.ready):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        place.folder.rmdir()
    return 0


def kubeconfig(place, options):
    if place.keeper() is None or not place.ready.exists():
        say(f"no control plane runs in {place.folder}")
        return 1
    print(place.kubeconfig)
    return 0


def main():
    parser = argparse.ArgumentParser(description="Run a private Kubernetes control plane made of the real servers.",
                                     prog="cluster.py")
    parser.add_argument("command", choices=["up", "down", "kubeconfig", "keep"], metavar="up|down|kubeconfig",
                        help="start one and print its kubeconfig's path; end it; print that path")
    parser.add_argument("--dir", default=default_folder(), help="its folder (%(default)s)")
    parser.add_argument("--nodes", type=int, default=3, help="kwok nodes to make (%(default)s)")
    parser.add_argument("--pods", type=int, default=0, help="pods to create and run on 100 further nodes")
    parser.add_argument("--sample", action="store_true", help="create the objects of sample/")
    parser.add_argument("--tell", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()

    commands = {"up": up, "down": down, "kubeconfig": kubeconfig, "keep": keep}
    try:
        sys.exit(commands[options.command](Place(options.dir), options))
    except (ClusterError, BuildError, OSError) as error:
        sys.exit(f"cluster.py: {error}")
