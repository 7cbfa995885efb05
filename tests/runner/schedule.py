"""Run tasks that depend on each other, several at a time, and say how far they are."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

REPORT_SECONDS = 30
SHOWN_LINES = 150
FAILURE_LENGTH = 200
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Result:
    """What a task's log says: how many tests passed and failed, and the lines worth showing."""

    def __init__(self, passed, failed, shown=None):
        self.passed = passed
        self.failed = failed
        self.shown = shown


class Task:
    """A command that is run once others have ended well.

    name        unique
    argv        the command; a list of lists is run one after another
    after       names of the tasks that must have ended well before
    cores       how many of the machine's it uses
    group       it runs only beside others of the same one
    minutes     after these it is killed, and has failed
    environment, folder
                variables to add, and where it runs
    judge       judge(status, log text) -> Result; without it the task counts only when it fails
    """

    def __init__(self, name, argv, after=(), cores=1, minutes=10, environment=None, folder=None, judge=None,
                 group=None):
        self.name = name
        self.commands = argv if isinstance(argv[0], list) else [argv]
        self.after = list(after)
        self.cores = cores
        self.group = group
        self.minutes = minutes
        self.environment = environment or {}
        self.folder = folder
        self.judge = judge or judge_step
        self.process = None
        self.started = self.ended = None
        self.result = None


def judge_step(status, text):
    return Result(0, 0 if status == 0 else 1)


def judge_check(status, text):
    """One test, which the command's status tells."""
    return Result(int(status == 0), int(status != 0))


def say(text):
    print(text, flush=True)


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def plain_lines(text):
    return [line for line in ESCAPES.sub("", text).replace("\r", "\n").splitlines() if line.strip()]


class Schedule:
    def __init__(self, tasks, logs, cores=None):
        self.tasks = {task.name: task for task in tasks}
        self.waiting = list(tasks)
        self.running = []
        self.logs = logs
        self.cores = cores or os.cpu_count() or 2
        self.changed = threading.Condition()
        self.stopping = False
        self.failures = []  # a line each
        self.begin = time.monotonic()
        unknown = {name for task in tasks for name in task.after} - set(self.tasks)
        assert not unknown, unknown

    def log(self, task):
        return self.logs / f"{task.name}.log"

    def run(self):
        """Run all; returns (passed, failed). A task whose dependency failed counts as failed."""
        try:
            with self.changed:
                while self.waiting or self.running:
                    self._start_ready()
                    if not self.changed.wait(REPORT_SECONDS):
                        self._report()
        finally:
            self._kill()
        for line in self.failures:
            say(f"failed: {line[:FAILURE_LENGTH]}")
        return (sum(task.result.passed for task in self.tasks.values()),
                sum(task.result.failed for task in self.tasks.values()))

    def _start_ready(self):
        for task in list(self.waiting):
            before = [self.tasks[name] for name in task.after]
            bad = [other.name for other in before if other.result and other.result.failed]
            if bad:
                self.waiting.remove(task)
                task.result = Result(0, 1)
                say(f"[{self._clock()}] {task.name}: not run, since {bad[0]} failed")
                self.changed.notify()
            elif all(other.result for other in before) and self._fits(task):
                self.waiting.remove(task)
                self._start(task)

    def _fits(self, task):
        used = sum(min(other.cores, self.cores) for other in self.running)
        return (used + min(task.cores, self.cores) <= self.cores
                and all(other.group == task.group for other in self.running))

    def _start(self, task):
        say(f"[{self._clock()}] {task.name} ...")
        task.started = time.monotonic()
        self.running.append(task)
        threading.Thread(target=self._follow, args=(task,), daemon=True).start()

    def _follow(self, task):
        status = None
        try:
            with open(self.log(task), "wb") as log:
                for argv in task.commands:
                    status = self._run_command(task, argv, log)
                    if status != 0:
                        break
            text = self.log(task).read_text(errors="replace")
            result = task.judge(status, text)
            if status != 0 and not result.failed:
                result.failed = 1
        except Exception as error:
            text, result = str(error), Result(0, 1, [f"{type(error).__name__}: {error}"])
        with self.changed:
            task.ended = time.monotonic()
            task.result = result
            self.running.remove(task)
            self._conclude(task, text)
            self.changed.notify()

    def _run_command(self, task, argv, log):
        left = task.started + task.minutes * 60 - time.monotonic()
        with self.changed:
            if self.stopping:
                return -1
            task.process = subprocess.Popen(
                [str(word) for word in argv], cwd=task.folder, env={**os.environ, **task.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            return task.process.wait(max(left, 1))
        except subprocess.TimeoutExpired:
            kill_group(task.process)
            log.write(f"\nkilled: it took longer than {task.minutes} minutes\n".encode())
            return -1

    def _conclude(self, task, text):
        result = task.result
        counts = [f"{number} {word}" for number, word in ((result.passed, "passed"), (result.failed, "FAILED")) if number]
        say(f"[{self._clock()}] {task.name}: {', '.join(counts) or 'done'} in {minutes(task.ended - task.started)}")
        if result.failed and not self.stopping:
            lines = result.shown or plain_lines(text)
            self.failures += [f"{task.name}: {line.strip()}" for line in lines if line.lstrip().startswith("FAILED")] or [
                f"{task.name}: see above"]
            say(f"----- {self.log(task)}" + (f", the last {SHOWN_LINES} lines" if len(lines) > SHOWN_LINES else ""))
            for line in lines[-SHOWN_LINES:]:
                say(f"  {line}")
            say("-----")

    def _report(self):
        parts = []
        for task in self.running:
            lines = plain_lines(self._tail(task))
            parts.append(f"{task.name} {minutes(time.monotonic() - task.started)}"
                         + (f" ({lines[-1].strip()[-60:]})" if lines else ""))
        say(f"[{self._clock()}] running: {'; '.join(parts)}")

    def _tail(self, task):
        try:
            with open(self.log(task), "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 2000))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def _clock(self):
        return minutes(time.monotonic() - self.begin).rjust(5)

    def _kill(self):
        with self.changed:
            self.stopping = True
            for task in self.running:
                if task.process:
                    kill_group(task.process)


def kill_group(process):
    """End a command and what it started: first politely, so that fixtures can clean up."""
    for number, seconds in ((signal.SIGINT, 20), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def interruptible():
    """SIGTERM ends the run as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
