"""A backtest in a real browser: handed over as a zip, followed while it runs, and read without loading the page by hand."""

from __future__ import annotations

import io
import zipfile

import pytest
from playwright.sync_api import expect

from tests.e2e.test_browser import chromium, desk  # noqa: F401 - fixtures
from tests.e2e.test_browser import pytestmark as in_a_browser
from tests.integration.rehearsal.policies import files
from workers.rehearsal.background import RehearsalThread

pytestmark = in_a_browser


def packed() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, text in files("deny").items():
            made.writestr(f"next/{name}", text)
    return held.getvalue()


@pytest.fixture
def background(desk):  # noqa: F811 - the fixture
    """What the sweeper runs beside the work."""
    made = RehearsalThread(desk.engine.system)
    yield made
    made.stop()


def test_a_backtest_is_begun_followed_and_read(desk, background):  # noqa: F811 - the fixture
    page = desk.sits_down()
    page.goto(f"{desk.address}/policy/backtests")
    page.get_by_label("Its files").set_input_files(
        [{"name": "next.zip", "mimeType": "application/zip", "buffer": packed()}]
    )

    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Waits for its turn")).to_be_visible()
    background.begin()

    expect(page.get_by_text("would be judged differently:")).to_be_visible()
    page.get_by_role("link", name="refund payment").first.click()
    expect(page.get_by_role("heading", name="Why this was judged so")).to_be_visible()
    expect(page.get_by_text("From the stored facts, by the very policy of then")).to_be_visible()
    assert desk.complaints == []


def test_what_is_no_policy_is_told_where_it_was_handed_over(desk):  # noqa: F811 - the fixture
    page = desk.sits_down(scripts=False)
    page.goto(f"{desk.address}/policy/backtests")
    page.get_by_label("Its files").set_input_files(
        [{"name": "a.yaml", "mimeType": "text/yaml", "buffer": b"bundle: a\n"}]
    )

    page.get_by_role("button", name="Begin").click()

    expect(page.get_by_role("alert")).to_contain_text("a.yaml:1:")
