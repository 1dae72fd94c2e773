"""How the local classifier's weights are found: linear support vector machines, and a temperature that makes them honest.

`classifier` calls it, and only when there is something to learn: this is the one module that imports scikit-learn, which
takes seconds to load and is never needed to predict. Everything is seeded: the same examples give the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from integrations.models.calibration import SEED, best_temperature, folds
from integrations.models.grams import Floats, Grams, Ints, Vocabulary, grams

PENALTY: Final = 0.7
#: A looser end than scikit-learn's: the same answers in two thirds of the time.
TOLERANCE: Final = 0.01
PARTS: Final = 5
#: How many parts are held out in turn for calibration, by the number of examples. The temperature is one number: a few
#: hundred unseen texts fix it, and each part costs a training.
FEW: Final = 500
MANY: Final = 4_000
#: Below every score that a real boundary gives: a label that is absent from one part of the examples never wins there.
NEVER: Final = -2.0


@dataclass(frozen=True, slots=True)
class Fit:
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    weights: Floats
    bias: Floats
    temperature: float


def fit(
    texts: Sequence[str],
    labels: Sequence[str],
    tags: Sequence[Sequence[str]] | None,
    groups: Sequence[str] | None,
    progress: Callable[[str, int, int], None] | None,
) -> Fit:
    """Learn from labelled texts. Raise `ValueError` where there is nothing to tell apart."""
    if len(texts) != len(labels):
        raise ValueError(f"{len(texts)} texts but {len(labels)} labels")
    names = tuple(sorted(set(labels)))
    if len(names) < 2:
        raise ValueError(f"training needs at least two different labels, got {list(names)!r}")
    place = {name: i for i, name in enumerate(names)}
    truth = np.array([place[label] for label in labels], dtype=np.int64)
    fold = folds(labels, groups, PARTS)
    rounds = 1 if len(texts) > MANY else 2 if len(texts) > FEW else PARTS
    scores, truths = [], []
    for part in range(rounds):
        if progress is not None:
            progress("calibrating", part, rounds)
        kept, held = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        if not len(held) or len(np.unique(truth[kept])) < 2:
            continue
        vocabulary, weights, bias = _solve(_features(texts, tags, kept), truth[kept], len(names))
        scores.append(vocabulary.rows(_features(texts, tags, held)).times(weights, bias))
        truths.append(truth[held])
    if progress is not None:
        progress("training", rounds, rounds + 1)
    vocabulary, weights, bias = _solve(grams(texts, tags), truth, len(names))
    # Without held-out scores (a handful of examples) nothing is known about confidence: stay near even odds.
    temperature = best_temperature(np.concatenate(scores), np.concatenate(truths)) if scores else 1.0
    return Fit(names, vocabulary, weights, bias, temperature)


def _features(texts: Sequence[str], tags: Sequence[Sequence[str]] | None, places: Ints) -> Grams:
    chosen = places.tolist()
    return grams([texts[i] for i in chosen], [tags[i] for i in chosen] if tags is not None else None)


def _solve(batch: Grams, truth: Ints, labels: int) -> tuple[Vocabulary, Floats, Floats]:
    vocabulary = Vocabulary.learn(batch)
    rows = vocabulary.rows(batch)
    matrix = csr_matrix((rows.values, rows.columns, rows.start), shape=(batch.texts, vocabulary.size))
    machine = LinearSVC(C=PENALTY, tol=TOLERANCE, random_state=SEED).fit(matrix, truth)
    coefficients, intercepts = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:
        coefficients, intercepts = np.vstack((-coefficients, coefficients)), np.concatenate((-intercepts, intercepts))
    weights = np.zeros((vocabulary.size, labels), dtype=np.float32)
    bias = np.full(labels, NEVER, dtype=np.float32)
    weights[:, machine.classes_] = coefficients.T
    bias[machine.classes_] = intercepts
    return vocabulary, weights, bias
