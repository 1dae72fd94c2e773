"""The same facts give the same record: in eight threads, in a forked child, in another time zone, out of JSON."""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import pytest
from policy_making import AT, FAILING, FAILS, bundle, policy, raw, rule

from policies import engine, loader, record
from policies.rules import Policy
from policies.types import DecisionRecord

SHIPPED = loader.load(loader.SHIPPED, run_tests=False)
CLOCK = policy(
    bundle(
        "platform",
        rule("morning", "allow", "occurred_at.getHours() == 12 && occurred_at.getDayOfWeek() == 5"),
        rule("broken", "review", FAILS),
        rule("late", "deny", 'occurred_at > timestamp("2026-11-20T12:00:00Z")'),
    )
)


def inputs() -> list[tuple[Policy, dict[str, Any]]]:
    amounts = (-1, 0, 2500, 2501, 20001, 100001, 1_000_001)
    kinds = ("refund_payment", "reply_to_customer", "close_ticket", "hold_charge", "nonsense")
    mixed = [
        raw(action_kind=kind, domain=domain, amount_minor=amount, charge_refundable_minor=10**7)
        for kind in kinds
        for domain in ("support", "transactions")
        for amount in amounts
    ]
    refused = [raw(currency=None), raw(amount_minor=float("nan"))]
    return [(made, facts) for made in (SHIPPED, CLOCK) for facts in [*mixed, *refused, raw(**FAILING)]]


def judged() -> list[DecisionRecord]:
    return [engine.judge(made, facts, at=AT) for made, facts in inputs()]


def test_eight_threads_share_a_policy() -> None:
    alone = judged()

    with ThreadPoolExecutor(8) as pool:
        together = [future.result() for future in [pool.submit(judged) for _ in range(16)]]

    assert all(records == alone for records in together)


def _child(connection: Connection) -> None:
    connection.send([record.to_json(decided) for decided in judged()])
    connection.close()


def test_a_forked_child_uses_its_parents_policy() -> None:
    parent = [record.to_json(decided) for decided in judged()]
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    child = context.Process(target=_child, args=(theirs,))
    child.start()
    theirs.close()
    answered = ours.recv()
    child.join(30)

    assert child.exitcode == 0
    assert answered == parent


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_the_processes_time_zone_does_not_matter(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = judged()
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        assert judged() == before
    time.tzset()


def test_a_stored_record_comes_back_as_it_was_and_its_facts_give_it_again() -> None:
    for made, facts in inputs():
        decided = engine.judge(made, facts, at=AT)
        stored = json.dumps(record.to_json(decided), allow_nan=False)

        again = record.from_json(json.loads(stored))

        assert again == decided
        if decided.answers:
            assert engine.decide(made, record.facts_from_json(again.facts), at=again.decided_at, trace=True) == decided


def test_other_settings_loaded_anew_give_the_same_records() -> None:
    anew = loader.load(loader.SHIPPED, run_tests=False)

    assert anew.hash == SHIPPED.hash
    for made, facts in inputs():
        if made is SHIPPED:
            assert engine.judge(anew, facts, at=AT) == engine.judge(SHIPPED, facts, at=AT)
