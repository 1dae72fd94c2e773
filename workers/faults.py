"""Crash points: named places at which a test can have this process killed, as `kill -9` would.

``CASEWORKER_CRASH_AT=case.draft.called`` ends the process the first time that it passes that point. Unset, a point is one
dictionary look-up. The pipeline and `execute` list their points, so that a new step cannot be forgotten by the tests.
"""

from __future__ import annotations

import os
import signal

_CRASH_AT = os.environ.get("CASEWORKER_CRASH_AT", "")


def point(name: str) -> None:
    if name == _CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)
