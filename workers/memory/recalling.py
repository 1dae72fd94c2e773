"""What is remembered, read into a case: by whom or what it is about, and for topics by likeness too.

Handed to agents as the reader `memory`, among the others. For one customer it is one statement on one index as long as there
is no more to tell than an agent is told. A memory is trusted only where a record or a colleague said it and nothing in it
could vouch for an address, a link or an amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar, cast

from integrations.base import Record
from integrations.errors import IntegrationError
from integrations.models.base import Embedder
from integrations.registry import Readers
from workers.agents.remembered import HOUSE, About
from workers.log import logger
from workers.memory.embedding import by_nearness
from workers.memory.terms import Origin, Terms
from workers.settings import Settings
from workers.store import memories
from workers.store.database import Database
from workers.store.memories import Memory
from workers.work_slots import WorkSlots

T = TypeVar("T")

#: kinds of subject of which others like them are worth knowing. Never customers: nobody is told what another one said.
LIKE_EACH_OTHER = ("topic",)
#: how much the first places of each ranking count against the later ones (reciprocal rank fusion)
FUSION = 60
#: subjects compared by vectors where the database cannot do it
MOST_COMPARED = 500


class Recall:
    """Speaks `MemoryReader`."""

    def __init__(
        self,
        db: Database,
        terms: Terms,
        clock: Callable[[], datetime],
        embedder: Embedder | None = None,
        slots: WorkSlots | None = None,
    ) -> None:
        self._db = db
        self._terms = terms
        self._clock = clock
        self._embedder = embedder
        self._embed = None if embedder is None else (slots or WorkSlots()).released_during(embedder.embed)

    def recall(self, about: Sequence[About], question: str) -> Sequence[Record]:
        now = self._clock()
        # One more than is told shows whether there is a choice; vectors choose among more.
        most = self._terms.told + 1 if self._embedder is None else memories.MOST_LOOKED_AT
        found = [memory for kind, key in about for memory in memories.about(self._db, kind, key, now, most)]
        if len(found) > self._terms.told or any(kind in LIKE_EACH_OTHER for kind, _ in about):
            found = self._chosen(found, about, question, now)
        return [record(memory) for memory in found]

    def _chosen(self, found: list[Memory], about: Sequence[About], question: str, now: datetime) -> list[Memory]:
        """Those that fit best: by age, by words and, where there are vectors, by meaning."""
        vector, told = self._vector(question), self._terms.told
        everything = {memory.id: memory for memory in found}
        rankings = [[memory.id for memory in found]]
        with self._db.read() as tx:
            for kind, key in about:
                alike = kind in LIKE_EACH_OTHER
                worded = memories.similar(tx, kind, question, now, told, key=None if alike else key)
                rankings.append([memory.id for memory in worded])
                everything |= {memory.id: memory for memory in worded}
                if alike and vector is not None and self._embedder is not None:
                    near = memories.nearest(tx, kind, self._embedder.name, vector, now, told)
                    near = memories.newest(tx, kind, now, MOST_COMPARED) if near is None else near
                    everything |= {memory.id: memory for memory in near}
            if vector is not None and self._embedder is not None:
                vectors = memories.vectors_of(tx, self._embedder.name, list(everything))
                rankings.append(by_nearness(vectors, vector)[:told])
        return [everything[i] for i in fused(rankings)[:told]]

    def _vector(self, question: str) -> Sequence[float] | None:
        if self._embed is None or not question.strip():
            return None
        try:
            return self._embed([question])[0]
        except IntegrationError as error:
            # Words do as well: a case is not held up for the order of its memories.
            logger.info("question_not_embedded", reason=type(error).__name__)
            return None


class WithMemory(Readers):
    """The readers of the connected systems, and memory beside them."""

    def __init__(self, readers: Readers, recall: Recall) -> None:
        super().__init__({})
        self._others = readers
        self._recall = recall

    def find(self, system: str, protocol: type[T]) -> T | None:
        if system == HOUSE:
            return cast("T", self._recall) if isinstance(self._recall, protocol) else None
        return self._others.find(system, protocol)

    def systems(self) -> list[str]:
        return self._others.systems()


def with_memory(
    readers: Readers,
    settings: Settings,
    db: Database,
    clock: Callable[[], datetime],
    embedder: Embedder | None,
    slots: WorkSlots,
) -> Readers:
    """These readers and memory, where the settings want it. While a question is embedded its slot is free for others."""
    if not settings.memory:
        return readers
    return WithMemory(readers, Recall(db, Terms.of(settings), clock, embedder, slots))


def fused(rankings: Iterable[Sequence[str]]) -> list[str]:
    """One order out of several: who stands high in many of them comes first."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, one in enumerate(ranking):
            scores[one] = scores.get(one, 0.0) + 1 / (FUSION + place)
    return sorted(scores, key=lambda one: -scores[one])


def record(memory: Memory) -> Record:
    """A memory as evidence. Of numbers it holds none, which could pass for an argument that somebody vouched for."""
    said = {
        "text": memory.text,
        "kind": memory.kind,
        "origin": memory.origin,
        "when": f"{memory.confirmed_at:%Y-%m-%d}",
    }
    return Record(
        ref=f"{HOUSE}:{memory.about_kind}:{memory.id}",
        kind="memory",
        title=memory.text[:300],
        data=said,
        version="",
        trusted=memory.origin != Origin.UNTRUSTED and memory.data.get("vouched") is True,
        url=f"/cases/{memory.case_id}" if memory.case_id else None,
    )
