"""The ports: what the shell asks of its edges. For type checkers and readers; not shipped to boards.

Each port has one contract test that every implementation passes (tests/contracts).
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from .core.http import Request, Response
from .core.mqtt import Credentials, Event, Message
from .core.screen import Screen
from .core.secret import Secret
from .core.wall import Wall

if TYPE_CHECKING:
    from .core.segments import Log as Log  # the core drives it itself: it is described there


class Alarm(Protocol):
    """Something that is going to happen."""

    def cancel(self) -> object:
        """It does not happen any more. Does no harm to one that has."""


class Clock(Protocol):
    """Time that only grows, in whole milliseconds, and wall-clock time with its trust."""

    def now(self) -> int: ...

    async def sleep_until(self, until: int) -> None:
        """Return at or after `until` (ms of `now()`), at once if that has passed."""

    def alarm(self, ring: Callable[[], object], until: int) -> Alarm:
        """Call `ring` when sleep_until() would return, though not before other tasks have had a turn.

        It can be cancelled, whether or not it has gone off.
        """

    def wall(self) -> Wall: ...

    def learn(self, seconds: int) -> None:
        """It is not before `seconds` (Unix time). What can't be is ignored; time never goes back for it."""

    def boot_id(self) -> str:
        """Names the time since which now() counts: where it is equal, readings can be compared."""


class Http(Protocol):
    """One exchange over verified TLS: no redirects followed, the answer capped at 1 MiB.

    `needs_room`: there is no memory for the broker's TLS session beside that of an exchange.
    """

    needs_room: bool

    async def exchange(self, request: Request) -> Response:
        """Carry `request` out. Any status is an answer.

        Raises TransportError (no answer, time-out, cut or oversized answer) and TlsError.
        """


class Mqtt(Protocol):
    """One MQTT connection at a time. It never reconnects by itself: the shell decides."""

    async def connect(self, credentials: Credentials, will: Message | None) -> bool:
        """Open the connection; return session_present.

        Raises TransportError, TlsError, BrokerError (CONNACK refused, `reason_code`).
        """

    async def publish(self, message: Message) -> int:
        """Send and, with QoS 1, wait for the PUBACK; return its reason_code (0 for QoS 0 and 3.1.1).

        Raises TransportError when the connection ends before the acknowledgement, or there is none.
        """

    def room(self) -> int:
        """How many QoS 1 messages send() would put out right now; 0 without a connection."""

    def send(self, message: Message, settle: Callable[[int | None], None]) -> None:
        """Send a QoS 1 message without waiting; what there is no room for waits, in order.

        settle(reason_code) is called once, and never before send() has returned: with the PUBACK's reason
        code (0 with MQTT 3.1.1), or None when the connection ended first, or there was none. It may call
        send(). ConfigError for an impossible topic name.
        """

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        """Return the granted qos, or a reason_code of 0x80 and above when refused."""

    async def next_event(self) -> Event:
        """Wait for a message or for the end of the connection, unless disconnect() asked for it."""

    async def disconnect(self) -> None:
        """Send DISCONNECT (which drops the will) and close. Never raises; harmless when not connected."""


class Display(Protocol):
    """Whatever a person looks at."""

    def show(self, screen: Screen) -> None:
        """Replace what is shown. Called about once a second while a code counts down."""

    def close(self) -> None:
        """Leave the device as it was found (cursor, colours, port)."""


class Store(Protocol):
    """Small named values that survive a power cut: after it, load gives the old or the new bytes.

    `is_shared`: whether other processes may use it at the same time.
    """

    is_shared: bool

    def load(self, name: str) -> bytes | None:
        """The value, or None if there is none. Raises StoreError."""

    def save(self, name: str, value: bytes) -> None:
        """Replace the value; it is on disk when this returns. Raises StoreError; the old value stays then."""

    def delete(self, name: str) -> None:
        """Remove the value, if there is one. Raises StoreError."""

    def set_aside(self, name: str) -> str:
        """Keep a value that can't be read out of the way, under a new name; return where it is now."""

    def lock(self) -> AbstractAsyncContextManager[None]:
        """`async with store.lock():` holds every other process off this store. Raises StoreError."""

    def claim(self, name: str) -> bool:
        """Take the work called `name` for this process, until release() or its end; False: it is taken.

        Raises StoreError.
        """

    def release(self, name: str) -> None:
        """Give back what claim() took, if anything. Never raises."""


class Logs(Protocol):
    """Makes the logs of one device.

    `memory_bytes`: how much of the outbox may be in memory, on its way to the disk or without it.
    """

    memory_bytes: int

    def __call__(self, name: str) -> "Log":
        """The log called `name`: letters, of which the first three tell it from the others."""


class Sensors(Protocol):
    """What the device measures."""

    async def read(self) -> dict[str, int | float]:
        """One sample: name to value. What can't be read, or not in time, is left out."""


class Entropy(Protocol):
    """Random bytes fit for secrets."""

    def random_bytes(self, count: int) -> bytes: ...


class Button(Protocol):
    """The way a person says "go on": a key, a signal, a touch."""

    @property
    def advice(self) -> str:
        """One sentence for the display: what to do on this device for a code."""

    async def pressed(self) -> None:
        """Return when it is pressed."""


class Handlers(Protocol):
    """What commands of the owner's own do (table [commands] of the configuration)."""

    def names(self) -> list[str]:
        """The commands that there are handlers for."""

    async def call(self, name: str, arguments: dict[str, object]) -> object:
        """Have `name` carried out; return what its handler returns.

        Raises CommandError whatever goes wrong in there, and when it takes too long.
        """
class Visit(Protocol):
    """A request of a browser to the redirect URI, which waits for its page."""

    @property
    def query(self) -> str:
        """What stands behind the "?"; it may hold a code."""

    def answer(self, page: Screen) -> None:
        """Show a page, and that is all: the first one counts. Never raises."""


class Browser(Protocol):
    """The browser on this device, and the loopback address to which it brings the server's answer
    (RFC 8252 section 7.3). For the authorization code grant alone."""

    async def listen(self) -> str:
        """Begin to listen; return the redirect URI with the port that it has this time.

        Raises ConfigError for one that can't be had, TransportError when there is none.
        """

    def open(self, authorization_uri: Secret) -> str:
        """Let the person's browser open the address, if it can be started; "" or why the person has to."""

    async def next_visit(self) -> Visit:
        """Wait for the next request to the redirect URI; all others are dealt with."""

    async def close(self) -> None:
        """Listen no more, once the pages are on their way. Harmless when it does not listen. Never raises."""
