"""Search over articles, posts and result pages: SQLite's FTS5 with BM25, fed with a question instead of query syntax.

Used by the helpdesk and the site. What a person (or an attacker) typed is cut into plain words and quoted, so that no
operator of the query language ever comes from outside.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

MOST_WORDS = 40
_EMPTY = """
a an and any are as at be been best but by can could did do does for from get guide had has have hello help hi how i if
in is it its me my no not of on or our out please so some than thanks that the their them there these they this to up us
vs was we were what when where which who why will with would you your
der die das und ich ist nicht ein eine le la les et est un une je el los y es il e di het een en ik
"""
#: Words that say nothing about the subject; without this they win where nothing else matches.
EMPTY_WORDS = frozenset(_EMPTY.split())


@dataclass(frozen=True, slots=True)
class Index:
    """One FTS table and how much each of its columns counts (the unindexed slug comes first)."""

    table: str
    weights: tuple[float, ...]


ARTICLES = Index("articles_index", (0.0, 6.0, 4.0, 1.0))
POSTS = Index("posts_index", (0.0, 5.0, 5.0, 2.0, 1.0))
SEARCHES = Index("searches_index", (0.0, 6.0, 1.0))


def best(connection: sqlite3.Connection, index: Index, question: str, limit: int) -> list[tuple[str, float]]:
    """(slug, score) of the documents that share words with `question`, best first; a higher score is better."""
    words = [word for word in re.findall(r"\w+", question.casefold()) if len(word) > 1 and word not in EMPTY_WORDS]
    if not words or limit < 1:
        return []
    match = " OR ".join(f'"{word}"' for word in dict.fromkeys(words[:MOST_WORDS]))
    weights = ", ".join(str(weight) for weight in index.weights)
    rows = connection.execute(
        f"SELECT slug, -bm25({index.table}, {weights}) AS score FROM {index.table}"  # noqa: S608 - own names
        f" WHERE {index.table} MATCH ? ORDER BY score DESC, slug LIMIT ?",
        (match, limit),
    )
    return [(row["slug"], round(float(row["score"]), 3)) for row in rows]
