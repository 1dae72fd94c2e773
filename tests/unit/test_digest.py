"""The digest: one action, one digest; two actions, two."""

from __future__ import annotations

import hashlib
import json
import random
import unicodedata
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.actions.digest import action_digest, canonical, digest_of, rough_digest_of, row_digest, terms_of

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


class Word(str):
    """A text that is not quite one, as a member of an enumeration."""

    __slots__ = ()


odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**90), 2**90)
    | st.text()
    | st.text('az09\x00\x1f\x7f"\\/\b\f\n\r\t').map(Word),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("abAZ_09ée\u0301") | st.integers() | st.booleans(), inner, max_size=4)
    ),
)


@given(odd_values)
def test_however_a_digest_is_written_it_is_that_of_the_canonical_text(value):
    try:
        text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        with pytest.raises(ValueError, match=r"canonical form|same text"):
            digest_of(value)
        return

    assert digest_of(value) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    assert rough_digest_of(value) == digest_of(value)


@given(st.lists(st.floats() | st.text() | st.integers() | st.tuples(st.floats())))
def test_a_rough_digest_takes_floats_as_their_text(values):
    as_text = [repr(v) if isinstance(v, float) else [repr(v[0])] if isinstance(v, tuple) else v for v in values]

    assert rough_digest_of({"confidence": values}) == digest_of({"confidence": as_text})


def test_digests_are_those_that_were_always_stored():
    assert (
        digest_of({"b": [1, True, None, "é/\n"], "a": {}})
        == "80cb5ce85f4549eff5960b0d6667e696067690148331940322720e0e73bab8aa"
    )
    assert action_digest(**BASE) == "ad0d1a3ba36d374f837322dc2861185a5dc53eb238923818144f4916eca9ca1a"
    assert (
        rough_digest_of({"confidence": {"intent": 0.96, "tiny": 1e-05}})
        == "5010efc59814843f123358f67568554eb9d39cbdd261ae617a73c0e32060d00e"
    )


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


DELAY = {"kind": "delay", "minutes": 30}
TERMS = {
    "exclude": ["editor"],
    "authorised": ["finance"],
    "obligations": [DELAY],
}


@dataclass(frozen=True)
class Row:
    """An action's row, as far as a digest is made of it."""

    verdict: dict
    kind: str = BASE["kind"]
    arguments: dict = field(default_factory=lambda: BASE["arguments"])
    target: str = BASE["target"]
    target_version: str = BASE["target_version"]
    policy_hash: str = BASE["policy_hash"]
    revision: int = 1


def verdict(**more):
    made = {"requirements": BASE["requirements"], "exclude": [], **more}
    return {**made, "bound": sorted(terms_of(made))}


def test_a_verdict_without_terms_has_the_digest_that_it_had_before_there_were_any():
    assert row_digest(Row({"requirements": BASE["requirements"]})) == action_digest(**BASE)
    assert row_digest(Row(verdict())) == action_digest(**BASE)
    assert action_digest(**BASE) == digest_of(
        {**{k: v for k, v in BASE.items() if k != "policy_hash"}, "policy": BASE["policy_hash"]}
    )


def test_a_row_of_before_digests_covered_exclusions_keeps_its_digest():
    of_old = {"requirements": BASE["requirements"], "exclude": ["editor"], "reasons": [], "rules": []}

    assert row_digest(Row(of_old)) == action_digest(**BASE)


@pytest.mark.parametrize("name", TERMS)
def test_every_term_of_a_verdict_is_bound_and_none_can_be_taken_away_or_changed(name):
    bound = verdict(**{name: TERMS[name]})
    as_it_was = row_digest(Row(bound))
    assert as_it_was != action_digest(**BASE)

    tampered = [
        {**bound, name: [*TERMS[name], *TERMS[name]]},
        {**bound, name: []},
        {key: value for key, value in bound.items() if key != name},
        {**bound, "bound": []},
        {key: value for key, value in bound.items() if key != "bound"},
    ]
    assert as_it_was not in {row_digest(Row(one)) for one in tampered}


def test_nobody_being_authorised_is_a_term_and_the_absence_of_limits_is_none():
    assert terms_of({"authorised": []}) == {"authorised": []}
    assert terms_of({"authorised": None}) == {}


def test_a_sample_was_drawn_when_it_was_judged_and_is_bound_no_more():
    sampled = verdict(obligations=[{"kind": "sample", "percent": 2.5, "role": None}])

    assert row_digest(Row(sampled)) == action_digest(**BASE)


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
