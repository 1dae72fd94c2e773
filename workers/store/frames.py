"""Bytes packed by Zstandard with words that most of them are made of, as many at a call as there are.

`zlib` lets go of the interpreter twice for each text, and with busy threads beside it each time is somebody else's turn; a whole
list is packed here in one go, in a fifth of the time and to less. Words are a file of their own, `words/<number>.dict`: texts, and
before them how often what follows what, in Zstandard's own form. It is never changed: what was packed with it could not be read
again. Called by `packing`, which knows all numbers, and by whoever packs many at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import zstandard
from zstandard import (
    DICT_TYPE_FULLDICT,
    FORMAT_ZSTD1_MAGICLESS,
    ZstdCompressionDict,
    ZstdCompressionParameters,
    ZstdCompressor,
    ZstdDecompressor,
    ZstdError,
)

#: numbers from here on are words for this; those below are `zlib`'s
FROM = 16
WORDS = Path(__file__).parent / "words"
#: how it looks for what was there before. Its tables are small enough to be found in the processor's caches each time; larger ones
#: save two bytes of a hundred and take thrice as long where there is other work in between.
_LEVEL = 3
_SEARCH = {"min_match": 4, "hash_log": 12, "chain_log": 12}
#: so many bytes at most come of one: a frame that says more is none
_MOST_OF_A_BYTE = 1 << 15
#: PyPy's backend packs one by one
_AT_ONCE = "multi_compress_to_buffer" in zstandard.backend_features


def packed(texts: Sequence[bytes], number: int) -> list[bytes]:
    """Texts, none of them empty, as a column of bytes keeps them, in their order: the words' number, then what is packed."""
    words = _words(number)
    sign = b"%c" % number
    packer = words.packer()
    try:
        if _AT_ONCE and len(texts) > 1:
            frames = packer.multi_compress_to_buffer(list(texts))
            return [sign + frames[n].tobytes() for n in range(len(frames))]
        return [sign + packer.compress(text) for text in texts]
    finally:
        words.packers.append(packer)


def unpacked(frame: bytes, number: int) -> bytes:
    """What was packed, of what stands after the number. Raise `ValueError` for what nobody packed."""
    words = _words(number)
    opener = words.opener()
    try:
        # Who opens it makes room for as much as it says.
        size = zstandard.get_frame_parameters(frame, FORMAT_ZSTD1_MAGICLESS).content_size
        if size > len(frame) * _MOST_OF_A_BYTE:
            raise ValueError(f"this is no packed record: {number}:{frame[:30]!r}")
        return opener.decompress(frame, allow_extra_data=False)
    except ZstdError as error:
        raise ValueError(f"this is no packed record: {number}:{frame[:30]!r}") from error
    finally:
        words.openers.append(opener)


class _Words:
    """Words made ready, and the packers and openers at rest: each serves one thread at a time."""

    def __init__(self, number: int) -> None:
        text = (WORDS / f"{number}.dict").read_bytes()
        self._dictionary = ZstdCompressionDict(text, dict_type=DICT_TYPE_FULLDICT)
        # What each frame of ours would say alike is left out: that it is one, and with which words it was packed.
        self._form = ZstdCompressionParameters.from_level(
            _LEVEL, format=FORMAT_ZSTD1_MAGICLESS, write_content_size=1, write_checksum=0, write_dict_id=0, **_SEARCH
        )
        self._dictionary.precompute_compress(compression_params=self._form)
        self.packers: list[ZstdCompressor] = []
        self.openers: list[ZstdDecompressor] = []
        # The opening side is made ready with the first frame, which nobody else has yet.
        self.opener().decompress(self.packer().compress(text))

    def packer(self) -> ZstdCompressor:
        try:
            return self.packers.pop()
        except IndexError:
            return ZstdCompressor(dict_data=self._dictionary, compression_params=self._form)

    def opener(self) -> ZstdDecompressor:
        try:
            return self.openers.pop()
        except IndexError:
            return ZstdDecompressor(dict_data=self._dictionary, format=FORMAT_ZSTD1_MAGICLESS)


@cache
def _words(number: int) -> _Words:
    """Raise `ValueError` where there are none of this number."""
    try:
        return _Words(number)
    except FileNotFoundError as error:
        raise ValueError(f"there are no words for this packed record: {number}") from error
