"""The JSON Schema for editors takes what the loader takes, and underlines what one file alone shows to be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from policy_making import bundle, rule

from policies import documents, loader
from policies.documents import Document
from policies.schema import File, schema
from policies.types import Facts

SHIPPED = sorted(loader.SHIPPED.glob("*.yaml"))


def validator(file: File) -> Draft202012Validator:
    made = schema(file)
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


def wrong(file: File, data: Any) -> list[str]:
    return [error.json_path for error in validator(file).iter_errors(data)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_files_are_right(path: Path) -> None:
    read = documents.parse(path.name, path.read_text(encoding="utf-8"))

    assert isinstance(read, Document)
    assert wrong("test" if path.name.endswith(loader.TEST_SUFFIX) else "bundle", read.data) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"outcome": "alow"}, "$.rules[0].outcome"),
        ({"actions": "refund_payment"}, "$.rules[0].actions"),
        ({"aprovers": []}, "$.rules[0]"),
        ({"exclude": ["author"]}, "$.rules[0].exclude[0]"),
        ({"obligations": [{"minutes": 5}]}, "$.rules[0].obligations[0]"),
        ({"canary": 101}, "$.rules[0].canary"),
        ({"stages": [[]]}, "$.rules[0].stages[0]"),
    ],
)
def test_what_is_wrong_is_underlined(changes: dict[str, Any], path: str) -> None:
    said = rule("look", "review") | changes

    assert [found for found in wrong("bundle", bundle("platform", said)) if found.startswith(path)]
    assert wrong("bundle", bundle("platform", rule("look", "review"))) == []


def test_the_facts_of_tests_are_completed_and_checked() -> None:
    test = {"name": "no", "facts": {"amount_minor": "2"}, "expect": {"outcome": "deny"}}
    suite = {"bundle": "platform", "given": {"amont": 5}, "groups": [{"about": "all", "tests": [test]}]}

    assert sorted(wrong("test", suite)) == ["$.given", "$.groups[0].tests[0].facts.amount_minor"]
    assert set(schema("test")["$defs"]["Facts"]["properties"]) == set(Facts.model_fields)
