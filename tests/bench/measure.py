"""The table of a benchmark, and what it times."""

import statistics
import subprocess
import sys
import time

PASSES = 5


def row(what, value, ratio="", target="", verdict=""):
    print(f"{what:<50} {value:>14} {ratio:>22} {target:>14} {verdict}", flush=True)


def judge(what, value, ratio, reference, limit, at_least=False):
    met = ratio >= limit if at_least else ratio <= limit
    row(what, value, f"{ratio:.2f} x {reference}", f"{'>=' if at_least else '<='} {limit:g}", "met" if met else "MISSED")


def timed(*command, cwd=None, ok=(0,)):
    """Seconds that a program takes, its output thrown away."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds = time.perf_counter() - begin
    if done.returncode not in ok:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.decode(errors='replace').strip()}")
    return seconds


def median(*command, passes=PASSES, ok=(0,)):
    return statistics.median(timed(*command, ok=ok) for _ in range(passes))


def appears(file):
    """Waits until the watch has told of it."""
    end = time.monotonic() + 10
    while not file.exists():
        if time.monotonic() > end:
            sys.exit(f"{file} does not appear")
