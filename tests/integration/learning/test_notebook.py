"""A process reads what was decided once in a while, goes on without it where it must, and has labels learned anew in lots."""

from __future__ import annotations

import threading
from dataclasses import asdict

import pytest

from integrations.models.base import ModelRequest
from tests.kit.engine import ScriptedModel, TinyTriage
from tests.unit.lessons.test_habits import many, team
from workers.lessons import notebook as notebooks
from workers.lessons.notebook import Notebook
from workers.lessons.taught import TaughtModel, teach
from workers.store import examples
from workers.store.database import Database
from workers.store.schema import upgrade


@pytest.fixture
def db(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'notes.db'}")
    upgrade(made)
    yield made
    made.dispose()


def keep(db, rows):
    with db.write() as tx:
        examples.add(tx, [asdict(row) for row in rows])


class Watch:
    now = 0.0

    def __call__(self):
        return self.now


def test_it_is_read_again_only_after_a_while(db):
    watch = Watch()
    notes = Notebook(db, fresh_seconds=60, monotonic=watch)
    assert not notes.of("support").habits
    keep(db, many(12, team("support"), team("returns")))

    watch.now = 59
    early = notes.of("support")
    watch.now = 61
    late = notes.of("support")

    assert (len(early.examples), len(late.examples), len(late.habits)) == (0, 12, 1)


def test_what_one_domain_learned_another_does_not_know(db):
    keep(db, many(12, team("support"), team("returns")))

    assert Notebook(db).of("content").examples == []


def test_a_database_that_is_away_holds_up_nobody(tmp_path):
    """The tables are not even there; what was known is what is known."""
    missing = Database(f"sqlite:///{tmp_path / 'nowhere' / 'notes.db'}")
    (tmp_path / "nowhere").rmdir()

    assert Notebook(missing).of("support").examples == ()
    missing.dispose()


def test_labels_are_learned_anew_when_a_lot_of_decisions_came_in(db):
    learned = threading.Event()
    notes = Notebook(db, retrain=learned.set, fresh_seconds=0)
    keep(db, many(5, team("support"), team("support")))
    notes.of("support")
    keep(db, many(notebooks.LEARNING_LOT + 4, team("support"), team("support")))
    notes.of("support")
    assert not learned.is_set(), "one is missing to a lot"

    keep(db, many(notebooks.LEARNING_LOT + 5, team("support"), team("support")))
    notes.of("support")

    assert learned.wait(60)


def test_a_training_that_fails_ends_nothing(db):
    failed = threading.Event()

    def retrain():
        failed.set()
        raise ValueError("fewer than two labels")

    notes = Notebook(db, retrain=retrain, fresh_seconds=0)
    notes.of("support")
    keep(db, many(notebooks.LEARNING_LOT, team("support"), team("support")))
    notes.of("support")
    assert failed.wait(60)

    assert len(notes.of("support").examples) == notebooks.LEARNING_LOT


def request(task="draft"):
    return ModelRequest(domain="support", task=task, instructions="", material=(), output=TinyTriage)


def test_the_model_is_found_behind_what_is_around_it(db):
    """What retrains, and whatever else a model can do, stays reachable."""
    model = ScriptedModel()
    model.retrain = lambda: None

    taught = teach(model, db)

    assert (taught.provider, taught.name, taught.uses_tools) == ("scripted", "script-1", False)
    assert taught.retrain is model.retrain


def test_only_drafts_are_taught_and_where_nothing_was_learned_the_request_is_the_same(db):
    model = ScriptedModel()
    taught = TaughtModel(model, Notebook(db, fresh_seconds=0))
    asked = request(task="triage")
    plain = request()
    taught.answer(asked)
    model.drafts = [[]]
    assert taught._taught(plain) is plain

    keep(db, many(12, team("support"), team("returns")))
    names = [piece.name for piece in taught._taught(plain).material]

    assert model.asked[0] is asked
    assert names == ["corrections"]
    assert taught._taught(request(task="triage")).material == ()
