"""The page of what was learned: what is kept, which habits are followed, and how a shadow compares."""

from __future__ import annotations

from dataclasses import asdict

from tests.integration.inbox.test_templates import problems
from tests.unit.lessons.test_habits import many, team
from workers.learning.measure import measure
from workers.store import examples, shadows


def keep(site, rows):
    with site.engine.system.db.write() as tx:
        examples.add(tx, [asdict(row) for row in rows])


def answered(site, number, *, agrees):
    live = measure([], []).as_json()
    row = {
        "case_id": f"case_{number}",
        "customer": "ana@example.com",
        "domain": "support",
        "candidate": "openai/some-model",
        "provider": "openai",
        "model": "some-model",
        "output": {},
        "measured": {**live, "agrees": agrees},
        "live": live,
        "cost_usd": None,
        "latency_ms": 100 * number,
        "error": None,
        "at": site.engine.clock(),
    }
    with site.engine.system.db.write() as tx:
        shadows.add(tx, row)


def test_habits_are_shown_with_how_often_people_did_so(site):
    keep(site, many(12, team("support"), team("<b>returns</b>")))

    page = site.signed_in().get("/learning").text

    assert "People decided 12 proposals that are kept as examples: 0 as they were, 12 changed" in page
    assert "12 of 12" in page
    assert "&lt;b&gt;returns&lt;/b&gt;" in page
    assert problems(page) == []


def test_a_shadow_is_compared_day_by_day(site):
    for number, agrees in enumerate((True, True, False), start=1):
        answered(site, number, agrees=agrees)
    today = f"{site.engine.clock():%Y-%m-%d}"

    page = site.signed_in().get("/learning?days=7").text

    assert "openai/some-model" in page
    assert f"<title>{today}: 2 of 3 as people had it</title>" in page
    assert f"<title>{today}: 3 of 3 as people had it</title>" in page
    assert '<td class="figure">66.7%</td>' in page
    assert page.count('<rect class="day"') == 14
    assert problems(page) == []


def test_an_installation_that_has_learned_nothing_says_so(site):
    page = site.signed_in().get("/learning").text

    assert "Nothing yet" in page
    assert 'href="/learning" aria-current="page"' in page
    assert problems(page) == []


def test_it_is_for_people_who_signed_in(site):
    assert site.anonymous().get("/learning").headers["location"].startswith("/sign-in")
