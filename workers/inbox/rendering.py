"""The one Jinja environment, its filters, and the pages that come out of it. Everything is escaped; no template queries.

Dynamic pages are never cached. Static files carry a hash of their content in their address and are cached for good.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from workers.inbox.identity import Identity
from workers.inbox.wording import DELIVERY_NOTES, DOMAIN_NAMES, STATES, reasons_for, who
from workers.store import notices
from workers.wiring import System

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Page(HTMLResponse):
    """HTML that cannot fail on half a surrogate pair in somebody's text."""

    def render(self, content: Any) -> bytes:
        return str(content).encode("utf-8", "replace")


class Pages:
    """Renders templates with what every page needs."""

    def __init__(self, system: System, *, sample_url: str | None) -> None:
        self._system = system
        self._sample_url = sample_url
        self.environment = make_environment()

    def page(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any],
        *,
        identity: Identity | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        shared = {
            "now": self._system.clock(),
            "path": request.url.path,
            "identity": identity,
            "me": identity.person if identity is not None else None,
            "csrf": identity.session.csrf if identity is not None else "",
            "sample_url": self._sample_url,
            # As old as a decision's view of them at most; nobody who is not signed in learns of them.
            "thrown": self._system.switchboard.thrown() if identity is not None else (),
            "unread": self._unread(identity) if not template.startswith("_") else 0,
        }
        text = self.environment.get_template(template).render({**shared, **context})
        return Page(text, status_code=status, headers=dict(headers or {}))

    def _unread(self, identity: Identity | None) -> int:
        """How many notices the head of a page counts. A part of a page has no head."""
        if identity is None:
            return 0
        with self._system.db.read() as tx:
            return notices.unread_of(tx, identity.person, self._system.clock())


def make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": when, "who": who, "spans": spans, "slots": slots}
    environment.globals |= {
        "static": static_url,
        "state_of": STATES.__getitem__,
        "domain_name": lambda domain: DOMAIN_NAMES.get(domain, domain.capitalize()),
        "delivery_notes": DELIVERY_NOTES,
        "reasons_for": reasons_for,
    }
    return environment


@cache
def static_url(name: str) -> str:
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@pass_context
def when(context: Context, at: datetime) -> Markup:
    """``3 min ago``, with the exact time for whoever points at it or has it read out."""
    now: datetime = context["now"]
    exact = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), exact, relative(at - now))


def spans(text: str) -> Markup:
    """``code`` in a docstring as it is meant to look."""
    pieces = re.split(r"`([^`]+)`", text)
    return Markup("").join(
        Markup('<code class="code">{}</code>').format(piece) if odd % 2 else escape(piece)
        for odd, piece in enumerate(pieces)
    )


def slots(template: str) -> Markup:
    """A rule's message before it is filled in: ``{amount} is above 25.00`` with what stands for a value told apart."""
    pieces = re.split(r"\{([a-z0-9_]+)\}", template)
    return Markup("").join(
        Markup('<span class="slot">{}</span>').format(piece.replace("_", " ")) if odd % 2 else escape(piece)
        for odd, piece in enumerate(pieces)
    )


def relative(delta: timedelta) -> str:
    """A span from now in words: ``just now``, ``5 min ago``, ``in 3 days``."""
    seconds = abs(delta.total_seconds())
    for size, name in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            span = f"{count} {name}{'s' if name == 'day' and count != 1 else ''}"
            return f"in {span}" if delta > timedelta(0) else f"{span} ago"
    return "in a moment" if delta > timedelta(seconds=5) else "just now"
