"""Every program makes an object as it makes any file: once, and a text that is refused is not lost."""

import os

import pytest

from editing import code_of, comments, made, new_file, without_comments
from making import MAKERS
from programs import Edit

SANITIZED = ("vim", "mv", "rsync", "jetbrains")
GOOD = "apiVersion: v1\nkind: ConfigMap\nimmutable: false\ndata:\n  key: one\n"
BAD = GOOD.replace("immutable: false", "bogus: 1")


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.sanitize) if name in SANITIZED else name for name in MAKERS])
def maker(request):
    return MAKERS[request.param]


@pytest.fixture
def file(desk):
    made_file = new_file(desk)
    yield made_file
    for left in made_file.parent.glob(f"*{made_file.name}*"):
        if left != made_file:
            left.unlink()


def writes(desk, file, since):
    """What kubefs asked of the server, but dry runs; a create that was refused has no name."""
    return [(event["verb"], code_of(event)) for event in desk.audit.settle()[since:]
            if event["objectRef"]["resource"] == "configmaps" and event["objectRef"]["namespace"] == desk.namespace
            and event["objectRef"].get("name") in (None, file.name.removesuffix(".yaml"))]


def check_made(desk, file, program, before):
    item = made(desk, file)
    assert item.stored()["data"] == {"key": "one"} and item.stored()["immutable"] is False
    assert desk.listing() - before <= program.left(file) | {file.name}
    assert not os.path.lexists(item.rejected)


def test_new_object(maker, desk, file):
    before, since = desk.listing(), len(desk.audit.settle())
    said = maker.make(file, GOOD, desk.home)
    assert not said[0].failed, said[0].text
    assert writes(desk, file, since) == [("create", 201)]
    check_made(desk, file, maker, before)


def test_refused_and_corrected(maker, desk, file):
    """Refused first, and that is told; then corrected by the same program, in the same session."""
    before, since = desk.listing(), len(desk.audit.settle())
    rejected = file.with_name(f"{file.name}.rejected")
    refused = [("create", 400)] * maker.tries

    def check_refused():
        assert without_comments(rejected.read_text()) == BAD
        assert 'unknown field "bogus"' in comments(rejected.read_text())
        assert 'unknown field "bogus"' in desk.mount.errors() and file.name in desk.mount.errors()
        assert not file.exists() and rejected.name in desk.listing() and file.name not in desk.listing()
        assert writes(desk, file, since) == refused

    said = maker.make(file, BAD, desk.home, Edit("bogus: 1", "immutable: false", check_refused))
    assert said[0].failed == maker.tells, said[0].text
    assert not said[1].failed, said[1].text
    assert writes(desk, file, since) == [*refused, ("create", 201)]
    check_made(desk, file, maker, before)
