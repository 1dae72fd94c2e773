"""Meeting what a verdict obliges to before anybody sees the action: what must be said is said, what must be masked is masked.

Called by `judgement` between the policy's answer and the digest, so a person approves exactly what leaves. What cannot be met
is told, and the action is refused: nothing is done without it. To wait and to tell somebody come after the yes (`cooling`,
`telling`); whether an amount fits and who is drawn as a sample the policy's engine has decided.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from policies.obligations import Cap, Delay, Disclose, Mask, Notify, Obligation, Sample
from policies.types import DecisionRecord
from policies.unmet import denied
from workers.actions.base import NAMING, ActionKind
from workers.obligations import masking

#: what is between two paragraphs
_GAP = re.compile(r"\n[^\S\n]*\n")
_OBLIGATION: TypeAdapter[Obligation] = TypeAdapter(Obligation)


@dataclass(frozen=True, slots=True)
class Met:
    """The decision, refused where something could not be met; the arguments as they will leave; and what became of them."""

    record: DecisionRecord
    arguments: Mapping[str, Any]
    changed: tuple[str, ...] = ()


def meet(record: DecisionRecord, kind: ActionKind, arguments: Mapping[str, Any]) -> Met:
    """Do to the arguments what the verdict obliges to. Doing it again changes nothing more."""
    if not record.verdict.obligations:
        return Met(record, arguments)
    unmet = [told for obligation in record.verdict.obligations if (told := _out_of_reach(obligation, kind, arguments))]
    if unmet:
        return Met(denied(record, unmet), arguments)
    said = [o.text.strip() for o in record.verdict.obligations if isinstance(o, Disclose)]
    made = dict(arguments)
    if said:
        # First of all, so that a number which the policy itself gives out is not masked.
        made[kind.letter] = _without(made[kind.letter], said)
    made, changed = _masked(made, record.verdict.obligations)
    if said:
        made[kind.letter] = _with_said(made[kind.letter], said)
        changed.append(f"Added at the end of the {kind.letter}: {' '.join(dict.fromkeys(said))}")
    unmet = _misfits(kind, arguments, made)
    if unmet:
        return Met(denied(record, unmet), arguments)
    return Met(record, made, tuple(changed))


def bare(kind: ActionKind, arguments: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without what an earlier verdict had said at the end of them: so they are judged anew, and what is to be
    said now is said once."""
    made = dict(arguments)
    obligations = [_OBLIGATION.validate_python(o) for o in verdict.get("obligations", ())]
    said = [o.text.strip() for o in obligations if isinstance(o, Disclose)]
    if said and isinstance(made.get(kind.letter), str):
        made[kind.letter] = _without(made[kind.letter], said)
    return made


def _out_of_reach(obligation: Obligation, kind: ActionKind, arguments: Mapping[str, Any]) -> str | None:
    """Why this cannot be met for such an action; None where it can."""
    match obligation:
        case Disclose():
            letter = arguments.get(kind.letter) if kind.letter else None
            if not isinstance(letter, str):
                return f"“{kind.name}” sends no text at whose end “{obligation.text}” could be said"
        case Mask():
            unknown = set(obligation.what) - set(masking.SIGNS)
            if unknown:
                return f"nothing here can find {', '.join(sorted(unknown))} in a text"
        case Delay() | Notify() | Cap() | Sample():
            pass
        case _:
            return f"nothing here knows the obligation “{getattr(obligation, 'kind', obligation)}”"
    return None


def _masked(arguments: Mapping[str, Any], obligations: Sequence[Obligation]) -> tuple[dict[str, Any], list[str]]:
    classes = {what for o in obligations if isinstance(o, Mask) for what in o.what}
    made = dict(arguments)
    changed: list[str] = []
    if not classes:
        return made, changed
    for name, value in arguments.items():
        if name in NAMING:
            continue
        made[name], counts = masking.masked_within(value, classes)
        if counts:
            changed.append(f"Masked in the {name}: {masking.told(Counter(counts))}")
    return made, changed


def _misfits(kind: ActionKind, before: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Why the arguments are none of this kind any more: a text that grew too long, a tag that became a mark."""
    if kind.fixed and made != before:
        return [f"the arguments of “{kind.name}” may not be changed"]
    try:
        kind.arguments.model_validate(dict(made))
    except ValidationError as error:
        return [
            f"with it, {'.'.join(map(str, detail['loc']))} does not fit: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    return []


def _with_said(text: str, said: Sequence[str]) -> str:
    """Each once, at the end, in the order of the policy."""
    once = list(dict.fromkeys(said))
    rest = _without(text, once)
    return "\n\n".join([rest, *once] if rest else once)


def _without(text: str, said: Sequence[str]) -> str:
    """The text without paragraphs that say just this, wherever somebody moved them and however they broke the lines."""
    ours = {_words(paragraph) for one in said for paragraph in _GAP.split(one)}
    kept = [paragraph for paragraph in _GAP.split(text) if _words(paragraph) not in ours]
    return "\n\n".join(kept).rstrip() if len(kept) < len(_GAP.split(text)) else text.rstrip()


def _words(paragraph: str) -> str:
    return " ".join(paragraph.split())
