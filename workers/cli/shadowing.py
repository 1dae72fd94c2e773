"""``caseworker policy shadow``: what another policy says of the decisions of these days, beside the one in force.

Looks, unless one is begun or ended; a shadow decides nothing in either case.
"""

from __future__ import annotations

from typing import Annotated

import typer

from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table, when
from workers.rehearsal import beside
from workers.rehearsal.beside import Beside, NotKept
from workers.store import shadow_verdicts

#: differences that are printed; --json has more
SHOWN = 30


def shadow(
    policy: Annotated[
        str | None, typer.Argument(metavar="[HASH]", help="Which shadow. [default: the one that judged last]")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=90, help="Decisions of so many days.")] = 30,
    begin: Annotated[str | None, typer.Option(metavar="HASH", help="Follow this proposed policy from now on.")] = None,
    end: Annotated[str | None, typer.Option(metavar="HASH", help="Follow it no longer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a shadow policy with the one in force on what is being decided; begin or end one.

    A folder is followed with CASEWORKER_POLICY_SHADOW_DIR. Nothing acts on what a shadow says.
    """
    if begin is not None or end is not None:
        _move(begin, end)
        return
    with opening.database() as db, db.read() as tx:
        known = shadow_verdicts.known(tx)
        chosen = [one for one in known if policy is None or one.shadow.startswith(policy)]
        if not chosen:
            told = "No shadow has judged anything yet" if not known else f"No shadow begins with {policy!r}"
            raise Failure(f"{told}. CASEWORKER_POLICY_SHADOW_DIR sets one; docs/rehearsing-a-policy.md says how.")
        found = beside.gather(tx, chosen[0], days=days, now=opening.now())
    if as_json:
        show_json(found)
    else:
        _show(found)


def _move(begin: str | None, end: str | None) -> None:
    if begin is not None and end is not None:
        raise Failure("Begin one or end one, not both at once.")
    with opening.database() as db, db.write() as tx:
        try:
            moved = beside.move(
                tx, begin or end or "", begin=begin is not None, by=opening.operator(), now=opening.now()
            )
        except NotKept as error:
            raise Failure(str(error)) from error
    followed = "is followed from now on, and decides nothing" if begin is not None else "is followed no longer"
    say(f"{moved.name} ({moved.hash[:12]}) {followed}.")


def _show(found: Beside) -> None:
    differing = found.judged - found.same
    say(f"{found.shadow.name} ({found.shadow.shadow[:12]}) judged {found.judged:,} decisions in {found.days} days.")
    say(f"Of {found.same:,} it said the same; {differing:,} differ, {found.asked:,} of these in whom they ask.")
    moves = [(f"{was} → {then}", f"{count:,}") for was, then, count in found.moves]
    show_table("Another outcome", ("from → to", "decisions"), moves, nothing="No outcome is another.")
    rows = [(d.action_id, d.kind, d.was, d.would_be, d.became, when(d.decided_at)) for d in found.differences[:SHOWN]]
    columns = ("action", "kind", "was", "would be", "what became of it", "decided")
    show_table("The latest that differ", columns, rows, nothing="None differs.")
