"""Identifiers come in the order in which they were made, whatever the clock does."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from workers.store.ids import first_id, made_at, new_id


def test_those_of_one_millisecond_follow_each_other(monkeypatch):
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)

    made = [new_id("step") for _ in range(2000)]

    assert made == sorted(set(made))


def test_a_clock_that_is_set_back_turns_no_order_round(monkeypatch):
    now = time.time_ns()
    before = new_id("step")
    monkeypatch.setattr(time, "time_ns", lambda: now - 3_600_000_000_000)

    assert new_id("step") > before


def test_an_id_says_when_it_was_made():
    earlier = datetime.now(UTC) - timedelta(milliseconds=2)
    made = new_id("case")

    assert first_id("case", earlier) < made < first_id("case", earlier + timedelta(seconds=60))
    assert abs(made_at(made) - datetime.now(UTC)) < timedelta(seconds=60)


def test_an_id_is_its_number_digit_by_digit_in_base_32():
    made = new_id("act").removeprefix("act_")

    assert len(made) == 26
    assert first_id("act", datetime.fromtimestamp(0, UTC)) == f"act_{'0' * 26}"
    assert first_id("act", datetime.fromtimestamp(1, UTC)) == "act_00000000z80000000000000000"
    assert first_id("act", datetime.fromtimestamp(1_700_000_000, UTC)) == "act_01hf7yat000000000000000000"
    assert made_at(f"act_{made[:10]}{'z' * 16}") == made_at(f"act_{made}")


def test_a_forked_process_draws_its_own_randomness():
    """Workers that are processes share a memory until they write: what was drawn before the fork is the parent's alone."""
    program = (
        "import os; from workers.store.ids import new_id; new_id('x'); r, w = os.pipe();\n"
        "if os.fork() == 0: os.write(w, new_id('x')[-16:].encode()); os._exit(0)\n"
        "os.wait(); print(os.read(r, 99).decode(), new_id('x')[-16:])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    child, parent = said.split()

    assert len(child) == len(parent) == 16
    assert child != parent
