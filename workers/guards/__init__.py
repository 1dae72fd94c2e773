"""Guards: how often a vendor is called, and whether just now at all. Wraps what speaks for it, unseen by who calls.

`wiring` makes one `Guards` for a process. A guard never waits long in a worker's thread: it raises `Postponed`, so that the
row waits by its `wake_at` and the thread does something else. It knows nothing of cases, and nothing of what is called.
"""

from workers.guards.guard import Guards
from workers.guards.limits import Limit, parse

__all__ = ["Guards", "Limit", "parse"]
