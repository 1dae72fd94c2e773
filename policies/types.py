"""The vocabulary of the policy: facts in, verdict and decision record out.

`Facts` is the closed list of everything that a rule may look at. It is computed by the caller, frozen, stored with the
decision, and strict: a wrong type, NaN, a naive time or a control character is refused here, before the engine, because
CEL itself is lax about them (a string is cut at NUL, True counts as 1, NaN < 0.5 is false).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from policies.obligations import Obligation

MAX_TEXT = 500
MAX_ITEMS = 200
INT64 = 2**63


def _plain(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in text):
        raise ValueError("control characters and lone surrogates are refused")
    return unicodedata.normalize("NFC", text)


def _number(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise ValueError("only a float or an int is a number here")  # noqa: TRY004 - pydantic reads ValueError
    return value


Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_plain)]
Int = Annotated[int, Field(ge=-INT64, lt=INT64)]
# Strictness alone lets a Decimal through, rounded.
Double = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_number)]
Texts = Annotated[list[Text], Field(max_length=MAX_ITEMS)]


class Outcome(IntEnum):
    """What may happen to an action, strictest last: the combined verdict is the maximum over all matching rules."""

    ALLOW = 0
    NOTIFY = 1
    REVIEW = 2
    DENY = 3


class Enforcement(StrEnum):
    """How a bundle's answers count: not at all (`observe`), as a warning on the card (`warn`), or fully (`enforce`)."""

    OBSERVE = "observe"
    WARN = "warn"
    ENFORCE = "enforce"


class Facts(BaseModel):
    """Everything that a rule may look at. Each field is bound on every evaluation; absence is told by a ``has_`` field.

    Money is in minor units of `currency`. `*_confidence` is 0 to 1. Lists hold sorted, casefolded words.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    # the action
    action_kind: Text
    domain: Text
    risk: Text  # low | medium | high
    reversible: bool
    delivery: Text  # idempotent | reconcilable | at_most_once
    has_amount: bool = False
    amount_minor: Int = 0
    currency: Text = ""
    target_system: Text = ""
    target_kind: Text = ""
    #: the target was read from the company's own records in this case
    target_is_record: bool = False
    #: the target's record belongs to the customer whom the case is about
    target_of_customer: bool = False
    #: arguments by where their values come from (see workers.agents.origins)
    record_arguments: Texts = Field(default_factory=list)
    untrusted_arguments: Texts = Field(default_factory=list)
    model_arguments: Texts = Field(default_factory=list)
    edited_by_person: bool = False
    #: outgoing text holds a link, an amount, an e-mail address or a payment detail that is in no trusted record
    text_has_unknown_link: bool = False
    text_has_unknown_amount: bool = False
    text_has_unknown_contact: bool = False
    #: outgoing text holds a key, a password or a piece of our own instructions
    text_has_secret: bool = False
    #: outgoing text holds something of a record that belongs to somebody else
    text_has_others_data: bool = False
    #: outgoing text holds markup that loads or links something, or characters that hide something
    text_has_markup: bool = False
    #: what was found in the text, for a person to read
    text_findings: Texts = Field(default_factory=list)
    #: a message goes to an address that is not the customer's on record
    recipient_is_unknown: bool = False
    #: tags that are none of the house's own
    unknown_tags: Texts = Field(default_factory=list)
    #: a team that outsiders named and that the house does not have
    unknown_team: Text = ""
    #: scores that would go on file are not those that were computed
    findings_are_altered: bool = False
    #: another action of this case with the same kind and target exists already (done or in flight)
    repeats_earlier_action: bool = False

    # what triage said
    intent: Text = ""
    sentiment: Text = ""
    urgency: Text = ""
    language: Text = ""
    risk_flags: Texts = Field(default_factory=list)
    triage_confidence: Double = 0.0
    draft_confidence: Double = 0.0
    abstained: bool = True
    model_provider: Text = ""
    model_name: Text = ""

    # the customer, from the company's records
    has_customer: bool = False
    #: what limits per customer count by
    customer_id: Text = ""
    customer_tier: Text = ""
    customer_vip: bool = False
    customer_verified: bool = False
    customer_age_days: Int = 0
    customer_refunds_90d: Int = 0
    customer_refunded_minor_90d: Int = 0

    # the charge that the action touches
    has_charge: bool = False
    charge_amount_minor: Int = 0
    charge_refundable_minor: Int = 0
    charge_currency: Text = ""
    charge_status: Text = ""
    charge_age_days: Int = 0
    charge_disputed: bool = False
    #: the records by themselves (terms, dates, a second payment) say that the amount may be given back for this charge
    refund_is_due: bool = False

    # scored signals (transactions): 0 to 100 and the names of those that fired
    signal_score: Int = 0
    signals: Texts = Field(default_factory=list)
    watch_list_hits: Int = 0

    # the case and the clock
    source: Text = ""
    case_events: Int = 1
    case_round: Int = 1
    #: the newest message may ask for something (all do but those that only say thanks), by a rule that no model has a part in
    asks_for_something: bool = True
    missing_context: Texts = Field(default_factory=list)
    occurred_at: AwareDatetime
    #: the house's clock: its zone, the hour 0 to 23, the day of the week 1 (Monday) to 7, the date as 2026-11-20
    time_zone: Text = "UTC"
    local_hour: Int = 0
    local_weekday: Int = 1
    local_date: Text = ""

    #: counters over the last 24 hours of what was allowed, approved or done: this kind in this domain, and of it this
    #: customer's. Counted only where a rule in force names one of them.
    has_counters: bool = False
    kind_count_24h: Int = 0
    kind_minor_24h: Int = 0
    customer_kind_count_24h: Int = 0
    customer_kind_minor_24h: Int = 0
    #: what became of this customer's earlier actions of this kind in 90 days
    prior_approved_90d: Int = 0
    prior_edited_90d: Int = 0
    prior_rejected_90d: Int = 0
    prior_failed_90d: Int = 0

    #: the system outside that would carry it out, as its kill switch names it
    vendor: Text = ""
    #: kill switches thrown for this action when it was judged: ``all``, ``domain:…``, ``action:…``, ``vendor:…``; and rules
    #: whose permission is suspended: ``rule:bundle/rule``
    thrown_switches: Texts = Field(default_factory=list)
    #: what samples and canaries are drawn by: the same for all of a case
    draw: Text = ""
    #: of a proposed change of the policy: whether it lets through anything that was held back before
    policy_loosens: bool = False


#: Facts whose default is the harmless value, always or where the named fact says that there is something to know.
#: Whoever builds facts must state them: leaving one out must not make an action look harmless (`engine.judge`).
MUST_STATE: Mapping[str | None, tuple[str, ...]] = {
    None: (
        "has_amount",
        "untrusted_arguments",
        "model_arguments",
        "edited_by_person",
        "text_has_unknown_link",
        "text_has_unknown_amount",
        "text_has_unknown_contact",
        "text_has_secret",
        "text_has_others_data",
        "text_has_markup",
        "recipient_is_unknown",
        "unknown_tags",
        "unknown_team",
        "findings_are_altered",
        "repeats_earlier_action",
        "risk_flags",
        "missing_context",
        "thrown_switches",
    ),
    "has_customer": ("customer_vip", "customer_refunds_90d", "customer_refunded_minor_90d"),
    "has_charge": ("charge_disputed",),
}
#: Facts that say something of one kind of action alone, and what they count as there when nobody states them.
AT_WORST: Mapping[str, Mapping[str, Any]] = {"change_policy": {"policy_loosens": True}}


#: Facts that mean nothing unless another says that they were read: a rule that names one fails until then.
COUNTERS = frozenset(
    {
        *("kind_count_24h", "kind_minor_24h", "customer_kind_count_24h", "customer_kind_minor_24h"),
        *("prior_approved_90d", "prior_edited_90d", "prior_rejected_90d", "prior_failed_90d"),
    }
)
LOCAL_CLOCK = frozenset({"local_hour", "local_weekday", "local_date"})


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of an escalation ladder: so long after it was asked, somebody of `role` may say yes instead."""

    after_minutes: int
    role: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """Who must say yes: `n` distinct people of group `role`. An empty role means anybody who may decide.

    Places of a later `stage` open when all of the stages before are filled; those of one stage are filled side by side.
    """

    role: str
    n: int = 1
    stage: int = 0
    ladder: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """One rule's answer to one set of facts. `matched` is None where the rule could not be evaluated (`error`)."""

    rule: str
    bundle: str
    layer: str
    matched: bool | None
    outcome: Outcome
    enforcement: Enforcement
    message: str
    when: str
    #: the facts that the condition names; what it saw is among the record's (`DecisionRecord.seen`)
    names: tuple[str, ...]
    error: str | None = None
    #: why its match does not count: ``canary`` (not rolled out to this case), ``suspended`` (a switch took its permission
    #: away), or the waiver that was used, ``waiver:bundle/id``
    set_aside: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of one action: the outcome, who must approve, and why, in plain language."""

    outcome: Outcome
    requirements: tuple[Requirement, ...]
    reasons: tuple[str, ...]
    #: ids of the rules that decided, ``"bundle/rule"``; empty where a default did
    rules: tuple[str, ...]
    #: who may not say yes: ``editor`` (edited the action), ``initiator`` (brought the case about), ``last_approver`` (said
    #: yes to this customer's action of this kind before)
    exclude: tuple[str, ...] = ()
    #: roles that may approve so much money; None where no limit of authority applies
    authorised: tuple[str, ...] | None = None
    obligations: tuple[Obligation, ...] = ()
    #: to be decided within so long, else it counts as refused; None leaves it to the house's setting
    deadline_minutes: int | None = None
    #: waivers that were used, ``"bundle/waiver"``
    waivers: tuple[str, ...] = ()


#: what a limit counts apart: each customer, each agent (domain), each kind, each vendor; nothing means all together
Per = Literal["customer", "domain", "kind", "vendor"]


@dataclass(frozen=True, slots=True)
class Limit:
    """`max_count` actions, `max_minor` of `currency`, or both, within `window_minutes` that roll."""

    id: str
    bundle: str
    actions: frozenset[str]
    per: tuple[Per, ...]
    window_minutes: int
    max_count: int | None
    max_minor: int | None
    currency: str | None
    #: what an action becomes that would exceed it: REVIEW or DENY
    over: Outcome
    requirements: tuple[Requirement, ...]
    #: exceeding it throws the switch of the action's kind: whatever is amiss, it goes no further without a person
    trips: bool = False

    @property
    def ref(self) -> str:
        return f"{self.bundle}/{self.id}"


@dataclass(frozen=True, slots=True)
class Use:
    """What one action would use up of one limit. `key` names the counter: the limit and what it counts apart."""

    limit: Limit
    key: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """What came of it: used before, in the window, and whether this fitted."""

    limit: str
    key: str
    used_count: int
    used_minor: int
    held: bool


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """Everything needed to explain a verdict or to reach it again."""

    verdict: Verdict
    answers: tuple[RuleAnswer, ...]
    facts: dict[str, Any]
    policy: str  # human name and versions of the bundles, "platform@1 support@3"
    policy_hash: str  # sha-256 over the canonical form of every bundle in force
    engine: str  # "cel-expr-python 0.1.3"
    decided_at: datetime
    #: the limits that it falls under, unless it is denied
    uses: tuple[Use, ...] = ()
    #: what came of reserving them, where that was tried: `limits.tightened`
    reserved: tuple[Reserved, ...] = ()
    #: obligations that could not be met, in words: `unmet.denied`
    unmet: tuple[str, ...] = ()
    #: groups that people asked besides those that the policy asks: `approvals.escalated`
    escalated_to: tuple[str, ...] = ()
    #: rules that were asked and did not match, by name, where not every answer was wanted
    unmatched: tuple[str, ...] = ()

    def seen(self, answer: RuleAnswer) -> dict[str, Any]:
        """The values that an answer's condition saw."""
        return {name: self.facts[name] for name in answer.names}
