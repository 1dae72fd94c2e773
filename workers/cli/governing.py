"""``caseworker policy history``, ``show``, ``diff``, ``propose`` and ``withdraw``: what was in force, and asking for another.

Proposing opens a case on which people decide; nothing here puts a policy in force.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from policies import loader
from policies.rules import Policy
from workers.cli import opening, wired
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table, when
from workers.governance import NotProposed, differences, propose, withdraw
from workers.governance.rights import may_propose
from workers.rulebook import compiled
from workers.store import actions, policy_sets
from workers.store.database import Database, Tx
from workers.store.policy_sets import PolicySet
from workers.store.records import Person

As = Annotated[str | None, typer.Option("--as", metavar="EMAIL", help="Who proposes. [default: the only person]")]
Why = Annotated[str, typer.Option(help="Why; whoever decides reads it.")]
Hash = Annotated[
    str, typer.Argument(metavar="HASH", help="The first characters of the policy's hash, as history shows it.")
]
Either = Annotated[str, typer.Argument(metavar="HASH|DIR", help="A policy that is kept, or a folder of files.")]

SHORT = 12


def history(as_json: AsJson = False) -> None:
    """Show which policy was in force when, and who said yes to it."""
    with opening.database() as db, db.read() as tx:
        past = policy_sets.history(tx)
        waiting = policy_sets.in_state(tx, policy_sets.SetState.PROPOSED)
    if as_json:
        show_json({"activations": past, "proposed": waiting})
        return
    rows = [(when(a.at), a.hash[:SHORT], a.how, a.by.replace("person:", ""), a.action_id or "") for a in past]
    title = f"Policies in force, the latest first: {past[0].hash[:SHORT]} decides now" if past else ""
    show_table(title, ("since (UTC)", "policy", "how", "by", "action"), rows, nothing="No policy was in force yet.")
    if waiting:
        kept = [(s.hash[:SHORT], when(s.added_at), s.added_by.replace("person:", ""), s.why) for s in waiting]
        show_table("Proposed", ("policy", "at (UTC)", "by", "why"), kept, nothing="")


def show(
    which: Hash,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write its files into this new folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a policy as it was, or write its files out."""
    with opening.database() as db, db.read() as tx:
        kept = _kept(tx, which)
        files = policy_sets.of_hash(tx, kept.hash) or {}
    if out is not None:
        try:
            out.mkdir(parents=True)
        except FileExistsError as error:
            raise Failure(f"{out} is there already: name a new folder.") from error
        for name, text in files.items():
            (out / Path(name).name).write_text(text, encoding="utf-8")
        say(f"Written: {len(files)} files into {out}.")
        return
    if as_json:
        show_json({"policy": kept, "files": files})
        return
    say(f"{kept.hash}  {kept.state}\n{kept.name}\nadded {when(kept.added_at)} by {kept.added_by}: {kept.why}")
    for name, text in sorted(files.items()):
        say(f"\n── {name}\n{text}")


def diff(before: Either, after: Either, as_json: AsJson = False) -> None:
    """Say what differs between two policies, and what of it may let through what was held back."""
    with opening.database() as db:
        was, old = _either(db, before)
        would_be, new = _either(db, after)
    found = differences.between(was, would_be)
    if as_json:
        show_json(
            {
                "loosens": any(one.looser for one in found),
                "differences": [{"told": str(one), "place": one.place, "looser": one.looser} for one in found],
            }
        )
        return
    for one in found:
        say(f"{'!' if one.looser else ' '} {one}")
    if any(one.looser for one in found):
        say("! may let through what was held back.")
    if not found:
        say("They mean the same.")
    for file in differences.texts(old, new):
        say("\n".join(["", f"── {file.name}", *file.lines]))


def propose_one(
    which: Annotated[
        str, typer.Argument(metavar="DIR|HASH", help="The folder of the policy, or an earlier one's hash.")
    ],
    why: Why,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Ask people to put another policy in force: the files of a folder, or one that is kept, as to go back."""
    with wired.system(opening.settings()) as system:
        person = _proposer(system.db, as_)
        if Path(which).is_dir():
            files: dict[str, str | bytes] = dict(loader.read(Path(which)))
        else:
            with system.db.read() as tx:
                files = dict(policy_sets.of_hash(tx, _kept(tx, which).hash) or {})
        try:
            case = propose(system, files, why, person.actor)
        except NotProposed as error:
            raise Failure(str(error)) from error
        with system.db.read() as tx:
            (action, *_) = actions.of_case(tx, case.id)
    needed = " and ".join(f"{r['n']} of {r['role'] or 'anybody'}" for r in action.verdict["requirements"])
    if as_json:
        show_json({"case": case.id, "action": action.id, "state": action.state, "needed": needed, **action.arguments})
        return
    if action.state == "denied":
        raise Failure(f"The policy in force refuses this change: {action.reason}")
    say(f"Proposed as {action.id}. {action.sentence}{'' if action.sentence.endswith('…') else '.'}")
    say(f"It needs {needed}{', as it may loosen something' if action.arguments['loosens'] else ''}.")


def withdraw_one(which: Hash, why: Annotated[str, typer.Option(help="Why.")] = "", as_: As = None) -> None:
    """Take a proposal back."""
    with wired.system(opening.settings()) as system:
        person = _proposer(system.db, as_)
        with system.db.read() as tx:
            kept = _kept(tx, which)
        try:
            case = withdraw(system, kept.hash, why, person.actor)
        except NotProposed as error:
            raise Failure(str(error)) from error
    say(f"Withdrawn: {kept.hash[:SHORT]}, case {case.id}.")


def _proposer(db: Database, email: str | None) -> Person:
    person = opening.person(db, email)
    if not may_propose(person):
        raise Failure(f"{person.email} is in neither of the groups lead and admin, and may not propose a change.")
    return person


def _kept(tx: Tx, prefix: str) -> PolicySet:
    found = policy_sets.beginning_with(tx, prefix) if prefix else []
    if len(found) == 1:
        return found[0]
    if found:
        raise Failure(f"{prefix!r} begins several: {', '.join(one.hash[:SHORT] for one in found)}.")
    raise Failure(f"There is no policy {prefix!r}; `caseworker policy history` names those that were in force.")


def _either(db: Database, which: str) -> tuple[Policy, dict[str, str]]:
    """A policy with its files as text."""
    folder = Path(which)
    if folder.is_dir():
        read = loader.read(folder)
        return loader.loads(read, run_tests=False), {Path(name).name: text.decode() for name, text in read.items()}
    with db.read() as tx:
        kept = _kept(tx, which)
        files = policy_sets.of_hash(tx, kept.hash) or {}
    return compiled.kept_or_loaded(db, kept.hash), files
