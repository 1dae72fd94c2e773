"""``caseworker policy suggest`` and ``policy autonomy``: what might run by itself, and how what does is doing.

The first proposes only when told to, for whoever is named, and then people decide on it; the second looks only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workers.autonomy.drafting import is_earned
from workers.autonomy.keeping import keep
from workers.autonomy.proposing import Looked, Suggestion, look, propose
from workers.cli import opening, wired
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, AsPerson, say, show_json, show_table, when
from workers.governance import NotProposed
from workers.governance.rights import may_propose
from workers.learning.collect import collect
from workers.store import autonomy_watches
from workers.store.autonomy_watches import Watch
from workers.wiring import System


def suggest(
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write each proposal's files there.")] = None,
    send: Annotated[bool, typer.Option("--propose", help="Put it to the people who decide on the policy.")] = False,
    rule: Annotated[str | None, typer.Option(help="Only the proposal for this rule, as listed.")] = None,
    as_person: AsPerson = None,
    as_json: AsJson = False,
) -> None:
    """Find what people always said yes to, and propose that it runs by itself, as a diff with its evidence."""
    with wired.system(opening.settings()) as system:
        by = _whoever(system, as_person, send=send)
        # What was decided in the last minute counts as well.
        collect(system)
        keep(system)
        looked = look(system, by)
        chosen = [one for one in looked.suggestions if rule in (None, one.rule)]
        if rule is not None and not chosen:
            known = ", ".join(one.rule for one in looked.suggestions) or "none"
            raise Failure(f"Nothing is to be proposed for {rule!r}; there is {known}.")
        opened: dict[str, str] = {}
        if send and len(chosen) > 1:
            raise Failure(
                f"One at a time, as each changes the policy: --rule {' or --rule '.join(o.rule for o in chosen)}."
            )
        for one in chosen if send else ():
            try:
                opened[one.rule] = propose(system, one, by).id
            except NotProposed as error:
                raise Failure(str(error)) from error
    if out is not None:
        for one in chosen:
            _write(out, one)
    if as_json:
        show_json({"suggestions": [_as_json(one, opened.get(one.rule)) for one in chosen], "lacking": looked.lacking})
        return
    _show(looked, chosen, opened, out)


def autonomy(as_json: AsJson = False) -> None:
    """Show what each allow rule let through, how much of it went wrong, and how near its autonomy is to being taken back."""
    with opening.database() as db, db.read() as tx:
        found = autonomy_watches.listing(tx)
    if as_json:
        show_json([_watch(one) for one in found])
        return
    rows = [
        (
            one.rule,
            one.outcomes - one.sampled,
            one.sampled,
            one.wrong,
            f"{one.peak:.3g} of {1 / one.alpha:.3g}",
            _state(one),
            when(one.since),
        )
        for one in found
    ]
    columns = ("rule", "ran by itself", "looked at", "went wrong", "suspicion", "state", "since (UTC)")
    show_table("Under test", columns, rows, nothing="Nothing has run by itself yet.")
    for one in found:
        if one.taken_back:
            say(f"{one.rule} was taken back at {when(one.taken_back_at)}. {one.reason}")


def _whoever(system: System, as_person: str | None, *, send: bool) -> str:
    """Who answers for it: for a look, whoever sits here."""
    if not send and as_person is None:
        return opening.operator()
    person = opening.person(system.db, as_person)
    if send and not may_propose(person):
        raise Failure(f"{person.email} may not propose a policy: that is for leads.")
    return person.actor


def _show(looked: Looked, chosen: list[Suggestion], opened: dict[str, str], out: Path | None) -> None:
    for one in chosen:
        say(one.sentence)
        if one.in_the_way:
            say(f"Today people are asked by {', '.join(one.in_the_way)}; waived under the rule's own condition.")
        say(f"Of the last {one.report.judged} decisions, {one.freed} would not have needed a person.")
        if one.rule in opened:
            say(f"Proposed: see the case {opened[one.rule]}.")
        elif out is not None:
            say(f"Written to {out / one.rule.replace('/', '-')}.")
        else:
            say(one.drafted.diff)
    rows = [
        (one.kind, one.domain, f"{one.agreed} of {one.seen}" if one.seen else "", one.why) for one in looked.lacking
    ]
    show_table(
        "Not proposed",
        ("kind", "domain", "agreed", "because"),
        rows,
        nothing="" if chosen else "No decisions are kept yet.",
    )


def _write(out: Path, one: Suggestion) -> None:
    folder = out / one.rule.replace("/", "-")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in one.drafted.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        # Not .yaml, so that the folder is a policy as it is.
        (folder / "proposal.diff").write_text(one.drafted.diff, encoding="utf-8")
    except OSError as error:
        raise Failure(f"The proposal cannot be written to {folder}: {error.strerror}.") from error


def _as_json(one: Suggestion, case_id: str | None) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "domain": one.domain,
        "kind": one.kind,
        "sentence": one.sentence,
        "condition": one.condition,
        "in_the_way": one.in_the_way,
        "evidence": one.evidence,
        "policy_hash": one.drafted.policy.hash,
        "diff": one.drafted.diff,
        "backtest": one.report.as_json(),
        "case": case_id,
    }


def _watch(one: Watch) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "state": _state(one),
        "let_through": one.outcomes - one.sampled,
        "sampled": one.sampled,
        "agreed": one.outcomes - one.wrong,
        "wrong": one.wrong,
        "suspicion": one.suspicion,
        "peak": one.peak,
        "threshold": 1 / one.alpha,
        "tolerated": one.tolerated,
        "since": one.since,
        "taken_back_at": one.taken_back_at,
        "reason": one.reason,
    }


def _state(one: Watch) -> str:
    if one.taken_back:
        return "taken back"
    return "under test" if is_earned(one.rule) else "watched only"
