"""Logging: structlog for ours and everyone else's, one line an event, ids as data, never payload text or prompts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog


def configure(level: str, output: str, **about: str) -> None:
    """`output` is ``json``, ``console``, or ``auto`` (console on a terminal). `about` stands on every line."""
    as_json = output == "json" or (output == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _adding(about),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if as_json else structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "celery", "kombu", "amqp", "uvicorn.access", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _adding(about: Mapping[str, str]) -> structlog.typing.Processor:
    """Not bound as context: every thread begins with an empty one."""

    def add(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in about.items():
            line.setdefault(key, value)
        return line

    return add


logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("caseworker")
