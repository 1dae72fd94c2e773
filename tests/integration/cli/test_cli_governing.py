"""``caseworker policy history|show|diff|propose|withdraw``: asking for another policy, and seeing what was in force."""

from __future__ import annotations

import pytest

from tests.kit.governing import lay, put_in_force, written

BAN = {"id": "tiny", "actions": ["refund_payment"], "when": "amount_minor == 1", "outcome": "deny", "message": "No"}
STRICTER = written(more=(BAN,))


@pytest.fixture
def policies(tmp_path, monkeypatch):
    """The house's own policy is the first; a stricter one lies beside it."""
    monkeypatch.setenv("CASEWORKER_POLICY_DIR", str(lay(tmp_path / "first", written())))
    return lay(tmp_path / "stricter", STRICTER)


@pytest.fixture
def leads(engine):
    return [engine.person(name, ("lead",)) for name in ("ana", "ben", "cleo")]


def propose(caseworker, folder):
    return caseworker("policy", "propose", str(folder), "--why", "Cents.", "--as", "ana@firm.example", "--json")


def test_a_folder_is_proposed_and_waits_for_people(caseworker, policies, leads):
    ran = propose(caseworker, policies)

    assert ran.status == 0, ran.err
    assert (ran.json["state"], ran.json["needed"], ran.json["loosens"]) == ("pending", "2 of lead", False)
    past = caseworker("policy", "history", "--json").json
    assert [one["how"] for one in past["activations"]] == ["genesis"]
    assert [one["hash"] for one in past["proposed"]] == [ran.json["hash"]]


def test_proposing_it_twice_is_refused_in_one_line(caseworker, policies, leads):
    propose(caseworker, policies)

    ran = propose(caseworker, policies)

    assert ran.status == 2
    assert "proposed already" in ran.err


def test_whoever_is_no_lead_does_not_propose(caseworker, policies, engine, leads):
    engine.person("sam", ("support",))

    ran = caseworker("policy", "propose", str(policies), "--why", "Cents.", "--as", "sam@firm.example")

    assert ran.status == 2
    assert "lead" in ran.err


def test_two_policies_are_told_apart(caseworker, policies, leads, tmp_path):
    propose(caseworker, policies)
    first = caseworker("policy", "history", "--json").json["activations"][0]["hash"]

    tighter = caseworker("policy", "diff", first[:8], str(policies), "--json").json
    looser = caseworker("policy", "diff", str(policies), first[:8]).out

    assert tighter == {
        "loosens": False,
        "differences": [{"told": "adds rule house/tiny (deny)", "place": "house/tiny", "looser": False}],
    }
    assert "! removes rule house/tiny (deny)" in looser
    assert "amount_minor == 1" in looser


def test_a_policy_is_written_out_as_it_was(caseworker, policies, leads, tmp_path):
    hash_ = propose(caseworker, policies).json["hash"]

    ran = caseworker("policy", "show", hash_[:10], "--out", str(tmp_path / "again"))

    assert ran.status == 0
    assert {path.name: path.read_text() for path in (tmp_path / "again").iterdir()} == STRICTER
    assert caseworker("policy", "show", hash_[:10], "--out", str(tmp_path / "again")).status == 2
    assert caseworker("policy", "show", "00000000").status == 2


def test_a_proposal_is_withdrawn(caseworker, policies, leads):
    hash_ = propose(caseworker, policies).json["hash"]

    ran = caseworker("policy", "withdraw", hash_[:10], "--as", "ana@firm.example")

    assert ran.status == 0, ran.err
    assert caseworker("policy", "history", "--json").json["proposed"] == []


def test_doctor_says_what_nobody_decided_on(caseworker, policies, leads, monkeypatch):
    propose(caseworker, policies)
    monkeypatch.setenv("CASEWORKER_POLICY_DIR", str(policies))

    found = {f["about"]: f for f in caseworker("doctor", "--json").json["findings"]}

    assert found["policy in force"]["level"] == "ok"
    assert "adds rule house/tiny (deny)" in found["policy folder"]["told"]
    assert "policy changes" not in found


def test_doctor_says_when_nobody_could_change_the_policy(caseworker, policies, engine):
    engine.person("ana", ("lead",))
    propose(caseworker, policies)

    found = {f["about"]: f for f in caseworker("doctor", "--json").json["findings"]}

    assert "2 of lead besides whoever proposes it; there are 1 in all" in found["policy changes"]["told"]


def test_doctor_says_that_the_folder_always_wins(caseworker, policies, leads, monkeypatch):
    propose(caseworker, policies)
    monkeypatch.setenv("CASEWORKER_POLICY_CHANGES", "folder")

    found = {f["about"]: f for f in caseworker("doctor", "--json").json["findings"]}

    assert "nobody is asked" in found["policy changes"]["told"]


def test_a_policy_slipped_into_the_database_is_told_by_doctor_and_by_the_proof_of_the_log(
    caseworker, policies, leads, engine
):
    propose(caseworker, policies)
    slipped = put_in_force(engine, written(900_000))

    doctor = caseworker("doctor", "--json")
    proof = caseworker("audit", "verify", "--json")

    told = [f["told"] for f in doctor.json["findings"] if f["about"] == "policy history"]
    assert (doctor.status, proof.status) == (1, 1)
    assert slipped[:12] in told[0]
    assert any(slipped[:12] in problem for problem in proof.json["problems"])
