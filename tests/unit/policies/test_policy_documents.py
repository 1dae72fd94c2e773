"""Policy YAML: what it means, what is refused, and where an editor is sent."""

from __future__ import annotations

import pytest

from policies import documents
from policies.documents import Document
from policies.errors import Problem


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("True", "True"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("012", "012"),
        ("12:30", "12:30"),
        (".nan", ".nan"),
        ("1e3", "1e3"),
        ("2026-11-20", "2026-11-20"),
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
        ('"1"', "1"),
        ("'true'", "true"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("-5", -5),
        ("0", 0),
        ("0.80", 0.8),
        ("[1, a]", [1, "a"]),
    ],
)
def test_a_value_means_what_a_reader_sees(written: str, meant: object) -> None:
    document = documents.parse("a.yaml", f"key: {written}\n")

    assert isinstance(document, Document)
    assert document.data == {"key": meant}
    assert type(document.data["key"]) is type(meant)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is there twice"),
        ("a:\n  b: {c: 1, c: 2}\n", 2, "'c' is there twice"),
        ("a: &x [1]\n", 1, "anchors"),
        ("a: 1\nb: *x\n", 2, "anchors"),
        ("a: 1\n---\nb: 2\n", 2, "one document"),
        ("a: !!python/name:os.system x\n", 1, "tags"),
        ("a: !!int '3'\n", 1, "tags"),
        ("a: [1\nb: 2\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("a: \x07\n", 1, "not YAML"),
        ("5: x\n", 1, "not text"),
        ("? [a]\n: x\n", 1, "not text"),
        ("- " * 100_000, 1, "nested deeper"),
        ("[" * 5_000, 1, "nested deeper"),
    ],
)
def test_what_could_mislead_a_reader_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    problem = documents.parse("a.yaml", text)

    assert isinstance(problem, Problem)
    assert (problem.file, problem.line) == ("a.yaml", line)
    assert message in problem.message


def test_a_problem_points_at_its_key_or_at_the_nearest_thing_that_is_there() -> None:
    document = documents.parse("a.yaml", "bundle: x\nrules:\n  - id: one\n    when: >-\n      true\n  - id: two\n")
    assert isinstance(document, Document)

    there = document.problem(("rules", 0, "when"), "m")
    missing = document.problem(("rules", 1, "message"), "m")

    assert str(there) == "a.yaml:4: rules[0].when: m"
    assert str(missing) == "a.yaml:6: rules[1].message: m"
