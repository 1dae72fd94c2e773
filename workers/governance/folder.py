"""The folder's policy beside the one in force: where they differ, somebody changed files and nobody decided on it yet.

Asked by doctor, by `up` and by the inbox's pages. Changes nothing: what differs is proposed, by a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from policies import loader
from policies.errors import PolicyError
from policies.rules import Policy
from workers.governance import differences

PROPOSE = "`caseworker policy propose DIR --why …` asks people about it."


@dataclass(frozen=True, slots=True)
class Folder:
    """`hash` is None where its files are no policy; then `problem` says why."""

    path: Path
    hash: str | None
    summary: str
    problem: str | None = None

    @property
    def told(self) -> str:
        if self.problem is not None:
            return f"The files in {self.path} are no policy any more: {self.problem}"
        return (
            f"The files in {self.path} say something else than the policy in force, and do not count: {self.summary}."
        )


def differing(folder: Path, in_force: Policy) -> Folder | None:
    """The folder where it says something else than `in_force`; None where they mean the same, or it is not there."""
    try:
        found = _compiled(folder, _signature(folder))
    except PolicyError as error:
        return Folder(folder, None, "", str(error.problems[0]) if error.problems else str(error))
    except OSError:
        return None
    if found.hash == in_force.hash:
        return None
    return Folder(folder, found.hash, differences.summary(differences.between(in_force, found)))


@lru_cache(maxsize=4)
def _compiled(folder: Path, _signature: tuple[tuple[str, int, int], ...]) -> Policy:
    return loader.load(folder, run_tests=False)


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Tells whether the files are still those that were read."""
    found = ((path.name, path.stat()) for path in sorted(folder.glob("*.y*ml")))
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)
