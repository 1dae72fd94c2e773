"""The shop's own small rule engine: which payments it flags for a look. It flags and never stops.

Called by `shopfront` for every payment. Pure. Crude on purpose, as such engines are: a traveller is flagged as well as a
thief, and telling them apart is what the flag asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from integrations.base import Record
from integrations.sample_company.times import parse

#: Smaller payments are not looked at, which is what people who test stolen cards know.
SMALLEST_MINOR = 500
HIGH_MINOR = 50_000
VELOCITY_COUNT = 3
VELOCITY_SPAN = timedelta(minutes=10)
NEW_DEVICE = timedelta(days=1)

#: What a rule means, for the text of the event.
MEANING = {
    "velocity": "several payments within ten minutes",
    "country_mismatch": "the connection comes from another country than the card",
    "watch_list": "card, device, address or connection is on a watch list",
    "high_amount": "the amount is high",
    "new_device": "the device was never seen before today",
}
#: A new device alone is nobody's fault.
_ALONE_ENOUGH = {"velocity", "country_mismatch", "watch_list", "high_amount"}


def fired(charge: Mapping[str, Any], charges: Sequence[Mapping[str, Any]], hits: Sequence[Record]) -> list[str]:
    """The rules that flag `charge`, or none. `charges` are the customer's, `hits` the watch list's on this payment."""
    if charge["amount_minor"] < SMALLEST_MINOR:
        return []
    at = parse(charge["created_at"])
    recent = sum(1 for other in charges if timedelta(0) <= at - parse(other["created_at"]) <= VELOCITY_SPAN)
    found = {
        "velocity": recent >= VELOCITY_COUNT,
        "country_mismatch": charge["ip_country"] != charge["card_country"],
        "watch_list": any(hit.data["score"] == 1.0 for hit in hits),
        "high_amount": charge["amount_minor"] >= HIGH_MINOR,
        "new_device": at - parse(charge["device_first_seen_at"]) < NEW_DEVICE,
    }
    names = [name for name, hit in found.items() if hit]
    return names if _ALONE_ENOUGH & set(names) else []


def watched_terms(charge: Mapping[str, Any]) -> list[str]:
    """What of a payment is compared with the watch list. Names are left to people."""
    return [str(charge[name]) for name in ("card_fingerprint", "ip", "device_id", "shipping_address")]
