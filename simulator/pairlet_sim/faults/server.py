"""All scenarios on one server, each at an issuer of its own, or chosen by client_id.

    /s/NAME           the issuer of a scenario; /s/NAME~LABEL is a fresh one of the same kind
    /s/NAME/verdict   what its client did so far, as JSON
    /                 an issuer too: there the client_id is the name of the scenario
"""

import base64
import binascii
from difflib import get_close_matches
from urllib.parse import unquote_plus

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from ..authserver import Person
from .checks import judge
from .journal import ELSEWHERE, Exchange
from .obligations import SECTIONS
from .scenario import Scenario
from .scenarios import BY_NAME, ORDINARY
from .site import Cast, Site, parse_form, read_body
from .turn import now

_MOST_SITES = 1000
_WELL_KNOWN = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_ENDPOINTS = ("/token", "/device_authorization", "/revoke")


class UnknownScenario(ValueError):
    """No scenario has this name, or not on this server; the text says what to do."""


class FaultServer:
    """The ASGI application. `bases`: its addresses without a final slash, by certificate; "" is a good one.

    `elsewhere` is an address of another origin that leads here too: what arrives there followed a redirect.
    Raises SettingsError.
    """

    def __init__(self, bases: dict[str, str], elsewhere: str, cast: Cast):
        self.cast = cast
        self.base = bases[""]
        self._bases = bases
        self._elsewhere = elsewhere
        self._person = Person(cast.username, cast.password)
        self._sites: dict[str, Site] = {}
        # What can't be served at all should be known now, not at the first request.
        self.site(ORDINARY)

    def issuer(self, name: str) -> str:
        """The issuer of the scenario in `name`, NAME or NAME~LABEL. Raises UnknownScenario."""
        certificate = scenario_of(name).certificate
        if certificate not in self._bases:
            raise UnknownScenario(f"{name} is about certificates: start the server with --https CA.PEM.")
        return f"{self._bases[certificate]}/s/{name}"

    def site(self, name: str) -> Site:
        """The site of `name`, made at the first call. Raises UnknownScenario."""
        if name not in self._sites:
            if len(self._sites) >= _MOST_SITES:
                self._sites.pop(next(iter(self._sites))).close()
            elsewhere = f"{self._elsewhere}/elsewhere/{name}"
            self._sites[name] = Site(scenario_of(name), self.issuer(name), self.cast, self._person, elsewhere)
        return self._sites[name]

    def close(self) -> None:
        """Close the servers of all sites."""
        for site in self._sites.values():
            site.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the site that a request is for."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        for place in _WELL_KNOWN:
            path = path.removeprefix(place)
        parts = path.split("/")
        if path == "" and scope["path"] in _WELL_KNOWN:
            await self._metadata()(scope, receive, send)
        elif path in _ENDPOINTS:
            await self._by_client_id(scope, receive, send)
        elif len(parts) > 2 and parts[1] in ("s", "elsewhere"):
            await self._by_name(parts[2], scope, receive, send)
        else:
            await self._welcome(path)(scope, receive, send)

    async def _by_name(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            site = self.site(name)
        except UnknownScenario as error:
            await PlainTextResponse(f"{error}\n", 404)(scope, receive, send)
            return
        if scope["path"].startswith("/elsewhere/"):
            site.note_elsewhere(await _arrived_elsewhere(scope, receive))
            # Nothing that would make a client give up: what it does next should be its own idea.
            await JSONResponse({"error": "authorization_pending"}, 400)(scope, receive, send)
        elif scope["path"] == site.path + "/verdict":
            await JSONResponse(verdict(site))(scope, receive, send)
        else:
            await site(scope, receive, send)

    async def _by_client_id(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        name = parse_form(body).get("client_id", [""])[0] or _basic_client_id(scope)
        scenario = BY_NAME.get(name.partition("~")[0])
        if scenario is None or scenario.about_metadata or scenario.certificate:
            sentence = "At this issuer client_id must be the name of a scenario, and not one about metadata."
            answer = JSONResponse({"error": "invalid_client", "error_description": sentence}, 401)
            await answer(scope, receive, send)
            return
        path = f"/s/{name}{scope['path']}"
        moved = {**scope, "path": path, "raw_path": path.encode()}
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return unread.pop() if unread else await receive()

        await self.site(name)(moved, receive_again, send)

    def _metadata(self) -> Response:
        """Of the issuer whose scenarios go by client_id (RFC 8414 section 2)."""
        return JSONResponse(
            {
                "issuer": self.base,
                "token_endpoint": self.base + "/token",
                "device_authorization_endpoint": self.base + "/device_authorization",
                "revocation_endpoint": self.base + "/revoke",
                "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
                "response_types_supported": ["none"],
            }
        )

    def _welcome(self, path: str) -> Response:
        there = [each for each in BY_NAME.values() if each.certificate in self._bases]
        lines = [f"{self.issuer(each.name)}  {each.about}" for each in there]
        return PlainTextResponse("\n".join(lines) + "\n", 200 if path == "/" else 404)


def scenario_of(name: str) -> Scenario:
    """The scenario that NAME or NAME~LABEL stands for. Raises UnknownScenario."""
    plain = name.partition("~")[0]
    if plain not in BY_NAME:
        near = get_close_matches(plain, BY_NAME, 1)
        hint = f"Did you mean {near[0]}?" if near else "`pairlet sim faults --list` names them all."
        raise UnknownScenario(f"There is no scenario {ascii(plain)}. {hint}")
    return BY_NAME[plain]


def verdict(site: Site) -> dict[str, object]:
    """What the client of a site did so far, and what was wrong with it. No secrets."""
    evidence = site.evidence()
    return {
        "scenario": site.scenario.name,
        "about": site.scenario.about,
        "right": site.scenario.right,
        "exchanges": [each.to_json(site.began_at) for each in evidence.exchanges],
        "findings": [
            {**finding._asdict(), "section": SECTIONS.get(finding.item or 0)} for finding in judge(evidence)
        ],
        "troubles": evidence.troubles,
    }


async def _arrived_elsewhere(scope: Scope, receive: Receive) -> Exchange:
    form = parse_form(await read_body(receive))
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return Exchange(
        ELSEWHERE, now(), scope["method"], scope["path"], form=form,
        authorization=headers.get(b"authorization"), told="the collector of redirects",
    )  # fmt: skip


def _basic_client_id(scope: Scope) -> str:
    """The client_id of a Basic Authorization header (RFC 6749 section 2.3.1), or an empty string."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:6].lower() == b"basic ":
            try:
                pair = base64.b64decode(value[6:], validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                return ""
            return unquote_plus(pair.partition(":")[0])
    return ""
