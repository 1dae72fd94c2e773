"""The kill switches as people see and use them: what is thrown, what that holds back just now, and who may do what.

Anybody who may decide can throw one: stopping needs no permission that takes time to find. Letting go on is for leads. Called
by the page and the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integrations import registry
from workers import switchboard
from workers.inbox.words import Invalid, NotAllowed, NotFound
from workers.quorum import LEAD
from workers.store import switches
from workers.store.database import Tx
from workers.store.records import AuditEntry, Person, Switch
from workers.store.switches import Stopped
from workers.wiring import System

MOST_HISTORY = 50
MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class Thrown:
    """A thrown switch, and how many approved actions it holds back at this moment."""

    switch: Switch
    holds: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A switch that can be thrown, and how many approved actions are under way that it would stop."""

    scope: str
    name: str
    moving: int


@dataclass(frozen=True, slots=True)
class Board:
    thrown: Sequence[Thrown]
    all: Offer
    domains: Sequence[Offer]
    actions: Sequence[Offer]
    vendors: Sequence[Offer]
    rules: Sequence[str]
    history: Sequence[AuditEntry]
    #: this reader may let go on what is stopped
    may_release: bool


def load(system: System, tx: Tx, person: Person) -> Board:
    thrown = switches.listing(tx)
    outgoing = switches.outgoing(tx)
    down = {switch.scope for switch in thrown}

    def offers(kind: str) -> list[Offer]:
        scopes = [scope for scope in _known(system) if scope.startswith(f"{kind}:") and scope not in down]
        return [Offer(scope, scope.partition(":")[2], _moving(outgoing, scope)) for scope in scopes]

    return Board(
        thrown=[Thrown(switch, _moving(outgoing, switch.scope)) for switch in thrown],
        all=Offer("all", "everything", _moving(outgoing, "all")),
        domains=offers("domain"),
        actions=offers("action"),
        vendors=offers("vendor"),
        rules=[rule.ref for rule in system.policy.rules if f"{switchboard.RULE}{rule.ref}" not in down],
        history=switches.history(tx, MOST_HISTORY),
        may_release=may_release(person),
    )


def may_release(person: Person) -> bool:
    return person.active and LEAD in person.groups


def throw(system: System, person: Person, scope: str, reason: str) -> Switch:
    """Stop what `scope` names, everywhere. Raise `Invalid` for a scope that is none, or without a reason."""
    told = reason.strip()
    if not person.active:
        raise NotAllowed("This account is not active.")
    if not told or len(told) > MOST_REASON:
        raise Invalid(f"Say why, in at most {MOST_REASON} letters: people read it where actions wait.")
    if scope not in _known(system) and scope.removeprefix(switchboard.RULE) not in _rules(system):
        raise Invalid(
            f"There is no switch {scope!r}: there are all, domain:NAME, action:KIND, vendor:NAME and rule:BUNDLE/RULE, "
            "by the names on the page Switches."
        )
    now = system.clock()
    with system.db.write() as tx:
        switchboard.throw(tx, scope, reason=told, actor=person.actor, now=now)
        thrown = switches.thrown(tx, [scope])
    system.switchboard.forget()
    assert thrown is not None
    return thrown


def release(system: System, person: Person, scope: str, reason: str) -> None:
    """Let go on what `scope` stopped. Raise `NotAllowed` for anybody but a lead, `NotFound` where it is not thrown."""
    if not may_release(person):
        raise NotAllowed(f"A switch is released by somebody of the group {LEAD!r}.")
    if len(reason) > MOST_REASON:
        raise Invalid(f"At most {MOST_REASON} letters, please.")
    with system.db.write() as tx:
        if not switchboard.release(tx, scope, reason=reason.strip(), actor=person.actor, now=system.clock()):
            raise NotFound("This switch is not thrown. Somebody may have released it already.")
    system.switchboard.forget()


def _known(system: System) -> list[str]:
    vendors = sorted({*registry.sources(), *system.readers.systems()})
    return switchboard.known_scopes(domains=sorted(system.agents), vendors=vendors)


def _rules(system: System) -> set[str]:
    return {rule.ref for rule in system.policy.rules}


def _moving(outgoing: Sequence[Stopped], scope: str) -> int:
    """How many of these a switch stops. A rule's switch stops none: it asks people instead."""
    kind, _, name = scope.partition(":")
    named = {"domain": "domain", "action": "kind", "vendor": "vendor"}.get(kind)
    return sum(
        some.count for some in outgoing if scope == "all" or (named is not None and getattr(some, named) == name)
    )
