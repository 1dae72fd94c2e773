"""Guarded writes: what was drafted against another state changes nothing; tokens carry a draft's freshness forward."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.errors import Permanent, Stale
from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany, SampleWriters

CHARGE = cast.ANA.charge_id
TICKET = "120"

TICKET_WRITES = {
    "reply": lambda w, version, key="k": w.reply(TICKET, "Hello", public=True, key=key, if_version=version),
    "note": lambda w, version, key="k": w.reply(TICKET, "Hello", public=False, key=key, if_version=version),
    "add_tags": lambda w, version, key="k": w.add_tags(TICKET, ["new"], key=key, if_version=version),
    "assign": lambda w, version, key="k": w.assign(TICKET, "lead", "look", key=key, if_version=version),
    "set_status": lambda w, version, key="k": w.set_status(TICKET, "pending", key=key, if_version=version),
}
CHARGE_WRITES = {
    "refund": lambda w, version, key="k": w.refund(CHARGE, 1000, "EUR", "r", key=key, if_version=version),
    "hold": lambda w, version, key="k": w.hold(CHARGE, "r", key=key, if_version=version),
}
ALL = {**TICKET_WRITES, **CHARGE_WRITES}


def target(name: str) -> str:
    return f"sample:ticket:{TICKET}" if name in TICKET_WRITES else f"sample:charge:{CHARGE}"


@pytest.mark.parametrize("name", ALL)
def test_another_token_is_stale_and_changes_nothing(name: str, company: SampleCompany, writers: SampleWriters) -> None:
    before = (company.ticket(TICKET), company.charge(CHARGE))

    with pytest.raises(Stale, match="has changed"):
        ALL[name](writers, "v99")

    assert (company.ticket(TICKET), company.charge(CHARGE)) == before
    assert company.effects() == []


@pytest.mark.parametrize("name", ALL)
def test_the_present_token_writes_and_the_receipt_tells_both(
    name: str, company: SampleCompany, writers: SampleWriters
) -> None:
    ref = target(name)
    before = company.version(ref)

    receipt = ALL[name](writers, before)

    assert (receipt.version_before, receipt.version_after) == (before, company.version(ref))
    assert receipt.version_before != receipt.version_after


@pytest.mark.parametrize("name", ALL)
def test_no_token_writes_whatever_has_happened(name: str, company: SampleCompany, writers: SampleWriters) -> None:
    writers.reply(TICKET, "Something else", public=False, key="other", if_version="")
    writers.refund(CHARGE, 1, "EUR", "r", key="another", if_version="")
    before = company.version(target(name))

    receipt = ALL[name](writers, "")

    assert receipt.version_before == before != company.version(target(name))


@pytest.mark.parametrize("name", ["refund", "hold", "assign"])
def test_a_retry_after_a_lost_answer_gets_its_receipt_although_it_moved_the_token_itself(
    name: str, company: SampleCompany, writers: SampleWriters
) -> None:
    version = company.version(target(name))

    first = ALL[name](writers, version)

    assert ALL[name](writers, version) == first
    assert len(company.effects()) == 1


@pytest.mark.parametrize("name", ["add_tags", "set_status"])
def test_a_retry_of_what_is_so_already_is_not_stale(name: str, company: SampleCompany, writers: SampleWriters) -> None:
    version = company.version(target(name))

    ALL[name](writers, version)
    again = ALL[name](writers, version)

    assert again.version_before == again.version_after
    assert len(company.effects()) == 1


def test_a_chain_of_own_writes_is_carried_by_its_receipts(company: SampleCompany, writers: SampleWriters) -> None:
    version = company.version(f"sample:ticket:{TICKET}")

    for name in ("reply", "add_tags", "set_status", "assign"):
        receipt = TICKET_WRITES[name](writers, version, key=name)
        assert receipt.version_before == version
        version = receipt.version_after

    assert version == company.version(f"sample:ticket:{TICKET}")


def test_a_customers_comment_makes_a_drafted_reply_stale(company: SampleCompany, writers: SampleWriters, shop) -> None:
    ticket = shop.write_ticket(cast.ANA.email, "Refund", "Please")
    drafted_from = company.ticket(ticket).version
    shop.comment(ticket, "I have changed my mind")

    with pytest.raises(Stale):
        writers.reply(ticket, "Done!", public=True, key="k", if_version=drafted_from)

    assert writers.find_reply(ticket, "k") is None


def test_a_dispute_makes_a_drafted_refund_stale(company: SampleCompany, writers: SampleWriters, shop) -> None:
    drafted_from = company.charge(CHARGE).version
    shop.dispute(CHARGE)

    with pytest.raises(Stale):
        writers.refund(CHARGE, 1000, "EUR", "r", key="k", if_version=drafted_from)

    assert company.charge(CHARGE).data["refundable_minor"] == 0
    assert company.charge(CHARGE).data["status"] == "disputed"


@pytest.mark.parametrize(
    "call",
    [lambda w: w.file_case(CHARGE, "s", [], key="k"), lambda w: w.route(CHARGE, "risk", "n", key="k")],
    ids=["file_case", "route"],
)
def test_the_risk_desk_leaves_the_charge_as_it_is(call, company: SampleCompany, writers: SampleWriters) -> None:
    before = company.charge(CHARGE)

    receipt = call(writers)

    assert receipt.version_before == receipt.version_after == before.version
    assert company.charge(CHARGE) == before


def test_of_twenty_refunds_drafted_from_one_state_one_is_made(company: SampleCompany, writers: SampleWriters) -> None:
    version = company.charge(CHARGE).version

    def attempt(number: int) -> str:
        try:
            return writers.refund(CHARGE, 100, "EUR", "r", key=f"k{number}", if_version=version).ref
        except Stale:
            return "stale"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(attempt, range(20)))

    assert answers.count("stale") == 19
    assert company.charge(CHARGE).data["refunded_minor"] == 100


def test_twenty_unguarded_refunds_never_exceed_the_charge(company: SampleCompany, writers: SampleWriters) -> None:
    def attempt(number: int) -> int:
        try:
            return int(writers.refund(CHARGE, 1000, "EUR", "r", key=f"k{number}", if_version="").data["amount_minor"])
        except Permanent:
            return 0

    with ThreadPoolExecutor(20) as pool:
        made = sum(pool.map(attempt, range(20)))

    assert made == 6000 == company.charge(CHARGE).data["refunded_minor"]
