"""JSON of strangers becomes plain, bounded values, or `Malformed` that says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from integrations.errors import Malformed
from integrations.webhooks import payload
from integrations.webhooks.payload import (
    Amount,
    Currency,
    Id,
    Instant,
    Shape,
    cut,
    instant,
    line,
    read_object,
    shape,
    words,
)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not plain JSON"),
        (b"{", "not plain JSON"),
        (b"{} {}", "not plain JSON"),
        (b"\xef\xbb\xbf{}", "not plain JSON"),
        (b'{"a": 1, "a": 2}', "same key twice"),
        (b'{"deep": [{"a": 1, "a": 1}]}', "same key twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": "\\ud83d"}', "half a surrogate pair"),
        (b'{"\\udc00": 1}', "half a surrogate pair"),
        (b'{"a\\u0000": 1}', "NUL character in a key"),
        (b'{"a": "raw \x00"}', "not plain JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": "é"}'.encode("latin-1"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000, "nested more than 64 deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 deep"),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b"null", "not an object"),
    ],
    ids=lambda value: ascii(value[:40]) if isinstance(value, bytes) else None,
)
def test_a_body_that_is_not_one_plain_object_is_malformed(body, says):
    with pytest.raises(Malformed, match=says):
        read_object(body)


def test_what_is_plain_comes_through_unchanged():
    body = '{"text": "caf\\u00e9 \\ud83d\\ude00 ☕", "n": [1, 2.5, true, null], "o": {"": {}}}'.encode()

    assert read_object(body) == {"text": "café 😀 ☕", "n": [1, 2.5, True, None], "o": {"": {}}}


def test_a_nul_in_a_text_is_replaced_where_it_stood():
    assert read_object(b'{"a": ["x\\u0000y"], "b": "\\\\u0000"}') == {"a": ["x\ufffdy"], "b": "\\u0000"}


TEXTS = st.text(st.sampled_from('a\\u0dD8{["\0\ud83d\ude00é'))
VALUES = st.recursive(TEXTS | st.integers() | st.none(), lambda one: st.lists(one) | st.dictionaries(TEXTS, one))


@given(VALUES, st.booleans())
def test_what_need_not_be_walked_through_is_what_walking_through_would_leave_as_it_is(value, in_ascii):
    text = json.dumps({"it": value, "wide": [[]] * 3}, ensure_ascii=in_ascii)
    try:
        body = text.encode()
    except UnicodeEncodeError:
        return
    try:
        walked = payload._plain(json.loads(text), 0)
    except ValueError:
        with pytest.raises(Malformed):
            read_object(body)
    else:
        assert read_object(body) == walked


def test_64_levels_are_read():
    assert read_object(b'{"a":' * 64 + b"1" + b"}" * 64)


def test_long_text_is_cut_and_says_by_how_much():
    short, long = cut("x" * 300, 300), cut("x" * 1000, 300)

    assert short == "x" * 300
    assert long == "x" * 260 + " [… cut: 740 more characters]"
    assert len(cut("x" * 10**7, 300)) <= 300


def test_an_events_words_are_bounded():
    found = words("t" * 1000, "z" * 50_000)

    assert len(found["title"]) <= 300
    assert len(found["text"]) <= 20_000
    assert found["title"].endswith("[… cut: 740 more characters]")
    assert found["text"].endswith("[… cut: 30040 more characters]")


@pytest.mark.parametrize(
    ("title", "text", "headline"),
    [
        ("Lid\r\n cracked\t\x07\u2028now", "x", "Lid cracked now"),
        ("", "\n  First line \nsecond", "First line"),
        (None, None, "(no title)"),
        (" \x00 ", "", "(no title)"),
    ],
)
def test_a_title_is_one_line_and_never_empty(title, text, headline):
    assert words(title, text) == {"title": headline, "text": text or ""}


def test_line_keeps_ordinary_text():
    assert line("Müller, Ægir & søn (2)") == "Müller, Ægir & søn (2)"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20t10:00:00z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T11:30:00.5+01:30", datetime(2026, 11, 20, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T10:00:00.123456789Z", datetime(2026, 11, 20, 10, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_rfc_3339_and_kept_in_utc(text, at):
    assert instant(text) == at
    assert instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T10:00:00",
        "2026-11-20",
        "20261120T100000Z",
        "2026-W47-5T10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-20T10:00:60Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "٢٠٢٦-11-20T10:00:00Z",
        "2026-11-20T10:00:00Z\n",
        "1795168800",
        1795168800,
        None,
    ],
)
def test_other_times_are_refused(text):
    with pytest.raises(ValueError):
        instant(text)


class _Sample(Shape):
    id: Id = "x"
    amount: Amount = 0
    currency: Currency = "EUR"
    at: Instant = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "field", "kept"),
    [
        ({"id": 42}, "id", "42"),
        ({"id": "KETTLE-1.5_L"}, "id", "KETTLE-1.5_L"),
        ({"currency": "eur"}, "currency", "EUR"),
        ({"amount": 2**63 - 1}, "amount", 2**63 - 1),
        ({"unknown": object()}, "id", "x"),
    ],
)
def test_fields_that_fit_are_kept(given, field, kept):
    assert getattr(shape(_Sample, given, "it"), field) == kept


@pytest.mark.parametrize(
    "given",
    [
        {"id": ""},
        {"id": True},
        {"id": 1.5},
        {"id": "../etc"},
        {"id": "a:b"},
        {"id": "a/b"},
        {"id": "a\n"},
        {"id": "x" * 129},
        {"id": -1},
        {"amount": -1},
        {"amount": 2**63},
        {"amount": True},
        {"amount": "12"},
        {"amount": 1.0},
        {"currency": "EURO"},
        {"currency": "E1R"},
        {"currency": None},
        {"at": 0},
    ],
)
def test_fields_that_do_not_fit_are_named_without_their_value(given):
    with pytest.raises(Malformed, match=f"a thing has another shape than we know: {next(iter(given))}: ") as caught:
        shape(_Sample, given, "a thing")

    assert isinstance(caught.value.__cause__, ValidationError)
    assert "etc" not in str(caught.value)
