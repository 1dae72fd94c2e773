"""Erasing a person: everywhere at once, with a dry run that counts, and honest about what it cannot reach.

Called by ``caseworker memory forget --customer … --everything``. Works in lots, so a person with thousands of cases stops
nobody; cut off, it is run again and does the rest. The audit log is told of each case, with ids and never with the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from workers.agents.remembered import customer_key
from workers.archive import file
from workers.log import logger
from workers.store import archive, audit, erasure
from workers.store.audit import SYSTEM, Note
from workers.store.database import Database, StoreUnavailable

#: cases in one transaction
LOT = 50


class StillOpen(Exception):
    """Cases of this person are still open. The message names them."""


class Archiving(Exception):
    """Closed cases are being put into files just now. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Archived:
    """An archive file that holds cases of this person, or that could not be read, with the reason."""

    file: str
    cases: tuple[str, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What would be erased, or was, and what is out of reach."""

    customer: str
    dry_run: bool
    cases: int
    rows: Mapping[str, int]
    open: tuple[str, ...] = ()
    archives: tuple[Archived, ...] = ()
    mentioned_in: tuple[str, ...] = ()
    named_in_log: int = 0
    compacted: bool = False


def survey(db: Database, address: str, folder: Path) -> Erasure:
    """What would be erased. `folder` is where archives are looked for that are no longer where they were written."""
    key = customer_key(address)
    with db.read() as tx:
        ids = erasure.cases_of(tx, key)
        archives = archive.listing(tx)
        found = Erasure(
            customer=key,
            dry_run=True,
            cases=len(ids),
            rows=erasure.count(tx, ids, key),
            open=tuple(erasure.still_open(tx, ids)),
            mentioned_in=tuple(erasure.mentions(tx, ids, key)),
            named_in_log=erasure.named_in_log(tx, ids, key),
        )
    # Reading the files takes longer than the server leaves a transaction open in which nothing is asked.
    found = replace(found, archives=_archives(archives, key, folder))
    if gone := _cases_in(found.archives):
        with db.read() as tx:
            found = replace(found, rows=erasure.count(tx, ids, key, archived=gone))
    return found


def erase(db: Database, address: str, folder: Path, *, by: str, clock: Callable[[], datetime]) -> Erasure:
    """Erase everything of a person that is in the database. Raise `StillOpen` or `Archiving`, and then nothing was touched."""
    try:
        # Else a case could go into a file after it was looked which files hold any.
        with archive.alone(db):
            return _erase(db, address, folder, by, clock)
    except archive.Alone:
        raise Archiving("`caseworker archive` is running on this database: try again when it has ended.") from None


def _erase(db: Database, address: str, folder: Path, by: str, clock: Callable[[], datetime]) -> Erasure:
    found = survey(db, address, folder)
    if found.open:
        raise StillOpen(
            f"{len(found.open)} cases are still open and being worked on: {', '.join(found.open[:5])}. Close them first."
        )
    key = found.customer
    # Reading the archives takes its time: a case that was opened meanwhile is being worked on, and stays.
    with db.read() as tx:
        ids = erasure.cases_of(tx, key)
        opened = erasure.still_open(tx, ids)
    ids = [case_id for case_id in ids if case_id not in opened]
    for start in range(0, len(ids), LOT):
        lot = ids[start : start + LOT]
        with db.write() as tx:
            now = clock()
            erasure.erase_cases(tx, lot, key, now)
            erasure.erase_rest(tx, lot, None, by, now)
            for case_id in lot:
                audit.append(tx, case_id, now, Note(by, "erased", {"case": case_id}))
    # What goes by the address comes last: through it a run that was cut off finds the cases that are left.
    with db.write() as tx:
        erasure.erase_rest(tx, [*ids, *_cases_in(found.archives)], key, by, clock())
        audit.append(tx, SYSTEM, clock(), Note(by, "person_erased", {"cases": len(ids), "rows": dict(found.rows)}))
    return Erasure(
        customer=key,
        dry_run=False,
        cases=len(ids),
        rows=found.rows,
        open=tuple(opened),
        archives=found.archives,
        mentioned_in=found.mentioned_in,
        named_in_log=found.named_in_log,
        compacted=_compacted(db),
    )


def _compacted(db: Database) -> bool:
    try:
        erasure.compact(db)
    except StoreUnavailable as error:
        logger.warning("not_compacted", reason=type(error).__name__)
        return False
    return True


def _cases_in(archives: Iterable[Archived]) -> list[str]:
    """Cases of theirs that left the database: what was learned from them is still there."""
    return [case_id for one in archives for case_id in one.cases]


def _archives(known: list[archive.Archive], key: str, folder: Path) -> tuple[Archived, ...]:
    """Which files hold cases of this person. Each is read from end to end: there is no index of who is in it."""
    found = []
    for one in known:
        written = Path(one.file)
        path = written if written.exists() else folder / written.name
        if not path.exists():
            found.append(Archived(one.file, unread="it is not where it was written"))
            continue
        try:
            held = tuple(
                str(kept["case"]["id"])
                for kept in file.cases(path)
                if str(kept["case"].get("customer") or "").casefold() == key
            )
        except (file.Broken, OSError) as error:
            found.append(Archived(str(path), unread=str(error)))
            continue
        if held:
            found.append(Archived(str(path), held))
    return tuple(found)
