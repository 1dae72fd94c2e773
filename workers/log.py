"""Logging: structlog for ours and everyone else's, one line an event, ids as data, never payload text or prompts.

Every process calls `configure` once. What others throw or log is not trusted to be discreet: a driver's error quotes the row, a
validator the value, an SDK the body. Of foreign exceptions a line has the class and the way through the code, of foreign lines the
constant part; and what is left of any line is searched for values of people.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final

import structlog

from integrations.models.redaction import KINDS, Wanted, blotted

WITHHELD: Final = "(words withheld)"
_LONGEST: Final = 300
_MOST_CAUSES: Final = 5
#: whose errors say in one sentence what is wrong, and whose lines are constant
_OURS: Final = ("workers", "integrations", "policies", "caseworker")
#: said when all is well, and wanted all the same
_WELCOME: Final = ("uvicorn.error",)
#: fields that hold a sentence, which may quote what somebody sent
_SENTENCES: Final = frozenset({"reason", "error", "detail", "problem", "what"})
_FIXED: Final = frozenset({"timestamp", "level", "exception", "process", "worker"})
_SEARCHED: Final = Wanted(frozenset(KINDS))
_QUOTED: Final = re.compile(
    r"(?<!\w)'[^'\n]*'(?!\w)|(?<!\w)\"[^\"\n]*\"(?!\w)|\u201c[^\u201d\n]*\u201d|\u2018[^\u2019\n]*\u2019(?!\w)"
)
#: what a library may fill into its lines: names of code, addresses of brokers, ids
_NAME: Final = re.compile(
    r"https?|localhost|[a-z_]\w*(?:[._][a-z]\w*)+|[\d.:]+|(?:redis|rediss|amqp|amqps|memory)://[\w.:/*-]*"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


def configure(level: str, output: str, **about: str) -> None:
    """`output` is ``json``, ``console``, or ``auto`` (console on a terminal). `about` stands on every line."""
    as_json = output == "json" or (output == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_exception,
        _keep_back,
    ]
    renderer: structlog.typing.Processor = (
        # What an exception went through is text by now; the console's own way shows the values of local variables.
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        # First, so that a line below the level costs nothing more.
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(sys.stderr)
    handler.addFilter(_worth_a_line)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            # Who writes is added here: what wrote a line before the process said who it is keeps the processors of then.
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _adding(about), renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "celery", "kombu", "amqp", "uvicorn.access", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    threading.excepthook = _thread_died


def told(error: BaseException) -> str:
    """What may be written down of an error: the sentence of one of ours without what it quotes, else its class."""
    kind = type(error)
    if kind.__module__.partition(".")[0] in _OURS:
        return discreet(str(error)) or kind.__name__
    if isinstance(error, OSError) and error.strerror:
        return f"{kind.__name__}: {error.strerror}"
    return kind.__name__


def discreet(text: str) -> str:
    """A sentence of ours without what it quotes, on one line, with no values of people."""
    return _short(_QUOTED.sub("\u2026", text))


class _Handler(logging.StreamHandler[Any]):
    """A line that cannot be written is not repeated by the machinery, with all its arguments, on the error output."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        kind = sys.exc_info()[0]
        try:
            self.stream.write(f"log_line_lost logger={record.name} error={kind.__name__ if kind else ''}\n")
        except (OSError, ValueError):
            return  # nobody reads any more


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) and hasattr(record, "_logger"):
            return super().format(record)
        # A copy: other handlers have the record too.
        foreign = logging.makeLogRecord(record.__dict__)
        foreign.msg, foreign.args, foreign.stack_info = _constant_part(record), (), None
        return super().format(foreign)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Libraries speak of trouble only: at DEBUG and INFO they write down whole requests."""
    mine = record.name.partition(".")[0] in _OURS
    return mine or record.levelno >= logging.WARNING or (record.name in _WELCOME and record.levelno >= logging.INFO)


def _constant_part(record: logging.LogRecord) -> str:
    """A foreign line with numbers and names of code filled in, and nothing else."""
    first = str(record.msg).strip().partition("\n")[0]
    given = record.args
    if not given:
        return discreet(first)
    fill = _filled_of_ours if record.name.partition(".")[0] in _OURS else _filled
    try:
        if isinstance(given, Mapping):
            return _short(first % {name: fill(value) for name, value in given.items()})
        filled = tuple(fill(value) for value in given)
        # Of several lines only the first is kept, so of its arguments only as many as it has places for.
        return _short(first % filled[: len(re.findall(r"%(?!%)", first.replace("%%", "")))])
    except (TypeError, ValueError, KeyError):
        return discreet(first)


def _filled_of_ours(value: object) -> object:
    return discreet(value) if isinstance(value, str) else _filled(value)


def _filled(value: object) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, BaseException):
        return told(value)
    return value if isinstance(value, str) and len(value) <= 120 and _NAME.fullmatch(value) else "\u2026"


def _name_exception(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The exception's way through the code, and its words only where they are ours."""
    given = line.pop("exc_info", None)
    error: BaseException | None
    if isinstance(given, BaseException):
        error = given
    elif isinstance(given, tuple):
        error = given[1]
    else:
        error = sys.exc_info()[1] if given else None
    if error is not None:
        line["exception"] = "".join(_way_of(error))
    return line


def _way_of(error: BaseException) -> Iterator[str]:
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain and len(chain) < _MOST_CAUSES:
        chain.append(at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    for one in reversed(chain):
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(one.__traceback__)
        kind = type(one)
        words = told(one)
        yield f"{kind.__module__}.{kind.__qualname__}: {WITHHELD if words == kind.__name__ else words}\n"
        if one is not error:
            yield "\n"


def _keep_back(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last look at a line before it is rendered."""
    for key, value in line.items():
        if key in _FIXED or key.startswith("_"):
            continue
        if isinstance(value, str):
            line[key] = discreet(value) if key in _SENTENCES else _short(value)
        elif isinstance(value, BaseException):
            line[key] = told(value)
        elif isinstance(value, list | tuple | set | frozenset):
            line[key] = [_short(str(item)) for item in value]
        elif not isinstance(value, bool | int | float | None):
            line[key] = _short(str(value))
    return line


def _short(text: str) -> str:
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\u2026"
    return blotted(" ".join(text.split()) if "\n" in text else text, _SEARCHED)


def _thread_died(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        logger.error("thread_died", thread=args.thread.name if args.thread else "", exc_info=args.exc_value)


def _adding(about: Mapping[str, str]) -> structlog.typing.Processor:
    """Not bound as context: every thread begins with an empty one."""

    def add(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in about.items():
            line.setdefault(key, value)
        return line

    return add


logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("caseworker")
