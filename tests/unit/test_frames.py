"""Many texts are packed at one call, come out as they went in, and nothing else is taken for one of them."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.store import frames, packing

NUMBER = packing.OF_EVENTS
TEXTS = [
    b'{"id": "evt_%d", "type": "ticket.created", "text": "My tent arrived broken."}' % n * (n + 1) for n in range(40)
]


def opened(stored):
    assert stored[0] == NUMBER
    return frames.unpacked(stored[1:], NUMBER)


@given(st.lists(st.binary(min_size=1)))
def test_each_comes_out_as_it_went_in_and_in_its_place(texts):
    assert [opened(one) for one in frames.packed(texts, NUMBER)] == texts


@pytest.mark.parametrize("size", [1, 255, 256, 65_791, 65_792, 5_000_000])
def test_every_size_comes_out_as_it_went_in(size):
    text = (b"My tent arrived broken. " * (size // 24 + 1))[:size]

    assert opened(frames.packed([text], NUMBER)[0]) == text


def test_together_or_one_by_one_is_the_same_to_the_byte(monkeypatch):
    """Where the interpreter has no call for many at once, they are packed one after the other."""
    together = frames.packed(TEXTS, NUMBER)
    monkeypatch.setattr(frames, "_AT_ONCE", False)

    assert frames.packed(TEXTS, NUMBER) == together


def test_what_was_packed_by_the_first_version_is_read():
    stored = bytes.fromhex("10204ce5000050304d792074656e2e227d05fce4904040c1268da166596674f0a303")

    assert opened(stored) == TEXTS[0]


def test_the_words_make_it_short():
    assert len(frames.packed([TEXTS[0]], NUMBER)[0]) * 3 < len(TEXTS[0]) * 2


@given(st.binary())
def test_what_nobody_packed_is_refused_or_at_least_no_larger_than_it_can_be(anything):
    """Random bytes may be a frame by chance. What says that it is huge gets no room."""
    try:
        found = frames.unpacked(anything, NUMBER)
    except ValueError:
        return
    assert len(found) <= len(anything) << 15


@pytest.mark.parametrize("missing", [1, 5])
def test_what_is_not_whole_or_has_something_behind_it_is_refused(missing):
    stored = frames.packed([TEXTS[3]], NUMBER)[0][1:]

    for changed in (stored[:-missing], stored + b"\0" * missing):
        with pytest.raises(ValueError, match="no packed record"):
            frames.unpacked(changed, NUMBER)


def test_what_says_that_it_is_huge_is_refused():
    # One segment, a size of eight bytes.
    with pytest.raises(ValueError, match="no packed record"):
        frames.unpacked(b"\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\0\0" * 5, NUMBER)


def test_words_that_are_not_there_are_no_words():
    with pytest.raises(ValueError, match="packed record"):
        frames.unpacked(b"AAAA", 99)


def test_threads_beside_each_other_pack_and_read_each_its_own():
    wrong = []

    def work(mine):
        read = [[opened(one) for one in frames.packed(mine, NUMBER)] for _ in range(50)]
        wrong.extend(one for one in read if one != mine)

    threads = [threading.Thread(target=work, args=(TEXTS[n : n + 5],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
