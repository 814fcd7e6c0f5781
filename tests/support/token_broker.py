"""The simulator's broker for tests: keys that sign tokens, the broker in a thread, clients that send bytes.

signer = Signer()
with BrokerThread(BrokerSettings(issuer=ISSUER, audience=AUDIENCE, jwks=signer.jwks)) as running:
    with running.subscriber("devices/A/#", token=signer.token("A")) as seen: ...
"""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from pairlet_sim.broker import Broker, BrokerSettings, Message
from support.mosquitto import TIMEOUT, Subscriber

ISSUER = "https://as.example"
AUDIENCE = "mqtt"
Result = TypeVar("Result")


class Signer:
    """An authorization server's keys: one for ES256 and one for RS256."""

    def __init__(self) -> None:
        self.keys: dict[str, ECKey | RSAKey] = {
            "ES256": ECKey.generate_key("P-256", {"kid": "es", "use": "sig"}),
            "RS256": RSAKey.generate_key(2048, {"kid": "rs", "use": "sig"}),
        }

    @property
    def jwks(self) -> dict[str, Any]:
        """The public halves as a JWK Set."""
        return {"keys": [key.as_dict(private=False) for key in self.keys.values()]}

    def token(
        self,
        device_id: object = "A",
        *,
        alg: str = "ES256",
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A good token for ten minutes, but for what `header` and `claims` change; None removes a claim."""
        now = time.time()
        body: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 600, "device_id": device_id}
        body |= claims
        kept = {name: value for name, value in body.items() if value is not None}
        key = self.keys[alg]
        return jwt.encode({"alg": alg, "kid": key.kid} | (header or {}), kept, key, algorithms=[alg])


class BrokerThread:
    """A running broker whose event loop is in another thread, so that tests and paho clients may block."""

    def __init__(self, settings: BrokerSettings):
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.complaints: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _loop, context: self.complaints.append(context))

    def __enter__(self) -> Self:
        self._thread.start()
        self.broker = Broker(self._settings)
        self.call(self.broker.start())
        self.port = self.broker.port
        self._feed = self.on_loop(self.broker.messages)
        return self

    def __exit__(self, *_error: object) -> None:
        self.call(self.broker.stop())
        # Tasks that failed unnoticed complain when they are collected.
        gc.collect()
        left = self.on_loop(lambda: [task for task in asyncio.all_tasks() if not task.done()])
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()
        assert left == [], "tasks outlived the broker"
        assert self.complaints == [], "asyncio had to complain"

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the broker's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)

    def on_loop(self, function: Callable[[], Result]) -> Result:
        """Call a function in the broker's loop."""
        done: Future[Result] = Future()

        def run() -> None:
            done.set_result(function())

        self._loop.call_soon_threadsafe(run)
        return done.result(TIMEOUT)

    def next_message(self) -> Message:
        """The next message that the broker has accepted."""
        return self.call(asyncio.wait_for(anext(self._feed), TIMEOUT))

    def client_ids(self) -> list[str]:
        """Who is connected."""
        return sorted(each.client_id for each in self.on_loop(self.broker.connections))

    def subscriber(self, *filters: str, token: str, **options: Any) -> Subscriber:
        """A paho client with a token as its password."""
        return Subscriber(self.port, *filters, username="any", password=token, **options)

    def raw(self) -> "RawClient":
        """A client that sends and reads bytes."""
        return RawClient(self.port)

    def raw_connected(self, token: str, client_id: str = "A", **options: Any) -> "RawClient":
        """A `RawClient` whose CONNECT was accepted."""
        client = self.raw()
        client.send(connect_packet(token, client_id, **options))
        assert client.receive(4)[:2] == b"\x20\x02"
        return client


class RawClient:
    """A plain TCP connection."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send; a connection that the broker has closed meanwhile is no error here."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def receive(self, count: int) -> bytes:
        """`count` bytes, or what came before the connection ended."""
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionError:
                break
            if not more:
                break
            data += more
        return data

    def rest(self) -> bytes:
        """Everything until the broker closes the connection; TimeoutError if it does not."""
        return self.receive(1 << 30)


def text(value: str | bytes) -> bytes:
    """A string of the protocol: two bytes of length, then UTF-8."""
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(2) + data


def packet(first: int, body: bytes) -> bytes:
    """A packet with a remaining length of at most 2 bytes."""
    length = len(body)
    assert length < 1 << 14
    lengths = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes([first]) + lengths + body


def connect_packet(
    token: str | None,
    client_id: str = "A",
    *,
    clean: bool = True,
    keep_alive: int = 60,
    level: int = 4,
    will: tuple[str, bytes] | None = None,
) -> bytes:
    """A CONNECT, written independently of the broker's own code; the will is retained at QoS 1."""
    flags = (0x02 if clean else 0) | (0xC0 if token is not None else 0) | (0x2C if will else 0)
    body = text("MQTT") + bytes([level, flags]) + keep_alive.to_bytes(2)
    body += b"\0" if level == 5 else b""
    body += text(client_id)
    if will:
        body += text(will[0]) + text(will[1])
    if token is not None:
        body += text("user") + text(token)
    return packet(0x10, body)


def publish_packet(topic: str, payload: bytes = b"x", *, qos: int = 0, packet_id: int = 7) -> bytes:
    """A PUBLISH."""
    return packet(0x30 | qos << 1, text(topic) + (packet_id.to_bytes(2) if qos else b"") + payload)
