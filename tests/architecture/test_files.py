"""What every source file must be: short, explained, finished, and free of what the design rules out."""

import ast
import re

from tests.architecture.source import PACKAGES, ROOT, calls, name, python_files, tree

MOST_LINES = 400
BANNED_NAMES = {"utils", "helpers", "common", "core", "manager"}
#: where anything at all may go wrong and must not end the process; each says why beside it
MAY_CATCH_ALL = {
    "workers/tasks.py",
    "workers/hint_delivery.py",
    "workers/redis_consumer.py",
    # nobody else would publish a hint
    "workers/queue.py",
    "workers/event_messages.py",
    "policies/cel/environment.py",
    "policies/cel/google.py",
    "policies/cel/rust.py",
    # carried over to the thread that waits for it
    "integrations/models/hedge.py",
    # between a commit and its answer; and a bug of what looks or reads is told to people, in the end
    "workers/execute.py",
    # told to who replays, for whom the other requests are not kept waiting
    "workers/intake/quarantining.py",
    "workers/intake/receive.py",
    "workers/intake/shortcut.py",
    "workers/intake/web.py",
    # logged, and met again where the paid draft that is written down first is judged
    "workers/pipeline.py",
    # told to who asked for the run, which would else begin again for ever
    "workers/rehearsal/jobs.py",
    "workers/sweeper.py",
}

EVERY = python_files(*PACKAGES, "tests", "benchmarks")
OURS = python_files(*PACKAGES)


def test_no_python_file_is_over_400_lines():
    lengths = {name(path): len(path.read_text().splitlines()) for path in EVERY}

    assert {file: length for file, length in lengths.items() if length > MOST_LINES} == {}


def test_every_module_opens_with_what_it_is_for():
    assert [name(path) for path in OURS if not (ast.get_docstring(tree(path)) or "").strip()] == []


def test_no_module_is_named_for_nothing_in_particular():
    assert [name(path) for path in EVERY if BANNED_NAMES & {*path.relative_to(ROOT).with_suffix("").parts}] == []


def test_no_error_is_swallowed_without_being_named():
    swallowed = {
        name(path)
        for path in OURS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or _is_any(node.type))
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    }
    hushed = [
        (name(path), call.lineno)
        for path in OURS
        for call in calls(tree(path))
        if ast.unparse(call.func).endswith("suppress") and any(_is_any(kind) for kind in call.args)
    ]

    assert swallowed == MAY_CATCH_ALL
    assert hushed == []


def _is_any(kind):
    return isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}


def test_nothing_is_left_to_be_done():
    assert found(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b", OURS) == {}


def test_a_silenced_warning_names_what_it_silences():
    others = [path for path in EVERY if path.name != "test_files.py"]

    assert found(r"# (?:type: ignore(?!\[)|noqa(?!: [A-Z]))", others) == {}


def found(pattern, paths):
    """What of it stands in which file."""
    return {name(path): left for path in paths if (left := re.findall(pattern, path.read_text()))}


def test_celery_is_never_asked_to_wait_or_to_try_again():
    """`wake_at` is the one timer: Celery holds an ETA in memory and repeats it beyond the visibility time-out."""
    asked = [
        (name(path), call.lineno, keyword.arg)
        for path in OURS
        for call in calls(tree(path))
        for keyword in call.keywords
        if keyword.arg in {"eta", "countdown", "autoretry_for", "retry_backoff"}
    ]
    asked += [
        (name(path), call.lineno, "retry")
        for path in OURS
        if name(path).startswith("workers")
        for call in calls(tree(path))
        if isinstance(call.func, ast.Attribute) and call.func.attr == "retry"
    ]

    assert asked == []


def test_no_task_is_a_coroutine():
    """Celery never awaits one: it would report success without having run it."""
    coroutines = [
        node.name for node in ast.walk(tree(ROOT / "workers/tasks.py")) if isinstance(node, ast.AsyncFunctionDef)
    ]

    assert coroutines == []
