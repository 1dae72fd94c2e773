"""The page of what models cost: sums, days, budgets; sound as a page, and drawn without a script."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from tests.integration.inbox.test_templates import problems
from tests.kit.engine import refund
from tests.unit.models.routed import usage
from workers.inbox.bars import Bar, draw
from workers.store import bill
from workers.store.tables import model_usage


@pytest.fixture
def billed(site):
    site.drafted(refund())
    case, now = site.engine.case(), site.engine.clock()
    rows = [
        *bill.entries(case, "plan", "plan", [usage("alpha", cost="0.50"), usage("beta", cost="1.25")], now),
        *bill.entries(case, "draft", "draft", [usage("beta", cost="2.00")], now - timedelta(days=3)),
    ]
    with site.engine.system.db.write() as tx:
        tx.execute(insert(model_usage), rows)
    return site


def with_settings(site, **changed):
    """The same installation with other settings."""
    site.app.state.system = replace(site.engine.system, settings=site.engine.system.settings.model_copy(update=changed))


def test_the_page_tells_what_was_spent_for_whom_and_for_what(billed):
    page = billed.signed_in().get("/cost").text

    assert "<title>Cost · Caseworker</title>" in page
    assert "<b>3.75 USD</b> for 5 calls in 30 days, 1 of them paid for in vain" in page
    assert "2 calls have no known price" in page
    assert re.search(r"beta/m</th><td class=\"figure\">3.25</td>", page)
    assert re.search(r"Support</th><td class=\"figure\">3.75</td>", page)
    assert billed.engine.case().title in page
    assert 'href="/cost" aria-current="page"' in page
    assert problems(page) == []


def test_each_day_has_a_bar_and_what_came_from_the_cache_is_drawn_apart(billed):
    page = billed.signed_in().get("/cost?days=7").text
    now = billed.engine.clock()

    assert page.count('<rect class="day"') == 14
    assert page.count('<rect class="cached"') == 2
    assert f"<title>{now - timedelta(days=3):%Y-%m-%d}: 2.00 USD, 1 calls</title>" in page
    assert f"<title>{now - timedelta(days=3):%Y-%m-%d}: 100 read, 40 read from the cache, 10 written</title>" in page
    assert f"<title>{now - timedelta(days=1):%Y-%m-%d}: nothing</title>" in page


def test_budgets_of_today_are_shown_and_what_is_used_up_is_said(billed):
    with_settings(
        billed, budget_day_usd=Decimal(20), budget_domain_usd="support=1.5,content=5", budget_case_usd=Decimal(2)
    )

    page = re.sub(r"\s+", " ", billed.signed_in().get("/cost").text)

    assert 'Everything</span> <span class="figure">1.75 of 20.00 USD</span></li>' in page
    assert re.search(r"Support</span> <span class=\"figure\">1.75 of 1.50 USD</span> <span class=\"tag bad\">", page)
    assert 'Content</span> <span class="figure">0.00 of 5.00 USD</span></li>' in page
    assert "at most 2.00 USD" in page


def test_without_a_call_it_says_so_and_draws_nothing(site):
    page = site.signed_in().get("/cost").text

    assert "No model was paid for anything in 30 days." in page
    assert "<svg" not in page
    assert problems(page) == []


def test_it_is_for_people_who_signed_in(site):
    assert site.anonymous().get("/cost").headers["location"].startswith("/sign-in")
    assert site.signed_in().get("/cost?days=0").status_code == 422


def test_bars_are_as_high_as_their_share_of_the_highest():
    plot = draw([Bar((1.0, 3.0), "a <day>"), Bar((2.0, 0.0), "b")], kinds=("low", "up"), label="Days")

    assert plot.most == 4.0
    assert re.findall(r'class="(?:low|up)" [^>]*y="([\d.]+)" [^>]*height="([\d.]+)"', plot.svg) == [
        ("75.00", "25.00"),
        ("0.00", "75.00"),
        ("50.00", "50.00"),
    ]
    assert "a &lt;day&gt;" in plot.svg
    assert draw([], kinds=("low",), label="Nothing").most == 0.0
