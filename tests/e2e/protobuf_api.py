"""A scripted API server that sends ConfigMaps as protobuf to who asks for it.

    api = ProtobufApi()
    with api:
        api.item_bytes = lambda item: message(item)      # to send something else for it

JSON is sent to everybody else, and for every other kind.
"""

import calendar
import json
import struct
import time

from scripted_api import ScriptedApi

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
# Number 2000, the string "x": no message has it.
UNKNOWN_FIELD = b"\x82\x7d\x01x"


def varint(value):
    encoded = b""
    while value >= 0x80:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def entries(field, values):
    return b"".join(text(field, text(1, key) + text(2, value)) for key, value in sorted(values.items()))


def message(item):
    """A ConfigMap, or a bookmark of one."""
    metadata = item["metadata"]
    fields = b"".join(text(number, metadata[name]) for number, name in (
        (1, "name"), (3, "namespace"), (5, "uid"), (6, "resourceVersion")) if name in metadata)
    if "creationTimestamp" in metadata:
        seconds = calendar.timegm(time.strptime(metadata["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ"))
        fields += text(8, number(1, seconds))
    fields += entries(12, metadata.get("annotations", {}))
    return text(1, fields) + entries(2, item.get("data", {}))


def envelope(api_version, kind, encoded):
    return b"k8s\0" + text(1, text(1, api_version) + text(2, kind)) + text(2, encoded) + text(3, "") + text(4, "")


def status(item):
    return envelope("v1", "Status", text(1, b"") + text(2, "Failure") + text(3, item["message"])
                    + text(4, item["reason"]) + number(6, item["code"]))


def list_of(items, version, token=""):
    metadata = text(2, version) + text(3, token)
    return envelope("v1", "ConfigMapList", text(1, metadata) + b"".join(text(2, item) for item in items))


def frame(kind, wrapped):
    event = text(1, kind) + text(2, text(1, wrapped))
    return struct.pack(">I", len(event)) + event


def wants(request):
    return CONTENT_TYPE in request.headers.get("accept", "")


class ProtobufApi(ScriptedApi):
    def __init__(self, minor="36", **options):
        super().__init__(minor=minor, **options)
        self.item_bytes = message
        self.write = lambda request, data: request.chunk(data)

    def speaks_protobuf(self, request):
        return request.resource is not None and request.resource.name == "configmaps" and wants(request)

    def list_body(self, request, items, version, token=None):
        if not self.speaks_protobuf(request):
            return super().list_body(request, items, version, token)
        return list_of([self.item_bytes(item) for item in items], version, token or "")

    def answer_list(self, request):
        if self.speaks_protobuf(request):
            answer = request.answer
            request.answer = lambda code, body: answer(code, body, Content_Type=CONTENT_TYPE)
        return super().answer_list(request)

    def event(self, data):
        """A frame as protobuf, of one as JSON."""
        told = json.loads(data)
        if told["type"] == "ERROR":
            return frame("ERROR", status(told["object"]))
        return frame(told["type"], envelope("v1", "ConfigMap", self.item_bytes(told["object"])))

    def answer_watch(self, request, write=None):
        if self.speaks_protobuf(request):
            begin = request.begin
            request.begin = lambda: begin(Content_Type=f"{CONTENT_TYPE};stream=watch")
            write = lambda data: self.write(request, self.event(data))  # noqa: E731
        return super().answer_watch(request, write)

    def asked(self, resource="configmaps"):
        """Of each list and watch of the resource: whether protobuf was asked for."""
        return [wants(request) for request in list(self.requests)
                if request.verb in ("list", "watch") and request.resource.name == resource]
