"""A route has a seat where its provider has credentials; why the others have none is told, and stops nobody."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations import registry
from integrations.models.routing import Routing
from integrations.models.seating import Provider, Seating
from tests.unit.models.routed import Scripted


class Makers:
    """Providers that say what was made of them."""

    def __init__(self):
        self.made = []

    def of(self, name, **more):
        def make(model):
            self.made.append((name, model))
            return Scripted(name, name=model or "own")

        return Provider(name, f"{name.upper()}_KEY", make, **more)

    def without_key(self, name):
        return Provider(name, f"{name.upper()}_KEY", lambda _model: None)

    def broken(self, name):
        def make(_model):
            raise ValueError("ALPHA_THINKING is 'much'; it can be off or on.")

        return Provider(name, "", make)


def routing(**tasks):
    return Routing.model_validate({"version": 1, "tasks": tasks})


def reasons(seating):
    return {(listed.task, listed.place): listed.why for listed in seating.listed}


def test_a_route_without_credentials_is_left_out_and_says_what_it_wants():
    makers = Makers()

    seating = Seating(
        routing(draft=[{"provider": "alpha"}, {"provider": "beta"}], plan=[{"provider": "alpha"}]),
        {},
        [makers.without_key("alpha"), makers.of("beta")],
    )

    assert [seat.key for seat in seating.seats["draft"]] == ["beta"]
    assert "plan" not in seating.seats
    assert reasons(seating) == {
        ("draft", 1): "ALPHA_KEY is not set",
        ("draft", 2): "",
        ("plan", 1): "ALPHA_KEY is not set",
    }


def test_a_setting_that_cannot_be_read_keeps_one_provider_from_serving_and_is_told():
    makers = Makers()

    seating = Seating(
        routing(draft=[{"provider": "alpha"}, {"provider": "beta"}]), {}, [makers.broken("alpha"), makers.of("beta")]
    )

    assert [seat.key for seat in seating.seats["draft"]] == ["beta"]
    assert reasons(seating)["draft", 1] == "a setting is wrong: ALPHA_THINKING is 'much'; it can be off or on."


def test_a_variable_that_is_not_set_leaves_its_route_out_instead_of_taking_another_model():
    makers = Makers()
    wanted = routing(draft=[{"provider": "alpha", "model": "${SMALL}"}, {"provider": "alpha"}])

    without = Seating(wanted, {}, [makers.of("alpha")])
    named = Seating(wanted, {"SMALL": "m-1"}, [makers.of("alpha")])

    assert [seat.key for seat in without.seats["draft"]] == ["alpha"]
    assert reasons(without)["draft", 1] == "SMALL is not set"
    assert [seat.key for seat in named.seats["draft"]] == ["alpha/m-1", "alpha"]


def test_one_model_serves_all_routes_that_name_it_wrapped_once():
    makers, wrapped = Makers(), []

    def wrap(name, model):
        wrapped.append(name)
        return model

    seating = Seating(
        routing(
            draft=[{"provider": "alpha"}, {"provider": "alpha", "when": {"urgent": True}}], plan=[{"provider": "alpha"}]
        ),
        {},
        [makers.of("alpha")],
        wrap=wrap,
    )

    seats = [*seating.seats["draft"], *seating.seats["plan"]]
    assert len({id(seat.model()) for seat in seats}) == 1
    assert makers.made == [("alpha", None)]
    assert wrapped == ["alpha"]


def test_what_is_always_here_is_made_when_it_is_first_needed_and_once():
    makers, gate = Makers(), threading.Barrier(8)
    seating = Seating(routing(draft=[{"provider": "local"}]), {}, [makers.of("local", free=True, here=True)])
    seat = seating.seats["draft"][0]
    assert (makers.made, seat.made(), seat.free) == ([], False, True)

    def need(_number):
        gate.wait()
        return id(seat.model())

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(need, range(8)))

    assert len(found) == 1
    assert makers.made == [("local", None)]
    assert seat.made()


def test_vectors_come_from_the_first_that_makes_them_and_from_nobody_else():
    makers = Makers()
    vectors = object()
    able = makers.of("beta", embed=lambda _name: vectors, embed_wanted="BETA_EMBEDDING")
    unset = makers.of("gamma", embed=lambda _name: None, embed_wanted="GAMMA_EMBEDDING")

    seating = Seating(
        routing(
            embed=[{"provider": name} for name in ("alpha", "gamma", "beta")] + [{"provider": "beta", "model": "m"}]
        ),
        {},
        [makers.of("alpha"), able, unset],
    )

    assert seating.embedder is vectors
    assert list(reasons(seating).values()) == [
        "it makes no vectors",
        "GAMMA_EMBEDDING is not set",
        "",
        "another makes the vectors",
    ]
    assert seating.seats == {}


@pytest.mark.parametrize(
    ("env", "drafting", "planning"),
    [
        ({}, ["local"], []),
        ({"ANTHROPIC_API_KEY": "k"}, ["anthropic", "local"], ["anthropic"]),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, ["openai", "local"], ["openai"]),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, ["anthropic", "openai", "local"], ["anthropic", "openai"]),
    ],
)
def test_as_shipped_whoever_has_a_key_serves_and_the_local_model_is_the_last(env, drafting, planning, tmp_path):
    listed = registry.model_routes(env)
    asked = registry.models(env, data=tmp_path)

    assert [route.provider for route in listed if route.task == "draft" and route.usable] == drafting
    assert [route.provider for route in listed if route.task == "plan" and route.usable] == planning
    assert asked.provider == drafting[0]
