"""Which cases a shadow is asked about: its share of all that people decided, however many closed at once, within the budgets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from integrations.models.base import ModelAnswer, Usage
from tests.kit.engine import POLICY, make_engine, reply
from tests.servers.messages_api import MessagesApi
from workers.inbox.case_service import decide_case
from workers.journal import usage_rows
from workers.learning import shadow
from workers.learning.candidate import Candidate
from workers.learning.naming import Words, candidate
from workers.store import shadows, steps

PAID = Usage("other", "other-1", 900, 90, 0, 0, 250, Decimal("0.0125"), "req_9", "end_turn")


class Other:
    """A second model that always drafts the same, and counts."""

    provider, name, uses_tools = "other", "other-1", False

    def __init__(self):
        self.asked = []

    def answer(self, request):
        self.asked.append(request.about.case_id)
        return ModelAnswer(request.output.model_validate({"summary": "", "actions": [reply()], "unsure": None}), PAID)

    turn = answer


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.close()


def decided(engine, count):
    """So many cases that people decided, closed within seconds of each other."""
    made = []
    for number in range(1, count + 1):
        engine.model.drafts = [[reply()]]
        engine.event(delivery=f"d{number}", ticket=str(number))
        engine.drain()
        engine.decide(engine.actions()[-1], "reject", reason="No.")
        if engine.case().state != "closed":
            decide_case(engine.system, engine.person(), engine.case().id, "close", "Done by hand.")
        made.append(engine.case().id)
    return made


def in_share(closed):
    """A candidate that is for the last of these cases alone."""
    names = (Words(f"other/{number}", share=20) for number in range(10_000))
    return next(
        words for words in names if [words.takes(case) for case in closed] == [False] * (len(closed) - 1) + [True]
    )


def test_a_share_is_asked_of_all_cases_that_closed_at_once(engine, monkeypatch):
    """However many of the others lie before it: they are for nobody, and stay as they are."""
    monkeypatch.setattr(shadow, "LOT", 2)
    closed = decided(engine, 7)
    words, other = in_share(closed), Other()

    counted = [shadow.follow(engine.system, Candidate(words.name, POLICY, other), words) for _ in range(3)]

    assert (other.asked, counted) == ([closed[-1]], [1, 0, 0])


def test_a_model_that_costs_something_is_not_asked_beside_where_a_budget_is_used_up(engine):
    [case] = decided(engine, 1)
    with engine.system.db.write() as tx:
        for row in usage_rows(engine.case(), "draft", [PAID], engine.clock()):
            steps.add_usage(tx, row)
    tight = replace(
        engine.system, settings=engine.system.settings.model_copy(update={"budget_day_usd": Decimal("0.01")})
    )
    wide = replace(engine.system, settings=engine.system.settings.model_copy(update={"budget_day_usd": Decimal(1)}))
    words = Words("anthropic/some-model")

    with MessagesApi() as api:
        api.answer(lambda _: {"summary": "Another.", "actions": [reply()], "unsure": None})
        env = {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": api.url}
        beyond = shadow.follow(tight, candidate(tight, words, environment=env), words)
        asked = len(api.requests)
        within = shadow.follow(wide, candidate(wide, words, environment=env), words)

    with engine.system.db.read() as tx:
        kept = shadows.listing(tx, candidate=words.name)
    assert (beyond, asked, within) == (0, 0, 1), "and it is no answer of the candidate's that it was not asked"
    assert [one.case_id for one in kept] == [case]
