"""A bundle whose shape is wrong is told with everything else that is wrong, in it and beside it, and with nothing that is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies import loader
from policies.errors import PolicyError

PLATFORM = """\
bundle: platform
version: {version}
layer: platform
enforcement: enforce
roles: [lead]
actions: [refund_payment]
rules:
  - {{id: none, actions: [refund_payment], when: "amount_minor < 0", outcome: deny, message: "None"}}
"""
HOUSE = """\
bundle: house
version: 1
layer: org
enforcement: enforce
rules:
  - id: asked
    actions: [refund_payment]
    when: "amount_minor > 5"
    outcome: review
    approvers: [{role: lead}]
    message: "{amount}"
"""
WRONG = """\
bundle: wrong
version: 1
layer: org
enforcement: enforce
rules:
  - id: a
    actions: [refund_payment]
    when: "amount_minr > 5"
    outcome: maybe
    message: "{amout} is much"
  - id: b
    actions: [refund_payment]
    when: 'amount_minor > "x"'
    outcome: review
    message: Fine
  - 5
"""


def told(files):
    return [(problem.file, problem.path) for problem in loader.examine(files).problems]


def test_conditions_and_messages_are_checked_though_the_shape_is_wrong() -> None:
    files = {"platform.yaml": PLATFORM.format(version=1), "wrong.yaml": WRONG}

    assert sorted(told(files)) == [
        ("wrong.yaml", "rules[0].message"),
        ("wrong.yaml", "rules[0].outcome"),
        ("wrong.yaml", "rules[0].when"),
        ("wrong.yaml", "rules[1].when"),
        ("wrong.yaml", "rules[2]"),
    ]


def test_others_are_not_blamed_for_what_a_misshapen_bundle_declares() -> None:
    files = {"platform.yaml": PLATFORM.format(version="three"), "house.yaml": HOUSE}

    assert told(files) == [("platform.yaml", "version")]


@pytest.mark.parametrize(
    "said", ["5", "[1, 2]", "{rules: 5}", "{rules: [{when: 5, message: [a]}], roles: 5, actions: [5]}"]
)
def test_whatever_a_file_says_it_is_a_problem_and_no_crash(said: str) -> None:
    assert loader.examine({"a.yaml": said}).policy is None


def test_a_folder_that_is_not_there_is_told_from_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no such directory"):
        loader.load(tmp_path / "nowhere")
    with pytest.raises(PolicyError, match="in this directory"):
        loader.load(tmp_path)
