"""Macros: the first that applies is taken, whole, or not at all."""

from __future__ import annotations

import pytest

from integrations.models import money as amounts
from integrations.models.base import Macro, Material
from integrations.models.macros import draft
from policies import messages
from policies.messages import money

ORDER = {
    "order_number": "NW-1",
    "total_minor": 123450,
    "currency": "EUR",
    "carrier": None,
    "placed_at": "2026-11-03T10:00:00Z",
    "items": [{"name": "tent", "quantity": 1}, {"name": "pegs", "quantity": 8}],
}
MATERIAL = (
    Material("sample:customer:1", "customer", trusted=True, data={"name": "Ana Diaz", "vip": False}),
    Material("sample:order:NW-1", "order", trusted=True, data=ORDER),
    Material("triage", "triage", trusted=False, data={"intent": "refund", "language": "en", "risk_flags": []}),
    Material("orders", "orders", trusted=True, data=[ORDER, {**ORDER, "order_number": "NW-2"}]),
)


def macro(name="m", when="true", needs=(), summary="s", **arguments):
    proposals = (
        ({"kind": "reply", "arguments": arguments, "rationale": "r", "cites": ["order", "nobody"]},)
        if arguments
        else ()
    )
    return Macro(name, when, tuple(needs), summary, proposals)


def said(value, material=MATERIAL):
    made = draft([macro(body=value)], material)
    return None if made is None else made["actions"][0]["arguments"]["body"]


def test_the_first_macro_that_applies_is_taken():
    found = draft(
        [
            macro("a", when="triage.intent == 'other'", body="no"),
            macro("b", summary="B", body="yes"),
            macro("c", body="late"),
        ],
        MATERIAL,
    )

    assert found == {
        "summary": "B",
        "actions": [
            {"kind": "reply", "arguments": {"body": "yes"}, "rationale": "r", "citations": ["sample:order:NW-1"]}
        ],
        "unsure": None,
    }


def test_none_applies_and_none_is_made_up():
    assert draft([macro(when="false", body="x")], MATERIAL) is None
    assert draft([], MATERIAL) is None


def test_a_macro_without_proposals_says_that_it_is_unsure():
    assert draft([macro(summary="For a person: {{ triage.intent }}")], MATERIAL) == {
        "summary": "For a person: refund",
        "actions": [],
        "unsure": "For a person: refund",
    }


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ("triage.intent == 'refund' and order.total_minor > 1000", True),
        ("order['items']|length == 2", True),
        ("order.items|length == 2", True),
        ("orders|selectattr('order_number', 'eq', 'NW-2')|list|length == 1", True),
        ("customer.vip", False),
        ("charge.amount_minor > 0", False),
        ("charge is defined and charge.amount_minor > 0", False),
        ("order.nothing > 1", False),
        ("order.total_minor / 0 > 1", False),
        ("order.carrier > 1", False),
        ("order.total_minor[3]", False),
        ("''.__class__.__mro__", False),
        ("not charge", False),
    ],
)
def test_a_condition_over_what_is_not_there_does_not_hold(when, applies):
    assert (draft([macro(when=when, body="x")], MATERIAL) is not None) is applies


@pytest.mark.parametrize(
    ("needs", "applies"),
    [
        (["customer.name"], True),
        (["orders.1.order_number"], True),
        (["order.total_minor"], True),
        (["orders.2"], False),
        (["order.carrier"], False),
        (["customer.nothing"], False),
        (["charge"], False),
        (["customer.name.first"], False),
    ],
)
def test_what_is_needed_must_be_there(needs, applies):
    assert (draft([macro(needs=needs, body="x")], MATERIAL) is not None) is applies


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Dear {{ customer.name|first_name }},", "Dear Ana,"),
        ("{{ order.total_minor|money(order.currency) }}", "1,234.50 EUR"),
        ("{{ 5000|money('JPY') }}", "5,000 JPY"),
        ("{{ -50|money('EUR') }}", "-0.50 EUR"),
        ("{{ order.placed_at|date }}", "3 November 2026"),
        (
            "{% for item in order.items %}{{ item.quantity }} {{ item.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1 tent, 8 pegs",
        ),
        ("{% if order.carrier %}by {{ order.carrier }}{% else %}soon{% endif %}", "soon"),
        ("{{ charge.id if charge is defined else 'none' }}", "none"),
        ("costs $5", "costs $5"),
    ],
)
def test_a_template_is_filled_with_what_was_gathered(template, text):
    assert said(template) == text


@pytest.mark.parametrize("currency", ["EUR", "JPY", "VND", "KWD", "CLF"])
def test_a_customer_reads_the_amount_that_stands_on_the_card(currency):
    """The two are written by tables of their own, as integrations and policies know nothing of each other."""
    assert said(f"{{{{ order.total_minor|money('{currency}') }}}}") == money(123450, currency)


def test_the_two_tables_of_currencies_say_the_same():
    assert messages._DIGITS == amounts._DECIMALS


@pytest.mark.parametrize("language", ["de", "fr", "es", "it", "nl"])
def test_money_is_written_as_the_customer_writes_it(language):
    triage = Material("triage", "triage", trusted=False, data={"language": language})

    assert said("{{ order.total_minor|money(order.currency) }}", (*MATERIAL[:2], triage)) == "1.234,50 EUR"


@pytest.mark.parametrize(
    "template",
    [
        "{{ order.nothing }}",
        "{{ charge.id }}",
        "sent by {{ order.carrier }}",
        "Dear {{ order.carrier|first_name }}",
        "{{ customer.name|money('EUR') }}",
        "{{ order.total_minor|money(order.carrier) }}",
        "{{ customer.name|date }}",
        "{{ order.nothing|date }}",
        "{{ order.nothing|first_name }}",
        "$charge.id",
        "$order.items.9",
        "{{ 1 / 0 }}",
        "{{ customer.name.__class__.__subclasses__() }}",
        "{{ range(10**9)|list|length }}",
    ],
)
def test_a_text_is_never_half_filled(template):
    assert said(template) is None


def test_a_dollar_copies_the_value_with_its_type_and_a_copy_is_its_own():
    made = draft(
        [macro(amount="$order.total_minor", items="$order.items", nested={"tags": ["a", "{{ order.order_number }}"]})],
        MATERIAL,
    )

    arguments = made["actions"][0]["arguments"]
    assert arguments == {"amount": 123450, "items": ORDER["items"], "nested": {"tags": ["a", "NW-1"]}}
    arguments["items"][0]["name"] = "changed"
    assert ORDER["items"][0]["name"] == "tent"


def test_what_a_customer_wrote_is_put_in_and_never_run():
    event = Material("event", "event", trusted=False, data={"text": "{{ 7 * 7 }} {% include 'x' %} $order.total_minor"})

    assert (
        said("You wrote: {{ event.text }}", (event,)) == "You wrote: {{ 7 * 7 }} {% include 'x' %} $order.total_minor"
    )
