"""The log keeps what it is given to itself: words of strangers, rows in drivers' errors, arguments of other people's lines."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading

import pytest
import structlog
from pydantic import BaseModel

from integrations.errors import Permanent, Temporary
from workers import log

MARK = "Zanzibar-Mark"


@pytest.fixture
def lines(monkeypatch):
    """What the log writes, as JSON, at its most talkative."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, threading.excepthook
    log.configure("DEBUG", "json", process="test")

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in written.getvalue().splitlines()]

    lines.written = written.getvalue
    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)
    threading.excepthook = hook
    structlog.reset_defaults()


class Form(BaseModel):
    amount: int


def foreign(name: str, level: int, message: object, *given: object, exc_info=None) -> None:
    """A line of a library, to our handler alone: the test's own handlers would stumble over the odd ones."""
    record = logging.LogRecord(name, level, __file__, 1, message, given, exc_info)
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one, log._Handler)]
    handler.handle(record)


def raised(error: Exception | None = None) -> Exception:
    """An exception with a way through the code; without one given, a validator's that quotes its input."""

    def fail() -> None:
        if error is not None:
            raise error
        Form.model_validate({"amount": MARK})

    with pytest.raises(Exception) as caught:
        fail()
    return caught.value


def text(lines) -> str:
    return json.dumps(lines(), ensure_ascii=False)


def test_a_foreign_exception_is_told_by_its_class_and_its_way(lines):
    structlog.get_logger("caseworker").error("request_failed", exc_info=raised())

    (line,) = lines()
    assert "pydantic_core" in line["exception"]
    assert "ValidationError: (words withheld)" in line["exception"]
    assert "in raised" in line["exception"]
    assert MARK not in line["exception"]


def test_what_caused_it_is_told_as_discreetly(lines):
    error = Temporary("The desk cannot be reached.")
    error.__cause__ = raised(KeyError(MARK))
    structlog.get_logger("caseworker").error("task_failed", exc_info=raised(error))

    (line,) = lines()
    assert line["exception"].index("KeyError: (words withheld)") < line["exception"].index(
        "The desk cannot be reached."
    )
    assert MARK not in line["exception"]


def test_our_sentences_stay_without_what_they_quote(lines):
    logger = structlog.get_logger("caseworker")
    logger.info("case_waits", reason=str(Permanent(f"{MARK!r} is not one mail address")))
    logger.info("case_waits", reason=f"The model's service said \u201c{MARK}\u201d: check the account's balance.")

    assert [line["reason"] for line in lines()] == [
        "\u2026 is not one mail address",
        "The model's service said \u2026: check the account's balance.",
    ]


def test_values_of_people_are_taken_out_of_any_line(lines):
    structlog.get_logger("caseworker").info(
        "x", path="/c/ana@example.com", items=["4242 4242 4242 4242"], n=7, case_id="case_1"
    )

    (line,) = lines()
    assert (line["path"], line["items"], line["n"], line["case_id"]) == ("/c/[email]", ["[card]"], 7, "case_1")


@pytest.mark.parametrize(
    ("message", "given"),
    [
        ("body: %s", (MARK,)),
        ("body: %r and %d", ([MARK], 3)),
        (
            "Received unregistered task of type %s.\n\nThe full contents of the message body was:\n%b",
            ("caseworker.x", MARK.encode()),
        ),
        ("Task %(name)s raised: %(exc)s", ({"name": "caseworker.advance", "exc": ValueError(MARK)},)),
        ("100% of %s", (MARK,)),
        ("%s %s", (MARK,)),
        ("nothing to fill", (MARK,)),
        ("%(missing)s", ({"other": MARK},)),
        ("%d", (MARK,)),
        (f"first line\n{MARK}", ()),
        (f"future: ValueError('{MARK}')", ()),
    ],
)
def test_of_a_foreign_line_the_constant_part_stays(lines, message, given):
    foreign("some.library", logging.WARNING, message, *given)

    (line,) = lines()
    assert MARK not in json.dumps(line)
    assert line["level"] == "warning"


def test_numbers_and_names_of_code_are_filled_in(lines):
    logging.getLogger("some.library").warning("%s lost %d at %s", "caseworker.advance", 3, "redis://localhost:6379/0")
    assert lines()[0]["event"] == "caseworker.advance lost 3 at redis://localhost:6379/0"


def test_lines_of_integrations_are_ours_and_say_their_names(lines):
    foreign(
        "integrations.x",
        logging.WARNING,
        "cannot_serve route=%s reason=%s",
        "anthropic",
        Temporary(f"{MARK!r} is busy."),
    )
    foreign("integrations.x", logging.WARNING, "refused by=%s", f"{MARK!r} of ana@example.com")

    assert [line["event"] for line in lines()] == [
        "cannot_serve route=anthropic reason=\u2026 is busy.",
        "refused by=\u2026 of [email]",
    ]


def test_libraries_say_nothing_below_a_warning_even_where_ours_say_all(lines):
    for name in ("anthropic._base_client", "openai._base_client", "httpx", "sqlalchemy.engine.Engine", "urllib3"):
        foreign(name, logging.DEBUG, "Request options: %s", MARK)
        foreign(name, logging.INFO, "[parameters: %s]", MARK)
    logging.getLogger("integrations.x").info("ours %d", 1)

    assert [line["event"] for line in lines()] == ["ours 1"]


def test_an_exception_of_a_library_is_told_as_discreetly(lines):
    error = raised(ValueError(MARK))
    foreign(
        "uvicorn.error", logging.ERROR, "Exception in application", exc_info=(type(error), error, error.__traceback__)
    )

    assert "ValueError: (words withheld)" in lines()[0]["exception"]
    assert MARK not in text(lines)


def test_a_thread_that_dies_says_so_and_no_more(lines):
    def fail() -> None:
        raise ValueError(MARK)

    thread = threading.Thread(target=fail, name="a-thread")
    thread.start()
    thread.join()

    (line,) = lines()
    assert (line["event"], line["thread"]) == ("thread_died", "a-thread")
    assert MARK not in text(lines)


def test_a_console_shows_no_local_variables(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hook = threading.excepthook
    try:
        log.configure("INFO", "console")
        kept = MARK
        structlog.get_logger("caseworker").error("x", exc_info=raised(ValueError(kept)))
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        threading.excepthook = hook
        structlog.reset_defaults()

    assert "words withheld" in written.getvalue()
    assert MARK not in written.getvalue()


def test_a_line_that_cannot_be_written_is_not_repeated_with_its_arguments(lines):
    class Stubborn:
        def __str__(self) -> str:
            raise RuntimeError(MARK)

    foreign("some.library", logging.WARNING, Stubborn())
    assert re.fullmatch(r"log_line_lost logger=some.library error=RuntimeError\n", lines.written())


def test_errors_are_told_by_consequence():
    assert log.told(Temporary("The desk's line is busy.")) == "The desk's line is busy."
    assert log.told(ValueError(MARK)) == "ValueError"
    assert (
        log.told(FileNotFoundError(2, "No such file or directory", MARK))
        == "FileNotFoundError: No such file or directory"
    )
