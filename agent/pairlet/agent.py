"""The agent: pairs when it must, keeps the token fresh, measures and publishes."""

from collections import namedtuple

from .core.backoff import Backoff
from .core.errors import ConfigError, OAuthError, PairletError, ProtocolError, UnpairedError
from .core.outbox import Outbox
from .core.screen import RUNNING, STARTING, Screen
from .core.telemetry import Sample, Topics
from .core.wall import UNSET
from .drive import first_of
from .events import describe, tell_error
from .keeper import TokenKeeper
from .link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.client import Client
    from .core.metadata import ServerMetadata
    from .core.token import Token
    from .device import Device
    from .drive import Patience, Trouble
    from .events import Emit
    from .settings import Settings

# The edges the agent works with; each as in pairlet.ports. mqtt is None without a broker.
Ports = namedtuple("Ports", ("clock", "http", "display", "store", "entropy", "sensors", "button", "mqtt"))

# What the first request carries anyway (RFC 6749 section 3.2: a parameter must not repeat).
_OWN_PARAMETERS = ("client_id", "client_secret", "scope", "device_id", "device_name")
_LONGEST_PAUSE_MS = 300000
_STORE_LOOK_MS = 5000
_SAVE_AGAIN_MS = 30000
_FOREVER_MS = 86400000


class Agent:
    """Joins machines, keeper and link over the ports it is given.

    `emit(event, **fields)` hears everything worth telling (see pairlet.events).
    """

    def __init__(self, config: "Settings", client: "Client", device: "Device", ports: Ports, emit: "Emit"):
        self._config = config
        self._client = client
        self._device = device
        self._ports = ports
        self._listener = emit
        self._metadata: ServerMetadata | None = None
        self._last_trouble = ""
        account = config.text("oauth.issuer") or config.text("oauth.token_endpoint")
        self.keeper = TokenKeeper(
            (account, client.client_id), ports.store, ports.clock, ports.entropy, self._emit
        )
        self._outbox = Outbox(config.integer("telemetry.buffer_bytes"))
        self._link = self._make_link() if ports.mqtt is not None else None

    def _make_link(self) -> Link:
        ports = self._ports
        return Link(
            ports.mqtt,
            Topics(self._config.text("mqtt.topic_prefix"), self._device.device_id),
            self._config.text("mqtt.username") or self._device.device_id,
            self._outbox,
            self.keeper,
            ports.clock,
            ports.entropy,
            self._emit,
            self._renew,
        )

    async def pair(self, patience: "Patience | None" = None) -> "Token":
        """Pair once: show a code, wait for the person, keep the token.

        `patience` bounds the tries until there is a code. Raises the error it ended with; the display
        and the listener know by then.
        """
        # What is stored may be another account's, or unreadable: neither may be written over unseen.
        self.keeper.load()
        self._ports.display.show(Screen(STARTING, message="asking the server for a code"))
        metadata = await self._find(patience or self._tell_trouble)
        if not metadata.offers_device_grant():
            metadata.require("device_authorization_endpoint")
        # Only now: a board forgets what pairing takes once it is paired.
        from .core.device_grant import DeviceGrant
        from .pairing import Pairing

        scope = self._config.text("oauth.scope")
        grant = DeviceGrant(
            metadata,
            self._client,
            scope=scope,
            extra=self._announcement() + self._extra(),
            seed=self._ports.entropy.random_bytes(4),
            insecure_http=self._config.flag("oauth.insecure_http"),
        )
        ports = self._ports
        token = await Pairing(grant, ports.http, ports.clock, ports.display, self._emit, patience).run()
        async with ports.store.lock():
            self.keeper.save(token)
        self._emit(
            "paired",
            scope=token.scope,
            expires_in=token.expires_in,
            has_refresh_token=token.refresh_token is not None,
        )
        return token

    def _announcement(self) -> "list[tuple[str, str | None]]":
        """Tells the server what to show the person who approves (RFC 8628 section 5.4 wants them to know)."""
        if not self._config.flag("pairing.announce"):
            return []
        return [("device_id", self._device.device_id), ("device_name", self._device.name)]

    def _extra(self) -> "list[tuple[str, str | None]]":
        pairs = self._config.pairs("oauth.extra")
        for name, _ in pairs:
            if name in _OWN_PARAMETERS:
                raise ConfigError(
                    f"oauth.extra repeats the parameter {name}",
                    "A parameter must not be sent twice; use the setting made for it.",
                )
        return pairs

    async def usable_token(self, patience: "Patience") -> "Token":
        """The stored access token, refreshed if it needs to be. Raises UnpairedError when there is none."""
        keeper = self.keeper
        token = keeper.load()
        if token is None:
            raise UnpairedError("this device is not paired")
        due = keeper.refresh_at()
        wanted = due is not None and self._ports.clock.now() >= due
        if wanted or not keeper.is_usable():
            try:
                await self._refresh(patience, must_keep=True)
            except PairletError:
                # Ahead of its end a token is still good when the server is not there to renew it.
                if not keeper.is_usable():
                    raise
        token = keeper.token
        if token is None or not keeper.is_usable():
            raise UnpairedError("the access token has ended, and there is no refresh token")
        return token

    async def run(self) -> None:
        """Pair if needed, then work until cancelled. Raises what nothing but a person can mend."""
        self.keeper.load()
        while True:
            if self.keeper.token is None:
                await self._pair_with_people()
            try:
                await self._work()
            except UnpairedError as error:
                tell_error(self._emit, error)

    async def _work(self) -> None:
        self._ports.display.show(Screen(RUNNING, message="paired"))
        if self._link is None:
            await self._keep_fresh()
            return
        try:
            await first_of(self._keep_fresh(), self._link.run(), self._measure())
        finally:
            await self._link.close()

    async def _pair_with_people(self) -> None:
        """Show codes until somebody approves one; after `pairing.codes` of them wait for a person.

        RFC 8628 sections 3.1 and 3.5: not automatically, and not for ever.
        """
        left = 0 if self._config.text("pairing.start") == "prompt" else self._config.integer("pairing.codes")
        while self.keeper.token is None:
            if left <= 0:
                await self._wait_for_person()
                left = self._config.integer("pairing.codes")
                continue
            left -= 1
            try:
                await self.pair()
            except OAuthError as error:
                if error.error == "access_denied":
                    left = 0
                elif error.error != "expired_token":
                    raise

    async def _wait_for_person(self) -> None:
        """Until the button is pressed, or another process (`pairlet pair`) has paired the device."""
        self._ports.display.show(
            Screen(
                STARTING,
                message="not paired",
                advice="Press the button, send SIGUSR1 or run: pairlet pair.",
            )
        )
        await first_of(self._ports.button.pressed(), self._watch_store())

    async def _watch_store(self) -> None:
        while self.keeper.load() is None:
            await self._ports.clock.sleep_until(self._ports.clock.now() + _STORE_LOOK_MS)

    async def _keep_fresh(self) -> None:
        """Replace the token whenever it is due. Ends only with UnpairedError."""
        clock, keeper = self._ports.clock, self.keeper
        backoff = Backoff(5000, _LONGEST_PAUSE_MS, self._ports.entropy.random_bytes(4))
        while True:
            due = keeper.refresh_at()
            if due is None:
                due = keeper.token.expires_at if keeper.token else None
                if due is not None and clock.now() >= due:
                    keeper.forget("expired")
                    raise UnpairedError("the access token has ended, and there is no refresh token")
            if due is None or clock.now() < due:
                # A token that is in memory only is one power cut away from being lost.
                nap = clock.now() + (_FOREVER_MS if keeper.save_again() else _SAVE_AGAIN_MS)
                await clock.sleep_until(nap if due is None else min(due, nap))
                continue
            if await self._renewed():
                backoff.reset()
            else:
                await clock.sleep_until(clock.now() + backoff.delay_ms())

    async def _renew(self) -> None:
        await self._renewed()

    async def _renewed(self) -> bool:
        """Refresh; False when the server refused. Raises UnpairedError when the pairing is over."""
        try:
            await self._refresh(self._tell_trouble)
        except (OAuthError, ProtocolError, ConfigError) as error:
            # Somebody may mend the server, the client or the way there; a pairing does not end for it.
            tell_error(self._emit, error)
            return False
        if self._link is not None:
            self._link.token_renewed()
        return True

    async def _refresh(self, trouble: "Trouble", must_keep: bool = False) -> None:
        metadata = await self._find(trouble)
        await self.keeper.refresh(metadata, self._client, self._ports.http, trouble, must_keep=must_keep)

    async def _find(self, trouble: "Trouble") -> "ServerMetadata":
        if self._metadata is None:
            from .discovery import find_metadata

            ports = self._ports
            self._metadata = await find_metadata(
                self._config, ports.http, ports.clock, ports.entropy, trouble
            )
        return self._metadata

    def _tell_trouble(self, error: "PairletError | None") -> None:
        """Tell of trouble once, and go on."""
        text = "" if error is None else str(error)
        if error is not None and text != self._last_trouble:
            tell_error(self._emit, error)
            if self.keeper.token is None:
                self._ports.display.show(Screen(STARTING, message=text, advice="Trying again."))
        self._last_trouble = text

    async def _measure(self) -> None:
        """Take a sample each interval, counted from the start so that it does not drift."""
        clock = self._ports.clock
        interval_ms = self._config.integer("telemetry.interval")
        assert self._link is not None
        seq = 0
        due = clock.now()
        while True:
            wall = clock.wall()
            t = None if wall.state == UNSET else 1000 * wall.seconds
            gap = self._outbox.add(Sample(seq, t, self._ports.sensors.read(), clock.now()))
            if gap is not None:
                self._emit("dropped", count=gap.count, **{"from": gap.first, "to": gap.last})
            self._link.sample_added()
            seq += 1
            due = max(due + interval_ms, clock.now())
            await clock.sleep_until(due)

    def _emit(self, event: str, **fields: object) -> None:
        """Tell the listener, and once the device is paired also whoever looks at the display."""
        self._listener(event, **fields)
        message = describe(event, fields) if self.keeper.token is not None else ""
        if message:
            self._ports.display.show(Screen(RUNNING, message=message))

    async def unpair(self, patience: "Patience") -> "PairletError | None":
        """Revoke the grant at the server (RFC 7009) and forget the token.

        Returns why the server could not be told, or None. Raises StoreError.
        """
        trouble = await self._revoke(patience)
        async with self._ports.store.lock():
            self.keeper.forget("asked")
        return trouble

    async def _revoke(self, patience: "Patience") -> "PairletError | None":
        token = self.keeper.load()
        if token is None:
            return None
        try:
            metadata = await self._find(patience)
            endpoint = metadata.require("revocation_endpoint")
            credential, hint = token.refresh_token, "refresh_token"
            if credential is None:
                credential, hint = token.access_token, "access_token"
            pairs = [("token", credential.reveal()), ("token_type_hint", hint)]
            response = await self._ports.http.exchange(self._client.request(endpoint, pairs))
        except PairletError as error:
            return error
        if response.status != 200:
            return ProtocolError(f"the server answered HTTP {response.status} to the revocation")
        return None
