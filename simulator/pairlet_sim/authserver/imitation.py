"""Another provider's manners in front of our own authorization server: its addresses, names, words, statuses.

Read from a provider's profile the other way round, and written from what the profile says alone, so that the
agent's reading of it can't cancel itself out. Whoever asks otherwise than the profile says is refused.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .form import MAX_BODY, MEDIA_TYPE
from .settings import DEVICE_CODE

Table = dict[str, Any]

CODE, POLL, REFRESH = "code", "poll", "refresh"
_ENDPOINTS = {
    "device_authorization_endpoint": "/device_authorization",
    "token_endpoint": "/token",
    "revocation_endpoint": "/revoke",
}
_JSON = "application/json"
# A parameter that is just one value has none where that has none: no scope, say.
_ONE_VALUE = re.compile(r"\{\w+\}")


class RefusedRequest(Exception):
    """The request is not what the provider asks for; the text is one sentence that says why."""


class Imitation:
    """ASGI: `app`, our server at the path `base`, with the manners of a provider.

    `profile`: a provider's profile as read from its file. `endpoints`: the addresses that the profile comes
    to, with this server's own host in them; none for a provider that is found by its metadata. `registered`:
    the client_id and client_secret of the client that there is.
    """

    def __init__(
        self,
        app: ASGIApp,
        profile: Table,
        endpoints: dict[str, str],
        base: str = "",
        registered: tuple[str, str] = ("", ""),
    ):
        self._app = app
        self._errors: Table = profile.get("errors", {})
        self._dialect: Table = profile.get("dialect", {})
        self._answers: Table = profile.get("imitation", {})
        self._registered = registered
        self._places = {
            urlsplit(address).path: base + _ENDPOINTS[name]
            for name, address in endpoints.items()
            if name in _ENDPOINTS
        } or {base + place: base + place for place in _ENDPOINTS.values()}
        self._tokens = base + "/token"
        self._page = base + "/device"
        refreshes = self._dialect.get(REFRESH, {}).get("path")
        if refreshes:
            self._places[refreshes] = self._tokens
        # Which user_code belongs to a device_code, for providers that want to see both.
        self._user_codes: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is at the provider's addresses; the rest is our own server's."""
        if scope["type"] != "http" or scope["method"] != "POST":
            user_code = self._opened(scope) if scope["type"] == "http" else None
            if user_code is None:
                await self._app(scope, receive, send)
            else:
                place = f"{self._page}?user_code={quote(user_code)}"
                await Response(None, 303, {"location": place})(scope, receive, send)
            return
        registration = self._dialect.get("registration")
        if registration is not None and scope["path"] == registration["path"]:
            response = await self._register(Request(scope, receive), registration)
        elif scope["path"] in self._places:
            response = await self._exchange(scope, receive)
        else:
            await self._app(scope, receive, send)
            return
        await response(scope, receive, send)

    async def _exchange(self, scope: Scope, receive: Receive) -> Response:
        place = self._places[scope["path"]]
        try:
            given = await self._read(Request(scope, receive))
            kind = self._kind(place, given)
            form = self._form(kind, given)
        except RefusedRequest as refused:
            return _json({"error": "invalid_request", "error_description": str(refused)}, 400)
        status, headers, members = await self._ask(scope, place, urlencode(form).encode())
        if members is None or (kind is None and status < 300):
            return Response(None if members is None else json.dumps(members), status, headers, _JSON)
        if "error" in members:
            return self._error(kind, members, status, headers)
        if kind == CODE:
            self._user_codes[members["device_code"]] = members["user_code"]
        return _json(self._renamed(self._success(kind, members)), status, headers)

    def _opened(self, scope: Scope) -> str | None:
        """The user_code in an address that devices make up as the profile says: our own page has another."""
        template = self._dialect.get("defaults", {}).get("verification_uri_complete", "")
        query = scope["query_string"].decode("latin-1")
        opened = scope["path"] + (f"?{query}" if query else "")
        try:
            found = _matched(template.replace("{verification_uri}", self._page), opened, "")
        except (RefusedRequest, re.error):
            return None
        return found.get("user_code")

    # ---- requests ----------------------------------------------------------------------------

    async def _read(self, request: Request) -> dict[str, str]:
        """The parameters as they came. Raises RefusedRequest."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise RefusedRequest("The body is too large.")
        wanted = _JSON if self._dialect.get("format") == "json" else MEDIA_TYPE
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
            raise RefusedRequest(f"The body must be {wanted}.")
        try:
            text = body.decode("utf-8")
            pairs = json.loads(text).items() if wanted == _JSON else parse_qsl(text, errors="strict")
            return {str(name): value for name, value in pairs if isinstance(value, str)}
        except (ValueError, AttributeError, RecursionError):
            raise RefusedRequest(f"The body is not well-formed {wanted}.") from None

    def _kind(self, place: str, given: dict[str, str]) -> str | None:
        """What is asked for; None for what no profile speaks of, such as a revocation."""
        if place != self._tokens:
            return CODE if place.endswith(_ENDPOINTS["device_authorization_endpoint"]) else None
        if self._name("refresh_token") in given:
            return REFRESH
        poll = self._dialect.get(POLL, {}).get("set", {})
        code = next((name for name, text in poll.items() if text == "{device_code}"), None)
        return POLL if (code or self._name("device_code")) in given else None

    def _form(self, kind: str | None, given: dict[str, str]) -> dict[str, str]:
        """The request as RFC 6749 and RFC 8628 have it. Raises RefusedRequest."""
        ours = {theirs: name for name, theirs in self._dialect.get("names", {}).items()}
        form = {ours.get(name, name): value for name, value in given.items()}
        changed = self._dialect.get(str(kind), {}).get("set", {})
        for name, template in changed.items():
            value = form.pop(name, None)
            if not template:
                if value is not None:
                    raise RefusedRequest(f"{self._name(name)} does not belong there.")
            elif value or not _ONE_VALUE.fullmatch(template):
                form.update(_matched(template, value or "", self._name(name)))
        client_id, client_secret = self._registered
        # What the provider does not want to see, our own server does.
        if "client_id" in changed:
            form.setdefault("client_id", client_id)
        if "client_secret" in changed:
            form.setdefault("client_secret", client_secret)
        if kind == POLL:
            form["grant_type"] = DEVICE_CODE
            carried = self._dialect.get("carry")
            if carried and form.pop(carried, None) != self._user_codes.get(form.get("device_code", "")):
                raise RefusedRequest(f"{carried} and the device code don't belong together.")
        separator = self._dialect.get("scope_separator")
        if separator and "scope" in form:
            form["scope"] = form["scope"].replace(separator, " ")
        if kind == POLL:
            form.pop("scope", None)
        return form

    def _name(self, name: str) -> str:
        names: dict[str, str] = self._dialect.get("names", {})
        return names.get(name, name)

    async def _register(self, request: Request, registration: Table) -> Response:
        """What asks to be a client gets to be the one that there is."""
        try:
            asked = await self._read_any(request)
        except RefusedRequest as refused:
            return _json({"error": "invalid_request", "error_description": str(refused)}, 400)
        missing = [name for name in registration.get("asks", {}) if not asked.get(name)]
        if missing:
            words = "Missing: " + ", ".join(missing) + "."
            return _json({"error": "invalid_request", "error_description": words}, 400)
        client_id, client_secret = self._registered
        answer: Table = {registration["client_id"]: client_id, registration["client_secret"]: client_secret}
        if "ends" in registration:
            answer[registration["ends"]] = 4102444800
        return _json(answer, 200)

    async def _read_any(self, request: Request) -> Table:
        try:
            members = json.loads(await request.body())
        except ValueError:
            members = None
        if not isinstance(members, dict):
            raise RefusedRequest("The body must be a JSON object.")
        return members

    # ---- answers -----------------------------------------------------------------------------

    async def _ask(self, scope: Scope, place: str, body: bytes) -> tuple[int, dict[str, str], Table | None]:
        """Our own server's answer at `place`: status, headers of interest, members."""
        headers = [
            header for header in scope["headers"] if header[0] not in (b"content-type", b"content-length")
        ]
        headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        inner = {**scope, "path": place, "raw_path": place.encode(), "headers": headers}
        started: list[Message] = []
        content = bytearray()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            else:
                content.extend(message.get("body", b""))

        await self._app(inner, receive, send)
        found = Headers(raw=started[0]["headers"])
        kept = {name: found[name] for name in ("cache-control", "www-authenticate") if name in found}
        try:
            members = json.loads(content)
        except ValueError:
            members = None
        return started[0]["status"], kept, members if isinstance(members, dict) else None

    def _error(self, kind: str | None, members: Table, status: int, headers: dict[str, str]) -> Response:
        """An error as the provider says it."""
        code = members["error"]
        bare = self._dialect.get("refresh_statuses", {}) if kind == REFRESH else {}
        for said in bare:
            if bare[said] == code:
                return Response(b"", int(said), headers)
        entry = self._errors.get(code, {})
        says = entry.get("says", code)
        says = says if isinstance(says, list) else [says]
        if kind == POLL or "" not in says:
            status = entry.get("status", status)
        if kind == POLL and says[0] == "":
            return Response(b"", status, headers)
        # Where the status is all there is, it is so for polls alone.
        word = next((word for word in says if word), code)
        answer: Table = {}
        _put(answer, self._dialect.get("error", ["error"])[0], int(word) if word.isdecimal() else word)
        description = self._dialect.get("description", "error_description")
        if description not in self._dialect.get("error", []):
            _put(answer, description, members.get("error_description", ""))
        if "interval" in members:
            answer["interval"] = members["interval"]
        return _json(answer, status, headers)

    def _success(self, kind: str | None, members: Table) -> Table:
        manners = self._answers.get(CODE if kind == CODE else "token", {})
        answer = {name: value for name, value in members.items() if name not in manners.get("leaves_out", [])}
        separator = self._dialect.get("granted_separator")
        if separator and "scope" in answer:
            answer["scope"] = answer["scope"].replace(" ", separator)
        return answer | manners.get("adds", {})

    def _renamed(self, members: Table) -> Table:
        return {self._name(name): value for name, value in members.items()}


def _matched(template: str, value: str, name: str) -> dict[str, str]:
    """What stood in the braces of `template` when `value` was made from it. Raises RefusedRequest."""
    parts = re.split(r"\{(\w+)\}", template)
    pattern = "".join(f"(?P<{part}>.*)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    match = re.fullmatch(pattern, value)
    if match is None or not value:
        raise RefusedRequest(f"{name} must be {template}.")
    return match.groupdict()


def _put(members: Table, path: str, value: object) -> None:
    *outer, last = path.split(".")
    for name in outer:
        members = members.setdefault(name, {})
    members[last] = value


def _json(members: Table, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(members), status, headers, _JSON)
