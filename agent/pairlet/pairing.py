"""Pairing: asks for a code, shows it while it counts down, and comes back with a token."""

from .core.backoff import Backoff
from .core.device_grant import APPROVED, DENIED, EXPIRED, DeviceGrant
from .core.errors import ConfigError, IssuerError, OAuthError, PairletError, ProtocolError
from .core.machine import Send
from .core.screen import CODE, STARTING, Screen
from .core.screen import DENIED as SCREEN_DENIED
from .core.screen import EXPIRED as SCREEN_EXPIRED
from .core.screen import PAIRED as SCREEN_PAIRED
from .drive import carry_out, first_of, uninterrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.device_grant import DeviceCode
    from .core.http import Request
    from .core.token import Token
    from .drive import Patience, Step, Trouble
    from .ports import Store

# What the first request carries anyway (RFC 6749 section 3.2: a parameter must not repeat).
_OWN_PARAMETERS = ("client_id", "client_secret", "scope", "device_id", "device_name")
_STORE_LOOK_MS = 5000
# How long a stop waits for the answer to a poll under way: it may be the token.
_FAREWELL_MS = 5000
_LONGEST_PAUSE_MS = 300000
# A token with all that belongs to it may take 8 KiB; a board has no 8 KiB of memory in one piece.
_ROOM = ("room-1", "room-2", "room-3", "room-4")
_ROOM_BYTES = 2048


async def pair_once(agent: "Agent", patience: "Patience | None") -> "Token":
    """One code, one person, one token; see Agent.pair."""
    # What is stored may be another account's, or unreadable: neither may be written over unseen.
    agent.keeper.load()
    ports, config = agent.ports, agent.config
    ports.display.show(Screen(STARTING, message="asking the server for a code"))
    metadata = await agent.find(patience or agent.tell_trouble)
    if not metadata.offers_device_grant():
        metadata.require("device_authorization_endpoint")
    # A disk without room must be known before a person is asked, not after.
    _look_for_room(ports.store)
    grant = DeviceGrant(
        metadata,
        agent.client,
        scope=config.text("oauth.scope"),
        extra=_announcement(agent) + _extra(agent),
        seed=ports.entropy.random_bytes(4),
        insecure_http=config.flag("oauth.insecure_http"),
    )
    return await Pairing(grant, agent, patience or agent.tell_trouble).run()


def _look_for_room(store: "Store") -> None:
    """Raise StoreError unless there is room for a token."""
    try:
        for name in _ROOM:
            store.save(name, bytes(_ROOM_BYTES))
    finally:
        for name in _ROOM:
            store.delete(name)


def _announcement(agent: "Agent") -> "list[tuple[str, str | None]]":
    """Tells the server what to show the person who approves (RFC 8628 section 5.4 wants them to know)."""
    if not agent.config.flag("pairing.announce"):
        return []
    return [("device_id", agent.device.device_id), ("device_name", agent.device.name)]


def _extra(agent: "Agent") -> "list[tuple[str, str | None]]":
    pairs = agent.config.pairs("oauth.extra")
    for name, _ in pairs:
        if name in _OWN_PARAMETERS:
            raise ConfigError(
                f"oauth.extra repeats the parameter {name}",
                "A parameter must not be sent twice; use the setting made for it.",
            )
    return pairs


async def pair_with_people(agent: "Agent") -> None:
    """Show codes until somebody approves one; after `pairing.codes` of them wait for a person.

    RFC 8628 sections 3.1 and 3.5: not automatically, and not for ever.
    """
    codes = agent.config.integer("pairing.codes")
    left = 0 if agent.config.text("pairing.start") == "prompt" else codes
    clock = agent.ports.clock
    backoff = Backoff(5000, _LONGEST_PAUSE_MS, agent.ports.entropy.random_bytes(4))
    while agent.keeper.token is None:
        if left <= 0:
            await _wait_for_person(agent)
            left = codes
            continue
        try:
            # Somebody may pair the device with `pairlet pair` while a code is shown here.
            await first_of(_pair(agent), _watch_store(agent))
            left -= 1
        except OAuthError as error:
            left -= 1
            if error.error == "access_denied":
                left = 0
            elif error.error != "expired_token":
                raise
        except IssuerError:
            raise
        except ProtocolError as error:
            # A captive portal, or a server that is being set up: not for a person to mend here.
            agent.tell_trouble(error)
            await clock.sleep_until(clock.now() + backoff.delay_ms())


async def _pair(agent: "Agent") -> None:
    await pair_once(agent, None)


async def _wait_for_person(agent: "Agent") -> None:
    """Until the button is pressed, or another process (`pairlet pair`) has paired the device."""
    advice = "Press the button, send SIGUSR1 or run: pairlet pair."
    agent.ports.display.show(Screen(STARTING, message="not paired", advice=advice))
    await first_of(agent.ports.button.pressed(), _watch_store(agent))


async def _watch_store(agent: "Agent") -> None:
    clock = agent.ports.clock
    while agent.keeper.load() is None:
        await clock.sleep_until(clock.now() + _STORE_LOOK_MS)


class Pairing:
    """One run of a DeviceGrant with a person in front of the display.

    `trouble` hears what goes wrong until there is a code, and may raise to give up; after that only
    the grant's own end counts.
    """

    def __init__(self, grant: DeviceGrant, agent: "Agent", trouble: "Trouble"):
        self._grant = grant
        self._agent = agent
        self._clock = agent.ports.clock
        self._display = agent.ports.display
        self._emit = agent.emit
        self._patience = trouble
        self._trouble = ""
        self._told = False

    async def run(self) -> "Token":
        """Return the token, which is stored then. Raises OAuthError (access_denied, expired_token, others),
        ProtocolError, StoreError, and what `trouble` raises."""
        await first_of(self._drive(), self._count_down())
        grant = self._grant
        if grant.state == APPROVED and grant.token is not None:
            return grant.token
        error = grant.error
        assert error is not None
        if grant.state == DENIED:
            self._emit("denied")
            self._display.show(Screen(SCREEN_DENIED, advice=error.advice))
        elif grant.state == EXPIRED:
            self._emit("expired")
            self._display.show(Screen(SCREEN_EXPIRED, advice=error.advice))
        raise error

    async def _drive(self) -> None:
        clock = self._clock
        while True:
            action = self._grant.next_action(clock.now())
            if action is None:
                return
            if not isinstance(action, Send):
                await clock.sleep_until(action.until)
                continue
            # Once a person has approved, the server tells only once: Ctrl-C must not lose that answer.
            step = await uninterrupted(self._exchange(action.request), clock, _FAREWELL_MS)
            self._hear(step.error)

    async def _exchange(self, request: "Request") -> "Step":
        step = await carry_out(request, self._grant, self._agent.ports.http, self._clock)
        token = self._grant.token
        if token is not None:
            await self._keep(token)
        return step

    async def _keep(self, token: "Token") -> None:
        async with self._agent.ports.store.lock():
            self._agent.keeper.save(token)
        self._display.show(Screen(SCREEN_PAIRED, scope=token.scope))
        self._emit(
            "paired",
            scope=token.scope,
            expires_in=token.expires_in,
            has_refresh_token=token.refresh_token is not None,
        )

    def _hear(self, error: "PairletError | None") -> None:
        code = self._grant.code
        if code is None:
            self._patience(error)
            return
        self._trouble = "" if error is None else f"{error}; trying again"
        if not self._told:
            self._told = True
            self._emit(
                "code",
                user_code=code.user_code,
                verification_uri=code.verification_uri,
                verification_uri_complete=code.verification_uri_complete,
                expires_in=self._seconds_left(code),
                interval=self._grant.interval_ms // 1000,
            )
            self._show(code)

    async def _count_down(self) -> None:
        """Show the code anew each second. Ends with the grant, never before."""
        while True:
            await self._clock.sleep_until(self._clock.now() + 1000)
            if self._grant.code is not None:
                self._show(self._grant.code)

    def _show(self, code: "DeviceCode") -> None:
        self._display.show(
            Screen(
                CODE,
                user_code=code.user_code,
                verification_uri=code.verification_uri,
                verification_uri_complete=code.verification_uri_complete,
                remaining_s=self._seconds_left(code),
                message=self._trouble,
            )
        )

    def _seconds_left(self, code: "DeviceCode") -> int:
        left_ms: int = code.expires_at - self._clock.now()
        return max(0, left_ms + 999) // 1000
