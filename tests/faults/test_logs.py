"""Which lines of a log are a broken promise: a traceback that is no vendor's or broker's usual trouble."""

from __future__ import annotations

import json

import pytest

from tests.faults import logs

TRACEBACK = (
    "Traceback (most recent call last):\n  File ...\namqp.exceptions.RecoverableConnectionError: (words withheld)"
)


@pytest.mark.parametrize(
    ("level", "event", "unforeseen"),
    [
        ("error", "event_not_kept", 1),
        ("critical", "Unrecoverable error", 1),
        ("warning", "consumer: Connection to broker lost.", 0),
        ("error", "Error cleaning up after event loop: 'RecoverableConnectionError()'", 0),
    ],
)
def test_a_traceback_is_unforeseen_unless_celery_tells_of_its_lost_broker(tmp_path, level, event, unforeseen):
    line = {"level": level, "event": event, "timestamp": "2026-11-22T12:00:00Z", "exception": TRACEBACK}
    (tmp_path / "act-1.log").write_text(json.dumps(line) + "\n")

    counted, broken = logs.told(tmp_path)

    assert sum(counted.values()) == 1
    assert len(broken) == unforeseen


def test_so_is_one_outside_the_log(tmp_path):
    (tmp_path / "web.log").write_text("Traceback (most recent call last):\n")

    assert logs.told(tmp_path)[1] == ["web: a traceback: outside the log"]
