"""The agent: pairs when it must, keeps the token fresh, measures and publishes."""

import asyncio
from collections import namedtuple

from .core.errors import PairletError, UnpairedError
from .core.screen import RUNNING, STARTING, Screen
from .core.telemetry import Topics
from .drive import Patience, first_of, uninterrupted
from .events import describe, tell_error
from .keeper import TokenKeeper
from .measuring import Measuring
from .renewing import Renewing, RoomNeeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.client import Client
    from .core.discovery import Discovery
    from .core.metadata import ServerMetadata
    from .core.secret import Secret
    from .core.token import Token
    from .device import Device
    from .downlink import Downlink
    from .drive import Trouble
    from .events import Emit
    from .link import Link
    from .ports import Browser, Handlers
    from .settings import Settings
    from .storing import Storing

# The edges the agent works with; each as in pairlet.ports. mqtt is None without a broker.
# logs makes the logs of the outbox by name; None: what waits for the broker is in memory only.
Ports = namedtuple(
    "Ports", ("clock", "http", "display", "store", "entropy", "sensors", "button", "mqtt", "logs")
)

_SAVE_MS = 10000
# How long a stop waits for what waits in memory to get to the disk.
_FLUSH_MS = 5000
# The store's names for what the server has still to be told: one un-pairing in each, the oldest first.
REVOCATIONS = ("revocation", "revocation-2", "revocation-3", "revocation-4", "revocation-5")


class Agent:
    """Joins machines, keeper and link over the ports it is given.

    `emit(event, **fields)` hears everything worth telling (see pairlet.events). `handlers`: for commands
    of the owner's own. `browser`: the one on this device, where people sign in with it. `wants_code`: a
    command asked for a code, so that the next one waits for nobody. `order`: the command that is to end the
    connection, "" for none.
    """

    def __init__(
        self,
        config: "Settings",
        client: "Client",
        device: "Device",
        ports: Ports,
        emit: "Emit",
        handlers: "Handlers | None" = None,
        browser: "Browser | None" = None,
    ):
        self.config = config
        self.client = client
        self.device = device
        self.ports = ports
        self.browser = browser
        self._listener = emit
        self._metadata: ServerMetadata | None = None
        # One search at a time; a search whose caller gave up goes on with the next.
        self._finding = asyncio.Lock()
        self._search: list[Discovery] = []
        self._last_trouble = ""
        from .parameters import of_keeper  # a board forgets it in between

        account = config.text("oauth.issuer") or config.text("oauth.token_endpoint")
        self.keeper = TokenKeeper(
            (account, client.client_id),
            ports.store,
            ports.clock,
            ports.entropy,
            self.emit,
            *of_keeper(config),
        )
        self.measuring = Measuring(config, ports, self.emit)
        self._storing: Storing | None = None
        self.link: Link | None = None
        self.handlers = handlers
        self._downlink: Downlink | None = None
        self.renewing = Renewing(self)
        self.wants_code = False
        # The device_code of one that has ended and that the disk did not let go of.
        self.spent_code: Secret | None = None
        self.order = ""

    def _make_link(self) -> "Link":
        # A board reads them in once there is a token to connect with.
        from .link import Link
        from .login import make_login

        self.measuring.interval_ms()  # now, so that a board forgets soon what it takes to find out
        ports = self.ports
        assert self._storing is not None
        topics = Topics(self.config.text("mqtt.topic_prefix"), self.device.device_id)
        config = self.config
        if config.texts("commands.allow") or self.handlers or config.flag("homeassistant.discovery"):
            from .downlink import Downlink

            self._downlink = Downlink(self, topics)
        link = Link(
            ports.mqtt,
            topics,
            make_login(self.config, self.device.device_id),
            self._storing.outbox,
            self.keeper,
            ports.clock,
            ports.entropy,
            self.emit,
            self.renewing.renew_for_broker,
            self.config.integer("mqtt.unacknowledged"),
            self.config.integer("mqtt.echo_check"),
            self._downlink,
        )
        if self._downlink is not None:
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

            # Two, so that the others have their turn where the server never answers well to one.
            await revoke(self, Patience(2))
        return await pair_once(self, patience)

    async def usable_token(self, patience: "Patience") -> "Token":
        """The stored access token, refreshed if it needs to be. Raises UnpairedError when there is none."""
        keeper = self.keeper
        token = keeper.load()
        if token is None and keeper.asked is None:
            raise UnpairedError("this device is not paired")
        due = keeper.refresh_at()
        wanted = due is not None and self.ports.clock.now() >= due
        if wanted or not keeper.is_usable():
            try:
                await self.refresh(patience)
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
            await self.renewing.spread_start()
        ended = False
        while True:
            if self.keeper.token is None:
                await self._pair_first(ended)
            try:
                if self.renewing.makes_room:
                    await self._refresh_apart()
                await self._work()
            except RoomNeeded:
                pass
            except UnpairedError as error:
                tell_error(self.emit, error)
                ended = True

    def let_go(self) -> None:
        """Forget what publishing takes, while run() is not at it: pairing needs the room, and on a board each
        exchange."""
        self.link = self._downlink = None
        if self._storing is not None and self._storing.is_safe:
            self._storing = None
        if self.ports.http.needs_room and self.ports.mqtt is not None:
            self.emit("making_room")

    async def _refresh_apart(self) -> None:
        """A refresh where there is no room for it beside the broker's connection: one try."""
        self.let_go()
        self.renewing.makes_room = False
        await self.renewing.renew(Patience(1))

    async def _pair_first(self, ended: bool) -> None:
        self.let_go()
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
            await self.renewing.run()
            return
        if self._storing is None:
            from .storing import Storing  # as the link

            self._storing = Storing(self.config, self.ports, self.emit)
        storing = self._storing
        link = self.link = self.link or self._make_link()
        downlink = self._downlink
        measuring = self.measuring.run(storing.outbox, self._sample_taken)
        work = [self.renewing.run(), link.run(), measuring, storing.run(link.outbox_filled)]
        if downlink is not None and downlink.announcer is not None:
            work.append(downlink.announcer.run())
        try:
            await first_of(*work)
        finally:
            if downlink is not None:
                for task in downlink.tasks:
                    task.cancel()
            try:
                await link.close(not self.renewing.makes_room)
            finally:
                # Also when we are told to stop in the middle of the farewell, or of this.
                await uninterrupted(storing.finish(), self.ports.clock, _FLUSH_MS)

    async def refresh(self, trouble: "Trouble") -> None:
        """Replace the token, or adopt a newer one; see TokenKeeper.refresh."""
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
        assert self.link is not None and self._storing is not None
        self._storing.look()
        self.link.outbox_filled()
        if self._downlink is not None and self._downlink.announcer is not None:
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
        load = self.ports.store.load
        return any(load(place) is not None for place in REVOCATIONS)

    async def unpair(self, patience: "Patience") -> "PairletError | None":
        """Forget the token, and a code that waits as well, and revoke the grant at the server (RFC 7009).

        Returns why the server could not be told, or None. What is worth trying again is then pending:
        it is tried again by unpair(), and by run() and pair() until there is a new pairing.
        Raises StoreError.
        """
        from .unpairing import forget_grant, unpair

        if self.link is not None and self.ports.http.needs_room:
            await forget_grant(self)  # run() tells the server, once there is room
            return None
        return await unpair(self, patience)
