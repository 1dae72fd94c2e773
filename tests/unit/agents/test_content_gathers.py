"""What the content agent looks up for a brief."""

from __future__ import annotations

from typing import Any

import pytest
from shop_in_memory import Event, Shop, gather, record

from integrations.errors import Permanent, Temporary
from workers.agents.content import AGENT, MOST_PAGES

GUIDE = "<h1>Rain jacket guide</h1><p>What to know before you buy.</p><h2>Layers</h2><h2>Fit</h2><p>A finish lasts {} washes at most.</p>"


def urls(count: int) -> list[str]:
    return [f"https://site{n}.example/rain-jacket" for n in range(count)]


def shop(count: int = 3, **changes: Any) -> Shop:
    made: dict[str, Any] = {
        "results": [{"rank": n + 1, "url": url, "title": "t", "snippet": "s"} for n, url in enumerate(urls(count))],
        "stored_pages": {url: GUIDE.format(n + 5) for n, url in enumerate(urls(count))},
        "own_posts": [record("post", "p", {"url": "https://shop.example/p", "title": "P", "keyword": "rain jacket"})],
        "house_style": {"approved_claims": [], "banned_words": []},
    }
    return Shop(**{**made, **changes})


def look_up(world: Shop, **data: Any) -> Any:
    request = {"title": "A guide", "text": "Please", "keyword": "rain jacket", "audience": "hikers", **data}
    event = Event("brief.requested", "shop:brief:br_3", request)
    return gather(AGENT, world, [event], {"request_type": "new", "search_intent": "commercial"})


def test_a_request_ends_in_an_analysis_of_what_ranks() -> None:
    """Result page, pages as outlines, own posts, style and the analysis, which stays untrusted."""
    found = look_up(shop())

    assert found.missing == []
    assert found.refs("analysis") == ["computed:analysis:br_3"]
    assert found.found["analysis"][0].trusted is False
    assert all("html" not in page.data and not page.trusted for page in found.found["pages"])
    assert found.data("analysis")["brief"]["audience"] == "hikers"


def test_a_page_that_cannot_be_had_does_not_keep_the_others_away() -> None:
    """A refused or vanished page is skipped; the analysis rests on the rest."""
    world = shop()
    del world.stored_pages[urls(3)[0]]

    assert look_up(world).refs("pages") == [f"shop:page:{url}" for url in urls(3)[1:]]
    refused = look_up(shop(down={"page": Permanent("refused")}))
    assert (refused.refs("pages"), refused.missing) == ([], ["pages"])
    assert "brief" not in refused.data("analysis")


@pytest.mark.parametrize(
    "url", ["http://[", "https://[::1/x", "https://a\u2100b.example/", "//", "", "/only/a/path", "\udc80"]
)
def test_an_address_that_is_none_keeps_no_page_away(url: str) -> None:
    """A result page is a stranger's text; so are the addresses in it."""
    world = shop()
    world.results.insert(0, {"rank": 1, "url": url, "title": "t", "snippet": "s"})

    assert look_up(world).refs("pages") == [f"shop:page:{known}" for known in urls(3)]


def test_our_own_pages_are_no_competitors_and_the_number_is_bounded() -> None:
    """Results on the host of our own posts are left out, and at most six pages are read."""
    own = {"rank": 1, "url": "https://shop.example/rain-jacket", "title": "t", "snippet": "s"}
    world = shop(8)
    world.results.insert(0, own)
    world.stored_pages[own["url"]] = GUIDE

    found = look_up(world)

    assert len(found.refs("pages")) == MOST_PAGES
    assert own["url"] not in repr(found.refs("pages"))


def test_no_results_means_missing_research() -> None:
    """An empty result page is told as missing, so that the policy sees it."""
    found = look_up(shop(results=[]))

    assert found.missing == ["search", "pages", "analysis"]


def test_without_a_keyword_the_title_serves() -> None:
    """A request from elsewhere may have no keyword field."""
    world = shop()

    look_up(world, keyword=None, title="Rain  jacket")

    assert dict(world.read)["search"] == "Rain jacket"


def test_a_site_that_is_down_is_waited_for() -> None:
    """Temporary is raised on: a brief on half of the pages would look whole."""
    with pytest.raises(Temporary):
        look_up(shop(down={"page": Temporary("the site is slow")}))
