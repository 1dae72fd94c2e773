"""The content agent: brief requests. It reads what ranks today and what we have published, and drafts a brief for writers.

Declarations and look-ups only; `pages` reads HTML and `briefing` does the comparing. What comes from the web stays
untrusted all the way: an editor sees it before a writer does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from integrations.base import Record, SiteReader
from integrations.errors import Permanent
from workers.actions import content as actions
from workers.agents.base import Agent, Inquiry, Source, Triage, computed
from workers.agents.briefing import Research, analyse
from workers.agents.pages import page_data
from workers.agents.tools import Arguments, Lookup

RequestType = Literal["new", "refresh", "translate", "social", "other"]
SearchIntent = Literal["informational", "commercial", "transactional", "navigational"]

MOST_RESULTS = 8
MOST_PAGES = 6
MOST_POSTS = 10


class ContentTriage(Triage):
    """What kind of text is asked for, and what a searcher for its keyword wants. The keyword itself is in the event."""

    request_type: RequestType
    search_intent: SearchIntent


def search(inquiry: Inquiry) -> Sequence[Record] | None:
    site = inquiry.reader(SiteReader)
    keyword = _keyword(inquiry)
    if site is None or not keyword:
        return None if site is None else []
    found = site.search(keyword, limit=MOST_RESULTS)
    return [found] if found.data.get("results") else []


def own_posts(inquiry: Inquiry) -> Sequence[Record] | None:
    site = inquiry.reader(SiteReader)
    keyword = _keyword(inquiry)
    if site is None or not keyword:
        return None if site is None else []
    return site.posts(keyword, limit=MOST_POSTS)


def style(inquiry: Inquiry) -> Sequence[Record] | None:
    site = inquiry.reader(SiteReader)
    return None if site is None else [site.style()]


def pages(inquiry: Inquiry) -> Sequence[Record] | None:
    """The pages that rank, as outlines. Our own are no competitors; one that cannot be had does not keep the others away."""
    site, results = inquiry.reader(SiteReader), inquiry.first("search")
    if site is None or results is None:
        return None if site is None else []
    own = {_host(str(post.data.get("url", ""))) for post in inquiry.found.get("own_posts", ())} | {""}
    read: list[Record] = []
    for result in results.data["results"]:
        url = str(result.get("url", ""))
        if len(read) == MOST_PAGES or _host(url) in own:
            continue
        try:
            page = site.page(url)
        except Permanent:
            continue
        if page is not None:
            read.append(replace(page, data=page_data(page.data)))
    return read


def _host(url: str) -> str:
    """Empty where there is none to be read: whoever gets into a result page also writes ``http://[``."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def analysis(inquiry: Inquiry) -> Sequence[Record]:
    results = inquiry.first("search")
    if results is None:
        return []
    rules = inquiry.first("style")
    found = analyse(
        Research(
            keyword=_keyword(inquiry),
            audience=str(inquiry.latest("audience") or "readers of our journal"),
            search_intent=str(inquiry.triage.get("search_intent", "informational")),
            search=results,
            pages=inquiry.found.get("pages", ()),
            own_posts=inquiry.found.get("own_posts", ()),
            style=rules.data if rules is not None else {},
        )
    )
    title = f"{found['pages_read']} pages on “{found['keyword']}” compared"
    return [computed("analysis", inquiry.subject_id, title, found, trusted=False)]


def _keyword(inquiry: Inquiry) -> str:
    return " ".join(str(inquiry.latest("keyword") or inquiry.latest("title") or "").split())[:120]


class Query(Arguments):
    query: str = Field(max_length=120, description="What a searcher would type")


class Address(Arguments):
    url: str = Field(max_length=2000, description="An address that a search or a list of our posts named, exactly")


def search_web(inquiry: Inquiry, wanted: Query) -> Sequence[Record]:
    site = inquiry.reader(SiteReader)
    return [] if site is None else [site.search(" ".join(wanted.query.split()), limit=MOST_RESULTS)]


def search_posts(inquiry: Inquiry, wanted: Query) -> Sequence[Record]:
    site = inquiry.reader(SiteReader)
    return [] if site is None else site.posts(" ".join(wanted.query.split()), limit=MOST_POSTS)


def read_page(inquiry: Inquiry, wanted: Address) -> Sequence[Record]:
    """A page that a search named, or one of ours. An address that a model made up could carry away what it has read."""
    site = inquiry.reader(SiteReader)
    if wanted.url not in _named(inquiry):
        raise Permanent(
            "Only addresses that a search or a list of our posts named can be read, exactly as they are there."
        )
    found = site.page(wanted.url) if site is not None else None
    return [] if found is None else [replace(found, data=page_data(found.data))]


def _named(inquiry: Inquiry) -> set[str]:
    searches = [*inquiry.found.get("search", ()), *inquiry.found.get("search_web", ())]
    posts = [*inquiry.found.get("own_posts", ()), *inquiry.found.get("search_posts", ())]
    results = [result for search in searches for result in search.data.get("results", ())]
    return {str(item["url"]) for item in [*results, *(post.data for post in posts)] if item.get("url")}


TOOLS = (
    Lookup("search_web", "What ranks for a query: addresses, titles, snippets.", Query, search_web, (SiteReader,)),
    Lookup("search_posts", "Our own posts about something.", Query, search_posts, (SiteReader,)),
    Lookup("read_page", "The outline of one page: headings, questions, claims.", Address, read_page, (SiteReader,)),
)

AGENT = Agent(
    domain="content",
    triage=ContentTriage,
    primary="request_type",
    sources=(
        Source("search", search, needed=True),
        Source("own_posts", own_posts, many=True),
        Source("style", style, needed=True),
        Source("pages", pages, many=True, needed=True),
        Source("analysis", analysis, needed=True),
    ),
    kinds=tuple(kind.name for kind in actions.KINDS),
    tools=TOOLS,
    consults=("content/researcher", "content/analyst", "content/writer"),
)
