"""Quarantine: refused requests are kept for a while, so that a botched secret rotation loses nothing.

Bounded per source, so that a flood of garbage cannot fill the disk. What is kept is unverified: it is encrypted, never
parsed, never shown to a model, and listed as size, hash and reason only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from integrations.base import Delivery, WebhookSource
from integrations.errors import Malformed, NotAuthentic, UnknownEvent
from integrations.kept_secret import kept_secret
from workers.intake.receive import NotStored, Provenance, receive
from workers.log import logger
from workers.settings import Settings
from workers.store import audit, quarantine
from workers.store.audit import SYSTEM, Note
from workers.store.ids import new_id
from workers.store.records import Quarantined
from workers.wiring import System

MOST_ROWS = 1000
MOST_BYTES = 20 * 1024 * 1024


def keep(system: System, delivery: Delivery, reason: str) -> bool:
    """Put a refused request aside. False when its source's share is used up: then only the log line remains."""
    box = _box(system.settings)
    item = Quarantined(
        id=new_id("quar"),
        source=delivery.source,
        received_at=delivery.received_at,
        reason=reason,
        headers=box.encrypt(_pack(delivery)),
        body=box.encrypt(delivery.body),
        size=len(delivery.body),
        sha256=hashlib.sha256(delivery.body).hexdigest(),
        replayed_at=None,
        replay_result=None,
    )
    with system.db.write() as tx:
        rows, size = quarantine.usage(tx, delivery.source)
        if rows >= MOST_ROWS or size + item.size > MOST_BYTES:
            logger.warning("quarantine_full", source=delivery.source, rows=rows, bytes=size)
            return False
        quarantine.add(tx, item)
    return True


def replay(
    system: System, webhooks: Mapping[str, WebhookSource | None], item_id: str, *, operator: str
) -> tuple[bool, str]:
    """Verify a kept request again with the secrets of now, its window against when it came, and let it in.

    Returns whether nothing is left to do about it, and what happened in words. The normal unique keys apply, so what the sender
    delivered again meanwhile is a duplicate.
    """
    with system.db.read() as tx:
        item = quarantine.get(tx, item_id)
    if item is None:
        return False, "there is no such request; it may have been dropped after its time"
    source = webhooks.get(item.source)
    if source is None:
        return False, f"the source {item.source!r} has no active secret"
    ok, result, signer = _try(system, source, item)
    with system.db.write() as tx:
        now = system.clock()
        quarantine.mark_replayed(tx, item_id, result=result[:80], now=now)
        audit.append(tx, SYSTEM, now, Note(operator, "replayed", {"item": item_id, "result": result, **signer}))
    return ok, result


def _try(system: System, source: WebhookSource, item: Quarantined) -> tuple[bool, str, Mapping[str, str]]:
    """As `replay` has it, and the secret that proved it, where one did: an operator lets in nothing that nobody signed."""
    signer: dict[str, str] = {}
    try:
        delivery = _unpack(_box(system.settings), item)
        signer["secret"] = source.verify(delivery)
        inbound = source.parse(delivery)
    except InvalidToken:
        return False, "it cannot be decrypted: SECRET_KEY has changed since", signer
    except NotAuthentic as error:
        return False, f"still not authentic: {error.reason}", signer
    except Malformed as error:
        return False, str(error), signer
    except UnknownEvent as error:
        # As at the door: it is authentic, and nothing is to be done about it.
        return True, f"ignored: {error}", signer
    except Exception as error:  # noqa: BLE001 - a bug of the source's own code, for which the others are not kept waiting
        logger.exception("replay_broke", source=item.source, item=item.id)
        return False, f"the source's own code still breaks over it ({type(error).__name__})", signer
    provenance = Provenance("replay", delivery.body, secret_id=signer["secret"], body_is_key=source.signs_body_only)
    try:
        received = receive(system, inbound, provenance)
    except NotStored as error:
        return False, str(error), signer
    if received.accepted:
        return True, f"accepted: {', '.join(received.cases)}", signer
    return True, "it had come in meanwhile: duplicate", signer


def _pack(delivery: Delivery) -> bytes:
    pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in delivery.headers]
    return json.dumps(pairs).encode()


def _unpack(box: Fernet, item: Quarantined) -> Delivery:
    pairs = json.loads(box.decrypt(item.headers))
    headers = tuple((str(n).encode("latin-1"), str(v).encode("latin-1")) for n, v in pairs)
    return Delivery(item.source, headers, box.decrypt(item.body), item.received_at)


def _box(settings: Settings) -> Fernet:
    key = settings.secret_key.get_secret_value() if settings.secret_key else _key_file(settings.data)
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))


@cache
def _key_file(data: Path) -> str:
    """The key of this installation, made once, readable by its owner alone."""
    return kept_secret(data / "secret_key", lambda: Fernet.generate_key().decode())
