"""Obligations that cannot be met: nothing is done without them, so the verdict becomes `deny`.

Pure. Whoever meets obligations (`workers.obligations`) calls it with what could not be met, in words; the record keeps those
words, so that a stored decision is reached again from its facts and from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from policies.types import DecisionRecord, Outcome, Verdict


def denied(record: DecisionRecord, unmet: Sequence[str]) -> DecisionRecord:
    """The same decision, refused for what cannot be met. As it was where that is nothing, or where it is refused anyway."""
    if not unmet or record.verdict.outcome is Outcome.DENY:
        return record
    verdict = record.verdict
    reasons = tuple(f"The policy obliges to what cannot be done here: {reason}" for reason in unmet)
    return replace(
        record,
        verdict=Verdict(
            outcome=Outcome.DENY,
            requirements=(),
            reasons=tuple(dict.fromkeys([*reasons, *verdict.reasons])),
            rules=verdict.rules,
        ),
        uses=(),
        unmet=tuple(unmet),
    )
