"""An engine that cannot check conditions takes only what another one checked; the shipped policies always are."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest
from policy_making import AT, bundle, facts, files, rule

from policies import cel, checked, engine, loader
from policies.errors import PolicyError

MADE = files(bundle("platform", rule("small", "allow", "amount_minor <= 2500")))
OTHER = files(bundle("platform", rule("small", "allow", "amount_minor <= 9000")))


def written(folder: Path, made: dict[str, str]) -> Path:
    for name, text in made.items():
        (folder / name).write_text(text)
    return folder


def test_the_shipped_policies_are_known_as_checked() -> None:
    """Changed a shipped bundle? `caseworker policy check --lock` writes this file anew."""
    policy = loader.load(loader.SHIPPED, run_tests=False)

    assert (loader.SHIPPED / checked.FILE).read_text() == checked.text(policy)


def test_the_fallback_decides_by_the_shipped_policies_and_says_so() -> None:
    main, fallback = (loader.load(loader.SHIPPED, engine=name) for name in ("google", "rust"))

    one, other = (engine.decide(policy, facts(), at=AT, trace=True) for policy in (main, fallback))

    assert fallback.hash == main.hash
    assert other.engine.startswith("common-expression-language ")
    assert one.engine.startswith("cel-expr-python ")
    assert (one.verdict, one.answers, one.facts) == (other.verdict, other.answers, other.facts)


def test_the_fallback_refuses_what_nobody_checked(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as refused:
        loader.load(written(tmp_path, MADE), engine="rust", run_tests=False)

    assert "policy check --lock" in str(refused.value)


def test_the_fallback_takes_what_the_file_beside_it_says_was_checked_and_nothing_changed_since(tmp_path: Path) -> None:
    folder = written(tmp_path, MADE)
    (folder / checked.FILE).write_text(checked.text(loader.load(folder, engine="google", run_tests=False)))

    taken = loader.load(folder, engine="rust", run_tests=False)

    assert engine.decide(taken, facts(amount_minor=2000), at=AT).verdict.outcome.name == "ALLOW"
    written(folder, OTHER)
    with pytest.raises(PolicyError):
        loader.load(folder, engine="rust", run_tests=False)


def test_whoever_keeps_checked_policies_elsewhere_can_say_so() -> None:
    known = checked.fingerprints(loader.loads(MADE, engine="google", run_tests=False))

    assert loader.loads(MADE, engine="rust", checked=known, run_tests=False)
    assert loader.loads(MADE, engine="rust", vouched=True, run_tests=False)
    with pytest.raises(PolicyError):
        loader.loads(OTHER, engine="rust", checked=known, run_tests=False)


def test_a_file_that_is_broken_vouches_for_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path, MADE)
    (folder / checked.FILE).write_bytes(b"\xff\xfe\n\n# nothing\nplatform\n")

    with pytest.raises(PolicyError):
        loader.load(folder, engine="rust", run_tests=False)


def _without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """As on a machine where these packages cannot be installed."""
    real = builtins.__import__

    def without(name: str, *more: Any, **given: Any) -> Any:
        if name.partition(".")[0] in missing:
            raise ImportError(f"no {name} here")
        return real(name, *more, **given)

    monkeypatch.setattr(builtins, "__import__", without)
    for name in ("policies.cel.google", "policies.cel.rust"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_where_the_main_engine_cannot_be_imported_the_fallback_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "cel_expr_python")

    policy = loader.load(loader.SHIPPED)

    assert policy.environment.engine == cel.installed() == engine.decide(policy, facts(), at=AT).engine
    assert policy.environment.engine.startswith("common-expression-language ")


def test_without_any_engine_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "cel_expr_python", "cel")

    with pytest.raises(cel.NoEngine, match="nor common-expression-language"):
        loader.load(loader.SHIPPED)


def test_a_process_chooses_its_engine_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.cel.environment._chosen", "auto")

    cel.choose("rust")

    assert loader.load(loader.SHIPPED, run_tests=False).environment.engine.startswith("common-expression-language ")
    assert loader.load(loader.SHIPPED, run_tests=False, engine="google").environment.engine.startswith(
        "cel-expr-python "
    )
