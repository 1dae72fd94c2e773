"""docs/adding-a-system.md, walked word for word on a copy of the project, against a depot over true HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.kit.walking import ROOT, passes_the_checks, run, walk

PAGE = ROOT / "docs" / "adding-a-system.md"
KEY = "the depot's key"

COMES_IN = """
import json
from dataclasses import replace
from datetime import UTC, datetime
from integrations import registry
from integrations.base import Delivery
from integrations.depot.webhook import DEPOT
from integrations.errors import NotAuthentic
from integrations.webhooks import load_secrets, sign

source = registry.webhooks({"DEPOT_WEBHOOK_SECRET": "a" * 40})["depot"]
now = datetime.now(UTC)
lost = {"type": "lost", "id": "e1", "parcel": "17", "email": "ana@example.com", "at": "2026-11-20T10:00:00Z", "text": "Gone"}
body = json.dumps(lost).encode()
signed = sign(DEPOT, load_secrets(DEPOT, "a" * 40)[0], body, at=now)
delivery = Delivery("depot", tuple((n.lower().encode(), v.encode()) for n, v in signed.items()), body, now)
source.verify(delivery)
try:
    source.verify(replace(delivery, body=body + b" "))
except NotAuthentic as error:
    refused = error.reason
[event] = source.parse(delivery)
print(json.dumps({"subject": event.subject, "id": event.delivery_id, "refused": refused}))
"""

GOES_OUT = """
import json, sys
from pathlib import Path
from integrations import registry
from integrations.base import CrmReader
from integrations.errors import IntegrationError
from workers.actions.base import Effect
from workers.actions.catalogue import CATALOGUE

env = {"DEPOT_BASE_URL": sys.argv[1], "DEPOT_API_KEY": sys.argv[2]}
alone = {"data": Path(), "sample_company": False, "wrap": lambda _vendor, found: found}
crm = registry.readers(env, **alone).find("depot", CrmReader)
writers = registry.writers(env, own={}, **alone)

def perform(name, key, parcel="17", **arguments):
    kind = CATALOGUE[name]
    effect, taken = Effect(parcel, key, "", "Ana"), kind.arguments.model_validate(arguments)
    writer = writers.find("depot", kind.writer)
    try:
        return kind.perform(writer, taken, effect).ref
    except IntegrationError as error:
        found = kind.look(writer, taken, effect) if kind.look else None
        more = {name: getattr(error, name, None) for name in ("maybe_done", "retry_after")}
        return {"error": type(error).__name__, "found": found and found.ref, **more}

print(json.dumps({
    "customer": crm.customer("ana@example.com").ref,
    "nobody": crm.customer("../parcels/17"),
    "again": [perform("send_parcel_again", "k1", reason="Lost"), perform("send_parcel_again", "k1", reason="Lost")],
    "cut": perform("note_on_parcel", "k2", text="cut"),
    "not done": perform("note_on_parcel", "k3", text="busy"),
    "broken": perform("call_driver", "k4", text="page"),
    "refused": perform("call_driver", "k5", text="refused"),
    "gone": perform("call_driver", "k6", parcel="nowhere", text="Hello"),
}))
"""


class Depot(BaseHTTPRequestHandler):
    """Does as the text that it is sent says: cut off after the effect, too busy, a page of a proxy, a refusal."""

    protocol_version = "HTTP/1.1"
    done: ClassVar[dict[str, str]] = {}

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self._say(401)
        elif self.path == "/customers/ana%40example.com":
            self._say(200, {"customer_id": "7", "name": "Ana", "email": "ana@example.com"})
        elif self.path.startswith("/parcels/17/notes/") and self.path[18:] in self.done:
            self._say(200, {"ref": self.done[self.path[18:]]})
        else:
            self._say(404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "/nowhere/" in self.path:
            self._say(404)
            return
        match body.get("text"):
            case "busy":
                self._say(429)
            case "page":
                self._say(502)
            case "refused":
                self._say(403)
            case text:
                key = self.headers["Idempotency-Key"] or body.get("mark", "")
                ref = self.done.setdefault(key, f"done:{len(self.done)}")
                if text == "cut":
                    self.close_connection = True
                else:
                    self._say(200, {"ref": ref})

    def _say(self, status: int, body: Any = None) -> None:
        raw = json.dumps(body).encode() if body else b"<html>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walk(PAGE, tmp_path_factory.mktemp("project"))


@pytest.fixture
def depot() -> Iterator[str]:
    Depot.done.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Depot)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


def test_what_the_depot_signs_comes_in(walked: Path) -> None:
    said = json.loads(run(walked, "-c", COMES_IN))

    assert said == {"subject": "depot:parcel:17", "id": "e1", "refused": "mismatch"}


def test_each_delivery_is_carried_out_and_each_failure_told_by_what_it_means(walked: Path, depot: str) -> None:
    said: dict[str, Any] = json.loads(run(walked, "-c", GOES_OUT, depot, KEY))

    assert (said["customer"], said["nobody"]) == ("depot:customer:7", None)
    assert said["again"] == ["depot:done:0", "depot:done:0"]
    assert said["cut"] == {"error": "Temporary", "found": "depot:done:1", "maybe_done": True, "retry_after": None}
    assert said["not done"] == {"error": "Temporary", "found": None, "maybe_done": False, "retry_after": 7}
    assert (said["broken"]["error"], said["broken"]["maybe_done"]) == ("Temporary", True)
    assert (said["refused"]["error"], said["gone"]["error"]) == ("Permanent", "Permanent")


def test_what_is_on_the_page_passes_the_checks(walked: Path) -> None:
    files = ["integrations/depot/webhook.py", "integrations/depot/client.py", "workers/actions/depot.py"]

    passes_the_checks(walked, *files, "integrations/registry.py", "integrations/base.py")
