"""Many models that speak as one: each request goes to the first route that applies, and on to the next where that fails.

The registry makes it out of `models.yaml`; the pipeline asks it as it would ask a single model. What fails is tried once more
where that is quick, then the next route is asked, and the answer says so in its remarks. Nobody waits here: where nothing
answers, the most hopeful error is raised, and the case waits in its row. It knows no store: budgets and bills are handed in.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Generic, Literal, TypeVar

from integrations.errors import IntegrationError, Permanent
from integrations.models import hedge, retry
from integrations.models.base import Model, ModelAnswer, ModelRequest, Refused, T, ToolUse, Unanswered, Usage
from integrations.models.budget import Budget, OverBudget
from integrations.models.failures import NoRoute, most_hopeful, paid, told, worth_waiting
from integrations.models.routing import Route, size_of

logger = logging.getLogger(__name__)

#: after so many seconds no further model is asked but a last resort: the claim on a case does not last for ever
LONGEST: Final = 150.0
#: in a turn's `native`: the route that it came from, where the conversation goes on
ROUTE: Final = "route"
#: how often a route that cannot serve at all is said loudly
LOUD_SECONDS: Final = 60.0

#: a call that waits -> the same, so that others of the process work meanwhile
ReleasedDuring = Callable[[Callable[..., Any]], Callable[..., Any]]

Answer = TypeVar("Answer", bound=ModelAnswer[Any] | ToolUse)
How = Literal["answer", "turn"]


@dataclass(frozen=True, slots=True)
class Seat:
    """A route whose model can be had. `key` tells it from others, `free` says that it may serve beyond any budget, `made`
    whether its model is there already."""

    key: str
    route: Route
    #: the model, made when it is first needed
    model: Callable[[], Model]
    free: bool = False
    made: Callable[[], bool] = lambda: True

    @property
    def plain(self) -> bool:
        """Whether no condition stands before it."""
        return not self.route.when.model_fields_set


@dataclass(frozen=True, slots=True)
class Failed:
    """One route that gave nothing, for whoever counts. `instead` names who answered, "" where nobody did."""

    provider: str
    model: str
    error: str
    usages: tuple[Usage, ...]
    instead: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """The routes for one request, in order, and why better ones are not among them."""

    seats: Sequence[Seat]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Tried(Generic[Answer]):
    """An answer with what failed tries before it cost."""

    answer: Answer
    before: tuple[Usage, ...]


class Router:
    """Speaks `Model`. Safe to share between threads."""

    def __init__(
        self,
        seats: Mapping[str, Sequence[Seat]],
        *,
        budget: Budget | None = None,
        late: Callable[[ModelRequest[Any], Sequence[Usage]], None] | None = None,
        notice: Callable[[Failed], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: retry.Jitter = random.uniform,
        longest: float = LONGEST,
        released_during: ReleasedDuring = lambda call: call,
    ) -> None:
        self._seats = {task: tuple(found) for task, found in seats.items()}
        self._plain = {task for task, found in self._seats.items() if all(seat.plain for seat in found)}
        self._budget = budget
        self._late = late
        self._notice = notice
        self._monotonic = monotonic
        # Each model is asked without a slot (`workers.work_slots`); what is waited for here needs none, either.
        self._sleep = released_during(sleep)
        self._raced: Callable[..., hedge.Race[_Tried[ModelAnswer[Any] | ToolUse]]] = released_during(hedge.race)
        self._jitter = jitter
        self._longest = longest
        self._loud: dict[str, float] = {}
        first = next((found[0] for task in ("draft", "triage") if (found := self._seats.get(task))), None)
        self._first = first if first is not None else next((f[0] for f in self._seats.values() if f), None)
        self._with_tools: bool | None = None

    @property
    def provider(self) -> str:
        """Who is asked first. Who answered is told by each answer's usage."""
        return self._first.route.provider if self._first is not None else "none"

    @property
    def name(self) -> str:
        return self._first.model().name if self._first is not None else "none"

    @property
    def uses_tools(self) -> bool:
        """Whether one that drafts does, not counting last resorts."""
        if self._with_tools is None:
            drafting = self._seats.get("draft", ())
            self._with_tools = any(seat.model().uses_tools for seat in drafting if not seat.route.last_resort)
        return self._with_tools

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        found: ModelAnswer[T] = self._ask(request, "answer")
        return found

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        found: ModelAnswer[T] | ToolUse = self._ask(request, "turn")
        return found

    def prepare(self) -> None:
        """Let those that are asked first learn what they need, now rather than at the first case."""
        for model in self._models(found[0] for found in self._seats.values() if found):
            learn = getattr(model, "prepare", None)
            if learn is not None:
                learn()

    def retrain(self) -> None:
        """Let those that learn from people's decisions do so anew."""
        for model in self._models(seat for found in self._seats.values() for seat in found if seat.made()):
            learn = getattr(model, "retrain", None)
            if learn is not None:
                learn()

    @staticmethod
    def _models(seats: Iterable[Seat]) -> Iterable[Model]:
        return {seat.key: seat.model() for seat in seats}.values()

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, request: ModelRequest[Any], how: How) -> Any:
        choice = self._choose(request)
        began = self._monotonic()
        failed: list[tuple[Seat, IntegrationError]] = []
        spent: list[Usage] = []
        waiting = list(choice.seats)
        while waiting:
            seat = waiting.pop(0)
            if failed and self._passed_over(seat, failed, began):
                continue
            other = self._second(request, seat, waiting)
            if other is None:
                try:
                    tried = self._try(seat, request, how)
                except IntegrationError as error:
                    failed.append((seat, error))
                else:
                    spent += tried.before
                    return self._given(request, tried.answer, seat, failed, spent, choice.remark)
            else:
                ended = self._race(seat, other, request, how)
                failed += [((seat, other)[place], error) for place, error in _named(ended.errors)]
                if ended.hedged and other in waiting:
                    waiting.remove(other)
                if ended.winner is not None and ended.answer is not None:
                    spent += ended.answer.before
                    remark = choice.remark
                    if ended.winner == 1 and not failed:
                        remark = f"{seat.key} took longer than {seat.route.hedge_after:g} s for an urgent case."
                    winner = (seat, other)[ended.winner]
                    return self._given(request, ended.answer.answer, winner, failed, spent, remark)
            declined = next((one for one in failed if _is_left_to_a_person(*one)), None)
            if declined is not None:
                # Of two that were asked at once the other may have failed after it.
                failed.sort(key=lambda one: one is declined)
                break
        everything = (*spent, *(usage for _, error in failed for usage in paid(error)))
        self._count(request, failed, everything, "")
        raise most_hopeful([(seat.key, error) for seat, error in failed], everything)

    def _try(self, seat: Seat, request: ModelRequest[Any], how: How) -> _Tried[Any]:
        """Ask one, a second time where the first failed quickly and a moment may help."""
        if seat.route.timeout is not None:
            longest = seat.route.timeout
            request = replace(request, timeout=longest if request.timeout is None else min(request.timeout, longest))
        model = seat.model()
        ask = model.answer if how == "answer" else model.turn
        began = self._monotonic()
        try:
            return _Tried(ask(request), ())
        except IntegrationError as error:
            pause = retry.again_after(error, took=self._monotonic() - began, jitter=self._jitter)
            if pause is None:
                self._say_loudly(seat, error)
                raise
            before = paid(error)
        self._sleep(pause)
        try:
            return _Tried(ask(request), before)
        except IntegrationError as error:
            self._say_loudly(seat, error)
            if before:
                raise most_hopeful([(seat.key, error)], (*before, *paid(error))) from error
            raise

    def _race(
        self, first: Seat, second: Seat, request: ModelRequest[Any], how: How
    ) -> hedge.Race[_Tried[ModelAnswer[Any] | ToolUse]]:
        assert first.route.hedge_after is not None, "only such routes are hedged"
        return self._raced(
            partial(self._try, first, request, how),
            partial(self._try, second, request, how),
            after=first.route.hedge_after,
            late=partial(self._came_late, request),
        )

    def _came_late(self, request: ModelRequest[Any], _place: int, result: _Tried[Any] | BaseException) -> None:
        if isinstance(result, BaseException):
            usages = paid(result)
        else:
            usages = (*result.before, *result.answer.earlier, result.answer.usage)
        if not usages:
            return
        if self._budget is not None:
            self._budget.spent(request, usages)
        if self._late is not None:
            self._late(request, usages)

    def _given(
        self,
        request: ModelRequest[Any],
        answer: Any,
        seat: Seat,
        failed: Sequence[tuple[Seat, IntegrationError]],
        spent: Sequence[Usage],
        remark: str,
    ) -> Any:
        """The answer, with what it cost to get it and who answered instead of whom."""
        if self._budget is not None:
            self._budget.spent(request, (*answer.earlier, answer.usage))
        if isinstance(answer, ToolUse):
            answer = replace(answer, native={**answer.native, ROUTE: seat.key})
        if not failed and not spent and not remark:
            return answer
        earlier = (*spent, *(usage for _, error in failed for usage in paid(error)))
        who = f"{answer.usage.provider}/{answer.usage.model}"
        remarks = [f"{told(other.key, error)}; {who} answered instead." for other, error in failed]
        if remark:
            remarks.insert(0, f"{remark} {who} answered instead.")
        self._count(request, failed, earlier, who)
        return replace(answer, earlier=(*earlier, *answer.earlier), remarks=(*remarks, *answer.remarks))

    # ── choosing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _choose(self, request: ModelRequest[Any]) -> _Choice:
        """The routes that apply, in order. Raise `NoRoute` or `OverBudget`."""
        seats: Sequence[Seat] = self._seats.get(request.task, ())
        if not seats:
            raise NoRoute(
                f"No model does the task “{request.task}”: the routing names none that has credentials. "
                "`caseworker models` shows what it names."
            )
        remark = ""
        if self._budget is not None or request.task not in self._plain:
            seats, remark = self._fitting(seats, request)
        if request.turns:
            # A conversation stays where it is: the provider's own blocks, and its cache, are of use nowhere else.
            begun = request.turns[-1].native.get(ROUTE)
            seats = sorted(seats, key=lambda seat: seat.key != begun)
        return _Choice(seats, remark)

    def _fitting(self, seats: Sequence[Seat], request: ModelRequest[Any]) -> tuple[Sequence[Seat], str]:
        measured: list[int] = []

        def size() -> int:
            if not measured:
                measured.append(size_of(request))
            return measured[0]

        fitting = [seat for seat in seats if seat.route.when.holds(request.domain, request.about, size)]
        if not fitting:
            raise NoRoute(
                f"No route of the task “{request.task}” applies to this case: its language, its size or what its data are "
                "rules out every model that is named. `caseworker models` shows them."
            )
        left = self._budget.left(request) if self._budget is not None else None
        if left is None:
            return fitting, ""
        affordable = [
            seat
            for seat in fitting
            if (seat.free or left.usd > 0)
            and (
                seat.route.when.budget_left_usd_at_least is None or left.usd >= seat.route.when.budget_left_usd_at_least
            )
        ]
        if not affordable:
            raise OverBudget(left.told)
        return affordable, left.told if affordable[0] is not fitting[0] else ""

    def _passed_over(self, seat: Seat, failed: Sequence[tuple[Seat, IntegrationError]], began: float) -> bool:
        """Whether those that failed leave no turn to this one."""
        if seat.route.last_resort:
            # Who only asks for patience gives a better answer in a minute: the case waits for it.
            return any(worth_waiting(error) for _, error in failed)
        return self._monotonic() - began > self._longest

    @staticmethod
    def _second(request: ModelRequest[Any], seat: Seat, waiting: Sequence[Seat]) -> Seat | None:
        """Who is asked beside this one, should it take long: the next, or itself once more."""
        if seat.route.hedge_after is None or not request.about.urgent:
            return None
        return next((other for other in waiting if not other.route.last_resort), seat)

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _count(
        self,
        request: ModelRequest[Any],
        failed: Sequence[tuple[Seat, IntegrationError]],
        usages: Sequence[Usage],
        instead: str,
    ) -> None:
        if self._budget is not None and usages:
            self._budget.spent(request, usages)
        if self._notice is None:
            return
        for seat, error in failed:
            self._notice(Failed(seat.route.provider, seat.model().name, type(error).__name__, paid(error), instead))

    def _say_loudly(self, seat: Seat, error: IntegrationError) -> None:
        """A key that is refused, a name that nobody knows: somebody must mend it, though others answer meanwhile."""
        if not isinstance(error, Permanent) or isinstance(error, Unanswered):
            return
        now = self._monotonic()
        if now - self._loud.get(seat.key, float("-inf")) >= LOUD_SECONDS:
            self._loud[seat.key] = now
            logger.error("model_cannot_serve route=%s reason=%s", seat.key, error)


def _is_left_to_a_person(seat: Seat, error: IntegrationError) -> bool:
    return isinstance(error, Refused) and seat.route.on_refusal == "person"


def _named(errors: Sequence[tuple[int, BaseException]]) -> list[tuple[int, IntegrationError]]:
    """The failures of a race. What is none of ours is a bug, and is raised."""
    found = []
    for place, error in errors:
        if not isinstance(error, IntegrationError):
            raise error
        found.append((place, error))
    return found
