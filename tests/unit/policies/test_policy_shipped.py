"""The policies that come with Caseworker: they pass their own tests and know what can be done."""

from __future__ import annotations

import pytest
from policy_making import decide

from policies import loader
from policies.types import Enforcement
from workers.actions.catalogue import CATALOGUE

SHIPPED = loader.load(loader.SHIPPED)


def test_every_action_kind_of_the_catalogue_is_known_to_the_policy_and_no_other() -> None:
    known = {action for bundle in SHIPPED.bundles for action in bundle.actions}

    assert known == set(CATALOGUE)


def test_every_shipped_bundle_is_in_force() -> None:
    assert SHIPPED.name == "platform@3 content@1 governance@1 support@4 transactions@3"
    assert {bundle.enforcement for bundle in SHIPPED.bundles} == {Enforcement.ENFORCE}


@pytest.mark.parametrize(("domain", "kind"), [("support", "escalate_ticket"), ("transactions", "route_charge")])
def test_handing_over_to_people_works_whatever_is_wrong_with_a_case(domain: str, kind: str) -> None:
    worst = {
        "risk": "low", "reversible": True, "has_amount": False, "amount_minor": 0, "has_customer": False,
        "has_charge": False, "target_is_record": False, "target_of_customer": False, "abstained": True,
        "risk_flags": ["injection", "legal_threat", "self_harm"], "missing_context": ["customer", "orders"],
        "triage_confidence": 0.0, "draft_confidence": 0.0, "sentiment": "very_negative", "repeats_earlier_action": True,
    }  # fmt: skip

    assert decide(SHIPPED, domain=domain, action_kind=kind, **worst).verdict.outcome.name == "ALLOW"
