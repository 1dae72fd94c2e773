"""What the local model drafts for brief requests: a whole brief, or none and the reason why."""

from __future__ import annotations

from typing import Any

import pytest
from shop_in_memory import Event, Shop, record
from situations import Situation, arguments

from workers.agents.content import AGENT
from workers.agents.library import macros
from workers.agents.origins import origins

GUIDE = "<h1>Rain jacket guide</h1><p>What to know before you buy.</p><h2>Layers</h2><h2>{}</h2><p>A finish lasts {} washes.</p>"
REQUEST = Event(
    "brief.requested",
    "shop:brief:br_3",
    {"title": "A guide", "text": "Please", "keyword": "rain jacket", "audience": "hikers who buy online"},
)


def site(**changes: Any) -> Shop:
    urls = [f"https://site{n}.example/rain-jacket" for n in range(3)]
    made: dict[str, Any] = {
        "results": [{"rank": n + 1, "url": url, "title": "t", "snippet": "s"} for n, url in enumerate(urls)],
        "stored_pages": {url: GUIDE.format(f"Part {n}", n + 8) for n, url in enumerate(urls)},
        "own_posts": [
            record("post", "p", {"url": "https://shop.example/p", "title": "Rain", "keyword": "rain jacket"})
        ],
        "house_style": {"approved_claims": ["Our rain shells are tested."], "banned_words": []},
    }
    return Shop(**{**made, **changes})


def asked(kind: str, **more: Any) -> dict[str, Any]:
    return {"request_type": kind, "search_intent": "commercial", **more}


SITUATIONS = [
    Situation("brief", ["create_post_draft"], asked("new"), shop=site(), event=REQUEST),
    Situation("brief", ["create_post_draft"], asked("refresh"), shop=site(), event=REQUEST),
    Situation("not-a-brief", [], asked("translate"), shop=site(), event=REQUEST),
    Situation("not-a-brief", [], asked("social"), shop=site(), event=REQUEST),
    Situation("not-a-brief", [], asked("other"), shop=site(), event=REQUEST),
    Situation("nothing-to-compare", [], asked("new", abstain=True), shop=site(), event=REQUEST),
    Situation("nothing-to-compare", [], asked("new"), shop=site(results=[]), event=REQUEST),
    Situation("nothing-to-compare", [], asked("new"), shop=site(stored_pages={}), event=REQUEST),
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: f"{s.macro}-{s.triage['request_type']}")
def test_each_situation_ends_in_a_brief_or_in_a_reason(situation: Situation) -> None:
    """Where nothing is proposed, a person is told why in a whole sentence."""
    made, applied, _ = situation.drafted(AGENT)

    assert applied == situation.macro
    assert [action.kind for action in made.actions] == situation.kinds
    assert (made.unsure is None) is bool(situation.kinds)
    assert made.summary.endswith(".")
    assert "  " not in made.summary


def test_every_way_of_working_is_reached() -> None:
    """A macro that no situation reaches is dead."""
    assert {situation.macro for situation in SITUATIONS} == {macro.name for macro in macros("content")}


def test_a_brief_is_complete_and_says_where_it_comes_from() -> None:
    """Every field is filled; what rests on strangers' pages is untrusted, our own posts are records."""
    made, _, evidence = SITUATIONS[0].drafted(AGENT)

    brief = arguments(made, "create_post_draft")
    assert [name for name, value in brief.items() if not value] == ["questions"]
    found = origins(brief, evidence)
    assert found["outline.1"] == "untrusted"
    assert found["competitors.0.url"] == "untrusted"
    assert found["claims_to_check.0"] == "untrusted"
    assert "https://shop.example/p already" not in made.summary
    assert "https://shop.example/p on it already: refresh" in made.summary
