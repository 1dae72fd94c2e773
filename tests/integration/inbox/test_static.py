"""Vendored files are those that VENDORED.md names, and pages load nothing from anywhere else."""

from __future__ import annotations

import hashlib
import re

import pytest

from workers.inbox.rendering import HERE, STATIC, static_url

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

    plain, versioned = client.get(f"/static/{name}"), client.get(static_url(name))

    assert plain.status_code == versioned.status_code == 200
    assert "immutable" in versioned.headers["cache-control"]
    assert plain.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["../app.py", "..%2f..%2fapi.py", "%2e%2e/pages.py", "none.css"])
def test_nothing_but_static_files_is_served(site, path):
    assert site.anonymous().get(f"/static/{path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["app.css?v=0123456789ab", "app.css?v=", "none.js?v=0123456789ab", "none.woff2", "./app.css?v=1", "?v=1"]
)
def test_what_a_page_of_another_version_asks_for_is_not_kept_for_good(site, path):
    """Two versions serve side by side while processes are replaced: a browser would hold on to the other one's file."""
    answer = site.anonymous().get(f"/static/{path}")

    assert answer.headers["cache-control"] == "no-cache"


def _light(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_whatever_they_stand_on(scheme):
    """4.5 to 1, as WCAG 2.2 asks of text of these sizes."""
    colours = dict(
        re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", (STATIC / "app.css").read_text().split(":root {")[1 + scheme])
    )
    grounds = ["paper", "sheet", "sunk", "accent-wash", "good-wash", "warn-wash", "bad-wash"]
    pairs = [(word, ground) for word in ("ink", "soft", "faint") for ground in grounds]
    pairs += [
        (word, ground)
        for word in ("accent", "good", "warn", "bad")
        for ground in ("paper", "sheet", "sunk", f"{word}-wash")
    ]

    faint = []
    for word, ground in [*pairs, ("accent-ink", "accent")]:
        dim, bright = sorted((_light(colours[word]), _light(colours[ground])))
        if (bright + 0.05) / (dim + 0.05) < 4.5:
            faint.append((word, ground))
    assert faint == []
