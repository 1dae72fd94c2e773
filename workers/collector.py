"""The garbage collector: what a process imports and builds before it works is there to stay, and is not looked through again.

It would look through all of it again at each quarter that is added, which takes a fifth of the time until a worker has its
first hint. Called by the command line around importing a command and around building its system; never while work is done.
From then on it comes less often than Python has it: hardly anything here knows itself, and of what is in hand it finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: so many new objects before the youngest are looked through, and so many such rounds before those that were left
_SELDOM: Final = (10_000, 10, 10)

_begun: set[str] = set()


@contextmanager
def uncollected(what: str) -> Iterator[None]:
    """Collect nothing within the block, and nothing that came of it later on. Once in a process for each `what`: what is
    given up after that would pile up."""
    if what in _begun or not gc.isenabled():
        yield
        return
    _begun.add(what)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_SELDOM)
        gc.enable()
