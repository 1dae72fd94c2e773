"""People, tokens and switches, each change written into the audit log."""

import pytest

from workers.access import Scope, bearer
from workers.inbox.passwords import verify
from workers.inbox.signin import Door, WrongCredentials, whose
from workers.store import audit, people, switches
from workers.store.audit import SYSTEM

PASSWORD = "correct horse battery"


def notes(engine):
    with engine.system.db.read() as tx:
        return [(entry.verb, entry.actor.partition(":")[0]) for entry in audit.of_chain(tx, SYSTEM)]


def someone(engine, email):
    with engine.system.db.read() as tx:
        return people.by_email(tx, email)


def add(caseworker, email, *more, password=PASSWORD):
    return caseworker("user", "add", email, "--password-stdin", *more, stdin=f"{password}\n")


def test_a_person_is_added_with_groups_and_can_sign_in(caseworker, engine):
    ran = add(caseworker, "Mia@Firm.example", "--name", "Mia", "--group", "support", "--group", "lead")

    mia = someone(engine, "mia@firm.example")
    assert ran.status == 0
    assert (mia.name, mia.groups) == ("Mia", ["support", "lead"])
    assert verify(PASSWORD, mia.password_hash)
    assert notes(engine) == [("person_added", "operator")]
    assert PASSWORD not in ran.out + ran.err


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [("mia", PASSWORD, "no e-mail address"), ("a b@firm.example", PASSWORD, "no e-mail"), ("mia@x", "short", "10 to")],
)
def test_what_cannot_be_a_person_is_refused_with_the_reason(caseworker, engine, email, password, said):
    ran = add(caseworker, email, password=password)

    assert ran.status == 2
    assert said in ran.err
    assert notes(engine) == []


def test_nobody_is_added_twice(caseworker, engine):
    add(caseworker, "mia@firm.example")

    again = add(caseworker, "MIA@firm.example")

    assert again.status == 2
    assert "is there already" in again.err


def test_without_a_terminal_no_password_is_asked_for(caseworker, engine):
    ran = caseworker("user", "add", "mia@firm.example")

    assert ran.status == 2
    assert "--password-stdin" in ran.err


def test_groups_are_shown_and_replaced(caseworker, engine):
    add(caseworker, "mia@firm.example", "--group", "support")

    shown = caseworker("user", "groups", "mia@firm.example")
    caseworker("user", "groups", "mia@firm.example", "--group", "finance")

    assert "in support" in shown.out
    assert someone(engine, "mia@firm.example").groups == ["finance"]
    assert notes(engine)[-1] == ("groups_changed", "operator")


def test_no_listing_shows_a_password_or_its_hash(caseworker, engine):
    add(caseworker, "mia@firm.example")

    listed = caseworker("user", "list", "--json")

    assert set(listed.json[0]) == {"id", "email", "name", "groups", "active", "created_at"}
    assert "argon2" not in listed.out


def test_a_token_is_printed_once_and_opens_only_its_scope(caseworker, engine):
    token = caseworker("token", "add", "billing", "--scope", "events").out.strip()

    headers = [(b"authorization", f"Bearer {token}".encode())]
    assert bearer(engine.system, headers, Scope.EVENTS)
    assert bearer(engine.system, headers, Scope.DECIDE) is None
    assert token not in caseworker("token", "list", "--json").out
    assert notes(engine) == [("token_added", "operator")]


def test_a_token_that_decides_needs_a_person(caseworker, engine):
    without = caseworker("token", "add", "bot", "--scope", "decide")
    add(caseworker, "mia@firm.example")
    made = caseworker("token", "add", "bot", "--scope", "decide", "--as", "mia@firm.example", "--json")

    assert without.status == 2
    assert "user add" in without.err
    assert made.json["scopes"] == ["decide"]
    assert caseworker("token", "list", "--json").json[0]["as"] == "mia@firm.example"


def test_a_revoked_token_stops_at_once(caseworker, engine):
    made = caseworker("token", "add", "billing", "--scope", "events", "--json").json

    revoked = caseworker("token", "revoke", made["id"])
    again = caseworker("token", "revoke", made["id"])

    assert (revoked.status, again.status) == (0, 2)
    assert bearer(engine.system, [(b"authorization", f"Bearer {made['token']}".encode())], Scope.EVENTS) is None


def test_a_thrown_switch_is_obeyed_until_it_is_released(caseworker, engine):
    caseworker("switch", "throw", "action:refund_payment", "--reason", "wrong amounts")

    with engine.system.db.read() as tx:
        assert switches.thrown(tx, ["action:refund_payment"]).reason == "wrong amounts"
    assert caseworker("switch", "list", "--json").json[0]["scope"] == "action:refund_payment"
    caseworker("switch", "release", "action:refund_payment")
    assert caseworker("switch", "list", "--json").json == []
    assert notes(engine) == [("switch_thrown", "operator"), ("switch_released", "operator")]


@pytest.mark.parametrize("scope", ["everything", "domain:suport", "action:refund", "domain:actions", ""])
def test_a_misspelt_scope_is_refused_for_it_would_stop_nothing(caseworker, engine, scope):
    ran = caseworker("switch", "throw", scope, "--reason", "x")

    assert ran.status == 2
    assert "domain:support" in ran.err
    assert notes(engine) == []


def test_a_switch_that_is_not_thrown_cannot_be_released(caseworker, engine):
    assert caseworker("switch", "release", "all").status == 2


def sign_in(engine, password=PASSWORD):
    """A session of Mia's, as the page opens it."""
    return Door(engine.system).sign_in("mia@firm.example", password, address="192.0.2.1").token


def session_of(engine, token):
    return whose(engine.system, token, engine.clock())


def test_who_is_shut_out_has_neither_session_nor_token_until_they_are_let_in_again(caseworker, engine):
    add(caseworker, "mia@firm.example")
    add(caseworker, "bo@firm.example")
    token = sign_in(engine)
    scopes = ("--scope", "read", "--scope", "decide")
    hers = caseworker("token", "add", "bot", *scopes, "--as", "mia@firm.example", "--json").json
    his = caseworker("token", "add", "bot", *scopes, "--as", "bo@firm.example", "--json").json

    ran = caseworker("user", "deactivate", "Mia@firm.example")
    again = caseworker("user", "deactivate", "mia@firm.example")

    assert (ran.status, again.status) == (0, 2)
    assert hers["id"] in ran.out
    assert session_of(engine, token) is None
    assert [one["id"] for one in caseworker("token", "list", "--json").json] == [his["id"]]
    with pytest.raises(WrongCredentials):
        sign_in(engine)
    assert notes(engine)[-1] == ("person_deactivated", "operator")

    let_in = [caseworker("user", "activate", "mia@firm.example").status for _ in range(2)]

    assert let_in == [0, 2]
    assert session_of(engine, token) is None
    assert session_of(engine, sign_in(engine)) is not None
    assert notes(engine)[-2:] == [("person_activated", "operator"), ("signed_in", "person")]


def test_another_password_ends_the_sessions_that_the_old_one_opened(caseworker, engine):
    add(caseworker, "mia@firm.example")
    token = sign_in(engine)

    unfit = caseworker("user", "password", "mia@firm.example", "--password-stdin", stdin="short\n")
    kept = session_of(engine, token)
    ran = caseworker("user", "password", "mia@firm.example", "--password-stdin", stdin="another long one\n")

    assert (unfit.status, kept is not None, ran.status) == (2, True, 0)
    assert session_of(engine, token) is None
    with pytest.raises(WrongCredentials):
        sign_in(engine)
    assert session_of(engine, sign_in(engine, "another long one")) is not None
    assert ("password_changed", "operator") in notes(engine)
    assert "another long one" not in ran.out + ran.err


@pytest.mark.parametrize("command", ["password", "deactivate", "activate"])
def test_an_account_that_is_not_there_is_named(caseworker, engine, command):
    ran = caseworker("user", command, "nobody@firm.example")

    assert ran.status == 2
    assert "no account 'nobody@firm.example'" in ran.err


def test_a_password_that_is_replaced_while_it_is_checked_opens_nothing(caseworker, engine, monkeypatch):
    add(caseworker, "mia@firm.example")

    def slowly(plain, kept):
        monkeypatch.setattr("workers.inbox.signin.verify", verify)
        caseworker("user", "password", "mia@firm.example", "--password-stdin", stdin="another long one\n")
        return verify(plain, kept)

    monkeypatch.setattr("workers.inbox.signin.verify", slowly)

    with pytest.raises(WrongCredentials):
        sign_in(engine)
