"""CloudEvents come in by three modes and mean the same in each; what the specification forbids is refused."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_signers import NOW

from integrations.base import EventType, InboundEvent
from integrations.cloudevents import BATCHED, STRUCTURED, read, read_event
from integrations.errors import Malformed, UnknownEvent

DATA = {"title": "Where is my order?", "text": "Order 1042 has not come.", "ticket_id": "1", "nested": {"n": [1, None]}}
ENVELOPE = {
    "specversion": "1.0",
    "id": "shop-1",
    "source": "/shop/oslo",
    "type": "ticket.created",
    "subject": "shop:ticket:1",
    "time": "2026-11-20T09:00:00+01:00",
}
EXPECTED = InboundEvent(
    source="cloudevents:/shop/oslo",
    delivery_id="shop-1",
    type=EventType.TICKET_CREATED,
    vendor_type="ticket.created",
    subject="shop:ticket:1",
    occurred_at=datetime(2026, 11, 20, 8, tzinfo=UTC),
    data=DATA,
)


def structured(event: Any, content_type: str = STRUCTURED) -> list[InboundEvent]:
    return list(read([(b"content-type", content_type.encode())], json.dumps(event).encode(), NOW))


def binary(attributes: dict[str, bytes], content_type: bytes = b"application/json", body: Any = DATA) -> InboundEvent:
    headers = [(b"ce-" + name.encode(), value) for name, value in attributes.items()]
    (event,) = read([(b"content-type", content_type), *headers], json.dumps(body).encode(), NOW)
    return event


HEADERS = {name: value.encode() for name, value in ENVELOPE.items()}


def test_the_three_modes_read_the_same_event():
    whole = {**ENVELOPE, "data": DATA}

    assert structured(whole) == [EXPECTED]
    assert structured([whole, {**whole, "id": "shop-2"}], BATCHED)[0] == EXPECTED
    assert binary(HEADERS) == EXPECTED
    assert read_event(json.dumps(whole).encode(), NOW) == EXPECTED


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json; charset=UTF-8",
        'Application/CloudEvents+JSON;charset="utf-8"',
        "application/cloudevents+json;x=1",
    ],
)
def test_parameters_and_case_of_the_content_type_do_not_matter(content_type):
    assert structured({**ENVELOPE, "data": DATA}, content_type) == [EXPECTED]


@pytest.mark.parametrize("kind", ["application/json", "text/json", "application/vnd.shop.ticket+json; charset=utf-8"])
def test_any_json_type_may_be_declared_for_the_data(kind):
    assert structured({**ENVELOPE, "datacontenttype": kind, "data": DATA}) == [EXPECTED]
    assert binary(HEADERS, kind.encode()) == EXPECTED


def test_data_may_come_as_base64():
    encoded = base64.b64encode(json.dumps(DATA).encode()).decode()

    assert structured({**ENVELOPE, "data_base64": encoded}) == [EXPECTED]


def test_without_a_time_the_event_happened_when_it_came():
    (event,) = structured({k: v for k, v in ENVELOPE.items() if k != "time"} | {"data": DATA})

    assert event.occurred_at == NOW


@pytest.mark.parametrize("type_", EventType)
def test_every_type_that_we_know_is_taken(type_):
    assert structured({**ENVELOPE, "type": type_, "data": DATA})[0].type is type_


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        (b"plain", "plain"),
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (b"%e2%82%ac", "€"),
        (b"%41%42", "AB"),
        (b"100%2525", "100%25"),
        (b'"a b"', "a b"),
        (b'"a \\"b\\" \\\\c"', 'a "b" \\c'),
        (b'"%E2%82%AC"', "€"),
        (b"a+b", "a+b"),
    ],
)
def test_a_header_is_unquoted_and_then_percent_decoded_once(value, subject):
    assert binary({**HEADERS, "subject": value}).subject == subject


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"%C0%A0", "not UTF-8"),
        (b"%ED%A0%80", "not UTF-8"),
        (b"%FF", "not UTF-8"),
        (b"%F5%80%80%80", "not UTF-8"),
        (b"100%", "not percent-encoded"),
        (b"%4", "not percent-encoded"),
        (b"%zz", "not percent-encoded"),
        ("é".encode(), "not percent-encoded"),
        (b"\xe9", "not percent-encoded"),
        (b"a\tb", "not percent-encoded"),
        (b"%00", "subject"),
        (b"a%0Ab", "subject"),
        (b"%C2%85", "subject"),
        (b"", "subject"),
        (b"x" * 257, "subject"),
    ],
)
def test_a_header_that_is_no_clean_text_is_refused(value, says):
    with pytest.raises(Malformed, match=says):
        binary({**HEADERS, "subject": value})


def test_an_extension_header_is_decoded_by_the_same_rule_and_not_used():
    assert binary({**HEADERS, "traceparent": b"00-ab"}) == EXPECTED
    with pytest.raises(Malformed, match="ce-traceparent"):
        binary({**HEADERS, "traceparent": b"%C0%A0"})


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ([(b"ce-id", b"again")], "ce-id twice"),
        ([(b"ce-datacontenttype", b"application/json")], "Content-Type says it"),
        ([(b"content-type", b"application/json")], "exactly one Content-Type"),
    ],
)
def test_headers_that_could_be_read_in_two_ways_are_refused(headers, says):
    pairs = [(b"content-type", b"application/json"), *((b"ce-" + k.encode(), v) for k, v in HEADERS.items()), *headers]

    with pytest.raises(Malformed, match=says):
        read(pairs, json.dumps(DATA).encode(), NOW)


@pytest.mark.parametrize("attribute", ["data", "data_base64"])
def test_a_header_cannot_stand_in_for_the_data(attribute):
    assert binary({**HEADERS, attribute: b"%7B%7D"}) == EXPECTED


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "a\u0085b"}, "id"),
        ({"id": "x" * 201}, "id: String should have at most 200"),
        ({"source": "x" * 189}, "source: String should have at most 188"),
        ({"subject": "x" * 257}, "subject"),
        ({"subject": None}, "subject"),
        ({"time": "yesterday"}, "time"),
        ({"time": 1795168800}, "time"),
        ({"datacontenttype": "text/xml"}, "text/xml"),
        ({"data": "text"}, "data of ticket.created"),
        ({"data": {"title": "t"}}, "text"),
        ({"data": {"title": 1, "text": "x"}}, "title"),
        ({"data_base64": "e30="}, "not both"),
    ],
)
def test_an_event_of_another_shape_is_malformed_and_says_where(change, says):
    with pytest.raises(Malformed, match=says):
        structured({**ENVELOPE, "data": DATA, **change})


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type", "subject"])
def test_each_required_attribute_is_missed_by_name(missing):
    with pytest.raises(Malformed, match=missing):
        structured({k: v for k, v in ENVELOPE.items() if k != missing} | {"data": DATA})
    with pytest.raises(Malformed, match=missing):
        binary({k: v for k, v in HEADERS.items() if k != missing})


@pytest.mark.parametrize("text", ["e30", "{}", "é", 7, None])
def test_data_that_is_not_base64_is_malformed(text):
    with pytest.raises(Malformed):
        structured({**ENVELOPE, "data_base64": text})


def test_an_event_without_data_is_malformed():
    with pytest.raises(Malformed, match="needs data"):
        structured(ENVELOPE)


@pytest.mark.parametrize(
    ("content_type", "says"),
    [
        (b"application/cloudevents+avro", "event format"),
        (b"application/cloudevents", "event format"),
        (b"application/cloudevents-batch", "event format"),
        (b"application/cloudevents+json; charset=latin-1", "latin-1"),
        (b"application/xml", "application/xml"),
        (b"", "send JSON"),
    ],
)
def test_other_formats_are_refused(content_type, says):
    headers = [(b"content-type", content_type), *((b"ce-" + k.encode(), v) for k, v in HEADERS.items())]

    with pytest.raises(Malformed, match=says):
        read(headers, json.dumps({**ENVELOPE, "data": DATA}).encode(), NOW)


def test_a_request_that_is_no_cloudevent_is_told_how_to_become_one():
    with pytest.raises(Malformed, match=r"application/cloudevents\+json"):
        read([(b"content-type", b"application/json")], b"{}", NOW)


def test_a_type_that_we_do_not_know_is_ignored_whatever_its_data():
    with pytest.raises(UnknownEvent, match=r"known are ticket\.created, "):
        structured({**ENVELOPE, "type": "com.example.other", "data": 7})
    with pytest.raises(UnknownEvent):
        binary({**HEADERS, "type": b"com.example.other"}, b"text/plain", 7)


def test_a_batch_skips_unknown_types_and_refuses_the_whole_for_one_broken_event():
    known, unknown = {**ENVELOPE, "data": DATA}, {**ENVELOPE, "type": "com.example.other", "data": 7}

    assert structured([unknown, known, unknown], BATCHED) == [EXPECTED]
    assert structured([], BATCHED) == []
    with pytest.raises(UnknownEvent):
        structured([unknown, unknown], BATCHED)
    for broken in (7, None, [], {**known, "id": ""}):
        with pytest.raises(Malformed):
            structured([known, broken], BATCHED)
    with pytest.raises(Malformed, match="JSON array"):
        structured(known, BATCHED)
    with pytest.raises(Malformed, match="at most 100"):
        structured([known] * 101, BATCHED)


def test_long_words_are_cut_and_other_keys_are_left_alone():
    data = {"title": "t" * 1000, "text": "z" * 50_000, "keyword": "k" * 1000}
    (event,) = structured({**ENVELOPE, "data": data})

    assert len(event.data["title"]) <= 300
    assert event.data["text"].endswith("[… cut: 30040 more characters]")
    assert event.data["keyword"] == "k" * 1000


anything = st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary().map(repr), st.just({}), st.just([]))


@given(field=st.sampled_from([*ENVELOPE, "data", "data_base64", "datacontenttype"]), value=anything)
@settings(max_examples=300, deadline=None)
def test_one_strange_attribute_raises_only_what_is_declared(field, value):
    whole = json.dumps({**ENVELOPE, "data": DATA, field: value}).encode()
    for content_type, body in ((STRUCTURED, whole), (BATCHED, b"[" + whole + b"]")):
        with suppress(Malformed, UnknownEvent):
            read([(b"content-type", content_type.encode())], body, NOW)


@given(
    name=st.sampled_from([*ENVELOPE, "x", "data"]), value=st.binary(max_size=40), content_type=st.binary(max_size=40)
)
@settings(max_examples=300, deadline=None)
def test_strange_headers_raise_only_what_is_declared(name, value, content_type):
    for kind in (b"application/json", content_type):
        with suppress(Malformed, UnknownEvent):
            binary({**HEADERS, name: value}, kind)
