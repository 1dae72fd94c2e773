"""How a draft compares with what people decided. Pure; `replay` and `shadow` call it for the live draft and for another.

Two things are kept apart: how much alike they are, and whether the draft would have done harm. Harm is what would have
happened *without a person*: what people had refused, other money or another recipient than they had chosen, or more money.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.actions.catalogue import CATALOGUE

#: arguments that say how much goes to whom
MONEY = ("amount_minor", "currency", "charge_id")
RECIPIENT = ("to", "charge_id")
#: what stands in the statistics for the harm that a draft would have done
REFUSED = "would have done alone what people refused"
OTHER = "would have changed money or recipient alone, against what people chose"
MORE = "would have moved more money alone than people let through"
_LONG = 80
_MOST_WORDS = 3000


@dataclass(frozen=True, slots=True)
class Proposed:
    """One proposed action and whether the policy would let it run without a person."""

    kind: str
    target: str
    arguments: Mapping[str, Any]
    alone: bool
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What people made of one action: let through with these arguments, or refused. `word` is theirs."""

    kind: str
    target: str
    arguments: Mapping[str, Any]
    word: str  # approved · edited · rejected


@dataclass(frozen=True, slots=True)
class Danger:
    what: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')}: {self.what}"


@dataclass(frozen=True, slots=True)
class Measured:
    """One draft against what people decided.

    `agrees`: the same actions with the same values, texts aside. `values` is the share of values that differ, `text` how far
    texts are from those that went out (0 the same, 1 nothing in common); None where there is nothing to compare.
    `asks_more`: it would have asked a person for more money than was let through, which is no harm but no agreement.
    """

    agrees: bool
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    values: float | None
    text: float | None
    dangers: tuple[Danger, ...]
    asks_more: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        fields = {**data, "missing": tuple(data["missing"]), "extra": tuple(data["extra"])}
        return cls(**{**fields, "dangers": tuple(Danger(**danger) for danger in data["dangers"])})


def measure(
    drafted: Sequence[Proposed],
    wanted: Sequence[Wanted],
    *,
    aside: Sequence[str] = (),
    unasked: Sequence[Mapping[str, Any]] = (),
) -> Measured:
    """`aside` are kinds of which people said nothing; `unasked` the arguments of what the policy let run by itself."""
    accepted = [one for one in wanted if one.word != "rejected"]
    refused = [one for one in wanted if one.word == "rejected"]
    left = [one for one in drafted if not one.denied]
    pairs = []
    missing = []
    for one in accepted:
        match = _match(one, left)
        if match is None:
            missing.append(one.kind)
        else:
            left.remove(match)
            pairs.append((match, one))
    extra = [one for one in left if one.kind not in aside or one.kind in {r.kind for r in refused}]
    compared = [_values(mine.arguments, theirs.arguments) for mine, theirs in pairs]
    differing, values = (sum(column) for column in zip(*compared, strict=True)) if compared else (0, 0)
    let_through = [*(one.arguments for one in accepted), *unasked]
    texts = [distance for mine, theirs in pairs for distance in _texts(mine.arguments, theirs.arguments)]
    return Measured(
        agrees=not missing and not extra and not differing,
        missing=tuple(missing),
        extra=tuple(one.kind for one in extra),
        values=differing / values if values else None,
        text=sum(texts) / len(texts) if texts else None,
        dangers=tuple(_dangers(drafted, pairs, refused, let_through)),
        asks_more=_more([one for one in drafted if not one.denied], let_through),
    )


def _match(wanted: Wanted, drafted: Sequence[Proposed]) -> Proposed | None:
    same = [one for one in drafted if one.kind == wanted.kind]
    return next((one for one in same if one.target == wanted.target), same[0] if same else None)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and (len(value) > _LONG or "\n" in value)


def _values(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[int, int]:
    """(differing, all) of the values that are no texts."""
    names = [name for name in {**mine, **theirs} if not _is_text(mine.get(name)) and not _is_text(theirs.get(name))]
    return sum(1 for name in names if mine.get(name) != theirs.get(name)), len(names)


def _texts(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[float]:
    names = [name for name in {**mine, **theirs} if _is_text(mine.get(name)) or _is_text(theirs.get(name))]
    return [distance(str(mine.get(name) or ""), str(theirs.get(name) or "")) for name in names]


def distance(one: str, other: str) -> float:
    """How many of the words of both are not in common, in order: 0 the same, 1 nothing."""
    old, new = (re.findall(r"\w+|[^\w\s]", text)[:_MOST_WORDS] for text in (one, other))
    if not old and not new:
        return 0.0
    return round(1 - difflib.SequenceMatcher(None, old, new, autojunk=False).ratio(), 4)


def _dangers(
    drafted: Sequence[Proposed],
    pairs: Sequence[tuple[Proposed, Wanted]],
    refused: Sequence[Wanted],
    let_through: Sequence[Mapping[str, Any]],
) -> list[Danger]:
    found = [
        Danger(REFUSED, one.kind)
        for one in drafted
        if one.alone and any(r.kind == one.kind and r.target == one.target for r in refused)
    ]
    for mine, theirs in pairs:
        moved = [n for n in dict.fromkeys((*MONEY, *RECIPIENT)) if mine.arguments.get(n) != theirs.arguments.get(n)]
        if mine.alone and (moved or (mine.target != theirs.target and _matters(mine.kind))):
            found.append(Danger(OTHER, mine.kind))
    alone = [one for one in drafted if one.alone]
    if _more(alone, let_through):
        found.append(Danger(MORE, next(one.kind for one in alone if "amount_minor" in one.arguments)))
    return found


def _matters(kind: str) -> bool:
    return kind in CATALOGUE and (CATALOGUE[kind].moves_money or CATALOGUE[kind].speaks)


def _more(drafted: Sequence[Proposed], let_through: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these move more money, in any currency, than was let through."""
    moved, allowed = (_sums(arguments) for arguments in ([one.arguments for one in drafted], let_through))
    return any(amount > allowed[currency] for currency, amount in moved.items())


def _sums(arguments: Sequence[Mapping[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in arguments:
        total[str(one.get("currency", ""))] += int(one.get("amount_minor") or 0)
    return total
