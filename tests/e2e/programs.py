"""What people save files with, each driven as its user would: load, edit, save, leave.

    said = PROGRAMS["vim"].save(file, Edit("key: one", "key: two"), home)
    assert not said.failed, said.text
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time

from mounting import require_tools
from terminal import Terminal

SECONDS = 60


class Edit:
    """Put new for old, a text within a line; meanwhile() runs when the file is loaded and not saved yet."""

    def __init__(self, old, new, meanwhile=lambda: None):
        self.old, self.new, self.meanwhile = old, new, meanwhile

    def apply(self, text):
        assert self.old in text
        return text.replace(self.old, self.new)


class Said:
    """What the program told its user: whether saving failed, and all that it showed."""

    def __init__(self, failed, text):
        self.failed, self.text = failed, text


class Program:
    """save(file, edit, home) -> Said.

    tells           a failure of the save; why some cannot stands beside them
    leaves          the names that it leaves beside the file by design; {} is the file's
    refused_leaves  those after a save that failed
    tries           how often it begins anew when a save fails
    """

    def __init__(self, save, tells=True, leaves=(), refused_leaves=(), tries=1):
        self.save, self.tells, self.tries = save, tells, tries
        self.leaves, self.refused_leaves = leaves, (*leaves, *refused_leaves)

    def left(self, file, refused=False):
        return {pattern.format(file.name) for pattern in (self.refused_leaves if refused else self.leaves)}


# In a terminal

def on_a_line(text):
    return rf"(?m)^\s*(\d+ )?\s*{re.escape(text)}"


def verdict(terminal, good, bad, questions=()):
    """What the screen says of a save; questions map patterns to keys to answer with, each once at most."""
    questions = dict(questions)
    while True:
        seen = terminal.wait_for(bad, *questions, good).re.pattern
        if seen not in questions:
            return Said(seen == bad, terminal.screen())
        # It may stand there for longer.
        terminal.press(*questions.pop(seen))


def vi(program, *settings):
    def save(file, edit, home):
        argv = [program, "--clean", *(word for setting in settings for word in ("-c", f"set {setting}")), file.name]
        with Terminal(argv, home, cwd=file.parent) as terminal:
            terminal.wait_for(on_a_line(edit.old))
            terminal.say(f":%s/{edit.old}/{edit.new}/")
            terminal.wait_for(on_a_line(edit.new))
            edit.meanwhile()
            terminal.say(":write")
            said = verdict(terminal, r'"[^"]*".* written', r"\bE\d+:", {r"really want to write to it \(y/n\)": ["y"]})
            if said.failed:
                terminal.press("Enter")
            terminal.say(":quit!")
            terminal.wait_end()
        return said
    return save


def nano(file, edit, home):
    with Terminal(["nano", "--ignorercfiles", file.name], home, cwd=file.parent) as terminal:
        terminal.wait_for(on_a_line(edit.old))
        nano_replace(terminal, edit)
        edit.meanwhile()
        said = nano_write(terminal)
        nano_leave(terminal, said)
    return said


def nano_replace(terminal, edit):
    terminal.press("C-\\")
    terminal.wait_for(r"Search \(to replace\)")
    terminal.say(edit.old)
    terminal.wait_for("Replace with")
    terminal.say(edit.new)
    terminal.wait_for("Replace this instance")
    terminal.type("a")
    terminal.wait_for(r"Replaced \d+ occurrence")


def nano_write(terminal):
    terminal.press("C-o")
    terminal.wait_for("File Name to Write")
    terminal.press("Enter")
    return verdict(terminal, r"\[ Wrote \d+ lines", r"\[ Error ", {"changed.*ontinue saving|modified since": ["y"]})


def nano_leave(terminal, said):
    terminal.press("C-x")
    if said.failed:
        terminal.wait_for("Save modified buffer")
        terminal.type("n")
    terminal.wait_end()


def emacs(*settings):
    def save(file, edit, home):
        argv = ["emacs", "-nw", "-Q", *(word for setting in settings for word in ("--eval", setting)), file.name]
        with Terminal(argv, home, cwd=file.parent) as terminal:
            terminal.wait_for(on_a_line(edit.old))
            emacs_replace(terminal, edit)
            edit.meanwhile()
            said = emacs_write(terminal)
            emacs_leave(terminal)
        return said
    return save


def emacs_replace(terminal, edit):
    terminal.press("M-<")
    terminal.press("M-x")
    terminal.say("replace-string")
    terminal.wait_for("Replace string")
    terminal.say(edit.old)
    terminal.wait_for("Replace string .* with")
    terminal.say(edit.new)
    terminal.wait_for(on_a_line(edit.new))


def emacs_write(terminal):
    terminal.press("C-x", "C-s")
    return verdict(
        terminal, r"(?m)^Wrote ",
        r"(?m)^(Writing to|Opening output|Renaming|Copying|File error|Unlocking|Cannot|Write error|basic-save)",
        {r"[Ss]ave anyway\? \(yes or no\) *$": ["y", "e", "s", "Enter"]})


def emacs_leave(terminal):
    terminal.press("M-:")
    terminal.wait_for("(?m)^Eval:")
    terminal.say("(kill-emacs)")
    terminal.wait_end()


def joe(file, edit, home):
    with Terminal(["joe", file.name], home, cwd=file.parent) as terminal:
        terminal.wait_for(on_a_line(edit.old))
        terminal.press("C-k", "f")
        terminal.wait_for("Find")
        terminal.say(edit.old)
        terminal.wait_for("gnore")
        terminal.say("r")
        terminal.wait_for("Replace with")
        terminal.say(edit.new)
        terminal.wait_for("Replace.*es.*o.*est")
        terminal.type("r")
        terminal.wait_for(on_a_line(edit.new))
        edit.meanwhile()
        terminal.press("C-k", "d")
        terminal.wait_for("Name of file to save")
        terminal.press("Enter")
        said = verdict(terminal, r"File .* saved", r"[Cc]ouldn't|[Ee]rror",
                       {"newer|changed on disk|verwrite": ["y"]})
        terminal.press("C-k", "q")
        if said.failed:
            terminal.wait_for(r"\(y,n,")
            terminal.type("n")
        terminal.wait_end()
    return said


def micro(file, edit, home):
    with Terminal(["micro", "-clipboard", "internal", file.name], home, cwd=file.parent) as terminal:
        terminal.wait_for(on_a_line(edit.old))
        terminal.press("C-e")
        terminal.wait_for(r"(?m)^>")
        terminal.say(f"replaceall '{edit.old}' '{edit.new}'")
        terminal.wait_for(r"Replaced \d+ occurrence")
        edit.meanwhile()
        terminal.press("C-s")
        said = verdict(terminal, r"(?m)^Saved ", r"(?m)^.*(invalid argument|busy|denied|input/output error)",
                       {r"Reload file\? \(y,n": ["n", "C-s"]})
        terminal.press("C-q")
        if said.failed:
            terminal.wait_for(r"\(y,n")
            terminal.type("n")
        terminal.wait_end()
    return said


# Commands that load and save in one go

def run(argv, *, cwd=None, home, **more):
    """Run a command; a failure is what its status says."""
    argv = [str(word) for word in argv]
    require_tools(argv[0])
    done = subprocess.run(argv, cwd=cwd, env=environment(home), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=SECONDS, check=False, **more)
    return Said(done.returncode != 0, f"{argv[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}")


def environment(home):
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}


def filter_in_place(*argv):
    """A command that stops for a while at the first line; {gate} in it is a shell command that does so."""
    def save(file, edit, home):
        require_tools(argv[0])
        reached, reached_end = os.pipe()
        go_end, go = os.pipe()
        gate = f"echo > /proc/self/fd/{reached_end}; read -r line < /proc/self/fd/{go_end}"
        words = [word.format(gate=gate, old=edit.old, new=edit.new) for word in argv]
        with subprocess.Popen([*words, file.name], cwd=file.parent, env=environment(home), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              pass_fds=[reached_end, go_end]) as process:
            for end in (reached_end, go_end):
                os.close(end)
            # The end of the pipe, and nothing to read, when it ends before.
            if os.read(reached, 1):
                edit.meanwhile()
            with contextlib.suppress(BrokenPipeError):
                os.write(go, b"\n")
            for end in (reached, go):
                os.close(end)
            text, _ = process.communicate(timeout=SECONDS)
        return Said(process.returncode != 0, f"{argv[0]} ended with {process.returncode}\n{text}")
    return save


def ed(file, edit, home):
    require_tools("ed")
    with subprocess.Popen(["ed", "-s", file.name], cwd=file.parent, env=environment(home), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        process.stdin.write(f"H\n,s/{edit.old}/{edit.new}/\n=\n")
        process.stdin.flush()
        lines = process.stdout.readline()
        edit.meanwhile()
        text, _ = process.communicate("w\nq\n", timeout=SECONDS)
    return Said(process.returncode != 0, f"ed ended with {process.returncode}\n{lines}{text}")


# Commands that put a whole text in the file's place

def whole(put):
    """put(file, text, folder) -> Said; folder is a place on another file system. save.write(file, text, home) needs no file."""
    def write(file, text, home):
        folder = home / "work"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return put(file, text, folder)

    def save(file, edit, home):
        text = edit.apply(file.read_text())
        edit.meanwhile()
        return write(file, text, home)

    save.write = write
    return save


def command(*argv):
    """A command over {source}, a file of the same name, and {file}."""
    def put(file, text, folder):
        source = folder / file.name
        source.write_text(text)
        return run([word.format(source=source, file=file, folder=folder) for word in argv], home=folder, cwd=folder)
    return whole(put)


def shell(script, program="bash"):
    """A script over $f, the file, $x, the text, and $a and $b, its halves."""
    def put(file, text, folder):
        lines = text.splitlines(keepends=True)
        middle = len(lines) // 2
        parts = {"x": lines, "a": lines[:middle], "b": lines[middle:]}
        for name, part in parts.items():
            (folder / name).write_text("".join(part))
        head = "".join(f"{name}={folder / name}; " for name in parts)
        return run([program, "-c", f"f=$1; {head}{script}", program, file], home=folder, cwd=folder)
    return whole(put)


def tee(file, text, folder):
    (folder / "x").write_text(text)
    with open(folder / "x", encoding="utf-8") as source:
        done = subprocess.run(["tee", file], stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              timeout=SECONDS, check=False)
    return Said(done.returncode != 0, done.stderr)


def tar(file, text, folder):
    (folder / file.name).write_text(text)
    made = run(["tar", "-cf", "archive.tar", file.name], home=folder, cwd=folder)
    assert not made.failed, made.text
    return run(["tar", "-xf", folder / "archive.tar", "-C", file.parent], home=folder, cwd=folder)


def git_checkout(file, text, folder):
    (folder / file.name).write_text(text)
    for argv in (["init", "-q"], ["add", file.name]):
        made = run(["git", *argv], home=folder, cwd=folder)
        assert not made.failed, made.text
    return run(["git", f"--git-dir={folder / '.git'}", f"--work-tree={file.parent}", "checkout", "-q", "-f", "--", file.name],
               home=folder, cwd=file.parent)


# System calls

def calls(put):
    """put(path, data) makes the calls and raises OSError as the program would show it."""
    def put_text(file, text, folder):
        try:
            put(str(file), text.encode())
        except OSError as error:
            return Said(True, str(error))
        return Said(False, "")
    return whole(put_text)


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def python_rename(path, data):
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def vscode(path, data):
    """Its provider of local files: open with "w", write, fdatasync whose error it only logs, close."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    save_descriptor(descriptor, data)


def vscode_truncate(path, data):
    """The same where it keeps the file: open with "r+", ftruncate, write, fdatasync, close."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    os.ftruncate(descriptor, 0)
    save_descriptor(descriptor, data)


def save_descriptor(descriptor, data):
    try:
        write_all(descriptor, data)
        with contextlib.suppress(OSError):
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def jetbrains(path, data):
    """Its safe write: a new file in full, the old one out of the way, the new one in its place."""
    new, old = f"{path}___jb_tmp___", f"{path}___jb_old___"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.chmod(new, os.stat(path).st_mode & 0o7777)
    os.rename(path, old)
    try:
        os.rename(new, path)
    except OSError:
        os.rename(old, path)
        os.unlink(new)
        raise
    os.unlink(old)


# bash gives a redirection back with dup2(2), which tells no error of the file that it closes, and looks at
# none of close(2) but EIO and ENOSPC: the reason is in NAME.yaml.rejected and .kubefs/errors alone.
SILENT = {"tells": False}

PROGRAMS = {
    "vim": Program(vi("vim")),
    "vim-backupcopy=yes": Program(vi("vim", "backupcopy=yes"), refused_leaves=["{}~"]),
    "vim-backupcopy=no": Program(vi("vim", "backupcopy=no")),
    "vim-nowritebackup": Program(vi("vim", "nowritebackup")),
    "vim-undofile": Program(vi("vim", "undofile"), leaves=[".{}.un~"]),
    "vim-backup": Program(vi("vim", "backup"), leaves=["{}~"]),
    "nvim": Program(vi("nvim")),
    "nano": Program(nano),
    "emacs": Program(emacs(), leaves=["{}~"], refused_leaves=["#{}#"]),
    "emacs-no-backups": Program(emacs("(setq make-backup-files nil)"), refused_leaves=["#{}#"]),
    "emacs-backup-by-copying": Program(emacs("(setq backup-by-copying t)"), leaves=["{}~"], refused_leaves=["#{}#"]),
    # It looks at the result of neither fsync(2) nor close(2).
    "joe": Program(joe, tells=False, leaves=["{}~"]),
    "micro": Program(micro),
    "sed": Program(filter_in_place("sed", "-i", "-e", "1e {gate}", "-e", "s/{old}/{new}/")),
    "perl": Program(filter_in_place("perl", "-pi", "-e", "system(q({gate})) if $. == 1; s/{old}/{new}/")),
    "ed": Program(ed),
    "rsync": Program(command("rsync", "-tI", "{source}", "{file}")),
    "rsync-inplace": Program(command("rsync", "-tI", "--inplace", "{source}", "{file}")),
    "rsync-archive": Program(command("rsync", "-aI", "--no-whole-file", "{source}", "{file}")),
    "cp": Program(command("cp", "{source}", "{file}")),
    "cp-remove-destination": Program(command("cp", "--remove-destination", "{source}", "{file}")),
    "mv": Program(command("mv", "{source}", "{file}")),
    "install": Program(command("install", "-m", "644", "{source}", "{file}")),
    "dd": Program(command("dd", "if={source}", "of={file}", "bs=100")),
    "dd-fsync": Program(command("dd", "if={source}", "of={file}", "conv=fsync")),
    "tee": Program(whole(tee)),
    "tar": Program(whole(tar)),
    # It closes without a look, finds the file other than it should be, and unlinks and writes it once more.
    "git": Program(whole(git_checkout), tells=False, tries=2),
    "cat": Program(shell('cat "$x" > "$f"')),
    # It opens the file itself, and the program that writes has no last word.
    "cat-dash": Program(shell('cat "$x" > "$f"', "dash"), **SILENT),
    "group": Program(shell('{ cat "$a"; cat "$b"; } > "$f"'), **SILENT),
    "group-substitution": Program(shell(r'{ printf "%s\n" "$(cat "$a")"; printf "%s\n" "$(cat "$b")"; } > "$f"'), **SILENT),
    "subshell": Program(shell('( cat "$a"; cat "$b"; : ) > "$f"'), **SILENT),
    "exec": Program(shell('exec 3> "$f"; cat "$a" >&3; cat "$b" >&3; exec 3>&-'), **SILENT),
    "exec-builtin": Program(shell(r'exec 3> "$f"; printf "%s\n" "$(cat "$a")" >&3; printf "%s\n" "$(cat "$b")" >&3'), **SILENT),
    "builtin": Program(shell(r'printf "%s\n" "$(cat "$x")" > "$f"'), **SILENT),
    "python-rename": Program(calls(python_rename)),
    "vscode": Program(calls(vscode)),
    "vscode-truncate": Program(calls(vscode_truncate)),
    "jetbrains": Program(calls(jetbrains)),
}


def main():
    """Save a file with each program, on any file system: programs.py FOLDER [NAME...]"""
    import pathlib
    folder = pathlib.Path(sys.argv[1])
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or PROGRAMS:
        file = folder / f"{name.replace('=', '-')}.yaml"
        file.write_text("apiVersion: v1\ndata:\n  key: one\n  other: first\nkind: ConfigMap\n")
        before = set(os.listdir(folder))
        began = time.monotonic()
        said = PROGRAMS[name].save(file, Edit("key: one", "key: two"), home)
        left = set(os.listdir(folder)) - before
        good = not said.failed and file.read_text().count("key: two") == 1 and file.read_text().count("\n") == 5
        print(f"{name}: {'good' if good and left == PROGRAMS[name].left(file) else 'BAD'} {time.monotonic() - began:.2f} s, leaves {left or ''}")
        if not good:
            print(said.text, file.read_text())


if __name__ == "__main__":
    main()
