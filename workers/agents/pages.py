"""Fetched pages as evidence: headings, questions, claims with numbers, and how long they are. The HTML itself is dropped.

Pages are strangers' text, possibly written to instruct whoever reads them. So only what a visitor could see is read,
everything is bounded, nothing is followed or loaded, and no input makes it raise or take long: the standard library's
parser is not used because a page of unclosed comments keeps it busy for a minute. Called by the content agent's source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final

MAX_HTML: Final = 400_000
#: What opens a tag and is not closed within so many characters is text.
MAX_TAG: Final = 4_000
MAX_ITEMS: Final = 60
MAX_LINE: Final = 160
HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4"})
_BLOCKS: Final = "p li td th dd dt blockquote summary details figcaption div section article main header aside br hr tr ul ol table body"
BLOCKS: Final = frozenset(_BLOCKS.split())
_UNSEEN: Final = "script style noscript template svg head nav footer form iframe object textarea select title"
UNSEEN: Final = frozenset(_UNSEEN.split())
#: their content is text up to the end tag, whatever it looks like
RAW: Final = frozenset({"script", "style", "textarea", "title", "iframe", "noscript"})
_VOID: Final = "area base br col embed hr img input link meta param source track wbr"
VOID: Final = frozenset(_VOID.split())
_TAG = re.compile(r"<(/?)([a-zA-Z][\w:-]{0,40})")
_HIDDEN = re.compile(
    r"\shidden(?=[\s=/]|$)|aria-hidden\s*=\s*[\"']?true|display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d])"
    r"|font-size\s*:\s*0",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"\d")
#: "By Imke Sand, updated 2025-12-26" claims nothing
_BYLINE = re.compile(
    r"(by|von|par|por)\s.{0,60}\d{4}|(published|updated|last (updated|modified)|stand)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a page says, as far as a brief needs it."""

    headings: list[dict[str, Any]]
    questions: list[str]
    claims: list[str]
    opening: str
    words: int
    truncated: bool


def outline_of(html: str) -> Outline:
    """Read a page's visible text. Never raises, whatever the bytes were."""
    seen = _Visible()
    for closing, tag, text in _tokens(html[:MAX_HTML]):
        seen.take(text, tag, closing=closing)
    seen.end_block()
    sentences = [s for text in seen.paragraphs for s in _SENTENCE.split(text) if not _BYLINE.match(s)]
    lines = [heading["text"] for heading in seen.headings if heading["level"] > 1] + sentences
    return Outline(
        headings=seen.headings[:MAX_ITEMS],
        questions=_distinct(line for line in lines if line.endswith("?") and 12 <= len(line) <= MAX_LINE),
        claims=_distinct(s for s in sentences if _DIGIT.search(s) and 25 <= len(s) <= MAX_LINE and not s.endswith("?")),
        opening=next((s for s in sentences if len(s) >= 30), "")[:MAX_LINE],
        words=sum(len(_WORD.findall(text)) for text in (*seen.paragraphs, *(h["text"] for h in seen.headings))),
        truncated=len(html) > MAX_HTML,
    )


@dataclass
class _Visible:
    headings: list[dict[str, Any]] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    heading: str = ""
    #: how often the tag whose content is not shown is open, and its name
    unseen: int = 0
    unseen_tag: str = ""

    def take(self, text: str, tag: str, *, closing: bool) -> None:
        """One token: text (`tag` is empty), or a tag with its attributes as `text`."""
        if not tag:
            if not self.unseen:
                self.text.append(text)
        elif self.unseen:
            # As browsers do: what was opened inside and never closed ends with the tag around it.
            if tag == self.unseen_tag:
                self.unseen += -1 if closing else 1
        else:
            if tag in HEADINGS or tag in BLOCKS:
                self.end_block()
            if closing or tag in VOID:
                return
            if tag in UNSEEN or _HIDDEN.search(text):
                self.unseen, self.unseen_tag = 1, tag
            elif tag in HEADINGS:
                self.heading = tag

    def end_block(self) -> None:
        line = " ".join(unescape("".join(self.text)).replace("\0", " ").split())
        self.text.clear()
        # A heading that is too long for one is a paragraph in disguise.
        if line and self.heading and len(line) <= MAX_LINE:
            self.headings.append({"level": int(self.heading[1]), "text": line})
        elif line:
            self.paragraphs.append(line)
        self.heading = ""


def _tokens(html: str) -> Iterator[tuple[bool, str, str]]:
    """(closing, tag, attributes) for tags and (False, "", text) for text. Each character is looked at a bounded number of times."""
    position = 0
    while (opens := html.find("<", position)) >= 0:
        if opens > position:
            yield False, "", html[position:opens]
        position = opens + 1
        if html.startswith("<!--", opens):
            ends = html.find("-->", opens + 4)
            if ends < 0:
                return
            position = ends + 3
            continue
        tag = _TAG.match(html, opens)
        ends = html.find(">", opens, opens + MAX_TAG) if tag or html.startswith(("<!", "<?"), opens) else -1
        if ends < 0:
            yield False, "", "<"
            continue
        position = ends + 1
        if tag is None:
            continue
        name, closing = tag.group(2).lower(), bool(tag.group(1))
        yield closing, name, html[tag.end() : ends]
        if name in RAW and not closing:
            end_tag = re.compile(f"</{name}", re.IGNORECASE).search(html, position)
            if end_tag is None:
                return
            position = end_tag.start()
    yield False, "", html[position:]


def _distinct(lines: Iterable[str]) -> list[str]:
    return list({line.casefold(): line for line in lines}.values())[:MAX_ITEMS]


def page_data(page: Mapping[str, Any]) -> dict[str, Any]:
    """A fetched page's data with what it says in place of its HTML."""
    outline = outline_of(str(page.get("html", "")))
    return {
        "url": page["url"],
        "title": page.get("title", ""),
        "fetched_at": page.get("fetched_at", ""),
        "word_count": page.get("word_count") or outline.words,
        "headings": outline.headings,
        "questions": outline.questions,
        "claims": outline.claims,
        "opening": outline.opening,
        "truncated": outline.truncated,
    }
