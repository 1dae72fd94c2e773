"""Texts to vectors through OpenAI's embeddings API, of whoever serves it. Memory asks for it; it keeps nothing.

Many texts go in a few calls. Either all vectors come back, in order and of one length, or none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from integrations.errors import Temporary
from integrations.models import pricing
from integrations.models.base import Usage
from integrations.models.conversation import Counts
from integrations.models.openai.client import CLIENTS, Refusal, spoken

#: So many texts go in one call, and so many characters: services take about 300,000 tokens.
MOST_TEXTS: Final = 256
MOST_CHARACTERS: Final = 400_000


class _Vector(BaseModel):
    index: int
    embedding: list[float]


class _Usage(BaseModel):
    prompt_tokens: int = 0


class _Vectors(BaseModel):
    data: list[_Vector]
    model: str = ""
    usage: _Usage | None = None


class OpenAIEmbedder:
    """`integrations.models.base.Embedder`. Safe to share between threads."""

    provider = "openai"

    def __init__(
        self,
        api_key: str,
        *,
        model: str,
        base_url: str | None = None,
        timeout: float = 60.0,
        on_usage: Callable[[Usage], None] | None = None,
    ) -> None:
        self._client = CLIENTS.get(api_key, base_url or None)
        self._address = base_url or None
        self._timeout = timeout
        self._on_usage = on_usage
        self._dimensions = 0
        self.name = model

    @property
    def dimensions(self) -> int:
        """Known after the first call; asked for with one word where none was made yet."""
        if not self._dimensions:
            self.embed(["length"])
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for some in _portions(texts):
            vectors += self._ask(some)
        return vectors

    def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        began = time.perf_counter()
        try:
            raw = spoken(
                self._timeout,
                lambda: self._client.embeddings.with_raw_response.create(
                    # Services refuse an empty text; its vector is that of a space.
                    input=[text or " " for text in texts],
                    model=self.name,
                    encoding_format="float",
                    timeout=self._timeout,
                ),
            )
        except Refusal as refused:
            raise refused.meaning() from refused
        given = spoken(self._timeout, lambda: _Vectors.model_validate_json(raw.http_response.content))
        self._tell(given, raw.headers.get("x-request-id"), began)
        found = [vector.embedding for vector in sorted(given.data, key=lambda vector: vector.index)]
        lengths = {len(vector) for vector in found} | ({self._dimensions} if self._dimensions else set())
        if len(found) != len(texts) or len(lengths) != 1 or 0 in lengths:
            raise Temporary("The embedding service did not send one vector for each text.")
        self._dimensions = lengths.pop()
        return found

    def _tell(self, given: _Vectors, request_id: str | None, began: float) -> None:
        if self._on_usage is None:
            return
        counts = Counts(plain=given.usage.prompt_tokens if given.usage else 0)
        model = given.model or self.name
        if self._address is None:
            cost = pricing.price(model, counts, provider=self.provider)
        else:
            cost = pricing.price(model, counts, address=self._address)
        latency = round((time.perf_counter() - began) * 1000)
        self._on_usage(Usage(self.provider, model, counts.plain, 0, 0, 0, latency, cost, request_id, "done"))


def _portions(texts: Sequence[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    size = 0
    for text in texts:
        if portion and (len(portion) == MOST_TEXTS or size + len(text) > MOST_CHARACTERS):
            yield portion
            portion, size = [], 0
        portion.append(text)
        size += len(text)
    if portion:
        yield portion
