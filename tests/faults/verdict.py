"""The count afterwards: what the outside saw against what the database says. Every promise is one function of `PROMISES`.

Reads the database, the house's ledger, the driver's journal and the timeline; changes nothing. A promise returns what broke
it, in sentences that name the row.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.faults import script
from tests.faults.chaos import Happening
from tests.faults.clients import PATIENCE
from tests.faults.driver import Journal
from tests.faults.house import LATE_SECONDS
from tests.faults.stack import Stack
from workers.store import action_rows, proof
from workers.store.audit_rows import laid_open

EFFECT_OF = {"refund_payment": "refund", "reply_to_customer": "reply", "request_documents": "mail"}
#: an answer that came so shortly before a disturbance may not have been committed yet
COMMITTING_SECONDS = 3.0
#: how the house answers so that its client cannot know
UNHEARD = ("cut", "late")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is judged, read once."""

    journal: Journal
    timeline: list[Happening]
    cases: dict[str, Row]
    events: list[Row]
    actions: dict[str, Row]
    decisions: list[Row]
    steps: list[Row]
    usage: list[Row]
    effects: list[Row]
    calls: list[Row]
    luck: Mapping[str, int]
    broken_audit: list[str]
    by_action: Mapping[str, list[Row]] = field(default_factory=dict)


def gather(stack: Stack, journal: Journal, timeline: list[Happening]) -> Evidence:
    with psycopg.connect(stack.postgres.url, row_factory=dict_row) as db:

        def rows(table: str) -> list[Row]:
            return db.execute(f"SELECT * FROM {table}").fetchall()

        cases = rows("cases")
        actions = [action_rows.whole("actions", row) for row in rows("actions")]
        events = db.execute("SELECT id, source, delivery_id, subject, case_id, duplicates FROM events").fetchall()
        decisions, steps = rows("decisions"), rows("steps")
        # A call that answered is in the row of its step.
        answered = [{**row, "step": row["name"], "at": row["finished_at"]} for row in steps if row["model"]]
        usage = [*rows("model_usage"), *answered]
    with sqlite3.connect(stack.ledger) as ledger:
        ledger.row_factory = sqlite3.Row
        effects = [dict(row) for row in ledger.execute("SELECT * FROM effects")]
        calls = [dict(row) for row in ledger.execute("SELECT * FROM model_calls")]
        luck = {str(what): int(times) for what, times in ledger.execute("SELECT what, times FROM luck")}
    ledger.close()
    with stack.db.read() as tx:
        broken = proof.verify(tx)
    by_action: dict[str, list[Row]] = defaultdict(list)
    for effect in effects:
        by_action[effect["key"]].append(effect)
    return Evidence(
        journal,
        timeline,
        {case["id"]: case for case in cases},
        events,
        {action["id"]: action for action in actions},
        decisions,
        steps,
        usage,
        effects,
        calls,
        luck,
        broken,
        by_action,
    )


def no_event_lost(seen: Evidence) -> list[str]:
    """Every webhook answered with 2xx is in the database once, in exactly one case, and was worked."""
    stored = defaultdict(list)
    attached: Counter[str] = Counter()
    for event in seen.events:
        stored[event["delivery_id"]].append(event)
        attached[event["case_id"]] += 1
    broken = []
    for delivery, ticket in seen.journal.accepted.items():
        found = stored.get(delivery, [])
        if len(found) != 1:
            broken.append(f"{delivery} was accepted and is stored {len(found)} times")
        elif seen.cases[found[0]["case_id"]]["subject"] != f"{script.SYSTEM}:ticket:{ticket}":
            broken.append(f"{delivery} is in a case about something else: {found[0]['case_id']}")
    for case in seen.cases.values():
        if case["events_total"] != attached[case["id"]]:
            broken.append(f"{case['id']} counts {case['events_total']} events and has {attached[case['id']]}")
        if case["state"] == "closed" and case["events_worked"] != case["events_total"]:
            broken.append(f"{case['id']} was closed with a message that nobody read")
    return broken


def no_effect_doubled(seen: Evidence) -> list[str]:
    """One key, one effect; and one case pays one charge back once, under however many keys it was drafted again."""
    broken = [
        f"{key} ({effects[0]['kind']}) had {len(effects)} effects"
        for key, effects in seen.by_action.items()
        if len(effects) > 1
    ]
    paid: dict[tuple[str, str], list[str]] = defaultdict(list)
    for effect in seen.effects:
        if effect["kind"] == "refund" and effect["key"] in seen.actions:
            paid[seen.actions[effect["key"]]["case_id"], effect["ref"]].append(effect["key"])
    broken += [f"{case} paid {ref} back under {sorted(keys)}" for (case, ref), keys in paid.items() if len(keys) > 1]
    return broken


def told_as_it_was(seen: Evidence) -> list[str]:
    """Done means done, anything else means not done; where nobody can know it is `uncertain`, and only there."""
    broken = []
    for action in seen.actions.values():
        effects = seen.by_action.get(action["id"], [])
        state = action["state"]
        if state == "done" and not effects:
            broken.append(f"{action['id']} ({action['kind']}) is done, and nothing happened")
        elif effects and state not in ("done", "uncertain"):
            broken.append(f"{action['id']} ({action['kind']}) happened, and is {state}: {action['reason']}")
        elif state != "uncertain" and effects and effects[0]["kind"] == "mail" and not _could_know(seen, effects[0]):
            broken.append(f"{action['id']}: nobody could know whether the mail went out, and it is {state}")
        if state == "uncertain" and seen.cases[action["case_id"]]["state"] not in ("inbox", "taken_over"):
            broken.append(f"{action['id']} is uncertain, and its case is not in the inbox")
    return broken


def _could_know(seen: Evidence, effect: Row) -> bool:
    """Whether its client could hear how it went: in time, or late where it stood still while its patience ran out, and looked again
    when the answer was there."""
    if effect["answer"] not in UNHEARD:
        return True
    gives_up, answered = effect["at"] + PATIENCE.read, effect["at"] + LATE_SECONDS
    return effect["answer"] == "late" and any(
        one.what == "stop" and one.target.startswith("act") and one.at <= gives_up and one.until >= answered
        for one in seen.timeline
    )


def sent_as_approved(seen: Evidence) -> list[str]:
    """What the other side got is what was approved, by a rule that allows it or by a person who said so."""
    broken = []
    for key, effects in seen.by_action.items():
        action = seen.actions.get(key)
        if action is None:
            broken.append(f"an effect has the key {key}, which no action has")
            continue
        for effect in effects:
            got = json.loads(effect["what"])
            if effect["kind"] != EFFECT_OF[action["kind"]] or got != action["arguments"]:
                broken.append(f"{key}: approved {action['arguments']}, received {effect['kind']} {got}")
        if action["digest"] != action["approved_digest"]:
            broken.append(f"{key} was carried out with a digest that is not the approved one")
        by_rule = str(action["decided_by"] or "").startswith("policy:")
        words = seen.journal.said.get((key, action["digest"]), [])
        ticket = script.number(f"{action['arguments'].get('charge_id', '')}{seen.cases[action['case_id']]['subject']}")
        if by_rule and not (action["verdict"]["outcome"] == "allow" and script.sure(ticket, action["kind"])):
            broken.append(f"{key} ran by rule although the rules ask for a person")
        if not by_rule and "approve" not in words:
            broken.append(f"{key} was carried out and nobody approved it (by {action['decided_by']!r}, said {words})")
    return broken


def no_case_stuck(seen: Evidence) -> list[str]:
    """Closed, or waiting for a person with a reason."""
    unsettled: dict[str, set[str]] = defaultdict(set)
    for action in seen.actions.values():
        if action["settled_at"] is None:
            unsettled[action["case_id"]].add(action["state"])
    return [
        f"{case['id']} is {case['state']} at {case['step']}, due {case['wake_at']}, waits for {case['waiting_for']!r}, "
        f"claimed by {case['claimed_by']!r}, actions {sorted(unsettled[case['id']])}"
        for case in seen.cases.values()
        if case["state"] != "closed"
        and not (case["state"] == "inbox" and (case["attention"] or unsettled[case["id"]] & {"uncertain"}))
    ]


def no_recorded_call_repeated(seen: Evidence) -> list[str]:
    """A recorded answer is never asked for again, and an unrecorded one was in flight when something was broken."""
    broken = []
    recorded = Counter((use["case_id"], use["round"], use["step"]) for use in seen.usage)
    broken += [f"{place} was recorded {times} times" for place, times in recorded.items() if times > 1]
    kept = {use["request_id"]: use for use in seen.usage}
    first: dict[tuple[str, str, str], float] = {}
    for call in seen.calls:
        if call["id"] in kept:
            place = (call["ticket"], call["task"], call["digest"])
            at = kept[call["id"]]["at"].timestamp()
            first[place] = min(first.get(place, at), at)
    for call in lost_calls(seen):
        at = first.get((call["ticket"], call["task"], call["digest"]))
        if at is not None and call["began"] > at:
            broken.append(
                f"ticket {call['ticket']}: {call['task']} was asked again by {call['caller']} after its record"
            )
        elif not _disturbed(seen, call):
            broken.append(
                f"ticket {call['ticket']}: the answer to {call['task']} ({call['id']}, {call['caller']}, "
                f"at {call['began']:.1f}) was not recorded, though nothing was broken then"
            )
    return broken


def lost_calls(seen: Evidence) -> list[Row]:
    """Calls that were answered and whose answer is nowhere."""
    kept = {use["request_id"] for use in seen.usage}
    return [call for call in seen.calls if call["status"] == 200 and call["id"] not in kept]


def _disturbed(seen: Evidence, call: Row) -> bool:
    name, _, pid = call["caller"].partition(".")
    began, ended = call["began"], call["ended"] + COMMITTING_SECONDS
    return any(
        happened.at <= ended and (happened.until or happened.at) + 1.0 >= began
        for happened in seen.timeline
        if happened.target == "database" or (happened.target == name and happened.pid == int(pid or 0))
    )


def log_is_whole(seen: Evidence) -> list[str]:
    return list(seen.broken_audit)


PROMISES: Mapping[str, Callable[[Evidence], list[str]]] = {
    "events lost": no_event_lost,
    "effects doubled": no_effect_doubled,
    "told otherwise than it was": told_as_it_was,
    "sent otherwise than approved": sent_as_approved,
    "cases stuck": no_case_stuck,
    "recorded calls repeated": no_recorded_call_repeated,
    "audit log broken": log_is_whole,
}


def quiet(stack: Stack) -> bool:
    """Nothing is under way any more, and nothing waits for the driver's people."""
    query = """
        SELECT (SELECT count(*) FROM cases WHERE state IN ('working', 'waiting', 'acting') OR claimed_by IS NOT NULL)
             + (SELECT count(*) FROM cases WHERE state <> 'closed' AND events_total > events_worked AND attention IS NULL)
             + (SELECT count(*) FROM actions WHERE state IN ('pending', 'approved', 'executing'))
    """
    with psycopg.connect(stack.postgres.url, connect_timeout=2) as db:
        found = db.execute(query).fetchone()
    return found is not None and found[0] == 0


def life_of(stack: Stack, sentence: str) -> list[str]:
    """The audit log of the case that a sentence names, for the failure's report."""
    with psycopg.connect(stack.postgres.url, row_factory=dict_row) as db:
        query = "SELECT id FROM cases WHERE %s LIKE '%%' || id || '%%' UNION SELECT case_id FROM actions WHERE %s LIKE '%%' || id || '%%'"
        named = db.execute(query, (sentence, sentence)).fetchone()
        if named is None:
            return []
        entries = db.execute("SELECT * FROM audit WHERE chain = %s ORDER BY seq", (named["id"],)).fetchall()
        actions = db.execute(
            "SELECT * FROM actions WHERE case_id = %s ORDER BY round, ordinal", (named["id"],)
        ).fetchall()
    lines = [
        f"{e['at'].timestamp():.2f} {e['actor']} {e['verb']} {json.dumps(e['data'])}" for e in map(laid_open, entries)
    ]
    lines += [
        f"{a['id']} {a['kind']} {a['state']} tries {a['tries']} {a['reason'] or a['waiting_for']}" for a in actions
    ]
    return lines


def clock() -> str:
    return time.strftime("%H:%M:%S")
