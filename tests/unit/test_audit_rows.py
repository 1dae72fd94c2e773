"""An entry of the log comes out of its bytes as it went in, and whatever nobody wrote is told as unreadable."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.store import audit_rows
from workers.store.audit import Chain, Note, entry_hash, first_link, link, unfolded
from workers.store.ids import new_id, number_in, spelled

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ID, SHORT, LONG = "act_01m809n42nbpk37jynzt247y10", "0123456789abcdef", "f" * 64
#: what looks like an id or a digest, and is none or nearly one
NEARLY = [
    "act_" + "z" * 26,
    "act_" + "u" * 26,
    ID + "0",
    ID.upper(),
    SHORT + "0",
    SHORT.upper(),
    LONG[1:],
    "\1\2\3",
    "\\1",
    "",
]


def stored(note: Note, **more: object) -> tuple[object, ...]:
    made = link("case_x", Chain(3, LONG), NOW, [note])
    assert made is not None
    row = {"id": 7, **made.packed_row(), **more}
    return tuple(row[column.name] for column in audit_rows.READ)


def text() -> st.SearchStrategy[str]:
    known = st.sampled_from([ID, SHORT, LONG, *NEARLY])
    return st.one_of(
        st.text(),
        known,
        st.builds("{}{}".format, known, st.text()),
        st.builds("{}_{}".format, st.text("abz"), st.text("0178az", min_size=26, max_size=26)),
    )


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False), text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(text(), inner)),
    max_leaves=8,
)


@given(text(), text(), st.dictionaries(text(), values))
def test_whatever_was_told_is_read_and_proved(actor, verb, data):
    entry = audit_rows.entry_in(stored(Note(actor, verb, data)))

    assert (entry.actor, entry.verb, entry.data) == (actor, verb, json.loads(json.dumps(data)))
    assert entry.hash == entry_hash("case_x", 4, NOW, actor, verb, entry.data, LONG)


def test_half_a_character_is_read_as_it_was_told():
    entry = audit_rows.entry_in(stored(Note("person:\ud800", "said", {"\udfff": ["\ud83d"]})))

    assert (entry.actor, entry.data) == ("person:\ud800", {"\udfff": ["\ud83d"]})


def test_digests_and_ids_take_half_of_their_digits():
    digests = {name: f"{number:016x}" for number, name in enumerate(("input", "output", "record"), start=10**18)}
    told = json.dumps(["caseworker", "judged", {"action": new_id("act"), "digest": "ab" * 32, **digests}])

    kept = audit_rows.packed(LONG, told)

    # The hash, the words' number, an id and the digests; what is left are the names, most of which are known.
    assert len(kept) - (32 + 1 + 16 + 32 + 3 * 8) < 60


@pytest.mark.parametrize("event", ["evt_01m809n3xyvzp75m6xytj1d3c2", "evt_1", "evt_" + "z" * 26, "other"])
@pytest.mark.parametrize(("kind", "source"), [("ticket.created", "house"), ("a\0b", "c\0d"), ("", "\ud800")])
def test_the_opening_of_a_case_is_read_as_it_was_told(event, kind, source):
    note = Note(*audit_rows.opening(event, kind, source))
    made = link("case_x", Chain(), NOW, [note])
    kept = audit_rows.packed_opening(made.hash, made.told, event, kind, source)

    entry = audit_rows.entry_in((1, "case_x", 1, NOW, *audit_rows.EMPTY.values(), kept))

    assert (entry.actor, entry.verb, entry.data, entry.hash) == (note.actor, note.verb, note.data, made.hash)


@given(text(), text(), text())
def test_the_opening_is_written_out_as_any_entry_is(event, kind, source):
    note = Note(*audit_rows.opening(event, kind, source))

    told = audit_rows.opening_told(event, kind, source)

    assert first_link("case_x", NOW, note, told) == link("case_x", Chain(), NOW, [note])


def test_an_entry_of_before_is_read_as_it_is():
    row = (7, "case_x", 4, NOW, "person:ana", "said", {"n": 1}, "0" * 64, LONG, None)

    entry = audit_rows.entry_in(row)

    assert (entry.actor, entry.verb, entry.data, entry.previous, entry.hash) == row[4:9]


@pytest.mark.parametrize(
    ("name", "value"), [("actor", "x"), ("verb", "x"), ("data", {"x": 1}), ("previous", "0" * 64), ("hash", "0" * 64)]
)
def test_an_entry_that_says_something_in_both_places_is_none(name, value):
    note = Note("person:ana", "said", {})

    entry = audit_rows.entry_in(stored(note, **{name: value}))

    assert (entry.actor, entry.verb, entry.data) == ("", audit_rows.UNREADABLE, {})
    assert [one.verb for one in unfolded(entry)] == [audit_rows.UNREADABLE]


def damaged() -> list[bytes]:
    whole = stored(Note("person:ana", "said", {"action": ID, "input": SHORT}))[-1]
    assert isinstance(whole, bytes)
    of_another_shape = [audit_rows.packed(LONG, told) for told in ("1", "[]", '["a","b"]', '["a","b",[]]', '["a"')]
    return [b"", whole[:20], whole[:32], whole[:33], whole[:40], whole[:-1], whole + b"x", *of_another_shape]


@pytest.mark.parametrize("kept", damaged())
def test_what_nobody_wrote_is_told_as_unreadable(kept):
    entry = audit_rows.entry_in(stored(Note("person:ana", "said", {}), packed=kept))

    assert (entry.actor, entry.verb, entry.data) == ("", audit_rows.UNREADABLE, {})


def test_an_id_is_spelled_as_it_was():
    for made in (new_id("evt"), "evt_" + "0" * 26, "evt_7" + "z" * 25):
        text = made.removeprefix("evt_")
        assert spelled(number_in(text)) == text
        assert number_in(text) < 2**128
