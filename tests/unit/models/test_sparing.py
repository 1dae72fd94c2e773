"""An SDK is loaded as far as it is used, and nobody who asks it for more can tell."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.models.sparing import spare

ASKED = """
import importlib, json, re, sys
from types import ModuleType
{spared}
sdk = importlib.import_module({sdk!r})
loaded = sum(name.partition(".")[0] == {sdk!r} for name in sys.modules)
names = {{}}
for package in {packages!r}:
    found = importlib.import_module(package)
    # Of the modules below, those are attributes that happened to be imported.
    values = {{name: getattr(found, name) for name in dir(found) if not name.startswith("_")}}
    names[package] = {{name: re.sub("0x[0-9a-f]+", "", repr(value)) for name, value in values.items() if not isinstance(value, ModuleType)}}
print(json.dumps([loaded, names]))
"""


def _asked(sdk: str, packages: list[str], spared: str) -> tuple[int, dict[str, dict[str, str]]]:
    program = ASKED.format(sdk=sdk, packages=packages, spared=spared)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded, names = json.loads(done.stdout)
    return loaded, names


@pytest.mark.parametrize("sdk", ["anthropic", "openai"])
def test_every_name_that_the_sdk_has_is_there_and_most_of_it_is_not_loaded(sdk: str) -> None:
    packages = [sdk, f"{sdk}.types", f"{sdk}.resources", f"{sdk}.types.beta", f"{sdk}.resources.beta"]

    as_written, everything = _asked(sdk, packages, "")
    spared, found = _asked(sdk, packages, f"import integrations.models.{sdk}")

    assert found == everything
    assert spared < as_written / 2


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package that hands on what it does not use itself."""
    folder = tmp_path / "handing"
    (folder / "clouds" / "near").mkdir(parents=True)
    (folder / "plain.py").write_text("class Plain: ...\n_private = 1\n")
    (folder / "used.py").write_text("class Used: ...\n")
    (folder / "shown.py").write_text("class Shown: ...\n")
    (folder / "clouds" / "__init__.py").write_text("")
    (folder / "clouds" / "near" / "__init__.py").write_text("from .client import Near as Near, _hidden\n")
    (folder / "clouds" / "near" / "client.py").write_text("class Near: ...\n_hidden = 2\n")
    (folder / "__init__.py").write_text(
        "from .plain import Plain as Renamed, _private\n"
        "from .used import Used\n"
        "from .shown import Shown\n"
        "from .clouds.near import *\n"
        "from os import sep\n"
        "__all__ = ['Shown']\n"
        "known = [Used]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    yield importlib
    for name in [name for name in sys.modules if name.partition(".")[0] == "handing"]:
        del sys.modules[name]


def test_a_name_is_fetched_when_it_is_asked_for(package: Any) -> None:
    spare(("handing",), {})

    handing = package.import_module("handing")

    assert "handing.plain" not in sys.modules
    assert handing.Renamed.__module__ == "handing.plain"
    assert handing.Renamed is handing.Renamed
    assert handing._private == 1
    assert handing.plain is sys.modules["handing.plain"]


def test_a_star_hands_on_what_it_stands_for(package: Any) -> None:
    spare(("handing",), {})

    handing = package.import_module("handing")

    assert "handing.clouds.near.client" not in sys.modules
    assert handing.Near.__module__ == "handing.clouds.near.client"
    assert not hasattr(handing, "_hidden")


def test_what_the_package_uses_itself_is_loaded_as_written(package: Any) -> None:
    spare(("handing",), {})

    handing = package.import_module("handing")

    assert "handing.used" in sys.modules
    assert handing.known == [handing.Used]
    assert handing.sep


def test_of_a_package_named_in_part_nothing_else_waits(package: Any) -> None:
    spare((), {"handing": ("clouds.near", "shown")})

    package.import_module("handing")

    assert "handing.plain" in sys.modules
    assert "handing.clouds.near" not in sys.modules
    # A list of its names may be gone through while it is loaded.
    assert "handing.shown" in sys.modules


def test_a_name_that_is_not_there_is_told_as_ever(package: Any) -> None:
    spare(("handing",), {})

    handing = package.import_module("handing")

    with pytest.raises(AttributeError, match=r"module 'handing' has no attribute 'nothing'"):
        _ = handing.nothing
    with pytest.raises(ImportError):
        package.import_module("handing.nothing")
    assert {"Renamed", "Near", "known"} <= set(dir(handing))


def test_telling_it_twice_is_telling_it_once(package: Any) -> None:
    spare(("handing",), {})
    before = len(sys.meta_path)

    spare(("handing",), {})

    assert len(sys.meta_path) == before
