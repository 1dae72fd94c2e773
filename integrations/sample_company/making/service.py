"""The helpdesk's past: the help pages, and some hundred conversations that were had about real orders of real customers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from integrations.sample_company import cast
from integrations.sample_company.making.ground import CONTENT, Ground, Row, packed, written
from integrations.sample_company.times import stamp

TICKETS = 120
#: The newest of them still wait for an answer.
WAITING = 5
#: Two of the cast have written before: (place in the row of tickets, scenario's tag).
_CAST_TICKETS = {60: (cast.ANA, "care"), 104: (cast.VIP, "praise"), 88: (cast.TRAVELLER, "payment-check")}


def articles(ground: Ground) -> list[Row]:
    made = []
    for path in sorted((CONTENT / "help").glob("*.md")):
        _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
        fields = dict(line.split(": ", 1) for line in head.splitlines())
        made.append(
            {
                "slug": path.stem,
                "title": fields["title"],
                "keywords": fields["keywords"],
                "body": body.strip(),
                "revised_at": stamp(ground.ago(int(fields["revised_days_ago"]))),
            }
        )
    return made


def tickets(ground: Ground, people: Sequence[Row], orders: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    chance = ground.chance("tickets")
    by_id = {row["customer_id"]: row for row in people}
    strangers = [order for order in orders if by_id[order["customer_id"]]["email"] not in cast.BY_EMAIL]
    made: list[Row] = []
    said: list[Row] = []
    for place in range(TICKETS):
        opened = ground.ago(420 * ((TICKETS - place) / TICKETS) ** 1.4 + chance.uniform(0.05, 0.4))
        if place in _CAST_TICKETS:
            character, tag = _CAST_TICKETS[place]
            order = next(o for o in reversed(_past(orders, opened)) if o["customer_id"] == character.customer_id)
            scenario = next(s for s in written("conversations.yaml") if tag in s["tags"])
        else:
            order = chance.choice(_past(strangers, opened)[-60:])
            scenario = chance.choice(_scenarios(by_id[order["customer_id"]]["language"], chance))
        ticket, messages = _conversation(
            ground, chance, place + 1, opened, by_id[order["customer_id"]], order, scenario
        )
        made.append(ticket)
        said += messages
    return made, said


def _past(orders: Sequence[Row], opened: datetime) -> list[Row]:
    limit = stamp(opened - timedelta(days=1))
    return [order for order in orders if order["placed_at"] < limit]


def _scenarios(language: str, chance: random.Random) -> list[dict[str, Any]]:
    # Many who do not speak English at home write English all the same.
    wanted = {language} if chance.random() < 0.75 else {"en"}
    return [scenario for scenario in written("conversations.yaml") if scenario["language"] in wanted]


def _conversation(
    ground: Ground,
    chance: random.Random,
    ticket_id: int,
    opened: datetime,
    customer: Row,
    order: Row,
    scenario: dict[str, Any],
) -> tuple[Row, list[Row]]:
    item = json.loads(order["items"])[0]["name"]
    words = {
        "first": customer["name"].split()[0],
        "order": order["order_number"],
        "item": item,
        "amount": f"{order['total_minor'] / 100:.2f} {order['currency']}",
        "parcel": order["tracking_number"] or "that you mailed",
    }
    waiting = ticket_id > TICKETS - WAITING
    said = scenario["say"][:1] if waiting else scenario["say"]
    moments = list(_moments(ground, chance, opened, len(said)))
    ticket = {
        "ticket_id": ticket_id,
        "title": scenario["subject"].format(**words),
        "status": "open" if waiting else "closed" if (ground.midnight - opened).days > 30 else "solved",
        "priority": scenario["priority"],
        "tags": packed(sorted(scenario["tags"])),
        "team": "front desk",
        "requester_email": customer["email"],
        "requester_name": customer["name"],
        "channel": chance.choice(("email", "email", "web")),
        "created_at": moments[0],
        "changed_at": moments[-1],
        "version": len(said),
    }
    messages = [
        {
            "ticket_id": ticket_id,
            "author": "agent" if count % 2 else "customer",
            "public": 1,
            "body": body.format(**words),
            "at": moment,
            "version_before": f"v{count}",
            "version_after": f"v{count + 1}",
        }
        for count, (body, moment) in enumerate(zip(said, moments, strict=True))
    ]
    return ticket, messages


def _moments(ground: Ground, chance: random.Random, opened: datetime, count: int) -> Iterable[str]:
    moment = opened
    for _ in range(count):
        yield ground.before(moment)
        moment += timedelta(hours=chance.uniform(0.4, 20))
