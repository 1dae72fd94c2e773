"""Pieces of a streamed completion put together, as services differ in how they cut it."""

from __future__ import annotations

import pytest

from integrations.models.openai.stream import Assembly


def piece(name=None, arguments=None, *, index=0, **more):
    return {"index": index, "function": {"name": name, "arguments": arguments}, **more}


ORDER, CHARGE = ("find_order", '{"number": "1"}'), ("find_charge", '{"charge_id": "2"}')


@pytest.mark.parametrize(
    "pieces",
    [
        # Each whole, with an index of its own, or all under one.
        [[piece(*ORDER, id="a")], [piece(*CHARGE, id="b", index=1)]],
        [[piece(*ORDER, id="a")], [piece(*CHARGE, id="b")]],
        [[piece(*ORDER, id="a"), piece(*CHARGE, id="b")]],
        # In parts, with the name and the id once, each time, or an id that is another each time.
        [
            [piece("find_order", "", id="a")],
            [piece(None, '{"number":')],
            [piece(None, ' "1"}')],
            [piece(*CHARGE, id="b", index=1)],
        ],
        [
            [piece("find_order", '{"number":', id="a")],
            [piece("find_order", ' "1"}', id="a")],
            [piece(*CHARGE, id="b", index=1)],
        ],
        [
            [piece("find_order", '{"number":', id="x")],
            [piece("find_order", ' "1"}', id="a")],
            [piece(*CHARGE, id="b", index=1)],
        ],
        [
            [piece("find_order", '{"number":', id="a")],
            [piece(None, ' "1"}', id="a")],
            [piece(None, "", id="a")],
            [piece(*CHARGE, id="b")],
        ],
    ],
    ids=range(7),
)
def test_calls_are_told_apart_however_they_are_cut(pieces):
    built = Assembly()
    for calls in pieces:
        built.take({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]})

    made = built.completion()["choices"][0]["message"]["tool_calls"]

    assert [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in made] == [
        ("a", *ORDER),
        ("b", *CHARGE),
    ]
