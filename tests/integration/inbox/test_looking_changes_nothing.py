"""GET shows, POST decides: machines open links, so every address can be fetched by anybody without any effect."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import select

from tests.kit.engine import POLICY, refund, reply
from workers.store.tables import metadata

#: as link previews and mail scanners call themselves
MACHINES = (
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0) SafeLinks",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
)


def contents(site) -> dict[str, str]:
    """A digest of every table."""
    with site.engine.system.db.read() as tx:
        return {
            table.name: hashlib.sha256(repr(sorted(map(repr, tx.execute(select(table))))).encode()).hexdigest()
            for table in metadata.sorted_tables
        }


def addresses(site) -> list[str]:
    """Every route, its parameters filled in with something real; streams apart, which do not end."""
    action = site.engine.actions()[0]
    filled = {"action_id": action.id, "case_id": action.case_id, "source": "house", "path": "app.css"}
    bundle, _, rule = POLICY.rules[0].ref.partition("/")
    filled |= {
        "bundle": bundle,
        "rule": rule,
        "hash_": POLICY.hash,
        "backtest_id": "none",
        "delegation_id": "none",
        "scope": "all",
    }
    # The doors stand in front of the routes.
    found = ["/events", "/hooks/house"]
    for path in paths(site.app.routes):
        if path == "/api/v1/stream":
            continue
        address = path.replace(":path}", "}").format_map(filled)
        found.append(address)
    return found


def paths(routes, prefix="") -> list[str]:
    told = []
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        here = prefix + getattr(route, "path", "")
        if inner:
            told += paths(inner, here if hasattr(route, "path") else prefix)
        else:
            told.append(f"{here}/{{path}}" if here == "/static" else here)
    return told


@pytest.fixture
def full(site):
    """Something of everything: pending, done, uncertain, a case that asks for help."""
    site.drafted(refund(), reply())
    site.engine.model.drafts = [[refund(1000)]]
    site.engine.event(delivery="d2", ticket="8")
    site.engine.drain()
    site.uncertain()
    return site


def test_every_route_is_known_to_this_test(full):
    found = set(addresses(full))

    assert {"/", "/cases", "/policy", "/sign-in", "/sign-out", "/docs", "/events", "/healthz", "/hooks/house"} <= found
    assert len([path for path in found if path.endswith("/decision")]) == 4
    assert len(found) > 20


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_whoever_looks_changes_nothing(full, method):
    client, stranger, machine = full.signed_in(), full.anonymous(), full.with_token("read", "decide")
    action = full.engine.actions()[0]
    asking = {
        "decision": "approve",
        "revision": action.revision,
        "digest": action.digest,
        "csrf": client.headers["X-CSRF-Token"],
    }
    before = contents(full)

    for path in addresses(full):
        for who in (client, stranger, machine):
            for _ in range(2):
                answer = who.request(method, path, params=asking)
                assert answer.status_code < 500, f"{method} {path} answered {answer.status_code}"

    assert contents(full) == before


@pytest.mark.parametrize("agent", MACHINES)
def test_previews_and_scanners_decide_nothing(full, agent):
    client = full.signed_in()
    before = contents(full)

    for path in addresses(full):
        client.get(path, headers={"User-Agent": agent})

    assert contents(full) == before


def test_a_preview_of_an_edit_is_not_the_edit(site):
    action = site.drafted(refund())[0]
    client = site.signed_in()
    before = contents(site)

    answer = client.post(f"/actions/{action.id}/preview", data={"form": "draft", "arg.amount_minor": "41.50"})

    assert answer.status_code == 200
    assert "Refund 41.50 EUR" in answer.text
    assert contents(site) == before
