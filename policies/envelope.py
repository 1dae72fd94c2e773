"""The shape of policy files: what a bundle and its tests may say, strictly. `loader` reads files into these.

Conditions stay text here; everything around them is plain data. Unknown keys are refused, and no value is converted.
The descriptions go into the JSON Schema that editors show.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from policies.obligations import Obligation
from policies.types import Per

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Minutes = Annotated[int, Field(ge=1, le=60 * 24 * 365)]
Money = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
OutcomeName = Literal["allow", "notify", "review", "deny"]
EnforcementName = Literal["observe", "warn", "enforce"]
#: what can stand in for a rule that says nothing: never permission
Floor = Literal["review", "deny"]
Excluded = Literal["editor", "initiator", "last_approver"]

EVERY_ACTION = "*"

Actions = Annotated[
    list[Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9_-]{0,63})$")]],
    Field(min_length=1),
    BeforeValidator(lambda value: [EVERY_ACTION] if value == EVERY_ACTION else value),
]


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class Entry(BaseModel):
    # Made ready when a file is first read: most processes take their policy as it was kept, and read none.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class RungEntry(Entry):
    """So long after they were asked, somebody of `role` may say yes instead."""

    after_minutes: Minutes
    role: Name


class ApproverEntry(Entry):
    """`n` distinct people of group `role`."""

    role: Name
    n: Annotated[int, Field(ge=1, le=20)] = 1
    ladder: list[RungEntry] = Field(default_factory=list)


class RuleEntry(Entry):
    id: Name
    actions: Annotated[Actions, Field(description="The action kinds that it is for, or * for all.")]
    when: Annotated[str, Field(min_length=1, description="A CEL condition over the facts.")]
    outcome: OutcomeName
    message: Annotated[Line, Field(description="What people read; {fact} and {amount} are filled in.")]
    approvers: Annotated[
        list[ApproverEntry],
        Field(description="Who must say yes to a review, side by side; empty: anybody who may decide."),
    ] = Field(default_factory=list)
    stages: Annotated[
        list[Annotated[list[ApproverEntry], Field(min_length=1)]],
        Field(description="Who must say yes one stage after the other, instead of approvers."),
    ] = Field(default_factory=list)
    exclude: Annotated[
        list[Excluded],
        Field(
            description="Who may not say yes: whoever edited the action, brought the case about, or last said yes to this "
            "customer's action of this kind."
        ),
    ] = Field(default_factory=list)
    deadline_minutes: Annotated[
        Minutes | None, Field(description="To be decided within so long, else it counts as refused.")
    ] = None
    obligations: Annotated[
        list[Obligation], Field(description="What must happen besides the yes; what cannot be met denies.")
    ] = Field(default_factory=list)
    enforcement: Annotated[
        EnforcementName, Field(description="For this rule alone; the weaker of it and the bundle's counts.")
    ] = "enforce"
    canary: Annotated[
        float | None, Field(ge=0, le=100, description="Counts for so many per cent of cases, elsewhere it is observed.")
    ] = None


class LimitEntry(Entry):
    """So many actions, so much money, or both, within a window that rolls."""

    id: Name
    actions: Actions
    per: Annotated[list[Per], Field(description="What is counted apart; empty: all together.")] = Field(
        default_factory=list
    )
    window_minutes: Minutes
    max_count: Annotated[int, Field(ge=1)] | None = None
    max_minor: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    currency: Currency | None = None
    over: Annotated[Floor, Field(description="What an action becomes that would exceed it.")]
    approvers: list[ApproverEntry] = Field(default_factory=list)
    trips: Annotated[bool, Field(description="Exceeding it throws the kill switch of the action's kind.")] = False


class WaiverEntry(Entry):
    """One rule's match does not count, under a condition, until a time, on somebody's word."""

    id: Name
    rule: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}(/[a-z][a-z0-9_-]{0,63})?$")]
    when: Annotated[str, Field(min_length=1)]
    until: Annotated[AwareDatetime, BeforeValidator(_moment)]
    owner: Line
    reason: Line


class AuthorityEntry(Entry):
    """How much `role` may approve, in minor units by currency; ``*`` is every currency that is not named."""

    role: Name
    up_to: Annotated[
        dict[Annotated[str, Field(pattern=r"^([A-Z]{3}|\*)$")], Money],
        Field(min_length=1),
    ]


class AutonomyEntry(Entry):
    """When history is good enough to propose that something runs by itself, and when that is taken back."""

    lower_bound: Annotated[Share, Field(description="How often people must have said yes unedited, at least.")] = 0.98
    confidence: Annotated[Share, Field(description="How sure that must be.")] = 0.95
    min_decisions: Annotated[int, Field(ge=1)] = 100
    max_reversal_rate: Annotated[Share, Field(description="More reversals or rejections than this take it back.")] = (
        0.02
    )
    alpha: Annotated[float, Field(gt=0, lt=1, description="How often it may be taken back by mistake.")] = 0.05


class DefaultsEntry(Entry):
    """What holds where no rule answers. Of several bundles the strictest counts; what none says is built in.

    `approvers` look where no rule was there to say who: nothing matched, a rule failed, the facts were refused.
    """

    unknown_action: Floor | None = None
    no_match: Floor | None = None
    rule_error: Floor | None = None
    approvers: list[ApproverEntry] = Field(default_factory=list)


class BundleEntry(Entry):
    bundle: Name
    version: Annotated[int, Field(ge=1)]
    about: Line | None = None
    layer: Literal["platform", "org", "domain", "agent"]
    domain: Annotated[
        Name | None, Field(description="Which cases it is for; only for the layers domain and agent.")
    ] = None
    enforcement: EnforcementName
    roles: Annotated[
        list[Name], Field(description="Every group that rules of any bundle may ask for; only on the layer platform.")
    ] = Field(default_factory=list)
    actions: Annotated[list[Name], Field(description="The action kinds that it knows.")] = Field(default_factory=list)
    defaults: DefaultsEntry = DefaultsEntry()
    authority: Annotated[
        list[AuthorityEntry], Field(description="How much money each role may approve; only on the layer platform.")
    ] = Field(default_factory=list)
    never_automatic: Annotated[
        list[Name],
        Field(description="Kinds that no rule of any bundle lets run by themselves; only on the layer platform."),
    ] = Field(default_factory=list)
    autonomy: Annotated[
        AutonomyEntry | None, Field(description="Thresholds of earned autonomy; only on the layer platform.")
    ] = None
    rules: Annotated[list[RuleEntry], Field(min_length=1)]
    limits: list[LimitEntry] = Field(default_factory=list)
    waivers: list[WaiverEntry] = Field(default_factory=list)

    def canonical(self) -> dict[str, Any]:
        """What the bundle means, the same whatever the order in which it is written down.

        What is not said is left out, so that a language that learns new words gives old bundles no new hash.
        """
        data = self.model_dump(mode="json", exclude={"about"}, exclude_defaults=True)
        for rule, entry in zip(data["rules"], self.rules, strict=True):
            if entry.obligations:
                # Each with its kind, which is a default of its model.
                rule["obligations"] = [obligation.model_dump(mode="json") for obligation in entry.obligations]
        made: dict[str, Any] = _in_order(data)
        return made


def _in_order(value: Any, *, matters: bool = False) -> Any:
    """The same whatever order it was written in. Only that of stages matters."""
    if isinstance(value, dict):
        return {key: _in_order(part, matters=key == "stages") for key, part in value.items()}
    if isinstance(value, list):
        parts = [_in_order(part) for part in value]
        return parts if matters else sorted(parts, key=lambda part: json.dumps(part, sort_keys=True))
    return value


class ExpectEntry(Entry):
    """What a test compares; what it leaves out is not compared. `reasons` are parts of the reasons given."""

    outcome: OutcomeName
    rules: list[str] | None = None
    approvers: Annotated[dict[str, int] | None, Field(description="How many of each role, over all stages.")] = None
    stages: Annotated[list[dict[str, int]] | None, Field(description="How many of each role, stage by stage.")] = None
    exclude: list[str] | None = None
    authorised: list[str] | None = None
    obligations: Annotated[list[str] | None, Field(description="The kinds of the obligations.")] = None
    deadline_minutes: int | None = None
    limits: Annotated[list[str] | None, Field(description="The limits that it falls under.")] = None
    waivers: list[str] | None = None
    reasons: list[str] = Field(default_factory=list)


class CaseEntry(Entry):
    name: Line
    facts: dict[str, Any] = Field(default_factory=dict)
    expect: ExpectEntry


class GroupEntry(Entry):
    about: Line
    given: dict[str, Any] = Field(default_factory=dict)
    tests: Annotated[list[CaseEntry], Field(min_length=1)]


class SuiteEntry(Entry):
    """A bundle's tests: facts in, verdict out, judged by the bundle and those that it names in `beside`, enforced."""

    bundle: Name
    beside: list[Name] = Field(default_factory=list)
    given: dict[str, Any] = Field(default_factory=dict)
    groups: Annotated[list[GroupEntry], Field(min_length=1)]
