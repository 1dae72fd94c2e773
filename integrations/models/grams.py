"""Texts as hashed n-grams and tags, and those as weighted sparse rows: the features of the local classifier.

`classifier` and `training` call it. Everything is arithmetic on whole batches in numpy: character n-grams in plain Python
or in scikit-learn's analysers cost several times the classification itself. Features are 64-bit hashes instead of
strings, so a vocabulary is one sorted array that is saved and loaded without pickle. The same text must always give the
same features, on every machine and in every version: saved models depend on it.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

#: What a message is about stands in its first lines; the rest (quoted mail, logs, boilerplate) would only cost time.
MAX_CHARS: Final = 4_000
LONGEST_CHAR_GRAM: Final = 5
#: Two words count as a pair in either order up to this distance: "card … arrived" and "arrived … card" are one feature.
PAIR_DISTANCE: Final = 16
#: Relative weights of the blocks; measured by cross-validation.
WORD_WEIGHT: Final = np.float32(1.3)
TAG_WEIGHT: Final = np.float32(1.5)

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))
_PAIR_SEED: Final = np.uint64(0xD6E8FEB86659FD93)

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_URL = re.compile(r"(?:https?://|www\.)\S+")
_SPACE = re.compile(r"\s+")
_WORD_TABLE: Final = np.array([chr(code).isalnum() for code in range(0x10000)])


@dataclass(frozen=True, slots=True)
class Grams:
    """Hashed features of a batch: for each block the text and the hash of every occurrence."""

    texts: int
    words: tuple[Ints, Hashes]
    chars: tuple[Ints, Hashes]
    tags: tuple[Ints, Hashes]


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix by rows: row `i` holds `values[start[i]:start[i+1]]` in `columns[start[i]:start[i+1]]`."""

    start: Ints
    columns: Ints
    values: Floats

    def times(self, weights: Floats, bias: Floats) -> Floats:
        """The product with a dense matrix plus `bias`, a row at a time: the rows are short and gathering them is the cost."""
        product = np.tile(bias, (len(self.start) - 1, 1))
        start = self.start.tolist()
        for row, (begin, end) in enumerate(pairwise(start)):
            product[row] += self.values[begin:end] @ weights[self.columns[begin:end]]
        return product


def normalise(text: str) -> str:
    """The text as the features see it: folded, addresses as one word, one kind of space, the first `MAX_CHARS`."""
    folded = unicodedata.normalize("NFKC", text[: 2 * MAX_CHARS]).casefold().replace("\0", " ")
    if "@" in folded:
        folded = _EMAIL.sub(" emailaddress ", folded)
    if "://" in folded or "www." in folded:
        folded = _URL.sub(" webaddress ", folded)
    return _SPACE.sub(" ", folded).strip()[:MAX_CHARS]


def grams(texts: Sequence[str], tags: Sequence[Sequence[str]] | None = None) -> Grams:
    """The features of `texts`; `tags` are what else is known of each, symbols without an order."""
    joined = "".join(f" {normalise(text)} \0" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    separators = codes == 0
    # A separator counts towards the text after it, so a window that starts on a character and ends in the same text
    # cannot hold one.
    document = np.cumsum(separators, dtype=np.int64)
    chars = _chars(codes.astype(np.uint64), document, ~separators)
    return Grams(len(texts), _words(codes, document), chars, _tags(tags or ()))


def _mix(values: Hashes) -> Hashes:
    """SplitMix64's finaliser: spreads a polynomial hash over all 64 bits."""
    values = (values ^ (values >> _SHIFTS[0])) * _MIX_1
    values = (values ^ (values >> _SHIFTS[1])) * _MIX_2
    return values ^ (values >> _SHIFTS[2])


def _chars(codes: Hashes, document: Ints, inside: npt.NDArray[np.bool_]) -> tuple[Ints, Hashes]:
    documents, hashes = [], []
    rolling = codes
    for size in range(2, LONGEST_CHAR_GRAM + 1):
        rolling = rolling[:-1] * _GOLDEN + codes[size - 1 :]
        whole = inside[: len(rolling)] & (document[: len(rolling)] == document[size - 1 :])
        documents.append(document[: len(rolling)][whole])
        hashes.append(_mix(rolling[whole] + np.uint64(size)))
    return np.concatenate(documents), np.concatenate(hashes)


def _words(codes: npt.NDArray[np.uint32], document: Ints) -> tuple[Ints, Hashes]:
    letter = _WORD_TABLE[np.minimum(codes, 0xFFFF)]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], letter, [False])).astype(np.int8)))
    starts, lengths = edges[0::2], edges[1::2] - edges[0::2]
    if not len(starts):
        return np.empty(0, np.int64), np.empty(0, np.uint64)
    first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    position = np.arange(int(lengths.sum())) - np.repeat(first, lengths)
    powers = np.cumprod(np.full(int(lengths.max()), _GOLDEN))
    word = _mix(np.add.reduceat(codes[letter].astype(np.uint64) * powers[position], first))
    owner = document[starts]
    documents, hashes = [owner], [word]
    for distance in range(1, min(PAIR_DISTANCE, len(word) - 1) + 1):
        same = owner[:-distance] == owner[distance:]
        one, other = word[:-distance][same], word[distance:][same]
        documents.append(owner[:-distance][same])
        hashes.append(_mix(np.minimum(one, other) * _PAIR_SEED + np.maximum(one, other)))
    return np.concatenate(documents), np.concatenate(hashes)


def _tags(tags: Sequence[Sequence[str]]) -> tuple[Ints, Hashes]:
    """Each tag and each pair of tags: what two concepts mean together is often neither's meaning."""
    documents, hashes = [], []
    for document, found in enumerate(tags):
        known = sorted(_tag_hash(tag) for tag in set(found))
        pairs = [(one * 31 + other) & 0xFFFF_FFFF_FFFF_FFFF for one, other in combinations(known, 2)]
        documents += [document] * (len(known) + len(pairs))
        hashes += known + pairs
    return np.array(documents, dtype=np.int64), np.array(hashes, dtype=np.uint64)


@functools.cache
def _tag_hash(tag: str) -> int:
    return int.from_bytes(hashlib.blake2b(tag.encode(), digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class Block:
    """One block's vocabulary: sorted hashes with the inverse document frequency of each."""

    hashes: Hashes
    idf: Floats

    @classmethod
    def learn(cls, texts: int, block: tuple[Ints, Hashes], *, at_least: int = 1) -> Block:
        """Keep what occurs in `at_least` texts, weighted as in scikit-learn's smooth idf."""
        documents, hashes = block
        vocabulary, inverse = np.unique(hashes, return_inverse=True)
        # Sorted by hand: numpy's own `unique` of a million numbers goes through a hash table and takes ten times as long.
        seen = np.sort(inverse * np.int64(texts) + documents)
        first = np.concatenate((np.ones(min(len(seen), 1), dtype=bool), seen[1:] != seen[:-1]))
        frequency = np.bincount(seen[first] // max(texts, 1), minlength=len(vocabulary))
        kept = frequency >= at_least
        idf = np.log((1 + texts) / (1 + frequency[kept])) + 1
        return cls(vocabulary[kept], idf.astype(np.float32))

    def weigh(
        self, texts: int, block: tuple[Ints, Hashes], *, offset: int, scale: np.float32
    ) -> tuple[Ints, Ints, Floats]:
        """Each text's known features as (text, column, weight): sublinear counts times idf, length one times `scale`."""
        documents, hashes = block
        if not len(self.hashes) or not len(hashes):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        known = self.hashes[place] == hashes
        key, count = np.unique(documents[known] * np.int64(len(self.hashes)) + place[known], return_counts=True)
        owner, column = np.divmod(key, len(self.hashes))
        value = (1 + np.log(count.astype(np.float32))) * self.idf[column]
        norm = np.sqrt(np.bincount(owner, weights=value * value, minlength=texts)).astype(np.float32)
        return owner, column + offset, scale * value / norm[owner]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The features that a classifier knows, in columns: first words, then characters, then tags."""

    words: Block
    chars: Block
    tags: Block

    @classmethod
    def learn(cls, batch: Grams) -> Vocabulary:
        return cls(
            Block.learn(batch.texts, batch.words),
            # A character n-gram seen in one text is that text's spelling; leaving it out halves the size and costs nothing.
            Block.learn(batch.texts, batch.chars, at_least=2),
            Block.learn(batch.texts, batch.tags),
        )

    @property
    def size(self) -> int:
        return len(self.words.hashes) + len(self.chars.hashes) + len(self.tags.hashes)

    def rows(self, batch: Grams) -> Rows:
        parts = []
        offset = 0
        for block, found, scale in (
            (self.words, batch.words, WORD_WEIGHT),
            (self.chars, batch.chars, np.float32(1)),
            (self.tags, batch.tags, TAG_WEIGHT),
        ):
            parts.append(block.weigh(batch.texts, found, offset=offset, scale=scale))
            offset += len(block.hashes)
        owner, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(owner, kind="stable")
        start = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=batch.texts))))
        return Rows(start, columns[order], values[order])
