"""A content brief worked out from what ranks today: what pages have in common, where they differ, and what they lack.

The question of a brief is not "what do the others write" but "what do we add"; so what few pages cover, where their numbers
disagree, and what only we can say comes first. Everything rests on strangers' pages and is untrusted, our own posts and
claims excepted. Pure; the content agent's source calls `analyse`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from integrations.base import Record

#: A result belongs to the topic when it shares at least this part of the keyword's words.
ON_TOPIC: Final = 0.5
SAME_TOPIC: Final = 0.5
SAME_KEYWORD: Final = 0.6
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
#: words that say nothing about a topic
_EMPTY_WORDS: Final = (
    "a an and are as at be best by can do does for from get guide has have how i if in is it its me my not of on or our out "
    "should so than that the their them these this to top up vs was we what when where which who why will with you your "
    "der die das und oder ein eine ist mit für wie le la les de des et un une pour el los y para con"
)
_STOP: Final = frozenset(_EMPTY_WORDS.split())
#: headings that every page has and that say nothing about the topic
_FURNITURE: Final = re.compile(
    r"(in short|summary|(our |the )?conclusion|(table of )?contents|faq|frequently asked|related|comments?|sources|about (the|us)"
    r"|introduction|questions|more|before you go|how we (work|test|measure)|what we changed|updates?)\b",
    re.IGNORECASE,
)
#: shared by too many texts to make one of them a neighbour
_COUNTS: Final = frozenset({"one", "two", "three", "four", "five", "person", "people", "tip", "question"})
TITLES: Final = {
    "commercial": "{}: what to look for",
    "transactional": "{}: what to know before you buy",
    "navigational": "{}",
    "informational": "{}: what matters and why",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """A heading and its likes on other pages. `pages` are places in the list of pages."""

    text: str
    pages: frozenset[int]


@dataclass(frozen=True, slots=True)
class Research:
    """What was asked for and what was read. `pages` are as `pages.page_data` makes them, `ranks` and `snippets` by address."""

    keyword: str
    audience: str
    search_intent: str
    search: Record
    pages: Sequence[Record]
    own_posts: Sequence[Record]
    style: Mapping[str, Any]


def analyse(research: Research) -> dict[str, Any]:
    """The evidence, and under ``brief`` the brief that follows from it. Without enough to go on there is no ``brief``."""
    pages = [page for page in research.pages if on_topic(research.keyword, _about(page))]
    found: dict[str, Any] = {
        "keyword": research.keyword,
        "taken_at": str(research.search.data.get("taken_at", "")),
        "pages_read": len(pages),
        "off_topic": [page.data["url"] for page in research.pages if page not in pages],
        "missing": [],
    }
    if not pages:
        return found | {"missing": ["competitors"], "why_not": "No page that ranks for the keyword could be read."}
    topics = topics_of(pages)
    questions = _questions(pages)
    disagreements = _disagreements(pages)
    ours = [
        post
        for post in research.own_posts
        if _similar(words(research.keyword), words(str(post.data.get("keyword") or post.title))) >= SAME_KEYWORD
    ]
    near = [
        post
        for post in research.own_posts
        if (words(research.keyword) - _COUNTS) & words(f"{post.title} {post.data.get('keyword', '')}")
    ]
    claims = _own_claims(research, topics)
    average = sum(int(page.data["word_count"]) for page in pages) // len(pages)
    found |= {
        "common_headings": [topic.text for topic in topics if len(topic.pages) * 2 > len(pages) > 1],
        "rare_headings": [topic.text for topic in topics if len(topic.pages) == 1 and len(pages) > 1],
        "headings_by_page": [
            {"url": page.data["url"], "headings": [heading["text"] for heading in _headings(page)]} for page in pages
        ],
        "questions": [{"question": question, "pages": count} for question, count in questions],
        "disagreements": disagreements,
        "average_words": average,
        "own_claims": claims,
        "own_post_on_keyword": ours[0].data["url"] if ours else None,
    }
    brief = _brief(research, pages, topics, questions, disagreements, claims, near, average)
    lacking = sorted(name for name in ("gap", "outline", "meta_title", "competitors") if not brief[name])
    if lacking:
        return found | {"missing": lacking, "why_not": "The pages that rank do not say enough to write a brief from."}
    return found | {"brief": brief}


def _brief(
    research: Research,
    pages: Sequence[Record],
    topics: Sequence[Topic],
    questions: Sequence[tuple[str, int]],
    disagreements: Sequence[Mapping[str, Any]],
    claims: Sequence[str],
    near: Sequence[Record],
    average: int,
) -> dict[str, Any]:
    """Every field of `workers.actions.content.Brief`."""
    banned = {str(word).casefold() for word in research.style.get("banned_words", ())}
    title = TITLES.get(research.search_intent, "{}").format(_capital(research.keyword))[:300]
    common = [topic for topic in topics if len(topic.pages) * 2 > len(pages) or len(pages) == 1]
    rare = [topic for topic in topics if topic not in common]
    outline = [_fitting(topic.text, banned) for topic in common]
    outline += [f"{_fitting(topic.text, banned)} (covered by {len(topic.pages)} of {len(pages)})" for topic in rare]
    ranks = {str(result["url"]): result for result in research.search.data.get("results", ())}
    points = ", ".join(_bare(text) for text in [topic.text for topic in topics][:3])
    return {
        "title": title,
        "slug": slug_of(research.keyword),
        "keyword": research.keyword,
        "search_intent": research.search_intent,
        "audience": research.audience,
        "gap": _gap(pages, rare, questions, disagreements, claims),
        "outline": [heading for heading in outline if heading][:40],
        "questions": [question for question, _ in questions][:20],
        "claims_to_check": list(dict.fromkeys(claim for page in pages for claim in page.data["claims"]))[:30],
        "competitors": [
            {
                "rank": int(ranks.get(str(page.data["url"]), {}).get("rank", 0)),
                "title": cut(str(page.data["title"]) or str(page.data["url"]), 300),
                "url": cut(str(page.data["url"]), 300),
                "angle": cut(
                    str(page.data["opening"] or ranks.get(str(page.data["url"]), {}).get("snippet", ""))
                    or "not stated",
                    160,
                ),
                "headings": len(page.data["headings"]),
                "words": int(page.data["word_count"]),
            }
            for page in pages
        ][:20],
        "internal_links": [cut(f"{post.title}: {post.data['url']}", 300) for post in near][:6],
        "word_range": f"{_hundreds(average * 0.9):,} to {_hundreds(average * 1.2):,} words",
        "call_to_action": f"Read on: {near[0].title}" if near else "Ask our team a question",
        "meta_title": cut(title, 60) if len(title) <= 60 else cut(_capital(research.keyword), 60),
        "meta_description": cut(
            f"{_capital(research.keyword)}: {points}. With answers to {len(questions)} questions.", 160
        ),
        "sources_taken_at": str(research.search.data.get("taken_at", ""))[:10] or "unknown",
    }


def _gap(
    pages: Sequence[Record],
    rare: Sequence[Topic],
    questions: Sequence[tuple[str, int]],
    disagreements: Sequence[Mapping[str, Any]],
    claims: Sequence[str],
) -> str:
    """What we add, each point with its proof. Empty where the pages leave nothing: then a person must find the angle."""
    count = f"{len(pages)} pages" if len(pages) > 1 else "the one page"
    points = []
    if claims:
        points.append("What only we can say (approved): " + " ".join(claims[:3]))
    if disagreements:
        shown = "; ".join(f"“{item['claim']}” ({', '.join(item['numbers'])})" for item in disagreements[:3])
        points.append(f"The {count} disagree: {shown}. We measure, or name a source.")
    if rare:
        shown = "; ".join(topic.text for topic in rare[:4])
        points.append(f"Covered by a minority of {count}: {shown}.")
    lonely = [question for question, seen in questions if seen == 1]
    if lonely and len(pages) > 1:
        points.append(f"Answered by one page only: {' '.join(lonely[:3])}")
    return cut("\n".join(points), 2000)


def topics_of(pages: Sequence[Record]) -> list[Topic]:
    """Headings grouped over pages, in the order in which readers meet them: the most common first, then as they appear."""
    grouped: list[tuple[str, set[str], set[int]]] = []
    for place, page in enumerate(pages):
        for heading in _headings(page):
            own = words(heading["text"])
            if not own or heading["text"].endswith("?"):
                continue
            like = next((group for group in grouped if _similar(own, group[1]) >= SAME_TOPIC), None)
            if like is None:
                grouped.append((heading["text"], own, {place}))
            else:
                like[2].add(place)
    ranked = sorted(grouped, key=lambda group: -len(group[2]))
    return [Topic(text, frozenset(places)) for text, _, places in ranked]


def _headings(page: Record) -> list[Mapping[str, Any]]:
    """A page's own sections: no title, nothing that every page has."""
    return [
        heading for heading in page.data["headings"] if heading["level"] >= 2 and not _FURNITURE.match(heading["text"])
    ]


def _questions(pages: Sequence[Record]) -> list[tuple[str, int]]:
    """Questions with the number of pages that ask them, the most common first."""
    counted: list[tuple[str, set[str], int]] = []
    for page in pages:
        for question in page.data["questions"]:
            own = words(question)
            place = next((i for i, known in enumerate(counted) if own and _similar(own, known[1]) >= 0.7), None)
            if place is None:
                counted.append((question, own, 1))
            else:
                counted[place] = (*counted[place][:2], counted[place][2] + 1)
    return [(question, seen) for question, _, seen in sorted(counted, key=lambda known: -known[2])]


def _disagreements(pages: Sequence[Record]) -> list[dict[str, Any]]:
    """Sentences that differ between pages in their numbers only."""
    said: dict[str, dict[str, None]] = {}
    for page in pages:
        for claim in page.data["claims"]:
            numbers = _NUMBER.findall(claim)
            if len(numbers) == 1:
                said.setdefault(_NUMBER.sub("…", claim).rstrip("."), {})[numbers[0]] = None
    return [{"claim": claim, "numbers": list(numbers)} for claim, numbers in said.items() if len(numbers) > 1]


def _own_claims(research: Research, topics: Sequence[Topic]) -> list[str]:
    """Approved claims that share a word with the keyword, then those that are about what a heading is about."""
    claims = [str(claim) for claim in research.style.get("approved_claims", ())]
    first = [claim for claim in claims if (words(research.keyword) - _COUNTS) & words(claim)]
    headings = [words(topic.text) for topic in topics]
    also = [c for c in claims if c not in first and any(len(h & words(c)) * 2 > len(h) for h in headings)]
    return first + also


def on_topic(keyword: str, text: str) -> bool:
    wanted = words(keyword)
    return bool(wanted) and len(wanted & words(text)) / len(wanted) >= ON_TOPIC


def words(text: str) -> set[str]:
    """What a text is about: its words without endings that only make a plural, and without those that say nothing."""
    plain = (word.casefold() for word in _WORD.findall(text))
    return {
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in plain
        if word not in _STOP
    }


def slug_of(text: str) -> str:
    """``"Wie man zeltet?"`` becomes ``wie-man-zeltet``."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss")).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:100].strip("-") or "brief"


def cut(text: str, longest: int) -> str:
    """The text, ended at a word where it is too long."""
    if len(text) <= longest:
        return text
    kept = text[: longest - 1]
    return f"{kept.rsplit(' ', 1)[0] if ' ' in kept else kept}…"


def _about(page: Record) -> str:
    """What a page says it is about: its title, its first heading, and the words of its address."""
    address = urlsplit(str(page.data["url"])).path
    return " ".join([str(page.data["title"]), *(heading["text"] for heading in page.data["headings"][:1]), address])


def _similar(one: set[str], other: set[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def _fitting(heading: str, banned: Iterable[str]) -> str:
    """A heading of others that our style can take over; empty where it holds a banned word."""
    lowered = heading.casefold()
    return "" if any(word in lowered for word in banned) else heading


def _bare(heading: str) -> str:
    """A heading as part of a sentence."""
    text = heading.rstrip(" ?!.:").strip()
    return text[:1].lower() + text[1:] if text[1:].islower() else text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _hundreds(number: float) -> int:
    return max(100, round(number / 100) * 100)
