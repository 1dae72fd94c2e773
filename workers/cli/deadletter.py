"""``caseworker deadletter``: messages from the queue that could not become events, with the reason; see, replay, discard them.

Mend what was wrong (a producer, a version that did not know the form yet), then replay: the usual dedupe applies. What can never
be read is discarded, and stays on record.
"""

from __future__ import annotations

import base64
from typing import Annotated

import typer

from workers import event_messages
from workers.cli import opening, wired
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_replayed, show_table, when
from workers.store import deadletters
from workers.store.deadletters import DeadLetter

app = typer.Typer(add_completion=False, no_args_is_help=True, help="See what could not be read, and replay it.")

MOST = 10_000
Letter = Annotated[str, typer.Argument(metavar="LETTER", help="Its id, as listed.")]


@app.command("list")
def listing(
    everything: Annotated[bool, typer.Option("--all", help="Also those that were replayed or discarded.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show what waits for somebody to look, newest first."""
    with opening.database() as db, db.read() as tx:
        kept = deadletters.listing(tx, waiting=not everything, limit=limit)
        more = deadletters.count(tx, waiting=not everything) - len(kept)
    if as_json:
        show_json([_facts(letter) for letter in kept])
        return
    columns = ("letter", "door", "received (UTC)", "reason", "bytes", "detail", "settled")
    rows = [
        (k.id, k.door, when(k.received_at), k.reason, len(k.body), k.detail[:80], k.replay_result or "") for k in kept
    ]
    show_table("Dead letters", columns, rows, nothing="There are no dead letters.")
    if more > 0:
        say(f"{more} more; --limit shows them.")


@app.command()
def show(letter_id: Letter, as_json: AsJson = False) -> None:
    """Show one with its headers and body. All of it is what a stranger sent."""
    with opening.database() as db, db.read() as tx:
        kept = deadletters.get(tx, letter_id)
    if kept is None:
        raise Failure(f"There is no dead letter {letter_id!r}; `caseworker deadletter list --all` names them.")
    text = _text(kept.body)
    if as_json:
        body = {"body": text} if text is not None else {"body_base64": base64.b64encode(kept.body).decode()}
        show_json({**_facts(kept), "headers": kept.headers, **body})
        return
    say(f"{kept.id} came by the {kept.door} at {when(kept.received_at)} UTC: {kept.reason}. {kept.detail}")
    for name, value in kept.headers:
        say(f"{name}: {value}")
    say(text if text is not None else f"{len(kept.body)} bytes that are no text; --json shows them in base64.")


@app.command()
def replay(
    letter_id: Annotated[str | None, typer.Argument(metavar="LETTER", help="Its id, as listed.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one that waits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Receive dead letters as if they came now. Exit status 1 if one still cannot be read."""
    if (letter_id is None) != everything:
        raise Failure("Name one dead letter, or say --all.")
    with wired.system(opening.settings()) as system:
        with system.db.read() as tx:
            # Oldest first, as they came.
            ids = [letter_id] if letter_id else deadletters.waiting_ids(tx)
        results = [(one, *event_messages.replay(system, one, operator=opening.operator())) for one in ids]
    show_replayed(results, as_json=as_json)


@app.command()
def discard(
    letter_id: Letter,
    reason: Annotated[str, typer.Option(help="Why nothing is to be done about it, for the record.")],
) -> None:
    """Say that nothing is to be done about one. It stays on record, and waits for nobody any more."""
    if not reason.strip():
        raise Failure("Say why, for the record: --reason.")
    with opening.database() as db:
        if event_messages.discard(db, letter_id, reason=reason.strip(), operator=opening.operator(), now=opening.now()):
            say(f"{letter_id}: discarded")
            return
        with db.read() as tx:
            kept = deadletters.get(tx, letter_id)
    if kept is None:
        raise Failure(f"There is no dead letter {letter_id!r}; `caseworker deadletter list --all` names them.")
    raise Failure(f"Nothing is left to do about {letter_id}: {kept.replay_result}.")


def _facts(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "door": letter.door,
        "received_at": letter.received_at,
        "reason": letter.reason,
        "detail": letter.detail,
        "size": len(letter.body),
        "replayed_at": letter.replayed_at,
        "replay_result": letter.replay_result,
    }


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
