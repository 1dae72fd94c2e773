"""Whatever the internet sends: `verify` raises `NotAuthentic` or nothing, `parse` raises `Malformed` or `UnknownEvent`."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_signers import NOW, SIGNERS, URL

from integrations import cloudevents
from integrations.base import Delivery
from integrations.errors import Malformed, NotAuthentic, UnknownEvent
from integrations.github.webhook import GithubWebhook
from integrations.sample_company.webhook import SampleWebhook
from integrations.stripe.webhook import StripeWebhook
from integrations.webhooks import Reason, verify
from integrations.webhooks.schemes import SCHEMES
from integrations.zendesk.webhook import ZendeskWebhook

SOURCES = {source.name: source(()) for source in (StripeWebhook, ZendeskWebhook, GithubWebhook, SampleWebhook)}
FIXTURES = Path(__file__).parents[2] / "fixtures"
LOADED = {name: signer.secrets() for name, signer in SIGNERS.items()}
BODIES = [
    (name, json.loads(path.read_bytes())) for name in SOURCES for path in sorted((FIXTURES / name).glob("*.json"))
]

header_names = st.sampled_from(
    sorted(
        {h for s in SCHEMES.values() for h in (s.signature_header, s.timestamp_header, s.id_header) if h}
        | {b"content-type", b"ce-id", b"ce-type", b"ce-specversion", b"ce-source", b"x-github-delivery", b""}
    )
)
fragments = st.sampled_from(
    [b"v1,", b"v1=", b"t=", b"t=1795168800", b"sha256=", b"sha1=", b"v0=", b",", b" ", b"1795168800", b"AAAA", b"%C0"]
)
header_values = st.one_of(st.binary(max_size=80), st.lists(fragments, max_size=6).map(b"".join))
headers = st.lists(st.tuples(header_names, header_values), max_size=8).map(tuple)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=40),
    st.sampled_from(["\0", "\ud800", "x" * 25_000, 10**400, "0001-01-01T00:00:00+14:00", 253402300800]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@pytest.mark.parametrize("name", SCHEMES)
@given(headers=headers, body=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_verify_refuses_anything_with_a_reason_and_never_by_accident(name, headers, body):
    with pytest.raises(NotAuthentic) as caught:
        verify(SCHEMES[name], LOADED[name], Delivery(name, headers, body, NOW), url=URL)

    assert Reason(caught.value.reason) is not Reason.EXCEPTION


def read_all(headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
    for name, source in SOURCES.items():
        with suppress(Malformed, UnknownEvent):
            check(source.parse(Delivery(name, headers, body, NOW)))
    for mode in (headers, *(((b"content-type", t.encode()),) for t in (cloudevents.STRUCTURED, cloudevents.BATCHED))):
        with suppress(Malformed, UnknownEvent):
            check(cloudevents.read(mode, body, NOW))


def check(events: Any) -> None:
    """What is let through can be stored: text that PostgreSQL takes, JSON that anybody reads, bounded lines."""
    for event in events:
        text = json.dumps(dict(event.data), allow_nan=False, ensure_ascii=False)
        for stored in (text, event.delivery_id, event.subject, event.source, event.vendor_type):
            assert "\0" not in stored
            stored.encode("utf-8")
        assert "\\u0000" not in text
        assert 1 <= len(event.data["title"]) <= 300
        assert len(event.data["text"]) <= 20_000
        assert event.occurred_at.utcoffset() is not None


@given(headers=headers, body=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_parse_survives_any_bytes(headers, body):
    read_all(headers, body)


@given(headers=headers, value=values)
@settings(max_examples=200, deadline=None)
def test_parse_survives_any_json(headers, value):
    read_all(headers, json.dumps(value).encode("utf-8", "surrogatepass"))


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, item in inner for path in paths(item, (*here, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_parse_survives_a_good_body_with_one_part_exchanged(data):
    name, body = data.draw(st.sampled_from(BODIES))
    broken = replaced(body, data.draw(st.sampled_from(paths(body))), data.draw(values))
    headers = ((b"x-github-delivery", b"72d3162e-cc78-11e3"), (b"webhook-id", str(body.get("id")).encode()))

    with suppress(Malformed, UnknownEvent):
        check(SOURCES[name].parse(Delivery(name, headers, json.dumps(broken).encode(), NOW)))
