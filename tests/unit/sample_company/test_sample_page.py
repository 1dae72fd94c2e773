"""The `/sample` page: acts only for its own forms, shows what came back, and lets no text out of its quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from integrations.base import Record
from integrations.errors import Permanent
from integrations.sample_company import cast, page, personas, views
from integrations.sample_company.company import SampleCompany, SampleWriters
from integrations.sample_company.faults import Fault
from integrations.sample_company.outbox import Outbox
from integrations.sample_company.shopfront import Scenario, Shopfront

OWN = {"origin": "http://testserver"}
TICKET = {"as": "ana", "email": cast.ANA.email, "subject": "Refund", "body": "Please"}
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def client(company: SampleCompany) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=page.routes(company)), follow_redirects=False) as opened:
        yield opened


class Outline(HTMLParser):
    """What a browser makes of a page: titles, links and forms with their fields."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.titles = 0
        self.links: list[str] = []
        self.forms: list[dict[str, Any]] = []
        self.scripts: list[str | None] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        match tag:
            case "title":
                self.titles += 1
            case "a" if found.get("href"):
                self.links.append(str(found["href"]))
            case "script":
                self.scripts.append(found.get("src"))
            case "form":
                self.forms.append({"action": found["action"], "method": found["method"], "fields": set()})
            case "input" | "textarea" | "select" | "button" if found.get("name"):
                self.forms[-1]["fields"].add(found["name"])


def test_the_page_has_a_form_for_every_act(client: TestClient, shop: Shopfront) -> None:
    shop.write_ticket(cast.ANA.email, "Refund", "Please")

    answer = client.get("/sample")

    assert answer.status_code == 200
    outline = Outline(answer.text)
    assert {form["action"]: form["fields"] - {"as"} for form in outline.forms} == {
        "/sample/tickets": {"email", "subject", "body"},
        "/sample/comments": {"ticket_id", "body"},
        "/sample/payments": {"email", "amount", "scenario"},
        "/sample/briefs": {"keyword", "audience", "text"},
        "/sample/weather": {"fault", "operation", "times", "clear"},
    }
    assert {form["method"] for form in outline.forms} == {"post"}


@pytest.mark.parametrize("persona", personas.PERSONAS, ids=lambda persona: persona.key)
def test_every_ready_letter_fills_the_form(
    persona: personas.Persona, client: TestClient, company: SampleCompany
) -> None:
    assert company.customer(persona.character.email) is not None
    for letter in persona.letters:
        shown = unescape(client.get("/sample", params={"as": persona.key, "letter": letter.key}).text)
        assert letter.subject in shown
        assert re.search(rf'name="email" value="{re.escape(persona.character.email)}"', shown)


@pytest.mark.parametrize("topic", personas.TOPICS, ids=lambda topic: topic.key)
def test_every_ready_topic_fills_the_form_and_has_stored_results(
    topic: personas.Topic, client: TestClient, company: SampleCompany
) -> None:
    assert topic.audience in client.get("/sample", params={"topic": topic.key}).text
    assert company.search(topic.keyword).data["query"] == topic.keyword


def test_unknown_choices_show_the_first_persona(client: TestClient) -> None:
    answer = client.get("/sample", params={"as": "nobody", "letter": "none", "topic": "none"})

    assert answer.status_code == 200
    assert cast.ANA.email in answer.text


@pytest.mark.parametrize(
    ("path", "form", "event"),
    [
        ("/sample/tickets", TICKET, "ticket.created"),
        ("/sample/comments", {"as": "ana", "ticket_id": "120", "body": "And?"}, "ticket.commented"),
        ("/sample/payments", {"email": cast.ANA.email, "amount": "329.00", "scenario": "stolen"}, "charge.flagged"),
        ("/sample/briefs", {"keyword": "tents", "audience": "campers", "text": "Why?"}, "brief.requested"),
    ],
)
def test_each_act_sends_its_event_and_leads_back(
    path: str, form: dict[str, str], event: str, client: TestClient, company: SampleCompany
) -> None:
    answer = client.post(path, data=form, headers=OWN)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sample?")
    assert [waiting["type"] for waiting in Outbox(company.database).events()] == [event]
    assert client.get(answer.headers["location"]).status_code == 200


def test_what_the_writers_did_is_shown(client: TestClient, shop: Shopfront, writers: SampleWriters) -> None:
    ticket = shop.write_ticket(cast.ANA.email, "Refund for me", "Please")
    writers.reply(ticket, "Your refund is booked.", public=True, key="k1", if_version="")
    writers.reply(ticket, "A note between us.", public=False, key="k2", if_version="")
    writers.refund(cast.ANA.charge_id, 6490, "EUR", "returned", key="k3", if_version="")
    charge = shop.pay(cast.STOLEN.email, 32900, Scenario.STOLEN)
    writers.hold(charge, "stolen", key="k4", if_version="")
    writers.file_case(charge, "Four payments in minutes.", [{"name": "velocity", "score": 30}], key="k5")
    writers.create_draft("layers", "Layers from the ground up", "Body", {}, key="k6")
    writers.send("nora@example.com", "Brief ready", "It is a draft.", key="k7")

    shown = client.get("/sample/came-back").text

    for expected in (
        "Refund for me",
        "Your refund is booked.",
        "Internal note",
        "Refunded 64.90 EUR",
        "Four payments in minutes.",
        "Layers from the ground up",
        "Brief ready",
        "charge.flagged",
    ):
        assert expected in shown
    assert re.search(rf"{charge}</a>.*329\.00 EUR.*held", shown, re.DOTALL)


def test_the_right_side_is_sent_again_only_when_it_changed(client: TestClient, shop: Shopfront) -> None:
    tag = client.get("/sample/came-back").headers["etag"]

    assert client.get("/sample/came-back", headers={"if-none-match": tag}).status_code == 304
    shop.write_ticket(cast.ANA.email, "S", "B")
    assert client.get("/sample/came-back", headers={"if-none-match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://testserver"}, 303),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://testserver", "sec-fetch-site": "same-origin"}, 303),
        ({}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://testserver:81"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "http://testserver", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 403),
        ({"origin": "http://["}, 403),
    ],
)
def test_only_the_pages_own_forms_are_taken(
    headers: dict[str, str], status: int, client: TestClient, shop: Shopfront
) -> None:
    assert client.post("/sample/tickets", data=TICKET, headers=headers).status_code == status

    assert len(shop.conversations()) == (1 if status == 303 else 0)


@pytest.mark.parametrize("path", ["tickets", "comments", "payments", "briefs", "weather"])
def test_no_form_is_taken_from_another_site(path: str, client: TestClient, company: SampleCompany) -> None:
    answer = client.post(f"/sample/{path}", data=TICKET, headers={"origin": "http://evil.example"})

    assert answer.status_code == 403
    assert company.weather.forecast() == []


@pytest.mark.parametrize("path", ["tickets", "comments", "payments", "briefs", "weather"])
def test_looking_never_acts(path: str, client: TestClient, company: SampleCompany) -> None:
    answer = client.get(f"/sample/{path}", params=TICKET)

    assert answer.status_code in {404, 405}
    assert Outbox(company.database).events() == []


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("tickets", "as=ana&email=a@example.com&subject=x", 422),
        ("tickets", "email=nobody&subject=x&body=y", 422),
        ("tickets", "email=a@example.com&subject=x&body=" + "y" * 140_000, 413),
        ("tickets", b"email=\xff", 400),
        ("tickets", "email=%ff&subject=x&body=y", 400),
        ("tickets", "&".join(f"f{n}=1" for n in range(30)), 400),
        ("comments", "ticket_id=1&body=x", 422),
        ("comments", "body=x", 422),
        ("payments", f"email={cast.ANA.email}&amount=12&scenario=robbery", 422),
        ("payments", f"email={cast.ANA.email}&amount=free&scenario=normal", 422),
        ("payments", f"email={cast.ANA.email}&amount=0&scenario=normal", 422),
        ("weather", "fault=hail&operation=reply&times=1", 422),
        ("weather", "fault=500&operation=reply&times=many", 422),
        ("weather", "fault=500&operation=reply&times=0", 422),
    ],
)
def test_a_bad_form_is_answered_with_what_is_wrong(
    path: str, content: str | bytes, status: int, client: TestClient, company: SampleCompany
) -> None:
    headers = {**OWN, "content-type": "application/x-www-form-urlencoded"}

    answer = client.post(f"/sample/{path}", content=content, headers=headers)

    assert answer.status_code == status
    assert "Not taken" in answer.text
    assert Outbox(company.database).events() == []


def test_other_kinds_of_body_are_not_taken(client: TestClient) -> None:
    assert client.post("/sample/tickets", json=TICKET, headers=OWN).status_code == 415
    assert client.post("/sample/tickets", files={"body": b"x"}, headers=OWN).status_code == 415


def test_a_busy_database_says_not_now(client: TestClient, company: SampleCompany) -> None:
    with company.database.writing():
        answer = client.post("/sample/tickets", data=TICKET, headers=OWN)

    assert answer.status_code == 503
    assert "Not now" in answer.text


@pytest.mark.parametrize(
    ("amount", "minor"), [("64.90", 6490), ("64,9", 6490), (" 7 ", 700), ("0.01", 1), ("-1", -100), ("1e2", 10000)]
)
def test_amounts_are_read_exactly(amount: str, minor: int) -> None:
    assert page.minor_units(amount) == minor


@pytest.mark.parametrize("amount", ["", "free", "1.234", "1,000.00", "NaN", "Infinity", "1e99", "0x10"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(Permanent, match="no amount"):
        page.minor_units(amount)


def test_the_weather_is_set_and_cleared_from_the_page(client: TestClient, company: SampleCompany) -> None:
    form = {"fault": "timeout_after_doing", "operation": "refund", "times": "2"}
    assert client.post("/sample/weather", data=form, headers=OWN).status_code == 303

    (ahead,) = company.weather.forecast()
    assert (ahead.operation, ahead.fault, ahead.remaining) == ("refund", Fault.TIMEOUT_AFTER_DOING, 2)
    assert "timeout_after_doing" in client.get("/sample").text
    client.post("/sample/weather", data={**form, "clear": "1"}, headers=OWN)
    assert company.weather.forecast() == []


def test_the_page_works_in_any_weather(client: TestClient, company: SampleCompany) -> None:
    company.weather.fail_often("*", Fault.BROKEN, rate=1)

    for path in ("/sample", "/sample/came-back", "/sample/tickets/1", f"/sample/charges/{cast.ANA.charge_id}"):
        assert client.get(path).status_code == 200


def test_what_anybody_wrote_stays_text(client: TestClient, shop: Shopfront, writers: SampleWriters) -> None:
    ticket = shop.write_ticket("x@example.com", XSS, XSS)
    shop.ask_brief("x@example.com", XSS, XSS)
    writers.reply(ticket, XSS, public=True, key="a", if_version="")
    writers.assign(ticket, XSS, XSS, key="b", if_version="")
    writers.send("x@example.com", XSS, XSS, key="c")
    writers.create_draft("x", XSS, XSS, {"x": XSS}, key="d")
    writers.file_case(cast.ANA.charge_id, XSS, [{XSS: XSS}], key="e")
    writers.route(cast.ANA.charge_id, XSS, XSS, key="f")
    case = shop.risk_cases()[0]["case_id"]

    for path in (
        f"/sample?sent={XSS}&as={XSS}",
        "/sample/came-back",
        f"/sample/tickets/{ticket}",
        "/sample/mails/1",
        "/sample/posts/x",
        f"/sample/risk-cases/{case}",
        f"/sample/tickets/{XSS}",
        f"/sample/charges/{XSS}",
        f"/sample/{XSS}/1",
    ):
        shown = client.get(path).text
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown


def test_a_strangers_stored_page_is_shown_in_a_sandbox(client: TestClient, company: SampleCompany) -> None:
    record = company.page(cast.HOSTILE_PAGE_URL)
    assert record is not None
    answer = client.get(str(record.url))

    assert '<iframe title="The stored page" sandbox srcdoc="&lt;!doctype html&gt;' in answer.text
    assert Outline(answer.text).titles == 1, "the stranger's title is text"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "read",
    [
        lambda c: [c.ticket("1"), c.ticket("120")],
        lambda c: [c.customer(character.email) for character in cast.CAST],
        lambda c: c.orders_of(cast.VIP.customer_id, limit=20),
        lambda c: [c.order(cast.STOLEN.order_number)],
        lambda c: c.charges_of(cast.TRAVELLER.customer_id),
        lambda c: [dispute for n in range(1007, 1101) for dispute in c.disputes_of(f"cu_{n}")],
        lambda c: c.articles("refund parcel card stove tent", limit=30),
        lambda c: c.posts("tent boots stove", limit=30),
        lambda c: [c.search("tents")],
        lambda c: [c.page(result["url"]) for result in c.search("tents").data["results"]],
        lambda c: c.matches([cast.STOLEN_FINGERPRINT, "192.0.2.1", "Claire Fontaine"]),
        lambda c: [c.stock_item(cast.SHORT_ITEM)],
        lambda c: c.offers_for("NAV-713"),
    ],
)
def test_a_records_url_is_a_page_and_so_is_every_link_on_it(read, client: TestClient, company: SampleCompany) -> None:
    records: list[Record] = [record for record in read(company) if record is not None]

    assert records
    for record in records:
        answer = client.get(str(record.url))
        assert (record.url, answer.status_code) == (record.url, 200)
        outline = Outline(answer.text)
        assert outline.titles == 1
        for link in outline.links:
            if link.startswith("/sample"):
                assert (link, client.get(link).status_code) == (link, 200)


@pytest.mark.parametrize("path", ["tickets/9999", "tickets/x", "charges/none", "secrets/1", "help/%2E%2E", "mails/1"])
def test_what_is_not_there_is_not_found(path: str, client: TestClient) -> None:
    answer = client.get(f"/sample/{path}")

    assert answer.status_code == 404
    assert Outline(answer.text).titles == 1


def test_every_template_is_used_and_pages_have_one_title(client: TestClient) -> None:
    names = {path.name for path in views.TEMPLATES.glob("*.html")}

    assert names == {
        "base.html",
        "company.html",
        "ticket.html",
        "record.html",
        "trouble.html",
        "_came_back.html",
        "_message.html",
        "_value.html",
    }
    for path in ("/sample", "/sample/tickets/1", "/sample/help/refunds", "/sample/nothing/1"):
        assert Outline(client.get(path).text).titles == 1


@pytest.mark.parametrize("name", ["sample.css", "sample.js", "mark.svg"])
def test_style_script_and_mark_are_served_from_here(name: str, client: TestClient) -> None:
    assert client.get(f"/sample/static/{name}").status_code == 200
    assert f"/sample/static/{name}" in client.get("/sample").text


def test_the_page_asks_nothing_of_the_outside(client: TestClient) -> None:
    outline = Outline(client.get("/sample").text)

    assert outline.scripts == ["/sample/static/sample.js"]
    assert [link for link in outline.links if not link.startswith(("/", "#"))] == []
