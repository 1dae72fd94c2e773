"""Vendored files are those that VENDORED.md names, and pages load nothing from anywhere else."""

from __future__ import annotations

import hashlib
import re

import pytest

from workers.inbox.rendering import HERE, STATIC

OURS = {"app.css", "app.js", "icon.svg", "VENDORED.md", "inter-LICENSE.txt"}


def test_vendored_files_are_what_their_table_says():
    told = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (STATIC / "VENDORED.md").read_text(), re.MULTILINE))
    present = {path.name for path in STATIC.iterdir()} - OURS

    assert present == told.keys()
    assert {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in present} == told


@pytest.mark.parametrize("path", [*(HERE / "templates").glob("*.html"), STATIC / "app.css", STATIC / "app.js"], ids=str)
def test_nothing_is_loaded_from_elsewhere(path):
    text = path.read_text()

    assert not re.search(r"""(src|href|action)=["'](https?:)?//""", text)
    assert not re.search(r"url\([\"']?(https?:)?//|@import|fetch\(|import\(", text)


@pytest.mark.parametrize("name", sorted(OURS | {"htmx.min.js", "inter-latin.woff2"}))
def test_static_files_are_served_and_kept_by_browsers(site, name):
    client = site.anonymous()

    plain, versioned = client.get(f"/static/{name}"), client.get(f"/static/{name}?v=1")

    assert plain.status_code == versioned.status_code == 200
    assert "immutable" in versioned.headers["cache-control"]
    assert plain.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["../app.py", "..%2f..%2fapi.py", "%2e%2e/pages.py", "none.css"])
def test_nothing_but_static_files_is_served(site, path):
    assert site.anonymous().get(f"/static/{path}").status_code == 404
