"""Programs in a terminal: one tmux server each, which ends with the test whatever happens.

    with Terminal(["vim", "file"], folder, cwd=folder) as terminal:
        terminal.wait_for("some text of it")
        terminal.type(":q"), terminal.press("Enter")
        terminal.wait_end()
"""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from mounting import die_with_parent, require_tools

SIZE = ("200", "50")
CONFIGURATION = """\
set -g remain-on-exit on
set -g status off
set -g default-terminal screen
set -s escape-time 0
"""
# The two cores may have much else to do.
SECONDS = 60
POLL_SECONDS = 0.03


class TerminalError(AssertionError):
    pass


def until(condition, what, timeout=SECONDS, shown=lambda: ""):
    """Ask until a condition holds; returns its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TerminalError(f"{what}: not after {timeout} s\n{shown()}")
        time.sleep(POLL_SECONDS)
    return value


class Terminal:
    """argv runs in a terminal of its own; home is where it finds and leaves its configuration."""

    def __init__(self, argv, home, cwd=None, environment=None):
        require_tools("tmux", argv[0])
        self.argv = [str(word) for word in argv]
        self.home = pathlib.Path(home)
        self.cwd = str(cwd or home)
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "screen",
                            "SHELL": "/bin/sh", **(environment or {})}
        self.server = None
        self.pane = None

    def __enter__(self):
        # The path of a socket may be no longer than 107 bytes: pytest's folders can be.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kubefs-tmux-"))
        self.environment["TMUX_TMPDIR"] = str(self.folder)
        (self.folder / "conf").write_text(CONFIGURATION)
        try:
            self.server = subprocess.Popen(
                ["tmux", "-D", "-S", self.folder / "socket", "-f", self.folder / "conf"], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
            until(self._is_served, "tmux answers")
            self.tmux("new-session", "-d", "-x", SIZE[0], "-y", SIZE[1], "-c", self.cwd, "--", *self.argv)
            self.pane = os.pidfd_open(int(self.tmux("display-message", "-p", "#{pane_pid}")))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _is_served(self):
        """The socket is there before anybody listens; a client that came then would start a server of its own."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.folder / "socket")) == 0

    def close(self):
        """Nothing is left: the program first, which would else save when its terminal hangs up."""
        with contextlib.suppress(ProcessLookupError):
            if self.pane is not None:
                signal.pidfd_send_signal(self.pane, signal.SIGKILL)
                select.select([self.pane], [], [], SECONDS)
        if self.server is not None:
            self.server.kill()
            self.server.wait()
        if self.pane is not None:
            os.close(self.pane)
            self.pane = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def tmux(self, *arguments):
        done = subprocess.run(["tmux", "-S", self.folder / "socket", *arguments], env=self.environment,
                              capture_output=True, text=True, check=False, timeout=SECONDS)
        if done.returncode != 0:
            raise TerminalError(f"tmux {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    # What a person does

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def press(self, *keys):
        """Keys by tmux's names: Enter, Escape, C-x, M-x."""
        self.tmux("send-keys", *keys)

    def say(self, text):
        """Type a line."""
        self.type(text)
        self.press("Enter")

    # What a person sees

    def screen(self):
        """Its lines, but for blank ones."""
        lines = map(str.rstrip, self.tmux("capture-pane", "-p", "-J").splitlines())
        return "".join(f"{line}\n" for line in lines if line.strip("~"))

    def wait_for(self, *patterns, timeout=SECONDS):
        """The first of these regular expressions that the screen shows, as a match."""
        shown = ""

        def found():
            nonlocal shown
            shown = self.screen()
            return next(filter(None, (re.search(pattern, shown) for pattern in patterns)), None)

        return until(found, f"the screen shows {' or '.join(patterns)}", timeout, lambda: shown)

    def has_ended(self, timeout=0):
        return bool(select.select([self.pane], [], [], timeout)[0])

    def wait_end(self, timeout=SECONDS):
        if not self.has_ended(timeout):
            raise TerminalError(f"{self.argv[0]} has not ended after {timeout} s\n{self.screen()}")
