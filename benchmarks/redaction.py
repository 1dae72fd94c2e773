"""What redaction costs: CPU for whole requests, for plain text, and for texts that somebody wrote to take long. By hand:

    python -m benchmarks.redaction

Counts processor time, not the clock, and takes the best of several rounds, so that a busy machine changes little. Prints a table,
and one line of JSON at the end for comparing runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from integrations.models.base import About, Material, ModelRequest
from integrations.models.redaction import KINDS, Redaction, Wanted
from integrations.models.redaction.finding import find
from integrations.models.redaction.session import Session
from workers.agents.base import Draft

ROUNDS = 25
CLASSES = frozenset({"personal", "payment"})
EVERYTHING = Wanted(frozenset(KINDS))
LETTER = (
    "Hello, I ordered a rain cover on 2026-11-02 (order SO-10234) and it arrived torn. I paid 40.00 EUR with my card "
    "4242 4242 4242 4242. Please call me at +49 170 1234567 or write to ana@example.com. Nobody answered my last letter, and "
    "I have been a customer of this shop for more than six years. "
)
PROSE = "It has rained for days, and what came in the parcel was not what the picture had promised to those who looked at it. "
HOSTILE = {
    "digits": "1",
    "single digits": "1 ",
    "groups of four": "4242 ",
    "half addresses": "a@a.",
    "IBANs cut short": "DE89 3704 ",
    "fiscal codes cut short": "RSSMRA85T10A56",
    "open brackets": "(+",
}


def case_of_5_kb() -> ModelRequest[Draft]:
    """A ticket, its customer with five orders, a charge and two earlier tickets: as the support agent gathers them."""
    event = {"title": "Torn cover", "text": LETTER * 4, "requester_email": "ana@example.com", "type": "ticket.created"}
    customer = {
        "customer_id": "cus_4Kx92",
        "name": "Ana Diaz",
        "email": "ana@example.com",
        "phone": "+49 170 1234567",
        "shipping_address": {"line1": "Hauptstr. 5", "city": "Berlin", "postal_code": "10115", "country": "DE"},
        "tier": "standard",
        "created_at": "2024-01-01T00:00:00+00:00",
    }
    orders = [
        {
            "ref": f"sample:order:SO-1023{n}",
            "order_number": f"SO-1023{n}",
            "customer_id": "cus_4Kx92",
            "charge_id": f"ch_9f3Kq{n}",
            "status": "delivered",
            "placed_at": "2026-11-02T09:14:00+00:00",
            "tracking_number": f"JD01460000382839{n}",
            "items": [{"sku": "RC-200", "title": "Rain cover, large", "quantity": 1, "amount_minor": 4000}],
        }
        for n in range(5)
    ]
    tickets = [{"ticket_id": str(n), "title": "Where is it", "messages": [{"body": PROSE * 6}]} for n in range(2)]
    pieces = (
        Material("event", "event", trusted=False, data=event),
        Material("sample:customer:cus_4Kx92", "customer", trusted=True, data=customer),
        Material("orders", "orders", trusted=True, data=orders),
        Material("earlier_tickets", "earlier_tickets", trusted=False, data=tickets),
    )
    return ModelRequest("support", "draft", "", pieces, Draft, about=About(case_id="case_1", source="sample"))


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the fastest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    rules = Redaction.from_settings(b"a key for measuring")
    request = case_of_5_kb()
    size = len(json.dumps([piece.data for piece in request.material]))
    table = Table("what", "size", "CPU", "MB/s")
    measured: dict[str, float] = {}

    def row(name: str, length: int, spent: float) -> None:
        measured[name] = round(spent * 1000, 4)
        table.add_row(name, f"{length / 1000:.1f} KB", f"{spent * 1000:.3f} ms", f"{length / spent / 1e6:.1f}")

    row("a case, out", size, seconds(lambda: Session(rules, request, CLASSES).told()))
    session = Session(rules, request, CLASSES)
    told = json.dumps([piece.data for piece in session.told()[0]])
    row("its answer, back", 1000, seconds(lambda: session.ledger.back(told[:1000])))
    for name, piece in {"letters": LETTER, "prose": PROSE}.items():
        text = (piece * (100_000 // len(piece) + 1))[:100_000]
        row(name, len(text), seconds(lambda text=text: find(text, EVERYTHING)))  # type: ignore[misc] # bound at once
    for name, piece in HOSTILE.items():
        text = (piece * (100_000 // len(piece) + 1))[:100_000]
        row(f"hostile: {name}", len(text), seconds(lambda text=text: find(text, EVERYTHING)))  # type: ignore[misc] # as above
    Console().print(table)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
