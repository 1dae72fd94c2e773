"""From pages that rank to a brief: common ground, gaps with proof, and no brief where there is nothing to go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop_in_memory import record

from integrations.base import Record
from workers.actions.content import Brief
from workers.agents.briefing import Research, analyse, cut, on_topic, slug_of, topics_of, words
from workers.agents.pages import page_data


def page(
    name: str, *sections: str, claims: tuple[str, ...] = (), title: str = "Rain jackets", words: int = 800
) -> Record:
    body = "".join(f"<h2>{section}</h2><p>Some text on it.</p>" for section in sections)
    html = f"<h1>{title}</h1><p>What you should know before you buy anything.</p>{''.join(f'<p>{c}</p>' for c in claims)}{body}"
    url = f"https://{name}.example/guide"
    data = page_data({"url": url, "title": title, "html": html, "fetched_at": "", "word_count": words})
    return Record(f"web:page:{name}", "page", title, data, "", trusted=False)


PAGES = [
    page("a", "Layers", "Fit", "In short", claims=("A finish lasts 10 washes at most.",)),
    page("b", "The layers", "Fit and size", "PFAS", claims=("A finish lasts 8 washes at most.",), words=1000),
    page("c", "Layers", "Can tape be mended?", claims=("By Ann Lee, updated 2026-01-01",), words=1200),
]
POST = record(
    "post", "pfas", {"url": "https://shop.example/pfas", "keyword": "pfas free rain jacket", "title": "Free of PFAS"}
)
STYLE = {
    "approved_claims": ["Our rain shells are tested at 20,000 mm.", "All down is traceable."],
    "banned_words": ["miracle"],
}


def research(**changes: Any) -> Research:
    results = [{"rank": n + 1, "url": p.data["url"], "title": "t", "snippet": "s"} for n, p in enumerate(PAGES)]
    made = Research(
        keyword="rain jacket",
        audience="day hikers",
        search_intent="commercial",
        search=record("search", "s", {"taken_at": "2026-11-18T06:00:00Z", "results": results}, trusted=False),
        pages=PAGES,
        own_posts=[POST],
        style=STYLE,
    )
    return replace(made, **changes)


def test_headings_are_grouped_over_pages_and_furniture_left_out() -> None:
    """“Layers” and “The layers” are one topic; “In short” is none; a question is a question."""
    assert [(topic.text, sorted(topic.pages)) for topic in topics_of(PAGES)] == [
        ("Layers", [0, 1, 2]),
        ("Fit", [0, 1]),
        ("PFAS", [1]),
    ]


def test_the_brief_is_complete_and_fits_its_action() -> None:
    """Every field of the action's schema is filled from the research."""
    brief = analyse(research())["brief"]

    made = Brief.model_validate(brief)
    assert made.title == "Rain jacket: what to look for"
    assert made.slug == "rain-jacket"
    assert made.outline == ["Layers", "Fit", "PFAS (covered by 1 of 3)"]
    assert made.questions == ["Can tape be mended?"]
    assert made.claims_to_check == ["A finish lasts 10 washes at most.", "A finish lasts 8 washes at most."]
    assert [(c.rank, c.headings, c.words) for c in made.competitors] == [(1, 4, 800), (2, 4, 1000), (3, 3, 1200)]
    assert made.word_range == "900 to 1,200 words"
    assert made.internal_links == ["post pfas: https://shop.example/pfas"]
    assert made.sources_taken_at == "2026-11-18"


def test_the_gap_is_said_with_its_proof() -> None:
    """What only we can say, which numbers disagree, what few cover: each with the count or the numbers."""
    gap = analyse(research())["brief"]["gap"].splitlines()

    assert gap == [
        "What only we can say (approved): Our rain shells are tested at 20,000 mm.",
        "The 3 pages disagree: “A finish lasts … washes at most” (10, 8). We measure, or name a source.",
        "Covered by a minority of 3 pages: PFAS.",
        "Answered by one page only: Can tape be mended?",
    ]


@pytest.mark.parametrize(
    ("keyword", "ours"),
    [("rain jacket", True), ("best rain jackets", True), ("pfas free rain jacket", False), ("", False)],
)
def test_our_own_post_on_the_keyword_is_named(keyword: str, ours: bool) -> None:
    """A second post on one keyword competes with the first; one on something near does not."""
    post = record("post", "p", {"url": "https://shop.example/p", "keyword": keyword, "title": "Free of PFAS"})

    assert (analyse(research(own_posts=[post]))["own_post_on_keyword"] is not None) is ours


def test_pages_on_something_else_are_left_out_and_named() -> None:
    """A result page of mixed intent would poison the outline."""
    stray = page("d", "Filling", title="Sleeping bags compared")

    found = analyse(research(pages=[*PAGES, stray]))

    assert found["off_topic"] == ["https://d.example/guide"]
    assert "Filling" not in found["brief"]["outline"]


@pytest.mark.parametrize(
    ("pages", "missing"),
    [
        ([], ["competitors"]),
        ([page("d", "Filling", title="Sleeping bags")], ["competitors"]),
        ([page("e", title="Rain jacket")], ["gap", "outline"]),
    ],
)
def test_without_research_there_is_no_brief(pages: list[Record], missing: list[str]) -> None:
    """A brief without a gap or an outline is not written; what is missing is said."""
    found = analyse(research(pages=pages, style={}, own_posts=[]))

    assert "brief" not in found
    assert found["missing"] == missing
    assert found["why_not"].endswith(".")


def test_banned_words_stay_out_of_the_outline() -> None:
    """A competitor's heading with a banned word is not taken over."""
    brief = analyse(research(pages=[*PAGES, page("f", "The miracle fabric", "Layers")]))["brief"]

    assert "miracle" not in " ".join(brief["outline"]).casefold()


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Rain jacket", "rain-jacket"),
        ("Wie man zeltet?", "wie-man-zeltet"),
        ("Größe & Maß", "grosse-mass"),
        ("日本", "brief"),
    ],
)
def test_slugs_are_plain(text: str, slug: str) -> None:
    """Small letters, digits and hyphens; never empty."""
    assert slug_of(text) == slug


def test_words_without_meaning_make_no_topic() -> None:
    """“How to …” is no topic, plurals are the same word, and an empty keyword fits nothing."""
    assert words("How to choose the best tents") == {"choose", "tent"}
    assert on_topic("how to", "how to") is False


@given(st.text(max_size=300), st.integers(2, 200))
def test_cut_texts_fit(text: str, longest: int) -> None:
    """Never longer than allowed, and untouched when short enough."""
    short = cut(text, longest)

    assert len(short) <= longest
    assert short == text or short.endswith("…")


@given(
    keyword=st.text(min_size=1, max_size=120),
    lines=st.lists(st.text(max_size=200), max_size=6),
    intent=st.sampled_from(["informational", "commercial", "transactional", "navigational", "odd"]),
)
def test_whatever_the_pages_say_a_brief_fits_its_action_or_is_not_there(
    keyword: str, lines: list[str], intent: str
) -> None:
    """No page can make a brief that its action's schema refuses."""
    pages = [page(f"p{n}", *lines, title=f"{keyword} {n}", claims=tuple(lines)) for n in range(3)]
    asked = " ".join(keyword.split())

    found = analyse(research(keyword=asked, pages=pages, search_intent=intent))

    if "brief" in found:
        Brief.model_validate(found["brief"])
