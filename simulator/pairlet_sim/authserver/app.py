"""The ASGI application: routes, security headers, and the simulator's own view of what happened."""

import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .authorization_grant import S256, AuthorizationCodeGrant
from .authorize_pages import AuthorizePages
from .database import Database
from .device_codes import APPROVED, DENIED
from .endpoints import DeviceAuthorizationEndpoint, IntrospectionEndpoint, RevocationEndpoint
from .events import Event, EventLog
from .form import FormError, read_form
from .grants import ClientCredentialsGrant, DeviceCodeGrant, RefreshTokenGrant
from .metadata import metadata, well_known_paths
from .oauth import FormRequest, OAuthResponse, OAuthServer
from .pages import Pages, csp
from .pairings import Pairing
from .serving import client_certificate
from .settings import Settings

_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Handler = Callable[[FormRequest], OAuthResponse]


class SecurityHeaders:
    """ASGI middleware: the headers above on every answer, and what a page may say otherwise."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap `send` for HTTP; leave the rest alone."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("Content-Security-Policy", csp())
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class AuthorizationServer:
    """A running server's state. `app` is the ASGI application, `clock` gives seconds since 1970.

    All time comes from `clock`, so a test that moves it never sleeps. Raises SettingsError.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time):
        self.settings = settings
        self._clock = clock
        self._events = EventLog()
        self._database = Database(settings.database)
        self._oauth = OAuthServer(settings, clock, self._database)
        for grant in (DeviceCodeGrant, RefreshTokenGrant, ClientCredentialsGrant):
            self._oauth.register_grant(grant)
        self._oauth.register_grant(AuthorizationCodeGrant, [S256()])
        for endpoint in (DeviceAuthorizationEndpoint, RevocationEndpoint, IntrospectionEndpoint):
            self._oauth.register_endpoint(endpoint)
        self._pages = Pages(self._oauth, self._events)
        self._metadata = metadata(settings)
        self._api_paths = {
            settings.path + name for name in ("/device_authorization", "/token", "/revoke", "/introspect")
        }
        self.app = Starlette(
            routes=self._routes(),
            middleware=[Middleware(SecurityHeaders)],
            exception_handlers={HTTPException: self._http_error},
        )
        # A 307 to the path without a slash would make clients send their secrets twice.
        self.app.router.redirect_slashes = False

    @property
    def events(self) -> list[Event]:
        """What was answered so far, oldest first. No secrets."""
        return self._events.all()

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key as a JWK Set, for brokers in the same process."""
        return self._oauth.key.jwks()

    def pairings(self) -> list[Pairing]:
        """Everything people approved, oldest first."""
        return self._oauth.pairings.all()

    def approve(self, user_code: str, subject: str) -> bool:
        """What a person does on the pages, for tests that pair by the hundred; False without such a code."""
        return self._oauth.codes.decide(user_code, APPROVED, subject, self._clock())

    def deny(self, user_code: str, subject: str) -> bool:
        """The same for a person who says no."""
        return self._oauth.codes.decide(user_code, DENIED, subject, self._clock())

    def revoke_pairing(self, pairing_id: str) -> None:
        """What an administrator does: end a pairing from the server's side."""
        self._oauth.pairings.revoke(pairing_id, self._clock())
        self._events.record(Event(self._clock(), "administrator", "revoked"))

    def close(self) -> None:
        """Close the database; the server answers nothing any more."""
        self._database.close()

    def _routes(self) -> list[Route]:
        path, oauth = self.settings.path, self._oauth

        def endpoint(name: str) -> Handler:
            return lambda request: oauth.create_endpoint_response(name, request)

        handlers: dict[str, tuple[str, Handler]] = {
            "/token": ("token", self._token),
            "/device_authorization": ("device_authorization", endpoint("device_authorization")),
            "/revoke": ("revocation", endpoint("revocation")),
            "/introspect": ("introspection", endpoint("introspection")),
        }
        routes = [
            Route(path + place, self._form_endpoint(name, handler), methods=["POST"])
            for place, (name, handler) in handlers.items()
        ]
        routes += [
            Route(place, self._show_metadata, methods=["GET"]) for place in well_known_paths(self.settings)
        ]
        routes.append(Route(path + "/jwks", self._show_jwks, methods=["GET"]))
        return routes + self._pages.routes + AuthorizePages(self._oauth, self._pages).routes

    def _token(self, request: FormRequest) -> OAuthResponse:
        """Authlib's token endpoint, which would call a missing grant_type an unsupported one."""
        if not request.payload.grant_type:
            return _oauth_error("invalid_request", "grant_type is missing.")
        response: OAuthResponse = self._oauth.create_token_response(request)
        return response

    def _form_endpoint(self, name: str, handler: Handler) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            form_request = None
            try:
                form = await read_form(request)
                form_request = FormRequest(
                    self.settings.base, request.headers, form, client_certificate(request.scope)
                )
                with self._database.transaction():
                    response = handler(form_request)
            except FormError as error:
                response = _oauth_error("invalid_request", str(error), error.status)
            self._record(name, response, form_request)
            return response

        return answer

    def _record(self, name: str, response: OAuthResponse, request: FormRequest | None) -> None:
        outcome, client_id, device_id = response.outcome, "", ""
        if request is not None:
            client_id = request.client.client_id if request.client else ""
            if request.credential:
                device_id = request.credential.device_id
            elif request.refresh_token:
                device_id = request.refresh_token.pairing.device_id
                outcome = "refreshed" if outcome == "issued" else outcome
        self._events.record(Event(self._clock(), name, outcome, client_id, device_id))

    async def _show_metadata(self, request: Request) -> Response:
        return JSONResponse(self._metadata)

    async def _show_jwks(self, request: Request) -> Response:
        return JSONResponse(self.jwks, media_type="application/jwk-set+json")

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if request.url.path in self._api_paths:
            return _oauth_error("invalid_request", "Use POST here.", error.status_code, headers)
        sentence = "There is no such page here." if error.status_code == 404 else "That does not work here."
        response = self._pages.problem(request, error.status_code, "Nothing here", sentence)
        response.headers.update(headers)
        return response


def _oauth_error(
    error: str, description: str, status: int = 400, headers: dict[str, str] | None = None
) -> OAuthResponse:
    return OAuthResponse({"error": error, "error_description": description}, status, headers)
