"""For every test: where a continuous build runs, a test that cannot run has failed; and chance decides nothing.

On a person's machine a missing server or browser skips what needs it, with a word on how to install it. A build that did
the same would pass without having shown anything.

Properties are tried on the same examples each time, however long one takes on a busy machine: what fails was broken by a
change. Whoever wants to look further asks for others: `make test ARGS=--hypothesis-profile=exploring`.
"""

from __future__ import annotations

import os

import pytest
import structlog
from hypothesis import HealthCheck, settings

from workers.store import database

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Where no test configures the log, structlog would draw each exception with all its local variables, for seconds each.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

# A machine that builds may itself stand still for ten seconds, in mid-transaction. Who tests what comes of that says so.
database.IDLE_MILLISECONDS = database.ROW_MILLISECONDS = 120_000
database.CONNECT_SECONDS = 60


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and a build may not skip: {report.longrepr}"
    return report
