"""For every test: where a continuous build runs, a test that cannot run has failed.

On a person's machine a missing server or browser skips what needs it, with a word on how to install it. A build that did
the same would pass without having shown anything.
"""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and a build may not skip: {report.longrepr}"
    return report
