"""The local model: serves without a key and without a network, and is honest about what it is.

Triage by linear classifiers trained on the shipped examples and on what people decided here, with calibrated confidence;
values, flags and language by rules; drafts from macros filled with gathered facts. It understands nothing else, cannot
follow free instructions, and abstains where it is not sure, so that a person looks.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import ValidationError

from integrations.models import macros
from integrations.models.base import InvalidOutput, ModelAnswer, ModelRequest, T, Usage
from integrations.models.classifier import FORMAT, Classifier
from integrations.models.concepts import concepts
from integrations.models.extract import entities
from integrations.models.flags import risk_flags
from integrations.models.grams import grams
from integrations.models.language import UNDETERMINED, detect
from integrations.models.reading import summary, whole_text, without_quotes

logger = logging.getLogger(__name__)

HERE: Final = Path(__file__).parent
EXAMPLES: Final = HERE / "examples"
#: knowledge that the features are made with: when it changes, what was learned no longer fits
_KNOWLEDGE: Final = ("concepts.yaml", "lexicon.yaml")
#: below this calibrated chance of the first field being right, a person looks
SURE_ENOUGH: Final = 0.55
#: a text shorter than this may be in no language that can be told: an order number, a name
SHORT: Final = 40

Learned = Callable[[], Iterable[tuple[str, str, str, str]]]


class LocalModel:
    """`integrations.models.base.Model`. `extra_examples` yields (domain, field, text, label) of what was decided here."""

    provider = "local"
    uses_tools = False
    name = "tfidf-linear-1"

    def __init__(
        self,
        examples_dir: Path = EXAMPLES,
        *,
        extra_examples: Learned | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        self._examples = examples_dir
        self._extra = extra_examples
        self._cache = cache_dir
        self._heads: dict[str, dict[str, Classifier]] = {}
        self._lock = threading.Lock()

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """Triage or draft. Raise `InvalidOutput` where the form asks for something that this model cannot fill in."""
        began = time.perf_counter()
        filled = self._triage(request) if request.task == "triage" else _draft(request)
        try:
            output = request.output.model_validate(filled)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidOutput(f"The local model cannot fill in {where!r}: {first['msg']}.") from error
        return ModelAnswer(output, self._usage(began))

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """It has no use for tools."""
        return self.answer(request)

    def prepare(self, domains: Iterable[str] = ("support", "transactions", "content")) -> None:
        """Load or train what these domains need, now rather than at the first case."""
        for domain in domains:
            self._of(domain)

    def retrain(self) -> None:
        """Learn anew from what people decided meanwhile; the present heads serve until the new ones are ready.

        Called off the work's threads, when enough was decided: it takes seconds.
        """
        for domain in list(self._heads):
            fresh = self._load(domain)
            with self._lock:
                self._heads[domain] = fresh

    # ── triage ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _triage(self, request: ModelRequest[T]) -> dict[str, Any]:
        event: Mapping[str, Any] = next((piece.data for piece in request.material if piece.name == "event"), {})
        whole = whole_text(event)
        text = without_quotes(whole)
        heads = self._of(request.domain)
        features = grams([text], [concepts(request.domain, text)])
        filled: dict[str, Any] = {}
        confidence: dict[str, float] = {}
        for field, info in request.output.model_fields.items():
            if get_origin(info.annotation) is Literal and field in heads:
                allowed = get_args(info.annotation)
                ranked = heads[field].predict_grams(features)[0].alternatives
                unknown = ("other" if "other" in allowed else allowed[0], 0.0)
                label, chance = next(((name, c) for name, c in ranked if name in allowed), unknown)
                filled[field], confidence[field] = label, round(chance, 4)
        spoken = detect(text)
        known: dict[str, Callable[[], Any]] = {
            "language": lambda: spoken.code,
            "risk_flags": lambda: risk_flags(whole),
            "entities": lambda: entities(whole, language=spoken.code),
            "summary": lambda: summary(event),
        }
        filled |= {name: make() for name, make in known.items() if name in request.output.model_fields}
        understood = next(iter(confidence.values()), 0.0) >= SURE_ENOUGH
        unread = request.domain == "support" and spoken.code == UNDETERMINED and len(text) > SHORT
        confidence["language"] = round(spoken.confidence, 4)
        return filled | {"confidence": confidence, "abstain": not understood or unread}

    # ── what it learned ──────────────────────────────────────────────────────────────────────────────────────────

    def _of(self, domain: str) -> Mapping[str, Classifier]:
        heads = self._heads.get(domain)
        if heads is not None:
            return heads
        with self._lock:
            if domain not in self._heads:
                self._heads[domain] = self._load(domain)
            return self._heads[domain]

    def _load(self, domain: str) -> dict[str, Classifier]:
        """One head for each labelled field of the domain, from the cache where it fits, else trained."""
        path = self._examples / f"{domain}.jsonl"
        if not path.exists():
            return {}
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        fields = [name for name in rows[0] if name not in ("text", "groups")]
        decided = [item for item in self._extra() if item[0] == domain] if self._extra is not None else []
        heads = {}
        described: dict[str, list[str]] = {}
        for place, field in enumerate(fields):
            labelled = [(row["text"], row[field], f"shipped {row['groups'][place]}") for row in rows if row.get(field)]
            labelled += [(text, label, text) for _, name, text, label in decided if name == field]
            heads[field] = self._head(domain, field, labelled, described)
        return heads

    def _head(
        self, domain: str, field: str, labelled: list[tuple[str, str, str]], described: dict[str, list[str]]
    ) -> Classifier:
        """`described` keeps the concepts of texts from one field of the domain to the next."""
        if self._cache is None:
            return _trained(domain, labelled, described)
        cached = self._cache / f"{domain}.{field}.{_digest(labelled)}.npz"
        if (known := _saved(cached)) is not None:
            return known
        with _one_at_a_time(self._cache):
            # Whoever was first has saved it meanwhile.
            if (known := _saved(cached)) is not None:
                return known
            logger.info("classifier_trains domain=%s field=%s examples=%d", domain, field, len(labelled))
            trained = _trained(domain, labelled, described)
            trained.save(cached)
        for older in cached.parent.glob(f"{domain}.{field}.*.npz"):
            if older != cached:
                older.unlink(missing_ok=True)
        return trained

    def _usage(self, began: float) -> Usage:
        return Usage(
            provider=self.provider,
            model=self.name,
            input_tokens=0,
            output_tokens=0,
            cache_read_tokens=0,
            cache_write_tokens=0,
            latency_ms=round((time.perf_counter() - began) * 1000),
            cost_usd=Decimal(0),
            request_id=None,
            stop_reason="end_turn",
        )


def _saved(cached: Path) -> Classifier | None:
    try:
        return Classifier.load(cached)
    except FileNotFoundError:
        return None
    except ValueError:
        logger.warning("saved_classifier_unreadable file=%s", cached.name)
        return None


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Processes that begin together share the machine: one learns, which takes all of a processor, and the others wait for that."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".learning").open("w") as lock:
        # A file system that knows no locks keeps nobody from learning.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _trained(domain: str, labelled: list[tuple[str, str, str]], described: dict[str, list[str]]) -> Classifier:
    texts = [text for text, _, _ in labelled]
    described |= {text: concepts(domain, text) for text in texts if text not in described}
    return Classifier.train(
        texts,
        [label for _, label, _ in labelled],
        tags=[described[text] for text in texts],
        groups=[group for _, _, group in labelled],
    )


def _draft(request: ModelRequest[T]) -> dict[str, Any]:
    """The first macro that applies, as people keep changing it, and as sure as the triage that chose it."""
    triage: Mapping[str, Any] = next((piece.data for piece in request.material if piece.name == "triage"), {})
    sure = triage.get("confidence") or {}
    confidence = sure.get(triage.get("primary_field"), min(sure.values(), default=0.0))
    made = macros.draft(request.macros, request.material)
    if made is None:
        return {"summary": "No standard answer fits.", "actions": [], "unsure": "No standard answer fits this case."}
    for action in made["actions"]:
        action["confidence"] = confidence
    return made


def _digest(labelled: list[tuple[str, str, str]]) -> str:
    seal = hashlib.sha256(str(FORMAT).encode())
    for name in _KNOWLEDGE:
        seal.update((HERE / name).read_bytes())
    seal.update(json.dumps(labelled).encode())
    return seal.hexdigest()[:20]
