"""Logging: structlog for ours and everyone else's, one line an event, ids as data, never payload text or prompts."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str, output: str) -> None:
    """`output` is ``json``, ``console``, or ``auto`` (console on a terminal)."""
    as_json = output == "json" or (output == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
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
    for noisy in ("httpx", "httpcore", "celery", "kombu", "amqp", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("caseworker")
