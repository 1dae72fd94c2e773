"""The command line in a process that ends as soon as anything in it asks for Writers: `python -m tests.kit.handless worker …`.

What works here works without a single credential for writing, because nothing ever looks for one.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from integrations import registry
from workers.cli import main

ASKED = 86


def end(*_: object, **__: object) -> NoReturn:
    sys.stderr.write("asked for Writers\n")
    sys.stderr.flush()
    # No exception, which somebody might catch.
    os._exit(ASKED)


# Only as a program: whoever imports this for its name must not fall into the trap.
if __name__ == "__main__":
    registry.writers = end
    registry.Writers.__init__ = end  # type: ignore[method-assign] # this is the trap
    main()
