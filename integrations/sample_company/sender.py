"""Sends the sample company's webhooks: a thread that posts each event, signed by Standard Webhooks, until it is taken.

At least once: an event leaves the outbox only after a 2xx, so a receiver may see one twice and must not mind. Started by
whoever runs the sample company beside Caseworker. It knows the receiver's address and the shared secret and nothing else
about it; redirects are not followed, as the standard asks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

import httpx

from integrations.errors import IntegrationError
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.outbox import Letter, Outbox
from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import STANDARD_V1

logger = logging.getLogger(__name__)

#: Seconds to wait after the first, second, … failure; the last one repeats for ever.
BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
LONGEST_RETRY_AFTER = 3600.0
#: The standard asks for 15 to 30 seconds.
TIMEOUT = 15.0


class WebhookSender:
    """Posts what is due to `url`. `start` and `stop` run it as a thread; `deliver_due` is one round of it."""

    def __init__(
        self,
        company: SampleCompany,
        url: str,
        secret: str,
        *,
        back_off: Sequence[float] = BACK_OFF,
        timeout: float = TIMEOUT,
        poll: float = 0.25,
    ) -> None:
        self._clock = company.clock
        self._outbox = Outbox(company.database)
        self._url = httpx.URL(url)
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise ValueError(f"{url!r} is no address to post webhooks to: it begins with http:// or https://")
        # The newest of several secrets signs; the others are on their way out.
        self._secret = load_secrets(STANDARD_V1, secret, setting="the sample company's webhook secret")[0]
        self._back_off = back_off
        self._timeout = timeout
        self._poll = poll
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, *, alone: bool = False) -> None:
        """`alone` says that no other sender is at work: what an earlier one died with is sent at once."""
        self._stopping.clear()
        if alone:
            self._outbox.put_back(self._clock())
        self._thread = threading.Thread(target=self._run, name="sample-webhooks", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Finish the event in hand. What was not delivered is sent by the next sender."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def deliver_due(self, client: httpx.Client | None = None) -> int:
        """Post everything that is due now, each once; how many were taken with a 2xx."""
        if client is None:
            with self._client() as own:
                return self.deliver_due(own)
        delivered = 0
        while not self._stopping.is_set() and (letter := self._outbox.take(self._clock())):
            delivered += self._post(client, letter)
        return delivered

    def _run(self) -> None:
        with self._client() as client:
            while not self._stopping.is_set():
                try:
                    self.deliver_due(client)
                except IntegrationError as error:
                    # The company's database is busy or full. The events are safe in it; they are asked for again.
                    logger.warning("sample_outbox_unavailable: %s", error)
                self._stopping.wait(self._poll)

    def _client(self) -> httpx.Client:
        # trust_env off: a proxy of the environment must not carry what is meant for this machine.
        return httpx.Client(timeout=self._timeout, trust_env=False, follow_redirects=False)

    def _post(self, client: httpx.Client, letter: Letter) -> bool:
        headers = sign(STANDARD_V1, self._secret, letter.body, at=self._clock(), delivery_id=letter.event_id)
        try:
            answer = client.post(
                self._url, content=letter.body, headers={"content-type": "application/json", **headers}
            )
        except httpx.HTTPError as error:
            self._put_off(letter, f"{type(error).__name__}: {error}", self._wait(letter))
            return False
        if answer.is_success:
            self._outbox.delivered(letter, self._clock(), str(answer.status_code))
            return True
        asked = answer.headers.get("retry-after", "")
        wait = min(float(asked), LONGEST_RETRY_AFTER) if asked.isascii() and asked.isdigit() else self._wait(letter)
        self._put_off(letter, str(answer.status_code), wait)
        return False

    def _wait(self, letter: Letter) -> float:
        return self._back_off[min(letter.attempts, len(self._back_off)) - 1]

    def _put_off(self, letter: Letter, answer: str, wait: float) -> None:
        logger.info("sample_webhook_not_taken event=%s attempt=%d answer=%s", letter.event_id, letter.attempts, answer)
        self._outbox.put_off(letter, self._clock() + timedelta(seconds=wait), answer)
