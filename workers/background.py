"""A pass of work that takes long, on a thread of its own and one at a time.

The sweeper begins one beside its own work: a pass takes seconds, and the sweeper must see who died within few. Whatever a pass
meets, work goes on; what it could not do it does the next time.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class BackgroundPass(ABC):
    """Of one process. `begin` returns at once; `run` works in this thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()

    def begin(self) -> None:
        """Work once more on a thread of its own, unless it still works."""
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self.run, name=self._name, daemon=True)
            thread.start()
            self._thread = thread

    def wait(self, seconds: float) -> None:
        """Until it is done, or so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def run(self) -> None:
        with self._one_at_a_time:
            self._work()

    @abstractmethod
    def _work(self) -> None:
        """The pass. What may go wrong is logged and not raised."""
