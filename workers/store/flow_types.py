"""What goes into the commits of the flow and what comes out of them (see `workers.store.flow`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.store.audit import Chain, Note
from workers.store.records import Action, Attempt, Case, Event, Switch

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caps:
    """How many cases of one customer, and of one source, may be worked on at once; 0 is no cap."""

    customer: int = 0
    source: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed case with its events and the end of its audit chain, as of the claim."""

    case: Case
    events: Sequence[Event]
    chain: Chain


@dataclass(frozen=True, slots=True)
class Progress:
    """What one commit of a claimed case writes, besides the fence. Rows are as the tables have them, with their ids.

    `changes` are columns of the case. `notes` go to its audit chain; `told_later` lets them wait with the case for the chain's
    next entry, which begins with them. `unjoined` makes it all depend on no event having joined the case since it was read,
    `unless` on none of these switches being thrown.
    """

    changes: Row
    steps: Sequence[Row] = ()
    usage: Sequence[Row] = ()
    facts: Sequence[Row] = ()
    actions: Sequence[Row] = ()
    revisions: Sequence[Row] = ()
    notes: Sequence[Note] = ()
    told_later: bool = False
    unjoined: bool = False
    unless: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that was begun in the commit that decided its action, for the thread that made that commit."""

    attempt: Attempt
    #: before the commit, by the monotonic clock of this process
    since: float


@dataclass(frozen=True, slots=True)
class ActionSnapshot:
    """An action with all that must be known before it is carried out or decided, as it was read in one go. What changed since holds
    whoever writes by it back (`flow.begin`, `flow.approve`)."""

    action: Action
    case: Case
    #: the case's other actions, settled or not
    others: Sequence[Action]
    #: the thrown switch that holds it back
    switch: Switch | None
    chain: Chain
    #: whether it holds what it uses up of limits; False where it uses up nothing
    held: bool
    #: the decision record of one that waits for a yes within limits, which tells what it would use up; None for all others,
    #: and on SQLite, where nothing is gained by reading it along
    record: Mapping[str, Any] | None = None
    #: where this very thread has begun it with the decision
    begun: Begun | None = None


@dataclass(slots=True)
class Announcement:
    """A yes is announced once its rows are held, so that nobody else can change them, and before it is committed. `say` announces it, and
    returns whether somebody was told."""

    say: Callable[[], bool]
    #: whether somebody knows of it who waits until it is written
    heard: bool = False

    def make(self) -> None:
        self.heard = self.say()

    def withdraw(self) -> None:
        """It is asked for once more: whoever was told found nothing."""
        self.heard = False


#: called with an action as it was read and as it is begun, while that is being committed
OnBegin = Callable[[ActionSnapshot, Action, Attempt], object]


def stopping(action: Action, case: Case) -> list[str]:
    """The switches that stop an action: everything, its domain, its kind, the system that it changes, and, where rules alone
    allowed it, each of those."""
    scopes = ["all", f"domain:{case.domain}", f"action:{action.kind}", f"vendor:{action.target.partition(':')[0]}"]
    if action.verdict.get("outcome") in ("allow", "notify"):
        # What decided may have made it heard, and permits nothing by that.
        permitting = action.verdict.get("allowed_by") or action.verdict.get("rules", ())
        scopes += (f"rule:{rule}" for rule in permitting)
    return scopes


@dataclass(frozen=True, slots=True)
class Ending:
    """How an action ended, and what becomes of its case with it: `case_changes` while the case stands as it was read."""

    changes: Row
    outcome: str
    receipt: Mapping[str, Any] | None
    error: str | None
    case: Case
    case_changes: Row
    chain: Chain
    notes: Sequence[Note] = field(default=())
    #: False where the action itself tells of its only attempt (`actions.told_attempt`)
    in_rows: bool = True


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's yes to an action of which nobody has said anything yet, with its decision's row, and what becomes of the
    case with it."""

    changes: Row
    decision: Row
    case: Case
    case_changes: Row
    chain: Chain
    notes: Sequence[Note]
