"""Recall: which decided cases are most like this one, and how they are put before a model.

What a person decided, wrote or changed by hand is trusted. What outsiders wrote, and what a model made of it, stays untrusted
material also inside an example: an attack that was once refused must not work as an example of how things are done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.models.base import Material
from workers.store.examples import Example

#: examples put before a model
MOST = 4
#: characters of all of them together; four of these are about a token
ROOM = 6000
#: of one message, and of one argument
EXCERPT = 500
#: of these, at most so many in which people changed or refused something: that teaches more than what was left as it was
TELLING = 3
#: compared by their text, of each sort; what people decided last, and in the same intent, goes first
COMPARED = 40
#: less alike than this teaches nothing
LEAST_ALIKE = 0.12


@dataclass(frozen=True, slots=True)
class Recalled:
    example: Example
    likeness: float


def similar(examples: Sequence[Example], *, intent: str, text: str, without_case: str = "") -> list[Recalled]:
    """The most alike, best first. `examples` are of one domain, newest first; those of the same intent are preferred."""
    others = [example for example in examples if example.case_id != without_case]
    if not others or not text.strip():
        return []
    telling, plain = (
        _first(intent, [example for example in others if (example.verdict != "approved") is told])
        for told in (True, False)
    )
    likeness = _likeness(text, [example.text for example in (*telling, *plain)])
    alike = [
        Recalled(example, round(value, 3))
        for example, value in zip((*telling, *plain), likeness, strict=True)
        if value >= LEAST_ALIKE
    ]
    alike.sort(key=lambda one: (one.example.intent != intent, -one.likeness))
    chosen = [one for one in alike if one.example.verdict != "approved"][:TELLING]
    chosen += [one for one in alike if one.example.verdict == "approved"][: MOST - len(chosen)]
    return chosen


def _first(intent: str, examples: Sequence[Example]) -> list[Example]:
    same = [example for example in examples if example.intent == intent]
    return [*same, *(example for example in examples if example.intent != intent)][:COMPARED]


def _likeness(text: str, others: Sequence[str]) -> list[float]:
    """Cosines of hashed n-grams, weighed by how rare they are among these texts."""
    # Loaded when there is something to compare: these take ten megabytes in a process that may never have.
    import numpy as np  # noqa: PLC0415 - see above

    from integrations.models.grams import Vocabulary, grams  # noqa: PLC0415 - see above

    batch = grams([text[: 4 * EXCERPT], *(other[: 4 * EXCERPT] for other in others)])
    vocabulary = Vocabulary.learn(batch)
    rows = vocabulary.rows(batch)
    asked = np.zeros((vocabulary.size, 1), np.float32)
    begin, end = rows.start[0], rows.start[1]
    asked[rows.columns[begin:end], 0] = rows.values[begin:end]
    products = rows.times(asked, np.zeros(1, np.float32))[:, 0]
    norms = np.sqrt(np.array([float((rows.values[i:j] ** 2).sum()) for i, j in zip(rows.start, rows.start[1:])]))  # noqa: B905 - one longer
    return [float(product / max(norms[0] * norm, 1e-9)) for product, norm in zip(products[1:], norms[1:], strict=True)]


def material(recalled: Sequence[Recalled]) -> list[Material]:
    """The examples as two pieces: what people decided (trusted), and the texts that they decided on (untrusted)."""
    decided: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    left = ROOM
    for number, one in enumerate(recalled, start=1):
        trusted, untrusted = _told(number, one.example), _quoted(number, one.example)
        left -= len(json.dumps([trusted, untrusted], ensure_ascii=False))
        if left < 0:
            break
        decided.append(trusted)
        texts.append(untrusted)
    if not decided:
        return []
    return [
        Material("examples", "examples", trusted=True, data=decided),
        Material("example_texts", "example_texts", trusted=False, data=texts),
    ]


def _told(number: int, example: Example) -> dict[str, Any]:
    told: dict[str, Any] = {
        "example": number,
        "kind": example.kind,
        "situation": dict(example.situation),
        "people": {"approved": "approved it as it was", "edited": "changed it before they approved it"}.get(
            example.verdict, "rejected it" if example.verdict == "rejected" else "asked for changes"
        ),
        "numbers_proposed": _numbers(example.proposed),
    }
    if example.made is not None:
        told["numbers_approved"] = _numbers(example.made)
    if example.diff:
        told["changed_by_hand"] = [
            {"argument": change["field"], "to": _short(change["by_hand"])} for change in example.diff
        ]
    if example.reason:
        told["reason"] = _short(example.reason)
    return told


def _quoted(number: int, example: Example) -> dict[str, Any]:
    return {
        "example": number,
        "message": _short(example.text),
        "proposed": {name: _short(value) for name, value in example.proposed.items() if not isinstance(value, int)},
    }


def _numbers(arguments: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for name, value in arguments.items() if isinstance(value, int)}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= EXCERPT else value[: EXCERPT - 1] + "…"
    if isinstance(value, list):
        return [_short(item) for item in value[:10]]
    return value
