"""Where a service makes vectors, what is remembered gets them: wired from the environment, over true HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.errors import LeftAlone, Postponed, Temporary
from tests.servers.chat_api import ChatApi, Fault
from workers import wiring
from workers.memory import keeping
from workers.memory.embedding import embed_new
from workers.settings import Settings
from workers.store import schema
from workers.telemetry import metrics


@pytest.fixture
def service():
    with ChatApi() as server:
        yield server


def system_of(tmp_path, environment, **settings):
    return wiring.build(Settings(_env_file=None, data=tmp_path, log_level="ERROR", **settings), environment=environment)


def test_without_a_service_nothing_makes_vectors(tmp_path):
    system = system_of(tmp_path, {})

    assert system.embedder is None
    system.close()


def test_a_memory_s_text_is_sent_without_the_address_in_it_and_its_vector_is_kept(tmp_path, service):
    environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": service.url, "OPENAI_EMBEDDING_MODEL": "text-embedding-x"}
    system = system_of(tmp_path, environment)
    schema.upgrade(system.db)
    with system.db.write() as tx:
        keeping.note(
            tx,
            ("customer", "ana@example.com"),
            "Writes from ana.other@example.com too",
            by="person:p1",
            now=datetime.now(UTC),
        )

    kept = embed_new(system.db, system.embedder)

    assert kept == 1
    assert "ana.other@example.com" not in str(service.embedded)
    assert "Writes from" in str(service.embedded)
    system.close()


def test_where_some_data_must_stay_in_the_house_nothing_is_sent_for_vectors(tmp_path, service):
    environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": service.url, "OPENAI_EMBEDDING_MODEL": "text-embedding-x"}
    system = system_of(tmp_path, environment, data_classes="zendesk=restricted")

    assert system.embedder is None
    system.close()


def test_a_service_of_vectors_is_called_as_seldom_and_left_alone_as_any_other(tmp_path, service):
    environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": service.url, "OPENAI_EMBEDDING_MODEL": "text-embedding-x"}
    limited = system_of(tmp_path / "limited", environment, vendor_limits="openai=1/h")
    schema.upgrade(limited.db)
    limited.embedder.embed(["a question"])
    with pytest.raises(Postponed, match=r"as often as it may be \(1/h\)"):
        limited.embedder.embed(["another"])
    limited.close()

    failing = system_of(tmp_path / "failing", environment)
    schema.upgrade(failing.db)
    service.faults += [Fault(500)] * 5
    for _ in range(5):
        with pytest.raises(Temporary, match="not available"):
            failing.embedder.embed(["a question"])
    with pytest.raises(LeftAlone):
        failing.embedder.embed(["a question"])
    failing.close()


def test_what_vectors_used_is_among_the_metrics(tmp_path, service):
    environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": service.url, "OPENAI_EMBEDDING_MODEL": "text-embedding-x"}
    system = system_of(tmp_path, environment)
    schema.upgrade(system.db)
    labels = {"provider": "openai", "model": "vectors", "outcome": "ok"}
    before = metrics.REGISTRY.get_sample_value("caseworker_model_calls_total", labels) or 0

    system.embedder.embed(["a question"])

    assert metrics.REGISTRY.get_sample_value("caseworker_model_calls_total", labels) == before + 1
    system.close()
