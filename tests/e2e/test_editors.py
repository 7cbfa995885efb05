"""Every program saves as it does on any file system: once, never over others, and no text is lost."""

import re
import time
import types

import pytest

from editing import in_one_go
from programs import PROGRAMS, Edit, on_a_line
from terminal import Terminal, until

SANITIZED = ("vim", "emacs", "sed", "mv", "rsync", "exec-builtin", "jetbrains")
GOOD = Edit("key: one", "key: two")
BAD = Edit("key: one", "bad key!: one")


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.sanitize) if name in SANITIZED else name for name in PROGRAMS])
def program(request):
    return PROGRAMS[request.param]


@pytest.fixture
def new_item(desk):
    items = []

    def make():
        items.append(desk.config_map(key="one", other="first", third="a: b\n# no comment\n"))
        return items[-1]

    yield make
    # What is left must not be in the way of others.
    for item in items:
        for file in item.file.parent.glob(f"*{item.name}.yaml*"):
            if file != item.file:
                file.unlink()


@pytest.fixture
def item(new_item):
    return new_item()


def save(program, new_item, edit, meanwhile=lambda item: None):
    """The item that was saved, what the program said, and before that the listing and the text."""
    def replace(item):
        # By its name it may be found a moment before it is listed.
        item.desk.mount.wait_for(lambda: item.file.name in item.desk.listing(), "it is listed")
        before, text = item.desk.listing(), item.text()
        began = time.monotonic()
        said = program.save(item.file, Edit(edit.old, edit.new, lambda: meanwhile(item)), item.desk.home)
        return types.SimpleNamespace(said=said, before=before, text=text), time.monotonic() - began

    # Some of them remove the file first.
    item, saved = in_one_go(new_item, replace)
    return item, saved.said, saved.before, saved.text


def check_told(program, said):
    assert said.failed == program.tells, said.text


def check_left(item, before, allowed):
    """No temporary stays beside the file, but those that the program leaves by design."""
    assert item.desk.listing() - before <= allowed


def test_good_save(program, new_item):
    item, said, before, _ = save(program, new_item, GOOD)
    assert not said.failed, said.text
    item.check_saved()
    assert item.stored()["data"] == {**item.made["data"], "key": "two"}
    check_left(item, before, program.left(item.file))


def test_refused_save(program, new_item):
    item, said, before, text = save(program, new_item, BAD)
    check_told(program, said)
    item.check_refused(BAD.apply(text), "data[bad key!]")
    assert item.stored() == item.made
    # It was sent once, however often the program closed and synced.
    assert item.sent() == [("update", 422)] * program.tries
    check_left(item, before, program.left(item.file, refused=True) | {item.rejected.name})


def test_conflict(program, new_item):
    item, said, before, text = save(program, new_item, GOOD, lambda item: item.change_data(key="theirs"))
    check_told(program, said)
    item.check_refused(GOOD.apply(text), "data.key")
    assert item.sent() == []
    assert item.stored()["data"] == {**item.made["data"], "key": "theirs"}
    check_left(item, before, program.left(item.file, refused=True) | {item.rejected.name})


def test_merge(program, new_item):
    """What others changed elsewhere in the object stays, although the program never saw it."""
    item, said, _, _ = save(program, new_item, GOOD, lambda item: item.change_data(other="theirs", new="x"))
    assert not said.failed, said.text
    item.check_saved()
    assert item.stored()["data"] == {**item.made["data"], "key": "two", "other": "theirs", "new": "x"}


# Sessions

def write(terminal):
    """:w of vim; fails when it asks or complains."""
    terminal.say(":write")
    shown = terminal.wait_for(r'"[^"]*".* written', r"\bE\d+:.*", r"W\d+:.*", r"\(y/n\)").group()
    assert shown.endswith("written"), terminal.screen()
    # The message goes, so that the next one is seen.
    terminal.press("C-l")
    terminal.say(":echo")
    until(lambda: " written" not in terminal.screen(), "the message goes", shown=terminal.screen)


def replace(terminal, old, new):
    terminal.say(f":%s/{old}/{new}/")
    terminal.wait_for(on_a_line(new))


@pytest.mark.parametrize("settings", [[], ["backupcopy=yes"], ["backupcopy=no"]], ids=str)
def test_one_session_saves_again_and_again(item, settings):
    """Its text names the first version all the while: its own last save is what it is based on."""
    options = [word for setting in settings for word in ("-c", f"set {setting}")]
    with Terminal(["vim", "--clean", *options, item.file.name], item.desk.home, cwd=item.file.parent) as terminal:
        terminal.wait_for(on_a_line("key: one"))
        for old, new in (("one", "two"), ("two", "three"), ("three", "one"), ("one", "two")):
            replace(terminal, f"key: {old}", f"key: {new}")
            write(terminal)
            assert item.stored()["data"]["key"] == new
        terminal.say(":quit")
        terminal.wait_end()
    item.check_saved(["update"] * 4)


def test_undone_and_saved_after_a_refusal(item):
    with Terminal(["vim", "--clean", item.file.name], item.desk.home, cwd=item.file.parent) as terminal:
        terminal.wait_for(on_a_line("key: one"))
        replace(terminal, "key: one", "bad key!: one")
        terminal.say(":write")
        terminal.wait_for(r"\bE\d+:")
        terminal.press("Enter")
        replace(terminal, "bad key!: one", "key: two")
        terminal.press("C-l")
        terminal.say(":write")
        terminal.wait_for(r'"[^"]*".* written')
        terminal.say(":quit")
        terminal.wait_end()
    item.check_saved()


def deployment(replicas, **more):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "none"}]}}, **more}}


def test_controllers_do_not_alarm_vim(desk):
    """They change the status after every save; only what others do to the rest is a change to ask about."""
    item = desk.create("deployments.apps", deployment(1))

    def observed():
        now = item.stored()
        return now["status"].get("observedGeneration") == now["metadata"]["generation"] and item.is_current() and \
            now["status"].get("availableReplicas") == now["spec"]["replicas"]

    desk.mount.wait_for(observed, "the controller is done")
    with Terminal(["vim", "--clean", item.file.name], desk.home, cwd=item.file.parent) as terminal:
        terminal.wait_for("replicas: 1")
        for old, new in ((1, 2), (2, 3), (3, 1)):
            terminal.say(f":1,/^status:/s/^  replicas: {old}$/  replicas: {new}/")
            terminal.wait_for(on_a_line(f"replicas: {new}"))
            write(terminal)
            desk.mount.wait_for(observed, "the controller is done")
        terminal.say(":quit")
        terminal.wait_end()
    assert item.stored_writes() == ["update"] * 3


def test_vim_warns_of_others(item):
    with Terminal(["vim", "--clean", item.file.name], item.desk.home, cwd=item.file.parent) as terminal:
        terminal.wait_for(on_a_line("key: one"))
        replace(terminal, "key: one", "key: two")
        item.change_data(other="theirs")
        terminal.say(":write")
        terminal.wait_for(re.escape("(y/n)"))
        terminal.type("n")
        terminal.press("Enter")
        terminal.say(":quit!")
        terminal.wait_end()
    assert item.sent() == []
    assert item.stored()["data"]["key"] == "one"
