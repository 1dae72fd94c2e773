"""Budgets are asked before a call: what is left of the tightest, out of the bill's rows and of what was spent since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError
from sqlalchemy import insert

from integrations.models.base import Refused
from integrations.models.budget import OverBudget
from tests.kit.engine import make_engine
from tests.unit.models.routed import Scripted, request, router, seat, usage
from workers.bill.budgets import KEPT_SECONDS, Budgets, Limits, parse
from workers.bill.late import Late
from workers.settings import Settings
from workers.store import bill, steps
from workers.store.tables import model_usage


class Seconds:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def house(tmp_path):
    """An installation with one case of support on which a dollar was spent today, and one more yesterday."""
    engine = make_engine(tmp_path)
    engine.clock.now = datetime.now(UTC).replace(hour=12)
    engine.event()
    engine.drain()
    case = engine.case()
    now = engine.clock()
    rows = [
        *bill.entries(case, "draft", "draft", [usage("alpha", cost="1.00")], now),
        *bill.entries(case, "plan", "plan", [usage("alpha", cost="1.00")], now - timedelta(days=1)),
    ]
    with engine.system.db.write() as tx:
        tx.execute(insert(model_usage), rows)
    yield engine
    engine.system.close()


def budgets(house, seconds=None, **limits):
    return Budgets(Limits(**limits), house.system.db, house.clock, monotonic=seconds or Seconds())


@pytest.mark.parametrize(
    ("limits", "left", "told"),
    [
        (
            {"case": Decimal(5)},
            "3",
            "Of the budget of this case 3.00 of 5.00 USD are left (CASEWORKER_BUDGET_CASE_USD).",
        ),
        ({"domain": Decimal(5)}, "4", "Of the budget of support for today 4.00 of 5.00 USD are left"),
        ({"domains": {"support": Decimal(1)}}, "0", "The budget of support for today is used up: 1.00 of 1.00 USD."),
        ({"day": Decimal("0.75")}, "-0.25", "The budget of today is used up: 1.00 of 0.75 USD. Raise it, wait until"),
        ({"case": Decimal(5), "day": Decimal(2)}, "1", "Of the budget of today 1.00 of 2.00 USD are left"),
    ],
)
def test_the_tightest_budget_says_what_is_left_and_how_to_raise_it(house, limits, left, told):
    found = budgets(house, **limits).left(request(case_id=house.case().id))

    assert found.usd == Decimal(left)
    assert found.told.startswith(told)


def test_a_budget_that_does_not_cover_a_request_is_not_asked(house):
    assert budgets(house, domains={"content": Decimal(1)}).left(request()) is None
    assert budgets(house, case=Decimal(1)).left(request()) is None
    assert budgets(house, domain=Decimal(5)).left(request(domain="content")).usd == Decimal(5)


def test_what_was_spent_here_counts_at_once_and_what_others_spent_after_a_few_seconds(house):
    seconds = Seconds()
    asked = budgets(house, seconds, case=Decimal(10), day=Decimal(9))
    about = request(case_id=house.case().id)
    assert asked.left(about).usd == Decimal(8)

    asked.spent(about, [usage("alpha", cost="0.50"), usage("alpha", cost="0.25")])
    assert asked.left(about).usd == Decimal("7.25")
    with house.system.db.write() as tx:
        steps.add_usage(tx, bill.entries(house.case(), "draft", "draft", [usage("b", cost="3.00")], house.clock())[0])
    assert asked.left(about).usd == Decimal("7.25")
    seconds.now += KEPT_SECONDS

    assert asked.left(about).usd == Decimal(5)


def test_a_new_day_begins_with_nothing_spent(house):
    asked = budgets(house, day=Decimal(9))
    assert asked.left(request()).usd == Decimal(8)

    house.clock.now += timedelta(days=1)

    assert asked.left(request()).usd == Decimal(9)


def test_over_budget_nothing_paid_is_asked_but_what_is_free_may_serve(house):
    paid, free = Scripted("alpha"), Scripted("local", uses_tools=False)
    spent = budgets(house, day=Decimal(1))

    with pytest.raises(
        OverBudget, match=r"The budget of today is used up: 1\.00 of 1\.00 USD.*CASEWORKER_BUDGET_DAY_USD"
    ):
        router(seat(paid), budget=spent).answer(request())
    found = router(seat(paid), seat(free, last_resort=True), budget=spent).answer(request())

    assert paid.asked == []
    assert found.output.by == "local"
    assert found.remarks[0].startswith("The budget of today is used up")
    assert found.remarks[0].endswith("local/m answered instead.")


def test_with_little_left_a_cheaper_model_serves(house):
    dear, cheap = Scripted("alpha"), Scripted("beta")
    seats = seat(dear, when={"budget_left_usd_at_least": 2}), seat(cheap)

    def asking(day):
        return router(*seats, budget=budgets(house, day=Decimal(day))).answer(request()).output.by

    assert [asking(day) for day in ("3", "2.99")] == ["alpha", "beta"]
    assert router(*seats).answer(request()).output.by == "alpha"


def test_what_is_paid_in_vain_counts_against_the_budget_as_well(house):
    first = Scripted("alpha", script=[Refused("It declined.", usage=usage("alpha", cost="0.40"))])
    asked = budgets(house, day=Decimal(2))
    asked.left(request())

    router(seat(first, on_refusal="next"), seat(Scripted("beta")), budget=asked).answer(request())

    assert asked.left(request()).usd == Decimal(1) - Decimal("0.40") - Decimal("0.01")


def test_an_answer_that_came_too_late_is_in_the_bill_of_its_case(house):
    case = house.case()

    Late(house.system.db, house.clock)(request("triage", case_id=case.id), [usage("alpha", cost="0.20")])
    Late(house.system.db, house.clock)(request("triage", case_id="case_gone"), [usage("alpha")])
    Late(house.system.db, house.clock)(request("triage"), [usage("alpha")])

    with house.system.db.read() as tx:
        late = [row for row in steps.usage_of(tx, case.id) if row.outcome == bill.HEDGED]
    assert [(row.task, row.domain, row.cost_usd) for row in late] == [("triage", "support", Decimal("0.200000"))]


def test_limits_are_read_from_the_settings():
    def limits(**given):
        return Limits.of(Settings(_env_file=None, **given))

    assert not limits()
    assert limits(budget_domain_usd="20") == Limits(domain=Decimal(20))
    assert limits(budget_case_usd="1.5", budget_day_usd=40) == Limits(case=Decimal("1.5"), day=Decimal(40))
    assert parse(" support = 20, content=0.5 ") == (None, {"support": Decimal(20), "content": Decimal("0.5")})
    assert limits(budget_domain_usd="support=20").of_domain("content") is None
    assert limits(budget_day_usd=0)


@pytest.mark.parametrize("text", ["much", "support", "support=", "20,30", "=20", "support=20;content=5"])
def test_a_limit_that_cannot_be_read_refuses_the_start(text):
    with pytest.raises(ValidationError):
        Settings(_env_file=None, budget_domain_usd=text)
