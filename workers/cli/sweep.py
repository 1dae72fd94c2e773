"""``caseworker sweep``: the sweeper in the foreground. Run two: one acts, the other takes over when it dies."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from workers import log
from workers.cli import opening, watching, wired
from workers.cli.screen import AsJson, say, show_json
from workers.sweeper import Sweeper

app = typer.Typer(add_completion=False)


@app.command()
def sweep(
    once: Annotated[bool, typer.Option("--once", help="Make one pass and say how much was due.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the sweeper, which finds what is due.

    It hands on whatever a lost message, a killed worker or a broker's crash left behind, seals the audit log and drops
    old quarantine. It runs until Ctrl-C or SIGTERM.
    """
    found = opening.settings()
    opening.needs_a_broker(found, "sweep")
    with wired.system(found) as system:
        sweeper = Sweeper(system)
        if once:
            done = sweeper.once()
            if as_json:
                show_json(done)
            elif done.leading:
                say(f"{done.due} due, {done.hinted} handed on; the oldest waits {done.lag_seconds:g} s.")
            else:
                say("Another sweeper is at work.")
            return
        watching.begin(found, system, "sweep")
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda _signal, _frame: sweeper.stop())
        log.logger.info("sweeper_started", every_seconds=found.sweep_seconds)
        sweeper.run()
