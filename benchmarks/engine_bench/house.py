"""The rules that Caseworker is measured under: the shipped ones, each limit so high that the load does not reach it.

Hundreds of refunds in a minute are what the shipped limits are there to stop, and they would: the switch is thrown after the
hundredth. Raised, they are reserved and counted as ever, so that their cost is in the figures. Called by
`engine_bench.contenders`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from workers.settings import SHIPPED_POLICY

HIGHEST = re.compile(r"^(    max_(?:count|minor): )\d+$", re.MULTILINE)
OUT_OF_REACH = 1_000_000_000


def rules(folder: Path) -> Path:
    """Write them into `folder`, once for all phases."""
    if not folder.exists():
        shutil.copytree(SHIPPED_POLICY, folder)
        for bundle in folder.glob("*.yaml"):
            bundle.write_text(HIGHEST.sub(rf"\g<1>{OUT_OF_REACH}", bundle.read_text()))
    return folder
