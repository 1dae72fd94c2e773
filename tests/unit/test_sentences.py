"""The sentence on a card: what will happen, as it is, whoever wrote the arguments."""

from __future__ import annotations

import pytest

from workers.actions.catalogue import CATALOGUE

REFUND = {"amount_minor": 4000, "currency": "EUR", "charge_id": "ch_1", "reason": "torn"}


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\u200b", "\u2028", "\x1b"])
def test_nothing_in_an_argument_or_an_address_turns_it_round(sign):
    kind = CATALOGUE["refund_payment"]

    of_charge = kind.describe(REFUND | {"charge_id": f"ch_{sign}1"}, "ana@example.com")
    of_customer = kind.describe(REFUND, f"ana{sign}@example.com")

    for said in (of_charge, of_customer):
        assert sign not in said
        assert f"\\u{ord(sign):04x}" in said


def test_names_in_any_script_and_emojis_stay_as_they_are():
    name = "نرگس\u200cزاده 👩\u200d🔧\u00a0Ærø"

    assert name in CATALOGUE["refund_payment"].describe(REFUND, name)
