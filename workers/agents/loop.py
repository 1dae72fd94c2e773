"""Decide, act, observe: a model asks for look-ups, gets what they gave, and asks again until it has its answer.

Called by `workers.deliberation` within the draft of a case, which hands in what makes a look-up and what writes things down:
each turn before its look-ups are made, each lot of look-ups before the next turn. The loop itself keeps nothing, opens
nothing and changes nothing; started with what was written down, it goes on where it was. It must end: every limit that is
hit leads to one last call without look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from integrations.base import Record
from integrations.errors import IntegrationError, Permanent
from integrations.models.base import (
    Material,
    Model,
    ModelAnswer,
    ModelRequest,
    Tool,
    ToolCall,
    ToolResult,
    ToolUse,
    Turn,
    Unanswered,
)
from integrations.models.failures import paid
from workers.agents.library import prompt
from workers.agents.observations import Exchange, Observation, Summary, again, found, key_of, page_of, told, written
from workers.agents.tools import ASK, MORE, Lookup, More, checked

T = TypeVar("T", bound=BaseModel)

#: of a limit, when the model is told that little is left
NEAR = 0.75
#: characters that one summary reads at most; a longer rest is summarised in parts
SUMMARISED = 40_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one draft may use. Reaching any of them ends the looking up, not the case."""

    turns: int = 6
    calls: int = 8
    tokens: int = 300_000
    seconds: float = 300.0
    cost_usd: Decimal = Decimal(1)
    #: characters of a result that are given at once
    page: int = 12_000
    #: longest wait for one model call
    call_seconds: float = 60.0


class Paid(Protocol):
    """What a call used, as a model says it or as it was written down."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_read_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...
    @property
    def cost_usd(self) -> Decimal | None: ...


@dataclass(slots=True)
class Spent:
    """What a draft has used so far, over all workers that had it."""

    turns: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost_usd: Decimal = Decimal(0)

    def paid(self, *usages: Paid) -> None:
        for used in usages:
            self.tokens += used.input_tokens + used.output_tokens + used.cache_read_tokens + used.cache_write_tokens
            self.cost_usd += used.cost_usd or Decimal(0)

    def share(self, limits: Limits) -> tuple[float, str]:
        """Of the limit that is used up most: how much of it, and its name for people."""
        return max(
            (self.turns / limits.turns, f"{limits.turns} rounds of look-ups"),
            (self.tokens / limits.tokens, f"{limits.tokens} tokens"),
            (self.seconds / limits.seconds, f"{limits.seconds:g} seconds"),
            (float(self.cost_usd / limits.cost_usd), f"{limits.cost_usd} USD"),
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that can be made."""

    call: ToolCall
    lookup: Lookup
    arguments: BaseModel


class Journal(Protocol):
    """Writes down what happened, at once and for good; raises what must end the loop."""

    def asked(self, number: int, use: ToolUse, seconds: float) -> None:
        """A turn came back. Written before its look-ups are made."""

    def observed(self, made: Sequence[Observation]) -> None:
        """Look-ups of a turn came back, some or all."""


class Colleagues(Protocol):
    """Whom a question can be put to."""

    @property
    def tool(self) -> Tool: ...

    def answer(self, number: str, call: ToolCall, question: BaseModel) -> Observation | None:
        """What came of a question, or why it is not asked; None while it is to be asked or to be waited for."""

    def wait(self, asked: Sequence[tuple[str, ToolCall, BaseModel]]) -> None:
        """Ask them, and end the loop until they are answered: raises."""


#: what came of look-ups, by their numbers
Outcomes = dict[str, Observation | IntegrationError]
#: makes one look-up; raises `Permanent` for what cannot be had and `Temporary` for what cannot be had now
Look = Callable[[Lookup, BaseModel], Sequence[Record]]


@dataclass(slots=True)
class Loop(Generic[T]):
    """One draft's deciding, acting and observing. `exchanges` and `spent` are what was written down before."""

    model: Model
    request: ModelRequest[T]
    lookups: Mapping[str, Lookup]
    look: Look
    journal: Journal
    limits: Limits
    monotonic: Callable[[], float]
    exchanges: list[Exchange] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    colleagues: Colleagues | None = None
    #: a call that waits -> the same, so that others of the process work meanwhile
    released_during: Callable[[Callable[[], Outcomes]], Callable[[], Outcomes]] = lambda call: call

    def run(self) -> ModelAnswer[T]:
        """The final answer. Raise what the model or a look-up raised, after what was answered is written down."""
        while True:
            if self.exchanges:
                self._observe(self.exchanges[-1])
            share, what = self.spent.share(self.limits)
            if share >= 1:
                return self._conclude(what)
            began = self.monotonic()
            use = self.model.turn(self._request(near=share >= NEAR or self.spent.turns == self.limits.turns - 1))
            seconds = self.monotonic() - began
            if isinstance(use, ModelAnswer):
                return use
            self.journal.asked(len(self.exchanges) + 1, use, seconds)
            self.exchanges.append(Exchange(len(self.exchanges) + 1, use.calls, use.text, use.native))
            self.spent.turns += 1
            self.spent.seconds += seconds
            self.spent.paid(*use.earlier, use.usage)

    def _conclude(self, what: str) -> ModelAnswer[T]:
        why = f"The limit of {what} was reached."
        told = Material("limits", "limits", trusted=True, data={"note": prompt("loop", "conclude"), "because": why})
        answer = self.model.answer(replace(self.request, material=(*self.request.material, told), turns=self._turns()))
        return replace(answer, remarks=(*answer.remarks, f"{why} The agent concluded with what it had."))

    def _request(self, *, near: bool) -> ModelRequest[T]:
        material = self.request.material
        left = self.limits.seconds - self.spent.seconds
        if near and self.exchanges:
            data = {"note": prompt("loop", "near"), "rounds_left": self.limits.turns - self.spent.turns}
            material = (*material, Material("limits", "limits", trusted=True, data=data))
        timeout = max(left, 1.0) if left < self.limits.call_seconds else self.request.timeout
        return replace(self.request, material=material, turns=self._turns(), timeout=timeout)

    def _turns(self) -> tuple[Turn, ...]:
        return tuple(
            Turn(
                exchange.calls,
                tuple(self._result(exchange.observed[number]) for number, _ in exchange.numbered),
                exchange.text,
                exchange.native,
            )
            for exchange in self.exchanges
        )

    def _result(self, seen: Observation) -> ToolResult:
        return ToolResult(seen.call.id, seen.call.name, self._given(seen), seen.trusted, seen.failed)

    def _given(self, seen: Observation) -> Any:
        """The content as the model gets it: whole, or its first page with how much there is."""
        if seen.kind not in ("found", "same"):
            return seen.content
        text = written(seen.content)
        return (
            seen.content
            if len(text) <= self.limits.page
            else page_of(seen.of or seen.number, text, 1, self.limits.page)
        )

    # ── observing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _observe(self, exchange: Exchange) -> None:
        """Make what was asked for and is not known yet, and write it down."""
        missing = [(number, call) for number, call in exchange.numbered if number not in exchange.observed]
        if not missing:
            return
        known = {key_of(seen.call): seen for seen in self._all() if seen.kind == "found"}
        made: dict[str, Observation] = {}
        wanted: dict[str, Wanted] = {}
        errors: list[IntegrationError] = []
        waiting: list[tuple[str, ToolCall, BaseModel]] = []
        began = self.monotonic()
        for number, call in missing:
            if call.name != MORE and key_of(call) in known:
                continue
            if int(number.partition(".")[2]) > self.limits.calls:
                made[number] = told(number, call, f"At most {self.limits.calls} look-ups at once. Ask again.")
            elif call.name == MORE:
                self._read_on(number, call, made, errors)
            elif call.name == ASK and self.colleagues is not None:
                self._ask(number, call, {**exchange.observed, **made}, made, waiting)
            else:
                self._sort_out(number, call, made, wanted)
        self._make(wanted, made, errors)
        known |= {key_of(seen.call): seen for seen in made.values() if seen.kind == "found"}
        # Asked for before, or twice in this turn.
        repeats = [(n, call, known[key_of(call)]) for n, call in missing if n not in made and key_of(call) in known]
        made |= {number: again(number, call, earlier) for number, call, earlier in repeats}
        self.spent.seconds += self.monotonic() - began
        if made:
            self.journal.observed([made[number] for number, _ in missing if number in made])
            exchange.observed.update(made)
        if errors:
            raise errors[0]
        if waiting and self.colleagues is not None:
            self.colleagues.wait(waiting)

    def _ask(
        self,
        number: str,
        call: ToolCall,
        observed: Mapping[str, Observation],
        made: dict[str, Observation],
        waiting: list[tuple[str, ToolCall, BaseModel]],
    ) -> None:
        """Another agent's answer, where it has come; asked twice in one turn, it is asked once, also where no answer came."""
        if self.colleagues is None or any(key_of(call) == key_of(other) for _, other, _ in waiting):
            return
        twin = next((seen for seen in observed.values() if key_of(seen.call) == key_of(call)), None)
        if twin is not None:
            made[number] = again(number, call, twin)
            return
        question = checked(call, self.colleagues.tool.arguments)
        if isinstance(question, str):
            made[number] = told(number, call, f"These arguments cannot be used: {question}")
            return
        answer = self.colleagues.answer(number, call, question)
        if answer is None:
            waiting.append((number, call, question))
        else:
            made[number] = answer

    def _sort_out(self, number: str, call: ToolCall, made: dict[str, Observation], wanted: dict[str, Wanted]) -> None:
        """Take up a call that can be made, once; or tell the model why not."""
        lookup = self.lookups.get(call.name)
        if lookup is None:
            names = ", ".join(sorted([*self.lookups, MORE]))
            made[number] = told(number, call, f"There is no look-up {call.name[:60]!r}. There are: {names}.")
        elif isinstance(arguments := checked(call, lookup.arguments), str):
            made[number] = told(number, call, f"These arguments cannot be used: {arguments}")
        elif all(key_of(call) != key_of(other.call) for other in wanted.values()):
            wanted[number] = Wanted(call, lookup, arguments)

    def _make(self, wanted: Mapping[str, Wanted], made: dict[str, Observation], errors: list[IntegrationError]) -> None:
        """Make look-ups: those that do not mind company at the same time, each in a copy of this thread's context."""
        together = [number for number, one in wanted.items() if not one.lookup.alone]

        def at_the_same_time() -> Outcomes:
            with ThreadPoolExecutor(len(together), thread_name_prefix="look-up") as pool:
                running = {n: pool.submit(copy_context().run, self._one, n, wanted[n]) for n in together}
            return {number: future.result() for number, future in running.items()}

        # Of a single one its guard releases the slot; here this thread waits for others, which hold none.
        outcomes: Outcomes = self.released_during(at_the_same_time)() if len(together) > 1 else {}
        for number, one in wanted.items():
            outcome = outcomes[number] if number in outcomes else self._one(number, one)
            if isinstance(outcome, Observation):
                made[number] = outcome
            else:
                errors.append(outcome)

    def _one(self, number: str, wanted: Wanted) -> Observation | IntegrationError:
        began = self.monotonic()
        try:
            records = self.look(wanted.lookup, wanted.arguments)
        except Permanent as error:
            seconds = self.monotonic() - began
            return Observation(
                number, wanted.call, "found", {"problem": str(error)}, trusted=False, failed=True, seconds=seconds
            )
        except IntegrationError as error:
            # What the others gave is written down before this is raised.
            return error
        return found(number, wanted.call, records, seconds=self.monotonic() - began)

    def _read_on(
        self, number: str, call: ToolCall, made: dict[str, Observation], errors: list[IntegrationError]
    ) -> None:
        """A page of an earlier result, or a summary of what is there from that page on."""
        wanted = checked(call, More)
        if not isinstance(wanted, More):
            made[number] = told(number, call, f"These arguments cannot be used: {wanted}")
            return
        source = next((s for s in self._all() if s.number == wanted.result and s.kind == "found"), None)
        if source is None:
            made[number] = told(number, call, f"There is no long result {wanted.result!r}.")
            return
        text = written(source.content)
        if (wanted.page - 1) * self.limits.page >= len(text):
            made[number] = told(number, call, f"It has {-(-len(text) // self.limits.page)} pages.")
            return
        if not wanted.summary:
            page = page_of(source.number, text, wanted.page, self.limits.page)
            made[number] = Observation(number, call, "page", page, source.trusted, of=source.number, page=wanted.page)
            return
        earlier = (*self._all(), *made.values())
        same = (s for s in earlier if s.kind == "summary" and (s.of, s.page) == (source.number, wanted.page))
        if (summed := next(same, None)) is not None:
            made[number] = replace(summed, number=number, call=call, usage=(), seconds=0.0)
            return
        if errors:
            # Who sums up is away: one call that was paid for in vain is enough, and this one is made with it again.
            return
        try:
            made[number] = self._summary(number, call, source, text, wanted.page)
        except Unanswered as error:
            used = paid(error)
            made[number] = replace(told(number, call, "No summary could be made. Read the pages."), usage=used)
            self.spent.paid(*used)
        except IntegrationError as error:
            errors.append(error)

    def _summary(self, number: str, call: ToolCall, source: Observation, text: str, page: int) -> Observation:
        """Marked as a machine's; it keeps its source's trust as material, and never becomes a fact."""
        size = self.limits.page
        last = min(page - 1 + max(1, SUMMARISED // size), -(-len(text) // size))
        part = text[(page - 1) * size : last * size]
        began = self.monotonic()
        answer = self.model.answer(
            ModelRequest(
                domain=self.request.domain,
                task="summarise",
                instructions=prompt("loop", "summarise"),
                material=(Material(source.number, "record", trusted=source.trusted, data=part),),
                output=Summary,
                max_output_tokens=2048,
                about=self.request.about,
            )
        )
        used = (*answer.earlier, answer.usage)
        self.spent.paid(*used)
        content = {
            "summary_of": source.number,
            "pages": [page, last],
            "of_pages": -(-len(text) // size),
            "made_by": "a model; cite the record itself",
            "text": answer.output.text,
        }
        return Observation(
            number,
            call,
            "summary",
            content,
            source.trusted,
            of=source.number,
            page=page,
            usage=used,
            seconds=self.monotonic() - began,
        )

    def _all(self) -> list[Observation]:
        return [seen for exchange in self.exchanges for seen in exchange.observed.values()]
