"""The format of an archive: gzip over lines of JSON, a head, one line for each case with all its rows, and a foot that tells.

Whoever has the file needs nothing else to prove it: each case's entries of the audit log are a hash chain, and the foot holds
counts and a digest over every line before it. Written under a temporary name, brought to the disk, then renamed: a file
with its final name is whole. Knows no database.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from workers.store.audit import GENESIS, entry_hash
from workers.store.audit_rows import NOT_REPEATED

FORMAT = 1
#: an entry of the log as the seal counts it: number, hash
PAIR = struct.Struct(">q32s")
#: the fastest level that still makes text a tenth; the next ones take twice the time for a twentieth more
LEVEL = 6

Json = dict[str, Any]


class Broken(Exception):
    """The file is not what was written: cut off, changed, or no archive."""


@dataclass
class Count:
    """What a foot tells, taken from the lines as they pass."""

    cases: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    closed_from: str = ""
    closed_to: str = ""
    _seal: Any = field(default_factory=hashlib.sha256)
    _lines: Any = field(default_factory=hashlib.sha256)

    def line(self, raw: bytes) -> None:
        self._lines.update(raw)

    def case(self, held: Json) -> None:
        case = held["case"]
        self.cases += 1
        self.rows.update({name: len(rows) for name, rows in held.items() if name != "case"})
        self.first, self.last = self.first or case["id"], case["id"]
        self.closed_from, self.closed_to = self.closed_from or case["closed_at"], case["closed_at"]
        self._seal.update(pairs(held["audit"]))

    @property
    def seal(self) -> str:
        return str(self._seal.hexdigest())

    def foot(self) -> Json:
        return {
            "cases": self.cases,
            "rows": dict(sorted(self.rows.items())),
            "first": self.first,
            "last": self.last,
            "closed_from": self.closed_from,
            "closed_to": self.closed_to,
            "entries": self.rows["audit"],
            "seal": self.seal,
            "sha256_of_lines": self._lines.hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is on the disk, under its final name."""

    sha256: str
    size: int
    foot: Mapping[str, Any]


def write(path: Path, head: Json, cases: Iterable[Json]) -> Written:
    """Write an archive. A temporary file that an earlier try left is written over; what cannot be written to its end is removed:
    on a disk that is full, the database may need the room. Raises `OSError`, which names the file."""
    temporary = partial(path)
    try:
        return _write(path, temporary, head, cases)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(temporary)
        raise


def _write(path: Path, temporary: Path, head: Json, cases: Iterable[Json]) -> Written:
    counted = Count()
    with temporary.open("wb") as raw:
        # No name and no time in the header: the same cases make the same file.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=raw, mtime=0) as packed:
            _put(packed, counted, {"caseworker_archive": FORMAT, **head})
            for held in cases:
                counted.case(held)
                _put(packed, counted, held)
            foot = counted.foot()
            packed.write(_line({"foot": foot}))
        raw.flush()
        os.fsync(raw.fileno())
        # What is read back and proved shall come from the disk and not from memory.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    digest, size = fingerprint(temporary)
    temporary.rename(path)
    _sync_folder(path.parent)
    return Written(digest, size, foot)


def partial(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(path.name + ".partial")


def fingerprint(path: Path) -> tuple[str, int]:
    """SHA-256 and size of the file as it lies there."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest(), os.fstat(raw.fileno()).st_size


def head(path: Path) -> Json:
    """The first line. Raises `Broken`."""
    for value in _lines(path, Count()):
        return value
    raise Broken(f"{path} is empty")


def cases(path: Path) -> Iterator[Json]:
    """Every case of a file, proved as it passes: its chain, and at the end what the foot tells. Raises `Broken`."""
    counted = Count()
    values = _lines(path, counted)
    first = next(values, {})
    if first.get("caseworker_archive") != FORMAT:
        raise Broken(f"{path} is no archive that this version reads")
    foot: Json | None = None
    for value in values:
        if foot is not None:
            raise Broken(f"{path} goes on after its end")
        if "foot" in value:
            foot = value["foot"] if isinstance(value["foot"], dict) else {}
            continue
        try:
            _prove_chain(path, value)
            counted.case(value)
        except (LookupError, TypeError, ValueError, AttributeError, struct.error) as error:
            raise Broken(f"{path} has a case that is not whole: {error!r}") from error
        yield value
    if foot is None:
        raise Broken(f"{path} ends before its end: it was cut off")
    told = counted.foot()
    wrong = sorted(name for name in told.keys() | foot.keys() if told.get(name) != foot.get(name))
    if wrong:
        raise Broken(f"{path} does not hold what its end tells: {', '.join(wrong)}")


def verify(path: Path) -> Count:
    """Read a whole file and prove it. Raises `Broken`."""
    counted = Count()
    for held in cases(path):
        counted.case(held)
    return counted


def find(path: Path, case_id: str) -> Json | None:
    """One case of a file; None when it is not in it. Raises `Broken`."""
    return next((held for held in cases(path) if held["case"]["id"] == case_id), None)


def pairs(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Numbers and hashes of entries, packed."""
    return b"".join(PAIR.pack(entry["id"], bytes.fromhex(entry["hash"])) for entry in entries)


def _put(packed: gzip.GzipFile, counted: Count, value: Json) -> None:
    raw = _line(value)
    counted.line(raw)
    packed.write(raw)


def _line(value: Json) -> bytes:
    # Escaped to ASCII: what came from outside may hold halves of characters, which UTF-8 cannot write.
    return json.dumps(value, separators=(",", ":"), allow_nan=True).encode("ascii") + b"\n"


def _lines(path: Path, counted: Count) -> Iterator[Json]:
    """Each line's value; all but the foot count into the digest."""
    try:
        with path.open("rb") as raw:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            yield from _unpacked(path, raw, counted)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Broken(f"{path} cannot be read to its end: {error}") from error


def _unpacked(path: Path, raw: BinaryIO, counted: Count) -> Iterator[Json]:
    with gzip.GzipFile(fileobj=raw, mode="rb") as packed:
        for line in packed:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise Broken(f"{path} has a line that is no case")
            if "foot" not in value:
                counted.line(line)
            yield value


def _prove_chain(path: Path, held: Json) -> None:
    chain, previous = held["case"]["id"], GENESIS
    for place, entry in enumerate(held["audit"], start=1):
        moment = datetime.fromisoformat(entry["at"])
        content = (entry["chain"], entry["seq"], moment, entry["actor"], entry["verb"], entry["data"])
        follows = (entry["chain"], entry["seq"]) == (chain, place) and entry["previous"] in (NOT_REPEATED, previous)
        if not follows or entry["hash"] != entry_hash(*content, previous):
            raise Broken(f"{path}: entry {place} of {chain} was changed, removed or added")
        previous = entry["hash"]


def _sync_folder(folder: Path) -> None:
    """The rename itself must reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
