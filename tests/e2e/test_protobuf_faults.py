"""What a server may send as protobuf that a real one does not (protobuf_api.py)."""

import contextlib
import errno
import os

import pytest

import protobuf_api
from protobuf_api import UNKNOWN_FIELD, ProtobufApi, message
from scripted_api import GONE, config_map, frame, status

pytestmark = pytest.mark.sanitize
FALLBACK = "asked for as JSON from now on"


@pytest.fixture
def api():
    with ProtobufApi() as made:
        yield made


@pytest.fixture
def start(api, mount, tmp_path):
    return lambda options="ro": mount("-o", options, kubeconfig=api.kubeconfig(tmp_path))


def tree(mounted):
    """Names and texts of what there is."""
    directory = mounted.resource("configmaps", "default")
    return {name: (directory / name).read_text() for name in sorted(os.listdir(directory))}


def is_without(mounted, name):
    directory = mounted.resource("configmaps", "default")
    return f"{name}.yaml" not in os.listdir(directory) and not (directory / f"{name}.yaml").exists()


def shows(mounted, name, text):
    with contextlib.suppress(FileNotFoundError):
        return text in mounted.file("configmaps", name, "default").read_text()
    return False


def end_watches(api):
    for request in list(api.requests):
        if request.verb == "watch":
            with contextlib.suppress(OSError):
                request.connection.shutdown(2)


def fill(api, count=20):
    for number in range(count):
        api.put("configmaps", config_map(f"c{number:02}", key=f"value {number}", yes="no"))


def no_stream(api):
    """WatchList is refused: pages of a list follow."""
    api.hooks.append(lambda request: request.is_for("watch", "configmaps") and "sendInitialEvents" in request.query
                     and request.fail(422, "Invalid", "sendInitialEvents is forbidden"))


@pytest.mark.parametrize("paged", [False, True])
def test_both_ways_show_the_same(api, start, paged):
    fill(api)
    if paged:
        no_stream(api)
        api.page = 7
    protobuf, plain = start(), start("ro,without=protobuf")
    assert tree(protobuf) == tree(plain)
    assert len(tree(plain)) == 20
    asked = api.asked()
    assert True in asked and False in asked
    assert "encoding: protobuf" in protobuf.status() and "encoding: protobuf" not in plain.status()
    api.put("configmaps", config_map("c03", key="another"))
    api.remove("configmaps", "c04")
    api.put("configmaps", config_map("new", key="1"))
    for mounted in protobuf, plain:
        mounted.wait_for(lambda: shows(mounted, "new", "key:"), "the last change")
        # The kernel is told of each name, and of the listing, in an order of their own.
        mounted.wait_for(lambda: shows(mounted, "c03", "another"), "the first one")
        mounted.wait_for(lambda: is_without(mounted, "c04"), "the deletion")
        mounted.wait_for(lambda: "new.yaml" in os.listdir(mounted.resource("configmaps", "default")), "its listing")
    assert tree(protobuf) == tree(plain)
    assert not any(path.read_text().count(FALLBACK) for path in [protobuf.path / ".kubefs" / "errors"])


def test_frames_cut_in_two(api, start):
    def write(request, data):
        cut = 1 + len(api.requests) * 7 % (len(data) - 1)
        request.chunk(data[:cut])
        request.chunk(data[cut:])

    api.write = write
    fill(api)
    mounted = start()
    assert len(tree(mounted)) == 20
    for number in range(10):
        api.put("configmaps", config_map("c00", key=f"change {number}"))
        mounted.wait_for(lambda: shows(mounted, "c00", f"change {number}"), "the change")
    assert all(api.asked())


def expect_fallback(api, mounted):
    assert api.asked()[0] and not api.asked()[-1]
    assert mounted.errors().count(FALLBACK) == 1, mounted.errors()
    assert mounted.log_text().count(FALLBACK) == 1
    first = api.asked().index(False)
    assert not any(api.asked()[first:])
    os.listdir(mounted.resource("secrets", "default"))
    assert all(api.asked("secrets"))


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize("broken", ["unknown", "damaged"])
def test_what_cannot_be_read_is_asked_for_as_json(api, start, paged, broken):
    fill(api)
    if paged:
        no_stream(api)
        api.page = 7

    def send(item):
        encoded = message(item)
        if item["metadata"].get("name") != "c11":
            return encoded
        return encoded + UNKNOWN_FIELD if broken == "unknown" else encoded[:-1]

    api.item_bytes = send
    mounted = start()
    shown = tree(mounted)
    assert len(shown) == 20 and "value 11" in shown["c11.yaml"]
    expect_fallback(api, mounted)
    api.put("configmaps", config_map("c11", key="another"))
    mounted.wait_for(lambda: shows(mounted, "c11", "another"), "the change")
    expect_fallback(api, mounted)


def test_a_damaged_list(api, start):
    fill(api)
    no_stream(api)

    def damage(request):
        if not request.is_for("list", "configmaps") or not protobuf_api.wants(request):
            return False
        item = message(config_map("c00"))
        whole = protobuf_api.list_of([item, item], "200")
        tag = whole.rindex(item) - 2
        return request.answer(200, whole[:tag] + b"\0" + whole[tag + 1:], Content_Type=protobuf_api.CONTENT_TYPE)

    api.hooks.append(damage)
    mounted = start()
    assert len(tree(mounted)) == 20
    expect_fallback(api, mounted)


def test_an_event_that_cannot_be_read_is_not_lost(api, start):
    fill(api)
    mounted = start()
    assert len(tree(mounted)) == 20 and all(api.asked())
    api.item_bytes = lambda item: message(item) + UNKNOWN_FIELD
    with api.changed:
        api.put("configmaps", config_map("c05", key="another"))
        api.remove("configmaps", "c06")
    mounted.wait_for(lambda: shows(mounted, "c05", "another"), "the change")
    mounted.wait_for(lambda: is_without(mounted, "c06"), "the deletion")
    assert len(tree(mounted)) == 19
    expect_fallback(api, mounted)
    # It went on from where it was: nothing was listed again.
    assert api.count("list", "configmaps") == 0
    assert sum("sendInitialEvents" in request.query for request in api.requests if request.is_for("watch", "configmaps")) == 1


def test_410_in_an_error_event(api, start):
    fill(api)
    mounted = start()
    assert len(tree(mounted)) == 20
    expired = []

    def expire(request):
        if not request.is_for("watch", "configmaps") or expired:
            return False
        expired.append(request)
        with api.changed:
            del api.objects["configmaps", "default", "c07"]  # without an event: only a relist shows it
        request.begin(Content_Type=f"{protobuf_api.CONTENT_TYPE};stream=watch")
        request.chunk(api.event(frame("ERROR", GONE)))
        request.end()
        return True

    mounted.wait_for(lambda: api.count("watch", "configmaps") > 0, "the watch")
    api.hooks.append(expire)
    end_watches(api)
    mounted.wait_for(lambda: is_without(mounted, "c07"), "the deletion")
    assert len(tree(mounted)) == 19 and expired
    assert all(api.asked())
    assert FALLBACK not in mounted.errors()


def test_a_refusal_as_protobuf(api, start):
    refusal = status(403, "Forbidden", "configmaps are not for \x1b[31mthis user")
    api.hooks.append(lambda request: request.verb in ("list", "watch") and api.speaks_protobuf(request)
                     and request.answer(403, protobuf_api.status(refusal), Content_Type=protobuf_api.CONTENT_TYPE))
    mounted = start()
    with pytest.raises(OSError) as refused:
        os.listdir(mounted.resource("configmaps", "default"))
    assert refused.value.errno == errno.EACCES
    assert "configmaps are not for \\x1B[31mthis user" in mounted.errors() + mounted.log_text()


def test_a_cut_connection_is_no_reason_to_fall_back(api, start):
    fill(api)
    mounted = start()
    assert len(tree(mounted)) == 20

    def cut(request, data):
        request.chunk(data[:-1])
        request.end()
        api.write = lambda request, data: request.chunk(data)
        raise ConnectionAbortedError

    api.write = cut
    api.put("configmaps", config_map("c00", key="another"))
    mounted.wait_for(lambda: shows(mounted, "c00", "another"), "the change")
    assert all(api.asked())
    assert FALLBACK not in mounted.errors()


def test_a_server_that_has_no_protobuf(api, start):
    api.speaks_protobuf = lambda request: False
    fill(api)
    mounted = start()
    assert len(tree(mounted)) == 20
    api.put("configmaps", config_map("c00", key="another"))
    mounted.wait_for(lambda: shows(mounted, "c00", "another"), "the change")
    assert FALLBACK not in mounted.errors()


@pytest.mark.parametrize("minor", ["33", "37"])
def test_other_releases_are_asked_for_json(mount, tmp_path, minor):
    with ProtobufApi(minor=minor) as api:
        fill(api)
        mounted = mount("-o", "ro", kubeconfig=api.kubeconfig(tmp_path))
        assert len(tree(mounted)) == 20
        assert api.asked() and not any(api.asked())
        mounted.stop()
