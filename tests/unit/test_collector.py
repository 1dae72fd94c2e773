"""What a process starts with is not collected; what it works with is, whatever became of the start."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from tests.architecture.source import ROOT
from workers.collector import uncollected


@pytest.fixture
def as_before():
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.enable()
    gc.unfreeze()


def test_within_the_block_nothing_is_collected_and_after_it_everything_new(as_before):
    with uncollected("a test"):
        assert not gc.isenabled()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_after_it_the_collector_comes_seldom_and_still_comes(as_before):
    class Ring:
        def __init__(self) -> None:
            self.me = self

    with uncollected("a test of rings"):
        pass
    every = gc.get_threshold()[0]
    known = weakref.ref(Ring())
    kept = [[] for _ in range(2 * every)]

    assert every > 700
    assert known() is None
    assert len(kept) == 2 * every


def test_after_a_start_that_failed_too(as_before):
    with pytest.raises(RuntimeError), uncollected("a test that fails"):
        raise RuntimeError

    assert gc.isenabled()


def test_a_second_time_it_collects_as_ever(as_before):
    for _ in range(2):
        with uncollected("a test of two"):
            ran_uncollected = not gc.isenabled()

    assert not ran_uncollected


def test_every_command_ends_with_the_collector_at_work():
    ask = "import gc; from workers.cli import app; app(['doctor', '--help'], standalone_mode=False); print(gc.isenabled())"
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True, text=True, cwd=ROOT)

    assert said.stdout.splitlines()[-1] == "True"
