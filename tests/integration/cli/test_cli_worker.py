"""What `caseworker worker` hands to those who carry actions out: Writers that keep to their vendors' limits."""

from __future__ import annotations

import pytest

from integrations.base import PaymentsWriter
from integrations.errors import Permanent, Postponed
from workers import celery_worker


@pytest.fixture
def handed(monkeypatch, caseworker, engine):
    """What the command would have worked with, in place of working."""
    monkeypatch.setenv("CASEWORKER_BROKER_URL", "amqp://127.0.0.1:1//")
    monkeypatch.setenv("CASEWORKER_VENDOR_LIMITS", "sample=1/h")

    def hand(*arguments):
        found = []

        def note(_system, writers, **options):
            # In a process of a pool the command makes them anew.
            _, writers = options["anew"]() if options["pool"] == "prefork" else (None, writers)
            found.append(writers)
            desk = writers.find("sample", PaymentsWriter) if writers is not None else None
            for _ in range(3 if desk is not None else 0):
                with pytest.raises((Postponed, Permanent)) as raised:
                    desk.refund("ch_none", 100, "EUR", "why not", key="a-key", if_version="")
                found.append(type(raised.value))
            return 0

        monkeypatch.setattr(celery_worker, "work", note)
        ran = caseworker("worker", *arguments)
        assert (ran.status, ran.err) == (0, "")
        return found

    return hand


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_what_a_worker_carries_out_keeps_to_the_limit_of_its_vendor(handed, pool):
    _, *calls = handed("--queues", "actions", "--pool", pool)

    assert calls == [Permanent, Postponed, Postponed]


def test_a_worker_of_other_queues_has_nothing_to_carry_out_with(handed):
    assert handed("--queues", "support") == [None]
