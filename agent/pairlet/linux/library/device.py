"""A device's pairing in the hands of a program: the same store, lock and rules as the agent's."""

import argparse
import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import requests  # noqa: F401  # whole, before an exchange reads in less of it: the program may use it, too

from ...config import Config
from ...core.errors import PairletError, TransportError
from ...core.screen import Screen as Shown
from ...core.secret import Secret
from ...drive import Patience
from ...lending import Lending, name_of
from ..commands import TRIES, Joined, configuration_file, in_force, read_configuration
from ..display import NoDisplay
from ..output import Output
from .screen import Screen
from .source import AccessToken, seen

if TYPE_CHECKING:
    from ...core.token import Token

_log = logging.getLogger("pairlet")
_Result = TypeVar("_Result")

# How long the server is left alone when it could not renew a token that is good for a while yet.
_REST_MS = 30000
# Three tries with all their time limits, and the lock of another process.
_LONGEST_S = 300.0

Listener = Callable[..., None]


class Device:
    """This device, as pairlet.toml describes it. Used from any thread, also after a fork.

    `config`: the path of a pairlet.toml, or its tables as a dict, or None for the usual places.
    `listener(event, **fields)`: hears what `--json` tells (agent/README.md); without one errors are logged.
    Raises ConfigError and StoreError.
    """

    def __init__(
        self,
        config: "str | os.PathLike[str] | Mapping[str, Mapping[str, Any]] | None" = None,
        listener: Listener | None = None,
    ):
        self._known: Token | None = None
        self._failure: PairletError | None = None
        self._configured = _configured(config)
        self._listener = listener or _log_errors
        self.insecure_http = self._configured[0].flag("oauth.insecure_http")
        self._open()

    def pair(self, show: Callable[[Screen], None]) -> AccessToken:
        """Pair with a person, and return the access token; it is stored by then.

        `show(screen)`: called for each new picture, about once a second while a code counts down, and soon
        returns. What it raises ends the pairing and comes out here; the code stays good, and the next call
        goes on with it. So does one after a crash, and one in another process shows the same code.
        Raises OAuthError (access_denied, expired_token ...), TransportError when the server is not there,
        TlsError, ProtocolError, StoreError.
        """
        joined = self._joined(show)
        token = _wait_for(joined.agent.pair(Patience(TRIES)))
        return seen(token, joined.agent.ports.clock.now(), joined.prover)

    def is_paired(self) -> bool:
        """Whether there is a pairing, or a token in the device's own name. Raises StoreError, ConfigError."""
        return self._joined().agent.keeper.load() is not None

    def token(self, refused: Secret | None = None) -> AccessToken:
        """An access token that is good for a while, renewed ahead of its end as the agent does it.

        `refused`: one that a resource server did not take (RFC 6750 section 3.1); another one then, at most
        once an hour for one after the other, or the same again when there can't be another.
        Raises UnpairedError, or why there is none: TransportError, OAuthError, StoreError ...
        """
        if self._pid != os.getpid():
            self._open_here()
        if not self._turn.acquire(blocking=False):
            # Somebody renews it; as long as it is good nobody else has to wait for that.
            if refused is None and self._known is not None and self._is_good(self._known):
                return seen(self._known, self._clock.now(), self._prover)
            if not self._turn.acquire(timeout=_LONGEST_S):
                raise TransportError("another thread has been renewing the access token for too long")
        try:
            self._known = self._found(refused)
            return seen(self._known, self._clock.now(), self._prover)
        finally:
            self._turn.release()

    def unpair(self) -> PairletError | None:
        """Forget the pairing, and revoke it at the server (RFC 7009). Raises StoreError.

        Returns why the server could not be told, or None.
        """
        return _wait_for(self._joined().agent.unpair(Patience(TRIES)))

    def _open_here(self) -> None:
        """After a fork: what the parent's threads were at goes on there, not here."""
        with _Opening.turn:
            if self._pid != os.getpid():  # or another thread of this process has done so
                self._open()

    def _open(self) -> None:
        joined = self._joined()
        self._agent, self._prover = joined.agent, joined.prover
        self._clock = self._agent.ports.clock
        self._lending = Lending(self._agent)
        self._turn = threading.Lock()
        self._known = self._failure = None
        self._rests_until = self._clock.now()
        self._pid = os.getpid()  # last: whoever sees it finds all of the rest

    def _joined(self, show: Callable[[Screen], None] | None = None) -> Joined:
        return Joined(
            argparse.Namespace(command="(a program)"),
            _Heard(self._listener),
            shown=show is not None,
            configured=self._configured,
            display=NoDisplay() if show is None else _Shown(show),
            button=_NoButton(),
        )

    def _is_good(self, token: "Token") -> bool:
        left_ms = token.remaining_ms(self._clock.now())
        return left_ms is None or left_ms > 10000

    def _found(self, refused: Secret | None) -> "Token":
        keeper = self._agent.keeper
        token = keeper.load()
        due = keeper.refresh_at()
        now = self._clock.now()
        wanted = due is not None and now >= due and now >= self._rests_until
        if token is not None and keeper.is_usable() and keeper.is_saved and not wanted and refused is None:
            return token
        if self._failure is not None and now < keeper.rest_until and not keeper.is_usable():
            raise self._failure  # all who have waited for the same get the same
        try:
            self._failure = None
            return _wait_for(self._get(refused))
        except PairletError as error:
            self._failure = error
            raise

    async def _get(self, refused: Secret | None) -> "Token":
        keeper = self._agent.keeper
        if not keeper.is_saved:
            await keeper.look()
        # Ahead of its end a token is not worth a long wait.
        token = await self._agent.usable_token(Patience(1 if keeper.is_usable() else TRIES))
        due = keeper.refresh_at()
        if due is not None and due <= self._clock.now():
            self._rests_until = self._clock.now() + _REST_MS
        if refused is None:
            return token
        return await self._lending.token(name_of(refused))


class _Opening:
    """Whose turn it is to open a device anew after a fork. No thread of the parent has it there."""

    turn = threading.Lock()

    @classmethod
    def forked(cls) -> None:
        cls.turn = threading.Lock()


os.register_at_fork(after_in_child=_Opening.forked)


class _Heard(Output):
    """Events as calls of a function; nothing is printed."""

    def __init__(self, listener: Listener):
        super().__init__(False, sys.stdout, sys.stderr)
        self._listener = listener

    def event(self, event: str, **fields: object) -> None:
        self._listener(event, **fields)

    def event_in_words(self, event: str, **fields: object) -> None:
        self._listener(event, **fields)


class _Shown:
    """The port Display as a function."""

    def __init__(self, show: Callable[[Screen], None]):
        self._show = show

    def show(self, screen: Shown) -> None:
        self._show(Screen.of(screen))

    def close(self) -> None:
        pass


class _NoButton:
    """The port Button where nobody waits for one."""

    advice = ""

    async def pressed(self) -> None:
        await asyncio.Event().wait()


def _configured(config: Any) -> tuple[Config, Path | None]:
    if isinstance(config, Mapping):
        tables = {
            str(table): dict(keys) if isinstance(keys, Mapping) else keys for table, keys in config.items()
        }
        return in_force(Config.from_tables(tables, "the program")), None
    file = configuration_file(None if config is None else os.fspath(config))
    return in_force(read_configuration(file) if file else Config({})), file


def _log_errors(event: str, **fields: object) -> None:
    if event == "error":
        _log.warning("%s. %s", fields.get("error_description") or fields.get("error"), fields.get("advice"))


def _wait_for(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Do `work` in an event loop of its own. Ctrl-C gives an answer under way time to be stored."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    # This thread has a loop, which is held up by whoever calls what waits.
    with ThreadPoolExecutor(1, "pairlet") as pool:
        return pool.submit(asyncio.run, work).result()
