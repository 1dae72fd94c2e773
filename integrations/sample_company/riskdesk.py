"""The risk desk of the sample company: the watch list that is read, the cases and hand-overs that are written.

A hit says that a term resembles a listed one and how closely; it is a candidate and never a verdict. Filing a case or
handing a charge to a team changes nothing about the charge itself, so the charge's version token stays.
"""

from __future__ import annotations

import ipaddress
import re
import sqlite3
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from integrations.base import Receipt, Record
from integrations.sample_company import desk, payments

MOST_TERMS = 100
NEAR_NAME = 0.86
SAME_NETWORK = 0.7
SAME_MAIL_DOMAIN = 0.5
#: Mail domains that everybody has: sharing one means nothing.
COMMON_DOMAINS = frozenset({"example.com", "example.org", "example.net"})


class WatchListReads(desk.Desk):
    """`integrations.base.WatchListReader`."""

    @desk.reads
    def matches(self, terms: Sequence[str]) -> Sequence[Record]:
        with self.database.reading() as connection:
            entries = connection.execute("SELECT * FROM watch_list ORDER BY entry_id").fetchall()
        return listed(entries, terms)


class RiskDeskWrites(desk.Desk):
    """`integrations.base.RiskDeskWriter`."""

    @desk.writes
    def file_case(self, charge_id: str, summary: str, signals: Sequence[Mapping[str, Any]], *, key: str) -> Receipt:
        desk.text(summary, "the summary")
        arguments = {"charge_id": charge_id, "summary": summary, "signals": [dict(signal) for signal in signals]}
        with self.database.writing() as connection:
            if earlier := desk.recall(connection, "file_case", key, arguments):
                return earlier
            charge = payments.found(connection, charge_id)
            at, case_id = self.moment(), desk.new_id("rc")
            connection.execute(
                "INSERT INTO risk_cases (case_id, charge_id, summary, signals, at) VALUES (?, ?, ?, ?, ?)",
                (case_id, charge_id, summary, desk.dump(arguments["signals"]), at),
            )
            return _done(connection, "file_case", key, arguments, charge, desk.ref("risk_case", case_id), at)

    @desk.writes
    def route(self, charge_id: str, team: str, note: str, *, key: str) -> Receipt:
        desk.line(team, "the team")
        desk.text(note, "the note")
        arguments = {"charge_id": charge_id, "team": team, "note": note}
        with self.database.writing() as connection:
            if earlier := desk.recall(connection, "route", key, arguments):
                return earlier
            charge = payments.found(connection, charge_id)
            at, routing_id = self.moment(), desk.new_id("ro")
            connection.execute(
                "INSERT INTO routings (routing_id, charge_id, team, note, at) VALUES (?, ?, ?, ?, ?)",
                (routing_id, charge_id, team, note, at),
            )
            return _done(connection, "route", key, arguments, charge, desk.ref("routing", routing_id), at)


def listed(entries: Sequence[sqlite3.Row], terms: Sequence[str]) -> list[Record]:
    """Every listed entry that one of the terms resembles, the closest first, each entry once."""
    hits: dict[str, Record] = {}
    wanted = [" ".join(term.split()).casefold() for term in list(dict.fromkeys(terms))[:MOST_TERMS]]
    for entry in entries:
        score, term = max(((resemblance(entry, term), term) for term in wanted if term), default=(0.0, ""))
        if score:
            hits[entry["entry_id"]] = _hit(entry, term, score)
    return sorted(hits.values(), key=lambda hit: (-hit.data["score"], hit.ref))


def resemblance(entry: Mapping[str, Any] | sqlite3.Row, term: str) -> float:
    """0 to 1: how closely a folded term resembles what is listed."""
    known = str(entry["listed"]).casefold()
    if term == known:
        return 1.0
    match entry["field"]:
        case "ip":
            return SAME_NETWORK if _network(term) == _network(known) is not None else 0.0
        case "email":
            domain = known.partition("@")[2]
            shared = domain and domain not in COMMON_DOMAINS and term.partition("@")[2] == domain
            return SAME_MAIL_DOMAIN if shared else 0.0
        case "name":
            ratio = SequenceMatcher(None, _name(term), _name(known)).ratio() if " " in term else 0.0
            return round(ratio, 2) if ratio >= NEAR_NAME else 0.0
        case _:
            return 0.0


def _network(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def _name(text: str) -> str:
    """Word order and punctuation of a name say nothing."""
    return " ".join(sorted(re.findall(r"\w+", text)))


def _hit(entry: sqlite3.Row, term: str, score: float) -> Record:
    return Record(
        ref=desk.ref("watch_hit", entry["entry_id"]),
        kind="watch_hit",
        title=f"{term} on {entry['list']} ({score:.0%})",
        data={
            "term": term,
            "listed": entry["listed"],
            "list": entry["list"],
            "score": score,
            "matched_field": entry["field"],
            "reason": entry["reason"],
            "since": entry["since"],
        },
        version="",
        trusted=True,
        url=f"/sample/watch-list/{entry['entry_id']}",
    )


def _done(
    connection: sqlite3.Connection,
    kind: str,
    key: str,
    arguments: Mapping[str, Any],
    charge: sqlite3.Row,
    made: str,
    at: str,
) -> Receipt:
    present = desk.token(charge["version"])
    desk.count_effect(connection, kind, key, desk.ref("charge", charge["charge_id"]), at)
    return desk.remember(connection, kind, key, arguments, Receipt(made, present, present, {"at": at}))
