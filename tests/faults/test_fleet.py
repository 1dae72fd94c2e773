"""The proof by faults in its short form: the same fleet, load and faults, with fixed seeds. `make test-faults` runs the longer forms.

Promises are strict; times are not judged here, except that everything settles at all.
"""

from __future__ import annotations

import dataclasses

import pytest

from tests.faults.plan import BRIEF, DEPLOY
from tests.faults.run import Report, run
from tests.servers import postgres, rabbitmq, redis

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MISSING = "is not installed: `make test` installs it where it may"


def _needs(broker: str) -> None:
    if postgres.binaries() is None:
        pytest.skip(f"PostgreSQL {MISSING}")
    if not (redis if broker == "redis" else rabbitmq).installed():
        pytest.skip(f"The server of {broker} {MISSING}")


def _all_kept(report: Report) -> dict[str, int]:
    """The faults that really struck."""
    assert report.ok, report.as_text()
    assert report.figures["events"] == report.figures["webhooks accepted"]
    assert set(report.figures["cases"]) <= {"closed", "inbox"}
    assert report.figures["effects"]["refund"] > 0
    struck: dict[str, int] = report.figures["faults"]
    return struck


def test_killed_workers_database_and_redis_lose_nothing_and_double_nothing() -> None:
    """Workers, PostgreSQL and Redis are killed, connections cut, commits made and not heard of: all promises are kept."""
    _needs("redis")
    profile = dataclasses.replace(BRIEF, tickets=60, seconds=24.0, settle_seconds=300.0)

    struck = _all_kept(run(profile, 11))

    assert struck["kill worker"] == profile.strikes["kill worker"]
    assert struck["kill database"] == struck["kill broker"] == struck["flush broker"] == 1


def test_a_killed_rabbitmq_loses_nothing_and_doubles_nothing() -> None:
    """On quorum queues, with a worker killed beside the broker."""
    _needs("rabbitmq")
    strikes = {
        "kill worker": 2,
        "kill broker": 1,
        "cut broker": 1,
        "cut database": 1,
        "flush broker": 1,
        "hint twice": 2,
    }
    profile = dataclasses.replace(BRIEF, tickets=30, seconds=14.0, settle_seconds=300.0, strikes=strikes)

    struck = _all_kept(run(profile, 12, broker="rabbitmq"))

    assert struck["kill broker"] == struck["cut broker"] == 1


def test_a_deploy_under_load_loses_nothing_doubles_nothing_and_repeats_no_call() -> None:
    """Each process in turn is told to stop and is replaced. It ends in time, with 0, and every model call is recorded."""
    _needs("redis")
    profile = dataclasses.replace(DEPLOY, tickets=90, seconds=40.0)

    report = run(profile, 13)

    assert _all_kept(report) == {"restart web": 1, "restart worker": 3, "restart sweep": 2}
    assert report.figures["in flight at a fault"] == 0
