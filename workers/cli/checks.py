"""What can be wrong with an installation, looked at piece by piece, so that one broken piece hides no other.

Called by ``caseworker doctor``. Changes nothing, asks no model, shows no secret.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta

from integrations import registry
from workers.cli import fleet_checks, interpreter, model_checks, opening, policy_checks, spelling_checks
from workers.cli.addresses import without_password
from workers.cli.failures import unavailable
from workers.cli.findings import Finding, Level
from workers.settings import Settings, vendor_environment
from workers.store import actions, audit, cases, due, people, schema, server, switches
from workers.store.database import Database, StoreUnavailable, Tx
from workers.store.records import ActionState

#: what has been due for so long is worked by nobody
NOBODY_WORKS = timedelta(minutes=2)
CLOCK_SLACK = timedelta(seconds=5)
#: a busy day's cases and their log on SQLite
LEAST_FREE_BYTES = 100 * 2**20
_LACKING = {
    schema.Standing.BEHIND: ("lacks tables of this version", "Run `caseworker migrate`."),
    schema.Standing.TOO_NEW: (
        "belongs to a newer version, which took away what this one needs",
        "Start the newer version.",
    ),
}


def shown(found: Settings) -> dict[str, str]:
    """The settings in force by variable, without what is secret in them. Pydantic hides what it knows to be."""
    values = {**found.model_dump(), "database_url": found.database}
    return {f"CASEWORKER_{name.upper()}": without_password(str(value)) for name, value in values.items()}


def examine(found: Settings) -> Iterator[Finding]:
    """Everything, in the order in which things depend on each other."""
    env = vendor_environment()
    yield _python()
    yield from spelling_checks.misspelt(found, env)
    yield _data(found)
    yield from _database(found)
    yield from _broker(found)
    yield policy_checks.files(found)
    yield from policy_checks.shadow(found)
    yield from model_checks.models(env, found.models_file)
    yield model_checks.privacy(found)
    yield from _sources(env, sample=found.sample_company)


def _python() -> Finding:
    if not interpreter.plain():
        return Finding("python", Level.OK, interpreter.named())
    return Finding(
        "python",
        Level.NOTE,
        f"{interpreter.named()} was built without optimisations: the same work takes up to a fifth more processor.",
        "Use your system's Python or an official image, or build it with --enable-optimizations --with-lto (pyenv: "
        "PYTHON_CONFIGURE_OPTS).",
    )


def _data(found: Settings) -> Finding:
    folder = found.data.absolute()
    # Asked in a way that tells no difference between what is not there and what cannot be seen.
    there = next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "data folder", Level.PROBLEM, f"{folder} cannot be written to.", "Change its owner, or set CASEWORKER_DATA."
        )
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        told = f"{folder} is on a disk with {free // 2**20} MiB left: when it is full, nothing is stored any more."
        return Finding("data folder", Level.PROBLEM, told, "Make room there, or set CASEWORKER_DATA.")
    return Finding("data folder", Level.OK, str(folder))


def _database(found: Settings) -> Iterator[Finding]:
    shown_url = without_password(found.database)
    try:
        there = opening.exists(found)
    except OSError as error:
        told = f"{shown_url} cannot be looked at: {error.strerror}."
        yield Finding("database", Level.PROBLEM, told, "Change the owner of its folder, or set CASEWORKER_DATA.")
        return
    if not there:
        yield Finding(
            "database",
            Level.NOTE,
            f"{shown_url} is not there yet.",
            "`caseworker up` or `caseworker migrate` makes it.",
        )
        return
    db = Database(found.database, connections=2)
    try:
        lacking = _LACKING.get(schema.standing(db))
        if lacking is not None:
            what, remedy = lacking
            yield Finding("database", Level.PROBLEM, f"{shown_url} {what}.", remedy)
            return
        if server.shares_sessions(db):
            yield Finding("database", Level.PROBLEM, f"{shown_url} {opening.SHARED}", opening.SHARED_REMEDY)
            return
        yield Finding("database", Level.OK, f"{shown_url}, up to date")
        with db.read() as tx:
            yield from fleet_checks.database_server(tx, opening.now())
            if not _alone(found):
                yield from fleet_checks.living(tx, opening.now())
            yield from _rows(tx)
        yield from policy_checks.in_force(found, db, opening.now())
    except StoreUnavailable as error:
        yield Finding("database", Level.PROBLEM, unavailable(error), "Start it, or mend CASEWORKER_DATABASE_URL.")
    finally:
        db.dispose()


def _rows(tx: Tx) -> Iterator[Finding]:
    now = opening.now()
    newest = audit.since(tx, audit.last_id(tx) - 1)
    if newest and newest[-1].at > now + CLOCK_SLACK:
        yield Finding(
            "clock",
            Level.PROBLEM,
            f"The newest entry of the audit log is {newest[-1].at - now} ahead of this machine's clock.",
            "Set the clock of this machine, and let it be kept by NTP.",
        )
    else:
        yield Finding("clock", Level.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC")
    overdue = len(cases.due(tx, now - NOBODY_WORKS, 1000)) + len(actions.due(tx, now - NOBODY_WORKS, 1000))
    if overdue:
        yield Finding(
            "work",
            Level.PROBLEM,
            f"{overdue} cases and actions have been due for more than {NOBODY_WORKS.seconds // 60} minutes, "
            f"the oldest for {due.waiting(tx, now).lag(now):.0f} s.",
            "Start `caseworker up`, or `caseworker worker` and `caseworker sweep`; if they run, read their logs.",
        )
    else:
        yield Finding("work", Level.OK, "nothing is overdue")
    if not people.count(tx):
        yield Finding(
            "people", Level.NOTE, "Nobody can sign in.", "`caseworker up` adds somebody, `caseworker user add` too."
        )
    for switch in switches.listing(tx):
        told = f"{switch.scope} is thrown since {switch.thrown_at:%Y-%m-%d %H:%M} UTC: {switch.reason}"
        yield Finding("switch", Level.NOTE, told, f"`caseworker switch release {switch.scope}` lets actions go on.")
    uncertain = actions.open_by_state(tx).get(ActionState.UNCERTAIN, 0)
    if uncertain:
        told = f"Of {uncertain} actions nobody knows whether they happened."
        yield Finding("actions", Level.NOTE, told, "`caseworker inbox list` names them; look at the other side.")


def _broker(found: Settings) -> Iterator[Finding]:
    url = without_password(found.broker_url)
    if _alone(found):
        yield Finding("broker", Level.OK, f"{url} in the process of `caseworker up`")
        return
    yield from fleet_checks.broker(found.broker_url, url)


def _alone(found: Settings) -> bool:
    """Whether all runs in one process, which no other could see."""
    return found.broker_url.startswith("memory:")


def _sources(env: Mapping[str, str], *, sample: bool) -> Iterator[Finding]:
    try:
        sources = registry.webhooks(env)
    except ValueError as error:
        yield Finding(
            "sources", Level.PROBLEM, str(error), "Mend the secret; docs/sources/ has a page for each source."
        )
        return
    # The sample company's secret is made with its data folder.
    on = [name for name, source in sources.items() if source is not None or (sample and name == registry.SAMPLE)]
    off = [name for name in sources if name not in on and name != registry.SAMPLE]
    yield Finding("sources", Level.OK, f"webhooks can come in from {', '.join(on) or 'nowhere'}")
    if off:
        told = f"without a secret, so refused: {', '.join(off)}"
        yield Finding("sources", Level.OK, told, f"{off[0].upper()}_WEBHOOK_SECRET and so on turn them on.")
