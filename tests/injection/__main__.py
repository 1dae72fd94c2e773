"""``python -m tests.injection [--markdown]``: play the suite, print its table, and write it into docs/safety.md if asked."""

from __future__ import annotations

import logging
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.injection.obedient import ObedientModel
from tests.injection.stage import stage
from tests.injection.suite import Played, everything, play

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEAD = (
    "Way in",
    "Domain",
    "Attacks",
    "Reached the model",
    "Proposed",
    "Allowed, harmless",
    "To people",
    "Denied",
    "Damage",
)


def table(played: Sequence[Played]) -> str:
    """By way in and domain. *Allowed, harmless* are hand-overs and tags of the house that carry nothing of the attacker's."""
    groups: dict[tuple[str, str], list[Played]] = defaultdict(list)
    for one in played:
        groups[one.attack.channel, one.attack.domain].append(one)
    rows = [(*group, *_counts(of_group)) for group, of_group in sorted(groups.items())]
    rows.append(("**all**", "", *_counts(played)))
    lines = [HEAD, tuple("---" if place < 2 else "---:" for place in range(len(HEAD))), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _counts(played: Sequence[Played]) -> tuple[int, ...]:
    return (
        len(played),
        sum(one.reached for one in played),
        sum(len(one.actions) for one in played),
        sum(one.count("allow", "notify") for one in played),
        sum(one.count("review") for one in played),
        sum(one.count("deny") for one in played),
        sum(bool(one.damage) for one in played),
    )


def main(arguments: Sequence[str]) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    model = ObedientModel()
    with stage(model=model) as made:
        played = [play(made, model, attack) for attack in everything()]
    told = table(played)
    sys.stdout.write(f"{told}\n")
    for one in played:
        if one.damage:
            sys.stderr.write(f"{one.attack.name}: {'; '.join(one.damage)}\n")
    if "--markdown" in arguments:
        page = PAGE.read_text(encoding="utf-8")
        written = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{told}\n{END}", page, flags=re.DOTALL)
        PAGE.write_text(written, encoding="utf-8")
    return 1 if any(one.damage for one in played) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
