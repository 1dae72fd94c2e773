"""Bad weather: each fault is what a client would live through, is met as often as it was set, and then is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.errors import Permanent, Temporary
from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany, SampleWriters
from integrations.sample_company.faults import Fault, Weather

CHARGE = cast.ANA.charge_id


def refund(writers: SampleWriters) -> None:
    writers.refund(CHARGE, 1000, "EUR", "r", key="k", if_version="")


#: Fault, then for a write: the error, its retry_after, maybe_done, and whether the effect was made.
ON_WRITE = [
    (Fault.REFUSED, Permanent, None, None, False),
    (Fault.THROTTLED, Temporary, 7.0, False, False),
    (Fault.BROKEN, Temporary, None, False, False),
    (Fault.GARBAGE, Temporary, None, True, False),
    (Fault.TIMEOUT, Temporary, None, False, False),
    (Fault.TIMEOUT_AFTER_DOING, Temporary, None, True, True),
]


@pytest.mark.parametrize(
    ("fault", "error", "retry_after", "maybe_done", "done"), ON_WRITE, ids=[r[0] for r in ON_WRITE]
)
def test_a_write_in_bad_weather(
    fault: Fault, error: type[Exception], retry_after, maybe_done, done: bool, company: SampleCompany, writers
) -> None:
    company.weather.fail_next("refund", fault, seconds=7)

    with pytest.raises(error) as raised:
        refund(writers)

    assert getattr(raised.value, "retry_after", None) == retry_after
    assert getattr(raised.value, "maybe_done", None) == maybe_done
    assert len(company.effects()) == (1 if done else 0)
    refund(writers)
    assert len(company.effects()) == 1, "the same key again makes it once, whatever came before"


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in {Fault.SLOW, Fault.REFUSED}])
def test_a_read_is_never_maybe_done(fault: Fault, company: SampleCompany) -> None:
    company.weather.fail_next("charge", fault)

    with pytest.raises(Temporary) as raised:
        company.charge(CHARGE)

    assert not raised.value.maybe_done
    assert company.charge(CHARGE) is not None


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.reply("120", "b", public=True, key="k", if_version=""),
        lambda w: w.add_tags("120", ["t"], key="k", if_version=""),
        lambda w: w.assign("120", "lead", "n", key="k", if_version=""),
        lambda w: w.set_status("120", "solved", key="k", if_version=""),
        lambda w: w.refund(CHARGE, 1, "EUR", "r", key="k", if_version=""),
        lambda w: w.hold(CHARGE, "r", key="k", if_version=""),
        lambda w: w.file_case(CHARGE, "s", [], key="k"),
        lambda w: w.route(CHARGE, "risk", "n", key="k"),
        lambda w: w.send("a@example.com", "s", "b", key="k"),
        lambda w: w.create_draft("t", "t", "b", {}, key="k"),
    ],
)
def test_every_write_can_lose_its_answer_after_it_was_done(call, company: SampleCompany, writers) -> None:
    company.weather.fail_next("writes", Fault.TIMEOUT_AFTER_DOING)

    with pytest.raises(Temporary) as raised:
        call(writers)

    assert raised.value.maybe_done
    assert len(company.effects()) == 1


def test_after_a_lost_answer_looking_tells_whether_it_was_done(company: SampleCompany, writers) -> None:
    for fault, key in ((Fault.TIMEOUT_AFTER_DOING, "done"), (Fault.GARBAGE, "not-done")):
        company.weather.fail_next("reply", fault)
        with pytest.raises(Temporary):
            writers.reply("120", "b", public=True, key=key, if_version="")

    assert writers.find_reply("120", "done") is not None
    assert writers.find_reply("120", "not-done") is None


def test_a_counted_fault_is_met_so_often_and_then_no_more(company: SampleCompany) -> None:
    company.weather.fail_next("customer", Fault.BROKEN, times=3)

    answers = []
    for _ in range(5):
        try:
            answers.append(company.customer(cast.ANA.email) is not None)
        except Temporary:
            answers.append(False)

    assert answers == [False, False, False, True, True]
    assert company.weather.forecast() == []


@pytest.mark.parametrize(
    ("set_for", "fails"),
    [
        ("refund", {"refund"}),
        ("reads", {"charge", "find_reply"}),
        ("writes", {"refund", "hold"}),
        ("*", {"refund", "hold", "charge", "find_reply"}),
        ("unknown", set()),
    ],
)
def test_a_fault_meets_what_it_was_set_for(set_for: str, fails: set[str], company: SampleCompany, writers) -> None:
    calls = {
        "charge": lambda: company.charge(CHARGE),
        "find_reply": lambda: writers.find_reply("1", "k"),
        "refund": lambda: refund(writers),
        "hold": lambda: writers.hold(CHARGE, "r", key="h", if_version=""),
    }
    company.weather.fail_next(set_for, Fault.TIMEOUT, times=10)
    failed = set()

    for name, call in calls.items():
        try:
            call()
        except Temporary:
            failed.add(name)

    assert failed == fails


def test_a_rate_fails_that_share_of_calls_until_the_sky_is_cleared(company: SampleCompany) -> None:
    rolls = iter([0.0, 0.29, 0.3, 0.9])
    weather = Weather(company.database, dice=lambda: next(rolls))
    weather.fail_often("charge", Fault.BROKEN, rate=0.3)

    drawn = [weather.draw("charge", writes=False) is not None for _ in range(4)]

    assert drawn == [True, True, False, False]
    weather.clear()
    assert weather.draw("charge", writes=False) is None


def test_slow_waits_and_then_answers(company: SampleCompany) -> None:
    waited: list[float] = []
    weather = Weather(company.database, sleep=waited.append)
    weather.fail_next("charge", Fault.SLOW, seconds=1.5)

    weather.before(weather.draw("charge", writes=False), "charge", writes=False)

    assert waited == [1.5]


def test_a_fault_set_in_one_process_is_met_in_another(file: Path, company: SampleCompany) -> None:
    with SampleCompany(file) as other:
        other.weather.fail_next("charge", Fault.THROTTLED)

        with pytest.raises(Temporary):
            company.charge(CHARGE)
        assert other.charge(CHARGE) is not None, "it was used up"


@pytest.mark.parametrize(
    "forecast",
    [{"times": 0}, {"times": -1}, {"seconds": -1}, {"seconds": 601}, {"seconds": float("nan")}],
)
def test_impossible_weather_is_refused(forecast: dict[str, float], company: SampleCompany) -> None:
    with pytest.raises(Permanent):
        company.weather.fail_next("charge", Fault.SLOW, **forecast)


@pytest.mark.parametrize("rate", [0, -0.1, 1.1, float("nan")])
def test_an_impossible_rate_is_refused(rate: float, company: SampleCompany) -> None:
    with pytest.raises(Permanent):
        company.weather.fail_often("charge", Fault.BROKEN, rate=rate)
