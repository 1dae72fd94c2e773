"""Events that are stored together: the same as if each had come alone, on both databases."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from integrations import cloudevents
from integrations.base import EventType, InboundEvent
from tests.kit.engine import START
from workers.intake.receive import NotStored, Provenance, prepare, receive, store, summary_of
from workers.store import actions, arrivals, audit, cases, events, parcels, proof
from workers.store.database import StoreUnavailable
from workers.store.records import ActionState, CaseState
from workers.store.tables import events as all_events


def event(number, *, ticket=None, **data):
    return InboundEvent(
        source="house",
        delivery_id=f"d{number}",
        type=EventType.TICKET_CREATED,
        vendor_type="ticket",
        subject=f"house:ticket:{number if ticket is None else ticket}",
        occurred_at=START - timedelta(minutes=1),
        data={"title": f"Broken {number}", "text": "It is “broken” – ø", "requester_email": "ana@example.com", **data},
    )


def request(engine, *inbound, raw=b"{}", **more):
    return prepare(engine.system, inbound, Provenance("test", raw, headers=[("host", "h")], **more))


def stored(engine, *requests):
    return [found if isinstance(found, Exception) else summary_of(found) for found in store(engine.system, requests)]


def look(engine, query, *arguments):
    with engine.system.db.read() as tx:
        return query(tx, *arguments)


def test_many_new_events_open_a_case_each_with_all_that_belongs_to_it(engine):
    results = stored(engine, *(request(engine, event(n), raw=f"body {n}".encode()) for n in range(40)))

    for n, received in enumerate(results):
        assert (len(received.accepted), received.duplicates) == (1, [])
        case = look(engine, cases.get, received.cases[0])
        found = look(engine, events.of_case, case.id)
        assert (case.subject, case.title, case.customer) == (f"house:ticket:{n}", f"Broken {n}", "ana@example.com")
        assert (case.state, case.step, case.wake_at) == (CaseState.WORKING, "triage", engine.clock())
        assert [(e.delivery_id, e.position, e.data["text"]) for e in found] == [(f"d{n}", 1, "It is “broken” – ø")]
        assert [entry.verb for entry in look(engine, audit.of_chain, case.id)] == ["opened"]
    assert look(engine, proof.verify) == []


def test_the_longest_names_that_are_taken_can_be_kept(engine):
    """Counted in characters, whichever they are."""
    wide = "\N{GRINNING FACE}"
    data = {"title": wide * 400, "text": "It is broken", "requester_email": wide * 400}
    about = {"specversion": "1.0", "type": "ticket.created", "subject": wide * 256, "source": wide * 188, "data": data}
    coming = [
        cloudevents.read_event(json.dumps(about | {"id": last + wide * 199}).encode(), START) for last in ("1", "2")
    ]

    opened, joined = (stored(engine, request(engine, one))[0] for one in coming)

    assert opened.cases == joined.cases
    assert look(engine, cases.get, opened.cases[0]).events_total == 2
    assert look(engine, proof.verify) == []


def test_bodies_and_headers_are_kept_as_they_came(engine):
    bodies = [b"", b"\x00\xff", "ø".encode() * 700, b"last"]
    stored(engine, *(request(engine, event(n), raw=raw) for n, raw in enumerate(bodies)))

    with engine.system.db.read() as tx:
        rows = tx.execute(select(all_events).order_by(all_events.c.delivery_id)).mappings().all()
    assert [bytes(parcels.laid_open(row)["raw"]) for row in rows] == bodies


def test_the_same_delivery_twice_at_once_is_stored_once_and_counted(engine):
    first, second, other = stored(engine, *(request(engine, event(n)) for n in (1, 1, 2)))

    assert second.duplicates == first.accepted
    assert (second.accepted, second.cases) == ([], [])
    assert len(other.accepted) == 1
    assert look(engine, events.find, "house", "d1").duplicates == 1


def test_a_body_that_comes_again_under_another_id_is_a_duplicate_where_only_bodies_are_signed(engine):
    first, second = stored(engine, *(request(engine, event(n), raw=b"same", body_is_key=True) for n in (1, 2)))
    third = receive(engine.system, [event(3)], Provenance("test", b"same", body_is_key=True))

    assert second.duplicates == third.duplicates == first.accepted
    assert look(engine, events.find, "house", "d1").duplicates == 2


def test_what_is_there_already_is_counted_and_holds_up_nothing_that_comes_with_it(engine):
    """Neither an event that came before, nor a body that did, nor one whose case is open."""
    stored(engine, request(engine, event(1)), request(engine, event(2), raw=b"same", body_is_key=True))

    again, body, joins, new = stored(
        engine,
        request(engine, event(1, ticket=70)),
        request(engine, event(3), raw=b"same", body_is_key=True),
        request(engine, event(4, ticket=1)),
        request(engine, event(5), raw=b"another", body_is_key=True),
    )

    assert [len(one.duplicates) for one in (again, body, joins, new)] == [1, 1, 0, 0]
    assert [len(one.accepted) for one in (joins, new)] == [1, 1]
    assert [look(engine, events.find, "house", f"d{n}").duplicates for n in (1, 2)] == [1, 1]
    assert look(engine, cases.get, joins.cases[0]).subject == "house:ticket:1"
    assert look(engine, proof.verify) == []


def test_events_on_one_subject_join_one_case_whether_they_come_together_or_later(engine):
    together = stored(engine, request(engine, event(1, ticket=7)), request(engine, event(2, ticket=7)))
    later = stored(engine, request(engine, event(3, ticket=7)), request(engine, event(4, ticket=8)))

    opened = together[0].cases[0]
    assert [received.cases for received in (*together, later[0])] == [[opened]] * 3
    assert look(engine, cases.get, opened).events_total == 3
    found = look(engine, events.of_case, opened)
    assert [(e.delivery_id, e.position) for e in found] == [("d1", 1), ("d2", 2), ("d3", 3)]
    assert [entry.verb for entry in look(engine, audit.of_chain, opened)] == ["opened", "joined", "joined"]
    assert look(engine, proof.verify) == []


def test_events_on_one_subject_that_come_together_stay_in_the_order_in_which_they_came(engine):
    """What an agent takes for the newest message is the last."""
    coming = (8, 10, 9, 11)
    batch, _ = stored(
        engine, request(engine, *(event(n, ticket=7) for n in coming)), request(engine, event(1, ticket=7))
    )

    found = look(engine, events.of_case, batch.cases[0])
    assert [e.delivery_id for e in found] == ["d8", "d10", "d9", "d11", "d1"]


def test_an_event_that_joins_withdraws_what_was_drafted(engine):
    engine.event("first", ticket="7")
    engine.drain()
    assert {action.state for action in engine.actions()} == {ActionState.PENDING}

    stored(engine, request(engine, event(2, ticket=7)), request(engine, event(3, ticket=9)))

    with engine.system.db.read() as tx:
        case = cases.on_subject(tx, "house:ticket:7")
        verbs = [entry.verb for entry in audit.of_chain(tx, case.id)]
    assert verbs[-2:] == ["joined", "stale"]
    assert {action.state for action in look(engine, actions.of_case, case.id)} == {ActionState.STALE}
    assert case.wake_at == engine.clock()


def test_a_batch_of_one_request_keeps_its_body_with_its_first_event_and_is_answered_as_one(engine):
    received = stored(engine, request(engine, event(1), event(2), event(1), raw=b"[]"))[0]

    assert (len(received.accepted), len(received.duplicates), len(received.cases)) == (2, 1, 2)


def test_a_request_without_events_is_answered(engine):
    assert stored(engine, request(engine))[0].accepted == []


def test_what_the_database_refuses_harms_nobody_else(engine):
    odd = event(2, odd=object())
    first, refused, third = stored(engine, request(engine, event(1)), request(engine, odd), request(engine, event(3)))

    assert isinstance(refused, NotStored)
    assert len(first.accepted) == len(third.accepted) == 1
    assert look(engine, events.find, "house", "d2") is None


def test_a_database_that_is_away_is_everybodys_answer_and_nothing_is_kept(engine, monkeypatch):
    def away(*_):
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(type(engine.system.db), "write", away)
        patched.setattr(type(engine.system.db), "direct", away)
        results = stored(engine, request(engine, event(1)), request(engine, event(2)))

    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert look(engine, events.find, "house", "d1") is None


def test_a_request_is_confirmed_with_all_of_its_events_or_not_at_all(engine, monkeypatch):
    """What is new is committed before what joins a case: the database may go away between the two."""
    stored(engine, request(engine, event(1, ticket=7)))

    def away(*_):
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(arrivals, "take", away)
        new, both, joins = stored(
            engine,
            request(engine, event(2)),
            request(engine, event(3), event(4, ticket=7)),
            request(engine, event(5, ticket=7)),
        )

    assert len(new.accepted) == 1
    assert [type(one) for one in (both, joins)] == [StoreUnavailable] * 2
    (again,) = stored(engine, request(engine, event(3), event(4, ticket=7)))
    assert (len(again.accepted), len(again.duplicates)) == (1, 1)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("urgent", "urgent"), ("High", "urgent"), ("low", "low"), ("bulk", "low"), ("normal", "normal"), (None, "normal")],
)
def test_what_the_vendor_calls_urgent_goes_first_from_the_start(engine, said, kept):
    case = stored(engine, request(engine, event(1, priority=said)))[0].cases[0]
    assert look(engine, cases.get, case).priority == kept


def test_doors_beside_each_other_store_each_event_once(engine):
    answers = []

    def door(order):
        for start in range(0, 60, 6):
            numbers = sorted(range(start, start + 6), reverse=order)
            answers.extend(stored(engine, *(request(engine, event(n, ticket=n // 2)) for n in numbers)))

    doors = [threading.Thread(target=door, args=(bool(n % 2),)) for n in range(4)]
    for one in doors:
        one.start()
    for one in doors:
        one.join()

    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert sum(len(answer.accepted) for answer in answers) == 60
    assert sum(len(answer.duplicates) for answer in answers) == 180
    with engine.system.db.read() as tx:
        found = cases.listing(tx, limit=100)
        kept = [events.find(tx, "house", f"d{n}") for n in range(60)]
    assert look(engine, proof.verify) == []
    assert [case.events_total for case in found] == [2] * 30
    assert sum(one.duplicates for one in kept) == 180
