"""What can be wrong with the policy of an installation: which is in force, whether it loads, and whether anybody could change it.

Called by ``caseworker doctor``. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from policies import loader, testing
from policies.errors import PolicyError
from workers.cli import staffing_checks
from workers.cli.findings import Finding, Level
from workers.governance import folder, staffing
from workers.rulebook import compiled
from workers.settings import FOLDER_WINS, Settings
from workers.store import policy_proof, policy_sets
from workers.store.database import Database


def files(found: Settings) -> Finding:
    """The folder's policy, whether or not it is in force."""
    report = testing.run(found.policy_dir)
    if report.policy is not None and report.ok:
        told = f"{report.policy.name}, {len(report.policy.rules)} rules, {len(report.results)} tests"
        return Finding("policy", Level.OK, told)
    first = report.problems[0] if report.problems else "there is none"
    told = f"{len(report.problems)} problems in {found.policy_dir}; the first: {first}"
    return Finding("policy", Level.PROBLEM, told, "`caseworker policy check` names all of them.")


def shadow(found: Settings) -> Iterator[Finding]:
    """The policy beside the one in force, where a folder is named. Only the sweeper reads it, which may be on another machine."""
    if found.policy_shadow_dir is None:
        return
    try:
        policy = loader.load(found.policy_shadow_dir, run_tests=False)
    except (PolicyError, OSError) as error:
        first, _, _ = str(error).partition("\n")
        told = f"{found.policy_shadow_dir} cannot be loaded, so it is not asked: {first}"
        remedy = "Mend it where the sweeper runs, or take CASEWORKER_POLICY_SHADOW_DIR away."
        yield Finding("policy shadow", Level.NOTE, told, remedy)
        return
    yield Finding("policy shadow", Level.OK, f"{policy.name} is asked too, and decides nothing")


def in_force(found: Settings, db: Database, now: datetime) -> Iterator[Finding]:
    """What the database says is in force. Raise `StoreUnavailable`."""
    with db.read() as tx:
        activation = policy_sets.in_force(tx)
    if activation is None:
        yield Finding("policy in force", Level.NOTE, "None yet: the first start takes what lies in the folder.")
        return
    try:
        policy = compiled.from_database(db, activation.hash)
    except PolicyError as error:
        yield Finding(
            "policy in force",
            Level.PROBLEM,
            f"{activation.hash[:12]} cannot be loaded, so processes keep the one before, and new ones do not start. {error}",
            "Restore the table policy_sets from a backup, or start once with CASEWORKER_POLICY_CHANGES=folder.",
        )
        return
    since = f"{activation.at:%Y-%m-%d %H:%M} UTC"
    yield Finding("policy in force", Level.OK, f"{policy.name} ({policy.hash[:12]}) since {since}, {activation.how}")
    with db.read() as tx:
        unbacked = policy_proof.unbacked(tx)
        yield from staffing_checks.findings(tx, policy, now)
    if unbacked:
        yield Finding(
            "policy history",
            Level.PROBLEM,
            f"Somebody wrote to the database behind our back. {'; '.join(unbacked)}.",
            "Find out who. Then propose the right policy, or start once with CASEWORKER_POLICY_CHANGES=folder.",
        )
    if found.policy_changes == FOLDER_WINS:
        yield Finding(
            "policy changes",
            Level.NOTE,
            f"Whoever can write to {found.policy_dir} changes the policy at the next start; nobody is asked.",
            "CASEWORKER_POLICY_CHANGES=approved asks people.",
        )
        return
    differs = folder.differing(found.policy_dir, policy)
    if differs is not None:
        yield Finding("policy folder", Level.NOTE, differs.told, folder.PROPOSE)
    with db.read() as tx:
        obstacle = staffing.obstacle(tx, policy, now)
    if obstacle is not None:
        yield Finding("policy changes", Level.NOTE, obstacle, staffing.FOLDER)
