"""Whose certificate is believed where the broker is reached through TLS: one that a known authority gave to that very host.

kombu believes any on Redis unless told otherwise, and on RabbitMQ one that was given to any host at all: whoever stands between us
and the broker could read and write events. What the URL itself says (``ssl_…``) comes first. Used by `workers.queue`.
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit


def asked_of(broker_url: str) -> dict[str, Any] | bool:
    """Celery's `broker_use_ssl`; False where there is no TLS."""
    scheme = broker_url.partition(":")[0].partition("+")[0]
    if scheme == "rediss":
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    # Of several doors kombu can be told the name of one only: there the authority must do.
    if scheme == "amqps" and ";" not in broker_url:
        return {"server_hostname": urlsplit(broker_url).hostname}
    return False
