"""Keeps the token: on disk, in memory, and fresh."""

import asyncio
import json

from .core.errors import ConfigError, ProtocolError, StoreError
from .core.token import Kept
from .core.wall import SYNCED
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.client import Client
    from .core.client_credentials_grant import ClientCredentialsGrant
    from .core.form import Pairs
    from .core.metadata import ServerMetadata
    from .core.refresh_grant import RefreshGrant
    from .core.token import Token
    from .drive import Trouble
    from .events import Emit
    from .ports import Clock, Entropy, Http, Store

_NAME = "token"
# A token about to end is of no use to whoever asked for it.
_USABLE_MS = 10000
# How long other processes may take to be noticed, and a disk that was full to be tried again.
_LOOK_MS = 60000
_SAVE_AGAIN_MS = 30000
_DAY_MS = 86400000


class TokenKeeper:
    """The one place that reads and writes the stored token.

    `account`: what the token is bound to, (issuer or token endpoint, client_id); it must not travel
    to another server. `parameters`: what each token request says beyond its grant. `asked`: with what a
    token in the device's own name is asked for (client credentials), None for a person's grant.
    `emit(event, **fields)` hears "refreshed" and "unpaired", and "error" when a
    stored token had to be set aside. `kept` is what counts, None when the device is not paired;
    `changed` is set whenever that has changed.
    """

    def __init__(
        self,
        account: "tuple[str, str]",
        store: "Store",
        clock: "Clock",
        entropy: "Entropy",
        emit: "Emit",
        parameters: "Pairs" = (),
        asked: "list[tuple[str, str | None]] | None" = None,
    ):
        self.account = account
        self.parameters = parameters
        self.asked = asked
        self.store = store
        self.clock = clock
        self.entropy = entropy
        self.emit = emit
        self.chance = entropy.random_bytes(1)[0]
        self.busy = asyncio.Lock()
        # False while what counts is in memory only.
        self.is_saved = True
        # What was last seen on the disk; what is not saved yet may only replace that.
        self._on_disk: bytes | None = None
        self.kept: Kept | None = None
        self.changed = asyncio.Event()
        # A refresh that has not ended although its caller gave up, and until when the server is left alone.
        self.grant: RefreshGrant | None = None
        self.asking: ClientCredentialsGrant | None = None
        self.rest_until = 0

    @property
    def token(self) -> "Token | None":
        """The token that counts, or None."""
        return self.kept.token if self.kept is not None else None

    def load(self) -> "Token | None":
        """Take over what the store holds, unless that is what it held before. Returns `token`.

        Raises StoreError, and ConfigError if it is another account's. What can't be read is set aside,
        never overwritten: somebody may still get at what is in it.
        """
        data = self.store.load(_NAME)
        mark = None if data is None else _mark(data)
        if self.kept is not None and mark == self._on_disk and not self._may_learn_end():
            return self.token
        kept = None if data is None else self._read(data)
        # What was damaged on the disk while it is whole in memory is saved again.
        self.is_saved = data is None or kept is not None or self.kept is None
        self._on_disk = None if kept is None else mark
        if self.is_saved:
            self.kept = kept
            self.changed.set()
        return self.token

    def _may_learn_end(self) -> bool:
        """Whether the clock has been set since a token was read whose end it did not know then."""
        token = self.token
        unknown = token is not None and token.expires_in is not None and token.expires_at is None
        return unknown and self.clock.wall().state == SYNCED

    def save(self, token: "Token") -> None:
        """Make the token of a new pairing the one that counts: on disk first. Raises StoreError."""
        self.keep(Kept(token, None, None))

    def keep(self, kept: Kept) -> None:
        """Make `kept` what counts: on disk first, then in memory. Raises StoreError."""
        from .core.token_record import to_record  # a board forgets it in between

        clock = self.clock
        record = to_record(kept, clock.now(), clock.wall(), clock.boot_id())
        record["issuer"], record["client_id"] = self.account
        if self.asked is not None:
            record["asked"] = self.asked
        data = json.dumps(record).encode()
        self.store.save(_NAME, data)
        self._on_disk = _mark(data)
        self.is_saved = True
        self.kept = kept
        self.changed.set()

    def save_anyhow(self, token: "Token") -> None:
        """As save(), but what the disk has no room for counts all the same; see keep_anyhow."""
        self.keep_anyhow(Kept(token, None, None))

    def keep_anyhow(self, kept: Kept) -> None:
        """As keep(); without room on the disk it counts all the same, and look() tries later.

        The server has given up what it replaces: losing the new one from memory too would be worse.
        """
        try:
            self.keep(kept)
        except StoreError as error:
            self.kept, self.is_saved = kept, False
            self.changed.set()
            tell_error(self.emit, error)

    async def look(self) -> bool:
        """Save what the disk had no room for, or take over what another process has put there.

        What that is (a newer pairing, a newer token, none) wins over what could not be saved. Returns
        whether there is another token now, or none.
        """
        before = self.token
        try:
            if self.is_saved:
                self.load()
            else:
                async with self.store.lock():
                    self.load()
                    if not self.is_saved and self.kept is not None:
                        self.keep(self.kept)
        except (StoreError, ConfigError):
            pass  # it was told when it began, or will be by the refresh that needs the store
        return before is not None and not before.is_same(self.token)

    def look_again_ms(self) -> int:
        """How long until look() can have something to do."""
        if not self.is_saved:
            return _SAVE_AGAIN_MS
        return _LOOK_MS if self.store.is_shared else _DAY_MS

    async def expire(self) -> None:
        """The token has ended and nothing can renew it: forget it, unless the store holds another one."""
        ended = self.token
        async with self.store.lock():
            stored = self.load()
            if ended is None or stored is None or stored.access_token == ended.access_token:
                self.forget("expired")

    def forget(self, reason: str) -> None:
        """Un-pair: remove the token, and nothing else. Raises StoreError."""
        self.store.delete(_NAME)
        self.kept = None
        self.changed.set()
        self.emit("unpaired", reason=reason)

    def worked(self, token: "Token") -> None:
        """`token` was accepted where it counts: the refresh token before it is of no more use.

        On disk it stays until the next save: a write for that alone would wear out the card.
        """
        kept = self.kept
        if kept is not None and kept.token is token and kept.previous is not None:
            self.kept = Kept(token, None, kept.refreshing_since)

    def refresh_at(self) -> "int | None":
        """When the token wants replacing (ms of the clock), None when never.

        At once when the answer to a refresh was lost: servers that take a rotated refresh token once
        more do so for seconds only.
        """
        kept = self.kept
        if kept is None:
            return None
        if kept.refreshing_since is not None:
            return self.clock.now()
        token: Token = kept.token
        return token.refresh_at(self.chance, self.asked is not None)

    def is_usable(self) -> bool:
        """Whether the access token is worth handing out: not known to end within 10 s.

        A quarter of its life is enough for those that never had much more than that.
        """
        token = self.token
        if token is None:
            return False
        remaining_ms = token.remaining_ms(self.clock.now())
        if remaining_ms is None:
            return True
        return remaining_ms > min(_USABLE_MS, 250 * (token.expires_in or 0))

    async def refresh(
        self, metadata: "ServerMetadata", client: "Client", http: "Http", trouble: "Trouble | None" = None
    ) -> None:
        """Replace the token, or adopt the one that another process has fetched meanwhile.

        See pairlet.refreshing.refresh.
        """
        from .refreshing import refresh  # a board forgets it in between

        await refresh(self, metadata, client, http, trouble)

    def _read(self, data: bytes) -> "Kept | None":
        from .core.json_object import parse
        from .core.token_record import from_record

        clock = self.clock
        try:
            record = parse(data)
            saved_at = record.get("saved_at")
            if isinstance(saved_at, int):
                clock.learn(saved_at)
            renewable = self.asked is not None
            kept = from_record(record, clock.now(), clock.wall(), clock.boot_id(), renewable)
        except ProtocolError as error:
            place = self.store.set_aside(_NAME)
            advice = "Pair the device again: pairlet pair."
            if self.kept is not None:
                advice = "There is nothing to do: it is still in memory, and is saved again."
            told = StoreError(f"the stored token can't be read ({error}); it is kept as {place}", advice)
            tell_error(self.emit, told)
            return None
        account = (record.get("issuer"), record.get("client_id"))
        if account != self.account:
            raise ConfigError(
                f"the stored token belongs to {account[0]}, client {account[1]}",
                "Un-pair with that configuration first, or use another --state-dir for this one.",
            )
        if self.asked is None:
            # What a token in the device's own name is worth: another request, and no pairing.
            return kept if record.get("asked") is None else None
        from .own_name import is_asked_for

        return kept if is_asked_for(record, self.asked) else None


def _mark(data: bytes) -> bytes:
    """What `data` is known by: it may be long, and a board has better use for the room."""
    from .core.token_record import digest

    return digest(data)
