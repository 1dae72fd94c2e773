"""Messages that hold an event, from the queue's two doors. Each becomes an event, or a dead letter with the reason.

Called by the task for producers in Python and by the consumer of plain CloudEvents, which acknowledge when this returns:
then something is committed, and not before. A dead letter can be looked at, replayed and discarded (`caseworker deadletter`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations import cloudevents
from integrations.errors import IntegrationError, UnknownEvent
from workers.intake.receive import NotStored, Provenance, receive
from workers.log import discreet, logger, told
from workers.store import audit, deadletters
from workers.store.audit import SYSTEM, Note
from workers.store.database import Database, StoreUnavailable
from workers.store.deadletters import DeadLetter
from workers.store.ids import new_id
from workers.telemetry import metrics
from workers.wiring import System

TASK = "task"
EXCHANGE = "exchange"
#: a message that says it is something else is not guessed at
CONTENT_TYPES = ("", "application/json", "application/cloudevents+json")
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


class PutBack(Exception):
    """It is neither an event nor a dead letter, and nobody waits for that here: the message must go back to its queue."""


@dataclass(frozen=True, slots=True)
class EventMessage:
    """A message with an event in it."""

    door: str
    body: bytes
    content_type: str = ""
    headers: Sequence[tuple[str, str]] = ()
    #: why it must not even be opened: the broker gave up delivering it
    given_up: str = ""
    #: what is wrong with the message around it, as whoever read that found; it is no event then
    wrong: str = ""


def take(system: System, message: EventMessage, *, stopping: Callable[[], bool]) -> str:
    """Make it an event or a dead letter, and say which. While the database is away, wait with the message in hand.

    It is the only copy, and to give it back again and again would use up its deliveries. Raise `PutBack` when the
    worker stops meanwhile, and after a pause when it can be kept as neither.
    """
    tries = 0
    while True:
        try:
            return _take(system, message)
        except StoreUnavailable as error:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            logger.warning("event_waits_for_the_database", error=str(error), seconds=pause)
            tries += 1
            until = time.monotonic() + pause
            while time.monotonic() < until:
                if stopping():
                    raise PutBack from error
                time.sleep(0.1)
        except Exception as error:
            # Whatever it is, what is not committed must not be acknowledged.
            logger.exception("event_not_kept", door=message.door)
            time.sleep(PAUSES[0])
            raise PutBack from error


def replay(system: System, letter_id: str, *, operator: str) -> tuple[bool, str]:
    """Receive a dead letter as if it came now. What came in meanwhile by another way is a duplicate, as always.

    Returns whether nothing is left to do about it, and what happened in words.
    """
    with system.db.read() as tx:
        kept = deadletters.get(tx, letter_id)
    if kept is None:
        return False, "there is no such dead letter"
    message = EventMessage(kept.door, kept.body, headers=[(str(name), str(value)) for name, value in kept.headers])
    ok, result = _try(system, message)
    with system.db.write() as tx:
        now = system.clock()
        if ok:
            deadletters.settle(tx, letter_id, result=result, now=now)
        audit.append(tx, SYSTEM, now, Note(operator, "replayed", {"item": letter_id, "result": result[:200]}))
    return ok, result


def discard(db: Database, letter_id: str, *, reason: str, operator: str, now: datetime) -> bool:
    """Nothing is to be done about it. It stays on record with who said so and why, and can still be replayed. False where
    nothing was left to do about it, or there is none."""
    with db.write() as tx:
        settled = deadletters.settle(tx, letter_id, result=f"discarded: {reason}", now=now)
        if settled:
            audit.append(tx, SYSTEM, now, Note(operator, "discarded", {"item": letter_id, "reason": reason[:200]}))
    return settled


def _take(system: System, message: EventMessage) -> str:
    if message.given_up:
        return _bury(system, message, "undeliverable", message.given_up)
    if message.content_type.partition(";")[0].strip().lower() not in CONTENT_TYPES:
        why = f"content type {message.content_type!r}; send application/cloudevents+json"
        return _bury(system, message, "content_type", why)
    if len(message.body) > system.settings.max_body_bytes:
        why = f"{len(message.body)} bytes; at most {system.settings.max_body_bytes} are taken"
        return _bury(system, message, "too_large", why)
    if message.wrong:
        return _bury(system, message, "malformed", message.wrong)
    try:
        inbound = cloudevents.read_event(message.body, system.clock())
    except UnknownEvent as error:
        # As at the HTTP door: a type that we do not handle is no fault of anybody.
        logger.info("event_ignored", door=message.door, reason=told(error))
        return "ignored"
    except IntegrationError as error:
        return _bury(system, message, "malformed", str(error))
    try:
        received = receive(system, [inbound], Provenance(message.door, message.body, message.headers))
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - the message is the only copy: whatever is wrong with it, it is kept
        logger.exception("event_not_stored", door=message.door)
        return _bury(system, message, "not_stored", told(error))
    return "accepted" if received.accepted else "duplicate"


def _bury(system: System, message: EventMessage, reason: str, detail: str) -> str:
    logger.warning("dead_letter", door=message.door, reason=reason, detail=discreet(detail))
    kept = DeadLetter(
        id=new_id("dead"),
        received_at=system.clock(),
        door=message.door,
        reason=reason,
        detail=_clean(detail)[:2000],
        headers=[(_clean(name), _clean(value)) for name, value in message.headers],
        body=message.body,
        replayed_at=None,
        replay_result=None,
    )
    with system.db.write() as tx:
        deadletters.add(tx, kept)
    metrics.received(message.door, refused=1)
    return "dead"


def _try(system: System, message: EventMessage) -> tuple[bool, str]:
    try:
        inbound = cloudevents.read_event(message.body, system.clock())
    except UnknownEvent as error:
        # As when it comes: nothing is to be done about it, so that nobody need be told of it any more.
        return True, f"ignored: {error}"
    except IntegrationError as error:
        return False, str(error)
    try:
        received = receive(system, [inbound], Provenance("replay", message.body, message.headers))
    except StoreUnavailable:
        raise
    except NotStored as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - as when it came: whatever is wrong with it, the others are not kept waiting
        logger.exception("replay_broke", door=message.door)
        return False, told(error)
    if received.accepted:
        return True, f"accepted: {', '.join(received.cases)}"
    return True, "it had come in meanwhile: duplicate"


def _clean(text: str) -> str:
    """PostgreSQL keeps no zero bytes in text, and no halves of characters."""
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
