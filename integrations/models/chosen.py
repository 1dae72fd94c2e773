"""Which model a provider's client asks where no setting names one: the service is asked once, at first use.

Shared by the threads of a process. The clients say how they choose among what the service offers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from integrations.errors import Temporary


class Chosen:
    """A model's name, or the way to find it: `find` gets the seconds it may take and raises what `Model.answer` does."""

    def __init__(self, name: str | None, find: Callable[[float], str]) -> None:
        self.known = name or None
        self._find = find
        self._turn = threading.Lock()

    def name(self, timeout: float) -> str:
        if self.known is not None:
            return self.known
        # One asks and the others wait for it, but not one after the other while the service does not answer.
        if not self._turn.acquire(timeout=timeout):
            raise Temporary(f"The model did not answer within {timeout:g} s.")
        try:
            if self.known is None:
                self.known = self._find(timeout)
            return self.known
        finally:
            self._turn.release()
