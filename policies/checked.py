"""Which bundles were found sound by an engine that checks types: a file beside them, for processes that run the other one.

``caseworker policy check --lock`` writes it, `loader` reads it where the engine at hand cannot check by itself. A bundle is
known by its content and by the types of the facts that it names, so a change of either asks for a new check.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from policies.rules import Bundle, Policy
from policies.types import Facts

FILE: Final = "checked.lock"
_HEAD: Final = "# Bundles that were checked, by `caseworker policy check --lock`. For the policy engine that cannot check by itself.\n"


def fingerprint(bundle: Bundle) -> str:
    """What exactly was checked, as a hash."""
    programs = [rule.program for rule in bundle.rules] + [waiver.program for waiver in bundle.waivers]
    named = sorted({name for program in programs for name in program.facts})
    types = {name: _type(Facts.model_fields[name].annotation) for name in named}
    text = json.dumps([dict(bundle.content), types], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprints(policy: Policy) -> frozenset[str]:
    """Of all bundles of a policy that the main engine loaded, for whoever keeps them elsewhere than in files."""
    return frozenset(map(fingerprint, policy.bundles))


def text(policy: Policy) -> str:
    """The file for this policy."""
    return _HEAD + "".join(f"{fingerprint(bundle)} {bundle.name}@{bundle.version}\n" for bundle in policy.bundles)


def known(directories: Iterable[Path]) -> frozenset[str]:
    """What the files in these directories say was checked. One that is missing says nothing."""
    lines = [line for folder in directories if (folder / FILE).is_file() for line in _lines(folder / FILE)]
    return frozenset(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def _type(annotation: Any) -> str:
    return "list" if getattr(annotation, "__origin__", None) is list else str(annotation.__name__)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()
