"""``caseworker quarantine``: requests that were turned away, kept encrypted for a while, to be tried again.

Made for a botched rotation of a secret: mend the secret, then replay. What is listed is size, hash and reason, never content.
"""

from __future__ import annotations

from typing import Annotated

import typer

from workers.cli import opening, wired
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_replayed, show_table, when
from workers.intake import quarantining
from workers.store import quarantine

app = typer.Typer(add_completion=False, no_args_is_help=True, help="See refused requests and replay them.")

MOST = 10_000
Source = Annotated[str | None, typer.Option(help="Only those of this source.")]


@app.command("list")
def listing(
    source: Source = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show what is kept, newest first."""
    with opening.database() as db, db.read() as tx:
        kept = quarantine.listing(tx, source=source, limit=limit)
        more = quarantine.count(tx, source=source) - len(kept)
    found = [
        {
            "id": item.id,
            "source": item.source,
            "received_at": item.received_at,
            "reason": item.reason,
            "size": item.size,
            "sha256": item.sha256,
            "replayed_at": item.replayed_at,
            "replay_result": item.replay_result,
        }
        for item in kept
    ]
    if as_json:
        show_json(found)
        return
    rows = [(i.id, i.source, when(i.received_at), i.reason, i.size, i.sha256[:12], i.replay_result or "") for i in kept]
    columns = ("request", "source", "received (UTC)", "reason", "bytes", "sha-256", "replayed")
    show_table("Quarantine", columns, rows, nothing="Nothing is kept.")
    if more > 0:
        say(f"{more} more; --limit shows them.")


@app.command()
def replay(
    item_id: Annotated[str | None, typer.Argument(metavar="REQUEST", help="Its id, as listed.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every request that is kept; what came in meanwhile stays as it is.")
    ] = False,
    source: Source = None,
    as_json: AsJson = False,
) -> None:
    """Verify kept requests again with the secrets of now, and let in what is authentic. Exit status 1 if one is not."""
    if (item_id is None) != everything:
        raise Failure("Name one request, or say --all.")
    found = opening.settings()
    sources = wired.webhooks(found)
    with wired.system(found) as system:
        with system.db.read() as tx:
            # Oldest first, as they came.
            ids = [item_id] if item_id else quarantine.ids(tx, source=source)
        results = [(one, *quarantining.replay(system, sources, one, operator=opening.operator())) for one in ids]
    show_replayed(results, as_json=as_json)
