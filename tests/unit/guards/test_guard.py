"""What a guard does around a call: lets it through unseen, or raises before anything was sent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from integrations.base import CrmReader, HelpdeskReader, Record
from integrations.errors import Permanent, Postponed, Stale, Temporary
from integrations.registry import Readers
from workers.guards.guard import Guards
from workers.guards.limits import PATIENCE, Limit, Turn
from workers.store.database import StoreUnavailable

RECORD = Record("desk:ticket:1", "ticket", "A ticket", {}, "v1", trusted=False)


class Desk:
    """Reads tickets, or fails as it is told."""

    label = "the desk"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.faults: list[BaseException] = []

    def ticket(self, ticket_id: str) -> Record:
        self.asked.append(ticket_id)
        if self.faults:
            raise self.faults.pop(0)
        return RECORD

    def tickets_of(self, email: str, *, limit: int = 5) -> Sequence[Record]:
        return [self.ticket(email)] * limit

    def articles(self, query: str, *, limit: int = 3) -> Sequence[Record]:
        return []


class Time:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Answers:
    """A bucket that answers as told."""

    def __init__(self, *turns: Turn) -> None:
        self.turns = list(turns)

    def take(self, vendor: str, limit: Limit, patience: float) -> Turn:
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]


def guarded(*turns: Turn):
    time, desk = Time(), Desk()
    limits = {"desk": Limit(10, 1)} if turns else {}
    guards = Guards(limits, bucket=Answers(*turns) if turns else None, monotonic=time, sleep=time.sleep)
    return guards.wrap("desk", desk), desk, time, guards


def fails(call, times, error=None):
    for _ in range(times):
        with pytest.raises(Temporary):
            call()


def test_what_is_guarded_answers_to_its_protocols_and_passes_on_the_rest():
    _, desk, _, guards = guarded()
    readers = Readers({"desk": desk}, guards.wrap)

    found = readers.find("desk", HelpdeskReader)

    assert isinstance(found, HelpdeskReader)
    assert readers.find("desk", CrmReader) is None
    assert readers.find("other", HelpdeskReader) is None
    assert found.tickets_of("ana@example.com", limit=2) == [RECORD, RECORD]
    assert found.label == "the desk"
    assert readers.systems() == ["desk"]


@pytest.mark.parametrize(
    "error", [Permanent("no"), Stale("changed"), Temporary("again", maybe_done=True), ValueError()]
)
def test_what_a_vendor_raises_comes_through_as_it_is(error):
    desk, inner, _, _ = guarded()
    inner.faults.append(error)

    with pytest.raises(type(error)) as raised:
        desk.ticket("1")

    assert raised.value is error


def test_a_vendor_that_cannot_be_reached_is_left_alone_and_nothing_is_sent():
    desk, inner, _, _ = guarded()
    inner.faults += [Temporary("no connection in time")] * 5
    fails(lambda: desk.ticket("1"), 5)

    with pytest.raises(Postponed, match="Desk is left alone for a while: it could not be reached 5 times") as raised:
        desk.ticket("1")

    assert len(inner.asked) == 5
    assert raised.value.maybe_done is False
    assert 5 <= raised.value.retry_after <= 6.5


def test_after_the_pause_one_probe_brings_it_back():
    desk, inner, time, guards = guarded()
    inner.faults += [Temporary("no connection in time")] * 6
    fails(lambda: desk.ticket("1"), 5)
    time.now += 5
    fails(lambda: desk.ticket("probe"), 1)
    time.now += 5
    fails(lambda: desk.ticket("too early"), 1)
    time.now += 5

    assert desk.ticket("probe again") == RECORD
    assert guards.of("desk").breaker.state == "closed"
    assert inner.asked == ["1"] * 5 + ["probe", "probe again"]


def test_a_refusal_is_an_answer():
    desk, inner, _, guards = guarded()
    for _ in range(3):
        inner.faults += [Temporary("no connection in time")] * 4 + [Permanent("no such ticket")]
        fails(lambda: desk.ticket("1"), 4)
        with pytest.raises(Permanent):
            desk.ticket("1")

    assert guards.of("desk").breaker.state == "closed"


def test_retry_after_closes_the_vendor_until_then():
    desk, inner, time, guards = guarded()
    inner.faults.append(Temporary("too many requests", retry_after=30))
    fails(lambda: desk.ticket("1"), 1)

    with pytest.raises(Postponed, match="Desk asked us to wait") as raised:
        desk.ticket("1")
    assert 30 <= raised.value.retry_after <= 33.5
    assert guards.of("desk").quiet_until == time.now + 30

    time.now += 30
    assert desk.ticket("1") == RECORD
    assert guards.of("desk").breaker.failures == 0


class Word:
    """What other processes know of who wants quiet."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.away = False

    def ask(self, vendor: str, seconds: float) -> None:
        if self.away:
            raise StoreUnavailable("The database is away.")
        self.asked.append(seconds)

    def remaining(self):
        return {}


def test_words_that_come_one_soon_after_the_other_are_passed_on_and_none_twice():
    """As of calls that were under way together, each of which is told to come back later than the one before."""
    time, word = Time(), Word()
    guards = Guards(quiet=word, monotonic=time)
    for _ in range(20):
        guards.ask_for_quiet(guards.of("desk"), 30)
        time.now += 0.5

    assert len(word.asked) == 10
    assert guards.of("desk").quiet_until - guards.of("desk").quiet_told < 1


def test_a_word_that_could_not_be_passed_on_is_passed_on_with_the_next():
    time, word = Time(), Word()
    guards = Guards(quiet=word, monotonic=time)
    word.away = True
    guards.ask_for_quiet(guards.of("desk"), 30)
    word.away = False
    guards.ask_for_quiet(guards.of("desk"), 30)
    guards.ask_for_quiet(guards.of("desk"), 30)

    assert word.asked == [30]


def test_a_short_wait_is_waited_out_and_a_long_one_is_handed_back():
    desk, inner, time, _ = guarded(Turn(True, 0.15), Turn(False, 0.4))

    assert desk.ticket("1") == RECORD
    assert time.slept == [0.15]
    assert max(time.slept) <= PATIENCE
    with pytest.raises(Postponed, match="Desk is called as often as it may be") as raised:
        desk.ticket("2")
    assert inner.asked == ["1"]
    assert raised.value.maybe_done is False


def test_whoever_waited_long_for_a_turn_keeps_the_quiet_that_was_asked_for_meanwhile():
    desk, inner, time, guards = guarded(Turn(True, 0), Turn(True, 8))

    def somebody_else_is_told_to_wait(seconds: float) -> None:
        time.now += seconds
        guards.ask_for_quiet(guards.of("desk"), 30)

    with guards.admit_once():
        desk.ticket("1")
        guards.sleep = somebody_else_is_told_to_wait
        with pytest.raises(Postponed, match="Desk asked us to wait"):
            desk.ticket("2")

    assert inner.asked == ["1"]


def test_those_that_are_sent_away_are_promised_moments_of_their_own():
    desk, _, _, _ = guarded(Turn(False, 0.3))
    promised = []
    for _ in range(20):
        with pytest.raises(Postponed) as raised:
            desk.ticket("1")
        promised.append(round(raised.value.retry_after, 3))

    assert promised == [round(0.3 + 0.1 * number, 3) for number in range(20)]


def test_after_a_crowd_that_no_moment_could_be_promised_one_is_promised_soon_again():
    desk, _, time, _ = guarded(Turn(False, 0.3))
    for _ in range(10 * 60 * 60):
        with pytest.raises(Postponed) as raised:
            desk.ticket("1")
        assert raised.value.retry_after <= 60
    time.now += 60

    with pytest.raises(Postponed) as raised:
        desk.ticket("1")

    assert raised.value.retry_after == pytest.approx(0.3, abs=0.15)


def test_a_probe_that_the_limit_sends_away_keeps_nobody_out():
    desk, inner, time, _ = guarded(*[Turn(True, 0)] * 5, Turn(False, 1), Turn(True, 0))
    inner.faults += [Temporary("no connection in time")] * 5
    fails(lambda: desk.ticket("1"), 5)
    time.now += 5
    with pytest.raises(Postponed, match="as often as it may be"):
        desk.ticket("1")

    assert desk.ticket("1") == RECORD


def test_one_vendors_trouble_is_not_anothers():
    desk, inner, _, guards = guarded()
    other = guards.wrap("other_desk", Desk())
    inner.faults += [Temporary("no connection in time")] * 5
    fails(lambda: desk.ticket("1"), 6)

    assert other.ticket("1") == RECORD
    assert [guards.of(vendor).breaker.state for vendor in ("desk", "other_desk")] == ["open", "closed"]


def test_readers_and_writers_of_a_vendor_share_its_guard():
    desk, inner, _, guards = guarded()
    writing = guards.wrap("desk", Desk())
    inner.faults += [Temporary("no connection in time")] * 5
    fails(lambda: desk.ticket("1"), 5)

    with pytest.raises(Postponed):
        writing.ticket("1")
