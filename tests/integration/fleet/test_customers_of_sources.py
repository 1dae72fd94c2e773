"""Who sends no address is a customer all the same, by the name that its source has for them; and it is taken for no address."""

from __future__ import annotations

import importlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from integrations.base import Delivery
from workers.intake.receive import Provenance, receive
from workers.memory import erasing
from workers.store import cases, flow
from workers.store.arrivals import address_of, customer_of
from workers.store.flow import Caps

FIXTURES = Path(__file__).parents[2] / "fixtures"
SOURCES = {
    "zendesk": ("ticket.created", importlib.import_module("integrations.zendesk.webhook").ZendeskWebhook(())),
    "github": ("issues.opened", importlib.import_module("integrations.github.webhook").GithubWebhook(())),
}


def come(engine, source, number, **changes):
    """The recorded event of a source, as the `number`-th of its customer; the case that it opens."""
    file, webhook = SOURCES[source]
    body = json.loads((FIXTURES / source / f"{file}.json").read_text("utf-8"))
    if source == "zendesk":
        body |= {"id": f"delivery-{number}", "detail": body["detail"] | {"id": str(number)} | changes}
    else:
        body["issue"] |= {"number": number, "user": body["issue"]["user"] | changes}
    headers = ((b"x-github-delivery", f"delivery-{number}".encode()),)
    raw = json.dumps(body).encode()
    events = webhook.parse(Delivery(source, headers, raw, engine.clock()))
    (case,) = receive(engine.system, events, Provenance("hook", raw)).cases
    return case


def of(engine, case):
    with engine.system.db.read() as tx:
        return cases.get(tx, case)


def claim(engine, case, cap):
    lease = timedelta(seconds=60)
    return flow.claim(
        engine.system.db, case, worker="host:1:a", now=engine.clock(), lease=lease, caps=Caps(customer=cap)
    )


@pytest.mark.parametrize(
    ("source", "customer", "another"),
    [("zendesk", "zendesk:412880031", {"requester_id": 7}), ("github", "github:7712004", {"id": 7})],
)
def test_the_cap_holds_for_a_customer_whose_source_sends_no_address(engine, source, customer, another):
    first, second = come(engine, source, 1), come(engine, source, 2)
    other, nobody = come(engine, source, 3, **another), come(engine, source, 4, **dict.fromkeys(another))

    assert [of(engine, case).customer for case in (first, second, other, nobody)] == [
        customer,
        customer,
        f"{source}:7",
        "",
    ]
    assert claim(engine, first, 1) is not None
    assert claim(engine, second, 1) is None
    assert claim(engine, other, 1) is not None
    assert claim(engine, nobody, 1) is not None


@pytest.mark.parametrize("source", SOURCES)
def test_triage_leaves_such_a_customer_as_the_door_named_them(engine, source):
    case = come(engine, source, 1)
    named = of(engine, case).customer

    engine.drain()

    assert of(engine, case).step != "triage"
    assert of(engine, case).customer == named


def test_such_a_customer_is_erased_by_that_name(engine, tmp_path):
    case = come(engine, "zendesk", 1)
    engine.drain()
    with engine.system.db.write() as tx:
        cases.change(tx, case, now=engine.clock(), state="closed", closed_at=engine.clock(), wake_at=None)

    told = erasing.erase(engine.system.db, "zendesk:412880031", tmp_path, by="test", clock=engine.clock)

    assert told.cases == 1
    assert (of(engine, case).customer, of(engine, case).title) == ("", "Erased")


@pytest.mark.parametrize(
    ("source", "data", "expected"),
    [
        ("shop", {"requester_email": "ana@example.com", "requester": "shop:7"}, "ana@example.com"),
        ("shop", {"customer_email": "ana@example.com", "requester_email": ""}, "ana@example.com"),
        ("shop", {"requester_email": " Ana@Example.COM "}, "ana@example.com"),
        ("shop", {"customer_email": "ÄNNE@example.com"}, "änne@example.com"),
        ("shop", {"requester": "shop:7"}, "shop:7"),
        ("shop", {"requester": "shop:A7"}, "shop:A7"),
        ("shop", {"requester": "zendesk:412880031"}, ""),
        ("shop", {"requester": "Ana Diaz"}, ""),
        ("shop", {"requester": {"id": 7}}, ""),
        ("shop", {"requester": ""}, ""),
        ("shop", {}, ""),
    ],
)
def test_a_customer_is_an_address_or_a_name_that_begins_with_the_source(source, data, expected):
    assert customer_of(source, data) == expected


@pytest.mark.parametrize(
    ("customer", "address"),
    [("ana@example.com", "ana@example.com"), ("cus_1", "cus_1"), ("", ""), ("zendesk:412880031", "")],
)
def test_a_name_of_a_source_is_no_address(customer, address):
    assert address_of(customer) == address
