"""The inbox in a real browser: signing in, reading, editing, deciding, and what a second person at the same card sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.kit.engine import Engine, make_engine, refund, reply
from tests.servers.inbox import serving
from workers.inbox.passwords import hash_password
from workers.store import people
from workers.store.records import ActionState

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD = "correct horse battery staple"

pytestmark = pytest.mark.slow
expect.set_options(timeout=60_000)


@dataclass
class Desk:
    """The running inbox and the browsers at it."""

    engine: Engine
    address: str
    browser: Browser
    contexts: list[BrowserContext]
    complaints: list[str]

    def sits_down(self, name: str = "ana", *, width: int = 1280, height: int = 800, scripts: bool = True) -> Page:
        """A browser of its own, signed in through the page."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=scripts)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: self._note(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.goto(f"{self.address}/sign-in")
        page.get_by_label("E-mail address").fill(f"{name}@firm.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
        return page

    def _note(self, text: str) -> None:
        # A refused decision is answered with its status, which the browser reports as a failed load.
        if "status of 4" not in text:
            self.complaints.append(text)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed: `make test` installs it where it may")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def desk(tmp_path, chromium) -> Iterator[Desk]:
    engine = make_engine(tmp_path)
    hashed = hash_password(PASSWORD)
    with engine.system.db.write() as tx:
        for name in ("ana", "ben"):
            people.add(
                tx,
                email=f"{name}@firm.example",
                name=name.title(),
                password_hash=hashed,
                groups=["support", "lead", "finance", "risk"],
                now=engine.clock(),
            )
    engine.model.drafts = [[refund(), reply("Hello Ana,\n\nwe refund 40.00 EUR.\n\nKind regards")]]
    engine.event(text="My jacket arrived torn.\nI would like 40 EUR back.")
    engine.drain()
    with serving(engine.system) as address:
        made = Desk(engine, address, chromium, [], [])
        yield made
        for context in made.contexts:
            context.close()
    engine.system.close()
    assert made.complaints == []


def test_sign_in_open_a_card_edit_and_approve(desk):
    page = desk.sits_down()
    page.get_by_role("link", name="Refund 40.00 EUR").click()

    page.get_by_label("Amount", exact=True).fill("45.50")
    expect(page.locator("#preview")).to_contain_text("Refund 45.50 EUR of charge ch_1")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Save edits & approve").click()

    expect(page.locator(".flash")).to_contain_text("Approved: Refund 45.50 EUR")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Send this reply")
    action = desk.engine.action("refund_payment")
    assert (action.state, action.revision, action.decided_by) == (ActionState.APPROVED, 2, "person:ana@firm.example")
    desk.engine.drain()
    assert desk.engine.house.done("refund") == [4550]


def test_reading_a_draft_never_edits_it(desk):
    page = desk.sits_down()
    page.get_by_role("link", name="Send this reply").click()

    page.get_by_role("button", name="Approve", exact=True).click()

    expect(page.locator(".flash")).to_contain_text("Approved")
    assert desk.engine.action("reply_to_customer").revision == 1


def test_the_second_of_two_people_is_told_at_once_and_cannot_decide_again(desk):
    ana, ben = desk.sits_down("ana"), desk.sits_down("ben")
    for page in (ana, ben):
        page.get_by_role("link", name="Refund 40.00 EUR").click()
        expect(page.locator("#approve")).to_be_enabled()

    ana.get_by_role("button", name="Reject").first.click()
    ana.get_by_label("Not entitled to a refund").check()
    ana.locator("#reject button[value=reject]").click()

    expect(ben.locator("#changed")).to_contain_text("ana@firm.example chose “reject”")
    expect(ben.locator("#approve")).to_be_disabled()
    ben.get_by_role("link", name="Load it again").click()
    expect(ben.locator("#bar")).to_contain_text("Rejected")
    assert desk.engine.action("refund_payment").reason == "Not entitled to a refund"


def test_two_who_decide_before_they_could_be_told_get_one_decision(desk):
    ana, ben = desk.sits_down("ana", scripts=False), desk.sits_down("ben", scripts=False)
    for page in (ana, ben):
        page.get_by_role("link", name="Refund 40.00 EUR").click()

    ana.get_by_role("button", name="Approve", exact=True).click()
    ben.get_by_label("Reason", exact=True).fill("Torn at the seam")
    ben.get_by_role("button", name="Save edits & approve").click()

    expect(ben.get_by_role("alert")).to_contain_text("Already decided: ana@firm.example chose “approve”")
    expect(ben.locator(".lost")).to_contain_text("Torn at the seam")
    desk.engine.drain()
    assert desk.engine.house.done("refund") == [4000]


def test_a_new_draft_appears_in_the_open_list_by_itself_and_is_announced(desk):
    page = desk.sits_down()
    desk.engine.model.drafts = [[refund(2600)]]
    desk.engine.event(delivery="d2", ticket="8", text="Another")
    desk.engine.drain()

    expect(page.get_by_role("link", name="Refund 26.00 EUR")).to_be_visible()
    expect(page.locator("#live")).to_have_text("3 waiting for you")


def test_a_message_that_comes_in_locks_the_card_that_it_makes_stale(desk):
    page = desk.sits_down()
    page.get_by_role("link", name="Refund 40.00 EUR").click()
    page.get_by_label("Reason", exact=True).fill("Torn at the seam")

    desk.engine.event(delivery="d2", text="Please do not refund, I was wrong.")

    expect(page.locator("#changed")).to_contain_text("A new message came in.")
    expect(page.locator("#approve-edited")).to_be_disabled()
    expect(page.get_by_label("Reason", exact=True)).to_have_value("Torn at the seam")


def test_everything_can_be_done_from_the_keyboard(desk):
    page = desk.sits_down()

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("[data-row]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Refund 40.00 EUR")
    page.keyboard.press("e")
    expect(page.get_by_label("Charge", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.get_by_label("Not entitled to a refund")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    assert desk.engine.action("refund_payment").state == ActionState.PENDING
    page.keyboard.press("a")
    expect(page.locator("#approve")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator(".flash")).to_contain_text("Approved: Refund 40.00 EUR")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()


def test_what_will_happen_the_draft_and_the_facts_are_seen_without_scrolling(desk):
    page = desk.sits_down()
    page.get_by_role("link", name="Refund 40.00 EUR").click()
    bar = page.locator("#bar").bounding_box()
    assert bar["y"] + bar["height"] <= 801

    for part in (
        "h1",
        "#draft h2",
        "[id='arg.charge_id']",
        "[id='arg.amount_minor']",
        "#facts h2",
        ".claims li >> nth=0",
    ):
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= bar["y"], f"{part} is hidden"
    page.screenshot()


@pytest.mark.parametrize("path", ["/", "card", "case", "/cases", "/policy", "/docs"])
def test_a_narrow_screen_needs_no_scrolling_sideways(desk, path):
    page = desk.sits_down(width=360, height=740)
    action = desk.engine.action("reply_to_customer")
    page.goto(desk.address + {"card": f"/actions/{action.id}", "case": f"/cases/{action.case_id}"}.get(path, path))

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if path == "card":
        approve = page.locator("#approve").bounding_box()
        assert approve["height"] >= 36
        assert approve["y"] > 740 / 2


def test_a_table_that_is_wider_than_its_place_is_moved_by_keys(desk):
    page = desk.sits_down(width=360, height=740)
    page.goto(f"{desk.address}/docs")
    table = page.locator(".scroll").first
    assert table.evaluate("area => area.scrollWidth > area.clientWidth")

    expect(table).to_have_attribute("tabindex", "0")
    expect(table).to_have_attribute("role", "group")
    page.set_viewport_size({"width": 1280, "height": 740})
    expect(table).not_to_have_attribute("tabindex", "0")
    assert table.evaluate("area => area.ariaLabel") is None


def test_a_title_without_a_blank_pushes_nothing_off_the_card(desk):
    page = desk.sits_down(width=360, height=740)
    title = {"title": "W" * 180, "text": "Torn", "ticket_id": "9", "requester_email": "ana@example.com"}
    desk.engine.event(delivery="d9", ticket="9", data=title)
    desk.engine.drain()
    page.goto(f"{desk.address}/actions/{desk.engine.action('reply_to_customer').id}")

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    onwards = page.get_by_role("link", name="Next item").bounding_box()
    assert onwards["x"] + onwards["width"] <= 360


def test_without_scripts_everything_still_works(desk):
    page = desk.sits_down(scripts=False)
    page.get_by_role("link", name="Send this reply").click()
    page.locator("summary", has_text="Request changes").click()
    page.get_by_label("Make it shorter").check()
    page.get_by_role("button", name="Send back to the agent").click()

    assert desk.engine.action("reply_to_customer").state == ActionState.CHANGES_REQUESTED
    page.goto(f"{desk.address}/cases")
    page.get_by_label("Title, customer or subject").fill("nothing like it")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="No case like this")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in$"))


def test_cases_are_found_while_typing(desk):
    page = desk.sits_down()
    page.goto(f"{desk.address}/cases")

    page.get_by_label("Title, customer or subject").press_sequentially("no such case")
    expect(page.get_by_role("heading", name="No case like this")).to_be_visible()
    page.get_by_label("Title, customer or subject").fill("broken")

    expect(page.get_by_role("link", name="Broken")).to_be_visible()
