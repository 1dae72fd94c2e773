"""The digest: one action, one digest; two actions, two."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.actions.digest import action_digest, canonical, digest_of

scalars = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@given(json_values)
def test_the_order_of_keys_and_the_unicode_form_make_no_difference(value):
    try:
        plain = canonical(value)
    except ValueError:
        return

    assert digest_of(_shuffled(value)) == digest_of(value)
    assert digest_of(plain) == digest_of(value)


@given(json_values, json_values)
def test_different_values_have_different_digests(one, other):
    try:
        same = _written(canonical(one)) == _written(canonical(other))
    except ValueError:
        return
    assert (digest_of(one) == digest_of(other)) is same


@pytest.mark.parametrize("value", [1.0, float("nan"), {"a": [0.5]}, b"x", object(), {1, 2}])
def test_what_has_no_single_written_form_is_refused(value):
    with pytest.raises(ValueError, match="canonical form"):
        digest_of(value)


def test_two_keys_that_are_one_text_are_refused():
    with pytest.raises(ValueError, match="same text"):
        digest_of({"é": 1, unicodedata.normalize("NFD", "é"): 2})


def test_one_and_true_and_the_text_one_are_three_things():
    assert len({digest_of(1), digest_of(True), digest_of("1"), digest_of([1]), digest_of({"1": 1})}) == 5


BASE = {
    "kind": "refund_payment",
    "arguments": {"amount_minor": 82_000, "currency": "EUR"},
    "target": "sample:charge:1",
    "target_version": "3",
    "policy_hash": "a" * 64,
    "revision": 1,
    "requirements": [{"role": "lead", "n": 1}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "hold_charge"},
        {"arguments": {"amount_minor": 820_000, "currency": "EUR"}},
        {"arguments": {"amount_minor": 82_000, "currency": "USD"}},
        {"arguments": {"amount_minor": "82000", "currency": "EUR"}},
        {"arguments": {"amount_minor": 82_000, "currency": "EUR", "note": None}},
        {"target": "sample:charge:2"},
        {"target_version": "4"},
        {"policy_hash": "b" * 64},
        {"revision": 2},
        {"requirements": [{"role": "lead", "n": 2}]},
        {"requirements": []},
    ],
    ids=str,
)
def test_everything_that_could_change_the_effect_is_in_it(change):
    assert action_digest(**{**BASE, **change}) != action_digest(**BASE)


def _shuffled(value):
    if isinstance(value, dict):
        items = list(value.items())
        random.Random(1).shuffle(items)
        return {unicodedata.normalize("NFD", key): _shuffled(item) for key, item in items}
    if isinstance(value, list):
        return [_shuffled(item) for item in value]
    return unicodedata.normalize("NFD", value) if isinstance(value, str) else value


def _written(value):
    """Structure with types, so that 1 and True, or an empty list and an empty mapping, are told apart."""
    if isinstance(value, dict):
        return ("mapping", frozenset((key, _written(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(_written(item) for item in value))
    return (type(value).__name__, value)
