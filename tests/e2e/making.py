"""The programs of programs.py, with a file that is not there yet.

    said = MAKERS["vim"].make(file, text, home, Edit("bogus: 1", "immutable: false"))

saves the text and then, where an Edit is given, calls its meanwhile(), corrects the text and saves once more: in the same
session where the program has one. One Said for each save.
"""

import contextlib
import errno
import os
import re
import subprocess

import programs
from programs import PROGRAMS, SECONDS, Edit, Said, on_a_line
from terminal import Terminal, until


class Maker:
    """tells, leaves and tries are those of programs.Program."""

    def __init__(self, make, tells=True, leaves=(), tries=1):
        self.make, self.tells, self.tries, self.leaves = make, tells, tries, leaves

    def left(self, file):
        return {pattern.format(file.name) for pattern in self.leaves}


def source_of(home, text):
    source = home / "text-to-insert"
    source.write_text(text)
    return source


def first_line(text):
    return on_a_line(text.splitlines()[0])


# In a terminal

def vi(program, *settings):
    def write(terminal):
        terminal.say(":write")
        said = programs.verdict(terminal, r'"[^"]*".* written', r"\bE\d+:")
        if said.failed:
            terminal.press("Enter")
        return said

    def make(file, text, home, fix=None):
        argv = [program, "--clean", *(word for setting in settings for word in ("-c", f"set {setting}")), file.name]
        with Terminal(argv, home, cwd=file.parent) as terminal:
            terminal.wait_for(rf"{re.escape(file.name)}.*(\[New\]|All)")
            terminal.say(f":0read {source_of(home, text)}")
            terminal.wait_for(first_line(text))
            terminal.say(":$delete")
            said = [write(terminal)]
            if fix:
                fix.meanwhile()
                terminal.say(f":%s/{fix.old}/{fix.new}/")
                terminal.wait_for(on_a_line(fix.new))
                terminal.press("C-l")
                until(lambda: fix.old not in terminal.screen(), "the command is gone", shown=terminal.screen)
                said.append(write(terminal))
            terminal.say(":quit!")
            terminal.wait_end()
        return said
    return make


def nano(file, text, home, fix=None):
    with Terminal(["nano", "--ignorercfiles", file.name], home, cwd=file.parent) as terminal:
        terminal.wait_for(r"\[ New File \]")
        terminal.press("C-r")
        terminal.wait_for("File to insert")
        terminal.say(str(source_of(home, text)))
        terminal.wait_for(first_line(text))
        said = [programs.nano_write(terminal)]
        if fix:
            fix.meanwhile()
            programs.nano_replace(terminal, fix)
            said.append(programs.nano_write(terminal))
        programs.nano_leave(terminal, said[-1])
    return said


def emacs(*settings):
    def make(file, text, home, fix=None):
        argv = ["emacs", "-nw", "-Q", *(word for setting in settings for word in ("--eval", setting)), file.name]
        with Terminal(argv, home, cwd=file.parent) as terminal:
            terminal.wait_for(r"\(New file\)")
            terminal.press("C-x", "i")
            terminal.wait_for("Insert file:")
            terminal.say(str(source_of(home, text)))
            terminal.wait_for(first_line(text))
            said = [programs.emacs_write(terminal)]
            if fix:
                fix.meanwhile()
                programs.emacs_replace(terminal, fix)
                said.append(programs.emacs_write(terminal))
            programs.emacs_leave(terminal)
        return said
    return make


def micro(file, text, home, fix=None):
    def write():
        terminal.press("C-s")
        return programs.verdict(terminal, r"(?m)^Saved ", r"(?m)^.*(invalid argument|busy|denied|input/output error)",
                                {r"Reload file\? \(y,n": ["n", "C-s"]})

    with Terminal(["micro", "-clipboard", "internal", file.name], home, cwd=file.parent) as terminal:
        terminal.wait_for(r"ft:yaml")
        terminal.tmux("set-buffer", "--", text)
        terminal.tmux("paste-buffer", "-p")
        terminal.wait_for(on_a_line(text.splitlines()[-1]))
        said = [write()]
        if fix:
            fix.meanwhile()
            terminal.press("C-e")
            terminal.wait_for(r"(?m)^>")
            terminal.say(f"replaceall '{fix.old}' '{fix.new}'")
            terminal.wait_for(r"Replaced \d+ occurrence")
            said.append(write())
        terminal.press("C-q")
        terminal.wait_end()
    return said


# Without one: corrected by another run

def again(write):
    def make(file, text, home, fix=None):
        said = [write(file, text, home)]
        if fix:
            fix.meanwhile()
            said.append(write(file, fix.apply(text), home))
        return said
    return make


def ed(file, text, home):
    with subprocess.Popen(["ed", "-s"], cwd=file.parent, env=programs.environment(home), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output, _ = process.communicate(f"H\na\n{text}.\nw {file.name}\nq\n", timeout=SECONDS)
    return Said(process.returncode != 0, output)


def vscode(path, data):
    """Its explorer makes the file first, and the editor saves to it."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    programs.vscode(path, data)


def java_move(source, target):
    """java.nio.file.Files.move with REPLACE_EXISTING: across file systems it copies and deletes."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        with open(source, "rb") as reader, open(target, "xb") as writer:
            writer.write(reader.read())
        os.unlink(source)


def jetbrains(path, data):
    """Likewise an empty file first, then its safe write."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    new, old = f"{path}___jb_tmp___", f"{path}___jb_old___"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        programs.write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    java_move(path, old)
    try:
        java_move(new, path)
    except OSError:
        java_move(old, path)
        os.unlink(new)
        raise
    os.unlink(old)


def of_program(name):
    program = PROGRAMS[name]
    return Maker(again(program.save.write), program.tells, tries=program.tries)


MAKERS = {
    "vim": Maker(vi("vim")),
    "vim-backupcopy=yes": Maker(vi("vim", "backupcopy=yes")),
    "vim-undofile": Maker(vi("vim", "undofile"), leaves=[".{}.un~"]),
    "nvim": Maker(vi("nvim")),
    "nano": Maker(nano),
    "emacs": Maker(emacs(), leaves=["{}~"]),
    "micro": Maker(micro),
    "ed": Maker(again(ed)),
    "vscode": Maker(again(programs.calls(vscode).write)),
    "jetbrains": Maker(again(programs.calls(jetbrains).write)),
    **{name: of_program(name) for name in (
        "cp", "mv", "install", "dd", "dd-fsync", "tee", "tar", "git", "rsync", "rsync-inplace", "rsync-archive", "cat", "group",
        "exec-builtin", "python-rename")},
}
