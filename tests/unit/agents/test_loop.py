"""The loop by itself: what a model is given for its calls, what ends it, and what is written down in which order."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from integrations.base import Record
from integrations.errors import Permanent, Temporary
from integrations.models.base import Interrupted, InvalidOutput, ModelAnswer, ModelRequest, ToolCall, ToolUse, Usage
from integrations.models.failures import Fruitless
from workers.agents import recollection
from workers.agents.loop import Limits, Loop
from workers.agents.tools import Arguments, Lookup

NUMBERS = "".join(f"{n:04d} " for n in range(500))


class Answer(BaseModel):
    text: str


class Named(Arguments):
    name: str


def use(cost: str | None = None, tokens: int = 10) -> Usage:
    return Usage("p", "m", tokens, 0, 0, 0, 1, None if cost is None else Decimal(cost), None, "tool_use")


@dataclass
class Model:
    """Asks for what the script says, turn by turn, then answers."""

    script: list[list[ToolCall]]
    usage: Usage = field(default_factory=use)
    asked: list[ModelRequest[Any]] = field(default_factory=list)
    provider: str = "p"
    name: str = "m"
    uses_tools: bool = True
    broken_summary: bool | Exception = False

    def turn(self, request):
        self.asked.append(request)
        number = len(request.turns)
        return ToolUse(tuple(self.script[number]), self.usage) if number < len(self.script) else self._answer()

    def answer(self, request):
        self.asked.append(request)
        if request.task == "summarise":
            if self.broken_summary:
                raise self.broken_summary if self.broken_summary is not True else InvalidOutput("No.", usage=self.usage)
            return ModelAnswer(request.output(text="Numbers, rising."), self.usage)
        return self._answer()

    def _answer(self):
        return ModelAnswer(Answer(text="done"), self.usage)


@dataclass
class Log:
    """A journal in memory."""

    lines: list[str] = field(default_factory=list)
    steps: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Record] = field(default_factory=dict)
    usages: list[Usage] = field(default_factory=list)

    def asked(self, number, use, seconds):
        self.lines.append(f"turn {number}")
        self.steps[recollection.turn_name(number)] = recollection.turn_as_json(use)

    def observed(self, made):
        self.lines.append(" ".join(f"{seen.number}:{seen.kind}" for seen in made))
        for seen in made:
            ids = [f"f{len(self.facts) + i}" for i, _ in enumerate(seen.records)]
            self.facts |= dict(zip(ids, seen.records, strict=True))
            self.steps[recollection.look_up_name(seen.number)] = recollection.observation_as_json(seen, ids)
            self.usages += seen.usage


def record(name="a", text="hello", *, trusted=True):
    return Record(f"house:thing:{name}", "thing", name, {"text": text}, "", trusted)


def by_name(inquiry, wanted):
    return [record(wanted.name)]


def c(tool, own_id="c", /, **arguments):
    return ToolCall(own_id, tool, arguments)


FIND = Lookup("find", "Finds.", Named, by_name)
LONG = Lookup("long", "Is long.", Arguments, lambda *_: [record("long", NUMBERS, trusted=False)])


def loop(model, *lookups, log=None, limits=None, look=None, **more):
    return Loop(
        model=model,
        request=ModelRequest("support", "draft", "Do.", (), Answer),
        lookups={lookup.name: lookup for lookup in lookups or (FIND, LONG)},
        look=look or (lambda lookup, arguments: lookup.read(None, arguments)),
        journal=log or Log(),
        limits=limits or Limits(page=1000),
        monotonic=more.pop("monotonic", lambda: 0.0),
        **more,
    )


def results(model, turn=0):
    return model.asked[-1].turns[turn].results


def test_a_turn_is_written_down_before_its_look_ups_and_these_before_the_next():
    log, model = Log(), Model([[c("find", name="a")], [c("find", name="b")]])

    assert loop(model, log=log).run().output.text == "done"

    assert log.lines == ["turn 1", "1.1:found", "turn 2", "2.1:found"]
    assert [results(model, n)[0].content[0]["ref"] for n in (0, 1)] == ["house:thing:a", "house:thing:b"]


def test_look_ups_of_one_turn_run_at_the_same_time_and_carry_their_context():
    meet, seen, bound = threading.Barrier(3, timeout=60), [], ContextVar("case", default="")
    bound.set("case_1")

    def read(inquiry, wanted):
        meet.wait()  # passes only where all three are there at once
        seen.append(bound.get())
        return []

    model = Model([[c("find", name=name) for name in "abc"]])
    loop(model, Lookup("find", "Finds.", Named, read)).run()

    assert seen == ["case_1"] * 3


def test_a_look_up_that_wants_to_be_alone_is():
    busy, most = [], []

    def read(inquiry, wanted):
        busy.append(1)
        most.append(len(busy))
        busy.pop()
        return []

    model = Model([[c("find", name=name) for name in "abc"]])
    loop(model, Lookup("find", "Finds.", Named, read, alone=True)).run()

    assert most == [1, 1, 1]


def test_the_same_question_is_asked_once():
    reads = []
    counted = Lookup("find", "Finds.", Named, lambda _, wanted: reads.append(wanted.name) or [record(wanted.name)])
    model = Model([[c("find", "x", name="a"), c("find", "y", name="a")], [c("find", "z", name="a")]])

    loop(model, counted).run()

    assert reads == ["a"]
    assert [r.content for turn in model.asked[-1].turns for r in turn.results] == [
        [{"text": "hello", "ref": "house:thing:a"}]
    ] * 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (c("dance"), "There is no look-up 'dance'. There are: find, long, more."),
        (c("find"), "name: Field required"),
        (c("find", name="a", all=True), "all: Extra inputs are not permitted"),
        (ToolCall("c", "find", {}, flaw="It is no JSON."), "It is no JSON."),
        (c("more", result="9.9"), "There is no long result '9.9'."),
    ],
)
def test_a_call_that_cannot_be_made_is_told_back(asked, said):
    model = Model([[asked]])

    loop(model).run()

    assert results(model)[0].failed
    assert said in results(model)[0].content["problem"]


def test_what_cannot_be_had_is_a_failed_result_and_the_loop_goes_on():
    def refused(inquiry, wanted):
        raise Permanent("There is no such thing.")

    model = Model([[c("find", name="a"), c("long")]])
    loop(model, Lookup("find", "Finds.", Named, refused), LONG).run()

    assert [(r.failed, r.trusted) for r in results(model)] == [(True, False), (False, False)]
    assert results(model)[0].content == {"problem": "There is no such thing."}


def test_more_calls_than_allowed_are_told_back_and_may_be_asked_again():
    calls = [c("find", name=str(n)) for n in range(3)]
    model = Model([calls, [calls[2]]])

    loop(model, limits=Limits(calls=2)).run()

    assert [r.failed for r in results(model)] == [False, False, True]
    assert results(model, 1)[0].content[0]["ref"] == "house:thing:2"


def test_what_failed_for_now_ends_it_after_the_others_are_written_down():
    def away(inquiry, wanted):
        if wanted.name == "b":
            raise Temporary("Away.")
        return [record(wanted.name)]

    log, model = Log(), Model([[c("find", name=name) for name in "abc"]])

    with pytest.raises(Temporary, match="Away"):
        loop(model, Lookup("find", "Finds.", Named, away), log=log).run()

    assert log.lines == ["turn 1", "1.1:found 1.3:found"]


def test_a_long_result_is_paged_and_nothing_of_it_is_lost():
    pages = [c("more", result="1.1", page=n) for n in (2, 3)]
    model = Model([[c("long")], pages, [c("more", result="1.1", page=4)]])

    loop(model).run()

    first = results(model)[0].content
    assert (first["result"], first["page"], first["pages"], first["characters"] > 2500) == ("1.1", 1, 3, True)
    text = "".join([first["text"], *(r.content["text"] for r in results(model, 1))])
    assert len(text) == first["characters"]
    assert NUMBERS in text
    assert results(model, 2)[0].content == {"problem": "It has 3 pages."}
    assert {r.trusted for turn in model.asked[-1].turns[:2] for r in turn.results} == {False}


def test_a_summary_is_marked_as_a_machines_and_keeps_its_sources_trust():
    log, model = Log(), Model([[c("long")], [c("more", result="1.1", page=2, summary=True)]])

    loop(model, log=log).run()

    (summary,) = results(model, 1)
    assert summary.content["text"] == "Numbers, rising."
    assert "a model" in summary.content["made_by"]
    assert summary.trusted is False
    asked = next(request for request in model.asked if request.task == "summarise")
    assert not asked.material[0].trusted
    assert NUMBERS[1100:1200] in asked.material[0].data
    assert NUMBERS[:100] not in asked.material[0].data
    assert len(log.usages) == 1
    assert list(log.facts) == ["f0"]  # the record alone: what a model made of it is no evidence


def test_a_summary_that_could_not_be_made_is_paid_for_and_told():
    log, model = Log(), Model([[c("long")], [c("more", result="1.1", summary=True)]], broken_summary=True)

    loop(model, log=log).run()

    assert "Read the pages" in results(model, 1)[0].content["problem"]
    assert len(log.usages) == 1


def test_all_that_were_asked_in_vain_for_a_summary_are_paid_for():
    broken = Fruitless("Neither did.", earlier=(use("0.10"), use("0.20")))
    log, model = Log(), Model([[c("long")], [c("more", result="1.1", summary=True)]], broken_summary=broken)

    loop(model, log=log).run()

    assert [used.cost_usd for used in log.usages] == [Decimal("0.10"), Decimal("0.20")]


def test_the_same_summary_is_made_once():
    summary = {"result": "1.1", "summary": True}
    log = Log()
    model = Model([[c("long")], [c("more", **summary), c("more", "d", page=1, **summary)], [c("more", "e", **summary)]])

    loop(model, log=log).run()

    assert [request.task for request in model.asked].count("summarise") == len(log.usages) == 1
    assert results(model, 1)[0].content == results(model, 1)[1].content == results(model, 2)[0].content


def test_while_nobody_sums_up_one_try_is_paid_for():
    away = Interrupted("It broke off.", usage=use("0.10"))
    pages = [c("more", result="1.1", page=page, summary=True) for page in (1, 2)]
    model = Model([[c("long")], pages], broken_summary=away)

    with pytest.raises(Interrupted):
        loop(model).run()

    assert [request.task for request in model.asked].count("summarise") == 1


def test_pages_and_summaries_are_look_ups_like_others():
    many = [c("more", str(n), result="1.1", page=1 + n % 3, summary=n > 2) for n in range(9)]
    log, model = Log(), Model([[c("long")], many])

    loop(model, log=log, limits=Limits(page=1000, calls=4)).run()

    assert [r.failed for r in results(model, 1)] == [False] * 4 + [True] * 5
    assert "At most 4 look-ups at once" in results(model, 1)[4].content["problem"]
    assert len(log.usages) == 1


@pytest.mark.parametrize(
    ("limits", "usage", "what"),
    [
        (Limits(turns=3), use(), "3 rounds of look-ups"),
        (Limits(tokens=1000), use(tokens=400), "1000 tokens"),
        (Limits(cost_usd=Decimal("0.25")), use("0.10"), "0.25 USD"),
    ],
)
def test_a_limit_ends_in_one_last_call_without_look_ups(limits, usage, what):
    model = Model([[c("find", name=str(n))] for n in range(99)], usage)

    answer = loop(model, limits=limits).run()

    assert len(model.asked) == 4
    told = {material.name: material.data for material in model.asked[-1].material}["limits"]
    assert told["because"] == f"The limit of {what} was reached."
    assert "Conclude now" in told["note"]
    assert answer.remarks == (f"The limit of {what} was reached. The agent concluded with what it had.",)
    assert "Little is left" in str(model.asked[-2].material)
    assert model.asked[0].material == ()


def test_time_is_a_limit_too_and_bounds_the_last_calls():
    now = iter(range(0, 10_000, 20))
    model = Model([[c("find", name=str(n))] for n in range(99)])

    answer = loop(model, limits=Limits(seconds=100, call_seconds=60), monotonic=lambda: float(next(now))).run()

    assert "100 seconds" in answer.remarks[0]
    assert [request.timeout for request in model.asked] == [None, 20.0, None]


def test_a_conversation_goes_on_from_what_was_written_down_as_it_was():
    script = [
        [c("long"), c("find", "x", name="a"), c("find", "y", name="a"), c("dance")],
        [c("more", result="1.1", page=2), c("more", result="1.1", summary=True)],
    ]
    log, whole = Log(), Model(script)
    loop(whole, log=log).run()

    resumed, reads = Model(script), []
    read_again = Lookup("find", "Finds.", Named, lambda *_: reads.append(1) or [])
    exchanges = recollection.exchanges(log.steps, log.facts, 1000)
    loop(resumed, read_again, LONG, exchanges=exchanges).run()

    assert resumed.asked[-1].turns == whole.asked[-1].turns
    assert len(resumed.asked) == 1
    assert reads == []
