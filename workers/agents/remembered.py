"""What is remembered from earlier cases, as a context source that every agent has: of its customer, vendor or topic.

Asked last, when the records say who the case is about. A memory is a fact with an origin like any other: what a stranger
once claimed stays a stranger's claim, however often it was repeated since. Agents know the reader, never the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from integrations.base import Record
from workers.agents.base import Inquiry, Source

#: the name under which the reader is found; no vendor can be called so
HOUSE = "memory"
NAME = "memory"
MOST_VENDORS = 3

About = tuple[str, str]


@runtime_checkable
class MemoryReader(Protocol):
    def recall(self, about: Sequence[About], question: str) -> Sequence[Record]:
        """What is remembered of these (kind, key), and of topics like them, as far as it helps with a question."""


def remembered(inquiry: Inquiry) -> Sequence[Record] | None:
    memory = inquiry.readers.find(HOUSE, MemoryReader)
    if memory is None:
        return None
    about = subjects(inquiry)
    question = f"{inquiry.latest('title') or ''} {inquiry.latest('text') or ''}"
    return memory.recall(about, question[:2000]) if about else []


def subjects(inquiry: Inquiry) -> list[About]:
    """Who and what a case is about, as memories are kept by."""
    if keyword := inquiry.latest("keyword"):
        return [("topic", topic_key(str(keyword)))]
    record = inquiry.first("customer")
    known = record.data.get("email") if record is not None and record.trusted else None
    address = known or inquiry.latest("requester_email") or inquiry.latest("customer_email")
    found = [("customer", customer_key(str(address)))] if address else []
    offers = [offer.data.get("vendor_id") for offer in inquiry.found.get("offers", ()) if offer.trusted]
    return [*found, *(("vendor", vendor_key(inquiry.system, str(v))) for v in dict.fromkeys(offers) if v)][
        : 1 + MOST_VENDORS
    ]


def customer_key(address: str) -> str:
    return address.strip().casefold()[:320]


def vendor_key(system: str, vendor: str) -> str:
    return f"{system}:{vendor}"[:320]


def topic_key(keyword: str) -> str:
    return " ".join(keyword.casefold().split())[:320]


#: what every agent on the roster has besides its own sources
MEMORY = Source(NAME, remembered, many=True)
