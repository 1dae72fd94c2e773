"""How often an effect happens when a call is made again: by key once, by nature once, or as often as it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.base import Receipt
from integrations.errors import Permanent
from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany, SampleWriters

CHARGE = cast.ANA.charge_id
TICKET = "120"
SIGNALS = [{"name": "velocity", "score": 35}]

#: Operation, its call by key, and calls of the same operation with the same key that differ in one argument each.
BY_KEY = {
    "refund": (
        lambda w, key: w.refund(CHARGE, 1000, "EUR", "returned", key=key, if_version=""),
        [
            lambda w, key: w.refund(CHARGE, 1001, "EUR", "returned", key=key, if_version=""),
            lambda w, key: w.refund(CHARGE, 1000, "EUR", "damaged", key=key, if_version=""),
            lambda w, key: w.refund(cast.VIP.charge_id, 1000, "EUR", "returned", key=key, if_version=""),
            lambda w, key: w.refund(CHARGE, 1000, "USD", "returned", key=key, if_version=""),
        ],
    ),
    "hold": (
        lambda w, key: w.hold(CHARGE, "odd", key=key, if_version=""),
        [
            lambda w, key: w.hold(cast.VIP.charge_id, "odd", key=key, if_version=""),
            lambda w, key: w.hold(CHARGE, "odder", key=key, if_version=""),
        ],
    ),
    "release": (
        lambda w, key: w.release(cast.STOLEN.charge_id, "fine", key=key, if_version=""),
        [lambda w, key: w.release(cast.STOLEN.charge_id, "finer", key=key, if_version="")],
    ),
    "file_case": (
        lambda w, key: w.file_case(CHARGE, "Summary", SIGNALS, key=key),
        [
            lambda w, key: w.file_case(CHARGE, "Another summary", SIGNALS, key=key),
            lambda w, key: w.file_case(CHARGE, "Summary", [], key=key),
            lambda w, key: w.file_case(cast.VIP.charge_id, "Summary", SIGNALS, key=key),
        ],
    ),
    "route": (
        lambda w, key: w.route(CHARGE, "risk", "look", key=key),
        [lambda w, key: w.route(CHARGE, "lead", "look", key=key), lambda w, key: w.route(CHARGE, "risk", "!", key=key)],
    ),
    "assign": (
        lambda w, key: w.assign(TICKET, "lead", "look", key=key, if_version=""),
        [
            lambda w, key: w.assign(TICKET, "legal", "look", key=key, if_version=""),
            lambda w, key: w.assign(TICKET, "lead", "look!", key=key, if_version=""),
            lambda w, key: w.assign("119", "lead", "look", key=key, if_version=""),
        ],
    ),
}


@pytest.fixture(autouse=True)
def held_charge(writers: SampleWriters) -> None:
    """So that there is something to release."""
    writers.hold(cast.STOLEN.charge_id, "stolen", key="before", if_version="")


@pytest.mark.parametrize("operation", BY_KEY)
def test_the_same_key_answers_the_same_receipt_and_does_nothing_more(
    operation: str, company: SampleCompany, writers: SampleWriters, clock
) -> None:
    call, _ = BY_KEY[operation]

    first = call(writers, "key-1")
    before = len(company.effects())
    clock.pass_(hours=3)
    again = [call(writers, "key-1") for _ in range(3)]

    assert again == [first, first, first]
    assert len(company.effects()) == before
    assert [effect.key for effect in company.effects(operation)].count("key-1") == 1


@pytest.mark.parametrize(
    ("operation", "place"), [(name, place) for name, (_, others) in BY_KEY.items() for place in range(len(others))]
)
def test_the_same_key_with_other_arguments_is_permanent(
    operation: str, place: int, company: SampleCompany, writers: SampleWriters
) -> None:
    call, others = BY_KEY[operation]
    call(writers, "key-1")
    before = len(company.effects())

    with pytest.raises(Permanent, match="other arguments"):
        others[place](writers, "key-1")

    assert len(company.effects()) == before


def test_a_key_of_one_operation_is_taken_for_all_others(writers: SampleWriters) -> None:
    writers.route(CHARGE, "risk", "look", key="key-1")

    with pytest.raises(Permanent, match="other arguments"):
        writers.hold(CHARGE, "odd", key="key-1", if_version="")


@pytest.mark.parametrize("operation", BY_KEY)
def test_no_key_no_write(operation: str, company: SampleCompany, writers: SampleWriters) -> None:
    before = len(company.effects())

    with pytest.raises(Permanent, match="key"):
        BY_KEY[operation][0](writers, "")

    assert len(company.effects()) == before


def test_keys_outlive_the_process(file: Path, company: SampleCompany, writers: SampleWriters, clock) -> None:
    first = writers.refund(CHARGE, 1000, "EUR", "returned", key="key-1", if_version="")

    with SampleCompany(file, clock=clock) as other:
        again = SampleWriters(other).refund(CHARGE, 1000, "EUR", "returned", key="key-1", if_version="")

    assert again == first
    assert company.charge(CHARGE).data["refunded_minor"] == 1000


def test_twenty_threads_with_one_key_refund_once(company: SampleCompany, writers: SampleWriters) -> None:
    with ThreadPoolExecutor(20) as pool:
        receipts = list(
            pool.map(lambda _: writers.refund(CHARGE, 1000, "EUR", "r", key="one", if_version=""), range(20))
        )

    assert len({receipt.ref for receipt in receipts}) == 1
    assert len(company.effects("refund")) == 1
    assert company.charge(CHARGE).data["refundable_minor"] == cast.ANA.amount_minor - 1000


def test_two_keys_are_two_refunds(company: SampleCompany, writers: SampleWriters) -> None:
    for key in ("a", "b"):
        writers.refund(CHARGE, 1000, "EUR", "returned", key=key, if_version="")

    assert company.charge(CHARGE).data["refunded_minor"] == 2000


def test_a_reply_is_made_as_often_as_it_is_asked_and_found_by_its_key(
    company: SampleCompany, writers: SampleWriters
) -> None:
    assert writers.find_reply(TICKET, "r-1") is None

    first, second = (writers.reply(TICKET, "Hello", public=True, key="r-1", if_version="") for _ in range(2))
    found = writers.find_reply(TICKET, "r-1")

    assert first.ref != second.ref
    assert found == first
    assert [m["body"] for m in company.ticket(TICKET).data["messages"]][-2:] == ["Hello", "Hello"]
    assert len(company.effects("reply")) == 2
    assert writers.find_reply("119", "r-1") is None
    assert writers.find_reply(TICKET, "r-2") is None


def test_a_customers_message_is_never_taken_for_ours(writers: SampleWriters) -> None:
    """Messages that we did not send have no key, and no key finds them."""
    assert writers.find_reply(TICKET, "") is None


def test_an_internal_note_is_not_said_to_the_customer(company: SampleCompany, writers: SampleWriters, shop) -> None:
    writers.reply(TICKET, "Between us", public=False, key="n-1", if_version="")

    assert shop.conversation(TICKET).replies == []
    assert company.ticket(TICKET).data["messages"][-1]["public"] is False
    assert [effect.kind for effect in company.effects()] == ["hold", "note"]


def test_a_mail_is_sent_as_often_as_it_is_asked(company: SampleCompany, writers: SampleWriters, shop) -> None:
    first, second = (writers.send("a@example.com", "Hello", "Body", key="m-1") for _ in range(2))

    assert first.ref != second.ref
    assert len(shop.mails()) == len(company.effects("send")) == 2


def test_a_taken_slug_gets_a_number_and_a_draft_is_found_by_its_key(
    company: SampleCompany, writers: SampleWriters, shop
) -> None:
    assert writers.find_draft("d-1") is None

    drafts = [writers.create_draft("tents", "Tents", "Body", {}, key="d-1") for _ in range(3)]
    other = writers.create_draft("socks", "Socks", "Body", {}, key="d-2")

    assert [draft.data["slug"] for draft in drafts] == ["tents", "tents-2", "tents-3"]
    assert other.data["slug"] == "socks-2", "an own post has that slug"
    assert writers.find_draft("d-1") == drafts[0]
    assert writers.find_draft("d-2") == other
    assert writers.find_draft("") is None
    assert len(company.effects("create_draft")) == len(shop.drafts()) == 4


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.add_tags(TICKET, ["refund", "Urgent"], key="t", if_version=""),
        lambda w: w.set_status(TICKET, "solved", key="t", if_version=""),
    ],
    ids=["add_tags", "set_status"],
)
def test_what_is_idempotent_by_nature_changes_once(call, company: SampleCompany, writers: SampleWriters) -> None:
    first: Receipt = call(writers)
    after = company.ticket(TICKET)
    again: Receipt = call(writers)

    assert first.version_before != first.version_after == after.version
    assert again.version_before == again.version_after == after.version
    assert company.ticket(TICKET) == after
    assert len(company.effects()) == 2, "the hold and one change"


def test_a_status_is_set_anew_when_the_customer_has_opened_the_ticket_again(
    company: SampleCompany, writers: SampleWriters, shop
) -> None:
    ticket = shop.write_ticket(cast.ANA.email, "S", "B")
    writers.set_status(ticket, "solved", key="s", if_version="")
    shop.comment(ticket, "Not yet!")

    writers.set_status(ticket, "solved", key="s", if_version="")

    assert company.ticket(ticket).data["status"] == "solved"
    assert len(company.effects("set_status")) == 2


def test_effects_can_be_neither_changed_nor_deleted(company: SampleCompany) -> None:
    for sql in ("UPDATE effects SET key = 'x'", "DELETE FROM effects"):
        with pytest.raises(Permanent, match="append-only"), company.database.writing() as connection:
            connection.execute(sql)

    assert [effect.key for effect in company.effects()] == ["before"]
