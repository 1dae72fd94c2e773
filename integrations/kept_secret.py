"""A secret that an installation makes for itself: once, in a file of its data folder that its owner alone can read.

Called where a key is needed and no setting gives one. Processes that are started together, and threads, all get the same.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """What stands in `path`, made by `make` where the file is not there yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another name each time: what a process that was killed here left behind is in nobody's way.
        made = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
                file.flush()
                os.fsync(descriptor)
            # Whole or not at all, and the first one stays: another process may do the same just now.
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()
