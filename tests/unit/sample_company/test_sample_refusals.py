"""What no system of the company takes: refused as permanent, with nothing changed and nothing counted."""

from __future__ import annotations

import pytest

from integrations.errors import Permanent
from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany, SampleWriters
from integrations.sample_company.shopfront import Scenario, Shopfront

CHARGE = cast.ANA.charge_id
PAID = cast.ANA.amount_minor
TICKET = "120"


def refund(writers: SampleWriters, amount: object, currency: str = "EUR", charge: str = CHARGE) -> None:
    writers.refund(charge, amount, currency, "r", key="k", if_version="")


REFUSED = {
    "refund: one more than was paid": (lambda w: refund(w, PAID + 1), "exceeds"),
    "refund: nothing": (lambda w: refund(w, 0), "at least one"),
    "refund: less than nothing": (lambda w: refund(w, -1), "at least one"),
    "refund: half a cent": (lambda w: refund(w, 0.5), "whole number"),
    "refund: true is no amount": (lambda w: refund(w, True), "whole number"),
    "refund: beyond 64 bits": (lambda w: refund(w, 2**80), "exceeds"),
    "refund: another currency": (lambda w: refund(w, 100, "USD"), "not in 'USD'"),
    "refund: small letters": (lambda w: refund(w, 100, "eur"), "not in 'eur'"),
    "refund: no such charge": (lambda w: refund(w, 100, charge="ch_0"), "no charge"),
    "refund: two lines of reason": (
        lambda w: w.refund(CHARGE, 100, "EUR", "a\nb", key="k", if_version=""),
        "line break",
    ),
    "hold: no such charge": (lambda w: w.hold("ch_0", "r", key="k", if_version=""), "no charge"),
    "hold: without a reason": (lambda w: w.hold(CHARGE, " ", key="k", if_version=""), "empty"),
    "release: of what is not held": (
        lambda w: w.release(CHARGE, "r", key="k", if_version=""),
        "needs one that is held",
    ),
    "file_case: no such charge": (lambda w: w.file_case("ch_0", "s", [], key="k"), "no charge"),
    "file_case: without a summary": (lambda w: w.file_case(CHARGE, "", [], key="k"), "empty"),
    "file_case: NaN": (lambda w: w.file_case(CHARGE, "s", [{"score": float("nan")}], key="k"), "no JSON"),
    "file_case: no JSON": (lambda w: w.file_case(CHARGE, "s", [{"score": object()}], key="k"), "no JSON"),
    "route: no such charge": (lambda w: w.route("ch_0", "risk", "n", key="k"), "no charge"),
    "route: without a note": (lambda w: w.route(CHARGE, "risk", "", key="k"), "empty"),
    "reply: no such ticket": (lambda w: w.reply("9999", "b", public=True, key="k", if_version=""), "no ticket"),
    "reply: empty": (lambda w: w.reply(TICKET, " \n", public=True, key="k", if_version=""), "empty"),
    "reply: endless": (lambda w: w.reply(TICKET, "x" * 65_537, public=True, key="k", if_version=""), "longer"),
    "reply: half a surrogate pair": (
        lambda w: w.reply(TICKET, "\ud800", public=True, key="k", if_version=""),
        "cannot be stored",
    ),
    "reply: to a closed ticket": (lambda w: w.reply("1", "b", public=True, key="k", if_version=""), "closed"),
    "set_status: unknown": (lambda w: w.set_status(TICKET, "happy", key="k", if_version=""), "no status"),
    "set_status: of a closed ticket": (lambda w: w.set_status("1", "open", key="k", if_version=""), "closed for good"),
    "add_tags: none": (lambda w: w.add_tags(TICKET, [], key="k", if_version=""), "at least one"),
    "add_tags: two words": (lambda w: w.add_tags(TICKET, ["two words"], key="k", if_version=""), "single words"),
    "add_tags: no such ticket": (lambda w: w.add_tags("x", ["a"], key="k", if_version=""), "no ticket"),
    "assign: no such ticket": (lambda w: w.assign("x", "lead", "n", key="k", if_version=""), "no ticket"),
    "assign: without a note": (lambda w: w.assign(TICKET, "lead", "", key="k", if_version=""), "empty"),
    "send: no address": (lambda w: w.send("nobody", "s", "b", key="k"), "not one mail address"),
    "send: two addresses": (lambda w: w.send("a@example.com, b@example.com", "s", "b", key="k"), "not one"),
    "send: an address with a second header": (
        lambda w: w.send("a@example.com\nBcc: b@example.com", "s", "b", key="k"),
        "not one",
    ),
    "send: a subject with a second header": (lambda w: w.send("a@example.com", "s\r\nBcc: x", "b", key="k"), "line"),
    "send: empty": (lambda w: w.send("a@example.com", "s", "", key="k"), "empty"),
    "create_draft: a path as slug": (lambda w: w.create_draft("../x", "t", "b", {}, key="k"), "no slug"),
    "create_draft: capitals": (lambda w: w.create_draft("Tents", "t", "b", {}, key="k"), "no slug"),
    "create_draft: no slug": (lambda w: w.create_draft("", "t", "b", {}, key="k"), "no slug"),
    "create_draft: without a body": (lambda w: w.create_draft("t", "t", "", {}, key="k"), "empty"),
    "create_draft: meta that is no JSON": (lambda w: w.create_draft("t", "t", "b", {"x": object()}, key="k"), "JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_write_changes_and_counts_nothing(name: str, company: SampleCompany, writers: SampleWriters) -> None:
    call, why = REFUSED[name]
    before = (company.ticket(TICKET), company.ticket("1"), company.charge(CHARGE), writers.find_draft("k"))

    with pytest.raises(Permanent, match=why):
        call(writers)

    assert (company.ticket(TICKET), company.ticket("1"), company.charge(CHARGE), writers.find_draft("k")) == before
    assert company.effects() == []


def test_a_refused_call_leaves_its_key_free(company: SampleCompany, writers: SampleWriters) -> None:
    with pytest.raises(Permanent):
        refund(writers, PAID + 1)

    refund(writers, PAID)

    assert company.charge(CHARGE).data["status"] == "refunded"


def test_what_is_refunded_in_full_takes_no_more(company: SampleCompany, writers: SampleWriters) -> None:
    writers.refund(CHARGE, PAID - 1, "EUR", "r", key="a", if_version="")
    assert company.charge(CHARGE).data["status"] == "succeeded"
    writers.refund(CHARGE, 1, "EUR", "r", key="b", if_version="")

    assert company.charge(CHARGE).data["status"] == "refunded"
    for call in (
        lambda: writers.refund(CHARGE, 1, "EUR", "r", key="c", if_version=""),
        lambda: writers.hold(CHARGE, "r", key="d", if_version=""),
    ):
        with pytest.raises(Permanent):
            call()


def test_a_disputed_charge_is_not_refunded(company: SampleCompany, writers: SampleWriters, shop: Shopfront) -> None:
    shop.dispute(CHARGE)

    with pytest.raises(Permanent, match="its bank has the money"):
        refund(writers, 100)
    with pytest.raises(Permanent, match="disputed already"):
        shop.dispute(CHARGE)

    assert company.effects() == []


def test_a_charge_is_held_released_and_held_again(company: SampleCompany, writers: SampleWriters) -> None:
    for key, call, status in (
        ("a", writers.hold, "held"),
        ("b", writers.release, "succeeded"),
        ("c", writers.hold, "held"),
    ):
        call(CHARGE, "reason", key=key, if_version="")
        assert company.charge(CHARGE).data["status"] == status

    with pytest.raises(Permanent, match="needs one that is succeeded"):
        writers.hold(CHARGE, "reason", key="d", if_version="")


SHOP_REFUSED = {
    "ticket: empty": lambda s: s.write_ticket("a@example.com", "s", ""),
    "ticket: no subject": lambda s: s.write_ticket("a@example.com", "", "b"),
    "ticket: two lines of subject": lambda s: s.write_ticket("a@example.com", "a\nb", "b"),
    "ticket: no address": lambda s: s.write_ticket("nobody", "s", "b"),
    "ticket: endless": lambda s: s.write_ticket("a@example.com", "s", "x" * 20_001),
    "comment: no such ticket": lambda s: s.comment("9999", "b"),
    "comment: closed": lambda s: s.comment("1", "b"),
    "comment: empty": lambda s: s.comment(TICKET, ""),
    "pay: nobody": lambda s: s.pay("nobody@example.com", 100),
    "pay: nothing": lambda s: s.pay(cast.ANA.email, 0),
    "pay: everything": lambda s: s.pay(cast.ANA.email, 10**9, Scenario.STOLEN),
    "flag: no such charge": lambda s: s.flag("ch_0"),
    "dispute: no such charge": lambda s: s.dispute("ch_0"),
    "brief: no keyword": lambda s: s.ask_brief("a@example.com", "", "t"),
    "brief: empty": lambda s: s.ask_brief("a@example.com", "k", ""),
    "sell: no such item": lambda s: s.sell("ABC", 1),
    "sell: more than there is": lambda s: s.sell(cast.SHORT_ITEM, 10_000),
    "sell: nothing": lambda s: s.sell(cast.SHORT_ITEM, 0),
    "count: no such item": lambda s: s.count_stock("ABC"),
}


@pytest.mark.parametrize("name", SHOP_REFUSED)
def test_a_refused_act_sends_no_event(name: str, company: SampleCompany, shop: Shopfront) -> None:
    with pytest.raises(Permanent):
        SHOP_REFUSED[name](shop)

    with company.database.reading() as connection:
        (events,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    assert events == 0
    assert shop.charges() == shop.conversations() == []
