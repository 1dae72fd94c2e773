"""Small policies to rehearse, each a file by its name."""

from __future__ import annotations

from policies.loader import loads

_ABOUT = """
bundle: {name}
version: 1
about: Made for a rehearsal.
layer: domain
enforcement: enforce
domain: support
actions: [refund_payment, reply_to_customer, add_tags, escalate_ticket, close_ticket]
rules:
  - id: everything
    actions: ["*"]
    when: 'risk != "none"'
    outcome: {outcome}
    message: Everything
"""


def files(outcome: str, name: str = "tried") -> dict[str, str]:
    """A policy that answers every action of support alike."""
    return {f"{name}.yaml": _ABOUT.format(name=name, outcome=outcome)}


def policy(outcome: str, name: str = "tried"):
    return loads(files(outcome, name), run_tests=False)


_SMALL_ALONE = """
bundle: support
version: 1
about: Small refunds need nobody.
layer: domain
enforcement: enforce
domain: support
actions: [refund_payment, reply_to_customer, add_tags, escalate_ticket, close_ticket]
rules:
  - {id: small, actions: [refund_payment], when: amount_minor <= 2000, outcome: allow, message: Small}
  - {id: large, actions: [refund_payment], when: amount_minor > 2000, outcome: review, message: Large}
"""


def small_alone():
    """A policy under which an edit may leave nothing to ask anybody about."""
    return loads({"support.yaml": _SMALL_ALONE}, run_tests=False)
