"""A whole installation at its most talkative, with a model, a vendor and senders at their worst: nothing that anybody wrote is in
what it writes down for operators."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import STANDARD_V1
from tests.kit.installation import Installation
from tests.servers.messages_api import Fault, MessagesApi
from workers.access import make_token
from workers.store import audit, people
from workers.store.records import CaseState
from workers.wiring import utc_now

pytestmark = pytest.mark.slow

MARK = "Zanzibar-Quagga"
MAIL = "zanzibar.quagga@example.com"
CARD = "4242 4242 4242 4242"
SECRETS = (MARK, MAIL, CARD, "4242424242424242")
LETTER = f"{MARK} asks for 40.00 EUR back. Write to {MAIL}, card {CARD}."


@pytest.fixture
def api():
    with MessagesApi() as server:
        # It repeats what it was told instead of answering, and a gateway of its own quotes what it refuses.
        server.answer(lambda request: {"nonsense": LETTER, "asked": json.dumps(request["messages"])[-2000:]})
        body = json.dumps({"error": {"type": "invalid_request_error", "message": f"Bad text: {LETTER}"}}).encode()
        server.faults += [Fault(400, body=body), Fault(500, body=body), Fault(), Fault(200, body=LETTER.encode())]
        yield server


@pytest.fixture
def installation(tmp_path, api):
    found = Installation(
        tmp_path / "var",
        ANTHROPIC_API_KEY="key",
        ANTHROPIC_MODEL="model-x",
        ANTHROPIC_BASE_URL=api.url,
        CASEWORKER_LOG_LEVEL="DEBUG",
        CASEWORKER_TRACES="console",
    )
    try:
        found.start()
        found.ready()
        yield found
    finally:
        found.close()


def send(installation, path: str, body: bytes, **headers: str) -> int:
    told = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(installation.address + path, body, told, method="POST"), timeout=60
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def signed(installation, body: bytes) -> dict[str, str]:
    secret = (installation.folder / "sample_webhook_secret").read_text().strip()
    key = load_secrets(STANDARD_V1, secret)[0]
    return {
        name.replace("-", "_"): value
        for name, value in sign(STANDARD_V1, key, body, at=datetime.now(UTC), delivery_id="d-1").items()
    }


def token(installation, scope: str) -> str:
    plain, kept = make_token()
    with installation.db.write() as tx:
        casey = people.by_email(tx, "casey@example.com")
        people.add_token(tx, name=scope, token_hash=kept, scopes=[scope], person_id=casey.id, now=utc_now())
    return f"Bearer {plain}"


def bad_deliveries(installation) -> list[int]:
    bearer = token(installation, "events")
    event = {"specversion": "1.0", "id": "e1", "source": "/x", "type": f"com.{MARK}", "data": {"text": LETTER}}
    cloud = {"content_type": "application/cloudevents+json", "authorization": bearer}
    wrong = json.dumps({"type": "ticket.created", "data": {"ticket": {"text": [LETTER]}}}).encode()
    return [
        send(installation, "/hooks/sample", LETTER.encode()),
        send(installation, "/hooks/sample", wrong, **signed(installation, wrong)),
        send(installation, "/hooks/sample", LETTER.encode(), **signed(installation, LETTER.encode())),
        send(installation, f"/hooks/{MARK}", LETTER.encode()),
        send(installation, "/events", json.dumps(event).encode(), **cloud),
        send(installation, "/events", json.dumps({**event, "id": [LETTER]}).encode(), **cloud),
        send(installation, "/events", f'{{"{LETTER}"'.encode(), **cloud),
        send(installation, "/events", LETTER.encode(), authorization=f"Bearer {MARK}"),
        send(installation, f"/api/v1/actions/{MARK}/decision", LETTER.encode(), authorization=bearer),
        send(installation, f"/{MARK}?q={MAIL}", LETTER.encode()),
        send(
            installation,
            "/sign-in",
            f"email={MAIL}&password={MARK}".encode(),
            content_type="application/x-www-form-urlencoded",
        ),
    ]


def metrics(installation) -> str:
    request = urllib.request.Request(
        installation.address + "/metrics", headers={"authorization": token(installation, "read")}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


def found_in(text: str) -> list[str]:
    """The lines that say what they should not. A line may hold it encoded, too."""
    hidden = [secret.replace(" ", "%20") for secret in SECRETS] + [base64.b64encode(MARK.encode()).decode()[:16]]
    return [
        line[:400]
        for line in text.splitlines()
        if any(secret.lower() in line.lower() for secret in (*SECRETS, *hidden))
    ]


def test_nothing_that_anybody_wrote_is_in_logs_traces_metrics_or_the_audit_log(installation, api):
    statuses = bad_deliveries(installation)
    subjects = [installation.ticket(f"{LETTER} ({number})", f"{MARK} {MAIL}") for number in range(5)]

    def settled() -> bool:
        stand = [installation.case(subject) for subject in subjects]
        return all(case is not None and case.state in (CaseState.INBOX, CaseState.CLOSED) for case in stand)

    installation.until(settled, "not every case came to its end")
    page = metrics(installation)
    installation.close()
    log = (installation.folder / "log").read_text(errors="replace")
    with installation.db.read() as tx:
        entries = "\n".join(json.dumps(entry.data, default=str) for entry in audit.since(tx, 0, 10_000))
    told = "\n".join(
        f"{case.attention} {case.waiting_for}"
        for subject in subjects
        if (case := installation.case(subject)) is not None
    )

    # It all happened, and was said.
    assert {400, 401, 404} <= set(statuses)
    assert not any(status >= 500 for status in statuses)
    assert "delivery_refused" in log
    assert "authentic_but_malformed" in log
    assert '"name": "triage"' in log
    assert "model_calls" in page
    assert len(api.requests) >= 5
    assert len(entries) > 500
    # Without a word of it.
    assert found_in(log) == []
    assert found_in(page) == []
    assert found_in(entries) == []
    assert found_in(told) == []


def test_no_value_of_a_person_reached_the_model(installation, api):
    subject = installation.ticket(LETTER, f"Please {MAIL}")
    installation.until(lambda: installation.recorded_calls(subject) > 0, "the model was not asked")

    sent = json.dumps(api.requests)
    assert "[email-" in sent
    assert "ending 4242]" in sent
    assert found_in(sent.replace(MARK, "")) == []
