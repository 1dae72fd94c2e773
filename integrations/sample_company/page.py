"""The `/sample` page: be the customer on the left, see what came back on the right.

`routes` is mounted by the web process beside the inbox; `views` builds what is shown. Forms work without JavaScript; with
it the right side follows by itself. Whoever can reach the page can act as any customer of a made-up shop and spoil its
systems' weather, so posts must come from the page itself, and nothing here touches Caseworker's own data.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from integrations.errors import Permanent, Temporary
from integrations.sample_company import cast, views
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.faults import Fault
from integrations.sample_company.shopfront import Scenario, Shopfront

STATIC = Path(__file__).with_name("static")
LONGEST_FORM = 131_072
#: Nothing from elsewhere; stored pages of strangers are shown in a sandboxed frame, without scripts or requests.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

Form = Mapping[str, str]
Act = Callable[[Request, Form], Response]


class Refused(Exception):
    """A post that this page takes no part in: its status and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class SamplePage:
    """Handlers over one company. The synchronous ones run in Starlette's thread pool."""

    def __init__(self, company: SampleCompany) -> None:
        self._company = company
        self._shop = Shopfront(company)
        self._views = views.Views(company)

    def company(self, request: Request) -> Response:
        """The page itself."""
        asked = request.query_params
        return _html(self._views.company(asked.get("as", ""), asked.get("letter", ""), asked.get("topic", ""), asked))

    def came_back(self, request: Request) -> Response:
        """The right side alone, for the script; unchanged is 304."""
        shown = self._views.came_back()
        tag = f'"{sha256(shown.encode()).hexdigest()[:20]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={**HEADERS, "etag": tag})
        return _html(shown, headers={"etag": tag})

    def ticket(self, request: Request) -> Response:
        return self._shown(lambda: self._views.ticket(request.path_params["name"]))

    def record(self, request: Request) -> Response:
        kind, name = request.path_params["kind"], request.path_params["name"]
        return self._shown(lambda: self._views.record(kind, name))

    def write_ticket(self, _request: Request, form: Form) -> Response:
        ticket_id = self._shop.write_ticket(form["email"], form["subject"], form["body"], channel="web")
        return _back(form, sent=f"ticket {ticket_id}")

    def comment(self, request: Request, form: Form) -> Response:
        ticket_id = form.get("ticket_id") or request.path_params.get("name", "")
        self._shop.comment(ticket_id, form["body"])
        return _back(form, sent=f"comment on ticket {ticket_id}")

    def pay(self, _request: Request, form: Form) -> Response:
        try:
            scenario = Scenario(form["scenario"])
        except ValueError as error:
            raise Permanent(f"{form['scenario']!r} is no way to pay here") from error
        charge_id = self._shop.pay(form["email"], minor_units(form["amount"]), scenario)
        return _back(form, sent=f"payment {charge_id}")

    def ask_brief(self, _request: Request, form: Form) -> Response:
        self._shop.ask_brief(cast.EDITOR_EMAIL, form["keyword"], form["text"], audience=form["audience"])
        return _back(form, sent="request for a brief")

    def set_weather(self, _request: Request, form: Form) -> Response:
        weather = self._company.weather
        if form.get("clear"):
            weather.clear()
            return _back(form, sent="fair weather")
        try:
            fault, times = Fault(form["fault"]), int(form["times"])
        except ValueError as error:
            raise Permanent("a fault needs a kind and a number of times") from error
        weather.fail_next(form["operation"], fault, times=times)
        return _back(form, sent="bad weather")

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/sample", self.company, methods=["GET"]),
            Route("/sample/came-back", self.came_back, methods=["GET"]),
            Route("/sample/tickets", self._taking(self.write_ticket), methods=["POST"]),
            Route("/sample/comments", self._taking(self.comment), methods=["POST"]),
            Route("/sample/payments", self._taking(self.pay), methods=["POST"]),
            Route("/sample/briefs", self._taking(self.ask_brief), methods=["POST"]),
            Route("/sample/weather", self._taking(self.set_weather), methods=["POST"]),
            Route("/sample/tickets/{name}", self.ticket, methods=["GET"]),
            Mount("/sample/static", StaticFiles(directory=STATIC), name="sample-static"),
            Route("/sample/{kind}/{name}", self.record, methods=["GET"]),
        ]

    def _shown(self, show: Callable[[], str]) -> Response:
        try:
            return _html(show())
        except Permanent as error:
            return _html(self._views.trouble("Not found", str(error)), status=404)

    def _taking(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """A form post: from this page only, read whole, then acted on in the thread pool."""

        async def endpoint(request: Request) -> Response:
            try:
                from_same_origin(request.headers)
                form = await _read_form(request)
                return await run_in_threadpool(act, request, form)
            except Refused as error:
                return _html(self._views.trouble("Not taken", str(error)), status=error.status)
            except KeyError as error:
                return _html(self._views.trouble("Not taken", f"the form has no field {error}"), status=422)
            except Permanent as error:
                return _html(self._views.trouble("Not taken", str(error)), status=422)
            except Temporary as error:
                return _html(self._views.trouble("Not now", str(error)), status=503)

        return endpoint


def routes(company: SampleCompany) -> list[BaseRoute]:
    """Everything under ``/sample``, to be added to the web application's routes."""
    return SamplePage(company).routes()


def from_same_origin(headers: Mapping[str, str]) -> None:
    """Raise `Refused` for a post that another site's page made. Browsers set both headers and scripts cannot."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise Refused(403, "this form was sent from another page")
    origin = headers.get("origin")
    if origin is not None and _site_of(origin) != headers.get("host"):
        raise Refused(403, "this form was sent from another site")
    if site is None and origin is None:
        raise Refused(403, "nothing says where this form was sent from: send the header Origin")


def _site_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError as error:
        raise Refused(403, "nothing can be made of the header Origin") from error


def minor_units(amount: str) -> int:
    """``64.9`` or ``64,90`` as 6490. Raise `Permanent` for anything that is no amount of money."""
    try:
        exact = Decimal(amount.strip().replace(",", ".")) * 100
    except InvalidOperation as error:
        raise Permanent(f"{amount!r} is no amount") from error
    if not exact.is_finite() or exact != exact.to_integral_value() or not -(10**12) < exact < 10**12:
        raise Permanent(f"{amount!r} is no amount with at most two decimals")
    return int(exact)


async def _read_form(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "this page takes plain forms")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise Refused(413, "this form is too long")
    try:
        # Browsers send line breaks of a text area as CR LF; letters here are plain text.
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except (UnicodeDecodeError, ValueError) as error:
        raise Refused(400, "this form cannot be read") from error
    return {name: value.replace("\r\n", "\n") for name, value in fields}


def _back(form: Form, *, sent: str) -> Response:
    """To the page again, so that a reload sends nothing twice."""
    query = urlencode({"as": form.get("as", ""), "sent": sent})
    return RedirectResponse(f"/sample?{query}#back", status_code=303, headers=HEADERS)


def _html(content: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(content, status_code=status, headers={**HEADERS, **(headers or {})})
