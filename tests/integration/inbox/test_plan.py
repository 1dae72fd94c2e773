"""The page of a case shows what the agent planned, with what it really looked up, and what should be known of it."""

from __future__ import annotations

import pytest

from tests.kit.engine import call, refund
from tests.kit.looking import looking


@pytest.fixture
def thought(site):
    """A case that was thought about with look-ups: one as planned, one besides, one that could not be had."""
    engine = site.engine
    looking(
        engine,
        [call("find_charge", charge_id="ch_1b"), call("read_page", id="b")],
        [call("find_charge", id="c", charge_id="ch_none")],
    )
    engine.model.drafts = [[refund(charge="ch_1b") | {"citations": ["house:charge:ch_9"]}]]
    engine.event()
    engine.drain()
    return engine.case().id


def test_the_plan_stands_beside_what_was_really_done(site, thought):
    page = site.signed_in().get(f"/cases/{thought}").text

    plan = page[page.index('id="plan-title"') : page.index('id="actions-title"')]
    assert "Ana gets what is hers." in plan
    assert plan.index("What else was paid") < plan.index("ch_1b") < plan.index("There is no charge")
    assert plan.index("Looked up besides") < plan.index("read_page")
    assert "A second charge for the same order" in plan


def test_a_case_without_a_plan_shows_none(site):
    site.engine.event()
    site.engine.drain()

    assert 'id="plan-title"' not in site.signed_in().get(f"/cases/{site.engine.case().id}").text


def test_the_timeline_tells_each_turn_and_what_should_be_known(site, thought):
    entries = site.signed_in().get(f"/api/v1/cases/{thought}/timeline").json()["entries"]

    titles = [entry["title"] for entry in entries if entry["kind"] == "step"]
    assert {"Planned", "Asked for find charge, read page", "Looked up: find charge, 1 record"} <= set(titles)
    assert "Looked up: find charge, There is no charge 'ch_none'." in titles
    (draft,) = [entry for entry in entries if entry["title"] == "Drafted what to do"]
    assert "house:charge:ch_9" in draft["data"]["remarks"][0]
    assert "house:charge:ch_9" in draft["text"]
    (turn,) = [entry for entry in entries if entry["title"] == "Asked for find charge, read page"]
    assert "native" not in turn["data"]["output"]
