"""What a model writes is text by the time that anybody keeps it, and a stranger's half sign keeps no question from being asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from integrations.models import prompt, reply_text
from integrations.models.anthropic.stream import Assembly
from integrations.models.base import Material
from integrations.models.conversation import arguments
from integrations.models.unbroken import MOST_DEEP, unbroken, unbroken_in


class Sorted(BaseModel):
    topic: str


@given(st.text(alphabet=st.characters()))
def test_what_is_legible_can_be_sent_and_stored(text):
    told = unbroken(text)

    assert told.encode() and "\0" not in told if text else told == ""
    if not any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in text):
        assert told == text


def test_a_sign_that_came_in_two_pieces_is_whole():
    assert unbroken("a\ud83d" + "\ude00b\ud83d") == "a\U0001f600b\ufffd"


def test_so_is_all_that_stands_in_json_however_it_is_named():
    assert unbroken_in({"a\0": ["\ud83d", {"b": 1}, None]}) == {"a\ufffd": ["\ufffd", {"b": 1}, None]}
    with pytest.raises(ValueError, match="deep"):
        unbroken_in(deep(MOST_DEEP + 1))


def deep(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ('{"topic": "a\\u0000b"}', "a\ufffdb"),
        ('{"topic": "\\u0000\\u0000"}', "\ufffd\ufffd"),
        ('Here: {"topic": "a\\u0000b"}', "a\ufffdb"),
        ('Here: {"topic": "\\ud83d"}', "\ufffd"),
        ('{"topic": "\ud83d\ude00"}', "\U0001f600"),
        # A backslash and words, as they stand.
        (r'{"topic": "\\u0000"}', r"\u0000"),
        (r'{"topic": "\\\u0000"}', "\\\ufffd"),
    ],
)
def test_an_answer_holds_nothing_that_is_no_text(text, topic):
    assert reply_text.read(Sorted, text).topic == topic


@pytest.mark.parametrize(
    "text", ["[" * 5000, '{"topic":' + "[" * 5000, 'See: {"topic":' * 3000, '{"topic": "\\ud83d"}'], ids=range(4)
)
def test_one_without_end_does_not_fit(text):
    with pytest.raises(ValidationError):
        reply_text.read(Sorted, text)


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ('{"number": "a\\u0000\\ud83d"}', {"number": "a\ufffd\ufffd"}),
        ({"number": "a\0"}, {"number": "a\ufffd"}),
        ("[" * 5000, None),
        ('{"a":' * 5000, None),
        ({"a": deep(MOST_DEEP)}, None),
    ],
    ids=range(5),
)
def test_nor_do_arguments_of_a_call(said, given):
    assert arguments(said) == given


@pytest.mark.parametrize("trusted", [True, False])
def test_half_a_sign_in_a_record_is_told_as_none(trusted):
    piece = Material("house:note:\ud83d", "note", trusted=trusted, data={"text": "cut \ud83d", "note": "cut \ud83d"})

    told = prompt.material_part((piece,))

    assert "cut \ufffd" in told
    assert told.encode()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_delta", "delta": None},
        {"type": "message_delta", "delta": {}, "usage": [1]},
        {"type": "content_block_delta", "index": 0, "delta": "x"},
    ],
)
def test_a_piece_of_a_stream_that_is_none_is_named_as_such(event):
    built = Assembly()
    built.take({"type": "message_start", "message": {"usage": {}}})
    built.take({"type": "content_block_start", "content_block": {"type": "text"}})

    with pytest.raises(ValueError, match="fits nowhere"):
        built.take(event)
