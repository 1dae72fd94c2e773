"""Which policy is in force is read from the database: one first policy however many start, one read every half second, and
nothing that cannot be loaded ever takes the place of what can."""

import threading

import pytest
from sqlalchemy import event, update

from policies import loader
from policies.errors import PolicyError
from tests.kit.engine import refund
from tests.kit.governing import Ticks, govern, in_force, lay, put_in_force, written
from workers.inbox.words import AlreadyDecided
from workers.rulebook.book import Book
from workers.store import audit, policy_sets, schema
from workers.store.audit import SYSTEM
from workers.store.policy_sets import SetState
from workers.store.policy_tables import policy_sets as sets
from workers.store.records import ActionState, CaseState


@pytest.fixture
def folder(tmp_path):
    return lay(tmp_path / "policy", written())


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def house(engine, folder, ticks):
    return govern(engine, folder, ticks=ticks)


def book(engine, folder, **more):
    return Book(engine.system.db, folder, clock=engine.clock, monotonic=more.pop("ticks", Ticks()), **more)


def test_the_folder_holds_the_first_policy(house, folder):
    activation = in_force(house)

    assert activation.hash == loader.load(folder).hash == house.system.policy.hash
    assert (activation.seq, activation.how, activation.from_hash) == (1, "genesis", None)
    with house.system.db.read() as tx:
        assert policy_sets.of_hash(tx, activation.hash) == written()
        assert [e.verb for e in audit.of_chain(tx, SYSTEM)] == ["policy_activated"]


def test_however_many_start_at_once_there_is_one_first_policy(engine, tmp_path):
    folders = [lay(tmp_path / str(n), written(5000 + n)) for n in range(6)]
    books = [book(engine, folder) for folder in folders]
    together = threading.Barrier(len(books))
    begun = []

    def start(one):
        together.wait()
        begun.append(one.begin().hash)

    threads = [threading.Thread(target=start, args=(one,)) for one in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(begun) == {in_force(engine).hash}
    assert len(begun) == len(books)
    with engine.system.db.read() as tx:
        assert len(policy_sets.history(tx)) == 1


def test_an_installation_of_the_version_before_begins_with_its_folder(engine, folder):
    schema.downgrade(engine.system.db, "0009")
    schema.upgrade(engine.system.db)

    assert book(engine, folder).begin().hash == in_force(engine).hash


def test_what_changes_in_the_folder_later_does_not_count(house, folder):
    before = in_force(house)
    lay(folder, written(9000))

    assert book(house, folder).begin().hash == before.hash
    assert in_force(house) == before


def test_where_the_folder_always_wins_it_does_and_says_so(house, folder):
    before = in_force(house)
    lay(folder, written(9000))

    begun = book(house, folder, folder_wins=True).begin()

    now = in_force(house)
    assert (now.hash, now.how, now.from_hash) == (begun.hash, "folder", before.hash)
    with house.system.db.read() as tx:
        told = audit.of_chain(tx, SYSTEM)[-1]
        assert policy_sets.get(tx, before.hash).state == SetState.RETIRED
    assert (told.verb, told.data["how"]) == ("policy_activated", "folder")


def test_a_broken_folder_lets_nothing_start_where_there_is_no_policy_yet(engine, tmp_path):
    broken = lay(tmp_path / "broken", {**written(), "house.yaml": "bundle: ["})

    with pytest.raises(PolicyError):
        book(engine, broken).begin()

    with engine.system.db.read() as tx:
        assert policy_sets.in_force(tx) is None


def test_a_broken_folder_does_not_matter_where_there_is_one(house, folder):
    lay(folder, {"house.yaml": "bundle: ["})

    assert book(house, folder).begin().hash == in_force(house).hash


def test_a_policy_that_comes_into_force_is_followed_within_half_a_second(house, ticks):
    first = house.system.policy
    second = put_in_force(house, written(9000))

    assert house.system.policy is first
    ticks.now += 0.5
    assert house.system.policy.hash == second


def test_however_often_it_is_asked_for_it_is_read_twice_a_second(house, ticks):
    said = []
    event.listen(house.system.db.engine, "before_cursor_execute", lambda *args: said.append(args[2]))

    for _ in range(200):
        assert house.system.policy
    assert said == []
    ticks.now += 0.5
    for _ in range(200):
        assert house.system.policy
    assert len([text for text in said if "policy_activations" in text]) == 1


def tampered(house, hash_):
    with house.system.db.write() as tx:
        files = policy_sets.of_hash(tx, hash_)
        other = {name: text.replace("Small enough", "Go on").replace("<= ", ">= ") for name, text in files.items()}
        policy_sets.add(tx, "f" * 64, name="other", files=other, by="test", why="", now=house.clock())
        packed = tx.execute(sets.select().where(sets.c.hash == "f" * 64)).one().files
        tx.execute(update(sets).where(sets.c.hash == hash_).values(files=packed))


def test_files_that_do_not_come_to_their_hash_never_come_into_force(house, ticks, folder):
    first = house.system.policy
    # A limit of its own: another test of this process may have compiled a policy that is the same.
    bad = put_in_force(house, written(7777))
    tampered(house, bad)
    ticks.now += 0.5

    assert house.system.policy is first
    assert "behind our back" in house.system.rulebook.trouble
    with pytest.raises(PolicyError, match="doctor"):
        book(house, folder).begin()


def test_the_next_good_policy_ends_the_trouble(house, ticks):
    tampered(house, put_in_force(house, written(7778)))
    ticks.now += 0.5
    assert house.system.policy
    assert house.system.rulebook.trouble

    good = put_in_force(house, written(2000))
    ticks.now += 0.5

    assert house.system.policy.hash == good
    assert house.system.rulebook.trouble is None


def test_what_waits_is_judged_anew_before_anybody_says_yes_to_it(house, ticks):
    house.model.drafts = [[refund(6000)]]
    house.event()
    house.drain()
    pending = house.action("refund_payment")
    assert pending.state == ActionState.PENDING
    second = put_in_force(house, written(5500))
    ticks.now += 0.5

    with pytest.raises(AlreadyDecided, match="judged anew"):
        house.decide(pending)

    anew = house.action("refund_payment")
    assert (anew.revision, anew.policy_hash, anew.state) == (2, second, ActionState.PENDING)
    house.decide(anew)
    house.drain()
    assert house.action("refund_payment").state == ActionState.DONE


def test_what_the_new_policy_allows_by_itself_goes_on_when_somebody_looks(house, ticks):
    house.model.drafts = [[refund(6000)]]
    house.event()
    house.drain()
    pending = house.action("refund_payment")
    put_in_force(house, written(9000))
    ticks.now += 0.5

    with pytest.raises(AlreadyDecided):
        house.decide(pending)
    house.drain()

    assert house.action("refund_payment").state == ActionState.DONE
    assert house.case().state == CaseState.CLOSED


def test_what_was_approved_under_the_policy_before_is_not_carried_out(house, ticks):
    house.model.drafts = [[refund(4000)]]
    house.event()
    # The agent's part alone: what it decided is approved by rule, and on its way.
    house.drain(limit=1)
    approved = house.action("refund_payment")
    assert approved.state == ActionState.APPROVED
    second = put_in_force(house, written(2000))
    ticks.now += 0.5

    house.drain()

    anew = house.action("refund_payment")
    assert (anew.state, anew.revision, anew.policy_hash) == (ActionState.PENDING, 2, second)
    assert house.house.effects == []


def test_whom_people_asked_besides_is_asked_still_when_it_is_judged_anew(house, ticks):
    house.model.drafts = [[refund(6000)]]
    house.event()
    house.drain()
    pending = house.action("refund_payment")
    house.decide(pending, "escalate", group="finance")
    escalated = house.action("refund_payment")
    put_in_force(house, written(5500))
    ticks.now += 0.5

    with pytest.raises(AlreadyDecided):
        house.decide(escalated)

    anew = house.action("refund_payment")
    assert {r["role"] for r in anew.verdict["requirements"]} == {"lead", "finance"}
