"""What a case is told from memory: its own customer's alone, the fitting ones first, and at the price of one statement."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import event

from integrations.errors import Temporary
from integrations.models.base import TooLong
from workers.agents.remembered import customer_key, topic_key
from workers.memory.embedding import embed_new
from workers.memory.keeping import forget, note
from workers.memory.recalling import Recall, fused
from workers.store import memories

ANA = ("customer", "ana@example.com")
GARDEN = ("topic", "garden chairs")


def remember(house, about, *texts):
    """Notes, the oldest first; their ids."""
    made = []
    for text in texts:
        house.engine.clock.on(minutes=1)
        with house.db.write() as tx:
            made.append(note(tx, about, text, by="person:ben@firm.example", now=house.engine.clock()).id)
    return made


def told(house, about, question="", *, most=8, embedder=None):
    recall = Recall(house.db, replace(house.terms, told=most), house.engine.clock, embedder)
    return [record.data["text"] for record in recall.recall([about], question)]


def test_the_next_case_of_a_customer_is_told_what_the_last_one_taught(house):
    first = house.closed("7")
    house.learn()
    house.closed("8")

    facts = {fact.data["kind"]: fact for fact in house.gathered()}

    assert set(facts) == {"outcome", "claim"}
    assert {kind: fact.trusted for kind, fact in facts.items()} == {"outcome": True, "claim": False}
    assert facts["outcome"].url == f"/cases/{first}"
    drafted = house.engine.model.asked[-1]
    material = next(item for item in drafted.material if item.name == "memory")
    assert [item["kind"] for item in material.data] == [fact.data["kind"] for fact in house.gathered()]
    assert not material.trusted, "with a stranger's claim in it, all of it is fenced"


def test_nobody_is_told_what_another_customer_said(house):
    remember(house, ("customer", "bo@example.com"), "Bo likes garden chairs")

    assert told(house, ANA, "garden chairs") == []


def test_the_newest_come_first_and_no_more_than_an_agent_is_told(house):
    remember(house, ANA, *(f"Word number {n}" for n in range(12)))

    assert told(house, ANA, most=3) == ["Word number 11", "Word number 10", "Word number 9"]


def test_what_shares_words_with_the_message_comes_before_what_is_merely_newer(house):
    remember(house, ANA, "Once had a broken lantern", *(f"Something else {n}" for n in range(10)))

    assert "Once had a broken lantern" in told(house, ANA, "My lantern is broken!", most=3)


@pytest.mark.parametrize(
    "question", ['" OR 1', "NEAR(a b)", "a:b* -c", "'); --", "!!", "& | ! <->", "\x00 ", "漢字 كلمة"]
)
def test_no_question_is_taken_for_a_query(house, question):
    remember(house, ANA, "One", "Two")

    assert told(house, ANA, question, most=1) == ["Two"]


def test_topics_bring_what_is_known_of_topics_like_them(house):
    remember(house, GARDEN, "Garden chairs: name the wood")
    remember(house, ("topic", "wooden chairs for the garden"), "Chairs of wood: no claims of weather proof wood")
    remember(house, ("topic", "lamps"), "Lamps are dull")

    assert told(house, GARDEN, "garden chairs of wood") == [
        "Garden chairs: name the wood",
        "Chairs of wood: no claims of weather proof wood",
    ]


@pytest.mark.parametrize("known", [0, 3])
def test_it_costs_one_statement(house, known):
    remember(house, ANA, *(f"Word {n}" for n in range(known)))
    said = []
    for engine in {house.db.engine, house.db._direct}:
        event.listen(engine, "before_cursor_execute", lambda *a: said.append(a[2]))

    assert len(told(house, ANA, "My lamp is broken")) == known

    if house.db.is_sqlite:
        assert [s.split()[0] for s in said] == ["BEGIN", "SELECT"] or [s.split()[0] for s in said] == ["SELECT"]
    else:
        # By the driver itself, as the flow's own statements are: nothing went the longer way.
        assert said == []


def test_the_statement_is_served_by_its_index(house):
    if house.db.is_sqlite:
        with house.db.read() as tx:
            plan = str(tx.exec_driver_sql(_SQLITE_PLAN).all())
    else:
        with house.db.direct() as cursor:
            query = memories._written(house.db.engine.dialect)
            values = {"kind": "customer", "key": "x", "now": house.engine.clock(), "most": 50}
            plan = str(cursor.execute(b"EXPLAIN " + query, values).fetchall())

    assert "ix_memories_about" in plan


_SQLITE_PLAN = (
    "EXPLAIN QUERY PLAN SELECT id FROM memories WHERE about_kind = 'customer' AND about_key = 'x' AND superseded_by IS NULL "
    "AND erased_at IS NULL ORDER BY confirmed_at DESC LIMIT 50"
)


# ── with vectors ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Meaning:
    """An embedding model of three meanings: water, fire, and neither."""

    name = "meaning-1"

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.faults: list[Exception] = []

    def embed(self, texts):
        self.asked.append(list(texts))
        if self.faults:
            raise self.faults.pop(0)
        return [
            [float("rain" in t or "wet" in t), float("candle" in t or "burns" in t), 0.1] for t in map(str.lower, texts)
        ]


def test_what_means_the_same_is_found_without_a_word_in_common(house):
    remember(house, ANA, "It stood in the rain", *(f"A candle {n}" for n in range(10)))
    model = Meaning()

    assert embed_new(house.db, model) == 11
    assert embed_new(house.db, model) == 0
    assert "It stood in the rain" in told(house, ANA, "All wet", most=2, embedder=model)
    assert "It stood in the rain" not in told(house, ANA, "All wet", most=2)


def test_so_are_topics(house):
    remember(house, ("topic", "umbrellas"), "Against rain")
    remember(house, ("topic", "lamps"), "Burns oil")
    embed_new(house.db, Meaning())

    assert told(house, GARDEN, "wet", most=1, embedder=Meaning()) == ["Against rain"]


def test_a_model_that_cannot_be_reached_holds_nothing_up(house):
    remember(house, ANA, *(f"Word {n}" for n in range(4)))
    model = Meaning()
    model.faults.append(Temporary("away"))

    assert len(told(house, ANA, "Word", most=3, embedder=model)) == 3


def test_a_text_that_the_model_cannot_take_leaves_the_others_their_vectors(house):
    """As a server says it whose model reads 512 tokens: of all that came in one request, for one of them."""

    class Small(Meaning):
        def embed(self, texts):
            if any(len(text) > 100 for text in texts):
                raise TooLong("The material of this case is too long for the model.")
            return super().embed(texts)

    remember(house, ANA, "It stood in the rain", "Long " * 40, *(f"A candle {n}" for n in range(10)))
    model = Small()

    assert embed_new(house.db, model) == 11
    assert "It stood in the rain" in told(house, ANA, "All wet", most=2, embedder=model)
    remember(house, ANA, "A candle more")
    assert embed_new(house.db, model) == 1


def test_of_what_was_forgotten_no_vector_is_left(house):
    ids = remember(house, ANA, "It stood in the rain")
    embed_new(house.db, Meaning())
    with house.db.write() as tx:
        forget(tx, ids, by="person:ben@firm.example", now=house.engine.clock())
        memories.keep_vectors(tx, "meaning-1", {ids[0]: [1.0, 0.0, 0.1]})

    with house.db.read() as tx:
        assert memories.vectors_of(tx, "meaning-1", ids) == {}


def test_a_small_model_is_asked_only_where_there_is_a_choice(house):
    remember(house, ANA, "One")
    model = Meaning()

    told(house, ANA, "wet", embedder=model)

    assert model.asked == []


def test_who_stands_high_in_several_rankings_comes_first():
    assert fused([["a", "b", "c"], ["b", "c"], ["b"]])[0] == "b"
    assert fused([]) == []


def test_keys_do_not_depend_on_how_they_are_written():
    assert customer_key(" Ana@Example.com ") == "ana@example.com"
    assert topic_key("Garden   CHAIRS") == "garden chairs"
