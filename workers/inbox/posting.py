"""The forms of the pages: sign in and out, decide an action, decide a case. Each carries its session's CSRF token.

A form leads to a redirect, so that loading a page again never decides again. What could not be decided comes back as
the page with the reason, and with what was typed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from workers.actions.catalogue import CATALOGUE
from workers.inbox import lists, service
from workers.inbox.case_service import decide_case
from workers.inbox.forms import Filled, read
from workers.inbox.identity import Form, Identity, Poster, cookie_name, is_https, same_origin, signed_in, system_of
from workers.inbox.lists import Tab
from workers.inbox.pages import GET, SEE_OTHER, card_page, case_page, pages_of
from workers.inbox.preview import preview
from workers.inbox.signin import Door, TooManyTries, WrongCredentials
from workers.inbox.words import AlreadyDecided, Choice, Invalid, NotAllowed, NotFound, Word
from workers.store import actions
from workers.store.records import ActionState

MOST_BYTES = 262_144

router = APIRouter(include_in_schema=False)


#: what the buttons say, as decisions
WORDS = {
    "approve": Word.APPROVE,
    "approve_edited": Word.APPROVE,
    "again": Word.APPROVE,
    "reject": Word.REJECT,
    "leave": Word.REJECT,
    "request_changes": Word.REQUEST_CHANGES,
    "take_over": Word.TAKE_OVER,
    "snooze": Word.SNOOZE,
    "escalate": Word.ESCALATE,
    "confirm": Word.CONFIRM,
    "stop": Word.STOP,
}


# ── signing in and out ───────────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/sign-in", methods=GET)
def show_sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 - the address says next
    if signed_in(request) is not None:
        return RedirectResponse(_within(next), SEE_OTHER)
    return pages_of(request).page(request, "sign_in.html", {"problem": "", "email": "", "next": _within(next)})


@router.post("/sign-in", max_body_size=MOST_BYTES)
def sign_in(request: Request, form: Form) -> Response:
    same_origin(request)
    system = system_of(request)
    door: Door = request.app.state.door
    email, following = _text(form, "email"), _within(_text(form, "next"))
    address = request.client.host if request.client is not None else ""
    headers: dict[str, str] = {}
    try:
        opened = door.sign_in(email, _text(form, "password"), address=address)
    except WrongCredentials:
        status, problem = 401, "The e-mail address or the password is wrong."
    except TooManyTries as error:
        minutes = max(1, round(error.wait.total_seconds() / 60))
        status, problem = 429, f"Too many tries. Come back in {minutes} min."
        headers["Retry-After"] = str(max(1, int(error.wait.total_seconds())))
    else:
        response = RedirectResponse(following, SEE_OTHER)
        response.set_cookie(
            cookie_name(system),
            opened.token,
            max_age=system.settings.session_hours * 3600,
            httponly=True,
            samesite="lax",
            secure=is_https(system),
        )
        return response
    context = {"problem": problem, "email": email, "next": following}
    return pages_of(request).page(request, "sign_in.html", context, status=status, headers=headers)


@router.post("/sign-out", max_body_size=MOST_BYTES)
def sign_out(request: Request, _: Poster) -> Response:
    system = system_of(request)
    door: Door = request.app.state.door
    door.sign_out(request.cookies.get(cookie_name(system), ""))
    response = RedirectResponse("/sign-in", SEE_OTHER)
    response.delete_cookie(cookie_name(system), httponly=True, samesite="lax", secure=is_https(system))
    return response


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/actions/{action_id}/decision", max_body_size=MOST_BYTES)
def decide_action(request: Request, action_id: str, identity: Poster, form: Form) -> Response:
    system = system_of(request)
    tab, domain = _tab(form), _text(form, "domain")[:32]
    filled = None
    try:
        filled = _filled(request, action_id, form)
        service.decide(system, identity.person, action_id, _choice(form, filled))
    except NotFound as error:
        status, problem = 404, str(error)
    except AlreadyDecided as error:
        status, problem = 409, str(error)
    except NotAllowed as error:
        status, problem = 403, str(error)
    except Invalid as error:
        status, problem = 422, str(error)
    else:
        return RedirectResponse(_next(request, identity, action_id, tab, domain), SEE_OTHER)
    context: dict[str, object] = {"problem": problem}
    if filled is not None and filled.edited:
        # Nothing that somebody typed is lost: in the form where it can still be sent, else to be copied.
        context |= {"lost": filled.fields} if status == 409 else {"fields": filled.fields}
    return card_page(request, identity, action_id, tab=tab, domain=domain, status=status, context=context)


@router.post("/actions/{action_id}/preview", max_body_size=MOST_BYTES)
def show_preview(request: Request, action_id: str, identity: Poster, form: Form) -> Response:
    """A POST because of what it carries; it writes nothing."""
    system = system_of(request)
    with system.db.read() as tx:
        shown = preview(system, tx, identity.person, action_id, _texts(form))
    return pages_of(request).page(request, "_preview.html", {"preview": shown}, identity=identity)


@router.post("/cases/{case_id}/decision", max_body_size=MOST_BYTES)
def decide_on_case(request: Request, case_id: str, identity: Poster, form: Form) -> Response:
    try:
        decide_case(system_of(request), identity.person, case_id, _text(form, "decision"), _reason(form) or None)
    except NotFound as error:
        return case_page(request, identity, case_id, status=404, problem=str(error))
    except Invalid as error:
        return case_page(request, identity, case_id, status=422, problem=str(error))
    return RedirectResponse(f"/cases/{case_id}", SEE_OTHER)


# ── reading forms ────────────────────────────────────────────────────────────────────────────────────────────────────


def _filled(request: Request, action_id: str, form: FormData) -> Filled | None:
    """The draft as it came back, where the button sends one along."""
    if _text(form, "decision") not in ("approve", "approve_edited"):
        return None
    with system_of(request).db.read() as tx:
        action = actions.get(tx, action_id)
    kind = CATALOGUE.get(action.kind) if action is not None else None
    if action is None or kind is None:
        return None
    return read(kind, action.arguments, _texts(form))


def _choice(form: FormData, filled: Filled | None) -> Choice:
    """The decision that a form asks for. Raise `Invalid`; an unknown or missing word is never a yes."""
    button = _text(form, "decision")
    word = WORDS.get(button)
    if word is None:
        raise Invalid(f"{button!r} is no decision. Choose one of the buttons.")
    if filled is not None and filled.problems:
        raise Invalid(f"The changed draft does not fit. {' '.join(filled.problems)}")
    if filled is not None and filled.edited and button == "approve":
        raise Invalid(
            "You changed the draft. Choose “Save edits & approve”, or load the page again to drop the changes."
        )
    revision = _text(form, "revision")
    return Choice(
        word=word,
        revision=int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 9 else 0,
        digest=_text(form, "digest"),
        arguments=filled.arguments if filled is not None and filled.edited else None,
        reason=_reason(form) or ("It did not happen, and is left at that." if button == "leave" else None),
        until=_time(_text(form, "until")),
        group=_text(form, "group") or None,
        channel="page",
        # Only the card of what is uncertain has these buttons.
        state=ActionState.UNCERTAIN if button in ("again", "leave") else None,
    )


def _reason(form: FormData) -> str:
    """What was picked, then what was typed."""
    picked = [item.strip() for item in form.getlist("picked") if isinstance(item, str) and item.strip()]
    typed = _text(form, "reason").strip()
    said = ". ".join([*(item.rstrip(".") for item in picked), *([typed] if typed else [])])
    return said[:4000]


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _next(request: Request, identity: Identity, action_id: str, tab: Tab, domain: str) -> str:
    """The next item of the list that this one was opened from, or the list when nothing is left."""
    system = system_of(request)
    with system.db.read() as tx:
        _, following = lists.neighbours(tx, identity.person, action_id, tab=tab, domain=domain, now=system.clock())
    query = {"tab": tab.value, **({"domain": domain} if domain else {}), "after": action_id}
    return f"/actions/{following}?{urlencode(query)}" if following else f"/?{urlencode(query)}"


def _tab(form: FormData) -> Tab:
    text = _text(form, "tab")
    return Tab(text) if text in list(Tab) else Tab.MINE


def _texts(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


def _text(form: FormData, name: str) -> str:
    """A field's text without what no page shows and PostgreSQL does not keep."""
    value = form.get(name)
    if not isinstance(value, str):
        return ""
    return "".join(
        c for c in value.replace("\r\n", "\n") if c in "\n\t" or (c >= " " and not "\ud800" <= c <= "\udfff")
    )


def _within(address: str) -> str:
    """An address on this very site to go on to; anything else is the inbox."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if ours else "/"
