"""The order in which closed cases leave the database: write a month's file, read it back and prove it, seal, then remove.

Killed anywhere, the next run goes on where this one was. Before the seal the database holds everything, and the file is
written anew; after it the file is proved and holds everything, and what is left to remove is removed. No case is in
neither, and none is in two files unless it changed in between. Called by ``caseworker archive``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from workers import faults
from workers.archive import file
from workers.log import logger
from workers.store import archive as store
from workers.store import schema
from workers.store.archive import Archive, Exported
from workers.store.database import Database

#: vendors send a message again for days; whoever removes its event sooner would take it for a new one
LEAST_DAYS = 30
#: cases read for the file, and removed, in one transaction: some tens of milliseconds
BATCH = 200

CRASH_POINTS = (
    "archive.begun",
    "archive.writing",
    "archive.written",
    "archive.proved",
    "archive.sealed",
    "archive.removing",
    "archive.removed",
)


class NotNow(Exception):
    """Nothing can be archived like this; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of closing, and how many of its cases can go."""

    name: str
    begins: datetime
    ends: datetime
    closed: int
    over: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file."""

    month: str
    file: str
    cases: int
    removed: int
    changed: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Run:
    """What every step needs."""

    db: Database
    folder: Path
    operator: str
    clock: Callable[[], datetime]


def first_of_month(text: str) -> datetime:
    """``2026-08`` as the moment at which that month begins. Raises ValueError."""
    return datetime.strptime(f"{text}-01", "%Y-%m-%d").replace(tzinfo=UTC)


def last_whole_month(now: datetime, days: int) -> datetime:
    """The latest beginning of a month that lies at least so many days back: whole months, one file each."""
    return (now - timedelta(days=days)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def months(db: Database, *, before: datetime) -> list[Month]:
    """The months in which cases closed, up to a moment, oldest first."""
    found: list[Month] = []
    since: datetime | None = None
    while True:
        with db.read() as tx:
            earliest = store.earliest_closing(tx, since=since, before=before)
            if earliest is None:
                return found
            begins = earliest.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            ends = min(_next(begins), before)
            found.append(Month(f"{begins:%Y-%m}", begins, ends, *store.count(tx, begins, ends)))
        since = ends


def must_be_old_enough(before: datetime, *, now: datetime) -> None:
    """Raise `NotNow` where what closed before a moment is still too young to go."""
    latest = now - timedelta(days=LEAST_DAYS)
    if before > latest:
        raise NotNow(
            f"Cases closed after {latest:%Y-%m-%d} are kept: a vendor may send a message again for days, and without the "
            f"first one it would open a new case. Choose at least {LEAST_DAYS} days, or say --force."
        )


def archive(run: Run, *, before: datetime, force: bool = False) -> Iterator[Outcome]:
    """Finish what an earlier run began, then archive every month before a moment. Raises `NotNow`."""
    if not force:
        must_be_old_enough(before, now=run.clock())
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with store.alone(run.db):
            yield from _archive(run, before)
    except store.Gone:
        raise NotNow(
            "Another run took this one for dead and began anew, as the connection that kept it out was lost: nothing was removed here."
        ) from None
    except store.Alone:
        raise NotNow("Another run is archiving this database just now, or somebody is being erased from it.") from None
    except store.Unsealed:
        raise NotNow("The audit log's newest entries are not anchored yet: try again in a few minutes.") from None


def _archive(run: Run, before: datetime) -> Iterator[Outcome]:
    with run.db.read() as tx:
        unfinished = [one for one in store.listing(tx) if one.state != "done"]
    for begun in unfinished:
        if begun.state == "sealed":
            yield _remove(run, begun)
        else:
            _forget(run, begun)
    for month in months(run.db, before=before):
        if month.over:
            yield _remove(run, _write(run, month))


def _forget(run: Run, begun: Archive) -> None:
    """A file that was cut off before its seal: the database still holds all of it."""
    path = Path(begun.file)
    file.partial(path).unlink(missing_ok=True)
    if path.exists() and _is_of(path, begun):
        path.unlink()
    with run.db.write() as tx:
        store.forget_entries(tx, begun.id)
        store.drop(tx, begun.id)


def _is_of(path: Path, begun: Archive) -> bool:
    """Whether it is the file that was begun, and not somebody else's that stands in its place."""
    try:
        return file.head(path).get("archive") == begun.id
    except file.Broken:
        return False


def _write(run: Run, month: Month) -> Archive:
    """A proved and sealed file of a month."""
    begun = _begin(run, month)
    faults.point("archive.begun")
    path = Path(begun.file)
    with run.db.read() as tx:
        revision = schema.revision(tx)
    head = {"month": month.name, "part": begun.part, "archive": begun.id, "schema": revision}
    written = file.write(path, {**head, "written_at": run.clock().isoformat()}, _export(run.db, month))
    faults.point("archive.written")
    _prove(run.db, begun, path, written)
    faults.point("archive.proved")
    with run.db.write() as tx:
        store.seal(
            tx,
            begun,
            name=path.name,
            sha256=written.sha256,
            size=written.size,
            count=written.foot["cases"],
            entries=written.foot["entries"],
            digest=written.foot["seal"],
            operator=run.operator,
            now=run.clock(),
        )
    faults.point("archive.sealed")
    logger.info("archive_sealed", month=month.name, file=path.name, sha256=written.sha256, cases=written.foot["cases"])
    with run.db.read() as tx:
        return next(one for one in store.listing(tx, month=month.name) if one.id == begun.id)


def _begin(run: Run, month: Month) -> Archive:
    """Take the month's next free number. A file that is there already is never written over: nobody here knows it."""
    with run.db.write() as tx:
        part = 1 + max((one.part for one in store.listing(tx, month=month.name)), default=0)
        while (path := run.folder / _name(month.name, part)).exists():
            part += 1
        return store.begin(tx, month.name, part, str(path.resolve()), run.clock())


def _export(db: Database, month: Month) -> Iterator[dict[str, Any]]:
    after: tuple[datetime, str] | None = None
    while True:
        with db.read() as tx:
            page = store.ids(tx, month.begins, month.ends, after=after, limit=BATCH)
            held = store.whole(tx, [case_id for _, case_id in page])
        if not page:
            return
        yield from held
        faults.point("archive.writing")
        after = page[-1]


def _prove(db: Database, begun: Archive, path: Path, written: file.Written) -> None:
    """Read the file back from its disk, prove every chain in it, and keep the numbers and hashes of its entries."""
    with db.write() as tx:
        store.forget_entries(tx, begun.id)
    cases = file.cases(path)
    number = 0
    while batch := list(islice(cases, BATCH)):
        entries = [entry for held in batch for entry in held["audit"]]
        if entries:
            ids = [entry["id"] for entry in entries]
            with db.write() as tx:
                store.keep_entries(tx, begun.id, number, min(ids), max(ids), file.pairs(entries))
            number += 1
    if file.fingerprint(path) != (written.sha256, written.size):
        raise file.Broken(f"{path} does not read back as it was written: nothing was removed")


def _remove(run: Run, sealed: Archive) -> Outcome:
    """Remove from the database what a sealed file holds and what has not changed since."""
    path = _where(run, sealed)
    faults.point("archive.removing")
    cases = file.cases(path)
    while batch := [_exported(held) for held in islice(cases, BATCH)]:
        with run.db.write() as tx:
            store.remove(tx, sealed.id, batch)
        faults.point("archive.removed")
    with run.db.write() as tx:
        store.finish(tx, sealed.id, run.clock())
    with run.db.read() as tx:
        done = next(one for one in store.listing(tx, month=sealed.month) if one.id == sealed.id)
    return Outcome(
        done.month, str(path), done.cases or 0, done.removed, done.changed, done.bytes or 0, done.sha256 or ""
    )


def _where(run: Run, sealed: Archive) -> Path:
    """The sealed file, where it was written or in the folder given now, and still the same."""
    known = Path(sealed.file)
    path = known if known.exists() else run.folder / known.name
    if not path.exists():
        raise NotNow(
            f"{known} is missing. It holds cases that are being removed from the database: put it back, or name its "
            "folder with --to."
        )
    if file.fingerprint(path)[0] != sealed.sha256:
        raise NotNow(f"{path} is not the file that was proved (SHA-256 differs): put the right one back.")
    if path != known:
        with run.db.write() as tx:
            store.moved(tx, sealed.id, str(path.resolve()))
    return path


def _exported(held: dict[str, Any]) -> Exported:
    case, entries = held["case"], held["audit"]
    seq, digest = (entries[-1]["seq"], entries[-1]["hash"]) if entries else (0, "")
    moment = datetime.fromisoformat(case["updated_at"])
    return Exported(case["id"], case["version"], moment, case["events_total"], seq, digest)


def _name(month: str, part: int) -> str:
    return f"cases-{month}.jsonl.gz" if part == 1 else f"cases-{month}.{part}.jsonl.gz"


def _next(begins: datetime) -> datetime:
    return (begins + timedelta(days=32)).replace(day=1)
