"""Signing in with a browser on the device itself (authorization code with PKCE). Not for boards."""

import asyncio

from .core.authorization_code_grant import APPROVED, RANDOM_BYTES, AuthorizationCodeGrant
from .core.errors import ConfigError, UnpairedError
from .core.machine import Send
from .core.screen import DENIED, EXPIRED, PAIRED, SIGN_IN, STARTING, TROUBLE, Screen
from .drive import carry_out, first_of, uninterrupted, wait_for
from .pairing import make_sure_of_room, tell_paired
from .parameters import of_first_request
from .pending import NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.http import Request
    from .core.token import Token
    from .drive import Trouble
    from .pairing import Keep
    from .parameters import PairList
    from .ports import Browser, Visit

_LOOK_MS = 1000
# How long a stop waits for the answer to a token request under way: it may be the token.
_FAREWELL_MS = 5000


async def sign_in(agent: "Agent", trouble: "Trouble", keep: "Keep", fresh: bool = True) -> "Token":
    """Let a person sign in with the browser; return the token, which is stored then.

    While another process of this device is at it, this one waits for what comes of it. `fresh`: whether a
    sign-in may begin here. `trouble` hears what goes wrong until there is an address to open, and may raise
    to give up. `keep(token)`: the keeper's way to make the token count.
    Raises OAuthError (access_denied, expired_token, others), IssuerError for a mix-up, ProtocolError,
    StoreError, ConfigError, UnpairedError without anything to wait for, and what `trouble` raises.
    """
    if agent.browser is None:
        raise ConfigError(
            "this device has no browser to sign in with",
            "Set oauth.grant to device_code: the person uses the browser of another device.",
        )
    # What is stored may be another account's, or unreadable: neither may be written over unseen.
    before = agent.keeper.load()
    store = agent.ports.store
    waited = False
    while not store.claim(NAME):
        waited = True
        words = "another process of this device lets somebody sign in"
        agent.ports.display.show(Screen(STARTING, message=words))
        await agent.ports.clock.sleep_until(agent.ports.clock.now() + _LOOK_MS)
    try:
        token = agent.keeper.load() if waited else None
        if token is not None and not token.is_same(before):
            tell_paired(agent, token)
            return token
        if not fresh:
            raise UnpairedError("the sign-in that was under way is gone")
        return await _lead(agent, agent.browser, trouble, keep)
    finally:
        store.release(NAME)


async def _lead(agent: "Agent", browser: "Browser", trouble: "Trouble", keep: "Keep") -> "Token":
    """Let somebody sign in, as the only process that does."""
    ports = agent.ports
    make_sure_of_room(ports.store)
    ports.display.show(Screen(STARTING, message="asking the server where to sign in"))
    metadata = await agent.find(trouble)
    redirect_uri = await browser.listen()
    try:
        grant = AuthorizationCodeGrant(
            metadata,
            agent.client,
            redirect_uri,
            ports.entropy.random_bytes(RANDOM_BYTES),
            scope=agent.config.text("oauth.scope"),
            extra=_first_parameters(agent),
            parameters=agent.keeper.parameters,
            expires_at=ports.clock.now() + agent.config.integer("pairing.timeout"),
        )
        return await SigningIn(grant, redirect_uri, agent, browser, keep).run()
    finally:
        await browser.close()


def _first_parameters(agent: "Agent") -> "PairList":
    """With the key that the code is to be bound to: it is of no use with another (RFC 9449 section 10)."""
    pairs = of_first_request(agent.config, agent.device)
    key = agent.client.key
    return pairs if key is None else pairs + [("dpop_jkt", key.thumbprint())]


class SigningIn:
    """One run of an AuthorizationCodeGrant with a person in front of the browser."""

    def __init__(
        self,
        grant: AuthorizationCodeGrant,
        redirect_uri: str,
        agent: "Agent",
        browser: "Browser",
        keep: "Keep",
    ):
        self._grant = grant
        self._redirect_uri = redirect_uri
        self._agent = agent
        self._browser = browser
        self._keep = keep
        self._clock = agent.ports.clock
        self._came = asyncio.Event()
        # The browser that brought the answer, for as long as it waits for a page.
        self._visit: Visit | None = None

    async def run(self) -> "Token":
        """Return the token, which is stored then. Raises what the grant ended with."""
        grant = self._grant
        address = grant.authorization_uri
        # The one place where the address is for people: whoever signs in has to open it.
        uri = address.reveal()
        self._agent.emit(
            "authorize",
            authorization_uri=uri,
            redirect_uri=self._redirect_uri,
            expires_in=(grant.expires_at - self._clock.now()) // 1000,
        )
        trouble = self._browser.open(address)
        self._agent.ports.display.show(Screen(SIGN_IN, verification_uri=uri, message=trouble))
        try:
            await first_of(self._drive(), self._listen())
        except BaseException:
            # A fault of ours, a full disk, Ctrl-C: a page is owed all the same.
            self._say(Screen(TROUBLE, message="The device could not finish.", advice="Look at the device."))
            raise
        if grant.token is not None:
            return grant.token
        assert grant.error is not None
        raise grant.error

    async def _listen(self) -> None:
        while True:
            visit = await self._browser.next_visit()
            if self._grant.redirected(visit.query, self._clock.now()):
                self._visit = visit
                self._came.set()
            else:
                words = "This is not the answer that the device waits for."
                visit.answer(Screen(TROUBLE, message=words, advice="Go back to where you were signing in."))

    async def _drive(self) -> None:
        clock = self._clock
        while True:
            action = self._grant.next_action(clock.now())
            if action is None:
                self._say(self._last_page())
                return
            if isinstance(action, Send):
                # The code is good once: Ctrl-C must not lose the answer to it.
                await uninterrupted(self._exchange(action.request), clock, _FAREWELL_MS)
                continue
            self._came.clear()
            await first_of(clock.sleep_until(action.until), wait_for(self._came))

    async def _exchange(self, request: "Request") -> None:
        step = await carry_out(request, self._grant, self._agent.ports.http, self._clock)
        token = self._grant.token
        if token is not None:
            async with self._agent.ports.store.lock():
                self._keep(token)
            self._say(self._last_page())
            tell_paired(self._agent, token)
        elif step.error is not None:
            self._show_trouble(f"{step.error}; trying again")
        elif self._grant.error is None:
            self._show_trouble("the server gives no answer; trying again")

    def _show_trouble(self, words: str) -> None:
        self._agent.ports.display.show(Screen(STARTING, message=words))
        # Nobody wants to look at an empty window for that long.
        self._say(
            Screen(STARTING, message="The device has your answer and goes on.", advice="Look at the device.")
        )

    def _last_page(self) -> Screen:
        grant = self._grant
        if grant.state == APPROVED and grant.token is not None:
            missing = grant.token.not_granted(self._agent.config.text("oauth.scope"))
            message = "Not granted: " + missing if missing else ""
            return Screen(PAIRED, scope=grant.token.scope, message=message)
        if grant.state in (DENIED, EXPIRED):
            return Screen(grant.state)
        return Screen(TROUBLE, message=str(grant.error), advice=grant.error.advice if grant.error else "")

    def _say(self, page: Screen) -> None:
        """Answer the browser that waits, if one does."""
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.answer(page)
