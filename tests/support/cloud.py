"""The simulator's authorization server and broker in a thread, for tests that run real processes."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pairlet_sim.authserver import AuthorizationServer, Client, Person
from pairlet_sim.broker import Broker, BrokerSettings
from pairlet_sim.person import Walk, walk
from support.authserver_thread import SteppedClock, authserver
from support.thread_loop import ThreadLoop, kept_open

USERNAME, PASSWORD = "grace", "compiler-1952"
CLIENT_ID = "test-device"
SECRET = "s3cr3t:of the client"
CONFIDENTIAL_CLIENT_ID = "test-kiosk"
AUDIENCE = "test"


@dataclass
class Cloud:
    """`issuer` and `broker_url` of what runs; `server` and `broker` to look into, `clock` the server's."""

    issuer: str
    broker_url: str
    server: AuthorizationServer
    broker: Broker
    ca_file: str | None
    clock: SteppedClock
    _broker_loop: ThreadLoop = field(repr=False)

    def approve(self, code: dict[str, Any], decision: str = "approve") -> Walk:
        """Walk the real pages for a `code` event of the agent."""
        uri = code["verification_uri_complete"] or code["verification_uri"]
        return walk(uri, code["user_code"], USERNAME, PASSWORD, decision=decision, ca_file=self.ca_file)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run `function` inside the broker's event loop and return its result."""
        return self._broker_loop.call(function, *arguments)


@contextlib.contextmanager
def cloud(
    *, certfile: str | None = None, keyfile: str | None = None, ca_file: str | None = None, **settings: Any
) -> Iterator[Cloud]:
    """A running cloud on free ports, https with a certificate; `settings` go to the server's Settings."""
    people = [Person(USERNAME, PASSWORD)]
    clients = [Client(CLIENT_ID), Client(CONFIDENTIAL_CLIENT_ID, secret=SECRET)]
    tls = (certfile, keyfile) if certfile and keyfile else None
    with authserver(people, clients, tls, audience=AUDIENCE, **settings) as running:
        server, issuer = running.server, running.issuer
        broker_settings = BrokerSettings(issuer=issuer, audience=AUDIENCE, jwks=server.jwks)
        with kept_open(lambda: Broker(broker_settings), "broker") as (broker, loop):
            url = f"mqtt://127.0.0.1:{loop.call(lambda: broker.port)}"
            yield Cloud(issuer, url, server, broker, ca_file, running.clock, loop)
