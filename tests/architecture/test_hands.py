"""Thinking and doing are apart: who may as much as name the objects that change the outside world."""

import ast

from tests.architecture.source import PACKAGES, name, python_files, tree

#: makes them, hands them on, uses them
HOLDERS = {
    "integrations/registry.py",
    "workers/wiring.py",
    "workers/tasks.py",
    "workers/execute.py",
}
#: start the process that holds them
STARTERS = {"workers/embedded.py", "workers/cli/worker.py", "workers/celery_worker.py"}


def names(path):
    """Every name that a module uses, as such or as an attribute."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2]


def test_only_the_way_to_execute_names_writers():
    named = {name(path) for path in python_files(*PACKAGES) if {"Writers", "writers", "hands"} & set(names(path))}

    assert named == HOLDERS | STARTERS


def test_writer_protocols_are_named_by_the_catalogue_alone():
    named = {name(path) for path in python_files("workers") if any(word.endswith("Writer") for word in names(path))}

    assert {path for path in named if not path.startswith("workers/actions/")} == set()


def test_agents_are_given_readers_and_nothing_else():
    base = tree(next(path for path in python_files("workers/agents") if path.name == "inquiry.py"))
    (inquiry,) = [node for node in base.body if isinstance(node, ast.ClassDef) and node.name == "Inquiry"]
    fields = {ast.unparse(field.annotation) for field in inquiry.body if isinstance(field, ast.AnnAssign)}

    assert not [field for field in fields if "Writer" in field or "System" in field or "Database" in field]
