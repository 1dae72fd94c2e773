"""Whether a changed bundle says so by its number: two texts under one name and version cannot be told apart by what decisions,
pages and people call them.

Asked by ``caseworker policy check``. Looks at files and, where there is one, at the policy in force; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from policies import checked, loader
from policies.documents import Document, parse
from policies.errors import PolicyError, Problem
from policies.rules import Bundle, Policy
from workers.cli import opening
from workers.cli.failures import Failure
from workers.rulebook import compiled
from workers.store import policy_sets
from workers.store.database import StoreUnavailable


def unraised(policy: Policy, directory: Path) -> list[Problem]:
    """A warning for each bundle that is another one than what it was under the same version, by what is in force or, where
    nothing is known to be, by what was last checked for the other engine."""
    before = _in_force()
    if before is not None:
        changed = {new.name for new in policy.bundles if any(_another(new, old) for old in before.bundles)}
        why = "is in force and says something else"
    else:
        known = _locked(directory)
        changed = {
            new.name
            for new in policy.bundles
            if known.get(_ref(new), checked.fingerprint(new)) != checked.fingerprint(new)
        }
        why = "was checked as something else (checked.lock)"
    versions = {bundle.name: _ref(bundle) for bundle in policy.bundles}
    return [
        document.problem(
            ("version",), f"{versions[document.data['bundle']]} {why}: a changed bundle needs a new version"
        )
        for document in _bundles(directory)
        if document.data["bundle"] in changed
    ]


def _another(new: Bundle, old: Bundle) -> bool:
    return _ref(new) == _ref(old) and dict(new.content) != dict(old.content)


def _ref(bundle: Bundle) -> str:
    return f"{bundle.name}@{bundle.version}"


def _in_force() -> Policy | None:
    """The policy in force in this installation, where there is one."""
    found = opening.settings()
    if not opening.exists(found):
        return None
    try:
        with opening.database(found) as db:
            with db.read() as tx:
                activation = policy_sets.in_force(tx)
            return compiled.from_database(db, activation.hash) if activation is not None else None
    except (Failure, PolicyError, StoreUnavailable):
        # Files are sound or not without it; `caseworker doctor` says what is wrong with the database.
        return None


def _locked(directory: Path) -> dict[str, str]:
    """Bundle and version -> the fingerprint under which it was checked."""
    path = directory / checked.FILE
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    pairs = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {pair[1]: pair[0] for pair in pairs if len(pair) > 1}


def _bundles(directory: Path) -> Iterator[Document]:
    """The files of a sound policy that hold bundles, read again for their lines."""
    for file, content in loader.read(directory).items():
        document = None if file.endswith(loader.TEST_SUFFIX) else parse(file, content.decode())
        if isinstance(document, Document):
            yield document
