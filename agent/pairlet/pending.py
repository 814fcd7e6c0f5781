"""The code on the screen as the store keeps it, so that a restart goes on with the same one."""

import json

from .core.errors import ConfigError, ProtocolError, StoreError
from .core.stamp import age_ms, stamp
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .core.device_grant import DeviceGrant
    from .core.errors import PairletError
    from .core.metadata import ServerMetadata
    from .events import Emit
    from .ports import Clock, Store

# The value in the store, and the work that a process claims before it writes it, polls or asks for a code.
NAME = "pairing"
_VERSION = 1
# Where a restart polls, without asking the server for its metadata once more.
_ENDPOINTS = ("device_authorization_endpoint", "token_endpoint")


class PendingCode:
    """The one place that reads and writes the stored code.

    `account`: (issuer or token endpoint, client_id), as for the token. `asked`: name and value of each
    parameter that the code was asked for with: after a change of the configuration it is the wrong code.
    """

    def __init__(
        self,
        account: "tuple[str, str]",
        asked: "list[tuple[str, str | None]]",
        store: "Store",
        clock: "Clock",
        emit: "Emit",
    ):
        self._account = list(account)
        self._asked = [list(pair) for pair in asked]
        self._store = store
        self._clock = clock
        self._emit = emit

    def save(self, grant: "DeviceGrant", metadata: "ServerMetadata") -> bool:
        """Keep the code that `grant` polls for. False when the disk does not take it: a restart has to do
        without it."""
        clock = self._clock
        record = grant.snapshot(clock.now())
        record.update(stamp(clock.now(), clock.wall(), clock.boot_id()))
        record.update({"version": _VERSION, "account": self._account, "asked": self._asked})
        record["issuer"] = metadata.issuer or ""
        for name in _ENDPOINTS:
            record[name] = getattr(metadata, name)
        return self._try(lambda: self._store.save(NAME, json.dumps(record).encode()))

    def delete(self) -> bool:
        """The pairing has ended, or the code is of no use. False when the disk does not let it go."""
        return self._try(lambda: self._store.delete(NAME))

    def load(self) -> "dict[str, object] | None":
        """The record, or None. Removes one that was asked for otherwise, sets an unreadable one aside.

        Only for the process that has claimed NAME. Raises StoreError.
        """
        try:
            record = self._read()
        except ProtocolError as error:
            self.set_aside(error)
            return None
        if record is None:
            return None
        if record.get("account") != self._account or record.get("asked") != self._asked:
            self.delete()
            return None
        return record

    def look(self) -> "dict[str, object] | None":
        """The record that another process keeps, or None; changes nothing.

        Raises StoreError, and ConfigError when that process pairs with another account.
        """
        try:
            record = self._read()
        except ProtocolError:
            return None
        if record is not None and record.get("account") != self._account:
            raise ConfigError(
                "another process is pairing this device with another server or client_id",
                "Stop it first, or use another --state-dir for this one.",
            )
        return record

    def age_ms(self, record: "dict[str, object]") -> int:
        """How long ago `record` was kept, as far as anybody knows."""
        clock = self._clock
        return age_ms(record, clock.now(), clock.wall(), clock.boot_id())

    def set_aside(self, error: "PairletError") -> None:
        """Get a record that can't be read out of the way, and tell why. Raises StoreError."""
        place = self._store.set_aside(NAME)
        tell_error(
            self._emit,
            StoreError(
                f"the stored code can't be read ({error}); it is kept as {place}",
                "There is nothing to do: a new code follows.",
            ),
        )

    def _read(self) -> "dict[str, object] | None":
        data = self._store.load(NAME)
        if data is None:
            return None
        from .core.json_object import parse  # a board forgets it in between

        record = parse(data)
        if record.get("version") != _VERSION:
            raise ProtocolError("the record has another version")
        return record

    def _try(self, act: "Callable[[], None]") -> bool:
        # A pairing does not fail for what is a comfort to the next start.
        try:
            act()
        except StoreError as error:
            tell_error(self._emit, error)
            return False
        return True


def forget(store: "Store", *more: str) -> None:
    """Remove the code of a pairing that nobody is at any more, and `more` beside it. Raises StoreError."""
    if store.claim(NAME):
        try:
            for name in (NAME,) + more:
                store.delete(name)
        finally:
            store.release(NAME)
