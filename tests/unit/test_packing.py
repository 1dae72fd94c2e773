"""Records are packed so that they take little room, and come out as they went in, whenever they were packed."""

from __future__ import annotations

import hashlib
import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.store import packing

#: the words by number: what was packed with them is read with the same ones for ever
WORDS = {
    "1": "2d1e99e2382128fd8ed0d8b0b5b90fe36bf418ee4f28163cb9a5d2657c4809ac",
    "2": "dd413e760171cac9ebaebce74f758c31e01c05fbd6cd94bd5d6e939cef34563c",
    "5": "11dc65be1f938b38ca48c9584de71af2e7ae4b716b93648b6970f206b7d98f1c",
    "3": "ea0d95770319e74b0c12925f50eb7dd0d8905086fdd48aefa102bf1bb70544f1",
    "9": "2ca9411133cff50af0544d797fee8842e685dfff8a1a6f997f98ed0ae54e639e",
    "4": "5285c6e3562df7da3afc0c211c9f3bee1aa7d7205e84042fd6c668b9ef1e35ba",
    "8": "968f66af98ce7e5645196fd7067a8b194f5faac193698879a058e926a2cfd26d",
    "16": "4b721683c63347cdae61571f08102e6c15803b1761fc436d740638beaf0bbf46",
}
RECORD = {
    "outcome": "allow",
    "rules": ["house/täglich"],
    "reasons": ["20.00 EUR, “sofort” \U0001f600 \\ud800 \u0000"],
    "answers": [{"rule": "täglich", "when": "amount_minor < 2500", "names": ["amount_minor"], "error": None}],
    "facts": {"amount_minor": 2000, "draft_confidence": 0.95, "far": -(2**63), "flags": [], "abstained": False},
    "decided_at": "2026-11-21T12:00:00+00:00",
    "unmatched": [f"house/rule-{n}" for n in range(40)],
}


def test_a_record_comes_out_as_it_went_in():
    stored = packing.packed(RECORD)

    assert isinstance(stored, str)
    assert packing.unpacked(stored) == RECORD
    assert list(packing.unpacked(stored)) == list(RECORD)


def test_half_a_character_comes_out_as_it_went_in():
    """Another part of the same commit lets the database refuse it; a record must not fail before that."""
    torn = {**RECORD, "reasons": ["\ud800"]}

    assert packing.unpacked(packing.packed(torn)) == torn


@given(st.floats(allow_nan=False), st.integers(-(2**80), 2**80), st.text())
def test_every_number_and_every_text_comes_out_as_it_went_in(number, whole, text):
    facts = {"draft_confidence": number, "amount_minor": whole, "intent": text, f"a {text}": [number, True, None, ()]}
    stored = packing.packed({**RECORD, "facts": MappingProxyType(facts)})

    assert isinstance(stored, str)
    assert packing.unpacked(stored)["facts"] == {**facts, f"a {text}": [number, True, None, []]}
    assert repr(packing.unpacked(stored)["facts"]["draft_confidence"]) == repr(facts["draft_confidence"])


def test_what_was_packed_by_the_first_version_is_read():
    stored = "1:ndoxEoJADAXQu9gzbhJg4S5YCaOdhVI53t0fHCT7BxsbNS7KcyErE/LcKSx/03a5i3B8DHNKU30B9epzuaU4AOjG9iZllOxmTXK+37AbfACvR7w1djbiccJGg0f+jC8DkJJtvR8Qd/WjKWnpSfKVareNyBeVUEuLSUvVISj2L+z6xjMdJ3/Vq5plTdZ2TZ1z06UOQ9s/ebjCX4tS/x2fz0T7JFT+00LoGR5CLUM/I8JoXYaez2G0LcNcht5aGTbuicEscgnBhGRCNCGbEE5IJ8QT8in5lpUxzhv5lHxKPiWfkk/Jp+RT8hn5jHzGB5Z8Rj4jn5HPyGfks/5wer0B"

    assert packing.unpacked(stored) == RECORD


def test_what_was_stored_before_packing_is_read_as_it_is():
    assert packing.unpacked(RECORD) is RECORD


def test_what_is_small_stays_plain():
    """An erased record is an empty one, for everybody to see."""
    assert packing.packed({}) == {}


def test_a_packed_record_is_shorter():
    assert len(packing.packed(RECORD)) < len(json.dumps(RECORD)) / 2


@pytest.mark.parametrize("stored", ["", "1:", "1:AAAA", "9:AAAA", "16:AAAA", "99:AAAA", "x", "1:\u00e4"])
def test_what_nobody_packed_is_refused_and_told_as_it_is_to_whoever_reads_text(stored):
    with pytest.raises(ValueError, match=r".+"):
        packing.unpacked(stored)

    read = packing.RecordText().process_result_value(json.dumps(stored), None)
    assert read == json.dumps(stored)


@pytest.mark.parametrize("record", [RECORD, {}, {"reasons": ["\ud800"]}])
def test_a_record_in_bytes_comes_out_as_it_went_in(record):
    stored = packing.in_bytes(record, packing.OF_STEPS)

    assert packing.of_bytes(stored) == record
    assert list(packing.of_bytes(stored)) == list(record)


def test_bytes_take_less_than_text():
    assert len(packing.in_bytes(RECORD, packing.NUMBER)) * 4 / 3 < len(packing.packed(RECORD))


def test_a_column_of_packed_records_has_mappings_in_and_out():
    column = packing.PackedRecord(packing.OF_STEPS)
    stored = column.process_bind_param(RECORD, None)

    assert isinstance(stored, bytes)
    assert column.process_result_value(memoryview(stored), None) == RECORD
    assert column.process_bind_param(None, None) is column.process_result_value(None, None) is None


@pytest.mark.parametrize("stored", [b"", b"\x01", b"\x01AAAA", b"\x09AAAA", b"\x10", b"\x10AAAA", b"x"])
def test_bytes_that_nobody_packed_are_refused(stored):
    with pytest.raises(ValueError, match=r".+"):
        packing.of_bytes(stored)


def test_words_are_never_changed():
    found = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in packing.WORDS.iterdir()}

    assert found == WORDS
