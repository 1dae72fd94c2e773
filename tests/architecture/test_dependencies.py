"""What is imported is declared, what is locked has hashes, and nothing says where packages came from."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.source import PACKAGES, ROOT, python_files, tree

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_imported_library_is_declared():
    """What only comes along with another library may go with its next version."""
    extras = [line for name, lines in PROJECT["optional-dependencies"].items() if name != "dev" for line in lines]
    declared = {normal(re.match(r"[\w.-]+", line)[0]) for line in [*PROJECT["dependencies"], *extras]}
    known = packages_distributions()
    imported = {module for path in python_files(*PACKAGES) for module in top_level_imports(tree(path))}
    foreign = imported - set(sys.stdlib_module_names) - set(PACKAGES)

    undeclared = {
        module for module in foreign if not declared & {normal(distribution) for distribution in known.get(module, ())}
    }

    assert undeclared == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_pin_everything_with_hashes_and_name_no_address(lock):
    text = (ROOT / lock).read_text()
    pins = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]

    assert pins
    assert all("==" in line and line.endswith("\\") for line in pins)
    assert "://" not in text


def test_the_lock_holds_every_declared_dependency():
    text = (ROOT / "requirements.lock").read_text()
    pinned = {normal(found) for found in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", text, re.MULTILINE)}

    missing = {normal(re.match(r"[\w.-]+", line)[0]) for line in PROJECT["dependencies"]} - pinned

    assert missing == set()


def top_level_imports(module):
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def normal(distribution):
    return re.sub(r"[-_.]+", "-", distribution).lower()
