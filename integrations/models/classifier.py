"""The local classifier: a text in, a label with an honest confidence out.

Linear, on hashed words, word pairs and character n-grams (`grams`), with confidences calibrated on examples that it was not
trained on. The local model has one for each field; `evaluation` measures it. It answers in about a millisecond, holds no
state besides its weights, and is saved as plain arrays, never as pickle.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from integrations.models.calibration import softmax
from integrations.models.grams import MAX_CHARS, Block, Floats, Grams, Vocabulary, grams

Tags: TypeAlias = Sequence[Sequence[str]]
"""For each text, symbols that describe it beside its words."""
Progress: TypeAlias = Callable[[str, int, int], None]
"""Told (what, done, of) while something long goes on."""

#: Part of every saved file: raise it whenever features, weights or calibration change their meaning.
FORMAT: Final = 1
#: Texts taken together: the more, the faster for each, while their features stay within some tens of megabytes.
BATCH: Final = 1024
BATCH_CHARS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Prediction:
    """`confidence` is the estimated chance that `label` is right; `alternatives` are all labels, likeliest first."""

    label: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Classifier:
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    weights: Floats  # features x labels
    bias: Floats
    temperature: float

    @classmethod
    def train(
        cls,
        texts: Sequence[str],
        labels: Sequence[str],
        *,
        tags: Tags | None = None,
        groups: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Classifier:
        """Learn from labelled texts, with what else is known of each; one group shares its wording and is held out whole.

        Raise `ValueError` when the labels are fewer than two.
        """
        from integrations.models import training  # noqa: PLC0415 - scikit-learn takes seconds to load, only training needs it

        fit = training.fit(texts, labels, tags, groups, progress)
        return cls(fit.labels, fit.vocabulary, fit.weights, fit.bias, fit.temperature)

    def predict(self, texts: Sequence[str], tags: Tags | None = None) -> list[Prediction]:
        found: list[Prediction] = []
        while len(found) < len(texts):
            begin = end = len(found)
            chars = 0
            while end < len(texts) and end - begin < BATCH and (chars < BATCH_CHARS or end == begin):
                chars += min(len(texts[end]), MAX_CHARS)
                end += 1
            found += self.predict_grams(grams(texts[begin:end], tags[begin:end] if tags is not None else None))
        return found

    def predict_grams(self, batch: Grams) -> list[Prediction]:
        """As `predict`, for features that several classifiers share."""
        chances = softmax(self.vocabulary.rows(batch).times(self.weights, self.bias), self.temperature)
        order = np.argsort(-chances, axis=1, kind="stable")
        ranked = np.take_along_axis(chances, order, axis=1)
        found = []
        for places, values in zip(order.tolist(), ranked.tolist(), strict=True):
            alternatives = tuple((self.labels[place], value) for place, value in zip(places, values, strict=True))
            found.append(Prediction(*alternatives[0], alternatives))
        return found

    def save(self, path: Path) -> None:
        """Write whole or not at all: another process may read or write the same file."""
        about = json.dumps({"format": FORMAT, "labels": self.labels, "temperature": self.temperature})
        arrays: dict[str, Any] = {
            "about": np.frombuffer(about.encode(), dtype=np.uint8),
            "word_hashes": self.vocabulary.words.hashes,
            "word_idf": self.vocabulary.words.idf,
            "char_hashes": self.vocabulary.chars.hashes,
            "char_idf": self.vocabulary.chars.idf,
            "tag_hashes": self.vocabulary.tags.hashes,
            "tag_idf": self.vocabulary.tags.idf,
            "weights": self.weights,
            "bias": self.bias,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
            np.savez(file, **arrays)
        Path(file.name).replace(path)

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read what `save` wrote. Raise `ValueError` for anything else, `FileNotFoundError` where there is nothing."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                about = json.loads(arrays["about"].tobytes())
                loaded = cls(
                    labels=tuple(about["labels"]),
                    vocabulary=Vocabulary(
                        *(Block(arrays[f"{name}_hashes"], arrays[f"{name}_idf"]) for name in ("word", "char", "tag"))
                    ),
                    weights=arrays["weights"],
                    bias=arrays["bias"],
                    temperature=float(about["temperature"]),
                )
        except FileNotFoundError:
            raise
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not a saved classifier: {error}") from error
        if about.get("format") != FORMAT:
            raise ValueError(f"{path} was saved in format {about.get('format')!r}, this version reads {FORMAT}")
        if (
            loaded.weights.shape != (loaded.vocabulary.size, len(loaded.labels))
            or not np.isfinite(loaded.weights).all()
        ):
            raise ValueError(f"{path} is damaged: its weights do not fit its vocabulary")
        return loaded
