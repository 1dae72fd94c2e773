"""What can be wrong with policy files: all of it at once, each thing with the place where an editor should go.

Raised by `loader` only. Deciding raises nothing: there, whatever goes wrong becomes a stricter verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `path` is where in the document it is (``rules[3].when``); empty for the file as a whole."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f" {self.path}:" if self.path else ""
        return f"{self.file}:{self.line}:{where} {self.message}"


class PolicyError(Exception):
    """These files are not a policy. Whatever policy was in force stays so."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.path, p.message)))
        count = len(self.problems)
        lines = [f"{count} problem{'' if count == 1 else 's'} in the policy", *map(str, self.problems)]
        super().__init__("\n  ".join(lines))
