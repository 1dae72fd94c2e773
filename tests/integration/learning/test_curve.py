"""A systematic mistake that an operator keeps correcting is no longer made; where nothing is learned, it stays."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from benchmarks.learning_bench import school
from benchmarks.learning_bench.plot import draw
from workers.lessons.habits import LEAST

DRAFTS, SEED = 20, 3


def test_the_local_model_stops_making_the_mistake_and_spoils_nothing(tmp_path):
    curve = school.local(tmp_path, drafts=DRAFTS, seed=SEED)

    assert curve.mistakes[:LEAST] == [True] * LEAST
    assert not any(curve.mistakes[LEAST + 2 :])
    assert curve.spoilt == 0


def test_without_learning_it_is_made_for_ever(tmp_path):
    assert school.local(tmp_path, drafts=LEAST + 4, seed=SEED, taught=False).rates() == [1.0, 1.0]


def test_the_right_examples_reach_a_large_models_prompt(tmp_path):
    """Through the SDK over HTTP. The server imitates a model that follows what two of them say."""
    curve = school.remote(tmp_path, drafts=DRAFTS, seed=SEED)

    assert curve.mistakes[0]
    assert not any(curve.mistakes[5:])
    assert curve.spoilt == 0


def test_the_picture_has_a_line_for_each_pupil():
    curves = [school.Curve(name, [True] * 10 + [False] * 10) for name in ("one", "two & three")]

    lines = ET.fromstring(draw(curves, seed=1)).findall("{http://www.w3.org/2000/svg}polyline")

    assert len(lines) == 2
