"""Makes the whole past of the sample company from a seed and a day: rows for every table, and their fingerprint.

Called when a file is first created, and by tests. Pure: the same seed and day give the same rows, whoever asks; the known
characters of `cast` are in it at every seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from integrations.sample_company.database import Rows
from integrations.sample_company.making import people, sales, service, supply, trouble, web
from integrations.sample_company.making.ground import Ground

SEED = 7


def generate(today: date, seed: int = SEED) -> Rows:
    ground = Ground(today, seed)
    customers = people.customers(ground)
    orders, charges = sales.orders_and_charges(ground, customers)
    people.settle_tiers(customers, orders, ground.ago(sales.HISTORY_DAYS))
    refunds = trouble.refunds(ground, orders, charges)
    disputes = trouble.disputes(ground, charges)
    tickets, messages = service.tickets(ground, customers, orders)
    articles, posts = service.articles(ground), web.posts(ground)
    pages, searches = web.pages_and_searches(ground)
    stock, offers = supply.stock_and_offers(ground)
    return {
        "about": [
            {"name": "today", "value": today.isoformat()},
            {"name": "seed", "value": str(seed)},
            {"name": "style", "value": web.style()},
        ],
        "customers": customers,
        "orders": orders,
        "charges": charges,
        "refunds": refunds,
        "disputes": disputes,
        "watch_list": trouble.watch_list(ground),
        "tickets": tickets,
        "messages": messages,
        "articles": articles,
        "articles_index": _index(articles, "title", "keywords", "body"),
        "posts": posts,
        "posts_index": _index(posts, "title", "keyword", "excerpt", "body"),
        "pages": pages,
        "searches": searches,
        "searches_index": _index([{**row, "titles": _titles(row)} for row in searches], "query", "titles"),
        "vendors": supply.vendors(),
        "stock": stock,
        "offers": offers,
    }


def digest(rows: Rows) -> str:
    """A fingerprint of everything generated, for telling two pasts apart."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def _index(rows: Sequence[Mapping[str, Any]], *columns: str) -> list[dict[str, str]]:
    """Rows of a full-text table. FTS5's BM25 gives no weight to a word that more than half of the rows hold, and in a help
    centre of a shop "parcel" is such a word: as many silent rows again keep every word's weight above zero."""
    documents = [{name: row[name] for name in ("slug", *columns)} for row in rows]
    return documents + [dict.fromkeys(("slug", *columns), "") for _ in documents]


def _titles(search: Mapping[str, Any]) -> str:
    return " ".join(result["title"] for result in json.loads(search["results"]))
