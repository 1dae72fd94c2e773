"""Runs every scene and says what was expected, what happened, and why. The command line prints it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from integrations.errors import IntegrationError
from workers.demo.scenes import SCENES, Expectation
from workers.demo.stage import set_up
from workers.store import audit, proof


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    name: str
    expected: str
    actual: str
    why: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Report:
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "events": [asdict(row) for row in self.rows]}


def run(data: Path | None = None, *, told: Callable[[str], None] = lambda _: None) -> Report:
    """Play all scenes on a data folder of their own (a scratch folder unless given). `told` hears each scene's name."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="caseworker-demo-") as folder:
            return run(Path(folder), told=told)
    rows = []
    with set_up(data) as stage:
        for name, scene in SCENES.items():
            told(name)
            try:
                expectation = scene(stage)
            except (TimeoutError, IntegrationError, LookupError) as error:
                expectation = Expectation("it settles", str(error), "")
            rows.append(Row(name, expectation.expected, expectation.actual, expectation.why, expectation.ok))
        told("the record")
        with stage.system.db.read() as tx:
            broken = proof.verify(tx)
            entries = audit.count(tx)
        actual = "whole" if not broken else "; ".join(broken[:3])
        rows.append(
            Row("the record", "whole", actual, f"{entries} audit entries, each hashed onto the last", not broken)
        )
    return Report(tuple(rows))
