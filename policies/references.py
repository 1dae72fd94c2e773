"""What bundles refer to in each other and in themselves: roles, action kinds, names. Checked by `loader` before compiling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.documents import Document, Path
from policies.envelope import EVERY_ACTION, ApproverEntry, BundleEntry, LimitEntry, RuleEntry, WaiverEntry
from policies.errors import Problem
from policies.obligations import Notify, Sample

_WIDE = ("platform", "org")
_SAYS = {
    "roles": "declares roles",
    "authority": "says how much money a role may approve",
    "never_automatic": "says what never runs by itself",
    "autonomy": "says when autonomy is earned",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is declared by all bundles together."""

    names: Mapping[str, int]
    roles: frozenset[str]
    #: action kinds by the domain whose bundles declare them; under None those of platform and org
    actions: Mapping[str | None, frozenset[str]]
    #: by ``"bundle/rule"``: the bundle and the rule
    rules: Mapping[str, tuple[BundleEntry, RuleEntry]]

    @classmethod
    def of(cls, entries: Sequence[BundleEntry], misshapen: Iterable[Document] = ()) -> Known:
        """What `misshapen` bundles declare counts as declared: other bundles are not to blame for them."""
        actions: dict[str | None, frozenset[str]] = {None: frozenset()}
        roles = {role for entry in entries for role in entry.roles}
        for entry in entries:
            actions[entry.domain] = actions.get(entry.domain, frozenset()) | frozenset(entry.actions)
        for document in misshapen:
            said = document.data if isinstance(document.data, dict) else {}
            domain = said.get("domain") if isinstance(said.get("domain"), str) else None
            actions[domain] = actions.get(domain, frozenset()) | _texts(said.get("actions"))
            roles |= _texts(said.get("roles"))
        return cls(
            names=Counter(entry.bundle for entry in entries),
            roles=frozenset(roles),
            actions=actions,
            rules={f"{entry.bundle}/{rule.id}": (entry, rule) for entry in entries for rule in entry.rules},
        )

    def actions_for(self, domain: str | None) -> frozenset[str]:
        """A domain's bundle may speak of its own and the platform's kinds; one for every domain may speak of all."""
        if domain is None:
            return frozenset().union(*self.actions.values())
        return self.actions[None] | self.actions.get(domain, frozenset())


def _texts(said: object) -> frozenset[str]:
    return frozenset(one for one in said if isinstance(one, str)) if isinstance(said, list) else frozenset()


def problems(document: Document, entry: BundleEntry, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with one bundle apart from its conditions and messages."""
    yield from _head(document, entry, known)
    yield from _platform(document, entry, known)
    yield from _approvers(document, ("defaults", "approvers"), entry.defaults.approvers, known)
    for key, said in (("rules", entry.rules), ("limits", entry.limits), ("waivers", entry.waivers)):
        yield from _twice(document, (key,), "id", [one.id for one in said])
    actions = known.actions_for(entry.domain)
    for place, rule in enumerate(entry.rules):
        yield from _rule(document, ("rules", place), rule, actions, known)
    for place, limit in enumerate(entry.limits):
        yield from _limit(document, ("limits", place), limit, actions, known)
    for place, waiver in enumerate(entry.waivers):
        yield from _waiver(document, ("waivers", place), entry, waiver, known)


def _head(document: Document, entry: BundleEntry, known: Known) -> Iterator[Problem]:
    if known.names[entry.bundle] > 1:
        yield document.problem(("bundle",), f"another bundle is called {entry.bundle!r} too")
    if entry.layer in _WIDE and entry.domain is not None:
        yield document.problem(("domain",), f"the layer {entry.layer} is for every domain")
    if entry.layer not in _WIDE and entry.domain is None:
        yield document.problem(("layer",), f"the layer {entry.layer} needs a domain")
    # A limit and a rule of one name would be taken for each other where a reason names one.
    rules = {rule.id for rule in entry.rules}
    for place, limit in enumerate(entry.limits):
        if limit.id in rules:
            yield document.problem(("limits", place, "id"), f"a rule is called {limit.id!r} too")


def _platform(document: Document, entry: BundleEntry, known: Known) -> Iterator[Problem]:
    """What only the platform may say."""
    if entry.layer != "platform":
        for key, says in _SAYS.items():
            if getattr(entry, key):
                yield document.problem((key,), f"only the layer platform {says}")
    yield from _unknown(document, ("never_automatic",), entry.never_automatic, known.actions_for(None))
    roles = [said.role for said in entry.authority]
    yield from _twice(document, ("authority",), "role", roles)
    for place, role in enumerate(roles):
        yield from _role(document, ("authority", place, "role"), role, known)


def _rule(document: Document, path: Path, rule: RuleEntry, actions: frozenset[str], known: Known) -> Iterator[Problem]:
    yield from _unknown(document, (*path, "actions"), rule.actions, actions)
    asking = (
        ("approvers", rule.approvers),
        ("stages", rule.stages),
        ("exclude", rule.exclude),
        ("deadline_minutes", rule.deadline_minutes),
    )
    for key, said in asking:
        if said and rule.outcome != "review":
            yield document.problem((*path, key), f"only a review asks people, this rule says {rule.outcome}")
    if rule.approvers and rule.stages:
        yield document.problem((*path, "stages"), "either approvers, side by side, or stages, one after the other")
    yield from _approvers(document, (*path, "approvers"), rule.approvers, known)
    for place, stage in enumerate(rule.stages):
        yield from _approvers(document, (*path, "stages", place), stage, known)
    if rule.obligations and rule.outcome == "deny":
        yield document.problem((*path, "obligations"), "nothing is done that is denied: there is nothing to oblige")
    for place, obligation in enumerate(rule.obligations):
        where = (*path, "obligations", place)
        if isinstance(obligation, Notify | Sample) and obligation.role is not None:
            yield from _role(document, (*where, "role"), obligation.role, known)
        if isinstance(obligation, Sample) and rule.outcome == "review":
            yield document.problem(where, "people look at all of it anyway: a sample is for allow and notify")


def _limit(
    document: Document, path: Path, limit: LimitEntry, actions: frozenset[str], known: Known
) -> Iterator[Problem]:
    yield from _unknown(document, (*path, "actions"), limit.actions, actions)
    yield from _approvers(document, (*path, "approvers"), limit.approvers, known)
    if limit.max_count is None and limit.max_minor is None:
        yield document.problem(path, "limits nothing: give max_count, or max_minor and currency")
    if (limit.max_minor is None) != (limit.currency is None):
        yield document.problem(path, "max_minor and currency belong together")
    if limit.approvers and limit.over != "review":
        yield document.problem((*path, "approvers"), "only a review asks people, over says deny")
    if len(set(limit.per)) < len(limit.per):
        yield document.problem((*path, "per"), "the same thing is there twice")


def _waiver(document: Document, path: Path, entry: BundleEntry, waiver: WaiverEntry, known: Known) -> Iterator[Problem]:
    ref = waiver.rule if "/" in waiver.rule else f"{entry.bundle}/{waiver.rule}"
    if ref not in known.rules:
        yield document.problem((*path, "rule"), f"there is no rule {ref!r} to waive")
        return
    bundle, rule = known.rules[ref]
    if bundle.layer == "platform" and rule.outcome == "deny":
        yield document.problem((*path, "rule"), f"{ref!r} is what the platform denies: that cannot be waived")


def _unknown(document: Document, path: Path, kinds: Sequence[str], known: frozenset[str]) -> Iterator[Problem]:
    for kind in kinds:
        if kind not in known and kind != EVERY_ACTION:
            message = f"unknown action {kind!r}: no bundle that could meet it declares it under 'actions'"
            yield document.problem(path, message)
    if EVERY_ACTION in kinds and len(kinds) > 1:
        yield document.problem(path, f"{EVERY_ACTION!r} means every action: it stands alone")


def _approvers(document: Document, path: Path, approvers: Iterable[ApproverEntry], known: Known) -> Iterator[Problem]:
    yield from _twice(document, path, "role", [approver.role for approver in approvers])
    for place, approver in enumerate(approvers):
        yield from _role(document, (*path, place, "role"), approver.role, known)
        ladder = (*path, place, "ladder")
        yield from _twice(document, ladder, "role", [approver.role, *(rung.role for rung in approver.ladder)], skip=1)
        for rung_place, rung in enumerate(approver.ladder):
            yield from _role(document, (*ladder, rung_place, "role"), rung.role, known)


def _role(document: Document, path: Path, role: str, known: Known) -> Iterator[Problem]:
    if role not in known.roles:
        message = f"unknown role {role!r}: a bundle of the layer platform declares it under 'roles'"
        yield document.problem(path, message)


def _twice(document: Document, path: Path, key: str, names: Sequence[str], *, skip: int = 0) -> Iterator[Problem]:
    """Ids that others have too, and other names that are there before. The first `skip` of them stand elsewhere."""
    for place, name in enumerate(names):
        if name in (names[:place] if key != "id" else (*names[:place], *names[place + 1 :])):
            yield document.problem((*path, place - skip, key), f"the {key} {name!r} is there twice")
