"""What bundles refer to in each other and in themselves: roles, action kinds, names. Checked by `loader` before compiling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.documents import Document, Path
from policies.envelope import EVERY_ACTION, ApproverEntry, BundleEntry, RuleEntry
from policies.errors import Problem

_WIDE = ("platform", "org")


@dataclass(frozen=True, slots=True)
class Known:
    """What is declared by all bundles together."""

    names: Mapping[str, int]
    roles: frozenset[str]
    #: action kinds by the domain whose bundles declare them; under None those of platform and org
    actions: Mapping[str | None, frozenset[str]]

    @classmethod
    def of(cls, entries: Sequence[BundleEntry]) -> Known:
        actions: dict[str | None, frozenset[str]] = {None: frozenset()}
        for entry in entries:
            actions[entry.domain] = actions.get(entry.domain, frozenset()) | frozenset(entry.actions)
        return cls(
            names=Counter(entry.bundle for entry in entries),
            roles=frozenset(role for entry in entries for role in entry.roles),
            actions=actions,
        )

    def actions_for(self, domain: str | None) -> frozenset[str]:
        """A domain's bundle may speak of its own and the platform's kinds; one for every domain may speak of all."""
        if domain is None:
            return frozenset().union(*self.actions.values())
        return self.actions[None] | self.actions.get(domain, frozenset())


def problems(document: Document, entry: BundleEntry, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with one bundle apart from its conditions and messages."""
    if known.names[entry.bundle] > 1:
        yield document.problem(("bundle",), f"another bundle is called {entry.bundle!r} too")
    if entry.layer in _WIDE and entry.domain is not None:
        yield document.problem(("domain",), f"the layer {entry.layer} is for every domain")
    if entry.layer not in _WIDE and entry.domain is None:
        yield document.problem(("layer",), f"the layer {entry.layer} needs a domain")
    if entry.roles and entry.layer != "platform":
        yield document.problem(("roles",), "only the layer platform declares roles")
    yield from _approvers(document, ("defaults", "approvers"), entry.defaults.approvers, known)

    ids = Counter(rule.id for rule in entry.rules)
    actions = known.actions_for(entry.domain)
    for place, rule in enumerate(entry.rules):
        path: Path = ("rules", place)
        if ids[rule.id] > 1:
            yield document.problem((*path, "id"), f"the id {rule.id!r} is there twice")
        yield from _rule(document, path, rule, actions)
        yield from _approvers(document, (*path, "approvers"), rule.approvers, known)


def _rule(document: Document, path: Path, rule: RuleEntry, actions: frozenset[str]) -> Iterator[Problem]:
    for action in rule.actions:
        if action not in actions and action != EVERY_ACTION:
            message = f"unknown action {action!r}: no bundle that could meet it declares it under 'actions'"
            yield document.problem((*path, "actions"), message)
    if EVERY_ACTION in rule.actions and len(rule.actions) > 1:
        yield document.problem((*path, "actions"), f"{EVERY_ACTION!r} means every action: it stands alone")
    for key, said in (("approvers", rule.approvers), ("exclude", rule.exclude)):
        if said and rule.outcome != "review":
            yield document.problem((*path, key), f"only a review asks people, this rule says {rule.outcome}")


def _approvers(document: Document, path: Path, approvers: Iterable[ApproverEntry], known: Known) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, approver in enumerate(approvers):
        if approver.role not in known.roles:
            message = f"unknown role {approver.role!r}: a bundle of the layer platform declares it under 'roles'"
            yield document.problem((*path, place, "role"), message)
        if approver.role in seen:
            yield document.problem((*path, place, "role"), f"the role {approver.role!r} is there twice")
        seen.add(approver.role)
