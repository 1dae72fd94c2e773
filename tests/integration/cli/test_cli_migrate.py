"""A migration that cannot be had is told in a sentence that says what to do."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import make_url


@pytest.fixture
def stranger(on_postgresql):
    """A user of the server to whom nothing on this database belongs; an address for him, and a connection of its owner's."""
    url = make_url(on_postgresql).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as owner:
        owner.execute("CREATE ROLE stranger LOGIN PASSWORD 'hidden'")
        yield url.set(username="stranger", password="hidden").render_as_string(hide_password=False), owner
        owner.execute("DROP OWNED BY stranger")
        owner.execute("DROP ROLE stranger")


def test_a_user_who_may_not_migrate_is_told_what_would_let_him(caseworker, stranger, monkeypatch):
    address, owner = stranger
    owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
    monkeypatch.setenv("CASEWORKER_DATABASE_URL", address)

    ran = caseworker("migrate")

    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "permission denied for schema public" in ran.err
    assert "GRANT CREATE ON SCHEMA public" in ran.err
    assert "hidden" not in ran.err

    owner.execute("GRANT CREATE ON SCHEMA public TO stranger")
    assert caseworker("migrate").status == 0


@pytest.mark.parametrize("command", [("case", "list"), ("audit", "verify"), ("archive", "list"), ("migrate",)])
def test_a_user_who_may_not_read_the_tables_is_told_so_in_one_line(caseworker, stranger, monkeypatch, command):
    monkeypatch.setenv("CASEWORKER_DATABASE_URL", stranger[0])

    ran = caseworker(*command)

    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "permission denied" in ran.err
