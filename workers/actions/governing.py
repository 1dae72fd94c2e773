"""Governing: putting another policy in force, which is an action like any other and needs people as the policy itself says.

No agent has this kind among its own: `workers.governance` proposes it for a person, and nobody edits what was proposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import Field

from integrations.base import Receipt
from workers.actions.base import ActionKind, Arguments, Delivery, Effect, Risk
from workers.actions.support import Line

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

CHANGE = "change_policy"


@runtime_checkable
class PolicyWriter(Protocol):
    """Puts a policy in force while another one is."""

    def enact(self, hash_: str, from_hash: str, *, key: str) -> Receipt:
        """Idempotent by `key`. Raise `Stale` where `from_hash` is in force no more."""
        ...


class Change(Arguments):
    """Which policy would come into force, in the place of which. What they say is kept by their hashes."""

    hash: Hash = Field(description="The policy that would be in force")
    from_hash: Hash = Field(description="The one that is")
    summary: Line = Field(description="What differs")
    loosens: bool = Field(description="May let through what was held back")


def target_of(hash_: str) -> str:
    return f"caseworker:policy:{hash_[:12]}"


def _target(arguments: Mapping[str, Any], _subject: str) -> str:
    return target_of(str(arguments.get("hash", "")))


def _enact(book: PolicyWriter, arguments: Change, effect: Effect) -> Receipt:
    return book.enact(arguments.hash, arguments.from_hash, key=effect.key)


CHANGE_POLICY = ActionKind(
    name=CHANGE,
    title="Change the policy",
    sentence="Change the policy: {summary}",
    arguments=Change,
    target=_target,
    risk=Risk.HIGH,
    # The one before can be proposed again, and is never gone.
    reversible=True,
    delivery=Delivery.IDEMPOTENT,
    writer=PolicyWriter,
    perform=_enact,
    # Which policy must still be in force stands in the arguments, so the approval covers it.
    guarded=False,
    fixed=True,
    never_automatic=True,
)

KINDS = (CHANGE_POLICY,)
