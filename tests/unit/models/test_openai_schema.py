"""Output types as strict schemas: everything that the subset can say, and a plain no for what it cannot."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from integrations.models.openai.schema import NotStrict, in_strict, response_format
from workers.agents.base import draft_type
from workers.agents.roster import AGENTS


class Inner(BaseModel):
    """What it is."""

    name: str = Field(min_length=1, max_length=40)
    kind: Literal["a", "b"] = "a"


class Outer(BaseModel):
    inner: Inner
    more: list[Inner] = Field(default_factory=list, max_length=3)
    share: float = Field(ge=0, le=1)
    note: str | None = None
    fixed: Literal["only"]


def test_every_object_is_closed_and_every_field_required():
    made = in_strict(Outer.model_json_schema())

    assert made["required"] == ["inner", "more", "share", "note", "fixed"]
    assert made["additionalProperties"] is made["$defs"]["Inner"]["additionalProperties"] is False
    assert made["$defs"]["Inner"]["required"] == ["name", "kind"]
    assert made["properties"]["inner"] == {"$ref": "#/$defs/Inner"}
    assert made["properties"]["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert made["properties"]["fixed"] == {"enum": ["only"], "type": "string"}


def test_bounds_are_told_in_words():
    made = in_strict(Outer.model_json_schema())

    assert made["properties"]["share"] == {"type": "number", "description": "minimum: 0; maximum: 1"}
    assert made["$defs"]["Inner"]["properties"]["name"]["description"] == "minLength: 1; maxLength: 40"
    assert made["$defs"]["Inner"]["description"] == "What it is."


@pytest.mark.parametrize("kind", [dict[str, int], dict[str, Any], Any, list[Any], list, tuple[int, str]])
def test_what_has_no_fixed_form_is_not_strict(kind):
    made = type("Loose", (BaseModel,), {"__annotations__": {"value": kind}})

    with pytest.raises(NotStrict):
        in_strict(made.model_json_schema())
    assert response_format(made)["json_schema"]["strict"] is False


@pytest.mark.parametrize("agent", AGENTS.values(), ids=lambda agent: agent.domain)
def test_the_forms_of_the_house_hold_no_word_that_the_subset_lacks(agent):
    for output in (agent.triage, draft_type(agent.kinds)):
        form = response_format(output)["json_schema"]
        if form["strict"]:
            known = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "description"}
            assert words(form["schema"]) <= known | {"$defs", "$ref"}


def words(schema):
    found = set()
    for name, value in schema.items():
        found.add(name)
        if name in ("properties", "$defs"):
            for one in value.values():
                found |= words(one)
        elif name == "anyOf":
            for one in value:
                found |= words(one)
        elif name == "items":
            found |= words(value)
    return found
