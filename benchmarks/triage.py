"""What the local classifier is worth on labelled texts: accuracy, calibration, speed. By hand, on any CSV file:

    python benchmarks/triage.py messages.csv --text-column text --label-column category [--test other.csv]

Without a test file it cross-validates in five folds. Prints a table, and one line of JSON at the end for comparing runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from integrations.models.classifier import Classifier
from integrations.models.evaluation import Evaluation, Unreadable, evaluate, read_labelled


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", default="category")
    parser.add_argument("--test", type=Path, help="a file with the same columns to judge instead of cross-validating")
    options = parser.parse_args()
    console = Console(stderr=True)
    try:
        rows = read_labelled(options.data, options.text_column, options.label_column)
        test = read_labelled(options.test, options.text_column, options.label_column) if options.test else None
        with console.status("starting") as status:
            found = evaluate(
                rows, test, cross_validate=True, progress=lambda what, done, of: status.update(f"{what} {done}/{of}")
            )
            status.update("one text at a time")
            single = _one_at_a_time([row.text for row in rows], [row.label for row in rows])
    except Unreadable as error:
        console.print(f"[red]{error}")
        return 1
    _show(found, single)
    print(json.dumps({"file": options.data.name, "milliseconds_single": single, **found.as_dict()}))
    return 0


def _one_at_a_time(texts: list[str], labels: list[str], *, of: int = 2_000, asked: int = 500) -> float:
    """Milliseconds for one text asked alone, as a case asks: no batch to share the overhead."""
    classifier = Classifier.train(texts[::-1][:of], labels[::-1][:of])
    started = time.perf_counter()
    for text in texts[:asked]:
        classifier.predict([text])
    return round((time.perf_counter() - started) / min(asked, len(texts)) * 1000, 3)


def _show(found: Evaluation, single: float) -> None:
    table = Table("measure", "value", title=f"{found.method}: {found.tested_on:,} texts, {found.labels} labels")
    table.add_row("accuracy", f"{found.accuracy:.4f}")
    table.add_row("macro F1", f"{found.macro_f1:.4f}")
    table.add_row("expected calibration error", f"{found.calibration_error:.4f}")
    table.add_row("texts per second, in batches", f"{found.texts_per_second:,.0f}")
    table.add_row("milliseconds, one at a time", f"{single:.2f}")
    table.add_row("training, seconds", f"{found.training_seconds:.1f}")
    for row in found.coverage:
        table.add_row(f"confidence ≥ {row.threshold:.2f}", f"{row.coverage:.1%} of texts, {row.accuracy:.1%} right")
    for pair in found.confusions[:5]:
        table.add_row(f"{pair.truth} taken for", f"{pair.predicted} ({pair.count})")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
