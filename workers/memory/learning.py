"""What a closed case teaches: its outcome, what colleagues decided and why, what records say of a customer, what was claimed.

Pure: a closed case in, things learned out; no model is asked. What is called trusted holds nothing that came from a stranger
or a model: sentences are made of our own words, labels from closed lists, and arguments that a record vouched for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integrations import outsiders
from workers.agents.origins import Origin as ArgumentOrigin
from workers.agents.origins import leaves, normal
from workers.agents.remembered import customer_key, topic_key, vendor_key
from workers.memory.terms import Kind, Learned, Origin
from workers.store.arrivals import address_of
from workers.store.closed import Closed, Done

#: trusted facts that are read along
RECORDS = ("customer", "offers")
#: of a customer's own record, what is worth knowing before it is looked up again
PREFERENCES: Mapping[str, str] = {"language": "Prefers to be written to in “{}”", "notes": "Noted in our records: {}"}
#: decisions that say more than yes
_TOLD = {
    "reject": "rejected",
    "request_changes": "asked for changes to",
    "edit": "changed",
    "take_over": "took over",
    "escalate": "escalated",
    "approve": "approved",
    "confirm": "confirmed",
    "snooze": "put off",
    "stop": "stopped",
}
MOST_TEXT = 400


def learn(closed: Closed, kinds: Mapping[str, str]) -> list[Learned]:
    """`kinds` gives the kind of each action that somebody decided on."""
    about = _about(closed)
    found = []
    if about is not None:
        found += [_outcome(closed, about), *_decisions(closed, about, kinds)]
        if about[0] == "customer":
            found += [*_preferences(closed, about), *_claims(closed, about)]
    for vendor in _vendors(closed):
        found.append(_outcome(closed, vendor, [done for done in closed.done if _names(done, vendor, closed)]))
    return found


def _about(closed: Closed) -> tuple[str, str] | None:
    if closed.keyword:
        return ("topic", topic_key(closed.keyword))
    record = next(iter(closed.records.get("customer", ())), None)
    address = (record[1].get("email") if record is not None else None) or address_of(closed.customer)
    return ("customer", customer_key(str(address))) if address else None


def _vendors(closed: Closed) -> list[tuple[str, str]]:
    """Vendors in our records that an action of this case was about."""
    system = closed.subject.partition(":")[0]
    offered = {str(data["vendor_id"]) for _, data in closed.records.get("offers", ()) if data.get("vendor_id")}
    return [("vendor", vendor_key(system, v)) for v in sorted(offered) if any(_with(done, v) for done in closed.done)]


def _names(done: Done, vendor: tuple[str, str], closed: Closed) -> bool:
    return _with(done, vendor[1].removeprefix(closed.subject.partition(":")[0] + ":"))


def _with(done: Done, vendor: str) -> bool:
    return done.arguments.get("vendor_id") == vendor and done.origins.get("vendor_id") == ArgumentOrigin.RECORD


def _outcome(closed: Closed, about: tuple[str, str], done: list[Done] | None = None) -> Learned:
    acted = closed.done if done is None else done
    parts = [f"{one.kind.replace('_', ' ')}{_on(one)}: {one.state}" for one in acted]
    told = f"A {closed.domain} case ({_label(closed) or 'unclear'}) was closed as {closed.outcome.replace('_', ' ')}"
    return Learned(
        about=about,
        kind=Kind.OUTCOME,
        slot=f"case:{closed.id}",
        text=f"{told}. {'; '.join(parts)}."[:MOST_TEXT] if parts else f"{told}.",
        origin=Origin.TRUSTED,
        confidence=1.0,
        case_id=closed.id,
        domain=closed.domain,
        at=closed.closed_at,
        refs=[one.target for one in acted if _on(one)],
        data={"outcome": closed.outcome},
    )


def _on(done: Done) -> str:
    """What an action was done to, where nothing in that came from a stranger or a model.

    Amounts are never told: a memory must not vouch for money.
    """
    strange = [
        normal(value) for path, value in leaves(done.arguments) if done.origins.get(path) != ArgumentOrigin.RECORD
    ]
    target = normal(done.target)
    return "" if any(value and value in target for value in strange) else f" on {done.target}"


def _decisions(closed: Closed, about: tuple[str, str], kinds: Mapping[str, str]) -> Iterator[Learned]:
    for said in closed.said:
        reason = " ".join((said.reason or "").split())[:MOST_TEXT]
        if not reason and not said.changed:
            continue
        kind = kinds.get(said.action_id, "an action").replace("_", " ")
        word = _TOLD.get(said.decision, said.decision.replace("_", " "))
        # Which fields were changed, not to what: what a draft said may be a stranger's words.
        fields = f" ({', '.join(said.changed)})" if said.changed else ""
        why = f": “{reason}”" if reason else "."
        yield Learned(
            about=about,
            kind=Kind.DECISION,
            slot=f"decision:{kind}:{said.decision}"[:120],
            text=f"A colleague {word} “{kind}”{fields}{why}",
            origin=Origin.PERSON,
            confidence=1.0,
            case_id=closed.id,
            domain=closed.domain,
            at=said.decided_at,
            data={"action": said.action_id, "decision": said.decision},
        )


def _preferences(closed: Closed, about: tuple[str, str]) -> Iterator[Learned]:
    for ref, data in closed.records.get("customer", ())[:1]:
        # A note in a record may be what the customer dictated: the record does not vouch for it, and neither does its memory.
        theirs = outsiders.written("customer", data)
        for name, sentence in PREFERENCES.items():
            value = " ".join(str(data.get(name) or "").split())[:MOST_TEXT]
            if value:
                yield Learned(
                    about=about,
                    kind=Kind.PREFERENCE,
                    slot=f"preference:{name}",
                    text=sentence.format(value),
                    origin=Origin.UNTRUSTED if name in theirs else Origin.TRUSTED,
                    confidence=0.9,
                    case_id=closed.id,
                    domain=closed.domain,
                    at=closed.closed_at,
                    refs=[ref],
                    single=True,
                )


def _claims(closed: Closed, about: tuple[str, str]) -> Iterator[Learned]:
    """What was written to us, as triage summed it up: worth knowing, and worth nothing as proof."""
    summary = " ".join(str(closed.triage.get("summary") or "").split())[:MOST_TEXT]
    if not summary:
        return
    label = _label(closed)
    yield Learned(
        about=about,
        kind=Kind.CLAIM,
        slot=f"claim:{label}"[:120],
        text=f"Wrote to us ({label or 'unclear'}): “{summary}”",
        origin=Origin.UNTRUSTED,
        confidence=_confidence(closed.triage),
        case_id=closed.id,
        domain=closed.domain,
        at=closed.closed_at,
        single=True,
    )


def _label(closed: Closed) -> str:
    """What triage chose from its closed list."""
    primary = str(closed.triage.get("primary_field") or "")
    return str(closed.triage.get(primary) or "").replace("_", " ")


def _confidence(triage: Mapping[str, Any]) -> float:
    told = triage.get("confidence")
    sure = told.get(triage.get("primary_field")) if isinstance(told, Mapping) else None
    return float(sure) if isinstance(sure, int | float) else 0.5
