#!/usr/bin/env python3
"""Time kubefs on the keys of an etcd against etcdctl, curl and tmpfs, all in the same run.

    tests/bench/etcd.py [--keys 100000] [--value 1024] [--folder 1000] [--kubefs PATH]
    tests/bench/etcd.py --keys 1000000 --value 64 --folder 1000000

Starts an etcd 3.6 and fills it: FOLDER keys in each directory, so that the
second line has a million in one, and times ls and stat in that. Prints a table with ratios; what is to be
reached stands beside each. It never fails for a slow figure.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cluster")]

from etcd_server import Etcd  # noqa: E402
from measure import appears, judge, median, row, timed  # noqa: E402
from mounted import Mount, find_kubefs, slab_bytes  # noqa: E402

ABSENT = "no-key-says-this"
KEYS_A_TRANSACTION = 100
PASSES = 5
PUTS_A_SECOND = 1000
PUT_SECONDS = 10
WRITERS = 16
LIVE_KEYS = 100
PROBE_SECONDS = 0.005


def encode(data):
    return base64.b64encode(data).decode()


class Gateway:
    """One connection to the JSON gateway that stays."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def __call__(self, path, **body):
        self.connection.request("POST", f"/v3/{path}", json.dumps(body))
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            sys.exit(f"{path}: {text.decode(errors='replace')}")
        return json.loads(text)


def value_of(number, size):
    return (b"%07d " % number + b"a line of the value that is read again and again\n" * (size // 48 + 1))[:size]


def fill(gateway, arguments):
    for first in range(0, arguments.keys, KEYS_A_TRANSACTION):
        numbers = range(first, min(first + KEYS_A_TRANSACTION, arguments.keys))
        gateway("kv/txn", success=[
            {"request_put": {"key": encode(b"/bench/%03d/%07d" % (number // arguments.folder, number)),
                             "value": encode(value_of(number, arguments.value))}} for number in numbers])


def grep(folder):
    return ("grep", "-r", ABSENT, str(folder))


def get(etcd, prefix):
    """Of a million keys it takes longer than the five seconds that etcdctl waits."""
    return (etcd.bin / "etcdctl", f"--endpoints={etcd.endpoints[0]}", "--command-timeout=120s", "get", "--prefix", prefix)


def keys_folder(mount):
    return mount.point / "bench"


def cold(kubefs, url, *command):
    """Seconds from mount to the end of the command, which is given the folder of the keys."""
    begin = time.perf_counter()
    mount = Mount(kubefs, "-o", "ro", url)
    timed(*command, keys_folder(mount), ok=(0, 1))
    seconds = time.perf_counter() - begin
    mount.close()
    return seconds


def bench_cold(kubefs, etcd):
    """The references in turn with what is compared: others may load the machine."""
    body = json.dumps({"key": encode(b"/bench/"), "range_end": encode(b"/bench0")})
    references = {
        "etcdctl get --prefix": get(etcd, "/bench/"),
        "range of the JSON gateway (curl)": ("curl", "-sf", "-d", body, f"{etcd.endpoints[0]}/v3/kv/range"),
    }
    ours = {"cold walk (find), mount included": ("find",), "cold grep -r, mount included": ("grep", "-r", ABSENT)}
    seconds = {what: [] for what in [*references, *ours]}
    for _ in range(PASSES):
        for what, command in references.items():
            seconds[what].append(timed(*command))
        for what, command in ours.items():
            seconds[what].append(cold(kubefs, etcd.url, *command))
    middle = {what: statistics.median(times) for what, times in seconds.items()}
    for what in references:
        row(what, f"{middle[what]:.2f} s")
    for what in ours:
        judge(what, f"{middle[what]:.2f} s", middle[what] / middle["etcdctl get --prefix"], "etcdctl", 2)
        row("", "", f"{middle[what] / middle['range of the JSON gateway (curl)']:.2f} x gateway")


def bench_memory(kubefs, etcd, arguments):
    before = slab_bytes()
    mount = Mount(kubefs, "-o", "ro", etcd.url)
    timed(*grep(keys_folder(mount)), ok=(1,))
    resident = mount.resident()
    slab = slab_bytes() - before
    mount.close()
    size = arguments.keys * arguments.value
    row("values served", f"{size / 1e6:.1f} MB", f"{arguments.keys} keys")
    judge("resident memory", f"{resident / 1e6:.1f} MB", resident / (2 * size + 20e6), "(2 x values + 20 MB)", 1)
    row("", f"{resident / arguments.keys:.0f} bytes/key", f"{resident / size:.2f} x values")
    row("kernel slab beside it", f"{slab / 1e6:.1f} MB", f"{slab / arguments.keys:.0f} bytes/key")


def bench_warm(mount, copy, name, what, command, limit):
    timed(*command, keys_folder(mount), ok=(0, 1))
    ours = median(*command, keys_folder(mount), ok=(0, 1))
    theirs = median(*command, copy, ok=(0, 1))
    judge(f"{what}, warm, {name}", f"{ours * 1000:.0f} ms", ours / theirs, f"tmpfs ({theirs * 1000:.0f} ms)", limit)


def bench_tree(kubefs, etcd):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        copy = Path(folder) / "copy"
        with contextlib.closing(Mount(kubefs, "-o", "ro", etcd.url)) as mount:
            shutil.copytree(keys_folder(mount), copy)
            bench_warm(mount, copy, "ro", "grep -r", ("grep", "-r", ABSENT), 1.5)
            bench_warm(mount, copy, "ro", "ls -lR", ("ls", "-lR"), 1.5)
        with contextlib.closing(Mount(kubefs, etcd.url)) as mount:
            bench_warm(mount, copy, "rw", "grep -r", ("grep", "-r", ABSENT), 5)


# Lag

def live_key(name):
    return b"/live/" + name.encode()


def write(address, first, begin):
    """Every WRITERS-th put of the row, each at its time."""
    gateway = Gateway(address)
    for number in range(first, PUTS_A_SECOND * PUT_SECONDS, WRITERS):
        due = begin + number / PUTS_A_SECOND
        time.sleep(max(0, due - time.monotonic()))
        gateway("kv/put", key=encode(live_key(f"{number % LIVE_KEYS:03}")), value=encode(b"%d" % number))


def write_all(address):
    begin = time.monotonic() + 0.5
    writers = [threading.Thread(target=write, args=(address, first, begin)) for first in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    print(PUTS_A_SECOND * PUT_SECONDS / (time.monotonic() - begin))


def follow(lines, seen):
    """etcdctl watch prints PUT, the key, the value."""
    for line in lines:
        now = time.monotonic()
        if line.startswith("probe "):
            seen[line.strip()] = now


def probe(gateway, file, writer):
    """While the writers write, put one more now and then: when each was acknowledged, and then read from the mount."""
    acknowledged, read = {}, {}
    while writer.poll() is None:
        value = f"probe {len(read)}"
        gateway("kv/put", key=encode(live_key("probe")), value=encode(value.encode()))
        acknowledged[value] = time.monotonic()
        while file.read_text() != value:
            time.sleep(0.0002)
        read[value] = time.monotonic()
        time.sleep(PROBE_SECONDS)
    return acknowledged, read


def report_lag(what, acknowledged, seen, *target):
    """A watch may be told before the writer is."""
    lags = sorted(max(0, seen[value] - acknowledged[value]) * 1000 for value in acknowledged if value in seen)
    worst = lags[len(lags) * 99 // 100]
    verdict = ("p99 < 50 ms", "met" if worst < 50 else "MISSED") if target else ()
    row(what, f"{statistics.median(lags):.1f} ms", f"p99 {worst:.1f} ms of {len(lags)}", *verdict)


def bench_lag(kubefs, etcd):
    """From the put's acknowledgement until it is read. The writers and etcdctl are processes of their own."""
    gateway = Gateway(etcd.addresses[0])
    for name in ["probe", *(f"{number:03}" for number in range(LIVE_KEYS))]:
        gateway("kv/put", key=encode(live_key(name)), value=encode(b"0"))
    watched = {}
    with contextlib.closing(Mount(kubefs, "-o", "ro", etcd.url)) as mount:
        timed(*grep(mount.point / "live"), ok=(1,))
        watch = subprocess.Popen([etcd.bin / "etcdctl", f"--endpoints={etcd.endpoints[0]}", "watch", "--prefix", "/live/"],
                                 stdout=subprocess.PIPE, text=True)
        follower = threading.Thread(target=follow, args=(watch.stdout, watched))
        follower.start()
        writer = subprocess.Popen([sys.executable, __file__, "--write", etcd.addresses[0]], stdout=subprocess.PIPE, text=True)
        acknowledged, read = probe(gateway, mount.point / "live/probe", writer)
        rate = float(writer.communicate()[0])
        watch.terminate()
        follower.join()
    row("puts in the same directory meanwhile", f"{rate:.0f} /s", f"wanted {PUTS_A_SECOND}")
    report_lag("put acknowledged, then in etcdctl watch", acknowledged, watched)
    report_lag("put acknowledged, then read from the mount", acknowledged, read, True)


# One big directory

def bench_crowd(kubefs, etcd, arguments):
    """What ls and stat take in the first directory, which nobody has looked into."""
    reference = median(*get(etcd, "/bench/000/"), passes=PASSES)
    row("etcdctl get --prefix of one directory", f"{reference:.2f} s", f"{min(arguments.folder, arguments.keys)} keys")
    with contextlib.closing(Mount(kubefs, "-o", "ro", etcd.url)) as mount:
        folder = keys_folder(mount) / "000"
        seconds = timed("sh", "-c", f"ls -U '{folder}' | wc -l")
        judge("ls | wc -l in it, cold", f"{seconds:.2f} s", seconds / reference, "etcdctl", 2)
        row("the same, warm", f"{timed('sh', '-c', f'ls -U {folder} | wc -l'):.2f} s")
        row("stat of one", f"{timed('stat', folder / f'{arguments.folder // 2:07}') * 1000:.1f} ms")
        row("resident memory", f"{mount.resident() / 1e6:.0f} MB", f"{mount.resident() / arguments.folder:.0f} bytes/key")
        Gateway(etcd.addresses[0])("kv/put", key=encode(b"/bench/000/new"), value=encode(b"1"))
        begin = time.perf_counter()
        appears(folder / "new")
        row("a new key acknowledged, then found by stat", f"{(time.perf_counter() - begin) * 1000:.1f} ms")
        begin = time.perf_counter()
        listed = "new" in os.listdir(folder)
        row("then listed" if listed else "then NOT listed", f"{time.perf_counter() - begin:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=100000)
    parser.add_argument("--value", type=int, default=1024, help="bytes of each")
    parser.add_argument("--folder", type=int, default=1000, help="keys in each directory")
    parser.add_argument("--kubefs", help="the program; else it is built")
    parser.add_argument("--only", choices=["cold", "memory", "warm", "lag", "crowd"], action="append")
    parser.add_argument("--write", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write_all(arguments.write)
        return
    kubefs = find_kubefs(arguments.kubefs)
    whole = ["crowd"] if arguments.folder >= arguments.keys else ["cold", "memory", "warm", "lag"]
    wanted = arguments.only or whole
    with Etcd("3.6", extra=["--unsafe-no-fsync", "--quota-backend-bytes=8589934592"]) as etcd:
        print(f"putting {arguments.keys} keys ...", flush=True)
        fill(Gateway(etcd.addresses[0]), arguments)
        row("what", "figure", "ratio", "to reach")
        if "cold" in wanted:
            bench_cold(kubefs, etcd)
        if "memory" in wanted:
            bench_memory(kubefs, etcd, arguments)
        if "warm" in wanted:
            bench_tree(kubefs, etcd)
        if "lag" in wanted:
            bench_lag(kubefs, etcd)
        if "crowd" in wanted:
            bench_crowd(kubefs, etcd, arguments)


if __name__ == "__main__":
    main()
