"""Keeps the token: on disk, in memory, and fresh."""

import asyncio
import json

from .core.errors import ConfigError, PairletError, ProtocolError, StoreError, UnpairedError
from .core.token import Token
from .drive import EXCHANGED, advance, uninterrupted
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.client import Client
    from .core.metadata import ServerMetadata
    from .core.refresh_grant import RefreshGrant
    from .drive import Step, Trouble
    from .events import Emit
    from .ports import Clock, Entropy, Http, Store

_NAME = "token"
# A token about to end is of no use to whoever asked for it.
_USABLE_MS = 10000
# How long a stop waits for the answer to a refresh under way.
_FAREWELL_MS = 5000


class TokenKeeper:
    """The one place that reads, writes and refreshes the stored token.

    `account`: what the token is bound to, (issuer or token endpoint, client_id); it must not travel
    to another server. `emit(event, **fields)` hears "refreshed" and "unpaired", and "error" when a
    stored token had to be set aside.
    """

    def __init__(
        self, account: "tuple[str, str]", store: "Store", clock: "Clock", entropy: "Entropy", emit: "Emit"
    ):
        self._account = account
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._emit = emit
        self._chance = entropy.random_bytes(1)[0]
        self._busy = asyncio.Lock()
        self._saved = True
        # What was last seen on the disk; a token that is not saved yet may only replace that.
        self._on_disk: bytes | None = None
        self.token: Token | None = None

    def load(self) -> "Token | None":
        """Read the stored token into `token`. Raises StoreError, and ConfigError if it is another account's.

        What can't be read is set aside, never overwritten: somebody may still get at what is in it.
        """
        self.token = self._read()
        return self.token

    def save(self, token: Token) -> None:
        """Make `token` the one that counts: on disk first, then in memory. Raises StoreError."""
        clock = self._clock
        record = token.to_record(clock.now(), clock.wall(), clock.boot_id())
        record["issuer"], record["client_id"] = self._account
        data = json.dumps(record).encode()
        self._store.save(_NAME, data)
        self._on_disk = data
        self._saved = True
        self.token = token

    def _keep(self, token: Token) -> None:
        """Save `token`; without room on the disk it counts all the same, and save_again tries later.

        The server has given up what it replaces: losing the new one from memory too would be worse.
        """
        try:
            self.save(token)
        except StoreError as error:
            self.token, self._saved = token, False
            tell_error(self._emit, error)

    async def save_again(self) -> bool:
        """Try once more to save what the disk had no room for; False when there still is none.

        What another process has put there meanwhile (a newer pairing, or none) is left alone.
        """
        if self._saved or self.token is None:
            return True
        try:
            async with self._store.lock():
                if self._store.load(_NAME) == self._on_disk:
                    self.save(self.token)
                else:
                    self._saved = True
                    self.load()
        except StoreError:
            return False
        return True

    async def expire(self) -> None:
        """The token has ended and nothing can renew it: forget it, unless the store holds another one."""
        async with self._store.lock():
            ended = self.token
            stored = self.load()
            if ended is None or stored is None or stored.access_token == ended.access_token:
                self.forget("expired")

    def forget(self, reason: str) -> None:
        """Un-pair: remove the token. Raises StoreError."""
        self._store.delete(_NAME)
        self.token = None
        self._emit("unpaired", reason=reason)

    def refresh_at(self) -> "int | None":
        """When the token wants replacing (ms of the clock), None when never."""
        return self.token.refresh_at(self._chance) if self.token else None

    def is_usable(self) -> bool:
        """Whether the access token is worth handing out: not known to end within 10 s.

        A quarter of its life is enough for those that never had much more than that.
        """
        if self.token is None:
            return False
        remaining_ms = self.token.remaining_ms(self._clock.now())
        if remaining_ms is None:
            return True
        return remaining_ms > min(_USABLE_MS, 250 * (self.token.expires_in or 0))

    async def refresh(
        self,
        metadata: "ServerMetadata",
        client: "Client",
        http: "Http",
        trouble: "Trouble | None" = None,
        *,
        must_keep: bool = False,
    ) -> None:
        """Replace the token, or adopt the one that another process has fetched meanwhile.

        Trouble is met with patience: it goes on until it has an answer, or `trouble` raises. The lock
        is held for each exchange, not for the pauses between them.
        Raises UnpairedError when the pairing is over (the token is gone then, and "unpaired" was
        told), OAuthError or ProtocolError when the server refuses but the pairing stands.
        `must_keep`: for a process that ends soon and could not save the new token later. StoreError
        when there is no room for it, before the old one is spent.
        """
        from .core.refresh_grant import REFRESHED, RefreshGrant  # a board forgets it in between

        sent = self.token
        async with self._busy:
            grant: RefreshGrant | None = None
            while True:
                async with self._store.lock():
                    if self._adopt(sent):
                        if self.is_usable():
                            return
                        # Another process was faster, long ago: what we were about to send is dead.
                        sent, grant = self.token, None
                    if self.token is None:
                        self._emit("unpaired", reason="another process removed the token")
                        raise UnpairedError("another process has un-paired this device")
                    if grant is None:
                        if must_keep:
                            self.save(self.token)
                        grant = RefreshGrant(metadata, client, self.token, seed=self._entropy.random_bytes(4))
                    # The answer may hold the only refresh token that is still good.
                    step = await uninterrupted(self._exchange(grant, http), self._clock, _FAREWELL_MS)
                    if grant.state == REFRESHED:
                        return
                if step.kind == EXCHANGED and trouble is not None:
                    trouble(step.error)
                await self._pause(grant)

    async def _exchange(self, grant: "RefreshGrant", http: "Http") -> "Step":
        step = await advance(grant, http, self._clock)
        self._settle(grant)
        return step

    async def _pause(self, grant: "RefreshGrant") -> None:
        # Outside the lock, and without touching the machine: next_action would hand out the next request.
        await self._clock.sleep_until(grant.due)

    def _adopt(self, sent: "Token | None") -> bool:
        """Take what the store holds; whether that is another token than `sent`."""
        if not self._saved:
            return self.token is not None and not self.token.is_same(sent)
        self.token = self._read()
        return self.token is not None and not self.token.is_same(sent)

    def _settle(self, grant: "RefreshGrant") -> None:
        """Take the result of a grant that has ended."""
        from .core.refresh_grant import REFRESHED, REFUSED, REJECTED

        if grant.state == REFRESHED:
            token = grant.renewed
            assert token is not None
            rotated = self.token is None or token.refresh_token != self.token.refresh_token
            self._keep(token)
            self._emit("refreshed", expires_in=token.expires_in, rotated=rotated)
        if grant.state == REJECTED:
            self.forget("invalid_grant")
            raise UnpairedError(f"the server has ended the pairing ({_error_of(grant)})")
        if grant.state == REFUSED:
            if grant.rotated is not None and self.token is not None:
                self.token.refresh_token = grant.rotated
                self._keep(self.token)
            raise _error_of(grant)

    def _read(self) -> "Token | None":
        data = self._on_disk = self._store.load(_NAME)
        if data is None:
            return None
        from .core.json_object import parse

        try:
            record = parse(data)
            clock = self._clock
            token = Token.from_record(record, clock.now(), clock.wall(), clock.boot_id())
        except ProtocolError as error:
            place = self._store.set_aside(_NAME)
            tell_error(
                self._emit,
                StoreError(
                    f"the stored token can't be read ({error}); it is kept as {place}",
                    "Pair the device again: pairlet pair.",
                ),
            )
            return None
        account = (record.get("issuer"), record.get("client_id"))
        if account != self._account:
            raise ConfigError(
                f"the stored token belongs to {account[0]}, client {account[1]}",
                "Un-pair with that configuration first, or use another --state-dir for this one.",
            )
        return token


def _error_of(grant: "RefreshGrant") -> PairletError:
    assert grant.error is not None
    return grant.error
