"""A record is held against what the audit log told of it when it was judged, so that no change of it goes unnoticed, also not
of a fact that no rule uses. Old entries, which tell nothing of it, are said to prove nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from policies.loader import loads
from tests.integration.rehearsal.policies import files
from tests.integration.rehearsal.stored import kept, known, limited_to_one_a_day, tampered
from tests.kit.engine import POLICY, tags
from tests.kit.log import entries as log_entries
from tests.kit.revisions import in_rows
from workers import renewal
from workers.inbox.explanation import chosen, explain
from workers.memory.erasing import erase
from workers.rehearsal.replay import CHANGED, Result, replay
from workers.store import audit, decided, judgements, proof
from workers.store.audit_tables import audit as log
from workers.store.judgements import Standing
from workers.store.record_digest import digest_of
from workers.store.tables import cases, revisions


def unused(stored):
    """Another value for a fact that no rule looks at."""
    stored["facts"]["language"] = "tlh"
    return stored


def unfitting(engine):
    with engine.system.db.read() as tx:
        return [*proof.verify(tx), *judgements.unfitting(tx)]


def test_every_record_is_the_one_that_the_log_tells_of(made):
    found = [replay(one, known) for one in decided.records(made.system.db)]

    assert [one.result for one in found] == [Result.SAME] * 4
    assert {one.record for one in found} == {Standing.AS_WRITTEN}
    assert unfitting(made) == []


def test_a_changed_fact_that_no_rule_uses_is_told(made):
    target = made.action("refund_payment")
    assert "language" not in "".join(rule.when for rule in POLICY.rules)
    tampered(made, target.id, unused)

    (found,) = [replay(one, known) for one in kept(made, target.id)]

    assert (found.result, found.record) == (Result.DIFFERENT, Standing.CHANGED)
    assert found.differences == (CHANGED,)
    (told,) = unfitting(made)
    assert f"the stored record of {target.id}, revision 1, is not the one that was written" in told


def test_whoever_looks_at_the_explanation_is_told_too(made):
    target = made.action("refund_payment")
    tampered(made, target.id, unused)

    found = explain(made.system, chosen(kept(made, target.id), None))

    assert ("Language", "tlh") in found.facts
    assert found.replayed.record is Standing.CHANGED


def test_a_record_that_was_emptied_by_hand_is_no_erased_one(made):
    target = made.action("add_tags")
    tampered(made, target.id, lambda _: {})

    (found,) = [replay(one, known) for one in kept(made, target.id)]

    assert (found.result, found.record) == (Result.DIFFERENT, Standing.CHANGED)


def test_a_changed_record_under_a_policy_that_is_not_kept_is_told(made):
    target = made.action("add_tags")
    tampered(made, target.id, lambda stored: {**stored, "policy_hash": "0" * 64})

    (found,) = [replay(one, known) for one in kept(made, target.id)]

    assert (found.result, found.record) == (Result.DIFFERENT, Standing.CHANGED)
    assert "is not kept here" in found.reason


def test_a_record_that_is_gone_is_told_by_the_log(made):
    target = made.action("add_tags")
    with made.system.db.write() as tx:
        in_rows(tx)
        tx.execute(delete(revisions).where(revisions.c.action_id == target.id))

    (told,) = unfitting(made)

    assert f"the record of {target.id}, revision 1, is gone" in told


def test_what_people_edit_and_escalate_is_told_with_each_revision(made):
    made.person("ana")
    drafted = made.action("refund_payment")
    asked = made.decide(drafted, "escalate", group="finance", reason="Please look.")
    made.decide(asked, arguments={**drafted.arguments, "amount_minor": 2600})

    found = [replay(one, known) for one in decided.records(made.system.db)]

    assert len(found) > 5
    assert {(one.result, one.record) for one in found} == {(Result.SAME, Standing.AS_WRITTEN)}
    tampered(made, drafted.id, unused, revision=3)
    assert [one.record for one in (replay(each, known) for each in kept(made, drafted.id))] == [
        Standing.AS_WRITTEN,
        Standing.AS_WRITTEN,
        Standing.CHANGED,
    ]


def test_what_another_policy_judged_anew_is_told(made):
    target = made.action("refund_payment")
    other = loads(files("review"), run_tests=False)
    made.system = made.system.under(other)

    assert renewal.judge_again(made.system, target)
    found = [replay(one, {POLICY.hash: POLICY, other.hash: other}.get) for one in kept(made, target.id)]

    assert [(one.result, one.record) for one in found] == [(Result.SAME, Standing.AS_WRITTEN)] * 2
    with made.system.db.read() as tx:
        (told,) = [one for one in audit.of_chain(tx, target.case_id) if one.verb == "judged_anew"]
    assert (told.data["revision"], len(told.data["record"])) == (2, 16)


def test_what_a_limit_made_stricter_is_told_as_it_was_stored(engine):
    limited = limited_to_one_a_day(engine, 2)

    found = [replay(one, {limited.hash: limited}.get) for one in decided.records(engine.system.db)]

    assert [(one.result, one.record) for one in found] == [(Result.SAME, Standing.AS_WRITTEN)] * 2


def test_of_what_was_judged_before_digests_were_kept_nothing_is_claimed(made):
    target = made.action("refund_payment")
    without_digests(made, target.case_id)
    (before,) = [replay(one, known) for one in kept(made, target.id)]
    tampered(made, target.id, unused)

    (after,) = [replay(one, known) for one in kept(made, target.id)]

    assert (before.result, before.record) == (Result.SAME, Standing.NO_DIGEST)
    assert (after.result, after.record) == (Result.SAME, Standing.NO_DIGEST)
    assert unfitting(made) == []


def without_digests(engine, chain):
    """The chain as it was written before: the very same entries, and each with the hash of what it says."""
    with engine.system.db.write() as tx:
        entries = log_entries(tx, chain)
        tx.execute(delete(log).where(log.c.chain == chain))
        end = audit.Chain()
        for entry in entries:
            notes = [
                replace(note, data={name: value for name, value in note.data.items() if name != "record"})
                for note in audit.notes_of(entry["actor"], entry["verb"], entry["data"])
            ]
            made = audit.link(chain, end, entry["at"], notes)
            end = audit.Chain(made.seq, made.hash)
            tx.execute(log.insert().values(made.row()))
        digest = bytes.fromhex(end.hash)
        tx.execute(update(cases).where(cases.c.id == chain).values(chain_seq=end.seq, chain_hash=digest))


def test_an_erased_record_stays_unknown(engine, tmp_path):
    engine.model.drafts = [[tags()]]
    engine.event()
    engine.drain()
    erase(engine.system.db, "ana@example.com", tmp_path, by="person:lead", clock=engine.clock)

    (found,) = [replay(one, known) for one in kept(engine, engine.action("add_tags").id)]

    assert (found.result, found.record) == (Result.UNKNOWN, Standing.ERASED)
    assert unfitting(engine) == []


@pytest.mark.parametrize("number", [1e22, 1.5e300, -2e16, 1e-7, 0.1, 3.0, -0.0, 12345678901234567, 0.30000000000000004])
def test_a_number_has_one_digest_in_both_databases(made, number):
    """One keeps JSON as text, the other its numbers without exponents."""
    record = {"facts": {"b": number, "a": "1e+5", "ö": "\u2028 ’"}, "reasons": ["x", {"z": [number], "y": None}]}
    target = made.action("refund_payment")
    tampered(made, target.id, lambda _: record)

    (found,) = kept(made, target.id)

    assert digest_of(json.loads(found.record)) == digest_of(record)
