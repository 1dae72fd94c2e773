"""The house as a vendor's client would see it: HTTP with time-outs, and every failure named by its consequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from integrations.base import Receipt, Record
from integrations.errors import Permanent, Stale, Temporary
from tests.faults import script

#: shorter than the house is late
PATIENCE = httpx.Timeout(1.5, connect=1.0)
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32)


class House:
    """The connection, and reading. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=PATIENCE, limits=LIMITS, trust_env=False)

    def ticket(self, ticket_id: str) -> Record:
        return self._record(f"{script.SYSTEM}:ticket:{ticket_id}", trusted=False)

    def tickets_of(self, email: str, *, limit: int = 5) -> Sequence[Record]:
        return []

    def articles(self, query: str, *, limit: int = 3) -> Sequence[Record]:
        return []

    def customer(self, key: str) -> Record | None:
        return self._record(f"{script.SYSTEM}:customer:cus_{script.number(key)}", trusted=True)

    def charge(self, charge_id: str) -> Record | None:
        return self._record(f"{script.SYSTEM}:charge:{charge_id}", trusted=True)

    def charges_of(self, customer_id: str, *, limit: int = 20) -> Sequence[Record]:
        return []

    def disputes_of(self, customer_id: str) -> Sequence[Record]:
        return []

    def version(self, ref: str) -> str:
        return str(self._get("/record", ref=ref)["version"])

    def _record(self, ref: str, *, trusted: bool) -> Record:
        found = self._get("/record", ref=ref)
        return Record(ref, ref.split(":")[1], ref, found["data"], found["version"], trusted=trusted)

    def _get(self, path: str, **asked: str) -> Any:
        return self._ask(self._http.build_request("GET", path, params=asked), writes=False)

    def _ask(self, request: httpx.Request, *, writes: bool) -> Any:
        try:
            answer = self._http.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Temporary(f"The house cannot be reached ({type(error).__name__}).") from error
        except httpx.TransportError as error:
            raise Temporary(f"The house did not answer ({type(error).__name__}).", maybe_done=writes) from error
        if answer.status_code == 409:
            raise Stale("The target changed.")
        if answer.status_code == 429:
            raise Temporary("The house asks to wait.", retry_after=float(answer.headers["retry-after"]))
        if answer.status_code >= 500:
            raise Temporary("The house is not available.")
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Permanent(f"The house refused it ({answer.status_code}).")
        return answer.json()


class HouseWriter(House):
    """Writing: refunds take our key, replies can be looked up by it, mails know nothing of it."""

    def reply(self, ticket_id: str, body: str, *, public: bool, key: str, if_version: str) -> Receipt:
        assert public
        return self._do("reply", f"{script.SYSTEM}:ticket:{ticket_id}", key, if_version, {"body": body})

    def find_reply(self, ticket_id: str, key: str) -> Receipt | None:
        found = self._get("/find", kind="reply", key=key)
        return None if found is None else _receipt(found)

    def refund(
        self, charge_id: str, amount_minor: int, currency: str, reason: str, *, key: str, if_version: str
    ) -> Receipt:
        what = {"charge_id": charge_id, "amount_minor": amount_minor, "currency": currency, "reason": reason}
        return self._do("refund", f"{script.SYSTEM}:charge:{charge_id}", key, if_version, what)

    def send(self, to: str, subject: str, body: str, *, key: str) -> Receipt:
        # The key is for the witness: a mail server would take none, and this one does nothing with it.
        what = {"to": to, "subject": subject, "body": body}
        return self._do("mail", f"{script.SYSTEM}:mail:{to}", key, "", what)

    def add_tags(self, ticket_id: str, tags: Sequence[str], *, key: str, if_version: str) -> Receipt:
        raise Permanent("The house has no tags.")

    def assign(self, ticket_id: str, team: str, note: str, *, key: str, if_version: str) -> Receipt:
        raise Permanent("The house has no teams.")

    def set_status(self, ticket_id: str, status: str, *, key: str, if_version: str) -> Receipt:
        raise Permanent("The house has no statuses.")

    def hold(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        raise Permanent("The house holds nothing.")

    def release(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        raise Permanent("The house holds nothing.")

    def _do(self, kind: str, ref: str, key: str, if_version: str, what: dict[str, Any]) -> Receipt:
        order = {"ref": ref, "key": key, "if_version": if_version, "what": what}
        # A connection that wrote is not used again: of an answer that comes twice, httpx would take the second for the
        # answer to the next request, and that one would be done without having been done.
        once = {"connection": "close"}
        answer = self._ask(self._http.build_request("POST", f"/do/{kind}", json=order, headers=once), writes=True)
        return _receipt(answer)


def _receipt(found: dict[str, Any]) -> Receipt:
    return Receipt(found["ref"], found["before"], found["after"])
