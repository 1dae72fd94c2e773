"""What it adds when the first provider is down: the time of an answer, by kind of failure, over true HTTP on this machine.

Two local services speak Anthropic's and OpenAI's API and answer at once; the official SDKs ask them, behind the router, the
guards and the shipped routing. "First" are the calls until the breaker opens, "then" those that follow while it is open.

    python benchmarks/fallback.py [--calls 12] [--timeout 3.0]
"""

from __future__ import annotations

import argparse
import logging
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from pydantic import BaseModel

from integrations import registry
from integrations.models.base import Material, ModelRequest
from integrations.models.router import Router
from tests.servers.chat_api import ChatApi
from tests.servers.messages_api import Fault, MessagesApi
from workers.guards import Guards
from workers.guards.breaker import FAILURES

MANY = 10_000


class Answer(BaseModel):
    topic: str


REQUEST = ModelRequest(
    "support",
    "triage",
    "Sort the ticket.",
    (Material("evt_1", "event", trusted=False, data={"text": "Hello"}),),
    Answer,
)
KINDS: dict[str, Fault | None] = {
    "nobody listens": None,
    "529 overloaded": Fault(529),
    "500": Fault(500),
    "connection cut": Fault(0),
    "no answer in time": Fault(529, wait=MANY),
    "401 bad key": Fault(401),
    "429, an hour": Fault(429, retry_after=3600),
}


def router(first: str, second: str, *, timeout: float) -> Router:
    env = {"OPENAI_API_KEY": "key", "OPENAI_MODEL": "m", "OPENAI_BASE_URL": second}
    if first:
        env |= {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_MODEL": "m", "ANTHROPIC_BASE_URL": first}
    return registry.models(env, data=Path(tempfile.gettempdir()), timeout=timeout, wrap=Guards().wrap)


def times(asked: Router, calls: int) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for _ in range(calls):
        began = time.perf_counter()
        answer = asked.answer(REQUEST)
        found.append((time.perf_counter() - began) * 1000)
        if answer.usage.provider != registry.OPENAI:
            raise SystemExit(f"{answer.usage.provider} answered: that measures something else")
    return found


@contextmanager
def down(fault: Fault | None) -> Iterator[str]:
    """The first provider's address, failing in this way each time."""
    if fault is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        yield address
        return
    if fault.wait:
        # Takes the request and says nothing: the kernel accepts, nobody reads.
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(128)
            yield f"http://127.0.0.1:{silent.getsockname()[1]}"
        return
    with MessagesApi() as api:
        api.faults += [fault] * MANY
        yield api.url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--timeout", type=float, default=3.0)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with ChatApi() as second:
        second.answer(lambda _: {"topic": "refund"})
        times(router("", second.url, timeout=chosen.timeout), 3)
        alone = statistics.median(times(router("", second.url, timeout=chosen.timeout), chosen.calls))
        print(f"The second provider alone answers in {alone:.1f} ms (median of {chosen.calls}).\n")
        print(f"{'first provider':<20} {'added at first, ms':>20} {'then, ms':>10}")
        for kind, fault in KINDS.items():
            with down(fault) as first:
                asked = router(first, second.url, timeout=chosen.timeout)
                found = times(asked, chosen.calls)
            # Each of the first calls fails twice, where a second try is made at all.
            before = found[: FAILURES // 2]
            after = found[FAILURES:]
            print(f"{kind:<20} {statistics.median(before) - alone:>20.1f} {statistics.median(after) - alone:>10.1f}")
        hot = router("", second.url, timeout=chosen.timeout)
        print(f"\nThe router itself, with one route: {_itself(hot):.1f} µs a call.")


def _itself(asked: Router) -> float:
    """Microseconds of choosing, asking and returning where the model takes no time."""

    class Nothing:
        provider, name, uses_tools = "openai", "m", False

        def __init__(self, answer: object) -> None:
            self._answer = answer

        def answer(self, _request: object) -> object:
            return self._answer

    seat = asked._seats["triage"][0]  # noqa: SLF001 - measured from within
    still = Nothing(asked.answer(REQUEST))
    alone = Router({"triage": [type(seat)(seat.key, seat.route, lambda: still)]})  # type: ignore[arg-type,return-value] - as far as it goes
    began = time.perf_counter()
    for _ in range(MANY):
        alone.answer(REQUEST)
    return (time.perf_counter() - began) / MANY * 1e6


if __name__ == "__main__":
    main()
