"""The page of a case shows whom it asked and what came of it, the page of a question who asked it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.engine import AGENT, call
from workers.store import cases, children


@pytest.fixture
def asking(site):
    """Support asked transactions, which asked content."""
    engine = site.engine
    engine.model.uses_tools = True
    engine.system.agents["support"] = replace(AGENT, consults=("transactions",))
    engine.system.agents["transactions"] = replace(AGENT, domain="transactions", consults=("content",))
    engine.system.agents["content"] = replace(AGENT, domain="content")
    engine.model.turns = [[call("ask_agent", agent="transactions", question="Does it look stolen?", subject=None)]]
    engine.model.asks = {
        "transactions": [[call("ask_agent", agent="content", question="Is it in the news?", subject=None)]]
    }
    engine.event()
    engine.drain()
    with engine.system.db.read() as tx:
        parent = cases.on_subject(tx, "house:ticket:7").id
        child = children.of_case(tx, parent)[0].child_id
    return site, parent, child


def test_the_page_shows_the_tree(asking):
    site, parent, child = asking

    page = site.signed_in().get(f"/cases/{parent}").text

    tree = page[page.index('id="asked-title"') : page.index('id="actions-title"')]
    assert f'href="/cases/{child}"' in tree
    assert tree.index("Does it look stolen?") < tree.index("The charge does not look stolen.")
    assert tree.index("Does it look stolen?") < tree.index("Is it in the news?")


def test_the_page_of_a_question_leads_back(asking):
    site, parent, child = asking

    page = site.signed_in().get(f"/cases/{child}").text

    assert page.index('id="asked-by-title"') < page.index(f'href="/cases/{parent}"')


def test_the_timeline_tells_questions_and_answers_down_the_tree(asking):
    site, parent, _ = asking

    entries = site.signed_in().get(f"/api/v1/cases/{parent}/timeline").json()["entries"]

    told = [(e["title"], e["data"]["depth"]) for e in entries if e["kind"] in ("question", "answer")]
    assert sorted(told) == [
        ("Asked content", 1),
        ("Asked transactions", 0),
        ("content answered", 1),
        ("transactions answered", 0),
    ]
