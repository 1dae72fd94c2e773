"""``caseworker memory``: what is remembered of a customer, vendor or topic; corrected, added to, forgotten; a person erased.

Needs nobody to sign in: whoever sits at this machine is written down as the operator.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, ago, say, show_json, show_table
from workers.memory import erasing, keeping
from workers.memory.erasing import Erasure
from workers.store import memories
from workers.store.memories import Memory

app = typer.Typer(add_completion=False, no_args_is_help=True, help="See, correct and erase what is remembered.")

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="An e-mail address, customer:…, vendor:SYSTEM:ID or topic:KEYWORD.")
]
Text = Annotated[str, typer.Option("--text", metavar="WORDS", help="What is to be remembered.")]


@app.command()
def show(
    key: Key,
    whole: Annotated[bool, typer.Option("--all", help="Also what was replaced, forgotten or has expired.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is remembered of somebody or something, newest first, with where it came from."""
    about = _subject(key)
    now = opening.now()
    with opening.database() as db:
        if whole:
            with db.read() as tx:
                found = memories.history(tx, *about)
        else:
            found = memories.about(db, *about, now)
    if as_json:
        show_json(found)
        return
    rows = [(m.id, ago(m.confirmed_at, now), m.kind, m.origin, m.seen, m.case_id or "", _told(m)) for m in found]
    columns = ("memory", "age", "kind", "origin", "seen", "case", "what")
    show_table(f"{about[0].capitalize()} {about[1]}", columns, rows, nothing="Nothing is remembered.")


@app.command()
def note(key: Key, text: Text, as_json: AsJson = False) -> None:
    """Write something down to be remembered, until somebody forgets it."""
    about = _subject(key)
    with opening.database() as db, db.write() as tx:
        made = _named(keeping.note, tx, about, text, by=opening.operator(), now=opening.now())
    _show_one(made, f"Remembered as {made.id}.", as_json=as_json)


@app.command()
def correct(
    memory_id: Annotated[str, typer.Argument(metavar="ID", help="A memory, as `show` lists it.")],
    text: Text,
    as_json: AsJson = False,
) -> None:
    """Put your words in the place of a memory. The older is kept, marked as replaced, and told to no agent."""
    with opening.database() as db, db.write() as tx:
        made = _named(keeping.correct, tx, memory_id, text, by=opening.operator(), now=opening.now())
    _show_one(made, f"{made.id} stands in the place of {memory_id}.", as_json=as_json)


@app.command()
def forget(
    key: Annotated[
        str | None, typer.Argument(metavar="[ID|KEY]", help="A memory's id, or a key, of which all is forgotten.")
    ] = None,
    customer: Annotated[str | None, typer.Option(metavar="EMAIL", help="With --everything: whose data go.")] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Erase this customer's data from all closed cases, not only memory.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a memory away, or all of a key; with --customer and --everything erase a person from the database.

    There is no way back. What cannot be reached (archive files, words in the audit log) is named.
    """
    if everything != (customer is not None) or everything == (key is not None):
        raise Failure("Say a memory or a key; or --customer EMAIL together with --everything.")
    if customer is not None:
        _erase(customer, dry_run=dry_run, as_json=as_json)
        return
    now = opening.now()
    with opening.database() as db:
        with db.read() as tx:
            ids = _meant(key or "", tx)
        gone = len(ids)
        if not dry_run:
            with db.write() as tx:
                gone = _named(keeping.forget, tx, ids, by=opening.operator(), now=now)
    if as_json:
        show_json({"memories": ids, "forgotten": 0 if dry_run else gone})
    else:
        say(f"{gone} would be forgotten." if dry_run else f"{gone} forgotten.")


def _erase(customer: str, *, dry_run: bool, as_json: bool) -> None:
    found = opening.settings()
    folder = found.data / "archive"
    with opening.database(found) as db:
        try:
            told = (
                erasing.survey(db, customer, folder)
                if dry_run
                else erasing.erase(db, customer, folder, by=opening.operator(), clock=opening.now)
            )
        except (erasing.StillOpen, erasing.Archiving) as error:
            raise Failure(str(error)) from error
    if as_json:
        show_json(told)
        return
    rows = [(table, number) for table, number in told.rows.items() if number]
    say(f"{'Would be erased' if told.dry_run else 'Erased'}: {told.customer}, {told.cases} cases.")
    show_table("Rows", ("table", "rows"), rows, nothing="Nothing is kept of them.")
    for sentence in _out_of_reach(told):
        say(sentence)


def _out_of_reach(told: Erasure) -> list[str]:
    said = []
    if told.open:
        when = "to be closed first" if told.dry_run else "left alone: run the same command again once they are closed"
        said.append(f"Still open, and {when}: {', '.join(told.open)}.")
    for one in told.archives:
        if one.unread:
            said.append(f"The archive {one.file} could not be read ({one.unread}): it may hold cases of this person.")
        else:
            said.append(f"The archive {one.file} holds {len(one.cases)} of their cases, and is left as it is.")
    if told.named_in_log:
        said.append(f"{told.named_in_log} entries of the audit log name the address. They cannot be changed.")
    if told.mentioned_in:
        said.append(f"Cases of others that mention the address are left alone: {', '.join(told.mentioned_in)}.")
    if not told.dry_run and not told.compacted:
        said.append("The database was too busy to be compacted: run the same command again to do it.")
    return said


def _meant(key: str, tx: Any) -> list[str]:
    """One memory by its id, or all that is remembered of a key."""
    if memories.get(tx, key) is not None:
        return [key]
    found = [memory.id for memory in memories.history(tx, *_subject(key)) if memory.erased_at is None]
    if not found:
        raise Failure(f"Nothing is remembered of {key!r}.")
    return found


def _subject(key: str) -> tuple[str, str]:
    try:
        return keeping.subject(key)
    except ValueError as error:
        raise Failure(f"{error}.") from error


def _named(change: Any, *arguments: Any, **more: Any) -> Any:
    try:
        return change(*arguments, **more)
    except keeping.NotRemembered as error:
        raise Failure(str(error)) from error


def _show_one(memory: Memory, sentence: str, *, as_json: bool) -> None:
    if as_json:
        show_json(memory)
    else:
        say(sentence)


def _told(memory: Memory) -> str:
    if memory.erased_at is not None:
        return f"(forgotten by {memory.erased_by})"
    return f"{memory.text} (replaced by {memory.superseded_by})" if memory.superseded_by else memory.text
