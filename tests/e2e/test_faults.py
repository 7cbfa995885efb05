"""What a server may do to a mount that a real one will not do on demand (scripted_api.py)."""

import concurrent.futures
import contextlib
import errno
import itertools
import json
import os
import subprocess
import threading
import time

import pytest

from scripted_api import GONE, RESOURCES, Resource, ScriptedApi, config_map, frame

BOUND = 100  # seconds: a request of the kernel is answered within 60


@pytest.fixture
def api():
    with ScriptedApi() as made:
        yield made


@pytest.fixture
def start(api, mount, tmp_path):
    def make(*arguments, **options):
        arguments = arguments or ("-o", "ro")
        return mount(*arguments, kubeconfig=api.kubeconfig(tmp_path), **options)
    return make


def directory(mounted, resource="configmaps", namespace="default"):
    return mounted.resource(resource, namespace)


def read(path):
    return path.read_text()


def has(path, text):
    with contextlib.suppress(FileNotFoundError):
        return text in path.read_text()
    return False


def failure_of(function, *arguments):
    with pytest.raises(OSError) as caught:
        function(*arguments)
    return caught.value.errno


def watching(api, resource="configmaps"):
    return lambda: api.count("watch", resource) > 0


@pytest.mark.sanitize
def test_410_amid_the_pages(api, start):
    api.page = 10
    for number in range(45):
        api.put("configmaps", config_map(f"c{number:02}", key=str(number)))

    def expire(request):
        if request.is_for("list", "configmaps") and request.query.get("continue", "").endswith(":20"):
            api.remove("configmaps", "c00")
            api.page = None
            return request.answer(410, GONE)
        return False

    api.hooks.append(expire)
    mounted = start()
    # What the first pages showed and the second list has no more must not stay.
    assert sorted(os.listdir(directory(mounted))) == [f"c{number:02}.yaml" for number in range(1, 45)]
    last = [request for request in api.requests if request.is_for("list", "configmaps")][-1]
    assert "limit" not in last.query and "continue" not in last.query


@pytest.mark.sanitize
def test_410_in_a_watch(api, start):
    api.put("configmaps", config_map("stays", key="one"))
    api.put("configmaps", config_map("goes", key="one"))
    mounted = start()
    assert sorted(os.listdir(directory(mounted))) == ["goes.yaml", "stays.yaml"]
    mounted.wait_for(watching(api), "the watch")
    expired = threading.Event()

    def expire(request):
        if not request.is_for("watch", "configmaps") or expired.is_set():
            return False
        expired.set()
        with api.changed:
            del api.objects["configmaps", "default", "goes"]  # without an event: only a relist shows it
        request.begin()
        request.chunk(frame("ERROR", GONE))
        request.end()
        return True

    api.hooks.append(expire)
    lists = api.count("list", "configmaps")
    end_watches(api)
    mounted.wait_for(lambda: not (directory(mounted) / "goes.yaml").exists(), "the deletion")
    mounted.wait_for(lambda: os.listdir(directory(mounted)) == ["stays.yaml"], "its listing")
    assert api.count("list", "configmaps") == lists + 1
    api.put("configmaps", config_map("stays", key="two"))
    mounted.wait_for(lambda: has(directory(mounted) / "stays.yaml", "two"), "the next change")


def end_watches(api):
    """Shut down every connection on which a watch was asked for."""
    for request in list(api.requests):
        if request.verb == "watch":
            with contextlib.suppress(OSError):
                request.connection.shutdown(2)


@pytest.mark.sanitize
@pytest.mark.bounded(300)
def test_frame_cut_at_every_byte(api, start):
    """Each watch frame comes in two pieces, cut after 1, 2, 3... bytes; then one in pieces of a byte."""
    tricky = 'quote " brace } { [ ] backslash \\ newline \n é 🙂 \u2028'
    cuts = itertools.repeat(1)
    whole = True

    def write(request, data):
        if whole:
            for byte in data:
                request.chunk(bytes([byte]))
            return
        # An empty chunk would be the end of the answer.
        cut = min(next(cuts), len(data) - 1)
        request.chunk(data[:cut])
        request.chunk(data[cut:])

    def cutting(request):
        return request.is_for("watch", "configmaps") and api.answer_watch(
            request, lambda data: write(request, data))

    api.hooks.append(cutting)
    api.put("configmaps", config_map("one", key="0"))
    mounted = start()
    path = directory(mounted) / "one.yaml"
    assert has(path, '"0"')
    mounted.wait_for(watching(api), "the watch")
    api.put("configmaps", config_map("one", key=tricky, number="whole"))
    mounted.wait_for(lambda: has(path, "whole"), "a frame of single bytes")
    assert json.loads(read(path.with_suffix(".json")))["data"]["key"] == tricky
    length = len(frame("MODIFIED", api.objects["configmaps", "default", "one"]))
    whole = False
    cuts = itertools.chain(range(1, length), itertools.repeat(1))
    for cut in range(1, length):
        api.put("configmaps", config_map("one", key=tricky, number=f"n{cut:05}"))
        mounted.wait_for(lambda: has(path, f"n{cut:05}"), f"a frame cut at {cut}")
    assert json.loads(read(path.with_suffix(".json")))["data"]["key"] == tricky
    assert api.count("list", "configmaps") == 1


@pytest.mark.bounded(400)
def test_stalled_list(api, start):
    """The list stops in its middle: a bounded ETIMEDOUT, while another directory goes on."""
    def stall(request):
        if not request.is_for("list", "configmaps"):
            return False
        request.begin(length=100000)
        request.send(b'{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[')
        return request.stall()

    api.hooks.append(stall)
    api.put("secrets", config_map("other", kind="Secret"))
    mounted = start()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        began = time.monotonic()
        stalled = pool.submit(failure_of, os.listdir, directory(mounted))
        mounted.wait_for(lambda: api.count("list", "configmaps"), "the list")
        answered = time.monotonic()
        assert os.listdir(directory(mounted, "secrets")) == ["other.yaml"]
        assert time.monotonic() - answered < 20
        assert not stalled.done()
        assert stalled.result(BOUND) == errno.ETIMEDOUT
        assert time.monotonic() - began < BOUND
    api.hooks.remove(stall)
    api.put("configmaps", config_map("late"))
    # What was asked before stalls for its 45 s yet.
    mounted.wait_for(lambda: listing(directory(mounted)) == ["late.yaml"], "the list once it answers", 120)


def listing(path):
    try:
        return sorted(os.listdir(path))
    except OSError:
        return None


@pytest.mark.sanitize
@pytest.mark.parametrize("compressed", [False, True])
def test_reset_amid_a_page(api, start, compressed):
    """Half a page is no page: the list is asked for again, nothing is shown twice or missing."""
    api.gzip = compressed
    for number in range(30):
        api.put("configmaps", config_map(f"c{number:02}", key="x" * 1000))
    times = iter(range(2))

    def cut(request):
        if not request.is_for("list", "configmaps") or next(times, None) is None:
            return False
        version, items = api.selected(request)
        body = api.list_body(request, items, version)
        request.begin(length=len(body))
        request.send(body[:len(body) // 2])
        return request.reset()

    api.hooks.append(cut)
    mounted = start()
    mounted.wait_for(lambda: listing(directory(mounted)) is not None, "the list")
    assert listing(directory(mounted)) == [f"c{number:02}.yaml" for number in range(30)]
    assert all(file.read_text().count("x" * 1000) == 1 for file in directory(mounted).iterdir())


@pytest.mark.sanitize
@pytest.mark.parametrize("body", [
    b"", b"garbage", b"{", b"[]", b"null", b'{"kind":"ConfigMapList"', b"\x00" * 100, b"\xff\xfe{}", b"[" * 20000,
    b'{"items":{}}', b'{"items":[1,"x",null,[]]}', b'{"items":[{"metadata":{"name":"a"}},]}',
    b'{"kind":"ConfigMapList","items":[{"metadata":5}]}', b"<html>proxy</html>",
], ids=str)
def test_garbage_instead_of_a_list(api, start, body):
    def garbage(request):
        return request.is_for("list", "configmaps") and request.answer(200, body)

    api.hooks.append(garbage)
    api.put("secrets", config_map("fine", kind="Secret"))
    mounted = start()
    shown = None
    with contextlib.suppress(OSError):
        shown = os.listdir(directory(mounted))
    assert not shown
    assert os.listdir(directory(mounted, "secrets")) == ["fine.yaml"]
    api.hooks.remove(garbage)
    api.put("configmaps", config_map("good"))
    mounted.wait_for(lambda: listing(directory(mounted)) == ["good.yaml"], "the list when it is right again", 60)


@pytest.mark.sanitize
def test_garbage_in_a_watch(api, start):
    """A watch that talks nonsense is begun again, with a pause; what follows is seen."""
    api.put("configmaps", config_map("one", key="first"))
    mounted = start()
    assert has(directory(mounted) / "one.yaml", "first")
    mounted.wait_for(watching(api), "the watch")
    pieces = iter([b"garbage\n", b'{"type":"ODD","object":{}}\n', b'{"type":"ADDED"}\n', b'{"type":"ADDED","object":7}\n'])

    def garbage(request):
        piece = next(pieces, None) if request.is_for("watch", "configmaps") else None
        if piece is None:
            return False
        request.begin()
        request.chunk(piece)
        request.end()
        return True

    api.hooks.append(garbage)
    end_watches(api)
    api.put("configmaps", config_map("one", key="second"))
    mounted.wait_for(lambda: has(directory(mounted) / "one.yaml", "second"), "the change", 60)
    assert "configmaps" in mounted.errors()


@pytest.mark.sanitize
def test_gzip(api, start):
    api.gzip = True
    for number in range(1200):
        api.put("configmaps", config_map(f"c{number:04}", key=f"text {number}"))
    mounted = start()
    assert len(os.listdir(directory(mounted))) == 1200
    assert has(directory(mounted) / "c0777.yaml", "text 777")


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_not_followed(api, mount, tmp_path, code):
    with ScriptedApi() as other:
        def redirect(request):
            return request.is_for("list", "configmaps") and request.answer(
                code, b"", Location=f"{other.url}{request.target}")
        api.hooks.append(redirect)
        mounted = mount("-o", "ro", kubeconfig=api.kubeconfig(tmp_path, {"token": "canary-token"}))
        assert failure_of(os.listdir, directory(mounted)) in (errno.EIO, errno.EPROTO, errno.EREMOTEIO)
        assert other.requests == []
        assert str(code) in mounted.errors()


def test_429_waits_as_told(api, start):
    times = []

    def busy(request):
        if not request.is_for("list", "configmaps"):
            return False
        times.append(request.time)
        return len(times) <= 2 and request.fail(429, "TooManyRequests", "slow down", Retry_After="2")

    api.hooks.append(busy)
    api.put("configmaps", config_map("one"))
    mounted = start()
    assert os.listdir(directory(mounted)) == ["one.yaml"]
    assert len(times) == 3
    assert times[1] - times[0] >= 2 and times[2] - times[1] >= 2


@pytest.mark.sanitize
def test_5000_namespaces(api, start):
    names = [f"n{number:04}" for number in range(5000)]
    for name in names:
        api.put("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": name}})
        api.put("configmaps", config_map("settings", namespace=name, key=f"of {name}"))
    mounted = start()
    top = mounted.path / "namespaces"
    assert sorted(os.listdir(top)) == ["default", *names]
    for name in names[::50]:
        assert has(top / name / "configmaps" / "settings.yaml", f"of {name}")
    # One list for all namespaces, ten pages and one more of namespaces.
    assert api.count("list", "configmaps") == 10
    assert api.count("list", "namespaces") == 11
    api.put("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "another", "uid": "x"}})
    mounted.wait_for(lambda: "another" in os.listdir(top), "a new namespace")


def test_object_of_16_mib(api, start):
    """Shown exactly, with its right size, from a list and from a watch."""
    half = "".join(f"line {number:07} of a long text\n" for number in range(16 * 1024 * 1024 // 28 + 1))
    api.put("configmaps", config_map("big", text=half))
    mounted = start()
    for text in (half, half[::-1]):
        path = directory(mounted) / "big.json"
        mounted.wait_for(lambda: json.loads(path.read_bytes())["data"]["text"] == text, "the text", 90)
        for form in ("yaml", "json"):
            # Its other form may be the next version a moment later.
            with open(directory(mounted) / f"big.{form}", "rb") as opened:
                assert len(opened.read()) == os.fstat(opened.fileno()).st_size > 16 * 1024 * 1024
        assert "big" not in mounted.errors()
        if text is half:
            mounted.wait_for(watching(api), "the watch")
            api.put("configmaps", config_map("big", text=half[::-1]))


@pytest.mark.parametrize("minor", ["30", "36"], ids=["pages", "stream"])
def test_a_list_is_decoded_as_it_streams_in(api, start, minor):
    """The peak is not far above what remains, though the list is much larger than that."""
    count, size = 1500, 20_000
    for number in range(count):
        item = config_map(f"m{number:04}", text="".join(f"{number * 7919 + place:010}" for place in range(size // 10)))
        # On a real server it is two fifths of what comes, and goes on arrival.
        item["metadata"]["managedFields"] = [{"manager": "x" * (size * 2 // 3), "time": "2024-01-01T00:00:00Z"}]
        api.put("configmaps", item)
    api.minor = minor
    mounted = start(log_level="warning")
    assert len(os.listdir(directory(mounted))) == count
    peak, remaining = (memory(mounted, name) for name in ("VmHWM", "VmRSS"))
    assert remaining > count * size, "the objects are not there"
    assert peak <= 1.3 * remaining, f"{peak / remaining:.2f} of {remaining >> 20} MiB"
    assert bool(api.count("list", "configmaps")) == (minor == "30")


def memory(mounted, name):
    """Bytes, of a line of /proc/PID/status."""
    with open(f"/proc/{mounted.pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))


@pytest.mark.bounded(300)
def test_frame_over_the_cap(api, start):
    """A watch frame that does not end is an error with a name, not a crash nor memory without end."""
    api.put("configmaps", config_map("one", key="first"))
    mounted = start()
    assert has(directory(mounted) / "one.yaml", "first")
    mounted.wait_for(watching(api), "the watch")
    before = mounted.resident_bytes()
    done = threading.Event()

    def huge(request):
        if not request.is_for("watch", "configmaps") or done.is_set():
            return False
        done.set()
        request.begin()
        request.chunk(b'{"type":"MODIFIED","object":{"metadata":{"name":"one"},"data":{"key":"')
        with contextlib.suppress(OSError):
            for _ in range(80):
                request.chunk(b"x" * (1 << 20))
        return request.reset()

    api.hooks.append(huge)
    end_watches(api)
    mounted.wait_for(lambda: "larger" in mounted.errors() or "longer" in mounted.errors(), "the error", 60)
    assert mounted.resident_bytes() - before < 300 << 20
    api.put("configmaps", config_map("one", key="second"))
    mounted.wait_for(lambda: has(directory(mounted) / "one.yaml", "second"), "the next change", 60)


HOSTILE = ["a/b", "..", ".", "../../../etc/passwd", "a%2Fb", "%", "%2e%2e", "\x1b[31mred", "new\nline", "tab\t", "x" * 400,
           "\u202egnp.exe", "\u2028", "/", "//", "-rf", " ", "\\", "a\rb", "@", "a@b", "é", "\U0001f642", ".kubefs"]


@pytest.mark.sanitize
def test_hostile_names(api, start):
    """Every name has one path below its directory; none leads out, none is lost."""
    for number, name in enumerate(HOSTILE):
        item = config_map(name, key=f"value {number} of it")
        item["metadata"]["uid"] = f"uid-{number}"
        api.put("configmaps", item)
    api.put("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "../escape", "uid": "e"}})
    mounted = start()
    found = {}
    for folder, folders, files in os.walk(directory(mounted)):
        for file in files:
            path = os.path.join(folder, file)
            assert os.path.realpath(path).startswith(str(directory(mounted)))
            with open(path[:-len("yaml")] + "json") as opened:
                found[json.load(opened)["metadata"]["name"]] = path
            with open(path) as opened:
                assert "value" in opened.read()
        assert not any("/" in name or name in (".", "..") for name in folders + files)
    assert sorted(found) == sorted(HOSTILE)
    names = os.listdir(mounted.path / "namespaces")
    assert len(names) == 2 and not any(name in (".", "..") or "/" in name for name in names), names


@pytest.mark.sanitize
def test_hostile_discovery(mount, tmp_path):
    """Resource names cannot lead out of the tree either, nor stand twice in it."""
    odd = [Resource(name, "Odd") for name in ("../up", "a/b", "..", ".", "", "\x1b[2J", "x" * 300, "new\nline", "a\tb")]
    odd += [Resource("twins", "Twin"), Resource("twins", "Twin"), Resource("pods", "Pod", group="../../x")]
    with ScriptedApi(resources=(*RESOURCES, *odd)) as api:
        api.put("configmaps", config_map("fine", key="v"))
        mounted = mount("-o", "ro", kubeconfig=api.kubeconfig(tmp_path))
        names = os.listdir(mounted.path / "namespaces" / "default")
        assert len(names) == len(set(names))
        for name in names:
            assert name not in ("", ".", "..") and "/" not in name, name
            assert len(os.fsencode(name)) <= 255
            assert name.isprintable(), repr(name)
        assert has(directory(mounted) / "fine.yaml", "key: v")
        subprocess.run(["find", str(mounted.path), "-maxdepth", "3"], check=True, capture_output=True, timeout=120)
        for text in (mounted.status(), mounted.errors(), mounted.log_text()):
            assert "\x1b" not in text


@pytest.mark.sanitize
def test_terminal_escapes_in_errors(api, start):
    evil = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202eoverride\u2066 end"

    def fail(request):
        return request.is_for("list", "configmaps") and request.fail(
            403, "Forbidden", evil, Warning=f'299 - "warn \\\x1b[31m{"x" * 10}"')

    api.hooks.append(fail)
    mounted = start()
    assert failure_of(os.listdir, directory(mounted)) == errno.EACCES
    assert "owned" in mounted.errors()
    for text in (mounted.errors(), mounted.status(), mounted.log_text()):
        assert not set(text) & set("\x1b\x07\r\x9b\u202e\u2066"), text


@pytest.mark.sanitize
def test_objects_without_what_all_have(api, start):
    """No metadata, no uid, no resourceVersion, no name, wrong types, the wrong namespace: no crash, others shown."""
    odd = [
        {}, {"metadata": None}, {"metadata": []}, {"metadata": {}}, {"metadata": {"name": 5}},
        {"metadata": {"name": ""}}, {"metadata": {"namespace": "default"}},
        {"metadata": {"name": "no-uid", "namespace": "default"}},
        {"metadata": {"name": "odd-uid", "namespace": "default", "uid": 7, "resourceVersion": 8}},
        {"metadata": {"name": "odd-time", "namespace": "default", "creationTimestamp": "yesterday"}},
        {"metadata": {"name": "elsewhere", "namespace": "unknown"}}, {"metadata": {"name": "no-namespace"}},
        {"metadata": {"name": "no-list", "namespace": "default", "managedFields": "odd"}},
        {"kind": 5, "metadata": {"name": "odd-kind", "namespace": "default"}},
    ]
    good = config_map("good", key="v")

    def answer(request):
        return request.is_for("list", "configmaps") and request.answer(
            200, api.list_body(request, [*odd, good], "100"))

    api.hooks.append(answer)
    mounted = start()
    names = os.listdir(directory(mounted))
    assert {"good.yaml", "no-uid.yaml"} <= set(names) and "elsewhere.yaml" not in names
    for name in names:
        content = (directory(mounted) / name).read_bytes()
        assert len(content) == (directory(mounted) / name).stat().st_size
    mounted.wait_for(watching(api), "the watch")
    for item in odd:
        api.put("configmaps", item, kind="MODIFIED")
        api.put("configmaps", item, kind="DELETED")
    api.put("configmaps", config_map("last", key="v"))
    mounted.wait_for(lambda: (directory(mounted) / "last.yaml").exists(), "the next change", 60)


@pytest.mark.sanitize
def test_duplicate_names(api, start):
    """A list that names an object twice shows it once, as it stands last."""
    items = [config_map("one", key="first"), config_map("two", key="x"), config_map("one", key="second")]
    for number, item in enumerate(items):
        item["metadata"]["resourceVersion"] = str(number)

    def answer(request):
        return request.is_for("list", "configmaps") and request.answer(200, api.list_body(request, items, "100"))

    api.hooks.append(answer)
    mounted = start()
    assert sorted(os.listdir(directory(mounted))) == ["one.yaml", "two.yaml"]
    assert has(directory(mounted) / "one.yaml", "second")


@pytest.mark.parametrize("how", ["empty", "reset", "refused", "not found"])
def test_watch_that_ends_at_once(api, start, how):
    """No busy loop: the pauses between the attempts grow."""
    def end(request):
        if not request.is_for("watch", "configmaps"):
            return False
        if how == "reset":
            return request.reset()
        if how == "refused":
            return request.fail(500, "InternalError", "no")
        if how == "not found":
            return request.fail(404, "NotFound", "no")
        request.begin()
        request.end()
        return True

    api.hooks.append(end)
    api.put("configmaps", config_map("one"))
    mounted = start()
    began = time.monotonic()
    assert os.listdir(directory(mounted)) == ["one.yaml"]
    # Nothing to wait for here: what must not happen needs its time.
    while time.monotonic() - began < 8:
        assert os.listdir(directory(mounted)) == ["one.yaml"]
        time.sleep(0.2)
    # 0.8 s, doubled each time and random by as much again: five at most, and a repeated reset counts thrice.
    assert api.count("watch", "configmaps") <= 18
    assert api.count("list", "configmaps") <= 8
