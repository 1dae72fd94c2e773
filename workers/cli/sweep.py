"""``caseworker sweep``: the sweeper in the foreground. Run two: one acts, the other takes over when it dies."""

from __future__ import annotations

import os
import signal
import threading
from typing import Annotated

import typer

from workers import log
from workers.cli import opening, watching, wired
from workers.cli.screen import AsJson, say, show_json
from workers.sweeper import Sweeper

app = typer.Typer(add_completion=False)

#: from the signal on, whatever hangs
STOP_SECONDS = 5.0


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
            signal.signal(ending, lambda _signal, _frame: end(sweeper))
        log.logger.info("sweeper_started", every_seconds=found.sweep_seconds)
        sweeper.run()


def end(sweeper: Sweeper) -> None:
    """Let a pass come to its end, but wait neither for a database that hangs nor for a model: nothing is lost with either."""
    last = threading.Timer(STOP_SECONDS, _leave)
    last.daemon = True
    last.start()
    sweeper.stop()


def _leave() -> None:
    log.logger.warning("stopped_while_working", running=1, remedy="another sweeper goes on")
    os._exit(0)
