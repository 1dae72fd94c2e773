"""Who is asking: FastAPI dependencies that turn a cookie or a bearer token into a person, or refuse.

A person signs in and sends the session's CSRF token with everything that changes something. A machine shows a token with
the scope it needs; one that decides acts as the person whom it was made for. A name in a request is never looked at.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import FormData

from workers.access import Scope, bearer, bearer_of
from workers.inbox.signin import whose
from workers.store.records import Person, Session
from workers.wiring import System

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"


class SignInNeeded(Exception):
    """A page was asked for by nobody we know. Answered with the sign-in page."""


class Refused(Exception):
    """Answered with `status` and `message`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Identity:
    """A signed-in person."""

    person: Person
    session: Session


def system_of(request: Request) -> System:
    system: System = request.app.state.system
    return system


def cookie_name(system: System) -> str:
    """``__Host-`` binds the cookie to this very host; browsers take that prefix over https only."""
    return "__Host-caseworker" if is_https(system) else "caseworker"


def is_https(system: System) -> bool:
    return system.settings.public_url.startswith("https://")


def signed_in(request: Request) -> Identity | None:
    """Who the cookie says it is, if anybody."""
    system = system_of(request)
    found = whose(system, request.cookies.get(cookie_name(system), ""), system.clock())
    return Identity(found[1], found[0]) if found is not None else None


def visitor(request: Request) -> Identity:
    """For pages. Raise `SignInNeeded`."""
    identity = signed_in(request)
    if identity is None:
        raise SignInNeeded
    return identity


async def form_of(request: Request) -> AsyncIterator[FormData]:
    """The submitted form, without NULs, which nobody types and PostgreSQL keeps nowhere. The only thing that must be awaited, so
    that the endpoints need not be. What was uploaded is gone with the request."""
    async with request.form() as form:
        yield FormData(
            [(name, v.replace("\0", "") if isinstance(v, str) else v) for name, v in form.multi_items()],
        )


def line_of(form: FormData, name: str) -> str:
    """A field as one line, without what no page shows."""
    value = form.get(name)
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return "".join(c for c in text if c.isprintable())


def poster(request: Request, form: Annotated[FormData, Depends(form_of)]) -> Identity:
    """For forms: a signed-in person, whose own page sent this."""
    same_origin(request)
    identity = visitor(request)
    shown = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD)
    if not isinstance(shown, str) or not _same(shown, identity.session.csrf):
        raise Refused(403, "This form is from an earlier sign-in. Load the page again and repeat what you did.")
    return identity


#: as endpoints ask for them
Visitor = Annotated[Identity, Depends(visitor)]
Form = Annotated[FormData, Depends(form_of)]
Poster = Annotated[Identity, Depends(poster)]


def same_origin(request: Request) -> None:
    """Raise `Refused` for a form that another site made the browser send. Programs send neither header."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Refused(403, "This request came from another site.")
        return
    origin = request.headers.get("origin")
    if origin is not None:
        known = {request.headers.get("host", ""), urlsplit(system_of(request).settings.public_url).netloc}
        if _site_of(origin) not in known:
            raise Refused(403, "This request came from another site.")


def _site_of(origin: str) -> str | None:
    """Whose page sent this, as a `Host` header names it; None where no address says so, as in ``http://[``."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def reader(request: Request) -> None:
    """For the API's GETs: a session, or a token with the scope ``read``."""
    system = system_of(request)
    if "authorization" in request.headers:
        if bearer(system, request.headers.raw, Scope.READ) is None:
            raise _lacks(system, request, Scope.READ)
    elif signed_in(request) is None:
        raise Refused(401, "Sign in, or send a bearer token with the scope “read”.")


def decider(request: Request) -> Person:
    """For the API's POSTs: a session with its CSRF header, or a token with the scope ``decide`` and its person."""
    system = system_of(request)
    if "authorization" in request.headers:
        found = bearer_of(system, request.headers.raw, Scope.DECIDE)
        if found is None:
            raise _lacks(system, request, Scope.DECIDE)
        person = found[1]
        if person is None or not person.active:
            raise Refused(403, "This token was made for nobody who may decide.")
        return person
    identity = signed_in(request)
    if identity is None:
        raise Refused(401, "Sign in, or send a bearer token with the scope “decide”.")
    same_origin(request)
    if not _same(request.headers.get(CSRF_HEADER, ""), identity.session.csrf):
        raise Refused(403, f"Send the session's CSRF token in the header {CSRF_HEADER}.")
    return identity.person


async def deciding(request: Request) -> Callable[[], Person]:
    """As `decider`, but asked by the endpoint itself, on the thread that it works on: each way to a thread and back takes as
    long as a statement. A body that does not fit is told to those alone who may decide (`who_decides`)."""
    request.state.deciding = who = partial(decider, request)
    return who


def who_decides(request: Request) -> None:
    """Raise `Refused` where nobody has asked yet who decides, and it is nobody who may."""
    who: Callable[[], Person] | None = getattr(request.state, "deciding", None)
    if who is not None:
        who()


def _lacks(system: System, request: Request, scope: Scope) -> Refused:
    known = any(bearer(system, request.headers.raw, other) for other in Scope)
    needed = f"A bearer token with the scope “{scope.value}” is needed."
    return Refused(403, needed) if known else Refused(401, needed)


def _same(shown: str, kept: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), kept.encode())
