"""Every template compiles, every page has a title, and what comes out is sound, accessible, and without inline code."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
from jinja2 import meta

from tests.kit.engine import refund, reply
from workers.inbox.rendering import HERE, make_environment, relative
from workers.inbox.wording import STATES
from workers.store.records import ActionState, CaseState

TEMPLATES = sorted(path.name for path in (HERE / "templates").iterdir())
VOID = {"meta", "link", "input", "br", "img", "hr"}
CONTROLS = {"input", "select", "textarea"}


class Checker(HTMLParser):
    """Finds what a page should not have."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.controls: list[dict[str, str | None]] = []
        self.headings: list[str] = []
        self.posts: list[dict[str, str | None]] = []
        self.csrf: list[int] = []
        self.problems: list[str] = []
        self.described: set[str] = set()

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self._inline(tag, told)
        self.ids += [told["id"]] if "id" in told else []
        self.labels |= {told.get("for", "")} if tag == "label" else set()
        self.headings += [tag] if tag in {"h1", "h2", "h3"} else []
        self.posts += [told] if tag == "form" and told.get("method") == "post" else []
        self.csrf += [len(self.posts)] if told.get("name") == "csrf" else []
        if tag == "img" and "alt" not in told:
            self.problems.append("image without alternative text")
        if tag in CONTROLS and told.get("type") != "hidden" and "label" not in self.open:
            self.controls.append(told)
        for naming in ("aria-describedby", "aria-labelledby"):
            self.described |= set((told.get(naming) or "").split())
        if tag not in VOID:
            self.open.append(tag)

    def _inline(self, tag, told):
        self.problems += [f"inline code: {n} on {tag}" for n in told if n.startswith(("on", "hx-on", "style"))]
        if tag == "style" or (tag == "script" and "src" not in told):
            self.problems.append(f"inline {tag}")

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def check(self) -> list[str]:
        found = [*self.problems, *(f"never closed: {tag}" for tag in self.open)]
        found += [f"id twice: {i}" for i in set(self.ids) if self.ids.count(i) > 1]
        found += [f"no label: {c}" for c in self.controls if c.get("id") not in self.labels and not c.get("aria-label")]
        found += [f"names an id that is not there: {i}" for i in self.described - set(self.ids)]
        found += [f"{self.headings.count('h1')} first headings"] * (self.headings.count("h1") != 1)
        found += ["a form without its token"] * (set(self.csrf) != set(range(1, len(self.posts) + 1)))
        return found


def problems(page: str, *, forms: bool = True) -> list[str]:
    checker = Checker()
    checker.feed(page)
    checker.close()
    return [p for p in checker.check() if forms or "token" not in p]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_compiles_and_every_page_has_a_title(name):
    environment = make_environment()
    source = (HERE / "templates" / name).read_text()

    environment.get_template(name)

    assert meta.find_undeclared_variables(environment.parse(source)) is not None
    assert name.startswith("_") or "{% block title %}" in source
    assert name.startswith("_") or name == "base.html" or '{% extends "base.html" %}' in source


@pytest.mark.parametrize("state", [*ActionState, *CaseState])
def test_every_state_has_words_and_a_sign(state):
    assert STATES[state].words
    assert STATES[state].sign


def test_the_pages_are_sound(site):
    site.drafted(refund(), reply())
    site.engine.model.drafts = [[]]
    site.engine.event(delivery="d2", ticket="8")
    site.engine.drain()
    site.uncertain()
    client, outsider = site.signed_in(), site.signed_in("eve", groups=())
    ids = [row["id"] for row in client.get("/api/v1/actions").json()["actions"]]
    cases = [row["id"] for row in client.get("/api/v1/cases").json()["cases"]]
    pages = ["/", "/?tab=all", "/?tab=waiting", "/?tab=done", "/cases", "/cases?q=nothing", "/policy", "/docs", "/nope"]
    pages += [f"/actions/{i}" for i in ids] + [f"/cases/{i}" for i in cases]

    for who in (client, outsider):
        for page in pages:
            assert problems(who.get(page).text) == [], page
    assert problems(site.anonymous().get("/sign-in").text, forms=False) == []


def test_a_title_names_the_page(site):
    action = site.drafted(refund())[0]
    client = site.signed_in()

    assert "<title>Inbox · Caseworker</title>" in client.get("/").text
    assert f"<title>{action.sentence} · Caseworker</title>" in client.get(f"/actions/{action.id}").text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-59, "just now"),
        (-60, "1 min ago"),
        (-3599, "59 min ago"),
        (-7200, "2 h ago"),
        (-86_400, "1 day ago"),
        (-180_000, "2 days ago"),
        (30, "in a moment"),
        (90, "in 1 min"),
        (200_000, "in 2 days"),
    ],
)
def test_times_are_told_from_now(seconds, words):
    assert relative(timedelta(seconds=seconds)) == words
