"""The connections that a provider's SDK calls through, the same for each: as many as there are threads, kept for a while.

The clients call it. The SDKs' own way is for a program that makes a few calls at once: the thousand-and-first call of a process
would wait for another to end, nine of ten connections would be opened anew for each call, and every call would look at all that
are open. An environment that names a proxy gets that way all the same, since it knows how to use one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar
from urllib.request import getproxies

import httpx2

from integrations.models.wire import KEPT_SECONDS, Wire

C = TypeVar("C")

#: Threads bound how many calls are made at once.
LIMITS: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_SECONDS)


class Shared(Generic[C]):
    """SDK clients by key and address: several models of one provider use one, which lives as long as any of them."""

    def __init__(
        self,
        make: Callable[[str, str | None, httpx2.Client, Wire | None], C],
        http: Callable[..., httpx2.Client],
    ) -> None:
        self._make = make
        self._http = http
        self._made: weakref.WeakValueDictionary[tuple[str, str | None], Any] = weakref.WeakValueDictionary()
        self._making = threading.Lock()

    def get(self, key: str, address: str | None) -> C:
        with self._making:
            found: C | None = self._made.get((key, address))
            if found is None:
                wire = None if getproxies() else Wire()
                # A question holds what customers wrote, and its headers a key: neither goes on to wherever an answer points.
                way: dict[str, Any] = {"limits": LIMITS} if wire is None else {"transport": wire}
                http = self._http(**way, follow_redirects=False)
                found = self._make(key, address, http, wire)
                self._made[key, address] = found
                weakref.finalize(found, http.close)
            return found
