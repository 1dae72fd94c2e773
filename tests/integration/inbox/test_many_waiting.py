"""More waits than a page shows: nobody's own work is hidden behind what others have to decide."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from tests.kit.engine import refund, reply
from workers.inbox import lists
from workers.inbox.lists import Tab
from workers.store import actions as stored
from workers.store.records import ActionState
from workers.store.tables import actions, cases


@pytest.fixture
def crowded(site):
    """One draft that waits for somebody of support, behind 250 older ones that wait for finance."""
    (own,) = site.drafted(refund())
    finance = {**own.verdict, "requirements": [{"role": "finance", "n": 1}]}
    with site.engine.system.db.write() as tx:
        row = dict(tx.execute(select(actions)).mappings().one())
        older = {"created_at": own.created_at - timedelta(days=1), "verdict": finance}
        tx.execute(insert(actions), [{**row, "id": f"act_{n}", "ordinal": n, **older} for n in range(1000, 1250)])
    return site, own


def test_what_waits_for_me_is_found_behind_all_that_waits_for_others(crowded):
    site, own = crowded
    casey = site.signed_in("casey", groups=("support",))

    mine, everything = casey.get("/").text, casey.get("/?tab=all").text

    assert f'id="row-{own.id}"' in mine
    assert '<span class="count">251</span>' in mine
    assert everything.count('<li id="row-act_') == lists.MOST_SHOWN
    assert "The first 200 are shown" in everything
    assert "The first 200 are shown" not in mine


@pytest.mark.parametrize("pressing", ["uncertain", "urgent"])
def test_what_presses_most_comes_first_however_much_is_older(crowded, pressing, monkeypatch):
    site, own = crowded
    if pressing == "uncertain":
        with site.engine.system.db.write() as tx:
            now = site.engine.clock()
            assert stored.change(tx, own, now=now, state=ActionState.UNCERTAIN)
    else:
        (own,) = site.drafted(reply(), ticket="8", delivery="d2")
        with site.engine.system.db.write() as tx:
            tx.execute(update(cases).where(cases.c.id == own.case_id).values(priority="urgent"))
    monkeypatch.setattr(lists, "MOST_LOOKED_AT", 100)

    with site.engine.system.db.read() as tx:
        ana = site.person("ana")
        view = lists.load(tx, ana, tab=Tab.ALL, domain="", domains=["support"], now=site.engine.clock())

    assert view.rows[0].waiting.action.id == own.id
    assert view.looked_at == 100
    assert "100 most pressing" in site.signed_in("ana").get("/").text


def test_the_command_line_lists_all_that_wait(crowded):
    site, _ = crowded

    with site.engine.system.db.read() as tx:
        assert len(stored.waiting_for_people(tx, now=site.engine.clock())) == 251
