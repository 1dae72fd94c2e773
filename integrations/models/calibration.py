"""What makes a confidence honest: held-out folds, the temperature that fits them, and the measure of what is left.

Pure arithmetic for `training`, `classifier` and `evaluation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from integrations.models.grams import Floats, Ints

SEED: Final = 20_261_120


def folds(labels: Sequence[str], groups: Sequence[str] | None, count: int) -> Ints:
    """A fold for each example: labels spread evenly, one group never split.

    Examples of one group share their wording (one template, one person), so splitting a group would measure memory.
    """
    names = list(groups) if groups is not None else [str(i) for i in range(len(labels))]
    first: dict[str, str] = {}
    for label, group in zip(labels, names, strict=True):
        first.setdefault(group, label)
    order = list(first)
    np.random.default_rng(SEED).shuffle(order)
    dealt: dict[str, int] = {}
    fold: dict[str, int] = {}
    for group in order:
        label = first[group]
        # Labels start at different folds, so that the small ones do not all land in the first.
        dealt.setdefault(label, len(dealt))
        fold[group] = dealt[label] % count
        dealt[label] += 1
    return np.array([fold[name] for name in names], dtype=np.int64)


def softmax(scores: Floats, temperature: float) -> Floats:
    shifted = scores / np.float32(temperature)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def best_temperature(scores: Floats, truth: Ints) -> float:
    """The temperature under which the true labels of unseen texts are likeliest: one number, so it cannot over-fit."""
    candidates = np.geomspace(0.02, 5, 120)
    rows = np.arange(len(truth))

    def loss(temperature: float) -> float:
        return float(-np.log(softmax(scores, temperature)[rows, truth] + 1e-9).mean())

    return float(min(candidates, key=loss))


def expected_error(confidence: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart, averaged over bands of confidence."""
    chances, hits = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if not len(chances):
        return 0.0
    band = np.minimum((chances * bins).astype(np.int64), bins - 1)
    size = np.bincount(band, minlength=bins)
    gap = np.abs(np.bincount(band, chances, bins) - np.bincount(band, hits, bins))
    return float(gap[size > 0].sum() / len(chances))
