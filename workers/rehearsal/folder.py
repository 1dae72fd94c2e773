"""A policy as somebody hands it over: several YAML files, or a zip of them. Bounded before anything is unpacked or read.

Called where policies are uploaded. Everything that is wrong is said at once; nothing is passed over in silence, because less
policy would be a looser one.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath

from policies import loader
from policies.errors import PolicyError
from policies.rules import Policy

MOST_FILES = 100
MOST_BYTES = 512 * 1024
MOST_TOGETHER = 2 * 1024 * 1024
_ZIP = b"PK\x03\x04"
#: what systems put beside files when they pack a folder
_BESIDE = ("__MACOSX", ".")


class Unfit(Exception):
    """What was handed over is no policy. `problems` names everything that is wrong with it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def files(uploads: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """The texts of the YAML files by name. Raise `Unfit`."""
    found: dict[str, bytes] = {}
    problems: list[str] = []
    for name, content in uploads:
        parts = _unpacked(name, content, problems) if content.startswith(_ZIP) else [(name, content)]
        for inner, held in parts:
            _take(inner, held, found, problems)
    if len(found) > MOST_FILES:
        problems.append(f"more than {MOST_FILES} files")
    if sum(map(len, found.values())) > MOST_TOGETHER:
        problems.append(f"more than {MOST_TOGETHER // 1024} KB together")
    if not found and not problems:
        problems.append("no policy files (*.yaml) in it")
    texts: dict[str, str] = {}
    for name, held in sorted(found.items()):
        try:
            texts[name] = held.decode()
        except UnicodeDecodeError as error:
            problems.append(f"{name}: not UTF-8: {error.reason} at byte {error.start}")
    if problems:
        raise Unfit(problems)
    return texts


def policy(texts: dict[str, str]) -> Policy:
    """What they amount to. Tests are not asked for: what is tried may still be a draft. Raise `Unfit`."""
    try:
        return loader.loads(texts, run_tests=False)
    except PolicyError as error:
        raise Unfit(map(str, error.problems)) from error


def _take(name: str, content: bytes, found: dict[str, bytes], problems: list[str]) -> None:
    short = PurePosixPath(name.replace("\\", "/")).name
    if not (short.endswith(".yaml") and short.isprintable()):
        problems.append(f"{short or 'a file without a name'}: policy files end in .yaml")
    elif short in found:
        problems.append(f"{short}: there twice")
    elif len(content) > MOST_BYTES:
        problems.append(f"{short}: larger than {MOST_BYTES // 1024} KB")
    else:
        found[short] = content


def _unpacked(name: str, content: bytes, problems: list[str]) -> list[tuple[str, bytes]]:
    """The files of a zip. What it claims of their sizes is not believed: no more is unpacked than may be."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir() and not _is_beside(entry.filename)]
            if len(entries) > MOST_FILES:
                problems.append(f"{name}: more than {MOST_FILES} files in it")
                return []
            parts, left = [], MOST_TOGETHER
            for entry in entries:
                with packed.open(entry) as held:
                    parts.append((entry.filename, held.read(min(left, MOST_BYTES) + 1)))
                left -= len(parts[-1][1])
                if left < 0:
                    problems.append(f"{name}: more than {MOST_TOGETHER // 1024} KB in it")
                    return []
            return parts
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError, EOFError, ValueError) as error:
        # Damaged, in a way of packing that is not read here, or with a password.
        problems.append(f"{name}: cannot be unpacked: {error}")
        return []


def _is_beside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith(_BESIDE) for part in parts)
