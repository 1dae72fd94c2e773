"""The web as the sample company sees it: stored result pages, stored pages of competitors, its own posts, its style.

Result pages and competitors' pages are untrusted, whatever they say. Publishing behaves like WordPress: no idempotency,
a slug that is taken becomes ``slug-2``; a draft can be found again by the key that it was made with.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.base import Receipt, Record
from integrations.errors import Permanent
from integrations.sample_company import cast, desk, fulltext

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_SLUG = 200


class SiteReads(desk.Desk):
    """`integrations.base.SiteReader`."""

    @desk.reads
    def search(self, query: str, *, limit: int = 8) -> Record:
        with self.database.reading() as connection:
            hits = fulltext.best(connection, fulltext.SEARCHES, query, 1)
            if hits:
                row = connection.execute("SELECT * FROM searches WHERE slug = ?", (hits[0][0],)).fetchone()
                return search_record(row, limit)
        # Nothing stored resembles the question: an honest empty page, taken now.
        data = {"query": query, "taken_at": self.moment(), "results": []}
        return Record(desk.ref("search", "none"), "search", f"No stored results for {query!r}", data, "", trusted=False)

    @desk.reads
    def page(self, url: str) -> Record | None:
        with self.database.reading() as connection:
            row = connection.execute("SELECT * FROM pages WHERE url = ?", (url,)).fetchone()
        return page_record(row) if row else None

    @desk.reads
    def posts(self, query: str, *, limit: int = 10) -> Sequence[Record]:
        with self.database.reading() as connection:
            hits = fulltext.best(connection, fulltext.POSTS, query, limit)
            return [
                post_record(connection.execute("SELECT * FROM posts WHERE slug = ?", (slug,)).fetchone())
                for slug, _ in hits
            ]

    @desk.reads
    def style(self) -> Record:
        with self.database.reading() as connection:
            (value,) = connection.execute("SELECT value FROM about WHERE name = 'style'").fetchone()
        return Record(desk.ref("style", "house"), "style", "House style", json.loads(value), "", trusted=True)


class PublisherWrites(desk.Desk):
    """`integrations.base.PublisherWriter`."""

    @desk.writes
    def create_draft(self, slug: str, title: str, body: str, meta: Mapping[str, Any], *, key: str) -> Receipt:
        if not _SLUG.fullmatch(slug) or len(slug) > LONGEST_SLUG:
            raise Permanent(f"{slug!r} is no slug: small letters, digits and single hyphens")
        desk.line(title, "the title")
        desk.text(body, "the body", longest=10 * desk.LONGEST_TEXT)
        at = self.moment()
        with self.database.writing() as connection:
            free = _free_slug(connection, slug)
            connection.execute(
                "INSERT INTO posts (slug, title, excerpt, body, keyword, status, meta, created_at, key)"
                " VALUES (?, ?, ?, ?, ?, 'draft', ?, ?, ?)",
                (free, title, "", body, str(meta.get("keyword", "")), desk.dump(dict(meta)), at, key),
            )
            desk.count_effect(connection, "create_draft", key, desk.ref("post", free), at)
            row = connection.execute("SELECT * FROM posts WHERE slug = ?", (free,)).fetchone()
        return _draft_receipt(row)

    @desk.reads
    def find_draft(self, key: str) -> Receipt | None:
        if not key:
            return None
        with self.database.reading() as connection:
            row = connection.execute("SELECT * FROM posts WHERE key = ? ORDER BY post_id LIMIT 1", (key,)).fetchone()
        return _draft_receipt(row) if row else None


def search_record(row: sqlite3.Row, limit: int) -> Record:
    results = json.loads(row["results"])[: max(limit, 0)]
    return Record(
        ref=desk.ref("search", row["slug"]),
        kind="search",
        title=f"Results for {row['query']!r}",
        data={"query": row["query"], "taken_at": row["taken_at"], "results": results},
        version=row["taken_at"],
        trusted=False,
        url=f"/sample/searches/{row['slug']}",
    )


def page_record(row: sqlite3.Row) -> Record:
    data = {name: row[name] for name in ("url", "title", "html", "fetched_at", "word_count")}
    return Record(
        ref=desk.ref("page", row["page_id"]),
        kind="page",
        title=row["title"],
        data=data,
        version=row["fetched_at"],
        trusted=False,
        url=f"/sample/pages/{row['page_id']}",
    )


def post_record(row: sqlite3.Row) -> Record:
    return Record(
        ref=desk.ref("post", row["slug"]),
        kind="post",
        title=row["title"],
        data={
            "slug": row["slug"],
            "title": row["title"],
            "url": f"https://{cast.SHOP_HOST}/journal/{row['slug']}",
            "excerpt": row["excerpt"],
            "published_at": row["published_at"],
            "keyword": row["keyword"],
            "status": row["status"],
        },
        version=desk.token(row["version"]),
        trusted=True,
        url=f"/sample/posts/{row['slug']}",
    )


def _free_slug(connection: sqlite3.Connection, slug: str) -> str:
    taken = {
        found
        for (found,) in connection.execute("SELECT slug FROM posts WHERE slug = ? OR slug GLOB ? || '-*'", (slug, slug))
    }
    candidate, count = slug, 1
    while candidate in taken:
        count += 1
        candidate = f"{slug}-{count}"
    return candidate


def _draft_receipt(row: sqlite3.Row) -> Receipt:
    data = {"slug": row["slug"], "status": row["status"], "url": f"/sample/posts/{row['slug']}"}
    return Receipt(desk.ref("post", row["slug"]), "", desk.token(row["version"]), data)
