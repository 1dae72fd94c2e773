"""CloudEvents 1.0 over HTTP: structured, batched and binary requests become events, for producers without a vendor.

Called by the events door, after it has checked the bearer token, and for single messages by the queue's consumers.
CloudEvents defines no signature: nothing here proves who sent anything. Either the whole batch is read or none of it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

from pydantic import StringConstraints

from integrations.base import EventType, InboundEvent
from integrations.errors import Malformed, UnknownEvent
from integrations.webhooks.payload import Instant, Shape, read_json, read_object, shape, words

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
MAX_BATCH = 100

_ATTRIBUTE_HEADER = re.compile(rb"ce-([a-z0-9]+)")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_PRINTABLE = re.compile(rb"[ -~]*")
_CUT_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)
_JSON = re.compile(r"[a-z]+/(?:[a-z0-9.!#$&^_-]+\+)?json")

Attribute = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]+$", max_length=256)]
# As long as an event's two keys can be kept: a longer one would be refused by the database, and its sender told to come again.
MAX_KEY = 200
SOURCE_PREFIX = "cloudevents:"
DeliveryId = Annotated[Attribute, StringConstraints(max_length=MAX_KEY)]
SourceName = Annotated[Attribute, StringConstraints(max_length=MAX_KEY - len(SOURCE_PREFIX))]


class _Envelope(Shape):
    specversion: Literal["1.0"]
    id: DeliveryId
    source: SourceName
    type: Attribute
    subject: Attribute
    time: Instant | None = None
    datacontenttype: str | None = None


class _Data(Shape):
    title: str
    text: str


def read(headers: Sequence[tuple[bytes, bytes]], body: bytes, received_at: datetime) -> Sequence[InboundEvent]:
    """Read a request in whichever of the three modes it is; header names are lower-cased.

    Raise `Malformed`, or `UnknownEvent` when nothing in it is of a type that we know. Known events of a batch are
    returned although others beside them are unknown.
    """
    media_type, charset = _content_type(headers)
    if charset not in {"", "utf-8", "us-ascii"}:
        raise Malformed(f"charset {charset!r}; send UTF-8")
    if media_type == BATCHED:
        return _batch(read_json(body), received_at)
    if media_type == STRUCTURED:
        return [read_event(body, received_at)]
    if media_type.startswith("application/cloudevents"):
        raise Malformed(f"event format {media_type!r}; send {STRUCTURED} or {BATCHED}")
    return [_binary(headers, media_type, body, received_at)]


def read_event(body: bytes, received_at: datetime) -> InboundEvent:
    """Read one event in the JSON format, as a structured request or a queue message holds it."""
    return _event(read_object(body), received_at)


def _batch(value: Any, received_at: datetime) -> Sequence[InboundEvent]:
    if not isinstance(value, list):
        raise Malformed("a batch is a JSON array of events")
    if len(value) > MAX_BATCH:
        raise Malformed(f"a batch of {len(value)} events; send at most {MAX_BATCH} at once")
    events, unknown = [], None
    for one in value:
        try:
            events.append(_event(one, received_at))
        except UnknownEvent as error:
            unknown = error
    if unknown and not events:
        raise unknown
    return events


def _binary(
    headers: Sequence[tuple[bytes, bytes]], media_type: str, body: bytes, received_at: datetime
) -> InboundEvent:
    attributes: dict[str, Any] = {}
    for name, value in headers:
        if found := _ATTRIBUTE_HEADER.fullmatch(name):
            attribute = found[1].decode("ascii")
            if attribute in attributes:
                raise Malformed(f"header ce-{attribute} twice")
            attributes[attribute] = _header_text(attribute, value)
    if not attributes:
        raise Malformed(f"no CloudEvent: neither content type {STRUCTURED} nor ce- headers")
    if "datacontenttype" in attributes:
        raise Malformed("header ce-datacontenttype; in binary mode Content-Type says it")
    # The data is read only for a type that we know: others may hold anything.
    envelope = _envelope({**attributes, "datacontenttype": media_type})
    return _inbound(envelope, read_object(body), received_at)


def _header_text(attribute: str, value: bytes) -> str:
    """Unquote, then percent-decode exactly once (HTTP binding, 3.1.3.2)."""
    if quoted := _QUOTED.fullmatch(value):
        value = re.sub(rb"\\(.)", rb"\1", quoted[1])
    if not _PRINTABLE.fullmatch(value) or _CUT_ESCAPE.search(value):
        raise Malformed(f"header ce-{attribute} is not percent-encoded")
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"header ce-{attribute} is not UTF-8 after percent-decoding") from error


def _event(value: Any, received_at: datetime) -> InboundEvent:
    if not isinstance(value, dict):
        raise Malformed("an event is a JSON object")
    envelope = _envelope(value)
    if ("data" in value) == ("data_base64" in value):
        raise Malformed("an event needs data, or data_base64, and not both")
    data = value["data"] if "data" in value else read_object(_base64(value["data_base64"]))
    return _inbound(envelope, data, received_at)


def _envelope(attributes: Mapping[str, Any]) -> _Envelope:
    envelope = shape(_Envelope, attributes, "a CloudEvent")
    if envelope.type not in set(EventType):
        raise UnknownEvent(f"event type {envelope.type!r} is not handled; known are {', '.join(EventType)}")
    if envelope.datacontenttype is not None and not _JSON.fullmatch(_essence(envelope.datacontenttype)):
        raise Malformed(f"data of type {envelope.datacontenttype!r}; send JSON")
    return envelope


def _inbound(envelope: _Envelope, data: Any, received_at: datetime) -> InboundEvent:
    texts = shape(_Data, data, f"the data of {envelope.type}")
    return InboundEvent(
        source=f"{SOURCE_PREFIX}{envelope.source}",
        delivery_id=envelope.id,
        type=EventType(envelope.type),
        vendor_type=envelope.type,
        subject=envelope.subject,
        occurred_at=envelope.time or received_at,
        data={**data, **words(texts.title, texts.text)},
    )


def _base64(text: object) -> bytes:
    try:
        return b64decode(text if isinstance(text, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("data_base64 is not base64") from error


def _content_type(headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, str]:
    values = [value for name, value in headers if name == b"content-type"]
    if len(values) != 1:
        raise Malformed("needs exactly one Content-Type header")
    text = values[0].decode("latin-1")
    charset = _CHARSET.search(text)
    return _essence(text), charset[1].lower() if charset else ""


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
