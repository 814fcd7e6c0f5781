"""The agent: pairs when it must, keeps the token fresh, measures and publishes."""

import asyncio
from collections import namedtuple

from .core.backoff import Backoff
from .core.errors import ConfigError, OAuthError, PairletError, ProtocolError, StoreError, UnpairedError
from .core.screen import RUNNING, STARTING, Screen
from .core.telemetry import Topics
from .drive import Patience, first_of, wait_for
from .events import describe, tell_error
from .keeper import TokenKeeper
from .measuring import Measuring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeVar

    from .core.client import Client
    from .core.discovery import Discovery
    from .core.metadata import ServerMetadata
    from .core.token import Token
    from .device import Device
    from .downlink import Downlink
    from .drive import Trouble
    from .events import Emit
    from .link import Link
    from .ports import Handlers
    from .settings import Settings
    from .storing import Storing

    Result = TypeVar("Result")

# The edges the agent works with; each as in pairlet.ports. mqtt is None without a broker.
# logs makes the logs of the outbox by name; None: what waits for the broker is in memory only.
Ports = namedtuple(
    "Ports", ("clock", "http", "display", "store", "entropy", "sensors", "button", "mqtt", "logs")
)

_SAVE_MS = 10000
# The store's name for what the server has still to be told.
REVOCATION = "revocation"
# What the devices of a site take to refresh after a power cut, or to connect if none has to refresh.
_REFRESH_MS = 30000
_CONNECT_MS = 5000
# Servers that take a refresh token once more, because their answer was lost, do so for about as long.
_GRACE_S = 120


class Agent:
    """Joins machines, keeper and link over the ports it is given.

    `emit(event, **fields)` hears everything worth telling (see pairlet.events). `handlers`: for commands
    of the owner's own. `wants_code`: a command asked for a code, so that the next one waits for nobody.
    `order`: the command that is to end the connection, "" for none.
    """

    def __init__(
        self,
        config: "Settings",
        client: "Client",
        device: "Device",
        ports: Ports,
        emit: "Emit",
        handlers: "Handlers | None" = None,
    ):
        self.config = config
        self.client = client
        self.device = device
        self.ports = ports
        self._listener = emit
        self._metadata: ServerMetadata | None = None
        # One search at a time; a search whose caller gave up goes on with the next.
        self._finding = asyncio.Lock()
        self._search: list[Discovery] = []
        self._last_trouble = ""
        account = config.text("oauth.issuer") or config.text("oauth.token_endpoint")
        self.keeper = TokenKeeper(
            (account, client.client_id), ports.store, ports.clock, ports.entropy, self.emit
        )
        self.measuring = Measuring(config, ports, self.emit)
        self._storing: Storing | None = None
        self._link: Link | None = None
        self.handlers = handlers
        self._downlink: Downlink | None = None
        self.wants_code = False
        self.order = ""

    def _make_link(self) -> "Link":
        # A board reads them in once there is a token to connect with.
        from .downlink import Downlink
        from .link import Link
        from .login import Login

        self.measuring.interval_ms()  # now, so that a board forgets soon what it takes to find out
        ports = self.ports
        assert self._storing is not None
        topics = Topics(self.config.text("mqtt.topic_prefix"), self.device.device_id)
        self._downlink = Downlink(self, topics)
        link = Link(
            ports.mqtt,
            topics,
            Login(self.config, self.device.device_id),
            self._storing.outbox,
            self.keeper,
            ports.clock,
            ports.entropy,
            self.emit,
            self._renew,
            self.config.integer("mqtt.unacknowledged"),
            self.config.integer("mqtt.echo_check"),
            self._downlink,
        )
        self._downlink.link = link
        return link

    async def pair(self, patience: "Patience | None" = None) -> "Token":
        """Pair once: show a code, wait for the person, keep the token.

        `patience` bounds the tries until there is a code. Raises the error it ended with; the display
        and the listener know by then.
        """
        from .pairing import pair_once  # only now: a board forgets what pairing takes once it is paired

        if self.revocation_is_pending():
            from .unpairing import revoke

            await revoke(self, Patience(1))
        return await pair_once(self, patience)

    async def usable_token(self, patience: "Patience") -> "Token":
        """The stored access token, refreshed if it needs to be. Raises UnpairedError when there is none."""
        keeper = self.keeper
        token = keeper.load()
        if token is None:
            raise UnpairedError("this device is not paired")
        due = keeper.refresh_at()
        wanted = due is not None and self.ports.clock.now() >= due
        if wanted or not keeper.is_usable():
            try:
                await self._refresh(patience)
            except PairletError:
                # Ahead of its end a token is still good when the server is not there to renew it.
                if not keeper.is_usable():
                    raise
            await self._save_at_last()
        token = keeper.token
        if token is None or not keeper.is_usable():
            raise UnpairedError("the access token has ended, and there is no refresh token")
        return token

    async def _save_at_last(self) -> None:
        """A command ends soon, and a token that the disk had no room for would end with it."""
        clock = self.ports.clock
        until = clock.now() + _SAVE_MS
        while not self.keeper.is_saved and clock.now() < until:
            await clock.sleep_until(clock.now() + 1000)
            await self.keeper.look()

    async def run(self) -> None:
        """Pair if needed, then work until cancelled. Raises what nothing but a person can mend."""
        if self.keeper.load() is not None:
            await self._spread_start()
        ended = False
        while True:
            if self.keeper.token is None:
                await self._pair_first(ended)
            try:
                await self._work()
            except UnpairedError as error:
                tell_error(self.emit, error)
                ended = True

    async def _pair_first(self, ended: bool) -> None:
        self._link = self._downlink = None  # what they take is room that pairing needs
        if self._storing is not None and self._storing.is_safe:
            self._storing = None
        # In a frame of its own: a name in run()'s would keep the module for ever.
        from .prompting import pair_with_people

        if not self.revocation_is_pending():
            await pair_with_people(self, ended)
            return
        from .unpairing import revoke_later

        await first_of(pair_with_people(self, ended), revoke_later(self))

    async def _work(self) -> None:
        token = self.keeper.token
        missing = token.not_granted(self.config.text("oauth.scope")) if token is not None else ""
        message = "paired, but not granted: " + missing if missing else "paired"
        self.ports.display.show(Screen(RUNNING, message=message))
        if self.ports.mqtt is None:
            await self._keep_fresh()
            return
        if self._storing is None:
            from .storing import Storing  # as the link

            self._storing = Storing(self.config, self.ports, self.emit)
        storing = self._storing
        link = self._link = self._link or self._make_link()
        downlink = self._downlink
        assert downlink is not None
        measuring = self.measuring.run(storing.outbox, self._sample_taken)
        work = [self._keep_fresh(), link.run(), measuring, storing.run(link.outbox_filled)]
        if downlink.announcer is not None:
            work.append(downlink.announcer.run())
        try:
            await first_of(*work)
        finally:
            for task in downlink.tasks:
                task.cancel()
            await link.close()
            await storing.finish()

    async def _keep_fresh(self) -> None:
        """Replace the token whenever it is due. Ends only with UnpairedError."""
        clock, keeper = self.ports.clock, self.keeper
        backoff = Backoff(5000, 120000, self.ports.entropy.random_bytes(4))
        while True:
            if self.order:
                from .ordering import follow

                await follow(self)
            due = keeper.refresh_at()
            if due is None:
                due = keeper.token.expires_at if keeper.token else None
                if due is not None and clock.now() >= due:
                    await keeper.expire()
                    if keeper.token is not None:
                        continue
                    raise UnpairedError("the access token has ended, and there is no refresh token")
            if due is None or clock.now() < due:
                await self._wait_until(due)
            elif await self._alone(self._renewed):
                backoff.reset()
            else:
                keeper.changed.clear()
                await first_of(self._pause("refresh", backoff.delay_ms()), wait_for(keeper.changed))

    async def _spread_start(self) -> None:
        """Wait a little, by chance: devices that lost their power together must not come back as one."""
        clock, keeper = self.ports.clock, self.keeper
        kept, due = keeper.kept, keeper.refresh_at()
        assert kept is not None
        since, seconds = kept.refreshing_since, clock.wall().seconds
        if since is not None and (seconds is None or seconds - since < _GRACE_S):
            return  # the answer was lost a moment ago: the server may forgive that, but not for long
        life_ms = 1000 * (kept.token.expires_in or 3600)
        limit_ms = min(_CONNECT_MS, life_ms // 60)
        if due is not None and due <= clock.now():
            limit_ms = min(_REFRESH_MS, life_ms // 10)
        await self._pause("start", limit_ms * keeper.chance // 255)

    async def _pause(self, what: str, pause_ms: int) -> None:
        self.emit("waiting", what=what, ms=pause_ms)
        await self.ports.clock.sleep_until(self.ports.clock.now() + pause_ms)

    async def _wait_until(self, due: "int | None") -> None:
        """Sleep until `due`, but no longer than the store may change unseen; see what has become of it."""
        clock, keeper = self.ports.clock, self.keeper
        look = clock.now() + keeper.look_again_ms()
        keeper.changed.clear()
        # The link may have fetched a token that is due sooner.
        await first_of(clock.sleep_until(look if due is None else min(due, look)), wait_for(keeper.changed))
        if await keeper.look():
            if keeper.token is None:
                reason = "another process removed the token"
                self.emit("unpaired", reason=reason)
                raise UnpairedError(reason)
            if self._link is not None:
                self._link.token_renewed()

    async def _renew(self) -> None:
        await self._renewed()

    async def _renewed(self) -> bool:
        """Refresh; False when the server refused. Raises UnpairedError when the pairing is over."""
        try:
            await self._refresh(self.tell_trouble)
        except (OAuthError, ProtocolError, ConfigError, StoreError) as error:
            # Somebody may mend the server, the client or the way there; a pairing does not end for it.
            tell_error(self.emit, error)
            return False
        if self._link is not None:
            self._link.token_renewed()
        return True

    async def _alone(self, exchange: "Callable[[], Coroutine[object, object, Result]]") -> "Result":
        """`exchange`, without a connection to the broker where there is no room for both."""
        link = self._link
        if link is None or not self.ports.http.needs_room:
            return await exchange()
        await link.step_aside()
        try:
            return await exchange()
        finally:
            link.come_back()

    async def _refresh(self, trouble: "Trouble") -> None:
        metadata = await self.find(trouble)
        await self.keeper.refresh(metadata, self.client, self.ports.http, trouble)

    async def find(self, trouble: "Trouble") -> "ServerMetadata":
        """The server's metadata, looked for once. Raises what find_metadata does."""
        async with self._finding:
            if self._metadata is None:
                from .discovery import find_metadata

                ports = self.ports
                self._metadata = await find_metadata(
                    self.config, ports.http, ports.clock, ports.entropy, trouble, self._search
                )
            return self._metadata

    def tell_trouble(self, error: "PairletError | None", pause_ms: int = 0) -> None:
        """Tell of trouble once, and go on after `pause_ms`."""
        text = "" if error is None else str(error)
        if error is not None and text != self._last_trouble:
            tell_error(self.emit, error)
            if self.keeper.token is None:
                self.ports.display.show(Screen(STARTING, message=text, advice="Trying again."))
        self._last_trouble = text
        if error is not None and pause_ms > 0:
            self.emit("waiting", what="server", ms=pause_ms)

    def _sample_taken(self, values: "dict[str, int | float]") -> None:
        assert self._link is not None and self._downlink is not None and self._storing is not None
        self._storing.look()
        self._link.outbox_filled()
        if self._downlink.announcer is not None:
            self._downlink.announcer.measured(values)

    def give_order(self, name: str) -> None:
        """Have the command `name` (restart, unpair, re-pair) done, once its reply has had its time."""
        self.order = name
        self.keeper.changed.set()

    def backlog(self) -> int:
        """How many samples wait for the broker."""
        return 0 if self._storing is None else len(self._storing.outbox)

    @property
    def storing(self) -> "Storing | None":
        """What waits for the broker, and for the disk; None before there is anything."""
        return self._storing

    def emit(self, event: str, **fields: object) -> None:
        """Tell the listener, and once the device is paired also whoever looks at the display."""
        self._listener(event, **fields)
        if self._storing is not None:
            self._storing.look()  # what was acknowledged is to be noted on the disk
        if event == "mqtt_disconnected" and self._downlink is not None:
            self._downlink.disconnected(str(fields.get("reason")))
        message = describe(event, fields) if self.keeper.token is not None else ""
        if message:
            self.ports.display.show(Screen(RUNNING, message=message))

    def revocation_is_pending(self) -> bool:
        """Whether the server has still to be told of an un-pairing. Raises StoreError."""
        return self.ports.store.load(REVOCATION) is not None

    async def unpair(self, patience: "Patience") -> "PairletError | None":
        """Forget the token, and a code that waits as well, and revoke the grant at the server (RFC 7009).

        Returns why the server could not be told, or None. What is worth trying again is then pending:
        it is tried again by unpair(), and by run() and pair() until there is a new pairing.
        Raises StoreError.
        """
        from .unpairing import unpair

        return await self._alone(lambda: unpair(self, patience))
