"""One scenario being played: the real server at an issuer of its own, with steps in front of it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs, urlsplit

from starlette.types import Receive, Scope, Send

from ..authserver import AuthorizationServer, Client, Person, Settings
from ..authserver.metadata import well_known_paths
from ..authserver.settings import DEFAULT_SCOPES, DEVICE_CODE, REFRESH_TOKEN
from ..person import PersonError, walk
from .evidence import Evidence, Run
from .journal import DEVICE_AUTHORIZATION, METADATA, OTHER, POLL, REFRESH, REVOCATION, Code, Exchange
from .reply import Reply
from .scenario import Scenario
from .steps import real
from .turn import Step, Turn, now

_MAX_BODY = 256 * 1024
_MAX_FIELDS = 100
_MOST_EXCHANGES = 5000
# A client that polls without pause must not starve the others on the same server.
_BREATHER_S = 0.1
_WALK_S = 30
# On a busy machine a walk takes longer, and a poll that is not answered for so long is another scenario.
_DECIDES_WITHIN_S = 1.0

Listener = Callable[["Site", Exchange], None]


@dataclass(frozen=True)
class Cast:
    """Who is on every site: the account, the client, and the simulated person if there is one.

    `walkers` runs persons, None if people decide. `ca_file` is what they trust. `listener` hears of each
    exchange when it is over.
    """

    username: str
    password: str = field(repr=False)
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    walkers: Executor | None = None
    ca_file: str | None = None
    listener: Listener | None = None

    def clients(self, *also: str) -> list[Client]:
        """The client, under its own name and under other ones."""
        names = dict.fromkeys([self.client_id, *also])
        return [Client(name, secret=self.client_secret, scopes=self.scopes) for name in names]


class Site:
    """The ASGI application below `issuer`, and what was seen there. `elsewhere`: where redirects lead to.

    `rests_until`: until then the last access token is good, and a Retry-After holds.
    """

    def __init__(self, scenario: Scenario, issuer: str, cast: Cast, person: Person, elsewhere: str):
        self.scenario = scenario
        self.issuer = issuer
        self.elsewhere = elsewhere
        self.exchanges: list[Exchange] = []
        self.codes: list[Code] = []
        self.troubles: list[str] = []
        self.rests_until = 0.0
        self.began_at = now()
        self._cast = cast
        settings = Settings(
            issuer,
            people=[person],
            clients=cast.clients(scenario.name),
            code_lifetime_s=scenario.code_lifetime_s,
            interval_s=scenario.interval_s,
            access_token_lifetime_s=scenario.token_lifetime_s,
            rotate=scenario.rotate,
            refresh_grace_s=scenario.grace_s,
        )
        self._server = AuthorizationServer(settings)
        self._kinds = dict.fromkeys(well_known_paths(settings), METADATA)
        self._kinds[settings.path + "/device_authorization"] = DEVICE_AUTHORIZATION
        self._kinds[settings.path + "/token"] = OTHER
        self._kinds[settings.path + "/revoke"] = REVOCATION
        self._newest: str | None = None
        self._walks: dict[str, asyncio.Future[None]] = {}
        self._counts: Counter[str] = Counter()

    @property
    def path(self) -> str:
        """The issuer's path."""
        return urlsplit(self.issuer).path

    def evidence(self, runs: list[Run] | None = None) -> Evidence:
        """What verdicts are made from, so far."""
        return Evidence(
            self.scenario, list(self.exchanges), list(self.codes), runs or [],
            self._cast.client_secret is not None, list(self.troubles),
        )  # fmt: skip

    def close(self) -> None:
        """Close the server behind it."""
        self._server.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play a step for the client's requests; pages and keys are the real server's business."""
        kind = self._kinds.get(scope["path"])
        if kind is None:
            await self._server.app(scope, receive, send)
            return
        body = await read_body(receive)
        exchange = self._note(kind, scope, body)
        turn = Turn(exchange, self, self._server.app, scope, body, receive, send)
        try:
            if self._is_in_haste(exchange):
                await asyncio.sleep(_BREATHER_S)
            await self._step(exchange)(turn)
        finally:
            self._tell(exchange)

    def note_elsewhere(self, exchange: Exchange) -> None:
        """A request that followed a redirect of this site."""
        self._append(exchange)
        self._tell(exchange)

    # What a Turn needs

    async def decide(self, device_code: str) -> bool:
        """Walk the pages, once for each code; where real people decide, there is nothing to wait for."""
        code = next((each for each in self.codes if each.device_code == device_code), None)
        if code is None or self._cast.walkers is None:
            return True
        if device_code not in self._walks:
            self._walks[device_code] = asyncio.ensure_future(self._walk(code))
        walk_of_code = self._walks[device_code]
        # Not cancelled with the wait: the client may go away meanwhile, the person does not stop for that.
        await asyncio.wait([walk_of_code], timeout=_DECIDES_WITHIN_S)
        return walk_of_code.done()

    def issued(self, reply: Reply) -> None:
        """Remember the codes, and begin to count anew."""
        members = reply.members or {}
        names = ("device_code", "user_code", "verification_uri", "verification_uri_complete")
        self.codes.append(Code(now(), *(members[name] for name in names)))
        self._newest = None
        self._counts[REFRESH] = 0

    def delivered(self, reply: Reply) -> None:
        """Remember the newest refresh token, and how long the access token is good."""
        members = reply.members or {}
        if "access_token" in members:
            self._newest = members.get("refresh_token") or self._newest
            self.rests_until = max(self.rests_until, now() + self.scenario.token_lifetime_s)

    def busy(self, seconds: float) -> None:
        """Who starts a command for the client should not do it sooner than that."""
        self.rests_until = max(self.rests_until, now() + seconds)

    # Inside

    def _tell(self, exchange: Exchange) -> None:
        exchange.ended_at = now()
        if self._cast.listener is not None:
            self._cast.listener(self, exchange)

    async def _walk(self, code: Code) -> None:
        cast = self._cast
        steps = partial(
            walk, code.verification_uri_complete, code.user_code, cast.username, cast.password,
            self.scenario.decision, cast.ca_file,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_WALK_S):
                await asyncio.get_running_loop().run_in_executor(cast.walkers, steps)
        except PersonError as error:
            self.troubles.append(f"the simulated person got stuck: {error}")
        except TimeoutError:
            self.troubles.append(f"the simulated person took longer than {_WALK_S} s")

    def _note(self, kind: str, scope: Scope, body: bytes) -> Exchange:
        form = parse_form(body)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if kind == OTHER:
            grant_type = form.get("grant_type", [""])[0]
            kind = {DEVICE_CODE: POLL, REFRESH_TOKEN: REFRESH}.get(grant_type, OTHER)
        exchange = Exchange(
            kind, now(), scope["method"], scope["path"], scope["query_string"].decode("latin-1"),
            headers.get("content-type", ""), form, headers.get("authorization"), self._newest,
        )  # fmt: skip
        self._append(exchange)
        return exchange

    def _append(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        # Nobody's endless loop may eat the memory of this machine.
        del self.exchanges[:-_MOST_EXCHANGES]

    def _is_in_haste(self, exchange: Exchange) -> bool:
        before = [each for each in self.exchanges[-3:-1] if each.kind == exchange.kind]
        return len(before) == 2 and exchange.at - before[0].at < _BREATHER_S

    def _step(self, exchange: Exchange) -> Step:
        scenario, kind = self.scenario, exchange.kind
        if kind == METADATA:
            return scenario.metadata
        if kind == DEVICE_AUTHORIZATION:
            return scenario.device_authorization
        steps = {POLL: scenario.polls, REFRESH: scenario.refreshes, REVOCATION: scenario.revocations}.get(
            kind, (real,)
        )
        counted = kind + exchange.value("device_code") if kind == POLL else kind
        self._counts[counted] += 1
        return steps[min(self._counts[counted], len(steps)) - 1]


async def read_body(receive: Receive) -> bytes:
    """The body, up to a size that no request of a client has."""
    body, more = bytearray(), True
    while more and len(body) <= _MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)



def parse_form(body: bytes) -> dict[str, list[str]]:
    """The parameters of a body as they came, repeated ones too; none if it is no form."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        return {}
