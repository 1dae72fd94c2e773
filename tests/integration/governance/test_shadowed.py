"""A proposed policy that is followed as a shadow is decided on like any other, and what its card shows is worked out once."""

import pytest
from sqlalchemy import event

from tests.kit.engine import refund
from tests.kit.governing import govern, in_force, lay, written
from workers.governance import NotProposed, propose, withdraw
from workers.governance.book import policy_of
from workers.governance.rehearsed import GOOD_FOR, lately
from workers.rehearsal import beside
from workers.store import actions, policy_sets
from workers.store.policy_sets import SetState

ANA = "person:ana@firm.example"
BAN = {"id": "tiny", "actions": ["refund_payment"], "when": "amount_minor == 1", "outcome": "deny", "message": "No"}
STRICTER = written(more=(BAN,))


@pytest.fixture
def house(engine, tmp_path):
    made = govern(engine, lay(tmp_path / "policy", written()))
    made.people = [made.person(name, ("lead",)) for name in ("ana", "ben", "cleo")]
    return made


@pytest.fixture
def shadow(house):
    """The action that would put in force what is followed beside the policy in force."""
    case = propose(house.system, STRICTER, "Less.", ANA)
    with house.system.db.write() as tx:
        (action,) = actions.of_case(tx, case.id)
        beside.move(tx, action.arguments["hash"], begin=True, by=ANA, now=house.clock())
    return action


def state(house, hash_):
    with house.system.db.read() as tx:
        return policy_sets.get(tx, hash_).state


def test_a_shadow_can_be_approved(house, shadow):
    for person in house.people[1:]:
        house.decide(shadow, by=person)
    house.drain()

    assert in_force(house).hash == shadow.arguments["hash"]
    assert state(house, shadow.arguments["hash"]) == SetState.ACTIVE


def test_a_shadow_can_be_withdrawn_and_is_followed_no_longer(house, shadow):
    withdraw(house.system, shadow.arguments["hash"], "Not now.", ANA)

    assert state(house, shadow.arguments["hash"]) == SetState.RETIRED


def test_a_shadow_that_was_refused_can_be_proposed_again_and_approved(house, shadow):
    with pytest.raises(NotProposed, match="proposed already"):
        propose(house.system, STRICTER, "Again.", ANA)
    house.decide(shadow, "reject", by=house.people[1], reason="Not yet.")
    house.drain()

    case = propose(house.system, STRICTER, "Now.", ANA)
    with house.system.db.read() as tx:
        (again,) = actions.of_case(tx, case.id)
    for person in house.people[1:]:
        house.decide(again, by=person)
    house.drain()

    assert in_force(house).hash == shadow.arguments["hash"]


def test_a_card_that_many_look_at_is_worked_out_once_in_a_while(house, shadow):
    house.model.drafts = [[refund()]]
    house.event()
    house.drain()
    before, after = house.system.policy, policy_of(house.system, shadow.arguments["hash"])
    read = []
    event.listen(house.system.db.engine, "before_cursor_execute", lambda *said: read.append(said[2]))

    first = lately(house.system, before, after)
    asked = len(read)
    assert lately(house.system, before, after) is first
    assert len(read) == asked > 0

    house.clock.now += GOOD_FOR
    assert lately(house.system, before, after) is not first
