"""A change of the policy is an action: proposed by somebody, decided on by others, put in force by `execute` and by nobody else."""

import pytest
from sqlalchemy import select, update

from policies.errors import PolicyError
from tests.kit.governing import govern, in_force, lay, written
from workers.governance import NotProposed, propose, withdraw
from workers.governance.book import policy_of
from workers.inbox.words import AlreadyDecided, NotAllowed
from workers.store import actions, audit, cases, policy_sets
from workers.store.audit import SYSTEM
from workers.store.policy_tables import policy_sets as policy_sets_table
from workers.store.records import ActionState, CaseState

WHY = "Small ones need nobody."
ANA = "person:ana@firm.example"
BAN = {
    "id": "tiny",
    "actions": ["refund_payment"],
    "when": "amount_minor == 1",
    "outcome": "deny",
    "message": "Not worth it",
}
#: one ban more than what is in force: it loosens nothing
STRICTER = written(more=(BAN,))


@pytest.fixture
def house(engine, tmp_path):
    return govern(engine, lay(tmp_path / "policy", written()))


@pytest.fixture
def leads(house):
    """Three leads, the first of whom proposes; the last one is of risk as well."""
    return [
        house.person("ana", ("lead",)),
        house.person("ben", ("lead",)),
        house.person("cleo", ("lead",)),
        house.person("rita", ("risk",)),
    ]


def proposed(house, files=None, *, by=ANA):
    case = propose(house.system, files or STRICTER, WHY, by)
    with house.system.db.read() as tx:
        (action,) = actions.of_case(tx, case.id)
    return case, action


def now(house, action):
    with house.system.db.read() as tx:
        return actions.get(tx, action.id)


def settled(house, case):
    with house.system.db.read() as tx:
        return cases.get(tx, case.id)


def test_a_proposal_is_a_case_with_one_action_that_waits_for_people(house, leads):
    before = in_force(house)

    case, action = proposed(house)

    assert (case.domain, case.source, case.state) == ("policy", "house", CaseState.INBOX)
    assert (action.kind, action.state) == ("change_policy", ActionState.PENDING)
    assert action.arguments["from_hash"] == before.hash == action.policy_hash
    assert "house/tiny" in action.arguments["summary"]
    assert in_force(house) == before
    assert house.hints.waiting == []


def test_two_leads_put_it_in_force(house, leads):
    _, ben, cleo, _ = leads
    case, action = proposed(house)

    house.decide(action, by=ben)
    assert now(house, action).state == ActionState.PENDING
    house.decide(action, by=cleo)
    house.drain()

    done = now(house, action)
    assert (done.state, done.receipt["version_after"]) == (ActionState.DONE, action.arguments["hash"])
    activation = in_force(house)
    assert (activation.hash, activation.how, activation.action_id) == (action.arguments["hash"], "approved", action.id)
    assert activation.by == "person:ben@firm.example, person:cleo@firm.example"
    closed = settled(house, case)
    assert (closed.state, closed.outcome) == (CaseState.CLOSED, "done")
    house.clock.on(seconds=1)
    assert house.system.policy.hash == activation.hash


def test_without_n_of_m_it_is_not_in_force(house, leads):
    _, ben, _, rita = leads
    before = in_force(house)
    _, action = proposed(house)

    house.decide(action, by=ben)
    with pytest.raises(NotAllowed):
        house.decide(action, by=rita)
    with pytest.raises(Exception, match="already"):
        house.decide(action, by=ben)
    house.drain()
    house.sweep()

    assert in_force(house) == before
    assert now(house, action).state == ActionState.PENDING


def test_whoever_proposes_does_not_count(house, leads):
    ana, *_ = leads
    _, action = proposed(house)

    with pytest.raises(NotAllowed):
        house.decide(action, by=ana)

    assert now(house, action).state == ActionState.PENDING


def test_what_loosens_needs_more_people(house, leads):
    _, ben, cleo, rita = leads
    _, narrower = proposed(house, written(2000))
    _, looser = proposed(house, written(9000))

    asked = {(r["role"], r["n"]) for r in looser.verdict["requirements"]}

    # The rule that allows reaches less far, and still its condition is another: that counts as looser.
    assert narrower.arguments["loosens"]
    assert looser.arguments["loosens"]
    assert asked == {("lead", 2), ("risk", 1)}
    house.decide(looser, by=ben)
    house.decide(looser, by=cleo)
    assert now(house, looser).state == ActionState.PENDING
    house.decide(looser, by=rita)
    house.drain()
    assert in_force(house).hash == looser.arguments["hash"]


def test_what_only_adds_a_ban_does_not_loosen(house, leads):
    _, action = proposed(house)

    assert not action.arguments["loosens"]
    assert [(r["role"], r["n"]) for r in action.verdict["requirements"]] == [("lead", 2)]
    assert action.sentence == "Change the policy: adds rule house/tiny (deny)"


def test_of_two_proposals_the_second_is_over_once_the_first_is_in_force(house, leads):
    _, ben, cleo, rita = leads
    _, first = proposed(house, written(2000))
    other_case, second = proposed(house, written(9000))
    for person in (ben, cleo, rita):
        house.decide(first, by=person)
        if person is not rita:
            house.decide(second, by=person)
    house.drain()
    assert in_force(house).hash == first.arguments["hash"]
    house.clock.on(seconds=1)

    with pytest.raises(AlreadyDecided):
        house.decide(second, by=rita)

    assert now(house, second).state == ActionState.STALE
    assert settled(house, other_case).state == CaseState.CLOSED
    assert in_force(house).hash == first.arguments["hash"]


def test_two_that_are_approved_at_once_do_not_both_come_into_force(house, leads):
    _, ben, cleo, rita = leads
    cases_and_actions = [proposed(house, written(limit)) for limit in (2000, 9000)]
    for _, action in cases_and_actions:
        for person in (ben, cleo, rita):
            house.decide(action, by=person)

    house.drain()

    states = [now(house, action).state for _, action in cases_and_actions]
    assert states == [ActionState.DONE, ActionState.STALE]
    assert in_force(house).hash == cases_and_actions[0][1].arguments["hash"]
    assert settled(house, cases_and_actions[1][0]).state == CaseState.CLOSED
    assert house.model.asked == []


def test_the_earlier_policy_comes_back_by_being_proposed(house, leads):
    _, ben, cleo, rita = leads
    first = in_force(house).hash
    for files in (written(2000), written()):
        _, action = proposed(house, files)
        for person in (ben, cleo, rita):
            if now(house, action).state == ActionState.PENDING:
                house.decide(action, by=person)
        house.drain()
        house.clock.on(seconds=1)

    assert in_force(house).hash == first
    with house.system.db.read() as tx:
        told = [(a.how, a.hash == first) for a in policy_sets.history(tx)]
    assert told == [("approved", True), ("approved", False), ("genesis", True)]


def test_files_that_were_changed_behind_our_back_are_refused(house, leads):
    _, ben, cleo, rita = leads
    _, action = proposed(house, written(2000))
    before = in_force(house)
    with house.system.db.write() as tx:
        # What a person with the database's password could do: other files under an approved hash.
        other = select(policy_sets_table.c.files).where(policy_sets_table.c.hash == before.hash).scalar_subquery()
        tx.execute(
            update(policy_sets_table).where(policy_sets_table.c.hash == action.arguments["hash"]).values(files=other)
        )
    for person in (ben, cleo, rita):
        house.decide(action, by=person)

    house.drain()

    failed = now(house, action)
    assert failed.state == ActionState.FAILED
    assert "behind our back" in failed.reason
    assert in_force(house) == before


def test_a_policy_with_a_failing_test_cannot_be_proposed(house, leads):
    files = written(2000)
    files["house.test.yaml"] = files["house.test.yaml"].replace('"outcome": "allow"', '"outcome": "deny"', 1)

    with pytest.raises(PolicyError, match=r"house\.test\.yaml"):
        propose(house.system, files, WHY, ANA)

    with house.system.db.read() as tx:
        assert len(policy_sets.listing(tx)) == 1


@pytest.mark.parametrize(
    ("files", "why", "said"),
    [
        (written(), WHY, "in force already"),
        (written(2000), "  ", "Say why"),
        ({"house.yml": "x"}, WHY, "end in .yaml"),
        ({}, WHY, "0 files"),
    ],
)
def test_what_makes_no_sense_is_not_proposed(house, files, why, said):
    with pytest.raises(NotProposed, match=said):
        propose(house.system, files, why, ANA)


def test_one_policy_is_proposed_once(house, leads):
    case, _ = proposed(house)

    with pytest.raises(NotProposed, match=case.id):
        propose(house.system, STRICTER, WHY, ANA)


def test_a_policy_that_is_silent_about_its_changes_is_changed_by_nobody(engine, tmp_path):
    house = govern(engine, lay(tmp_path / "policy", written(governed=False)))

    with pytest.raises(NotProposed, match="CASEWORKER_POLICY_CHANGES=folder"):
        propose(house.system, written(2000), WHY, ANA)


def test_a_policy_that_would_let_itself_be_changed_without_anybody_is_not(engine, tmp_path):
    house = govern(engine, lay(tmp_path / "policy", written(open_to_all=True)))

    with pytest.raises(NotProposed, match="without anybody"):
        propose(house.system, written(2000), WHY, ANA)


def test_a_proposal_can_be_withdrawn(house, leads):
    case, action = proposed(house)

    closed = withdraw(house.system, action.arguments["hash"], "Not now.", ANA)

    assert (closed.id, closed.state, closed.outcome) == (case.id, CaseState.CLOSED, "withdrawn")
    assert now(house, action).state == ActionState.CANCELLED
    with pytest.raises(NotProposed):
        withdraw(house.system, action.arguments["hash"], "Again.", ANA)
    again, _ = proposed(house)
    assert again.id != case.id


def test_what_happened_stands_in_the_audit_log(house, leads):
    _, ben, cleo, _ = leads
    case, action = proposed(house)
    for person in (ben, cleo):
        house.decide(action, by=person)
    house.drain()

    with house.system.db.read() as tx:
        of_house = [(e.actor, e.verb) for e in audit.of_chain(tx, SYSTEM) if e.verb == "policy_activated"]
        of_case = [(e.actor, e.verb) for e in audit.of_chain(tx, case.id)]
    assert of_house == [
        ("caseworker", "policy_activated"),
        ("person:ben@firm.example, person:cleo@firm.example", "policy_activated"),
    ]
    assert (ANA, "policy_proposed") in of_case
    assert ("caseworker", "executed") in of_case


def test_every_policy_that_was_in_force_can_be_had_again(house, leads):
    _, action = proposed(house)

    policy = policy_of(house.system, action.arguments["hash"])

    assert policy is not None
    assert policy.hash == action.arguments["hash"]
    assert policy_of(house.system.db, in_force(house).hash) is not None
    assert policy_of(house.system, "0" * 64) is None
