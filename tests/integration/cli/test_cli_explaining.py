"""``caseworker policy explain KIND`` tells of the policy in force; ``policy check`` tells of problems from top to bottom."""

from __future__ import annotations

from tests.kit.governing import lay, put_in_force, written

BAN = {"id": "tiny", "actions": ["refund_payment"], "when": "amount_minor == 1", "outcome": "deny", "message": "No"}


def rules(ran):
    ((_, asked),) = ran.json.items()
    return {rule["rule"] for rule in asked}


def test_a_kind_is_explained_by_what_is_in_force_not_by_the_folder(caseworker, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("CASEWORKER_POLICY_DIR", str(lay(tmp_path / "first", written())))
    stricter = lay(tmp_path / "stricter", written(more=(BAN,)))
    put_in_force(engine, written(more=(BAN,)))

    now = caseworker("policy", "explain", "refund_payment", "--domain", "support", "--json")
    folder = tmp_path / "first"
    before = caseworker("policy", "explain", "refund_payment", "--domain", "support", "--bundle", str(folder), "--json")
    after = caseworker("policy", "explain", "refund_payment", "--bundle", str(stricter), "--json")

    assert "house/tiny" in rules(now)
    assert "house/tiny" not in rules(before)
    assert "house/tiny" in rules(after)


def test_before_anything_was_set_up_the_folder_is_explained(caseworker, tmp_path, monkeypatch):
    monkeypatch.setenv("CASEWORKER_POLICY_DIR", str(lay(tmp_path / "first", written(more=(BAN,)))))

    ran = caseworker("policy", "explain", "refund_payment", "--json")

    # Its one bundle is for every domain and names none.
    assert list(ran.json) == ["any domain"]
    assert "house/tiny" in rules(ran)


def test_problems_of_a_file_are_told_in_the_order_of_its_lines(caseworker, folder, tmp_path):
    home = tmp_path / "broken"
    home.mkdir()
    wrong = {"id": "a", "actions": ["x"], "when": "true", "outcome": "maybe"}
    text = f"bundle: b\nversion: one\nlayer: org\nrules:\n  - {wrong}\nsurprise: 1\n".replace("'", '"')
    (home / "b.yaml").write_text(text, encoding="utf-8")

    ran = caseworker("policy", "check", str(home))

    lines = [int(line.split(":")[1]) for line in ran.out.splitlines() if ".yaml:" in line]
    assert ran.status == 1
    assert len(lines) >= 3
    assert lines == sorted(lines)
