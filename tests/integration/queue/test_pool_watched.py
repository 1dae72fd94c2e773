"""What the processes of a pool tell of themselves: their spans arrive, all of them, under the name that each has in the database."""

from __future__ import annotations

import json
import signal

import pytest

from tests.servers.otlp import Collector
from workers.store import processes
from workers.telemetry import traces

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def workers(install, redis_broker):
    return install(redis_broker)


def test_a_process_of_a_pool_that_ends_has_sent_every_span_under_its_name_of_the_database(workers):
    with Collector() as collector:
        first = workers.start(
            *("worker", "--queues", "support,actions", "--pool", "prefork", "--concurrency", "1"),
            CASEWORKER_TRACES="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            # Nothing is sent before the end but what the end sends.
            OTEL_BSP_SCHEDULE_DELAY="3600000",
        )
        workers.ticket()
        workers.until(lambda: workers.closed() == 1, "it does not work")
        with workers.system.db.read() as tx:
            known = {process.id for process in processes.all_of(tx)}
        first.send_signal(signal.SIGTERM)
        assert first.wait(240) == 0

    (case,) = workers.cases()
    of_case = [span for span in collector.spans if span.trace_id == traces.identifiers(case.id)[0]]
    assert {"advance", "triage", "draft", "execute", "write"} <= {span.name for span in of_case}
    assert {span.instance for span in of_case} <= known


def test_a_line_of_the_log_names_the_process_of_a_pool_that_wrote_it(workers, api):
    api.answer(lambda _: {"nothing": "that was asked for"})
    workers.start("worker", "--queues", "support", "--pool", "prefork", "--concurrency", "1")
    workers.ticket()

    def lines():
        read = [json.loads(line) for line in workers.log().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in read if "case_id" in line]

    workers.until(lambda: bool(lines()), "it says nothing")
    with workers.system.db.read() as tx:
        known = {process.id for process in processes.all_of(tx)}
    assert {line["worker"] for line in lines()} <= known
