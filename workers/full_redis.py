"""How a worker goes on reading from a Redis that takes nothing any more, so that it empties again.

kombu writes before it reads: where exchanges lead, or it does not begin, and what it has taken out of a list, or that is nowhere. A
Redis that reached its `maxmemory` refuses both, so that a backlog of events would stay there for good, and lose one at each try. Here
what cannot be written down is kept in hand until it is done with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kombu.transport import virtual
from redis.exceptions import OutOfMemoryError

from workers.log import logger

REMEDY = "let Redis have more memory; what waits there is read all the same"


def keep_reading(channel: Any) -> None:
    """Let this channel of kombu's read where Redis has no room for what it writes."""
    made = _Frugal(channel)
    qos = channel.qos
    # kombu has no other way in. What it counts is told to nobody, and asked for in a transaction, of which a full Redis takes none.
    channel._queue_bind, channel._size = made.if_it_can(channel._queue_bind), made.if_it_can(channel._size, 0)  # noqa: SLF001
    qos.restore_visible = made.if_it_can(qos.restore_visible)
    qos.append, qos.ack, qos.restore_by_tag = made.note, made.forget, made.put_back


class _Frugal:
    """What a channel knows of messages that it has taken and that are not acknowledged."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._qos = channel.qos
        self._note, self._forget, self._put_back = self._qos.append, self._qos.ack, self._qos.restore_by_tag
        #: what is in no list and is not written down either
        self._in_hand: dict[str, Any] = {}

    def if_it_can(self, ask: Callable[..., Any], otherwise: Any = None) -> Callable[..., Any]:
        """Of what is asked again and again, and is missed by nobody meanwhile."""

        def ask_or_not(*args: Any, **kwargs: Any) -> Any:
            try:
                return ask(*args, **kwargs)
            except OutOfMemoryError:
                logger.warning("broker_takes_nothing", remedy=REMEDY)
                return otherwise

        return ask_or_not

    def note(self, message: Any, tag: str) -> None:
        try:
            self._note(message, tag)
        except OutOfMemoryError:
            logger.warning("event_in_hand_only", remedy=REMEDY)
            self._in_hand[tag] = message
            virtual.QoS.append(self._qos, message, tag)

    def forget(self, tag: str) -> None:
        try:
            self._forget(tag)
        except OutOfMemoryError:
            # What frees memory is allowed where it is no transaction.
            with self._channel.conn_or_acquire() as client:
                client.zrem(self._qos.unacked_index_key, tag)
                client.hdel(self._qos.unacked_key, tag)
            virtual.QoS.ack(self._qos, tag)
        self._in_hand.pop(tag, None)

    def put_back(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        if tag in self._in_hand:
            self._note(self._in_hand[tag], tag)
            del self._in_hand[tag]
        self._put_back(tag, client=client, leftmost=leftmost)
