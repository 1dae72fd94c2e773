"""Collecting examples: each proposal that people decided becomes one, once, some seconds after their decision.

`LearningPass` calls `collect`, off the path of any case. It reads decisions from where it stopped, with an overlap for those that were
committed late; an example that is there is never made again.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from integrations.errors import Permanent
from integrations.models import macros
from integrations.models.amendments import situation
from workers.agents.base import Agent
from workers.learning import past
from workers.learning.past import Judged, Past
from workers.lessons.masking import known_values, mask
from workers.lessons.taught import LOCAL, message_of
from workers.log import logger
from workers.store import actions, examples, people
from workers.store.database import Tx
from workers.store.ids import first_id, made_at, until_now
from workers.wiring import System

MARK = "examples"
#: decisions read at once
LOT = 200
#: a decision may be committed so long after its id was made
LATE = timedelta(minutes=5)
LONGEST_TEXT = 2000
_NAMING_RECORDS = frozenset({"customer", "ticket", "charge"})


def collect(system: System) -> int:
    """Keep what people decided since the last time. How many examples are new."""
    made = 0
    with system.db.read() as tx:
        mark = examples.mark(tx, MARK)
    floor = first_id("dec", made_at(until_now(mark)) - LATE) if mark else ""
    while True:
        with system.db.read() as tx:
            decided = examples.decided_since(tx, floor, LOT)
            ids = list(dict.fromkeys(action for _, action in decided))
            known = examples.known(tx, ids)
            rows = [row for action in ids if action not in known for row in _examples(tx, system, action)]
        if not decided:
            return made
        with system.db.write() as tx:
            made += examples.add(tx, rows)
            examples.set_mark(tx, MARK, until_now(decided[-1][0]), system.clock())
        if len(decided) < LOT:
            return made
        floor = decided[-1][0]


def _examples(tx: Tx, system: System, action_id: str) -> Iterator[Mapping[str, Any]]:
    action = actions.get(tx, action_id)
    if action is None:
        return
    try:
        found = past.of_case(tx, action.case_id, number=action.round)
    except ValueError as error:
        # Recorded by a version that wrote otherwise. One such case must not keep the others from being learned from.
        logger.warning("past_not_read", action_id=action_id, error=type(error).__name__)
        return
    if found is None:
        return
    agent = system.agents.get(found.case.domain)
    proposal = next((one for one in found.proposals if one.action.id == action_id), None)
    if agent is None or proposal is None or not proposal.verdict:
        return
    try:
        yield _example(tx, found, agent, proposal)
    except Permanent as error:
        logger.info("example_not_made", action_id=action_id, error=str(error))


def _example(tx: Tx, found: Past, agent: Agent, judged: Judged) -> Mapping[str, Any]:
    request = found.request(agent)
    kind = judged.action.kind
    macro, base = "", None
    # An instruction changes which macro applies; another model's draft says nothing about the standard answer.
    if found.model[0] == LOCAL and found.instruction is None:
        macro, base = _standard(request.macros, request.material, kind)
    known = known_values(
        [*(event.data for event in found.events), *(fact.data for fact in found.facts if fact.kind in _NAMING_RECORDS)]
    )
    proposed = mask(judged.proposed, known)
    made = None if judged.made is None else mask(judged.made, known)
    where = situation(request.material)
    last = judged.decisions[-1]
    person = people.get(tx, last.person_id) if last.person_id else None
    newest = found.events[-1].data if found.events else {}
    return {
        "id": judged.action.id,
        "case_id": found.case.id,
        "customer": found.case.customer.strip().casefold(),
        "domain": found.case.domain,
        "task": "draft",
        "kind": kind,
        "intent": where.get("intent", ""),
        "macro": macro,
        "base": mask(base, known),
        "situation": where,
        "text": mask(message_of(newest), known)[:LONGEST_TEXT],
        "proposed": proposed,
        "verdict": judged.verdict,
        "made": made,
        "diff": list(_by_hand(proposed, made)) if judged.verdict == "edited" and made is not None else [],
        "reason": mask(last.reason, known) if last.reason else None,
        "person_id": last.person_id,
        "groups": list(person.groups) if person is not None else [],
        "provider": found.model[0],
        "model": found.model[1],
        "decided_at": last.decided_at,
    }


def _standard(ways: Any, material: Any, kind: str) -> tuple[str, Mapping[str, Any] | None]:
    """The macro that applies by itself, and its proposal of this kind where it makes exactly one."""
    found = macros.standard(ways, material)
    if found is None:
        return "", None
    name, proposals = found
    same = [proposal["arguments"] for proposal in proposals if proposal["kind"] == kind]
    return (name, same[0]) if len(same) == 1 else (name, None)


def _by_hand(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a person wrote: the values that they changed, and of a text their own words alone."""
    for field, value in after.items():
        was = before.get(field)
        if was == value:
            continue
        if isinstance(was, str) and isinstance(value, str) and len(value) > 80:
            old, new = (re.findall(r"\S+\s*", text) for text in (was, value))
            codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
            written = ["".join(new[k:m]).strip() for op, _, _, k, m in codes if op != "equal" and m > k]
            yield {"field": field, "by_hand": " … ".join(written), "left_out": not written}
        else:
            yield {"field": field, "by_hand": value}
