"""What is built, and when; stand-ins take the place of Go and of Debian, so that nothing really is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from build import ASSETS, CONTROL_PLANE, DEBIAN, KWOK_STAGES, SETS  # noqa: E402

# Answers what build.py asks of Go, notes each program that it is to build, and fails for one of them.
STAND_IN = """#!/bin/sh
case $1 in
env) echo go1.26.0 ;;
list) echo "$STAND_IN/kwok" ;;
build)
	while [ "$1" != -o ]; do shift; done
	echo "${2##*/}" >>"$STAND_IN/built"
	[ "${2##*/}" != "$FAILING" ] || { echo "no such module" >&2; exit 1; }
	printf '#!/bin/sh\\n' >"$2"
	chmod +x "$2"
	;;
esac
"""
# Fetches and unpacks Debian's packages.
APT_GET = """#!/bin/sh
echo apt-get >>"$STAND_IN/fetched"
[ -z "$OFFLINE" ] || { echo "no such package" >&2; exit 1; }
for package; do :; done
: >"${package}_1_amd64.deb"
"""
DPKG_DEB = """#!/bin/sh
mkdir -p "$3/usr/bin"
printf '#!/bin/sh\\n' >"$3/usr/bin/etcd"
"""
COMPILED = {program for packages in SETS.values() for program in packages.values()}
ALL = COMPILED | {program for _, _, program in DEBIAN.values()}
SUPPLIED = {program for programs in ASSETS.values() for program in programs}


class Builder:
    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / "cache"
        bin = folder / "bin"
        bin.mkdir()
        for name, text in (("go", STAND_IN), ("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
            (bin / name).write_text(text)
            (bin / name).chmod(0o755)
        for stage in KWOK_STAGES:
            place = folder / "kwok/kustomize/stage" / stage
            place.mkdir(parents=True)
            (place / "stage.yaml").write_text(f"kind: Stage # {stage}\n")

    def run(self, *sets, **environment):
        """The finished build.py, and what it had built."""
        (self.folder / "built").write_text("")
        variables = {key: value for key, value in os.environ.items() if key != "KUBEBUILDER_ASSETS"}
        done = subprocess.run([sys.executable, HERE / "build.py", *sets], capture_output=True, text=True, check=False,
                              env={**variables, "KUBEFS_CACHE": str(self.cache), "KUBEFS_GO": str(self.folder / "bin/go"),
                                   "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                                   "STAND_IN": str(self.folder), "FAILING": "", "OFFLINE": "", **environment})
        return done, sorted((self.folder / "built").read_text().split())

    def programs(self, done):
        """Where each program is, by its name."""
        assert done.returncode == 0, done.stderr
        return {link.name: link.resolve(strict=True) for link in Path(done.stdout.strip()).iterdir()}

    def supply(self):
        folder = self.folder / "assets"
        folder.mkdir()
        for name in SUPPLIED:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        return folder


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path)


def test_all_is_built_once(builder):
    done, built = builder.run()
    assert built == sorted(COMPILED)
    assert set(builder.programs(done)) == ALL
    assert (builder.cache / "current/bin").resolve() == Path(done.stdout.strip())
    assert (builder.cache / "current/kwok-stages.yaml").read_text().count("kind: Stage") == len(KWOK_STAGES)
    again, built = builder.run()
    assert built == [] and again.stdout == done.stdout
    assert (builder.folder / "fetched").read_text() == "apt-get\n"


def test_what_is_supplied_is_used_and_not_built(builder):
    assert SUPPLIED == {"kube-apiserver", "etcd", "kubectl"}
    supplied = builder.supply()
    done, built = builder.run(KUBEBUILDER_ASSETS=str(supplied))
    assert built == sorted(COMPILED - SUPPLIED)
    programs = builder.programs(done)
    assert set(programs) == ALL
    assert {name for name, file in programs.items() if file.parent == supplied} == SUPPLIED
    assert builder.run(KUBEBUILDER_ASSETS=str(supplied))[1] == []
    # Without them what is missing is built, and theirs is not taken for ours.
    done, built = builder.run()
    assert SUPPLIED <= set(built)
    assert not [name for name, file in builder.programs(done).items() if file.parent == supplied]


def test_what_was_built_serves_with_what_is_supplied(builder):
    builder.run()
    supplied = builder.supply()
    done, built = builder.run(KUBEBUILDER_ASSETS=str(supplied))
    assert built == []
    assert {name for name, file in builder.programs(done).items() if file.parent == supplied} == SUPPLIED


@pytest.mark.parametrize("missing", sorted(SUPPLIED))
def test_supplies_that_lack_a_program_are_refused(builder, missing):
    supplied = builder.supply()
    (supplied / missing).unlink()
    done, built = builder.run(KUBEBUILDER_ASSETS=str(supplied))
    assert done.returncode == 1 and done.stdout == "" and built == []
    assert f"{supplied} has no program {missing}" in done.stderr


def test_a_control_plane_needs_no_other_etcd(builder):
    done, built = builder.run(*CONTROL_PLANE)
    assert built == sorted(program for name in CONTROL_PLANE for program in SETS[name].values())
    assert set(builder.programs(done)) == set(built)


def test_a_package_that_cannot_be_had_is_told(builder):
    done, _ = builder.run("etcd34", OFFLINE="1")
    assert done.returncode == 1 and done.stdout == ""
    assert "no such package" in done.stderr
    assert set(builder.programs(builder.run("etcd34")[0])) == {"etcd-3.4"}


@pytest.mark.parametrize("failing", sorted(COMPILED))
def test_a_failed_build_is_told_and_tried_again(builder, failing):
    done, _ = builder.run(FAILING=failing)
    assert done.returncode == 1 and done.stdout == ""
    assert failing in done.stderr and "no such module" in done.stderr
    done, built = builder.run()
    assert failing in built
    assert set(builder.programs(done)) == ALL
