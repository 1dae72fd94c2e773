"""A page of the documentation, walked word for word: each of its blocks put where it says, on a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^`(?P<path>[\w./-]+)`\n\n```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    return [(match["path"], match["kind"], match["text"]) for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def change(file: Path, diff: str) -> None:
    """Replace each run of `-` lines by the `+` lines after it. Every one must be there, once."""
    text = file.read_text(encoding="utf-8")
    for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", diff, re.MULTILINE):
        before, after = (re.sub(r"^[-+]", "", part, flags=re.MULTILINE) for part in (old, new))
        assert text.count(before) == 1, f"{file.name} has no longer exactly one {before!r}"
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


def walk(page: Path, copy: Path) -> Path:
    """A copy of the three packages with every block of the page put where the page says."""
    for package in ("workers", "integrations", "policies"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for path, kind, text in blocks(page):
        file = copy / path
        assert file.exists() is (kind == "diff"), f"the page treats {path} as {'changed' if kind == 'diff' else 'new'}"
        if kind == "diff":
            change(file, text)
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return copy


def run(copy: Path, *command: str, beside: tuple[Path, ...] = ()) -> str:
    paths = os.pathsep.join([str(copy), *map(str, beside)])
    done = subprocess.run(
        [sys.executable, *command],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def passes_the_checks(copy: Path, *files: str) -> None:
    """What people copy from a page passes the checks that their own code must pass."""
    rules = str(copy / "pyproject.toml")
    run(copy, "-m", "mypy", "--config-file", rules, "--cache-dir", os.devnull, "--follow-imports=silent", *files)
    run(copy, "-m", "ruff", "check", "--no-cache", "--config", rules, *files)
    run(copy, "-m", "ruff", "format", "--no-cache", "--check", "--config", rules, *files)
