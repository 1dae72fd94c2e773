"""Proposing more autonomy: what was found becomes a policy with its diff and its backtest, and a case in which people decide.

Called by the command line and the page, always for a person who is named; nothing is proposed by itself. The proposal goes
the way of every change of the policy (`workers.governance`), so as many people decide on it as the policy in force says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies.comparison import Report
from policies.errors import PolicyError
from policies.evidence import lasting_bound, lower_bound
from policies.rules import Policy
from policies.types import Outcome
from workers.autonomy.drafting import Drafted, draft, is_earned, widen
from workers.autonomy.finding import Evidence, Finding, Lacking, as_json, findings
from workers.governance.proposing import NotProposed
from workers.governance.proposing import propose as put_to_people
from workers.governance.rehearsed import rehearse
from workers.store import actions, autonomy, autonomy_watches, policy_sets
from workers.store.autonomy_watches import Watch
from workers.store.records import Case
from workers.wiring import System


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What could be proposed, with all that speaks for it. `evidence` is as it is kept."""

    domain: str
    kind: str
    sentence: str
    condition: str
    in_the_way: Sequence[str]
    evidence: dict[str, object]
    drafted: Drafted
    report: Report

    @property
    def rule(self) -> str:
        return self.drafted.rule

    @property
    def freed(self) -> int:
        """Of the latest decisions, how many would no longer need a person."""
        moves = self.report.moves.items()
        return sum(n for move, n in moves if move.after < Outcome.REVIEW <= move.before)


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking: what could be proposed, and why nothing is for the rest."""

    suggestions: Sequence[Suggestion]
    lacking: Sequence[Lacking]


def look(system: System, owner: str) -> Looked:
    """Find what might run by itself. `owner` is whoever would answer for it. Changes nothing."""
    policy, now = system.policy, system.clock()
    with system.db.read() as tx:
        files = policy_sets.of_hash(tx, policy.hash)
        found, lacking = findings(tx, policy, now)
        watches = autonomy_watches.listing(tx)
    if files is None:
        # A process that judges by a policy of its own: there is nothing here to change.
        return Looked((), [*lacking])
    made: list[Suggestion] = []
    for finding in found:
        sentence = told(finding, policy)
        try:
            drafted = draft(policy, files, finding, sentence, owner, now)
        except PolicyError as error:
            lacking.append(Lacking(finding.domain, finding.kind.name, str(error)))
            continue
        report = rehearse(system.db, policy, drafted.policy).report
        made.append(
            Suggestion(
                domain=finding.domain,
                kind=finding.kind.name,
                sentence=sentence,
                condition=finding.condition.words,
                in_the_way=finding.in_the_way,
                evidence=as_json(finding.evidence),
                drafted=drafted,
                report=report,
            )
        )
    made += (wider for watch in watches if (wider := _wider(system, policy, files, watch)) is not None)
    return Looked(made, lacking)


def propose(system: System, suggestion: Suggestion, by: str) -> Case:
    """Open the case in which people decide on it. Raise `NotProposed` where that was done, or cannot be."""
    with system.db.read() as tx:
        for earlier in autonomy.proposals(tx):
            waiting = earlier.in_case is not None and actions.unsettled(tx, earlier.in_case)
            if waiting and (earlier.rule, earlier.from_hash) == (suggestion.rule, system.policy.hash):
                raise NotProposed(f"This is proposed already: see the case {earlier.in_case}.")
    case = put_to_people(system, suggestion.drafted.files, suggestion.sentence, by)
    with system.db.write() as tx:
        autonomy.add_proposal(
            tx,
            {
                "domain": suggestion.domain,
                "kind": suggestion.kind,
                "rule": suggestion.rule,
                "condition": suggestion.condition,
                "sentence": suggestion.sentence,
                "evidence": suggestion.evidence,
                "diff": suggestion.drafted.diff,
                "from_hash": system.policy.hash,
                "to_hash": suggestion.drafted.policy.hash,
                "by": by,
                "in_case": case.id,
                "at": system.clock(),
            },
        )
    return case


def told(finding: Finding, policy: Policy) -> str:
    """``318 of 320 proposals “Close the ticket” of verified customers were approved unedited: lower bound 98.0 % …``"""
    evidence = finding.evidence
    what = f"{evidence.agreed} of {evidence.seen} proposals “{finding.kind.title}”"
    where = f" {finding.condition.words}" if finding.condition.parts else ""
    return f"{what}{where} were approved unedited{_bounds(evidence, policy)}"


def _bounds(evidence: Evidence, policy: Policy) -> str:
    sure = f"{policy.autonomy.confidence:.0%} confidence"
    return (
        f": lower bound {evidence.bound:.1%} at {sure}, {evidence.lasting:.1%} for every look at {evidence.tried} conditions. "
        "Let it run by itself?"
    )


def _wider(system: System, policy: Policy, files: dict[str, str], watch: Watch) -> Suggestion | None:
    """A rule that did well: fewer of its actions need be looked at."""
    wanted = policy.autonomy
    known = next((rule for rule in policy.rules if rule.ref == watch.rule), None)
    if known is None or not is_earned(watch.rule) or watch.taken_back or watch.outcomes < wanted.min_decisions:
        return None
    right = watch.outcomes - watch.wrong
    lasting = lasting_bound(right, watch.outcomes, wanted.confidence)
    if lasting < wanted.lower_bound:
        return None
    drafted = widen(policy, files, watch.rule, system.clock())
    if drafted is None:
        return None
    made, before, after = drafted
    bound = lower_bound(right, watch.outcomes, wanted.confidence)
    bundle = next(bundle for bundle in policy.bundles if bundle.name == known.bundle)
    sentence = (
        f"{right} of {watch.outcomes} went well under {watch.rule}: lower bound {bound:.1%} at {wanted.confidence:.0%} "
        f"confidence, {lasting:.1%} for every look. Have people look at {after:g} % instead of {before:g} %?"
    )
    return Suggestion(
        domain=bundle.domain or "",
        kind=min(known.actions),
        sentence=sentence,
        condition=f"{after:g} % looked at instead of {before:g} %",
        in_the_way=(),
        evidence={"agreed": right, "seen": watch.outcomes, "bound": bound, "lasting": lasting},
        drafted=replace(made, rule=watch.rule),
        report=rehearse(system.db, policy, made.policy).report,
    )
