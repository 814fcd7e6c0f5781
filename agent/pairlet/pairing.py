"""Pairing: asks for a code, shows it while it counts down, and comes back with a token."""

from .core.device_grant import APPROVED, DENIED, EXPIRED, DeviceGrant
from .core.errors import ConfigError, OAuthError, PairletError
from .core.screen import CODE, STARTING, Screen
from .core.screen import DENIED as SCREEN_DENIED
from .core.screen import EXPIRED as SCREEN_EXPIRED
from .core.screen import PAIRED as SCREEN_PAIRED
from .drive import drive, first_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.device_grant import DeviceCode
    from .core.token import Token
    from .drive import Patience
    from .events import Emit
    from .ports import Clock, Display, Http

# What the first request carries anyway (RFC 6749 section 3.2: a parameter must not repeat).
_OWN_PARAMETERS = ("client_id", "client_secret", "scope", "device_id", "device_name")
_STORE_LOOK_MS = 5000


async def pair_once(agent: "Agent", patience: "Patience | None") -> "Token":
    """One code, one person, one token; see Agent.pair."""
    # What is stored may be another account's, or unreadable: neither may be written over unseen.
    agent.keeper.load()
    ports, config = agent.ports, agent.config
    ports.display.show(Screen(STARTING, message="asking the server for a code"))
    metadata = await agent.find(patience or agent.tell_trouble)
    if not metadata.offers_device_grant():
        metadata.require("device_authorization_endpoint")
    grant = DeviceGrant(
        metadata,
        agent.client,
        scope=config.text("oauth.scope"),
        extra=_announcement(agent) + _extra(agent),
        seed=ports.entropy.random_bytes(4),
        insecure_http=config.flag("oauth.insecure_http"),
    )
    token = await Pairing(grant, ports.http, ports.clock, ports.display, agent.emit, patience).run()
    async with ports.store.lock():
        agent.keeper.save(token)
    agent.emit(
        "paired",
        scope=token.scope,
        expires_in=token.expires_in,
        has_refresh_token=token.refresh_token is not None,
    )
    return token


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
    while agent.keeper.token is None:
        if left <= 0:
            await _wait_for_person(agent)
            left = codes
            continue
        left -= 1
        try:
            await pair_once(agent, None)
        except OAuthError as error:
            if error.error == "access_denied":
                left = 0
            elif error.error != "expired_token":
                raise


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

    `patience` counts failures until there is a code; after that only the grant's own end counts.
    """

    def __init__(
        self,
        grant: DeviceGrant,
        http: "Http",
        clock: "Clock",
        display: "Display",
        emit: "Emit",
        patience: "Patience | None" = None,
    ):
        self._grant = grant
        self._http = http
        self._clock = clock
        self._display = display
        self._emit = emit
        self._patience = patience
        self._trouble = ""
        self._told = False

    async def run(self) -> "Token":
        """Return the token. Raises OAuthError (access_denied, expired_token, others), ProtocolError, and
        what `patience` raises."""
        await first_of(self._drive(), self._count_down())
        grant = self._grant
        if grant.state == APPROVED and grant.token is not None:
            token = grant.token
            self._display.show(Screen(SCREEN_PAIRED, scope=token.scope))
            return token
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
        await drive(self._grant, self._http, self._clock, self._hear)

    def _hear(self, error: "PairletError | None") -> None:
        code = self._grant.code
        if code is None:
            if self._patience is not None and not isinstance(error, OAuthError):
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
        return max(0, code.expires_at - self._clock.now() + 999) // 1000
