"""Content: putting a brief where writers will find it, as a draft."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from integrations.base import PublisherWriter, Receipt
from workers.actions.base import ActionKind, Arguments, Delivery, Effect, Risk, subject_target
from workers.actions.support import Line

Items = Annotated[list[Line], Field(max_length=60)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=120)]


class Competitor(Arguments):
    rank: int
    title: Line
    url: Line
    angle: Line
    headings: int
    words: int


class Brief(Arguments):
    """A competitor content brief. `gap` is required: what we add that the present top pages lack."""

    title: Line = Field(description="Working title")
    slug: Slug = Field(description="Address part of the draft")
    keyword: Line = Field(description="Target keyword")
    search_intent: Line = Field(description="What a searcher wants")
    audience: Line = Field(description="Whom it is for")
    gap: Annotated[str, Field(min_length=1, max_length=2000)] = Field(description="What we add that they lack")
    outline: Items = Field(description="Headings, H2 and below")
    questions: Items = Field(description="Questions to answer")
    claims_to_check: Items = Field(description="Claims of competitors; none may be repeated unchecked")
    competitors: Annotated[list[Competitor], Field(max_length=20)] = Field(description="What ranks today")
    internal_links: Items = Field(description="Own pages to link to")
    word_range: Line = Field(description="Length")
    call_to_action: Line = Field(description="What the reader should do next")
    meta_title: Annotated[str, Field(min_length=1, max_length=60)] = Field(description="Title for result pages")
    meta_description: Annotated[str, Field(min_length=1, max_length=160)] = Field(description="Text for result pages")
    sources_taken_at: Line = Field(description="Date of the result page that this rests on")


def body_of(brief: Brief) -> str:
    """The brief as Markdown, as writers read it."""
    lines = [
        f"# {brief.title}",
        "",
        " · ".join(
            [
                f"**Keyword** {brief.keyword}",
                f"**Intent** {brief.search_intent}",
                f"**For** {brief.audience}",
                f"**Length** {brief.word_range}",
            ]
        ),
        "",
        "## What we add",
        brief.gap,
        "",
        "## Outline",
        *(f"- {heading}" for heading in brief.outline),
        "",
        "## Questions to answer",
        *(f"- {question}" for question in brief.questions),
        "",
        f"## What ranks today ({brief.sources_taken_at})",
        "| # | Page | Angle | Words |",
        "|---|---|---|---|",
        *(f"| {c.rank} | [{c.title}]({c.url}) | {c.angle} | {c.words} |" for c in brief.competitors),
        "",
        "## Claims to check before repeating",
        *(f"- {claim}" for claim in brief.claims_to_check),
        "",
        "## Link to",
        *(f"- {link}" for link in brief.internal_links),
        "",
        f"**Call to action** {brief.call_to_action}",
    ]
    return "\n".join(lines)


def _meta(brief: Brief) -> dict[str, Any]:
    return {
        "keyword": brief.keyword,
        "meta_title": brief.meta_title,
        "meta_description": brief.meta_description,
    }


def _create(site: PublisherWriter, arguments: Brief, effect: Effect) -> Receipt:
    return site.create_draft(arguments.slug, arguments.title, body_of(arguments), _meta(arguments), key=effect.key)


def _find(site: PublisherWriter, _arguments: Brief, effect: Effect) -> Receipt | None:
    return site.find_draft(effect.key)


DRAFT = ActionKind(
    name="create_post_draft",
    title="Publish the brief as a draft",
    sentence="Create the draft “{title}” on the site, unpublished",
    arguments=Brief,
    target=subject_target,
    risk=Risk.MEDIUM,
    reversible=True,
    delivery=Delivery.RECONCILABLE,
    writer=PublisherWriter,
    perform=_create,
    look=_find,
    guarded=False,
    long_fields=("gap",),
)

KINDS = (DRAFT,)
