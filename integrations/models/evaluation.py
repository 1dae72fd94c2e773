"""How good the local classifier is on labelled texts: accuracy, and how far its confidence can be trusted.

The command line and the benchmarks call it. It only measures: a test set is never trained on, and without one every text
is judged by a classifier that has not seen it.
"""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from integrations.models.calibration import expected_error, folds
from integrations.models.classifier import Classifier, Prediction, Progress

THRESHOLDS: Final = (0.0, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
PARTS: Final = 5
#: With more rows than this one part in five is held out once, instead of five times in turn.
MANY: Final = 4_000
CONFUSIONS: Final = 15


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text with its true label. Texts of one `group` share their wording and are held out together."""

    text: str
    label: str
    group: str | None = None
    #: what else is known of the text, see `classifier.Tags`
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of the texts whose confidence reaches `threshold`: their share of all, and the share of them that is right."""

    threshold: float
    coverage: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Confusion:
    truth: str
    predicted: str
    count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    #: ``test set``, ``held-out fifth`` or ``5-fold cross-validation``
    method: str
    trained_on: int
    tested_on: int
    labels: int
    accuracy: float
    macro_f1: float
    calibration_error: float
    texts_per_second: float
    training_seconds: float
    coverage: tuple[Coverage, ...]
    confusions: tuple[Confusion, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Unreadable(ValueError):
    """A file of labelled texts cannot be used; the message says what to change."""


def read_labelled(path: Path, text_column: str, label_column: str) -> list[Labelled]:
    """Read a CSV file with a header line. Rows without a text or a label are left out."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path} is not UTF-8 (byte {error.start}): convert it, for example with iconv") from error
    if "\0" in text:
        raise Unreadable(f"{path} is not a text file: it holds NUL bytes")
    # Some exports end their lines in CR alone, which the csv module would refuse.
    reader = csv.DictReader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n")))
    try:
        columns = [name for name in (reader.fieldnames or []) if name]
        if not columns:
            raise Unreadable(f"{path} is empty: a header line and rows are needed")
        for wanted in (text_column, label_column):
            if wanted not in columns:
                raise Unreadable(f"{path} has no column {wanted!r}; it has {', '.join(columns)}")
        rows = [(row[text_column] or "", row[label_column] or "") for row in reader]
    except csv.Error as error:
        raise Unreadable(f"{path} line {reader.line_num}: {error}") from error
    found = [Labelled(text, label.strip()) for text, label in rows if text.strip() and label.strip()]
    if not found:
        raise Unreadable(f"{path} has no row with both {text_column!r} and {label_column!r}")
    return found


def evaluate(
    rows: Sequence[Labelled],
    test: Sequence[Labelled] | None = None,
    *,
    progress: Progress | None = None,
    cross_validate: bool | None = None,
) -> Evaluation:
    """Train on `rows` and judge `test`; without `test`, parts of `rows` that were held out.

    `cross_validate` chooses between five folds and one held-out fifth; by default few rows are cross-validated. Raise
    `ValueError` when the rows have fewer than two labels.
    """
    if test is not None:
        return _report("test set", [_round(rows, test, progress, "")])
    labels = sorted({row.label for row in rows})
    if len(labels) < 2:
        raise ValueError(f"training needs at least two different labels, got {labels!r}")
    groups = [row.group or f"row {i}" for i, row in enumerate(rows)]
    fold = folds([row.label for row in rows], groups, PARTS)
    every = len(rows) <= MANY if cross_validate is None else cross_validate
    rounds = []
    for part in range(PARTS if every else 1):
        name = f"fold {part + 1} of {PARTS}: " if every else ""
        kept = [row for row, f in zip(rows, fold, strict=True) if f != part]
        held = [row for row, f in zip(rows, fold, strict=True) if f == part]
        if len({row.label for row in kept}) < 2:
            raise ValueError(
                "too few rows: without those that are held out to judge, fewer than two different labels are left"
            )
        if held:
            rounds.append(_round(kept, held, progress, name))
    return _report(f"{PARTS}-fold cross-validation" if every else "held-out fifth", rounds)


@dataclass(frozen=True, slots=True)
class _Round:
    trained_on: int
    training_seconds: float
    predicting_seconds: float
    truths: list[str]
    predictions: list[Prediction]


def _round(rows: Sequence[Labelled], test: Sequence[Labelled], progress: Progress | None, name: str) -> _Round:
    def report(what: str, done: int, of: int) -> None:
        if progress is not None:
            progress(name + what, done, of)

    grouped = any(row.group for row in rows)
    started = time.perf_counter()
    classifier = Classifier.train(
        [row.text for row in rows],
        [row.label for row in rows],
        tags=[row.tags for row in rows],
        groups=[row.group or f"row {i}" for i, row in enumerate(rows)] if grouped else None,
        progress=report,
    )
    trained = time.perf_counter()
    predictions = classifier.predict([row.text for row in test], [row.tags for row in test])
    done = time.perf_counter()
    report("done", 1, 1)
    return _Round(len(rows), trained - started, done - trained, [row.label for row in test], predictions)


def _report(method: str, rounds: Sequence[_Round]) -> Evaluation:
    truths = [truth for part in rounds for truth in part.truths]
    predictions = [prediction for part in rounds for prediction in part.predictions]
    if not truths:
        raise ValueError("there is no text to test on")
    right = np.array([truth == guess.label for truth, guess in zip(truths, predictions, strict=True)])
    confidence = np.array([guess.confidence for guess in predictions])
    coverage = []
    for threshold in THRESHOLDS:
        sure = confidence >= threshold
        if sure.any():
            coverage.append(Coverage(threshold, float(sure.mean()), float(right[sure].mean())))
    pairs = Counter((truth, guess.label) for truth, guess in zip(truths, predictions, strict=True))
    wrong = sorted((-count, pair) for pair, count in pairs.items() if pair[0] != pair[1])
    return Evaluation(
        method=method,
        trained_on=max(part.trained_on for part in rounds),
        tested_on=len(truths),
        labels=len(set(truths)),
        accuracy=float(right.mean()),
        macro_f1=_macro_f1(pairs),
        calibration_error=expected_error(confidence.tolist(), right.tolist()),
        texts_per_second=len(truths) / max(sum(part.predicting_seconds for part in rounds), 1e-9),
        training_seconds=sum(part.training_seconds for part in rounds) / len(rounds),
        coverage=tuple(coverage),
        confusions=tuple(Confusion(*pair, -count) for count, pair in wrong[:CONFUSIONS]),
    )


def _macro_f1(pairs: Counter[tuple[str, str]]) -> float:
    """The mean over labels of the harmonic mean of precision and recall: small labels count as much as large ones."""
    real: Counter[str] = Counter()
    guessed: Counter[str] = Counter()
    for (truth, predicted), count in pairs.items():
        real[truth] += count
        guessed[predicted] += count
    return sum(2 * pairs[label, label] / (real[label] + guessed[label]) for label in real) / len(real)
