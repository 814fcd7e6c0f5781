"""The authorization endpoint in a person's browser (RFC 6749 section 4.1): sign in, decide, go back.

The request travels in addresses and forms as it came and is judged anew at each step, so that nothing has to
be remembered for whoever never comes back.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import OAuth2Error
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .device_codes import APPROVED, DENIED
from .endpoints import read_device
from .form import Form, FormError, parse_form
from .oauth import FormRequest, OAuthServer
from .pages import Pages, csp
from .pairings import Consent
from .sessions import Session

_LONGEST_QUERY = 8192


class AuthorizePages:
    """The page where a person decides about an authorization request. `routes` is what is mounted."""

    def __init__(self, server: OAuthServer, pages: Pages):
        self._server = server
        self._pages = pages
        self._path = server.settings.path

    @property
    def routes(self) -> list[Route]:
        """Below the issuer's path."""
        place = self._path + "/authorize"
        return [
            Route(place, self._pages.get(self._show), methods=["GET"]),
            Route(place, self._pages.post(self._decide), methods=["POST"]),
        ]

    async def _show(self, request: Request, session: Session) -> Response:
        query = request.url.query
        found = self._judge(request, query)
        if isinstance(found, Response):
            return found
        if not session.username:
            return RedirectResponse(f"{self._path}/sign-in?authorize={quote(query, safe='')}", 303)
        asked: FormRequest = found.request
        texts = self._server.settings.scope_descriptions
        device_id, device_name = read_device(asked.form)
        response = self._pages.render(
            "authorize.html",
            session,
            query=query,
            client_name=asked.client.display_name,
            device_id=device_id,
            device_name=device_name,
            scopes=[(scope, texts.get(scope, "")) for scope in asked.scope.split()],
        )
        back = urlsplit(found.redirect_uri)
        # Browsers hold the redirect that follows a form to its form-action, too.
        response.headers["Content-Security-Policy"] = csp(f"{back.scheme}://{back.netloc}")
        return response

    async def _decide(self, request: Request, session: Session, form: Form) -> Response:
        decision, query = form.get("decision"), form.get("authorize")
        if decision not in (APPROVED, DENIED):
            return self._pages.problem(request, 400, "That did not work", "Choose one of the two buttons.")
        found = self._judge(request, query)
        if isinstance(found, Response):
            return found
        person = self._pages.person(session)
        if person is None:
            return RedirectResponse(f"{self._path}/sign-in?authorize={quote(query, safe='')}", 303)
        consent = Consent(person.sub, *read_device(found.request.form)) if decision == APPROVED else None
        answer = self._server.create_authorization_response(found.request, consent, found)
        self._pages.record("authorization", "approved" if consent else "denied", found.request.client)
        return self._back(answer.headers["location"])

    def _judge(self, request: Request, query: str) -> Any:
        """Authlib's grant for the request in `query`, or the Response that says what is wrong with it.

        Only a client and a redirect_uri that are registered may hear of it (section 4.1.2.1); else the person
        does.
        """
        try:
            if len(query) > _LONGEST_QUERY:
                raise FormError("The request is too long.", 414)
            form = parse_form(query.encode())
            return self._server.get_consent_grant(
                FormRequest(self._server.settings.base, request.headers, form)
            )
        except FormError as error:
            return self._problem(request, error.status, str(error))
        except OAuth2Error as error:
            self._pages.record("authorization", error.error)
            status, _, headers = error(None)
            location = dict(headers).get("Location")
            if location is None:
                return self._problem(request, 400, error.description or error.error)
            return self._back(location)

    def _problem(self, request: Request, status: int, sentence: str) -> Response:
        title = "A program asked for something that does not work here"
        return self._pages.problem(request, status, title, sentence)

    def _back(self, location: str) -> RedirectResponse:
        """To the program, with our name on it (RFC 9207 section 2), errors included."""
        return RedirectResponse(add_params_to_uri(location, [("iss", self._server.settings.issuer)]), 303)
