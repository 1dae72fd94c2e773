"""Whoever can write to the database cannot put a policy in force unnoticed."""

from sqlalchemy import delete, select

from tests.kit.governing import govern, in_force, lay, put_in_force, written
from workers.governance import propose
from workers.store import actions, policy_proof
from workers.store.policy_tables import policy_activations

ANA = "person:ana@firm.example"
BAN = {"id": "tiny", "actions": ["refund_payment"], "when": "amount_minor == 1", "outcome": "deny", "message": "No"}
STRICTER = written(more=(BAN,))


def problems(house):
    with house.system.db.read() as tx:
        return policy_proof.unbacked(tx)


def test_what_people_put_in_force_stands_in_the_log(engine, tmp_path):
    house = govern(engine, lay(tmp_path / "policy", written()))
    leads = [house.person(name, ("lead",)) for name in ("ana", "ben", "cleo")]
    case = propose(house.system, STRICTER, "Less.", ANA)
    with house.system.db.read() as tx:
        (action,) = actions.of_case(tx, case.id)
    for person in leads[1:]:
        house.decide(action, by=person)
    house.drain()

    assert in_force(house).seq == 2
    assert problems(house) == []


def test_what_was_slipped_in_is_told(engine, tmp_path):
    house = govern(engine, lay(tmp_path / "policy", written()))
    slipped = put_in_force(house, written(900_000))

    (told,) = problems(house)

    assert told == f"policy {slipped[:12]}: came into force as number 2, and the log does not tell of it"


def test_what_was_taken_out_is_told(engine, tmp_path):
    house = govern(engine, lay(tmp_path / "policy", written()))
    with house.system.db.write() as tx:
        hash_ = tx.execute(select(policy_activations.c.hash)).scalar_one()
        tx.execute(delete(policy_activations))

    (told,) = problems(house)

    assert told == f"policy {hash_[:12]}: the log tells that it came into force, and the database does not know it"
