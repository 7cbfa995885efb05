"""Build kubefs and run its tests.

    tests/run                          everything
    tests/run STAGE... [-- ARGUMENT...]
                                       only these, and what they need; arguments go to the tool
    tests/run e2e -k churn             of one stage: arguments from the first one with a dash on

Stages:
{stages}

Built and logged in $KUBEFS_CACHE/test (else ~/.cache/kubefs/test), a folder for each checkout.
Its last line says how many tests passed and failed; the exit status is 0 when none failed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(HERE), str(TOP / "tests" / "cluster")]

import results  # noqa: E402
from build import cache_folder  # noqa: E402
from schedule import Schedule, Task, interruptible, judge_check, say  # noqa: E402

SOURCES = ("client", "cache", "kubefs", "tests")
FUZZ_SECONDS = 20
DOCUMENTS = 100000
OBJECTS = 1000
# The codec has one thread: ThreadSanitizer would only make its tests slow.
ONE_THREAD = ("document", "json_", "yaml_", "merge", "number", "api_discovery", "schema", "escape", "protobuf", "key_path",
              "etcd_url", "etcd_decode")

STAGES = {
    "unit": "the unit tests",
    "format": "clang-format has nothing to change",
    "tidy": "clang-tidy has nothing to say",
    "fuzz": f"each fuzzer for {FUZZ_SECONDS} seconds",
    "asan": "the unit tests with AddressSanitizer and UndefinedBehaviorSanitizer",
    "tsan": "the unit tests that have threads with ThreadSanitizer",
    "differential": f"our YAML and JSON against kubectl's own, {DOCUMENTS} documents",
    "protobuf": f"what we make of protobuf against the API server's own types, {OBJECTS} objects of each kind",
    "cluster": "the tests of the test servers themselves",
    "e2e": "mounts of a real control plane",
    "e2e-asan": "a part of these with AddressSanitizer",
    "e2e-tsan": "a part of these with ThreadSanitizer",
}
BUILDS = {
    "plain": ([], {"CC": "gcc"}),
    "asan": (["-Db_sanitize=address,undefined", "-Db_lundef=false"], {"CC": "gcc"}),
    "tsan": (["-Db_sanitize=thread", "-Db_lundef=false"], {"CC": "gcc"}),
    "clang": (["-Dc_args=-fsanitize=fuzzer-no-link", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
              {"CC": "clang-14"}),
}
TOOLS = ("gcc", "clang-14", "clang-tidy-14", "run-clang-tidy-14", "clang-format-14", "meson", "ninja", "git",
         "fusermount3", "openssl")


class Plan:
    """The tasks of the wanted stages, with the builds that they need."""

    def __init__(self, work, arguments):
        self.work = work
        self.logs = work / "logs"
        self.arguments = arguments
        self.tasks = {}
        # An older sanitizer cannot place its shadow where addresses are very random.
        fixed = ["setarch", "-R"]
        done = subprocess.run([*fixed, "true"], capture_output=True, check=False)
        self.fixed = fixed if done.returncode == 0 else []

    def add(self, task):
        self.tasks.setdefault(task.name, task)
        return task.name

    def folder(self, kind):
        options = hashlib.sha256(json.dumps(BUILDS[kind]).encode()).hexdigest()[:8]
        return self.work / f"build-{kind}-{options}"

    def build(self, kind):
        folder = self.folder(kind)
        options, environment = BUILDS[kind]
        setup = []
        if not (folder / "build.ninja").exists():
            shutil.rmtree(folder, ignore_errors=True)
            setup = [["meson", "setup", *options, folder, TOP]]
        return self.add(Task(f"build-{kind}", [*setup, ["ninja", "-C", folder]], environment=environment, minutes=20))

    def servers(self):
        # They leave the cores to others while they wait for the network.
        return self.add(Task("servers", [sys.executable, TOP / "tests/cluster/build.py"], cores=0, minutes=45))

    def unit(self, name, kind, chosen=(), environment=None):
        folder = self.folder(kind)
        argv = ["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", "--logbase", f"testlog-{name}",
                "--num-processes", "1" if kind == "tsan" else "2", "--timeout-multiplier", "4", *chosen, *self.arguments]
        prefix = self.fixed if kind != "plain" else []
        self.add(Task(name, [*prefix, *argv], after=[self.build(kind)], cores=1, minutes=20,
                      environment=environment, judge=results.meson(folder, name)))

    def stage_unit(self):
        self.unit("unit", "plain")

    def stage_asan(self):
        self.unit("asan", "asan")

    def stage_tsan(self):
        names = [path.stem.removeprefix("test_") for path in sorted((TOP / "tests/unit").glob("test_*.c"))]
        self.unit("tsan", "tsan", [name for name in names if not name.startswith(ONE_THREAD)],
                  environment={"TSAN_OPTIONS": f"suppressions={TOP}/tests/tsan.suppressions"})

    def stage_format(self):
        files = sorted(path for part in SOURCES for path in (TOP / part).rglob("*.[ch]"))
        self.add(Task("format", ["clang-format-14", "--dry-run", "-Werror", *files], folder=TOP,
                      judge=results.lines_with(r"(error|warning): ")))

    def stage_tidy(self):
        argv = [sys.executable, HERE / "tidy.py", self.folder("clang"), *self.arguments]
        self.add(Task("tidy", argv, after=[self.build("clang")], cores=2, minutes=25, folder=TOP,
                      judge=results.lines_with(r"(error|warning): |^tidy: ")))

    def stage_fuzz(self):
        for source in sorted((TOP / "tests/fuzz").glob("fuzz_*.c")):
            corpus = self.work / "corpus" / source.stem
            corpus.mkdir(parents=True, exist_ok=True)
            seeds = TOP / "tests/fuzz/seeds" / source.stem.removeprefix("fuzz_")
            argv = [self.folder("clang") / "tests/fuzz" / source.stem, f"-max_total_time={FUZZ_SECONDS}", "-timeout=20",
                    "-rss_limit_mb=3000", "-print_final_stats=1", f"-artifact_prefix={corpus.parent}/", *self.arguments,
                    corpus, *([seeds] if seeds.is_dir() else [])]
            self.add(Task(source.stem.replace("_", "-", 1), [*self.fixed, *argv], after=[self.build("clang")], minutes=5,
                          judge=judge_check))

    def differential(self, program, oracle, *arguments):
        argv = [self.folder("plain") / "tests/differential" / program, *arguments, *self.arguments]
        variable = f"KUBEFS_{oracle.replace('-', '_').upper()}"
        self.add(Task(program.replace("_", "-", 1), argv, after=[self.build("plain"), self.servers()], cores=2, minutes=20,
                      environment={variable: str(cache_folder() / "current/bin" / oracle)}, judge=judge_check))

    def stage_differential(self):
        self.differential("differential", "yaml-oracle", "--documents", DOCUMENTS)

    def stage_protobuf(self):
        self.differential("differential_protobuf", "protobuf-oracle", "--objects", OBJECTS)

    def pytest(self, name, chosen, kind=None, group=None, minutes=40):
        report = self.logs / f"{name}.xml"
        report.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "pytest", "-v", "-ra", "--color=no", "--tb=short", "--durations=10",
                "-p", "no:cacheprovider", f"--junitxml={report}", *chosen, *self.arguments]
        environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        after = [self.servers()]
        if kind:
            environment["KUBEFS_BUILD"] = str(self.folder(kind))
            after.append(self.build(kind))
        prefix = self.fixed if kind in ("asan", "tsan") else []
        self.add(Task(name, [*prefix, *argv], after=after, minutes=minutes, folder=TOP, group=group,
                      environment=environment, judge=results.pytest(report)))

    def stage_cluster(self):
        self.pytest("cluster", ["tests/cluster"], minutes=15)

    def stage_e2e(self):
        # Beside nothing else, since some look at the clock.
        self.pytest("e2e", ["tests/e2e"], "plain", group="e2e", minutes=50)

    def stage_e2e_asan(self):
        self.pytest("e2e-asan", ["-m", "sanitize", "tests/e2e"], "asan")

    def stage_e2e_tsan(self):
        self.pytest("e2e-tsan", ["-m", "sanitize", "tests/e2e"], "tsan")


def usage():
    width = max(map(len, STAGES))
    print(__doc__.strip().format(stages="\n".join(f"    {name:<{width}}  {what}" for name, what in STAGES.items())))


def parse(words):
    """The wanted stages, and what is for their tool."""
    stages = []
    for i, word in enumerate(words):
        if word in ("-h", "--help") and not stages:
            usage()
            sys.exit(0)
        if word.startswith("-"):
            return stages, words[i + 1:] if word == "--" else words[i:]
        if word not in STAGES:
            sys.exit(f"run: no stage \"{word}\"; see tests/run --help")
        stages.append(word)
    return stages, []


def require_root(stages):
    """They mount as several users and into namespaces of their own."""
    needing = [stage for stage in stages if stage.startswith("e2e")]
    if needing and os.geteuid() != 0:
        sys.exit(f"run: {', '.join(needing)}: only root can run these; with sudo, or name other stages (tests/run --help)")


def require_tools():
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        sys.exit(f"run: not installed: {' '.join(missing)} (tests/setup test installs what Debian has)")
    if subprocess.run(["pkg-config", "--exists", "check"], check=False).returncode != 0:
        sys.exit("run: the unit tests need Check (tests/setup test installs it)")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        sys.exit("run: /dev/fuse is missing or not ours to use: no FUSE file system can be mounted here")


@contextlib.contextmanager
def alone(work):
    """Two runs of one checkout would build over each other."""
    with open(work / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run of this checkout is under way: waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main():
    stages, arguments = parse(sys.argv[1:])
    if arguments and len(stages) != 1:
        sys.exit("run: arguments for a tool need exactly one stage")
    require_tools()
    require_root(stages or STAGES)
    interruptible()
    work = cache_folder() / "test" / hashlib.sha256(str(TOP).encode()).hexdigest()[:12]
    (work / "logs").mkdir(parents=True, exist_ok=True)
    with alone(work):
        plan = Plan(work, arguments)
        plan.servers()
        for stage in stages or STAGES:
            getattr(plan, f"stage_{stage.replace('-', '_')}")()
        if stages and not any("servers" in task.after for task in plan.tasks.values()):
            del plan.tasks["servers"]
        say(f"building and logging in {work}")
        passed, failed = Schedule(list(plan.tasks.values()), plan.logs).run()
    say(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
