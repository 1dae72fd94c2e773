"""What is written once of an action comes out as it went in, packed or not; a column that was filled since goes first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.store import action_rows
from workers.store.records import Action, Revision

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HASH, DIGEST = "3f" * 32, "a7" * 32
VERDICT = {
    "outcome": "allow",
    "requirements": [],
    "reasons": ["20.00 EUR, “sofort” \U0001f600 \u0000"],
    "rules": ["house/täglich"],
    "limits": ["house/a-day"],
}
ONCE = {
    "verdict": VERDICT,
    "sentence": "Refund 20.00 EUR",
    "rationale": "It was broken.\nAll of it.",
    "citations": ["stripe:charge:ch_1"],
    "origins": {"amount_minor": "record"},
    "rests_on": [],
    "policy_hash": HASH,
}
ROW = {**ONCE, "id": "act_1", "digest": DIGEST, "approved_digest": DIGEST, "state": "approved"}
RECORD = {
    "outcome": "allow",
    "facts": {"hash": HASH},
    "policy_hash": HASH,
    "rules": ["house/a \x01 rule"],
    "error": None,
}
REVISION = {
    "action_id": "act_1",
    "revision": 1,
    "arguments": {"amount_minor": 2000, "reason": "broken"},
    "target": "stripe:charge:ch_1",
    "target_version": "",
    "digest": DIGEST,
    "author": "agent:support",
    "record": RECORD,
    "created_at": NOW,
}


def action(**columns) -> Action:
    """An action as the database gives its row."""
    empty: dict = dict.fromkeys(Action.__slots__)
    return Action(**{**empty, **columns})


def kept(**changes) -> dict:
    return action_rows.packed_action({**ROW, **changes})


def as_bytes(stored: str) -> bytes:
    return bytes.fromhex(stored.removeprefix("\\x"))


def test_an_action_comes_out_as_it_went_in():
    row = kept()
    assert ONCE.keys().isdisjoint(row)
    found = action(**row)

    assert {name: getattr(found, name) for name in ROW} == ROW
    assert list(found.verdict) == list(VERDICT)
    assert found.packed is None
    assert found == action(**ROW)
    assert (
        action(**{**row, "packed": as_bytes(row["packed"])})
        == action(**{**row, "packed": memoryview(as_bytes(row["packed"]))})
        == found
    )


def test_a_digest_is_packed_where_a_rule_approved_it_and_stands_by_itself_where_a_person_is_asked():
    assert kept()["digest"] is None
    assert kept(approved_digest=None)["digest"] == DIGEST
    assert kept(digest="not a hash", approved_digest="not a hash")["digest"] == "not a hash"
    changed = action(**{**kept(), "digest": "0" * 64})
    assert (changed.digest, changed.approved_digest) == ("0" * 64, DIGEST[: action_rows.SHORT])
    of_before = {**kept(approved_digest=None), "approved_digest": DIGEST[: action_rows.SHORT]}
    assert action(**of_before).approved_digest == DIGEST
    assert action_rows.whole("actions", dict.fromkeys(ONCE) | kept())["digest"] == DIGEST


def test_a_receipt_is_stored_without_what_says_nothing_and_read_in_full():
    full = {"ref": "re_1", "version_before": "", "version_after": "", "data": {}}
    assert action_rows.short_receipt(full) == {"ref": "re_1"}
    assert action(**ROW, receipt={"ref": "re_1"}).receipt == full
    telling = {"ref": "", "version_before": "1", "version_after": "2", "data": {"a": 0}}
    assert action_rows.short_receipt(telling) == telling
    assert action(**ROW, receipt=telling).receipt == telling
    assert action_rows.whole("attempts", {"receipt": {"ref": "re_1"}}) == {"receipt": full}
    assert action_rows.whole("attempts", {"receipt": None}) == {"receipt": None}


def test_what_was_never_packed_is_read_as_it_is():
    assert action(**ROW).verdict is VERDICT


def test_a_column_that_was_filled_since_goes_before_what_is_packed():
    changed = {"verdict": {"outcome": "review"}, "sentence": "Refund 10.00 EUR", "policy_hash": "0" * 64, "origins": {}}
    found = action(**{**kept(), **changed})

    assert {name: getattr(found, name) for name in changed} == changed
    assert found.rationale == ONCE["rationale"]
    assert replace(found, state="done").sentence == "Refund 10.00 EUR"


@pytest.mark.parametrize("odd", ["", "not a hash", "F" * 64, "a" * 63, "ä" * 64, HASH + "\n"])
def test_what_is_no_hash_is_kept_all_the_same(odd):
    assert action(**kept(policy_hash=odd)).policy_hash == odd
    packed = action_rows.packed_revision({**REVISION, "digest": odd, "record": {**RECORD, "policy_hash": odd}})
    found = action_rows.revision_of(packed["packed"])
    assert (found["digest"], found["record"]["policy_hash"]) == (odd, odd)


@pytest.mark.parametrize("approved", [None, DIGEST, "b8" * 32, DIGEST[:-1] + "0", DIGEST[:16], ""])
def test_an_approval_is_of_the_very_digest_that_it_was_given_to(approved):
    row = kept(approved_digest=approved)

    if approved != DIGEST[:16]:
        assert action(**row).approved_digest == approved


def test_an_approval_does_not_follow_an_action_that_was_changed():
    row = kept()
    assert len(row["approved_digest"]) < len(DIGEST)

    found = action(**{**row, "digest": "b8" * 32})

    assert found.approved_digest != found.digest


def test_a_revision_comes_out_as_it_went_in():
    row = action_rows.packed_revision(REVISION)
    found = Revision(**{**dict.fromkeys(action_rows.OF_REVISION), **row})

    assert found == Revision(**REVISION)
    assert list(found.record) == list(RECORD)
    assert found.packed is None


@pytest.mark.parametrize("digest", [DIGEST, "of tests"])
@pytest.mark.parametrize("hashed", [HASH, "of tests", None])
def test_each_hash_is_found_whichever_others_there_are(digest, hashed):
    record = {**RECORD, "policy_hash": hashed}
    packed = action_rows.packed_revision({**REVISION, "digest": digest, "record": record})["packed"]

    assert action_rows.revision_of(packed) == {
        name: {**REVISION, "digest": digest, "record": record}[name] for name in action_rows.OF_REVISION
    }


@given(st.floats(allow_nan=False), st.integers(-(2**80), 2**80), st.text(st.characters(codec="utf-8")))
def test_every_number_and_every_text_comes_out_as_it_went_in(number, whole, text):
    facts = {"draft_confidence": number, "amount_minor": whole, f"a {text}": [text, True, None]}
    record = {**RECORD, "facts": MappingProxyType(facts)}
    packed = action_rows.packed_revision({**REVISION, "record": record, "arguments": {"reason": text}, "target": text})
    found = action_rows.revision_of(packed["packed"])

    assert found["record"]["facts"] == facts
    assert (found["arguments"], found["target"]) == ({"reason": text}, text)
    assert action(**kept(rationale=text, verdict={**VERDICT, "reasons": [text]})).rationale == text


def test_half_a_character_comes_out_as_it_went_in():
    """Another part of the same commit lets the database refuse it; a row must not fail before that."""
    assert action(**kept(rationale="\ud800")).rationale == "\ud800"


def test_a_row_for_a_file_has_its_columns_and_nothing_packed():
    row = dict.fromkeys(action_rows.OF_REVISION) | action_rows.packed_revision(REVISION)

    assert action_rows.whole("revisions", row) == REVISION
    assert action_rows.whole("actions", dict.fromkeys(ONCE) | kept()) == ROW
    assert action_rows.whole("steps", {"packed": b"x"}) == {"packed": b"x"}


def test_single_columns_are_read_packed_or_not_and_of_nothing_nothing():
    packed = as_bytes(kept()["packed"])

    assert action_rows.column_of(None, packed, "sentence") == "Refund 20.00 EUR"
    assert action_rows.column_of("Erased", packed, "sentence") == "Erased"
    assert action_rows.column_of(None, None, "sentence") is None
    assert action_rows.record_of(None, as_bytes(action_rows.packed_revision(REVISION)["packed"])) == RECORD
    assert action_rows.record_of({"a": 1}, None) == {"a": 1}


@pytest.mark.parametrize("packed", [b"", b"\x04", b"\x04AAAA", "\\x0441414141"])
def test_what_nobody_packed_is_refused(packed):
    with pytest.raises(ValueError, match=r".+"):
        action(**{**kept(), "packed": packed})
