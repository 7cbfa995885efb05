"""Objects that are created, changed and deleted all the time, at a given rate.

    with Churn(cluster.api, namespace) as churn:
        ...
    churn.check()

The rate is what a machine that has time for it reaches; on any, each kind of change has happened before what is
within the with, and others during it.

Every line of an object's data ends in its version, so that a file that mixes two can be told.
"""

import collections
import random
import threading
import time

from api import ApiError

THREADS = 4
BEGIN_SECONDS = 100
LINES = 40
VERSION_WORD = "version-"


def lines_of(version, count=LINES, width=60):
    return "".join(f"{number:06} {'x' * width} {VERSION_WORD}{version}\n" for number in range(count))


def versions_in(text):
    """The versions named in an object's file."""
    return {line.rsplit(VERSION_WORD.encode(), 1)[1] for line in text.splitlines() if VERSION_WORD.encode() in line}


class Churn:
    def __init__(self, api, namespace, rate=100, objects=200, seed=1):
        self.api = api
        self.namespace = namespace
        self.rate = rate
        self.names = [f"churn-{number}" for number in range(objects)]
        self.counts = collections.Counter()
        self.errors = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._work, args=(number, seed + number)) for number in range(THREADS)]

    def item(self, name, version):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": self.namespace},
                "data": {"lines": lines_of(version)}}

    def __enter__(self):
        self.api.create_many(self.item(name, 0) for name in self.names)
        for thread in self.threads:
            thread.start()
        deadline = time.monotonic() + BEGIN_SECONDS
        while not (self.errors or all(self.counts[what] for what in ("create", "change", "delete"))):
            if time.monotonic() > deadline:
                self._end()
                raise AssertionError(f"only {self.counts} after {BEGIN_SECONDS} s")
            time.sleep(0.05)
        self.before = sum(self.counts.values())
        return self

    def __exit__(self, *_):
        self._end()

    def _end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def check(self):
        """It did what it should, and went on all the while."""
        assert not self.errors, self.errors[0]
        assert sum(self.counts.values()) > self.before + len(self.threads), f"{self.counts}, {self.before} at the beginning"

    def _work(self, number, seed):
        chance = random.Random(seed)
        mine = self.names[number::THREADS]
        there = set(mine)
        version = 0
        due = time.monotonic()
        # Each thread has objects of its own; the waits keep the rate.
        while not self.ended.wait(max(0, due - time.monotonic())):
            due += THREADS / self.rate
            version += 1
            name = chance.choice(mine)
            try:
                if name not in there:
                    self.api.create(self.item(name, version), exists_ok=False)
                    there.add(name)
                    self.counts["create"] += 1
                elif chance.random() < 0.25:
                    self.api.delete(self.item(name, version))
                    there.discard(name)
                    self.counts["delete"] += 1
                else:
                    self.api("PUT", self.api.object_path(self.item(name, version)), self.item(name, version))
                    self.counts["change"] += 1
            except (ApiError, OSError) as error:
                self.errors.append(error)
                return
