"""Mounts for tests: kubefs in the foreground, its log kept, its end checked.

    with Mount(kubeconfig, folder, "-o", "ro") as mount:
        os.listdir(mount.path)

Environment: KUBEFS_BINARY is the program; else KUBEFS_BUILD is the build directory that holds it, else build/.
"""

import contextlib
import ctypes
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KUBEFS_BUILD", TOP / "build")).absolute()
BINARY = pathlib.Path(os.environ.get("KUBEFS_BINARY", BUILD / "kubefs" / "kubefs")).absolute()
PR_SET_PDEATHSIG = 1

# A sanitizer makes a program several times slower.
READY_SECONDS = 90
END_SECONDS = 60


class MountError(AssertionError):
    pass


def environment(folder, **more):
    """An environment without anything of the caller's kubeconfig; sanitizers report to files in the folder."""
    # GLib's own allocator hides leaks from one sanitizer and order from another.
    report = f"log_path={folder}/sanitizer"
    return {
        "HOME": str(folder), "PATH": os.environ["PATH"], "G_SLICE": "always-malloc",
        "ASAN_OPTIONS": f"{report}:detect_leaks=1",
        "UBSAN_OPTIONS": f"{report}:print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": f"{report}:second_deadlock_stack=1:suppressions={TOP}/tests/tsan.suppressions",
        **more,
    }


def sanitizer_reports(folder):
    return "\n".join(file.read_text(errors="replace") for file in sorted(pathlib.Path(folder).glob("sanitizer.*")))


def die_with_parent(libc=ctypes.CDLL(None)):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # Under nohup it would be ignored, and rightly stay so.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def is_mounted(path):
    """Whether a file system is mounted there, without asking that file system."""
    wanted = str(path).replace("\\", "\\134").replace(" ", "\\040").encode()
    mounts = pathlib.Path("/proc/self/mountinfo").read_bytes().splitlines()
    return any(line.split(b" ")[4] == wanted for line in mounts)


def unmount(path, lazy=False):
    """fusermount3 -u; returns what it said when it failed, else nothing."""
    done = subprocess.run(["fusermount3", "-uz" if lazy else "-u", str(path)], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


class Mount:
    """One mount.

    kubeconfig     a path, or nothing
    folder         an existing folder of the mount's own: its mount point, log and HOME are made there
    arguments      options, in front of source and mount point
    source         a context, several with commas, or "all"
    environment    more variables
    kill_at_end    leave without asking for an orderly end

    path, process, log are the mount point, the subprocess.Popen and the log's path.
    """

    live = []

    def __init__(self, kubeconfig, folder, *arguments, source=None, log_level="debug", environment=None,
                 binary=None, kill_at_end=False):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "mnt"
        self.log = self.folder / "kubefs.log"
        self.kill_at_end = kill_at_end
        self.process = None
        self.environment = environment or {}
        self.arguments = [
            str(binary or BINARY), "--foreground", f"--log-level={log_level}",
            *(["--kubeconfig", str(kubeconfig)] if kubeconfig else []),
            *map(str, arguments), *([source] if source else []), str(self.path),
        ]

    def start(self, timeout=READY_SECONDS):
        """Start the program and wait until it is mounted and answers."""
        self.path.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment(self.folder, **self.environment), preexec_fn=die_with_parent)
        Mount.live.append(self)
        try:
            self._wait_mounted(timeout)
            os.stat(self.path)
        except BaseException:
            self.abandon()
            raise
        return self

    def _wait_mounted(self, timeout):
        deadline = time.monotonic() + timeout
        ended = os.pidfd_open(self.process.pid)
        # The kernel wakes a poll of this file when a mount comes or goes.
        with open("/proc/self/mountinfo", "rb") as mounts:
            poll = select.poll()
            poll.register(mounts, select.POLLERR | select.POLLPRI)
            poll.register(ended, select.POLLIN)
            try:
                while not is_mounted(self.path):
                    left = deadline - time.monotonic()
                    events = poll.poll(max(0, left) * 1000)
                    if any(descriptor == ended for descriptor, _ in events):
                        raise MountError(f"kubefs ended with {self.process.wait()}; its log:\n{self.log_tail()}")
                    if left <= 0:
                        raise MountError(f"nothing is mounted after {timeout} s; the log:\n{self.log_tail()}")
            finally:
                os.close(ended)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if self.process is None:
            return
        if kind is not None or self.kill_at_end:
            self.abandon()
        else:
            self.stop()

    def stop(self):
        """Unmount and check the end: status 0, nothing left mounted, no report of a sanitizer."""
        if self.process is None:
            return
        try:
            if is_mounted(self.path):
                self._unmount()
            self.check_end()
        finally:
            self.abandon()

    def _unmount(self, timeout=10):
        deadline = time.monotonic() + timeout
        while refusal := unmount(self.path):
            users = self.users()
            # Whoever reads a link in /proc that leads there has it in use for a moment.
            if users or time.monotonic() > deadline:
                raise MountError(f"{refusal}\nin use by: {'; '.join(users) or 'nobody now'}")
            time.sleep(0.05)

    def check_end(self, timeout=END_SECONDS):
        """Wait until the program has ended by itself, as it should."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise MountError(f"kubefs has not ended {timeout} s after its end was asked for; "
                             f"its log:\n{self.log_tail()}") from None
        reports = sanitizer_reports(self.folder)
        if status != 0 or reports:
            raise MountError(f"kubefs ended with {status}\n{reports or self.log_tail()}")
        if is_mounted(self.path):
            raise MountError(f"kubefs has ended, but {self.path} is still mounted")

    def abandon(self):
        """Make an end of it, whatever its state."""
        if self in Mount.live:
            Mount.live.remove(self)
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if is_mounted(self.path):
            unmount(self.path, lazy=True)
        self.process = None

    def users(self):
        """The processes that have something of the mount open."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                links = [process / "cwd", process / "root", *(process / "fd").iterdir()]
                if any(os.readlink(link).startswith(str(self.path)) for link in links):
                    found.append(f"{process.name} {(process / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
        return found

    # What it says

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        return self.log.read_text(errors="replace")

    def log_tail(self, lines=30):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def status(self):
        return (self.path / ".kubefs" / "status").read_text()

    def errors(self):
        return (self.path / ".kubefs" / "errors").read_text()

    def is_away(self):
        return "\n  state: away\n" in self.status()

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise MountError(f"no VmRSS in /proc/{self.pid}/status")

    # Its tree

    def resource(self, resource, namespace=None):
        """The directory of a resource, of one namespace or of the cluster."""
        return (self.path / "namespaces" / namespace if namespace else self.path / "cluster") / resource

    def file(self, resource, name, namespace=None, form="yaml"):
        return self.resource(resource, namespace) / f"{name}.{form}"

    def wait_for(self, condition, what, timeout=60):
        """Ask until a condition holds; returns its value."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise MountError(f"{what}: not after {timeout} s\n{self.status()}")
            time.sleep(0.02)


def require_tools(*names):
    """Fail, never skip, when a program that a test needs is missing."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise MountError(f"not installed: {', '.join(missing)} (tests/setup test installs them)")
