"""``caseworker eval``: how good the local model is on labelled text, and how far its confidence can be trusted.

Its commands measure a change against what people decided: `cases` replays the past, `shadow` reads what ran beside the live.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from integrations.models.evaluation import Evaluation, evaluate, read_labelled
from workers.cli.failures import Failure
from workers.cli.replaying import cases, shadow
from workers.cli.screen import AsJson, say, show_json, show_table

app = typer.Typer(add_completion=False)
app.command()(cases)
app.command()(shadow)


@app.callback(invoke_without_command=True)
def measure(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV file with a header line: texts to learn from.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV file to judge. [default: parts of --data, held out]")
    ] = None,
    text_column: Annotated[str, typer.Option(help="The column with the text.")] = "text",
    label_column: Annotated[str, typer.Option(help="The column with the right answer.")] = "label",
    as_json: AsJson = False,
) -> None:
    """Measure the local model, or a change against what people decided.

    With --data: trains the classifier that serves without a model key on your own texts, and says how often it is right, how
    sure it must be for how much of the work, and what it mixes up. Nothing is kept, and nothing leaves this machine.
    """
    if context.invoked_subcommand is not None:
        return
    if data is None:
        raise Failure("Say what to measure: --data FILE with labelled texts, or `caseworker eval cases`.")
    try:
        rows = read_labelled(data, text_column, label_column)
        unseen = read_labelled(test, text_column, label_column) if test else None
        # On stderr, so that --json can be piped on.
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task = bar.add_task("reading", total=None)
            found = evaluate(
                rows,
                unseen,
                progress=lambda what, done, of: bar.update(task, description=what, completed=done, total=of),
            )
    except ValueError as error:
        raise Failure(str(error)) from error
    if as_json:
        show_json(found.as_dict())
    else:
        _show(found)


def _show(found: Evaluation) -> None:
    say(f"{found.method}: trained on {found.trained_on}, tested on {found.tested_on}, {found.labels} labels")
    say(f"  accuracy           {found.accuracy:.1%}")
    say(f"  macro F1           {found.macro_f1:.3f}")
    say(f"  calibration error  {found.calibration_error:.3f}")
    say(f"  training {found.training_seconds:.1f} s, then {found.texts_per_second:,.0f} texts a second")
    rows = [(f"{c.threshold:.2f}", f"{c.coverage:.1%}", f"{c.accuracy:.1%}") for c in found.coverage]
    show_table(
        "\nWhere it is sure enough", ("at least this sure", "share of the texts", "of these right"), rows, nothing=""
    )
    mixed = [(c.truth, c.predicted, c.count) for c in found.confusions]
    show_table("\nWhat it mixes up", ("is", "taken for", "times"), mixed, nothing="It mixed nothing up.")
