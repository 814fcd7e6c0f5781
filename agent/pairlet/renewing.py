"""The token's renewal: when it is due, when somebody asks for it, and after trouble."""

import asyncio

from .core.backoff import Backoff
from .core.errors import (
    ConfigError,
    OAuthError,
    ProtocolError,
    StoreError,
    TlsError,
    TransportError,
    UnpairedError,
)
from .drive import set_or_due
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.errors import PairletError
    from .drive import Trouble

# What the devices of a site take to refresh after a power cut, or to connect if none has to refresh.
_REFRESH_MS = 30000
_CONNECT_MS = 5000
# Servers that take a refresh token once more, because their answer was lost, do so for about as long.
_GRACE_S = 120
# A broker that refuses token after token gets a new one once an hour.
_RENEW_AGAIN_MS = 3600000


class RoomNeeded(Exception):
    """A token is due, and there is no room to fetch it beside the broker's connection."""


class Renewing:
    """Keeps the token of `agent` fresh. `makes_room`: the next refresh waits for the broker's connection
    to end. `refresh_after`: until when the server is left alone after a failure."""

    def __init__(self, agent: "Agent"):
        ports = agent.ports
        self._agent = agent
        self._backoff = Backoff(5000, 120000, ports.entropy.random_bytes(4))
        self.refresh_after = ports.clock.now()
        self._renewed_at: int | None = None
        self.makes_room = False
        self._is_asked = False  # by the link, for another token than the one it has
        self._tried = asyncio.Event()

    async def run(self) -> None:
        """Replace the token whenever it is due. Ends with UnpairedError, with RoomNeeded where the broker's
        connection has to end first, and with what an order over MQTT asks for."""
        clock, keeper = self._agent.ports.clock, self._agent.keeper
        self._is_asked = False  # who asked before that did so for a token which is gone
        while True:
            if self.makes_room:
                raise RoomNeeded()
            if keeper.token is None:
                raise UnpairedError("this device was un-paired")
            if self._agent.order:
                from .ordering import follow

                await follow(self._agent)
            due = keeper.refresh_at()
            if due is None:
                due = keeper.token.expires_at if keeper.token else None
                if due is not None and clock.now() >= due:
                    await keeper.expire()
                    if keeper.token is not None:
                        continue
                    raise UnpairedError("the access token has ended, and there is no refresh token")
            if due is not None:
                due = max(due, self.refresh_after)
            if not self._is_asked and (due is None or clock.now() < due):
                await self._wait_until(due)
            elif self._agent.link is not None and self._agent.ports.http.needs_room:
                self.makes_room = True
            else:
                await self.renew(self._agent.tell_trouble)

    async def spread_start(self) -> None:
        """Wait a little, by chance: devices that lost their power together must not come back as one."""
        clock, keeper = self._agent.ports.clock, self._agent.keeper
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
        self._agent.emit("waiting", what=what, ms=pause_ms)
        await self._agent.ports.clock.sleep_until(self._agent.ports.clock.now() + pause_ms)

    async def _wait_until(self, due: "int | None") -> None:
        """Sleep until `due`, but no longer than the store may change unseen; see what has become of it."""
        clock, keeper = self._agent.ports.clock, self._agent.keeper
        look = clock.now() + keeper.look_again_ms()
        keeper.changed.clear()
        # The link may have fetched a token that is due sooner.
        await set_or_due(keeper.changed, clock, look if due is None else min(due, look))
        if await keeper.look():
            if keeper.token is None:
                reason = "another process removed the token"
                self._agent.emit("unpaired", reason=reason)
                raise UnpairedError(reason)
            if self._agent.link is not None:
                self._agent.link.token_renewed()

    async def renew_for_broker(self) -> None:
        """For the link: wait until there was a try to get another token than the one that the broker refuses.

        Whoever stops waiting stops no request: the answer may hold the only refresh token that is still good.
        """
        if self._agent.ports.http.needs_room:
            # The link ends with this, and with it what it knows of the time before.
            now = self._agent.ports.clock.now()
            if self._renewed_at is not None and now - self._renewed_at < _RENEW_AGAIN_MS:
                return
            self._renewed_at = now
        self._is_asked = True
        self._tried.clear()
        self._agent.keeper.changed.set()
        await self._tried.wait()

    async def renew(self, trouble: "Trouble") -> "PairletError | None":
        """Refresh; return why not, or None. After a failure the server is left alone for a while. Raises
        UnpairedError when the pairing is over."""
        try:
            await self._agent.refresh(trouble)
        except (OAuthError, ProtocolError, ConfigError, StoreError, TransportError, TlsError) as error:
            # Somebody may mend the server, the client or the way there; a pairing does not end for it.
            if isinstance(error, (TransportError, TlsError)):
                self._agent.tell_trouble(error)
            else:
                tell_error(self._agent.emit, error)
            pause_ms = self._backoff.delay_ms()
            self._agent.emit("waiting", what="refresh", ms=pause_ms)
            self.refresh_after = self._agent.ports.clock.now() + pause_ms
            return error
        finally:
            self._is_asked = False
            self._tried.set()
        self._backoff.reset()
        self.refresh_after = self._agent.ports.clock.now()
        if self._agent.link is not None:
            self._agent.link.token_renewed()
        return None
