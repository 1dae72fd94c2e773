"""Every route there is, asked by nobody and by tokens of the wrong scope: a route of tomorrow that asks nobody is found here."""

from __future__ import annotations

import pytest

from tests.integration.inbox.test_looking_changes_nothing import contents, full, paths  # noqa: F401 - full is a fixture

#: what is for anybody; the doors prove their senders themselves, in front of the routes
OPEN = {"/sign-in", "/docs", "/openapi.json", "/healthz", "/readyz", "/static/{path}"}


def filled(site, path):
    action = site.engine.actions()[0]
    known = {"action_id": action.id, "case_id": action.case_id, "hash_": site.engine.system.policy.hash}
    bundle, _, rule = site.engine.system.policy.rules[0].ref.partition("/")
    known |= {"bundle": bundle, "rule": rule, "backtest_id": "none", "delegation_id": "none", "scope": "all"}
    return path.replace(":path}", "}").format_map(known)


@pytest.fixture
def closed(full):  # noqa: F811
    """The addresses of what is for somebody."""
    found = [filled(full, path) for path in paths(full.app.routes) if path not in OPEN]
    assert len(found) > 50
    return found


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_nobody_gets_anything_nor_changes_anything(full, closed, method):  # noqa: F811
    client, before = full.anonymous(), contents(full)

    for address in closed:
        answer = client.request(method, address)

        to_sign_in = answer.headers.get("location", "").startswith("/sign-in")
        assert answer.status_code in (401, 405) or (answer.status_code == 303 and to_sign_in), address
    assert contents(full) == before


@pytest.mark.parametrize(
    ("scope", "methods"),
    [("events", ("GET", "POST", "DELETE")), ("read", ("POST", "DELETE")), ("decide", ("GET",))],
)
def test_a_token_of_another_scope_gets_nothing_nor_changes_anything(full, closed, scope, methods):  # noqa: F811
    client = full.with_token(scope, person=full.person())
    before = contents(full)

    for address in closed:
        for method in methods:
            answer = client.request(method, address)

            to_sign_in = answer.headers.get("location", "").startswith("/sign-in")
            refused = answer.status_code in (401, 403, 405) or (answer.status_code == 303 and to_sign_in)
            assert refused, (method, address, answer.status_code)
    assert contents(full) == before


def test_a_form_of_every_page_needs_the_sessions_token(full, closed):  # noqa: F811
    client = full.signed_in()
    del client.headers["X-CSRF-Token"]
    before = contents(full)

    for address in closed:
        for method in ("POST", "DELETE"):
            assert client.request(method, address).status_code in (403, 405), (method, address)
    assert contents(full) == before
