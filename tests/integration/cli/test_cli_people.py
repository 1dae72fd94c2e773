"""From the command line: the same turns and refusals as on the page, and who stands in for whom."""

from __future__ import annotations

from datetime import timedelta

from tests.kit.engine import refund
from workers.store.records import ActionState


def large(engine):
    """A refund that a lead approves first, and finance after that."""
    engine.house.refundable = 1_000_000
    engine.model.drafts = [[refund(200_000)]]
    engine.person("lea", ("lead",))
    engine.person("fin", ("finance",))
    engine.event()
    engine.drain()
    return engine.action("refund_payment")


def test_turns_are_kept_on_the_command_line_too(caseworker, engine):
    action = large(engine)

    early = caseworker("inbox", "approve", action.id, "--as", "fin@firm.example")
    first = caseworker("inbox", "approve", action.id, "--as", "lea@firm.example")
    twice = caseworker("inbox", "approve", action.id, "--as", "lea@firm.example")
    last = caseworker("inbox", "approve", action.id, "--as", "fin@firm.example")

    assert (early.status, first.status, twice.status, last.status) == (2, 0, 2, 0)
    assert "not your turn yet: first it needs 1 of lead" in early.err
    assert "1 of lead, then 1 of finance" in first.out
    assert "Still needed: 1 of finance" in first.out
    assert "approved this already" in twice.err
    assert engine.action("refund_payment").state == ActionState.APPROVED


def test_a_stand_in_is_named_listed_counts_and_is_ended(caseworker, engine):
    action = large(engine)
    engine.person("bo", ("support",))
    last = (engine.clock() + timedelta(days=2)).date().isoformat()

    named = caseworker("delegate", "add", "lea@firm.example", "--to", "bo@firm.example", "--until", last, "--json")
    listed = caseworker("delegate", "list")
    spoken = caseworker("inbox", "approve", action.id, "--as", "bo@firm.example")
    ended = caseworker("delegate", "end", named.json["id"])
    again = caseworker("delegate", "end", named.json["id"])

    assert (named.status, spoken.status, ended.status, again.status) == (0, 0, 0, 2)
    assert "Lea" in listed.out
    assert "Bo" in listed.out
    assert "Still needed: 1 of finance" in spoken.out
    assert "over already" in again.err
    assert caseworker("delegate", "list").out.strip() == "Nobody is away."


def test_what_is_no_date_or_makes_no_sense_is_said(caseworker, engine):
    large(engine)

    no_date = caseworker("delegate", "add", "lea@firm.example", "--to", "fin@firm.example", "--until", "soon")
    oneself = caseworker("delegate", "add", "lea@firm.example", "--to", "lea@firm.example", "--until", "2199-01-01")

    assert (no_date.status, oneself.status) == (2, 2)
    assert "no date" in no_date.err
    assert "Nobody stands in for themselves" in oneself.err


def test_doctor_and_policy_check_tell_what_the_people_here_cannot_approve(caseworker, engine):
    large(engine)  # a lead and one of finance, and nobody of support
    rules = engine.system.settings.policy_dir

    checked = caseworker("policy", "check", str(rules)).out.replace("\n", " ")

    assert "ask for 1 of support: that cannot be met by the people who are here: 1 of support missing." in checked
    assert "ask for 1 of lead: that leaves no one to spare" in checked


def test_with_enough_people_nothing_is_told(caseworker, engine):
    large(engine)
    for name in ("ana", "bo", "cy"):
        engine.person(name, ("support", "lead", "finance", "risk", "risk_lead", "editor"))

    assert "warning" not in caseworker("policy", "check", str(engine.system.settings.policy_dir)).out
