"""``caseworker models``: which model does what, who follows when it fails, and what keeps a route from serving."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from integrations import registry
from integrations.models.routing import TASKS
from integrations.models.seating import Listed
from workers.cli import opening
from workers.cli.model_checks import NEEDED
from workers.cli.screen import AsJson, say, show_json, show_table
from workers.settings import vendor_environment

app = typer.Typer(add_completion=False)


@app.command()
def models(as_json: AsJson = False) -> None:
    """Show which model does what, and who follows when it fails.

    The routes of each task in their order, and what keeps one from serving. Asks no model. Exit status 1 when a case could
    not be worked.
    """
    found = opening.settings()
    opening.log_to("CRITICAL", "console")
    listed = registry.model_routes(vendor_environment(), routing=found.models_file)
    unserved = [task for task in NEEDED if not any(route.usable for route in listed if route.task == task)]
    if as_json:
        routes = [{**_plain(route), "usable": route.usable} for route in listed]
        show_json({"ok": not unserved, "file": found.models_file, "routes": routes})
    else:
        rows = [(f"{r.task} {r.place}", _named(r), _when(r), "yes" if r.usable else f"no: {r.why}") for r in listed]
        show_table(
            str(found.models_file), ("task", "model", "when", "serves"), rows, nothing="The file names no model."
        )
        say(_sentence(listed))
    if unserved:
        sys.exit(1)


def _named(route: Listed) -> str:
    return f"{route.provider}/{route.model}" if route.model else route.provider


def _when(route: Listed) -> str:
    return ", ".join(filter(None, (route.when, "as a last resort" if route.last_resort else "")))


def _plain(route: Listed) -> dict[str, object]:
    return {name: getattr(route, name) for name in ("task", "place", "provider", "model", "when", "last_resort", "why")}


def _sentence(listed: Sequence[Listed]) -> str:
    """What nobody does, and what follows from it."""
    without = [task for task in TASKS if not any(route.usable for route in listed if route.task == task)]
    if not without:
        return "Every task has a model."
    return f"No model for: {', '.join(without)}. What asks for them does without, or goes to a person."
