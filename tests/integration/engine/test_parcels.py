"""What came with an event is kept packed, comes out as it went in, and is read as well where it was stored before packing."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticSerializationError
from sqlalchemy import select, text, update

from workers.store import archive, erasure, events, exclusions, flow, packing, parcels, schema
from workers.store.flow import Caps
from workers.store.tables import cases
from workers.store.tables import events as table

NOTHING = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text()
DOCUMENTS = st.dictionaries(
    st.text(),
    st.recursive(NOTHING, lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=8),
    max_size=4,
)


@given(st.lists(st.tuples(DOCUMENTS, st.lists(st.tuples(st.text(), st.text()), max_size=4), st.binary()), max_size=4))
def test_all_three_of_each_come_out_as_they_went_in(came):
    kept = parcels.packed(came)

    assert [parcels.opened(one) for one in kept] == [
        (data, [list(pair) for pair in headers], raw) for data, headers, raw in came
    ]
    assert [parcels.data_of(one) for one in kept] == [data for data, _, _ in came]


def test_text_that_is_no_text_is_refused():
    with pytest.raises(PydanticSerializationError):
        parcels.packed([({}, (), b""), ({"text": "\ud800"}, (), b"")])


PACKED = parcels.packed([({}, (), b"")])[0]


@pytest.mark.parametrize(
    "kept", [b"", b"\x05", b"\x05nothing of ours", b"\x10", b"\x10nothing of ours", b"\x7f" + PACKED[1:], PACKED[:-1]]
)
def test_what_nobody_packed_is_not_taken_for_something(kept):
    with pytest.raises(ValueError, match="packed record"):
        parcels.opened(kept)


def in_columns(data, headers, raw):
    return {"packed": None, "data": data, "headers": headers, "raw": raw}


def with_the_first_words(data, headers, raw):
    return {"packed": packing.deflated(json.dumps([data, headers]).encode() + b"\0" + raw, 5)}


FORMS = pytest.mark.parametrize(
    "before", [None, with_the_first_words, in_columns], ids=["now", "first words", "columns"]
)


def as_before(engine, form):
    """The newest event as code of before stored it; its row as it was with this code's eyes."""
    with engine.system.db.write() as tx:
        row = dict(tx.execute(select(table).order_by(table.c.id.desc())).mappings().first())
        changed = form(*parcels.opened(bytes(row["packed"])))
        tx.execute(update(table).where(table.c.id == row["id"]).values(**changed))
    return parcels.laid_open(row)


def claimed(engine):
    minute = timedelta(minutes=1)
    found = flow.claim(engine.system.db, engine.case().id, worker="w", now=engine.clock(), lease=minute, caps=Caps())
    return [dict(event.data) for event in found.events]


@FORMS
def test_everybody_reads_the_same_whichever_way_it_is_kept(engine, before):
    engine.event(text="It is “broken” – ø\n\\ud800 \U0001f600")
    with engine.system.db.read() as tx:
        stored = tx.execute(select(table.c.data, table.c.raw, table.c.headers)).all()
        came = events.of_case(tx, engine.case().id)
    assert stored == [(None, None, None)]
    row = as_before(engine, before) if before else None
    case_id = engine.case().id

    with engine.system.db.read() as tx:
        assert events.of_case(tx, case_id) == came
        assert events.get(tx, came[0].id) == came[0]
        (whole,) = archive.whole(tx, [case_id])
        assert exclusions.initiators(tx, [case_id]) == {case_id: frozenset({"ana@example.com"})}
    (archived,) = whole["events"]
    assert archived["data"] == came[0].data
    assert "packed" not in archived
    if row is not None:
        assert archived["headers"] == row["headers"]
    assert claimed(engine) == [came[0].data]


@FORMS
def test_an_address_in_anothers_event_is_found_and_what_is_erased_is_gone(engine, before):
    engine.event(text="My colleague Ben@Elsewhere.example wrote this.")
    if before:
        as_before(engine, before)
    case_id = engine.case().id

    with engine.system.db.write() as tx:
        assert erasure.mentions(tx, [], "ben@elsewhere.example") == [case_id]
        assert erasure.mentions(tx, [case_id], "ben@elsewhere.example") == []
        tx.execute(update(cases).values(closed_at=engine.clock(), state="closed", wake_at=None))
        erasure.erase_cases(tx, [case_id], "ana@example.com", engine.clock())
        (left,) = tx.execute(select(table)).mappings()
        assert events.of_case(tx, case_id)[0].data == {}
    assert (left["packed"], left["data"], bytes(left["raw"]), left["headers"]) == (None, {}, b"", [])


def test_who_signs_the_body_alone_is_known_by_it_and_two_without_are_two(engine):
    def arrival(number, body_key):
        engine.event(delivery=f"d{number}", ticket=str(number))
        with engine.system.db.write() as tx:
            changed = update(table).where(table.c.delivery_id == f"d{number}").values(body_key=body_key)
            return tx.execute(changed).rowcount

    assert [arrival(1, None), arrival(2, None), arrival(3, "k" * 64)] == [1, 1, 1]
    with engine.system.db.write() as tx:
        row = dict(tx.execute(select(table).where(table.c.delivery_id == "d3")).mappings().one())
        again = row | {"id": "evt_again", "delivery_id": "d4"}
        assert not events.insert_once(tx, again)
        assert events.count_duplicate(tx, row["source"], "d4", "k" * 64) == row["id"]
        assert events.insert_once(tx, again | {"body_key": "l" * 64})


@pytest.mark.parametrize("before", [None, with_the_first_words], ids=["now", "first words"])
def test_a_database_goes_back_to_the_version_before_with_all_that_was_packed(engine, before):
    engine.event(text="Where is my parcel?")
    if before:
        as_before(engine, before)
    with engine.system.db.read() as tx:
        was = parcels.laid_open(dict(tx.execute(select(table)).mappings().one()))
    columns = "SELECT data, raw, headers FROM events"

    schema.downgrade(engine.system.db, "0017")
    with engine.system.db.read() as tx:
        data, raw, headers = tx.execute(text(columns).columns(table.c.data, table.c.raw, table.c.headers)).one()
    assert (data, bytes(raw), headers) == (was["data"], was["raw"], was["headers"])
    schema.upgrade(engine.system.db)

    assert claimed(engine) == [was["data"]]
    assert schema.differences(engine.system.db) == []
