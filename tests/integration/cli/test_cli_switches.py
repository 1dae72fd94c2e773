"""Switches of vendors and rules from the command line, each change with its reason in the audit log."""

from __future__ import annotations

import pytest

from workers.store import audit, switches


@pytest.mark.parametrize("scope", ["vendor:stripe", "rule:support/refund-small"])
def test_they_are_thrown_and_released_with_a_reason(caseworker, engine, scope):
    thrown = caseworker("switch", "throw", scope, "--reason", "odd answers")
    released = caseworker("switch", "release", scope, "--reason", "mended")

    assert (thrown.status, released.status) == (0, 0)
    with engine.system.db.read() as tx:
        told = [(entry.verb, entry.data["reason"]) for entry in switches.history(tx, 10)]
        assert switches.listing(tx) == []
        assert len(audit.of_chain(tx, audit.SYSTEM)) == 2
    assert told == [("switch_released", "mended"), ("switch_thrown", "odd answers")]


def test_a_rule_that_is_not_in_force_is_switched_and_said_to_stop_nothing(caseworker, engine):
    assert caseworker("policy", "suggest").status == 0  # the first start puts the folder's policy in force
    there = caseworker("switch", "throw", "rule:support/refund-small", "--reason", "x")
    misspelt = caseworker("switch", "throw", "rule:support/refund-smal", "--reason", "x")

    assert (there.status, misspelt.status) == (0, 0)
    assert "What this rule alone allowed goes to people" in there.out
    assert "the policy in force has no rule support/refund-smal: nothing is stopped" in misspelt.out.replace("\n", " ")
    with engine.system.db.read() as tx:
        assert {switch.scope for switch in switches.listing(tx)} == {
            "rule:support/refund-small",
            "rule:support/refund-smal",
        }


@pytest.mark.parametrize("scope", ["vendor:strip", "vendor:", "rule:refund-small", "rule:Support/x", "rule:a/b/c"])
def test_a_misspelt_one_is_refused(caseworker, engine, scope):
    ran = caseworker("switch", "throw", scope, "--reason", "x")

    assert ran.status == 2
    with engine.system.db.read() as tx:
        assert switches.listing(tx) == []


def test_a_reason_that_is_no_text_is_refused_with_a_sentence(caseworker, engine):
    # What Python makes of a byte that a terminal of another encoding sends.
    ran = caseworker("switch", "throw", "all", "--reason", "caf\udce9")

    assert ran.status == 2
    assert "'caf\\udce9' is not written in UTF-8" in ran.err
    with engine.system.db.read() as tx:
        assert switches.listing(tx) == []
