"""Producers of events for the queue's two doors, and what became of what they sent."""

from __future__ import annotations

import json

from kombu import Connection, Exchange

from tests.kit.patience import until
from workers.queue import RECEIVE

EXCHANGE = Exchange("caseworker.events", type="topic", durable=True)


def event(number=1, **changes):
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/shop",
        "type": "ticket.created",
        "subject": f"house:ticket:{number}",
        "data": {"title": "Broken", "text": "My order is broken", "requester_email": "ana@example.com"},
        **changes,
    }


class Producer:
    """Speaks to the exchange, and to the task's queue."""

    def __init__(self, engine, broker):
        self.engine, self.broker = engine, broker

    def publish(self, body, content_type="application/cloudevents+json", **headers):
        options = {"global_keyprefix": "caseworker:"} if self.broker.kind == "redis" else {"confirm_publish": True}
        with Connection(self.broker.url, transport_options=options) as connection:
            connection.Producer().publish(
                body if isinstance(body, bytes) else json.dumps(body),
                exchange=EXCHANGE,
                declare=[EXCHANGE],
                routing_key="any.thing",
                content_type=content_type,
                content_encoding="utf-8",
                headers=headers,
            )

    def task(self, *args, name=RECEIVE, **kwargs):
        self.engine.system.app.send_task(name, args=args, kwargs=kwargs, queue="events")

    def raw(self, body, headers, *, queue="events", content_type="application/json"):
        """As somebody writes to a queue who has no Celery."""
        with self.engine.system.app.connection_for_write() as connection:
            connection.Producer().publish(
                body,
                exchange="",
                routing_key=queue,
                headers=headers,
                content_type=content_type,
                content_encoding="utf-8",
            )


def rows(engine, query, wanted):
    """What is found, once it is so many."""

    def enough():
        with engine.system.db.read() as tx:
            found = query(tx)
        return found if len(found) >= wanted else None

    return until(enough, f"never {wanted}")
