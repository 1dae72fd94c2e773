"""What people keep changing in the local model's drafts, and how such a habit is applied to the next one.

An `Amendment` is found elsewhere, from decisions; it reaches a model as plain material named ``corrections``. The local model
applies it to what a macro proposes and says so in the rationale. It only ever lowers an amount, never names a recipient, and
the policy judges the result like any other draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from integrations.models.base import Material
from integrations.models.money import decimals

#: the name under which a draft's material holds them
MATERIAL: Final = "corrections"

#: ``set`` a value · ``scale`` an amount down · ``line`` of a text replaced, added or left out · ``drop`` this proposal ·
#: ``set_aside`` the whole way of working
Change = Literal["set", "scale", "line", "drop", "set_aside"]

#: what of a case may be a condition, and where it stands in the material
_SITUATION: Final = {
    "intent": ("triage", ("intent", "typology", "request_type")),
    "language": ("triage", ("language",)),
    "urgency": ("triage", ("urgency",)),
    "sentiment": ("triage", ("sentiment",)),
    "tier": ("customer", ("tier",)),
}


@dataclass(frozen=True, slots=True)
class Amendment:
    """One habit: in which situation, what of which proposal, and how often people did so (`times` of `seen`).

    For ``scale`` `after` is a fraction as ``[1, 2]``; for ``line`` `before` is the old lines and `after` the new ones, both
    lists, and where `before` is empty the new ones come after `follows`.
    """

    macro: str
    kind: str
    change: Change
    field: str
    before: Any
    after: Any
    times: int
    seen: int
    when: tuple[tuple[str, str], ...] = ()
    follows: str = ""

    def as_data(self) -> dict[str, Any]:
        return {**asdict(self), "when": dict(self.when)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Amendment:
        return cls(**{**data, "when": tuple(sorted(dict(data["when"]).items()))})

    @property
    def told(self) -> str:
        """For people: what it does, and on what ground."""
        where = f" where {' and '.join(f'{name} is {value}' for name, value in self.when)}" if self.when else ""
        counted = f"People did so {self.times} of {self.seen} times{where}."
        field = self.field.removesuffix("_minor").replace("_", " ")
        if self.change == "scale":
            return f"The {field} is {self.after[0]}/{self.after[1]} of what the standard answer gives. {counted}"
        if self.change == "set":
            return f"The {field} is not the standard answer's. {counted}"
        return f"The {field} is reworded. {counted}"


def situation(material: Sequence[Material]) -> dict[str, str]:
    """What of a case's material may be a condition."""
    seen = {piece.name: piece.data for piece in material}
    found = {}
    for name, (where, fields) in _SITUATION.items():
        data = seen.get(where)
        value = next((data[field] for field in fields if data.get(field)), None) if isinstance(data, Mapping) else None
        if isinstance(value, str):
            found[name] = value
    return found


class Habits:
    """The amendments in a draft's material, ready to be applied to what one macro proposes."""

    def __init__(self, material: Sequence[Material]) -> None:
        told = next((piece.data for piece in material if piece.name == MATERIAL and piece.trusted), ())
        self._situation = situation(material) if told else {}
        self._all = [made for made in map(Amendment.from_data, told) if self._holds(made)]
        #: why a way of working was passed over, if one was
        self.passed_over: list[str] = []

    def _holds(self, amendment: Amendment) -> bool:
        return all(self._situation.get(name) == value for name, value in amendment.when)

    def apply(self, macro: str, actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
        """The proposals as people would have them, or None where they want none of this macro."""
        mine = [amendment for amendment in self._all if amendment.macro == macro]
        if not mine:
            return [dict(action) for action in actions]
        for amendment in mine:
            if amendment.change == "set_aside" and any(action["kind"] == amendment.kind for action in actions):
                kind = amendment.kind.replace("_", " ")
                self.passed_over.append(
                    f"Passed over “{macro}”: people rejected its “{kind}” {amendment.times} of {amendment.seen} times."
                )
                return None
        kept = []
        restated: list[tuple[str, str]] = []
        for action in actions:
            own = [amendment for amendment in mine if amendment.kind == action["kind"]]
            if any(amendment.change == "drop" for amendment in own):
                continue
            arguments = dict(action["arguments"])
            applied = [amendment.told for amendment in own if _amend(arguments, amendment)]
            restated += _restatements(action["arguments"], arguments)
            kept.append(
                {**action, "arguments": arguments, "rationale": " ".join([str(action["rationale"]), *applied])[:2000]}
            )
        for action in kept:
            action["arguments"] = {name: _restate(value, restated) for name, value in action["arguments"].items()}
        return kept


def _amend(arguments: dict[str, Any], amendment: Amendment) -> bool:
    """Change the arguments in place. Whether anything changed."""
    value = arguments.get(amendment.field)
    if amendment.change == "scale" and isinstance(value, int) and not isinstance(value, bool):
        part, whole = amendment.after
        lowered = max(1, (2 * value * part + whole) // (2 * whole))
        arguments[amendment.field] = min(value, lowered)
    elif amendment.change == "set" and amendment.field in arguments:
        arguments[amendment.field] = amendment.after
    elif amendment.change == "line" and isinstance(value, str):
        arguments[amendment.field] = _reworded(value, amendment)
    return arguments.get(amendment.field) != value


def _reworded(text: str, amendment: Amendment) -> str:
    lines, old, new = text.split("\n"), list(amendment.before), list(amendment.after)
    if old:
        for place in range(len(lines) - len(old) + 1):
            if lines[place : place + len(old)] == old:
                return "\n".join([*lines[:place], *new, *lines[place + len(old) :]])
    elif amendment.follows in lines:
        place = lines.index(amendment.follows) + 1
        if lines[place : place + len(new)] != new:
            return "\n".join([*lines[:place], *new, *lines[place:]])
    return text


def _restatements(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str]]:
    """An amount that changed, as texts write it: a reply must not name the old one."""
    was, now, currency = before.get("amount_minor"), after.get("amount_minor"), after.get("currency")
    if was == now or not isinstance(was, int) or not isinstance(now, int) or not isinstance(currency, str):
        return []
    places = decimals(currency)
    old, new = (f"{Decimal(amount).scaleb(-places):,f} {currency}" for amount in (was, now))
    comma = str.maketrans(",.", ".,")
    return [(old, new), (old.translate(comma), new.translate(comma))]


def _restate(value: Any, restated: Sequence[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        for old, new in restated:
            value = value.replace(old, new)
    return value
