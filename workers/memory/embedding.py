"""Vectors of what is remembered, where an embedding model is configured: made after the fact, used to rank and to find.

Without one everything works by key and by words. The text goes to whoever serves the model; the settings say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import mul

from integrations.models.base import Embedder, Unanswered
from workers.store import memories
from workers.store.database import Database

#: texts in one request
LOT = 64


def embed_new(db: Database, embedder: Embedder, *, most: int = 10) -> int:
    """Make vectors for what has none of this model yet, a few lots at a time. How many."""
    made = 0
    for _ in range(most):
        with db.read() as tx:
            lot = memories.without_vector(tx, embedder.name, LOT)
        if not lot:
            break
        vectors = _vectors(embedder, lot)
        if not vectors:
            break
        with db.write() as tx:
            memories.keep_vectors(tx, embedder.name, vectors)
        made += len(vectors)
    return made


def _vectors(embedder: Embedder, lot: Sequence[tuple[str, str]]) -> dict[str, Sequence[float]]:
    """By id. A text that the model refuses, or cannot take in whole, gets none, and is found by its words."""
    try:
        vectors = embedder.embed([text for _, text in lot])
    except Unanswered:
        if len(lot) == 1:
            return {}
        return {i: vector for one in lot for i, vector in _vectors(embedder, [one]).items()}
    return {i: vector for (i, _), vector in zip(lot, vectors, strict=True)}


def by_nearness(vectors: Mapping[str, Sequence[float]], to: Sequence[float]) -> list[str]:
    """Ids, the nearest first."""
    return sorted(vectors, key=lambda one: -_cosine(vectors[one], to))


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    long = math.sqrt(sum(map(mul, a, a)) * sum(map(mul, b, b)))
    return sum(map(mul, a, b)) / long if long else 0.0
