"""Whatever stands in policy files, reading them ends: with a policy or with problems, never with a crash or without end.

Each test runs in a child process that may use so many seconds of CPU and no more: a crash of a native library or an endless
loop shows as the child's end, not as the test run's.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest
from policy_making import bundle, raw, rule
from test_policy_two_engines import conditions, inputs

from policies import loader
from policies.cel import Environment, Fault, Refused
from policies.types import Facts

CPU_SECONDS = 60
WAIT_SECONDS = 110
TOKENS = (
    "&&", "||", "!", "(", ")", "[", "]", "{", "}", "==", "<", "in", "true", "null", "1", "-", "0.5", "9223372036854775808", '"',
    "'", "\\", ",", ".", "?", ":", "a", "dyn(", "size(", ".exists(x, ", ".map(", "matches(", "amount_minor", "risk_flags",
    "occurred_at", "//", "\n", "\t", "\x00", "é", "😀", "\u202e", 'r"', 'b"', "%", "1u", "*", "+", "/", '.getHours("x")',
)  # fmt: skip
YAML_TOKENS = (
    "- ", ": ", "\n", "  ", "&a ", "*a", "!!python/object:os.system ", "{", "}", "[", "]", "|", ">-", "#", "'", '"', "---\n", "...",
    "<<: *a\n", "? ", "no", "1e999", "0x", "\t", "\x00", "\ufeff", "é", "😀", "bundle:", "rules:", "when:", "outcome: allow\n",
    "canary: -1\n", "layer: platform\n",
)  # fmt: skip


def mutated(text: str, dice: random.Random, tokens: tuple[str, ...]) -> str:
    for _ in range(dice.randint(1, 2)):
        at = dice.randrange(len(text) + 1)
        upto = min(len(text), at + dice.randint(0, 12))
        how = dice.randrange(4)
        if how == 0:
            text = text[:at] + dice.choice(tokens) + text[at:]
        elif how == 1:
            text = text[:at] + text[upto:]
        elif how == 2:
            text = text[:upto] + text[at:]
        else:
            text = text[:at] + dice.choice(tokens) + text[upto:]
    return text


def in_a_child(work: Callable[[], Any]) -> Any:
    """What the work returns; an assertion that the child ended by itself, in time."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run(connection: Connection) -> None:
        used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS, used + CPU_SECONDS))
        connection.send(work())
        connection.close()

    child = context.Process(target=run, args=(theirs,))
    child.start()
    theirs.close()
    try:
        assert ours.poll(WAIT_SECONDS), "no answer in time"
        return ours.recv()
    except EOFError:
        child.join(10)
        pytest.fail(f"the child died: exit code {child.exitcode}")
    finally:
        child.kill()
        child.join(10)


def test_mutated_conditions_are_refused_or_answered_alike_by_both_engines() -> None:
    def work() -> dict[str, Any]:
        dice = random.Random(3)
        google, rust = Environment(Facts, "google"), Environment(Facts, "rust")
        facts = inputs(4, 6)
        told: dict[str, Any] = {"taken": 0, "refused": 0, "wrong": []}
        for _ in range(2_500):
            text = mutated(dice.choice(conditions()), dice, TOKENS)
            try:
                program = google.compile(text)
            except Refused:
                told["refused"] += 1
                continue
            told["taken"] += 1
            try:
                other = rust.compile(text)
            except Refused as refused:
                told["wrong"].append(f"{text!r}: only the fallback refuses it: {refused}")
                continue
            for values in facts:
                # Bound anew each time: a decision must not be older than it may take.
                answers = [program.evaluate(google.bind(values)), other.evaluate(rust.bind(values))]
                said = [None if isinstance(answer, Fault) else answer for answer in answers]
                if said[0] is not said[1]:
                    told["wrong"].append(f"{text!r}: {answers}")
        return told

    told = in_a_child(work)

    assert told["wrong"] == []
    assert told["taken"] > 100
    assert told["refused"] > 500


def test_the_fallback_survives_what_the_main_engine_would_refuse() -> None:
    def work() -> int:
        dice = random.Random(5)
        rust = Environment(Facts, "rust")
        taken = 0
        for _ in range(1_500):
            try:
                program = rust.compile(mutated(dice.choice(conditions()), dice, TOKENS))
            except Refused:
                continue
            answer = program.evaluate(rust.bind(raw()))
            assert answer is True or answer is False or isinstance(answer, Fault)
            taken += 1
        return taken

    assert in_a_child(work) > 100


def test_mutated_files_are_a_policy_or_problems() -> None:
    def work() -> list[int]:
        dice = random.Random(6)
        shipped = {name: content.decode() for name, content in loader.read(loader.SHIPPED).items()}
        found = [0, 0]
        for _ in range(60):
            name = dice.choice(sorted(shipped))
            loaded = loader.examine({**shipped, name: mutated(shipped[name], dice, YAML_TOKENS)})
            assert (loaded.policy is None) is bool(loaded.problems)
            found[loaded.policy is None] += 1
        return found

    taken, refused = in_a_child(work)

    assert taken + refused == 60
    assert refused > 10


def bombs() -> dict[str, str]:
    one = json.dumps(bundle("platform", rule("one", "review")))
    deep = ("[" * 50_000, "{a: " * 50_000, "- " * 50_000, "? " * 20_000)
    when = {
        "parentheses": "(" * 990 + "true" + ")" * 990,
        "negations": "!" * 1_990 + "true",
        "sums": " + ".join(["1"] * 600) + " > 0",
        "ands": " && ".join(["abstained"] * 150),
        "questions": "abstained ? " * 150 + "true" + " : true" * 150,
        "list": "amount_minor in [" + ",".join(["1"] * 900) + "]",
        "nested lists": "[" * 900 + "]" * 900 + " == []",
        "maps": '{"a": ' * 200 + "1" + "}" * 200 + " == 1",
        "macros": "risk_flags" + ".filter(f, true)" * 90 + ".size() > 0",
        "repeats": 'currency.matches("' + "(a{100}){100}" * 3 + '")',
        "stars": 'currency.matches("' + "(a*)*" * 300 + '")',
        "brackets": 'currency.matches("' + "(" * 900 + ")" * 900 + '")',
    }
    return {
        **{f"deep {place}": text for place, text in enumerate(deep)},
        "aliases": "a: &a [x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)),
        "merge": "a: &a {<<: *a}\n",
        "long text": one.replace("because of one", "x" * 2_000_000),
        "long key": json.dumps({"k" * 1_000_000: 1}),
        "many rules": json.dumps(bundle("platform", *(rule(f"r{n}", "review") for n in range(400)))),
        "many actions": json.dumps(bundle("platform", rule("one", "review"), actions=["a"] * 20_000)),
        "unicode": one.replace("platform", "плат😀\u202eform"),
        "surrogate": one.replace("because", "\\ud800"),
        "big number": one.replace('"version": 1', '"version": ' + "9" * 4_400),
        "documents": "---\n" * 5_000,
        **{f"when {name}": json.dumps(bundle("platform", rule("one", "review", text))) for name, text in when.items()},
    }


@pytest.mark.parametrize("names", [sorted(bombs())[place::3] for place in range(3)], ids=["first", "second", "third"])
def test_bombs_are_a_policy_or_problems(names: list[str]) -> None:
    def work() -> dict[str, bool]:
        found = {}
        for name in names:
            loaded = loader.examine({"platform.yaml": bombs()[name]})
            assert (loaded.policy is None) is bool(loaded.problems), name
            found[name] = loaded.policy is not None
        return found

    taken = in_a_child(work)

    allowed = {
        "many rules",
        "many actions",
        "when ands",
        "when list",
        "when macros",
        "when negations",
        "when questions",
    }
    assert {name for name, is_policy in taken.items() if is_policy} <= allowed
