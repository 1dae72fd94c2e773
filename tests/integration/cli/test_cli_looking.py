"""Commands that only look: cases, the audit log, the policy; and what a terminal is spared."""

import sqlite3

import pytest

from integrations.base import EventType


def test_cases_are_listed_and_filtered(caseworker, waiting):
    waiting.event(delivery="d2", type=EventType.CHARGE_FLAGGED)
    waiting.drain()

    everything = caseworker("case", "list", "--json").json
    support = caseworker("case", "list", "--domain", "support", "--json").json
    closed = caseworker("case", "list", "--state", "closed", "--json").json

    assert {case["domain"] for case in everything} == {"support", "transactions"}
    assert {case["domain"] for case in support} == {"support"}
    assert closed == []


def test_a_case_is_shown_with_events_evidence_actions_and_cost(caseworker, waiting):
    case = waiting.case()

    shown = caseworker("case", "show", case.id, "--json").json
    told = caseworker("case", "show", case.id).out

    assert [len(shown[part]) > 0 for part in ("events", "facts", "actions", "usage")] == [True] * 4
    assert waiting.action("refund_payment").sentence in told
    assert "house:charge:ch_1" in told


def test_a_timeline_tells_what_happened_in_order(caseworker, waiting):
    entries = caseworker("case", "timeline", waiting.case().id, "--json").json

    numbers = [entry["seq"] for entry in entries]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, numbers[-1] + 1))
    # What was told in one commit has one number and one hash.
    assert len({(entry["seq"], entry["hash"]) for entry in entries}) == numbers[-1] < len(entries)
    assert entries[0]["verb"] == "opened"
    assert "judged" in [entry["verb"] for entry in entries]


def test_a_whole_audit_log_is_called_whole(caseworker, waiting):
    ran = caseworker("audit", "verify")

    assert ran.status == 0
    assert "is whole" in ran.out


def test_a_changed_entry_is_found_and_ends_with_status_1(caseworker, waiting, folder):
    with sqlite3.connect(folder / "caseworker.db") as db:
        db.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = 1")
    db.close()

    ran = caseworker("audit", "verify", "--json")

    assert ran.status == 1
    assert ran.json["ok"] is False
    assert any("entry 1 was changed" in problem for problem in ran.json["problems"])


def test_an_action_is_explained_rule_by_rule(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("policy", "explain", refund.id)

    assert ran.out.startswith(f"{refund.verdict['outcome']}: refund_payment of 40.00 EUR in support")
    for rule in refund.verdict["rules"]:
        assert f"+ {rule}" in ran.out


def test_a_kind_is_explained_by_its_rules(caseworker, folder):
    routes = caseworker("policy", "explain", "refund_payment", "--domain", "support", "--json").json

    assert {"deny", "review", "allow"} <= {rule["outcome"] for rule in routes["support"]}


def test_an_unknown_kind_is_answered_with_the_known_ones(caseworker, folder):
    ran = caseworker("policy", "explain", "refund_everything")

    assert ran.status == 2
    assert "refund_payment" in ran.err


def test_the_shipped_policy_is_sound_and_tested(caseworker, folder):
    assert caseworker("policy", "check", "--json").json["ok"] is True
    tested = caseworker("policy", "test", "--json").json
    assert tested["ok"] is True
    assert all(rule["matched"] for rule in tested["coverage"])


def test_the_schema_for_editors_is_printed(caseworker, folder):
    assert "stages" in caseworker("policy", "schema").json["$defs"]["RuleEntry"]["properties"]
    assert "amount_minor" in caseworker("policy", "schema", "test").json["$defs"]["Facts"]["properties"]


def test_a_broken_policy_is_named_with_its_place_and_status_1(caseworker, folder, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mine.yaml").write_text("bundle: mine\nversion: 1\nlayer: org\nrules:\n  - id: [\n")

    ran = caseworker("policy", "check", str(tmp_path / "broken"))

    assert ran.status == 1
    assert "mine.yaml:" in ran.out


def test_what_strangers_wrote_cannot_steer_the_terminal(caseworker, engine):
    """An escape sequence or a right-to-left override in a title is shown, not obeyed."""
    engine.event(text="x")
    with sqlite3.connect(engine.system.settings.data / "caseworker.db") as db:
        db.execute("UPDATE cases SET title = ?", ("\x1b]0;owned\x07 \u202etxt.exe",))
    db.close()

    ran = caseworker("case", "list")

    assert "\\x1b]0;owned\\x07" in ran.out
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out


@pytest.mark.parametrize("command", [("case", "list"), ("inbox", "list"), ("user", "list"), ("audit", "verify")])
def test_without_a_database_it_says_how_to_make_one_and_makes_none(caseworker, folder, command):
    ran = caseworker(*command)

    assert ran.status == 2
    assert "caseworker up" in ran.err
    assert list(folder.iterdir()) == []
