"""The connections that a provider's SDK calls through, the same for each: as many as there are threads, kept for a while.

The clients call it. The SDKs' own limits are for a program that makes a few calls at once: the thousand-and-first call of a
process would wait for another to end, and nine of ten connections would be opened anew for each call.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import httpx2

from integrations.models import pools

C = TypeVar("C")

#: Threads bound how many calls are made at once. Idle connections are closed after half a minute, before most services do.
LIMITS: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30.0)


class Shared(Generic[C]):
    """SDK clients by key and address: several models of one provider use one, which lives as long as any of them."""

    def __init__(self, make: Callable[[str, str | None, httpx2.Client], C], http: Callable[..., httpx2.Client]) -> None:
        self._make = make
        self._http = http
        self._made: weakref.WeakValueDictionary[tuple[str, str | None], Any] = weakref.WeakValueDictionary()
        self._making = threading.Lock()

    def get(self, key: str, address: str | None) -> C:
        with self._making:
            found: C | None = self._made.get((key, address))
            if found is None:
                http = self._http(limits=LIMITS, mounts=pools.mounts(LIMITS))
                found = self._make(key, address, http)
                self._made[key, address] = found
                weakref.finalize(found, http.close)
            return found
