"""What differs between two policies, piece by piece and in words, and whether any of it may let through what was held back.

Pure. Where it cannot be told that a change only tightens, it counts as one that loosens: that costs people a second look, and
the other mistake would cost the money. What a rule says to people, a bundle's version and what it is about change nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.loader import TEST_SUFFIX
from policies.rules import Bundle, Policy

_ORDER: Final = ("allow", "notify", "review", "deny")
_LEVELS: Final = ("observe", "warn", "enforce")
#: what a floor that is not stated comes to
_BUILT_IN: Final = {"unknown_action": "deny", "no_match": "review", "rule_error": "review"}
#: of a rule: words for people, which decide nothing
_SAID: Final = frozenset({"message"})
_ASKING: Final = frozenset({"approvers", "stages", "exclude", "deadline_minutes", "obligations"})
_WORDS: Final = {
    "when": "condition",
    "actions": "kinds of action",
    "outcome": "answer",
    "approvers": "who must say yes",
    "stages": "who must say yes",
    "exclude": "who may not say yes",
    "deadline_minutes": "deadline",
    "message": "wording",
    "max_count": "number",
    "max_minor": "amount",
    "window_minutes": "window",
    "over": "what happens above it",
    "per": "what it counts apart",
    "trips": "whether it throws the switch",
}
_PARTS: Final = {"rules": "rule", "limits": "limit", "waivers": "waiver"}
MOST_LINES: Final = 4000


@dataclass(frozen=True, slots=True)
class Difference:
    """One piece that differs. `details` are the words for what of it; `looser` where it may let more through."""

    verb: str  # adds | removes | changes
    what: str  # rule, limit, waiver, bundle, defaults, …
    place: str
    details: tuple[str, ...]
    looser: bool

    def __str__(self) -> str:
        told = f" ({', '.join(self.details)})" if self.details else ""
        return f"{self.verb} {self.what} {self.place}{told}"


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One file's text, line by line as `diff -u` shows it."""

    name: str
    lines: tuple[str, ...]


def between(before: Policy, after: Policy) -> tuple[Difference, ...]:
    """Everything that differs in what two policies mean."""
    were = {bundle.name: bundle for bundle in before.bundles}
    are = {bundle.name: bundle for bundle in after.bundles}
    return tuple(
        difference
        for name in sorted(were.keys() | are.keys())
        for difference in _bundles(name, were.get(name), are.get(name))
    )


def summary(differences: Sequence[Difference]) -> str:
    """One line for the card; the places that fit."""
    if not differences:
        return "nothing that decides anything"
    shown = [str(difference) for difference in differences]
    line = ""
    for place, told in enumerate(shown):
        longer = f"{line}; {told}" if line else told
        if len(longer) > 240:
            return f"{line or told[:240]}; and {len(shown) - max(place, 1)} more"
        line = longer
    return line


def texts(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FileDifference, ...]:
    """The files that differ as text, tests among them."""
    found = []
    # What decides comes first, its tests after it.
    for name in sorted(before.keys() | after.keys(), key=lambda name: (name.endswith(TEST_SUFFIX), name)):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "in force", "proposed", lineterm="", n=2)
            found.append(FileDifference(name, tuple(lines)[:MOST_LINES]))
    return tuple(found)


def _bundles(name: str, before: Bundle | None, after: Bundle | None) -> Iterator[Difference]:
    was: Mapping[str, Any] = before.content if before is not None else {}
    now: Mapping[str, Any] = after.content if after is not None else {}
    # Of a bundle that is not there, nothing counts.
    levels = (str(was.get("enforcement", "enforce")), str(now.get("enforcement", "enforce")))
    if before is None or after is None:
        yield Difference("adds" if before is None else "removes", "bundle", name, (), looser=False)
    for key in sorted(was.keys() | now.keys()):
        if key in _PARTS or key in ("bundle", "version"):
            continue
        old, new = was.get(key), now.get(key)
        if old == new or (key in ("layer", "domain", "enforcement") and (before is None or after is None)):
            continue
        looser = _bundle_key_is_looser(key, old, new, was, now)
        yield Difference("changes", f"“{key.replace('_', ' ')}” of", name, (), looser)
    for key, what in _PARTS.items():
        olds = {part["id"]: part for part in was.get(key, ())}
        news = {part["id"]: part for part in now.get(key, ())}
        for id_ in sorted(olds.keys() | news.keys()):
            old, new = olds.get(id_), news.get(id_)
            if old != new:
                yield _part(key, what, f"{name}/{id_}", old, new, levels)


def _part(
    key: str,
    what: str,
    place: str,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    levels: tuple[str, str],
) -> Difference:
    looser = {"rules": _rule_is_looser, "limits": _limit_is_looser, "waivers": _waiver_is_looser}[key]
    if old is None or new is None:
        shown = _of_one(key, (old or new) or {})
        return Difference("removes" if new is None else "adds", what, place, shown, looser(old, new, levels))
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    details = tuple(dict.fromkeys(_WORDS.get(name, name.replace("_", " ")) for name in changed))
    return Difference("changes", what, place, details, looser(old, new, levels))


def _of_one(key: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(part.get("outcome", "")),) if key == "rules" else ()


# ── what only tightens ───────────────────────────────────────────────────────────────────────────────────────────────


def _counts(rule: Mapping[str, Any] | None, level: str) -> bool:
    return rule is not None and level == "enforce" and rule.get("enforcement", "enforce") == "enforce"


def _rule_is_looser(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, levels: tuple[str, str]) -> bool:
    counted, counts = _counts(old, levels[0]), _counts(new, levels[1])
    permitted = old is not None and old["outcome"] == "allow"
    permits = new is not None and new["outcome"] == "allow"
    if not counted and not counts:
        return False
    if not counted or old is None:
        # It comes to count: whatever it is, unless it permits, it can only hold back more.
        return permits
    if not counts or new is None:
        return not permitted
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} - _SAID
    if new["outcome"] == "deny":
        # Whom it asked for a yes no longer matters.
        changed -= _ASKING
    if permits and not permitted:
        return True
    if permitted and not permits:
        # The permission is gone; what came in its place is at least as strict.
        return False
    checks = _PERMISSION if permits else _RESTRAINT
    return any(name not in checks or not checks[name](old.get(name), new.get(name)) for name in changed)


def _covers(old: Any, new: Any) -> bool:
    """Whether everybody who was asked is asked still."""
    asked = {said["role"]: said for said in new or ()}
    return all(
        said["role"] in asked
        and asked[said["role"]].get("n", 1) >= said.get("n", 1)
        and asked[said["role"]].get("ladder", []) == said.get("ladder", [])
        for said in old or ()
    )


def _no_less(old: Any, new: Any) -> bool:
    return all(item in (new or ()) for item in old or ())


def _no_more(old: Any, new: Any) -> bool:
    return all(item in (old or ()) for item in new or ())


def _sooner(old: Any, new: Any) -> bool:
    return new is not None and (old is None or new <= old)


def _rank(old: Any, new: Any) -> bool:
    return _ORDER.index(new) >= _ORDER.index(old)


def _at_most(old: Any, new: Any) -> bool:
    return (100 if new is None else new) <= (100 if old is None else old)


def _at_least(old: Any, new: Any) -> bool:
    return (100 if new is None else new) >= (100 if old is None else old)


def _kinds_no_less(old: Any, new: Any) -> bool:
    return "*" in new or _no_less(old, new)


def _kinds_no_more(old: Any, new: Any) -> bool:
    return "*" in old or _no_more(old, new)


_Check = Callable[[Any, Any], bool]
#: of a rule that holds back: how each of its keys may change without letting more through
_RESTRAINT: Final[Mapping[str, _Check]] = {
    "outcome": _rank,
    "actions": _kinds_no_less,
    "approvers": _covers,
    "exclude": _no_less,
    "obligations": _no_less,
    "deadline_minutes": _sooner,
    "canary": _at_least,
}
#: and of one that permits
_PERMISSION: Final[Mapping[str, _Check]] = {
    "actions": _kinds_no_more,
    "obligations": _no_less,
    "canary": _at_most,
}
_LOWER: Final = ("max_count", "max_minor")


def _limit_is_looser(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, levels: tuple[str, str]) -> bool:
    if old is None or levels[0] != "enforce":
        return False
    if new is None or levels[1] != "enforce":
        return True
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return any(name not in _LOWER or not _sooner(old.get(name), new.get(name)) for name in changed)


def _waiver_is_looser(_old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, _levels: tuple[str, str]) -> bool:
    return new is not None


def _bundle_key_is_looser(key: str, old: Any, new: Any, was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    match key:
        case "roles" | "about":
            return False
        case "enforcement":
            return not _enforcement_tightens(str(old), str(new), was, now)
        case "actions":
            # A kind that nobody knew was refused.
            return not _no_more(old, new)
        case "never_automatic":
            return not _no_less(old, new)
        case "authority":
            # Nobody was held to an amount before; any change to who may approve how much is looked at.
            return bool(old)
        case "defaults":
            return not _floors_hold(old or {}, new or {})
    return True


def _enforcement_tightens(old: str, new: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """More weight for a bundle that permits nothing, less for one that does nothing else."""
    outcomes = {rule["outcome"] for content in (was, now) for rule in content.get("rules", ())}
    if _LEVELS.index(new) > _LEVELS.index(old):
        return "allow" not in outcomes and not now.get("waivers")
    return outcomes <= {"allow"} and not any(
        was.get(key) for key in ("limits", "defaults", "never_automatic", "authority")
    )


def _floors_hold(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    held = all(_rank(old.get(name) or built_in, new.get(name) or built_in) for name, built_in in _BUILT_IN.items())
    return held and _covers(old.get("approvers"), new.get("approvers"))
