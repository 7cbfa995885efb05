#!/usr/bin/env python3
"""Keep processes that must not outlive the test that started them.

A supervisor is a process of its own, between the test and the servers:

- it reads commands from the test through a pipe, and ends when the pipe does;
  it also ends when the test's process does, should a fork hold the pipe open;
- its children ask the kernel to be killed when the supervisor dies.

So whichever of the two is killed, even with SIGKILL, no server is left. The
supervisor then removes the folder it was given. It has one thread, because
the kernel sends a parent-death signal when the *thread* that forked ends
(prctl(2), PR_SET_PDEATHSIG), which rules out starting the servers from the
test directly.

Commands and replies are JSON, one a line.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1


class SupervisorError(Exception):
    pass


class Supervisor:
    """The test's end: starts the supervisor and sends it commands."""

    def __init__(self, remove=None):
        argv = [sys.executable, os.path.abspath(__file__), str(os.getpid())]
        if remove:
            argv.append(str(remove))
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True)
        self.lock = threading.Lock()

    def call(self, command, **arguments):
        with self.lock:
            try:
                self.process.stdin.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
                self.process.stdin.flush()
                line = self.process.stdout.readline()
            except (OSError, ValueError) as error:
                raise SupervisorError(f"the supervisor is gone: {error}") from None
        if not line:
            raise SupervisorError("the supervisor is gone")
        reply = json.loads(line)
        if "error" in reply:
            raise SupervisorError(reply["error"])
        return reply.get("result")

    def start(self, name, argv, log, env=None):
        """Start a process; its output is appended to a file. Returns its pid."""
        return self.call("start", name=name, argv=[str(word) for word in argv], log=str(log), env=env)

    def signal(self, name, number):
        self.call("signal", name=name, number=int(number))

    def wait(self, name, timeout):
        """Wait for a process to end; its exit status, None when it still runs."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.status(name)
            if status is not None or time.monotonic() > deadline:
                return status
            time.sleep(0.02)

    def status(self, name):
        """The exit status of a process as subprocess has it, None while it runs."""
        return self.call("status", name=name)

    def close(self):
        """Kill all that still runs, remove the folder, end the supervisor."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def die_with_parent(parent, libc=ctypes.CDLL(None, use_errno=True)):
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os._exit(1)


class Children:
    def __init__(self):
        self.processes = {}

    def start(self, name, argv, log, env):
        old = self.processes.get(name)
        if old and old.poll() is None:
            raise SupervisorError(f"{name} runs already")
        parent = os.getpid()
        with open(log, "ab") as file:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       env={**os.environ, **(env or {})}, start_new_session=True,
                                       preexec_fn=lambda: die_with_parent(parent))
        self.processes[name] = process
        return process.pid

    def signal(self, name, number):
        self.processes[name].send_signal(number)

    def status(self, name):
        return self.processes[name].poll()

    def kill(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        for process in self.processes.values():
            process.wait()

    def handle(self, request):
        command = request.pop("command")
        if command not in ("start", "signal", "status"):
            return {"error": f"unknown command {command}"}
        try:
            return {"result": getattr(self, command)(**request)}
        except KeyError as error:
            return {"error": f"{error.args[0]} was never started"}
        except (OSError, SupervisorError) as error:
            return {"error": str(error)}


def serve(owner, children):
    """Obey the owner until its pipe or its process ends, or we are to end."""
    stopped, stop = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(stop, b"x"))

    poll = select.poll()
    try:
        poll.register(os.pidfd_open(owner), select.POLLIN)
    except ProcessLookupError:
        return
    poll.register(stopped, select.POLLIN)
    poll.register(0, select.POLLIN)

    pending = b""
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if ready != {0}:
            return
        data = os.read(0, 1 << 16)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            try:
                os.write(1, json.dumps(children.handle(json.loads(line))).encode() + b"\n")
            except BrokenPipeError:
                return


def main():
    children = Children()
    try:
        serve(int(sys.argv[1]), children)
    finally:
        children.kill()
        for folder in sys.argv[2:]:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
