"""How it ends when no model gave an answer: with the most hopeful error, and with all that was paid for on the way.

The router raises these where several were asked. Whoever keeps the bill asks `paid` of any error that a model raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from integrations.errors import IntegrationError, LeftAlone, Permanent, Postponed, Temporary
from integrations.models.base import InvalidOutput, Refused, TooLong, Unanswered, Usage
from integrations.models.budget import OverBudget

#: a service that asks for no more patience than this is waited for before a last resort serves
PATIENT_SECONDS: Final = 60.0


class Unavailable(Temporary):
    """None of the models that were asked can answer just now; later one may. `gone` says that none is expected soon."""

    def __init__(
        self, message: str, *, retry_after: float | None, earlier: tuple[Usage, ...] = (), gone: bool = False
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.earlier = earlier
        self.gone = gone


class Unserved(Permanent):
    """None of the models that were asked will ever answer this as things are: keys, names or rights are wrong."""

    def __init__(self, message: str, *, earlier: tuple[Usage, ...] = ()) -> None:
        super().__init__(message)
        self.earlier = earlier


class Fruitless(Unanswered):
    """Several models were asked, and none gave anything that can be used."""

    def __init__(self, message: str, *, usage: Usage | None = None, earlier: tuple[Usage, ...] = ()) -> None:
        super().__init__(message, usage=usage)
        self.earlier = earlier


class Declined(Refused):
    """A model declined after others had failed, and the routing leaves that to a person."""

    def __init__(self, message: str, *, usage: Usage | None = None, earlier: tuple[Usage, ...] = ()) -> None:
        super().__init__(message, usage=usage)
        self.earlier = earlier


class NoRoute(Unanswered):
    """No route of the task applies, or none has credentials. Nobody was asked."""


def paid(error: BaseException) -> tuple[Usage, ...]:
    """All that was paid for before this error, oldest first."""
    earlier: tuple[Usage, ...] = getattr(error, "earlier", ())
    usage: Usage | None = getattr(error, "usage", None)
    return earlier if usage is None else (*earlier, usage)


def after(error: IntegrationError, earlier: Sequence[Usage]) -> IntegrationError:
    """The same error, where something else had been paid for before."""
    if earlier:
        vars(error)["earlier"] = (*earlier, *getattr(error, "earlier", ()))
    return error


def worth_waiting(error: IntegrationError) -> bool:
    """Whether the service lives and said when to come back, soon."""
    if not isinstance(error, Temporary) or isinstance(error, LeftAlone) or error.retry_after is None:
        return False
    scattered = error.scattered if isinstance(error, Postponed) else 0.0
    return error.retry_after - scattered <= PATIENT_SECONDS


def out_of_reach(error: IntegrationError) -> bool:
    """Whether those who do this cannot be had at all for now: left alone, without a valid key, over budget, or not named.
    Who can do without them then should."""
    if isinstance(error, Unanswered):
        return isinstance(error, NoRoute | OverBudget)
    return isinstance(error, LeftAlone | Permanent) or (isinstance(error, Unavailable) and error.gone)


def told(who: str, error: IntegrationError) -> str:
    """What became of asking one: ``anthropic did not answer (The model's service is not available (529))``."""
    if isinstance(error, Postponed):
        said = "was not asked"
    elif isinstance(error, Temporary):
        said = "did not answer"
    elif isinstance(error, Refused):
        said = "declined"
    elif isinstance(error, InvalidOutput):
        said = "gave an answer that does not fit"
    elif isinstance(error, TooLong):
        said = "cannot take so much"
    elif isinstance(error, Unanswered):
        said = "gave no answer"
    else:
        said = "cannot serve us"
    reason = str(error).strip().rstrip(".")
    return f"{who} {said} ({reason})" if reason else f"{who} {said}"


def most_hopeful(failed: Sequence[tuple[str, IntegrationError]], earlier: tuple[Usage, ...]) -> IntegrationError:
    """What to raise after these failed, who with which error, in order. `earlier` is what they cost, all of them.

    Coming back later may help, mending a key may help, asking the same again will not: in this order. A single failure
    is raised as it is.
    """
    _, last = failed[-1]
    if len(failed) == 1 and earlier == paid(last):
        return last
    message = "; ".join(told(name, error) for name, error in failed) + "."
    if isinstance(last, Refused):
        # Nobody came after it, so the routing left it to a person.
        return Declined(f"{message} A person must look.", earlier=earlier)
    waits = [error.retry_after for _, error in failed if isinstance(error, Temporary)]
    if waits:
        known = [seconds for seconds in waits if seconds is not None]
        soonest = min(known) if len(known) == len(waits) else None
        return Unavailable(message, retry_after=soonest, earlier=earlier, gone=all(out_of_reach(e) for _, e in failed))
    if all(isinstance(error, Unanswered) for _, error in failed):
        return Fruitless(message, earlier=earlier)
    return Unserved(message, earlier=earlier)
