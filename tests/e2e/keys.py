"""Keys of etcd for tests: written through the gateway as the bytes they are, and the paths that they must have.

The paths are made here a second time, from what kubefs(1) says, so that they judge the program's.
"""

import base64
import contextlib
import json
import os
import random
import time
import urllib.request

NAME_MAX = 255
CHUNK = 200


def encode(data):
    return base64.b64encode(data).decode()


class Gateway:
    """The JSON gateway of an etcd without TLS and users."""

    def __init__(self, endpoint, timeout=30):
        self.endpoint = endpoint
        self.timeout = timeout

    def __call__(self, path, **body):
        request = urllib.request.Request(f"{self.endpoint}/v3/{path}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=self.timeout) as response:
            return json.load(response)

    def put(self, key, value, **more):
        """Returns the revision."""
        return int(self("kv/put", key=encode(key), value=encode(value), **more)["header"]["revision"])

    def delete(self, key, end=None):
        more = {} if end is None else {"range_end": encode(end)}
        return int(self("kv/deleterange", key=encode(key), **more)["header"]["revision"])

    def all(self, prefix=b""):
        """{key: kv} of every key that begins with the prefix; kv has its value as bytes."""
        found = {}
        for kv in self("kv/range", key=encode(b"\0"), range_end=encode(b"\0")).get("kvs", []):
            key = base64.b64decode(kv["key"])
            if key.startswith(prefix):
                found[key] = {**kv, "value": base64.b64decode(kv.get("value", ""))}
        return found

    def clear(self):
        self.delete(b"\0", b"\0")

    def compact(self, revision):
        self("kv/compaction", revision=str(revision), physical=True)

    def lease(self, seconds):
        return int(self("lease/grant", TTL=str(seconds))["ID"])


# Paths

def component(name, value=False):
    """An escaped name, not yet cut."""
    if not value:
        special = {b"": b"%-", b".": b"%2E", b"..": b"%2E%2E", b".kubefs": b"%2Ekubefs", b".revisions": b"%2Erevisions"}
        if name in special:
            return special[name]
    return name.replace(b"%", b"%25").replace(b"\0", b"%00") + (b"%=" if value else b"")


def cut(escaped):
    pieces = []
    while len(escaped) > NAME_MAX:
        at = CHUNK
        for back in (1, 2):
            if escaped[CHUNK - back:CHUNK - back + 1] == b"%":
                at = CHUNK - back
        pieces.append(escaped[:at] + b"%")
        escaped = escaped[at:]
    return b"/".join([*pieces, escaped])


def path_of(key, prefix=b"", value=False):
    """The path of a key below the mount point: its plain one, or the escaped one that always resolves."""
    assert key.startswith(prefix)
    rest = key[len(prefix):]
    parts = []
    if not prefix.endswith(b"/"):
        if rest.startswith(b"/"):
            rest = rest[1:]
        else:
            parts.append(b"%.")
    *directories, last = rest.split(b"/")
    parts += [cut(component(name)) for name in directories]
    return b"/".join([*parts, cut(component(last, value))])


def listed_paths(keys, prefix=b""):
    """{path: key} of what a walk must find."""
    def is_directory(key):
        # What goes on after the prefix with a slash stands at the mount point, not below "%.".
        apart = key == prefix and not prefix.endswith(b"/")
        return not apart and any(other.startswith(key + b"/") for other in keys)

    return {path_of(key, prefix, value=is_directory(key)): key for key in keys}


# What the mount shows

GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def walk(top, vanishing=()):
    """{path below top: bytes} of every file; vanishing: GONE, when names may go, or become others, during the walk."""
    found = {}
    # From a descriptor: below the mount point a path may be as long as any path.
    root = os.open(top, os.O_PATH)
    try:
        left = [b""]
        while left:
            with contextlib.suppress(*vanishing):
                walk_folder(root, left.pop(), left, found, vanishing)
    finally:
        os.close(root)
    return found


def walk_folder(root, folder, left, found, vanishing):
    opened = os.open(folder or b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                path = os.path.join(folder, os.fsencode(entry.name))
                if entry.is_dir(follow_symlinks=False):
                    left.append(path)
                    continue
                with contextlib.suppress(*vanishing), open(
                        path, "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=root)) as file:
                    content = file.read()
                    assert os.fstat(file.fileno()).st_size == len(content), path
                    assert found.setdefault(path, content) is content, path
    finally:
        os.close(opened)


def settle(condition, what, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not after {timeout} s"
        time.sleep(0.02)


# Nasty ones

PIECES = [b"", b".", b"..", b".kubefs", b".revisions", b"%", b"%.", b"%=", b"%-", b"%2F", b"a%", b"a%=", b"%25", b"a", b"b", b"\0", b"\xff", b"\xff\xff",
          b"\xc3\xa4", b"\xe2\x80\xae", b"a b", b"a\nb", b"\x1b[31m", b"-rf", b"~", b"*", b"'", b'"', b"\\", b"a@", b"@", b"web.yaml",
          b"n" * 199 + b"%" + b"n" * 100, b"n" * 198 + b"\0" + b"n" * 100, b"n" * 255, b"n" * 256, b"n" * 254, b"n" * 253,
          b"n" * 500, b"n" * 199, b"%" * 100, b"%" * 85, b"%" * 86, b"n" * 200 + b"m" * 55, b"n" * 200 + b"m" * 57]


def nasty_keys(seed, count):
    chosen = random.Random(seed)
    keys = {b"/", b"//", b"///", b"a", b"/a", b"/a/", b"/a//", b"a/", b"/a/b", b"/a/b/c", b"/./..", b"\0", b"\xff", b"/\xff", b"\xff/",
            b".", b"..", b"/.", b"/..", b".kubefs", b"/.kubefs", b"/.kubefs/status", b"compact_rev_key", b"/registry/pods/default/web"}
    while len(keys) < count:
        depth = chosen.choice((1, 2, 2, 3, 4))
        key = b"/".join(chosen.choice(PIECES) for _ in range(depth))
        if chosen.random() < 0.7:
            key = b"/" + key
        if key:
            keys.add(key)
    return sorted(keys)


def nasty_value(chosen):
    kind = chosen.random()
    if kind < 0.1:
        return b""
    if kind < 0.2:
        return chosen.randbytes(chosen.randrange(100000))
    return chosen.randbytes(chosen.randrange(200))
