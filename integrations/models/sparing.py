"""Loads of an SDK what is used of it: names that its packages only hand on from elsewhere are fetched when they are asked for.

The SDKs are generated, and import every type and every resource of every service they know, with the first line that names
them: three thousand modules, a second and 48 MB in each process, of which a question to a model uses a tenth. The packages that
`spare` is told of have the ``from .elsewhere import Name`` of their ``__init__.py`` carried out by a module ``__getattr__``
instead; all else of them runs as it is written. Called by the packages that speak to a service, before they import its SDK. What
is loaded already is left alone, and so is a package without a source to read.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

#: by package, the modules whose names can wait
Parts = Mapping[str, Collection[str]]


def spare(whole: Collection[str], parts: Parts) -> None:
    """From now on, load the packages named in `whole`, and those below them, without what they hand on; those in `parts`
    without what they hand on from the modules given."""
    finder = _Finder(tuple(whole), parts)
    if not any(isinstance(known, _Finder) and known.told == finder.told for known in sys.meta_path):
        sys.meta_path.insert(0, finder)


class _Finder:
    def __init__(self, whole: tuple[str, ...], parts: Parts) -> None:
        self.told: Final = (whole, parts)
        self._whole = tuple(name + "." for name in whole)
        self._parts = parts

    def find_spec(self, name: str, path: Sequence[str] | None = None, _target: object = None) -> ModuleSpec | None:
        below = f"{name}.".startswith(self._whole)
        if not below and name not in self._parts:
            return None
        found = PathFinder.find_spec(name, path)
        if found is None or found.submodule_search_locations is None or type(found.loader) is not SourceFileLoader:
            return None
        found.loader = _Loader(found.loader.name, found.loader.path, None if below else self._parts[name])
        return found


class _Loader(SourceFileLoader):
    """Runs a package without the imports that can wait."""

    def __init__(self, name: str, path: str, waiting: Collection[str] | None) -> None:
        super().__init__(name, path)
        self._waiting = waiting

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.get_data(self.path), self.path)
        others = [line for line in tree.body if not self._can_wait(line)]
        used = self._used(others)
        later = dict[str, tuple[str, str]]()
        for line in tree.body:
            if isinstance(line, ast.ImportFrom) and self._can_wait(line):
                names = self._names(line)
                if names is None or not used.isdisjoint(names):
                    others.append(line)
                else:
                    later |= {name: (f".{line.module}", what) for name, what in names.items()}
        _hand_on(module, later)
        tree.body = [line for line in tree.body if line in others]
        exec(compile(tree, self.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - as any loader does

    def _can_wait(self, line: ast.stmt) -> bool:
        if not isinstance(line, ast.ImportFrom) or line.level != 1 or line.module is None:
            return False
        return self._waiting is None or line.module in self._waiting

    def _used(self, lines: Sequence[ast.stmt]) -> set[str]:
        """What the rest of the package may use while it is loaded; a list of names counts where only a part can wait."""
        nodes = [node for line in lines for node in ast.walk(line)]
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        if self._waiting is not None:
            used |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        return used

    def _names(self, line: ast.ImportFrom) -> dict[str, str] | None:
        """The names that a line gives -> what they are called where they come from; None where that cannot be read."""
        if line.names[0].name != "*":
            return {alias.asname or alias.name: alias.name for alias in line.names}
        package = Path(self.path).parent.joinpath(*str(line.module).split("."), "__init__.py")
        if not package.is_file():
            return None
        body = ast.parse(package.read_bytes()).body
        if not all(isinstance(each, ast.ImportFrom) and each.names[0].name != "*" for each in body):
            return None
        given = [
            alias.asname or alias.name for each in body if isinstance(each, ast.ImportFrom) for alias in each.names
        ]
        return {name: name for name in given if not name.startswith("_")}


def _hand_on(module: ModuleType, later: Mapping[str, tuple[str, str]]) -> None:
    """Let `module` fetch these names, and what they come from, when they are asked for."""
    package = module.__name__
    # To import these made each an attribute of its package as well.
    below = {where.split(".")[1] for where, _ in later.values()}

    def fetch(name: str) -> Any:
        if name in later:
            where, what = later[name]
            found = getattr(import_module(where, package), what)
        elif name in below:
            found = import_module(f".{name}", package)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(module, name, found)
        return found

    # As PEP 562 has it: functions of this very module.
    vars(module)["__getattr__"] = fetch
    vars(module)["__dir__"] = lambda: sorted({*vars(module), *later})
