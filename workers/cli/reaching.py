"""``caseworker policy replay``: what was decided, reached again from its facts by the very policy of then.

Reads and changes nothing. Exit status 1 means that a stored record is not what its policy and its facts lead to, or not the one
that was written when it was judged.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from policies import loader
from policies.errors import PolicyError
from policies.rules import Policy
from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.rehearsing import Since, bar, moment
from workers.cli.screen import AsJson, say, show_json
from workers.rehearsal import past
from workers.rehearsal.earlier import known
from workers.rehearsal.replay import Known, Replayed, Result, engine_now, replay
from workers.settings import Settings
from workers.store import decided
from workers.store.database import Database
from workers.store.decided import Kept, Window
from workers.store.judgements import Standing

#: said of a decision that comes out the same
_RECORD = {
    Standing.AS_WRITTEN: "Its record is the one that was written when it was judged.",
    Standing.NO_DIGEST: "No digest of its record was kept then.",
}
#: that differ or cannot be reached, named at most
SHOWN = 50
_EVERY = 100


def replay_decision(
    action: Annotated[str | None, typer.Argument(metavar="[ACTION]", help="The action's id.")] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="Which revision. [default: the present one]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every decision, and count.")] = False,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Decide again with the very policy and facts of then, and compare every value of the record.

    Exit status 1 when a record differs from what its policy and facts lead to, or from what was written when it was judged.
    """
    if (action is None) is not everything:
        raise Failure("Name one action, or say --all.")
    found = opening.settings()
    with opening.database(found) as db:
        of_hash = known(db, *_in_the_folder(found))
        if action is None:
            start = moment(since, opening.now())
            with bar("deciding again", past.total(db, Window(since=start))) as moved:
                counts, telling = _counted(decided.records(db, since=start), of_hash, moved)
        else:
            counts, telling = Counter(), [replay(_one(db, action, revision), of_hash)]
            counts.update((telling[0].result, telling[0].record))
    if as_json:
        of_results = {result.value: counts[result] for result in Result}
        of_records = {stands.value: counts[stands] for stands in Standing}
        show_json({"counts": of_results, "records": of_records, "decisions": telling})
    elif action is None:
        _show_all(counts, telling)
    else:
        _show(telling[0])
    if counts[Result.DIFFERENT]:
        sys.exit(1)


def _in_the_folder(found: Settings) -> list[Policy]:
    """The folder's policy, for installations whose first decisions were made before the database kept policies."""
    try:
        return [loader.load(found.policy_dir, run_tests=False)]
    except (PolicyError, OSError):
        return []


def _one(db: Database, action: str, revision: int | None) -> Kept:
    with db.read() as tx:
        kept = decided.records_of(tx, action)
    if not kept:
        raise Failure(f"There is no action {action!r}; `caseworker inbox list` shows what waits.")
    wanted = [one for one in kept if revision in (None, one.revision)]
    if not wanted:
        raise Failure(f"{action} has no revision {revision}; it has {', '.join(str(one.revision) for one in kept)}.")
    return wanted[-1]


def _counted(
    kept: Iterable[Kept], of_hash: Known, moved: Callable[[int], None]
) -> tuple[Counter[Result | Standing], list[Replayed]]:
    counts: Counter[Result | Standing] = Counter()
    telling: list[Replayed] = []
    actions = 0
    for one in kept:
        done = replay(one, of_hash)
        counts.update((done.result, done.record))
        if done.result is not Result.SAME and len(telling) < SHOWN:
            telling.append(done)
        actions += one.revision == 1
        if actions % _EVERY == 0:
            moved(actions)
    return counts, telling


def _show_all(counts: Counter[Result | Standing], telling: Iterable[Replayed]) -> None:
    say(
        f"{sum(counts[result] for result in Result):,} decisions: {counts[Result.SAME]:,} the same bit for bit, "
        f"{counts[Result.DIFFERENT]:,} different, {counts[Result.UNKNOWN]:,} cannot be reached again."
    )
    if counts[Standing.NO_DIGEST]:
        say(
            f"Of {counts[Standing.NO_DIGEST]:,} no digest was kept then: whether a fact that no rule uses was changed is unknown."
        )
    for one in telling:
        _show(one)


def _show(one: Replayed) -> None:
    name = f"{one.action_id} revision {one.revision}"
    match one.result:
        case Result.SAME:
            say(f"{name}: the same, bit for bit, under {one.policy} ({one.policy_hash[:12]}). {_RECORD[one.record]}")
        case Result.UNKNOWN:
            say(f"{name}: cannot be reached again. {one.reason}")
        case Result.DIFFERENT:
            say(f"{name}: NOT the same under {one.policy} ({one.policy_hash[:12]}), decided by {engine_now()}:")
            for difference in (*one.differences, *filter(None, [one.reason])):
                say(f"  {difference}")
