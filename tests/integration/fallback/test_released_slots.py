"""As a worker is wired: whoever waits for two models at once, or for look-ups made at the same time, lets another case be worked on."""

from __future__ import annotations

import pytest

from integrations.base import Record
from integrations.models.base import About, ModelRequest
from tests.kit.engine import SURE, TinyTriage, call, make_engine
from tests.kit.looking import looking, lookup
from tests.servers.messages_api import MessagesApi
from workers import wiring
from workers.settings import Settings
from workers.work_slots import SLOTS

HEDGED = "version: 1\ntasks:\n  triage: [{provider: anthropic, hedge_after: 30}]\n"


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.close()


def test_an_urgent_question_that_may_be_put_to_two(tmp_path):
    own = tmp_path / "models.yaml"
    own.write_text(HEDGED)
    with MessagesApi() as api:
        env = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_MODEL": "m", "ANTHROPIC_BASE_URL": api.url}
        settings = Settings(_env_file=None, data=tmp_path, models_file=own, log_level="ERROR")
        system = wiring.build(settings, environment=env)
        slots, free = system.guards.slots, []

        def said(_request):
            free.append(slots._free)
            return SURE

        api.answer(said)
        asked = ModelRequest("support", "triage", "Sort it.", (), TinyTriage, about=About(urgent=True))
        with slots.hold():
            assert system.model.answer(asked).output.intent == SURE["intent"]
        system.close()

    assert free == [SLOTS]


def test_look_ups_that_a_draft_makes_at_the_same_time(engine):
    slots, free = engine.system.guards.slots, []

    def read(_inquiry, _wanted):
        free.append(slots._free)
        return [Record("house:page:1", "page", "A page", {}, "", trusted=False)]

    looking(engine, [call("this", id="1"), call("that", id="2")], lookups=[lookup("this", read), lookup("that", read)])
    engine.event()
    with slots.hold():
        engine.drain()

    assert free == [SLOTS, SLOTS]
