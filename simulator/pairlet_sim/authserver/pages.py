"""The pages a person walks through with a phone (RFC 8628 section 3.3). Plain forms, no script.

    /sign-in -> /device: type the code, or confirm the one from the QR code -> /consent -> /done

A GET never looks a code up and never changes anything: both take a POST with this browser's CSRF token,
and a guess counts against account and address.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from .device_codes import APPROVED, DENIED, DeviceCode
from .events import Event, EventLog
from .form import Form, FormError, read_form
from .limits import GuessLimit, address_bucket
from .oauth import OAuthServer
from .passwords import hash_password, verify_password
from .sessions import Session, Sessions
from .settings import Client, Person
from .user_code import normalise

_TEMPLATES = Path(__file__).with_name("templates")

Page = Callable[[Request, Session], Awaitable[Response]]
FormPage = Callable[[Request, Session, Form], Awaitable[Response]]


def csp(*origins: str) -> str:
    """The Content-Security-Policy of every page; a form's answer may lead to `origins` as well."""
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none';"
        " form-action " + " ".join(("'self'", *origins))
    )


_WRONG_PASSWORD = "That username and password don't belong together."
_WRONG_CODE = "No device is waiting with this code. Compare it with the screen: codes run out, and work once."


class Pages:
    """All pages of one server. `routes` is what the application mounts."""

    def __init__(self, server: OAuthServer, events: EventLog):
        self._server = server
        self._events = events
        self._settings = server.settings
        self._clock = server.clock
        self._people: dict[str, Person] = {person.username: person for person in server.settings.people}
        # Checked for usernames that don't exist, so that they take as long as those that do.
        self._nobody = hash_password("nobody")
        self._sessions = Sessions(server.database, server.settings)
        self._limit = GuessLimit(
            server.database, server.settings.attempts_allowed, server.settings.attempts_window_s
        )
        self._templates = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
        self._style = (_TEMPLATES / "style.css").read_text("utf-8")

    @property
    def routes(self) -> list[Route]:
        """The pages below the issuer's path."""
        path = self._settings.path
        return [
            Route(path + "/", self._to_device, methods=["GET"]),
            Route(path + "/style.css", self._stylesheet, methods=["GET"]),
            Route(path + "/sign-in", self.get(self._show_sign_in), methods=["GET"]),
            Route(path + "/sign-in", self.post(self._sign_in), methods=["POST"]),
            Route(path + "/sign-out", self.post(self._sign_out), methods=["POST"]),
            Route(path + "/device", self.get(self._show_device), methods=["GET"]),
            Route(path + "/device", self.post(self._check_code), methods=["POST"]),
            Route(path + "/consent", self.get(self._show_consent), methods=["GET"]),
            Route(path + "/consent", self.post(self._decide), methods=["POST"]),
            Route(path + "/done", self.get(self._show_done), methods=["GET"]),
        ]

    def problem(self, request: Request, status: int, title: str, sentence: str, **headers: str) -> Response:
        """A page that says what went wrong and leads back."""
        session = self._sessions.find(request, self._clock())
        response = self.render("problem.html", session, status, title=title, sentence=sentence)
        response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return response

    # Around every page

    def get(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """`page` as a route for GET: it gets the browser's session."""

        async def answer(request: Request) -> Response:
            session = self._sessions.find(request, self._clock())
            return await page(request, session)

        return answer

    def post(self, page: FormPage) -> Callable[[Request], Awaitable[Response]]:
        """`page` as a route for POST: it gets a form that came from a page of this browser's."""

        async def answer(request: Request) -> Response:
            session = self._sessions.find(request, self._clock())
            try:
                form = await read_form(request)
            except FormError as error:
                return self.problem(request, error.status, "That did not work", str(error))
            if not self._sessions.csrf_is_right(session, form.get("csrf")):
                sentence = "This form is too old, or your browser keeps no cookies. Go back and try again."
                return self.problem(request, 403, "Please start again", sentence)
            return await page(request, session, form)

        return answer

    def person(self, session: Session) -> Person | None:
        """Who is signed in, or None."""
        return self._people.get(session.username)

    def render(self, template: str, session: Session, status: int = 200, **values: Any) -> HTMLResponse:
        """A page from its template, with the cookie that keeps the session."""
        person = self.person(session)
        text = self._templates.get_template(template).render(
            path=self._settings.path,
            csrf=self._sessions.csrf_token(session),
            person=person.name if person else "",
            **values,
        )
        response = HTMLResponse(text, status)
        self._sessions.set_cookie(response, session)
        return response

    def _redirect(self, place: str) -> RedirectResponse:
        # 303: the browser fetches the next page with GET, and a reload sends no form twice.
        return RedirectResponse(self._settings.path + place, 303)

    def _too_many(self, request: Request, endpoint: str, wait_s: int) -> Response:
        self._record(endpoint, "rate_limited")
        minutes = "a minute" if wait_s <= 60 else f"{-(-wait_s // 60)} minutes"
        sentence = f"There were too many wrong tries. Wait {minutes}, then try again."
        return self.problem(request, 429, "Please wait", sentence, Retry_After=str(wait_s))

    def _record(self, endpoint: str, outcome: str, code: DeviceCode | None = None) -> None:
        about = (code.client_id, code.device_id) if code else ("", "")
        self._events.record(Event(self._clock(), endpoint, outcome, *about))

    def record(self, endpoint: str, outcome: str, client: Client | None = None) -> None:
        """Note what happened at another endpoint that people see."""
        self._events.record(Event(self._clock(), endpoint, outcome, client.client_id if client else ""))

    def _buckets(self, kind: str, account: str, request: Request) -> list[str]:
        host = request.client.host if request.client else None
        return [f"{kind} account {account}", f"{kind} {address_bucket(host)}"]

    # The pages, in the order of the walk

    async def _to_device(self, request: Request) -> Response:
        return self._redirect("/device")

    async def _stylesheet(self, request: Request) -> Response:
        return Response(self._style, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    async def _show_sign_in(self, request: Request, session: Session) -> Response:
        user_code = normalise(request.query_params.get("user_code", "")) or ""
        authorize = request.query_params.get("authorize", "")
        return self.render("sign_in.html", session, user_code=user_code, authorize=authorize)

    async def _sign_in(self, request: Request, session: Session, form: Form) -> Response:
        username = form.get("username").strip().casefold()[:200]
        user_code, authorize = normalise(form.get("user_code")) or "", form.get("authorize")
        now, buckets = self._clock(), self._buckets("sign-in", username, request)
        if wait_s := self._limit.wait_s(buckets, now):
            return self._too_many(request, "sign_in", wait_s)
        self._limit.take(buckets, now)
        person = self._people.get(username)
        # In a thread, because scrypt is slow on purpose and devices go on polling meanwhile.
        right = await asyncio.to_thread(
            verify_password, form.get("password"), person.password_hash if person else self._nobody
        )
        if person is None or not right:
            self._record("sign_in", "refused")
            typed = {"username": username, "user_code": user_code, "authorize": authorize}
            return self.render("sign_in.html", session, 403, alert=_WRONG_PASSWORD, **typed)
        self._limit.give_back(buckets, now)
        self._sessions.sign_out(session)
        signed_in = self._sessions.sign_in(person.username, self._clock())
        self._record("sign_in", "signed_in")
        place = f"/authorize?{authorize}" if authorize else "/device"
        if user_code:
            place = f"/device?user_code={user_code}"
        response = self._redirect(place)
        self._sessions.set_cookie(response, signed_in)
        return response

    async def _sign_out(self, request: Request, session: Session, form: Form) -> Response:
        self._sessions.sign_out(session)
        return self._redirect("/sign-in")

    async def _show_device(self, request: Request, session: Session) -> Response:
        user_code = normalise(request.query_params.get("user_code", "")) or ""
        if not session.username:
            return self._redirect("/sign-in" + (f"?user_code={user_code}" if user_code else ""))
        # Sections 3.3.1 and 5.4: who came by link or QR code must compare it with the device.
        return self.render("confirm.html" if user_code else "code.html", session, user_code=user_code)

    async def _check_code(self, request: Request, session: Session, form: Form) -> Response:
        if not session.username:
            return self._redirect("/sign-in")
        now, buckets = self._clock(), self._buckets("code", session.username, request)
        if wait_s := self._limit.wait_s(buckets, now):
            return self._too_many(request, "user_code", wait_s)
        user_code = normalise(form.get("user_code"))
        code = self._server.codes.waiting(user_code, now) if user_code else None
        if code is None:
            self._limit.take(buckets, now)
            self._record("user_code", "refused")
            typed = form.get("user_code")[:40]
            return self.render("code.html", session, 400, user_code=typed, alert=_WRONG_CODE)
        self._sessions.update(session._replace(user_code=code.user_code))
        self._record("user_code", "accepted", code)
        return self._redirect("/consent")

    async def _show_consent(self, request: Request, session: Session) -> Response:
        code = self._code_of(session)
        if code is None:
            return self._redirect("/device")
        client = self._server.query_client(code.client_id)
        texts = self._settings.scope_descriptions
        return self.render(
            "consent.html",
            session,
            code=code,
            client_name=client.display_name if client else code.client_id,
            scopes=[(scope, texts.get(scope, "")) for scope in code.scope.split()],
            minutes=int((self._clock() - code.issued_at) // 60),
        )

    def _code_of(self, session: Session) -> DeviceCode | None:
        if not session.username or not session.user_code:
            return None
        return self._server.codes.waiting(session.user_code, self._clock())

    async def _decide(self, request: Request, session: Session, form: Form) -> Response:
        decision, now = form.get("decision"), self._clock()
        if not session.username:
            return self._redirect("/sign-in")
        if decision not in (APPROVED, DENIED):
            return self.problem(request, 400, "That did not work", "Choose one of the two buttons.")
        code = self._code_of(session)
        person = self._people.get(session.username)
        outcome = "too_late"
        if code and person and self._server.codes.decide(code.user_code, decision, person.sub, now):
            outcome = "approved" if decision == APPROVED else "denied"
        name = code.device_name if code else ""
        self._sessions.update(session._replace(user_code="", outcome=outcome, device_name=name))
        self._record("consent", outcome, code)
        return self._redirect("/done")

    async def _show_done(self, request: Request, session: Session) -> Response:
        if not session.outcome:
            return self._redirect("/device")
        status = 410 if session.outcome == "too_late" else 200
        return self.render(
            "done.html", session, status, outcome=session.outcome, device_name=session.device_name
        )
