"""The routing file is read as a whole: what is wrong in it is told with its place, all at once, before anything is served."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from integrations.models.base import About
from integrations.models.routing import SHIPPED, TASKS, Route, RoutingError, When, load

PROVIDERS = ("anthropic", "local", "openai")


@pytest.fixture
def problems(tmp_path):
    """What loading this text complains of."""

    def complain(text):
        path = tmp_path / "models.yaml"
        path.write_text(text)
        with pytest.raises(RoutingError) as raised:
            load(path, providers=PROVIDERS)
        return raised.value.problems

    return complain


def routes(*given):
    return yaml.safe_dump({"version": 1, "tasks": {"draft": list(given)}})


def test_the_shipped_file_serves_every_task_and_names_no_model():
    routing = load(SHIPPED, providers=PROVIDERS)

    assert set(routing.tasks) == set(TASKS)
    assert {route.model for found in routing.tasks.values() for route in found} == {None}
    for task in ("triage", "draft"):
        assert routing.tasks[task][-1].provider == "local"
        assert routing.tasks[task][-1].last_resort


def test_the_example_of_the_manual_is_a_file_that_loads(tmp_path):
    page = (Path(__file__).parents[3] / "docs/models.md").read_text()
    path = tmp_path / "models.yaml"
    path.write_text(re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)[0])

    routing = load(path, providers=PROVIDERS)

    assert [len(routes) for routes in routing.tasks.values()] == [3, 3]


def test_the_manual_explains_every_word_of_a_route():
    page = (Path(__file__).parents[3] / "docs/models.md").read_text()

    assert [word for word in (*Route.model_fields, *When.model_fields, *TASKS) if f"`{word}`" not in page] == []


def test_every_problem_is_told_at_once_with_its_place(problems):
    text = """
version: 1
tasks:
  draft:
    - provider: antropic
    - provider: openai
      when: {langauge: en, max_chars: -3}
      timeout: 0
    - provider: openai
      model: prefix-${OPENAI_MODEL}
      when: {data_class: {without: payment}}
  drafting:
    - provider: local
"""

    told = "\n".join(problems(text))

    assert "tasks.draft[0].provider: unknown provider 'antropic'; known are anthropic, local, openai" in told
    assert "tasks.draft[1].when.langauge: unknown condition; known are domain, source, language" in told
    assert "tasks.draft[1].when.max_chars: Input should be greater than or equal to 1" in told
    assert "tasks.draft[1].timeout: Input should be greater than 0" in told
    assert "tasks.draft[2].model: a name, or ${VARIABLE} alone" in told
    assert "tasks.draft[2].when.data_class.without: unknown; known are in, not_in, only" in told
    assert "tasks.drafting: unknown task; known are triage, extract, plan" in told
    assert len(told.splitlines()) == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\ntasks: {draft: [}", "expected"),
        ("version: 2\ntasks: {}", "version: Input should be 1"),
        ("tasks: {}", "version: Field required"),
        ("- a list", "the file: Input should be a valid dictionary"),
        ("version: 1\ntasks: {}\nmodels: {}", "models: unknown word; known are version, tasks"),
        ("version: 1\ntasks: {draft: []}\ntasks: {}", "'tasks' stands here twice"),
        (routes({"provider": "local", "last": True}), "tasks.draft[0].last: unknown word; known are provider, model"),
        (routes({"provider": "openai", "timeout": 5, "hedge_after": 5}), "hedge_after is not below timeout"),
        (routes({"provider": "openai", "when": {"min_chars": 9, "max_chars": 8}}), "min_chars is above max_chars"),
        (routes({"provider": "openai", "when": {"domain": []}}), "tasks.draft[0].when.domain"),
        (routes({"provider": "openai", "on_refusal": "again"}), "Input should be 'person' or 'next'"),
        (routes({"provider": "local"}, {"provider": "local"}), "on the same conditions, as tasks.draft[0]"),
    ],
)
def test_what_cannot_be_meant_is_refused(problems, text, told):
    assert any(told in problem for problem in problems(text)), problems(text)


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path):
    with pytest.raises(RoutingError, match=r"nowhere\.yaml has a problem: it cannot be read.*CASEWORKER_MODELS_FILE"):
        load(tmp_path / "nowhere.yaml", providers=PROVIDERS)


def test_a_model_is_named_by_the_file_the_environment_or_the_provider(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text(
        routes(
            {"provider": "openai", "model": "m-1"}, {"provider": "openai", "model": "${SMALL}"}, {"provider": "openai"}
        )
    )

    fixed, referred, own = load(path, providers=PROVIDERS).tasks["draft"]

    assert [route.variable() for route in (fixed, referred, own)] == [None, "SMALL", None]
    assert [route.named({"SMALL": "m-2"}) for route in (fixed, referred, own)] == ["m-1", "m-2", None]
    assert referred.named({}) is None


ABOUT = About(
    source="zendesk", language="de-AT", tier="Gold", urgent=True, data_classes=frozenset({"personal", "payment"})
)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"domain": "support"}, True),
        ({"domain": ["content", "support"]}, True),
        ({"domain": "content"}, False),
        ({"source": "zendesk"}, True),
        ({"source": "github"}, False),
        ({"language": ["de", "fr"]}, True),
        ({"language": "en"}, False),
        ({"tier": "gold"}, True),
        ({"tier": "silver"}, False),
        ({"urgent": True}, True),
        ({"urgent": False}, False),
        ({"max_chars": 1000}, True),
        ({"max_chars": 999}, False),
        ({"min_chars": 1000}, True),
        ({"min_chars": 1001}, False),
        ({"data_class": {"in": "payment"}}, True),
        ({"data_class": {"in": ["health"]}}, False),
        ({"data_class": {"not_in": ["health"]}}, True),
        ({"data_class": {"not_in": ["payment"]}}, False),
        ({"data_class": {"only": ["payment", "personal", "public"]}}, True),
        ({"data_class": {"only": ["public", "personal"]}}, False),
        ({"domain": "support", "language": "en"}, False),
    ],
)
def test_all_conditions_of_a_route_must_hold(when, holds):
    assert When.model_validate(when).holds("support", ABOUT, lambda: 1000) is holds


@pytest.mark.parametrize(
    ("language", "wanted", "holds"),
    [
        ("en-GB", "en-GB", True),
        ("en_gb", "en-GB", True),
        ("EN", "en", True),
        ("en", "EN", True),
        ("en-US", "en-GB", False),
        ("en", "en-GB", False),
        ("enm", "en", False),
        ("", "und", True),
    ],
)
def test_a_language_is_the_same_however_it_is_written(language, wanted, holds):
    assert When.model_validate({"language": wanted}).holds("support", About(language=language), lambda: 0) is holds


def test_what_may_only_hold_certain_data_is_refused_where_nobody_knows_the_data():
    assert not When.model_validate({"data_class": {"only": "public"}}).holds("support", About(), lambda: 0)


def test_the_material_is_measured_only_where_its_size_matters():
    def never():
        raise AssertionError("measured")

    assert When.model_validate({"domain": "support"}).holds("support", ABOUT, never)


def test_conditions_are_told_in_words():
    when = When.model_validate({"language": ["de", "fr"], "urgent": True, "data_class": {"not_in": "payment"}})

    assert when.told() == "language de or fr, urgent true, data_class not_in payment"
    assert When.model_validate({"budget_left_usd_at_least": 0.1}).budget_left_usd_at_least == Decimal("0.1")
