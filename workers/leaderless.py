"""What helps a queue that RabbitMQ forgot the leader of: it is deleted, and made again by whoever uses it next.

RabbitMQ 3.10 writes down about a second late who leads a new quorum queue (docs/queue.md). Killed before that, it has a queue that
answers nothing, through every restart. Hints may be lost, so for those nobody need be asked. What producers put into a queue
of events may not, and a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable

from kombu.connection import Connection
from kombu.exceptions import KombuError

from workers.dialling import dial
from workers.log import logger

#: what RabbitMQ says after a minute to whoever wants to listen to such a queue
INTERNAL_ERROR = 541
#: a queue whose leader is only just being chosen, or is busy, has answered by then
PATIENCE_SECONDS = 10
#: RabbitMQ asks the leader first, and gives up on it after 5 s
DELETION_SECONDS = 30
OF_EVENTS = "events"


def mend(known: Connection, targets: Iterable[str]) -> None:
    """Delete those of these queues that answer nothing, unless they are of events. Nothing happens while the broker itself is away."""
    for target in sorted({*targets}):
        try:
            if _answers(known, target):
                continue
            if target.partition(".")[0] == OF_EVENTS:
                logger.error(
                    "queue_without_leader", queue=target, remedy=f"rabbitmqctl delete_queue {target}, see docs/queue.md"
                )
                continue
            with dial(known, read_timeout=DELETION_SECONDS) as connection:
                connection.default_channel.queue_delete(target)
            logger.warning("queue_deleted", queue=target, reason="nobody leads it", remedy="it is made again at once")
        except (KombuError, OSError, *known.connection_errors, *known.channel_errors) as error:
            logger.info("queue_not_looked_at", queue=target, error=type(error).__name__)


def _answers(known: Connection, target: str) -> bool:
    """Whether it gives a message or says that it has none. The message goes back as the connection is closed."""
    connection = dial(known, read_timeout=PATIENCE_SECONDS)
    try:
        connection.default_channel.basic_get(target)
    except TimeoutError:
        # To part in words takes as long as the queue does.
        connection.collect(1.0)
        return False
    except connection.channel_errors:
        # It is not there.
        pass
    connection.release()
    return True
