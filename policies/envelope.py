"""The shape of policy files: what a bundle and its tests may say, strictly. `loader` reads files into these.

Conditions stay text here; everything around them is plain data. Unknown keys are refused, and no value is converted.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
OutcomeName = Literal["allow", "notify", "review", "deny"]
#: what can stand in for a rule that says nothing: never permission
Floor = Literal["review", "deny"]

EVERY_ACTION = "*"


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class ApproverEntry(Entry):
    """`n` distinct people of group `role`."""

    role: Name
    n: Annotated[int, Field(ge=1, le=20)] = 1


class RuleEntry(Entry):
    id: Name
    actions: Annotated[
        list[Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9_-]{0,63})$")]],
        Field(min_length=1),
        BeforeValidator(lambda value: [EVERY_ACTION] if value == EVERY_ACTION else value),
    ]
    when: Annotated[str, Field(min_length=1)]
    outcome: OutcomeName
    message: Line
    #: who must say yes to a review; anybody who may decide where it is empty
    approvers: list[ApproverEntry] = Field(default_factory=list)
    #: who may not: ``editor`` is whoever edited the action, not a group
    exclude: list[Literal["editor"]] = Field(default_factory=list)


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
    #: which cases it is for; only for the layers domain and agent
    domain: Name | None = None
    enforcement: Literal["observe", "warn", "enforce"]
    #: every group that rules of any bundle may ask for; only on the platform layer
    roles: list[Name] = Field(default_factory=list)
    #: the action kinds that it knows
    actions: list[Name] = Field(default_factory=list)
    defaults: DefaultsEntry = DefaultsEntry()
    rules: Annotated[list[RuleEntry], Field(min_length=1)]

    def canonical(self) -> dict[str, Any]:
        """What the bundle means, the same whatever the order in which it is written down."""
        data = self.model_dump(exclude={"about"})
        for rule in data["rules"]:
            rule["actions"].sort()
            rule["approvers"].sort(key=lambda approver: approver["role"])
        data["defaults"]["approvers"].sort(key=lambda approver: approver["role"])
        data["rules"].sort(key=lambda rule: rule["id"])
        data["roles"].sort()
        data["actions"].sort()
        return data


class ExpectEntry(Entry):
    """What a test compares; what it leaves out is not compared. `reasons` are parts of the reasons given."""

    outcome: OutcomeName
    rules: list[str] | None = None
    approvers: dict[str, int] | None = None
    exclude: list[str] | None = None
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
