"""Webhooks out, over real HTTP: signed as the standard says, sent until taken, never lost."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.outbox import Outbox
from integrations.sample_company.sender import WebhookSender
from integrations.sample_company.shopfront import Shopfront

SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi1hdC1sZWFzdC0yNC1ieXRlcw=="


class Receiver:
    """A real HTTP server. `answers` are given in turn, the last one for ever: a status, or (status, headers)."""

    def __init__(self) -> None:
        self.answers: list[Any] = [202]
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.came = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                if answer == "hang up":
                    self.close_connection = True
                    return
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                receiver.came.set()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/sample"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


@pytest.fixture
def sender(company: SampleCompany, receiver: Receiver) -> WebhookSender:
    return WebhookSender(company, receiver.url, SECRET, back_off=(1.0, 10.0))


def state(company: SampleCompany) -> list[tuple[int, bool, str | None]]:
    events = Outbox(company.database).events()
    return [(event["attempts"], event["delivered_at"] is not None, event["last_answer"]) for event in reversed(events)]


def test_an_event_is_signed_as_the_standards_own_library_checks_it(
    company: SampleCompany, shop: Shopfront, receiver: Receiver, clock
) -> None:
    """The library looks at the real clock, so the company lives by it here."""
    clock.now = clock.now.now(clock.now.tzinfo)
    shop.write_ticket(cast.ANA.email, "Zurück, bitte", "Größe passt nicht ✓")

    WebhookSender(company, receiver.url, SECRET).deliver_due()

    ((headers, body),) = receiver.received
    assert Webhook(SECRET).verify(body, headers)["data"]["text"] == "Größe passt nicht ✓"
    assert headers["content-type"] == "application/json"
    event = json.loads(body)
    assert list(event) == ["id", "type", "occurred_at", "data"]
    assert event["id"] == headers["webhook-id"]


def test_each_event_is_posted_once_when_it_is_taken_in_the_order_of_happening(
    company: SampleCompany, shop: Shopfront, receiver: Receiver, sender: WebhookSender, clock
) -> None:
    for number in range(3):
        shop.write_ticket(cast.ANA.email, f"No {number}", "Hello")
        clock.pass_(seconds=1)

    assert sender.deliver_due() == 3
    assert sender.deliver_due() == 0

    assert [json.loads(body)["data"]["title"] for _, body in receiver.received] == ["No 0", "No 1", "No 2"]
    assert state(company) == [(1, True, "202")] * 3


@pytest.mark.parametrize("answer", [500, 503, 404, 401, 410, 302, 304, "hang up"])
def test_whatever_is_no_2xx_is_sent_again_after_the_wait(
    answer: Any, company: SampleCompany, shop: Shopfront, receiver: Receiver, sender: WebhookSender, clock
) -> None:
    receiver.answers = [answer, answer, 200]
    shop.write_ticket(cast.ANA.email, "S", "B")
    sent = [sender.deliver_due()]

    for wait in (0.9, 0.2, 9.8, 0.3):
        clock.pass_(seconds=wait)
        sent.append(sender.deliver_due())

    assert sent == [0, 0, 0, 0, 1]
    assert len(receiver.received) == 3
    assert len(set(receiver.ids)) == 1, "the id stays the same, so that the receiver can tell"
    assert state(company) == [(3, True, "200")]


def test_a_retry_is_signed_for_its_own_moment(
    shop: Shopfront, receiver: Receiver, sender: WebhookSender, clock
) -> None:
    receiver.answers = [500, 200]
    shop.write_ticket(cast.ANA.email, "S", "B")
    sender.deliver_due()
    clock.pass_(seconds=600)
    sender.deliver_due()

    (first, body), (second, same) = receiver.received
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 600
    assert second["webhook-signature"] != first["webhook-signature"]
    assert same == body


@pytest.mark.parametrize(
    ("header", "early", "late"),
    [("30", 29, 31), ("999999", 3599, 3601), ("soon", 0.5, 1.5), ("-5", 0.5, 1.5), ("", 0.5, 1.5)],
)
def test_retry_after_is_kept_up_to_an_hour(
    header: str, early: float, late: float, shop: Shopfront, receiver: Receiver, sender: WebhookSender, clock
) -> None:
    receiver.answers = [(429, {"retry-after": header}), 200]
    shop.write_ticket(cast.ANA.email, "S", "B")
    sender.deliver_due()

    clock.pass_(seconds=early)
    assert sender.deliver_due() == 0
    clock.pass_(seconds=late - early)
    assert sender.deliver_due() == 1


def test_one_event_that_is_refused_does_not_hold_up_the_others(
    company: SampleCompany, shop: Shopfront, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answers = [400, 200]
    shop.write_ticket(cast.ANA.email, "One", "B")
    shop.write_ticket(cast.ANA.email, "Two", "B")

    assert sender.deliver_due() == 1

    assert state(company) == [(1, False, "400"), (1, True, "200")]


def test_nobody_listening_loses_nothing(company: SampleCompany, shop: Shopfront, receiver: Receiver, clock) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{reserved.getsockname()[1]}/"
        shop.write_ticket(cast.ANA.email, "S", "B")
        assert WebhookSender(company, nowhere, SECRET).deliver_due() == 0
    ((_, delivered, answer),) = state(company)
    assert not delivered
    assert answer is not None
    assert "ConnectError" in answer

    clock.pass_(seconds=2)
    assert WebhookSender(company, receiver.url, SECRET).deliver_due() == 1, "by another sender, a restart later"


def test_a_sender_that_died_with_an_event_in_hand_loses_nothing(
    company: SampleCompany, shop: Shopfront, receiver: Receiver, sender: WebhookSender, clock
) -> None:
    shop.write_ticket(cast.ANA.email, "S", "B")
    assert Outbox(company.database).take(clock()) is not None, "taken, and then nothing more is heard"

    assert sender.deliver_due() == 0
    clock.pass_(seconds=61)
    assert sender.deliver_due() == 1


def test_two_senders_do_not_send_the_same_event(company: SampleCompany, shop: Shopfront, receiver: Receiver) -> None:
    for _ in range(20):
        shop.write_ticket(cast.ANA.email, "S", "B")
    senders = [threading.Thread(target=WebhookSender(company, receiver.url, SECRET).deliver_due) for _ in range(4)]

    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()

    assert len(receiver.ids) == len(set(receiver.ids)) == 20


def test_redirects_are_not_followed_with_a_signed_body(
    shop: Shopfront, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answers = [(307, {"location": receiver.url + "/elsewhere"})]
    shop.write_ticket(cast.ANA.email, "S", "B")

    assert sender.deliver_due() == 0
    assert len(receiver.received) == 1


def test_a_receiver_that_is_too_slow_is_asked_again(company: SampleCompany, shop: Shopfront) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        shop.write_ticket(cast.ANA.email, "S", "B")
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"

        assert WebhookSender(company, url, SECRET, timeout=0.1).deliver_due() == 0

    ((attempts, delivered, answer),) = state(company)
    assert (attempts, delivered) == (1, False)
    assert answer is not None
    assert "ReadTimeout" in answer


def test_as_a_thread_it_sends_by_itself_until_it_is_stopped(
    company: SampleCompany, shop: Shopfront, receiver: Receiver
) -> None:
    sender = WebhookSender(company, receiver.url, SECRET, poll=0.01)
    sender.start()
    shop.write_ticket(cast.ANA.email, "S", "B")

    assert receiver.came.wait(60)
    sender.stop()

    assert [thread for thread in threading.enumerate() if thread.name == "sample-webhooks"] == []
    shop.write_ticket(cast.ANA.email, "Later", "B")
    assert len(receiver.received) == 1
    receiver.came.clear()
    sender.start()
    assert receiver.came.wait(60), "started again it sends the rest"
    sender.stop()


def test_as_a_thread_it_outlives_a_locked_database(company: SampleCompany, shop: Shopfront, receiver: Receiver) -> None:
    shop.write_ticket(cast.ANA.email, "S", "B")
    sender = WebhookSender(company, receiver.url, SECRET, poll=0.01)

    with company.database.writing():
        sender.start()
        assert not receiver.came.wait(0.5)

    assert receiver.came.wait(60)
    sender.stop()


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not a secret at all!"])
def test_a_secret_that_cannot_be_right_is_refused_at_once(secret: str, company: SampleCompany) -> None:
    with pytest.raises(ValueError, match="secret"):
        WebhookSender(company, "http://127.0.0.1:1/", secret)


@pytest.mark.parametrize("url", ["", "/hooks/sample", "127.0.0.1:8000/hooks", "ftp://127.0.0.1/", "http://"])
def test_an_address_that_is_none_is_refused_at_once(url: str, company: SampleCompany) -> None:
    with pytest.raises(ValueError, match="no address"):
        WebhookSender(company, url, SECRET)
