"""docs/writing-a-policy.md is true: its ten examples load with their tests, its facts are the facts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policies import loader
from policies.cel import Environment, Refused
from policies.types import Facts

PAGE = (Path(loader.__file__).parents[1] / "docs" / "writing-a-policy.md").read_text(encoding="utf-8")


EXAMPLES = {
    title: re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    for title, text in re.findall(r"^### (\d+\. .*?)\n(.*?)(?=^### |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


def files(title: str) -> dict[str, str]:
    rules, tests = EXAMPLES[title]
    [name] = re.findall(r"^bundle: (.*)$", rules, re.MULTILINE)
    return {f"{name}.yaml": rules, f"{name}.test.yaml": tests}


def test_there_are_ten_examples() -> None:
    assert len(EXAMPLES) == 10


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_of_the_page_loads_with_its_tests_beside_the_shipped_bundles(title: str) -> None:
    made = loader.loads({**loader.read(loader.SHIPPED), **files(title)})

    assert len(made.bundles) == len(list(loader.SHIPPED.glob("*.test.yaml"))) + 1


def test_all_examples_stand_beside_each_other() -> None:
    everything = {name: text for title in EXAMPLES for name, text in files(title).items()}

    assert loader.loads({**loader.read(loader.SHIPPED), **everything}).rules


def test_the_conditions_that_the_page_recommends_compile_and_those_it_warns_of_do_not() -> None:
    environment = Environment(Facts)
    table = PAGE.split("| write | for |")[1].split("\n\n")[0]

    recommended = [
        condition for row in table.splitlines()[2:] for condition in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]

    assert len(recommended) == 6
    for condition in recommended:
        assert environment.compile(condition.replace(r"\|", "|")).facts
    with pytest.raises(Refused):
        environment.compile("triage_confidence > 1")


def test_the_page_lists_every_fact_and_no_other() -> None:
    table = PAGE.split("| about | facts |")[1].split("\n\n")[0]

    assert sorted(re.findall(r"`(\w+)`", table)) == sorted(Facts.model_fields)
