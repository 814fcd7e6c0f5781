"""Whoever asks the server next keeps the pace of whoever gave up, and no refresh is slept through."""

import asyncio
import json

from fakes import MemoryBroker
from pairlet.core.errors import OAuthError, StoreError
from pairlet.core.http import Response
from pairlet.core.wall import SYNCED, UNSET, Wall
from pairlet.drive import Patience
from test_agent import MINUTE, Rig, raised

BUSY = Response(429, [("retry-after", "3600")], b"")
REFUSED = Response(400, [], b'{"error":"invalid_client"}')


def requests_to(rig, path):
    """When each request to `path` left (ms)."""
    return [began for began, _, request in rig.http.log if request.url.endswith(path)]


def test_a_token_that_the_broker_asked_for_is_refreshed_when_it_is_due():
    """The one before had no known end: there was nothing to wake for."""
    rig = Rig(broker=MemoryBroker(), token_s=None)
    rig.store.is_shared = False  # nobody else: it looks at the store once a day

    async def story():
        await rig.clock.sleep_until(MINUTE)
        rig.server.token_s = 300
        rig.broker.check = lambda credentials: 0 if rig.names().count("refreshed") else 5
        rig.broker.kick()
        await rig.clock.sleep_until(21 * MINUTE)

    rig.run_beside(story())
    assert rig.names().count("refreshed") >= 4 and rig.broker.passwords[-1] == rig.server.live_access_token


def busy_while_the_broker_refuses(path):
    """The first request to `path` is to come back in an hour; the broker takes no token meanwhile."""
    rig = Rig(broker=MemoryBroker(), token_s=3600)
    rig.run(rig.agent.pair(Patience(3)))
    seldom = {"telemetry": {"interval": "10m"}}
    broker = MemoryBroker(check=lambda credentials: 5)
    again = Rig(broker=broker, store=rig.store, clock=rig.clock, settings=seldom)
    again.server = rig.server
    busy = [BUSY]
    again.http.answer = lambda request: (
        busy.pop() if busy and request.url.endswith(path) else rig.server(request)
    )
    # The token is due within the hour, and the broker asks for another at once.
    again.run(again.agent.run(), until=again.clock.now() + 100 * MINUTE)
    assert not busy
    return again


def test_retry_after_holds_for_the_next_who_wants_a_refresh():
    left = requests_to(busy_while_the_broker_refuses("/token"), "/token")
    assert len(left) > 1 and left[1] - left[0] >= 3600000


def test_retry_after_holds_for_the_next_who_wants_the_metadata():
    left = requests_to(busy_while_the_broker_refuses("-server"), "-server")
    assert len(left) == 2 and left[1] - left[0] >= 3600000


def test_two_who_want_a_refresh_do_not_ask_in_one_breath():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    rig.http.answer = lambda request: REFUSED if request.url.endswith("/token") else rig.server(request)
    rig.clock.time += 620000
    before = len(requests_to(rig, "/token"))

    async def both():
        return await asyncio.gather(one(), one())

    async def one():
        try:
            await rig.agent.usable_token(Patience(3))
        except OAuthError as error:
            return error.error

    assert list(rig.run(both())) == ["invalid_client"] * 2
    left = requests_to(rig, "/token")[before:]
    assert len(left) == 2 and left[1] - left[0] >= 2000


def test_a_disk_that_fails_after_the_approval_costs_no_pairing():
    rig = Rig("wait", token_s=6000)

    async def story():
        await rig.clock.sleep_until(12000)
        rig.store.broken = ("token",)
        rig.server.decide = "approve"
        await rig.clock.sleep_until(2 * MINUTE)
        assert rig.agent.keeper.token is not None and "token" not in rig.store.values
        rig.store.broken = ()
        await rig.clock.sleep_until(4 * MINUTE)
        assert rig.record()["refresh_token"] == rig.server.live_refresh_token

    rig.run_beside(story())
    assert rig.names() == ["code", "error", "paired"]


def test_a_command_says_that_it_could_not_keep_the_token():
    rig = Rig()
    rig.store.broken = ("token",)
    assert isinstance(raised(rig.run, rig.agent.pair(Patience(3))), StoreError)
    assert "paired" not in rig.names()


def test_a_slower_pace_is_kept_as_soon_as_the_disk_takes_it():
    rig = Rig("wait")
    pending = [
        Response(400, [], b'{"error":"slow_down"}'),
        Response(400, [], b'{"error":"authorization_pending"}'),
    ]

    def answer(request):
        if not request.url.endswith("/token") or not pending:
            return rig.server(request)
        rig.store.broken = ("pairing",) if len(pending) == 2 else ()
        return pending.pop(0)

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=rig.clock.now() + 20000)
    assert not pending and json.loads(rig.store.values["pairing"])["interval"] == 10


def test_an_end_that_was_not_known_at_boot_is_known_once_the_clock_is_set():
    """Without a refresh token nothing else would tell: the broker only refuses."""
    rig = Rig(token_s=600)
    rig.http.answer = without_refresh_token(rig)
    rig.run(rig.agent.pair(Patience(3)))
    record = rig.record()
    record["boot_id"] = "another"
    rig.store.values["token"] = json.dumps(record).encode()
    rig.clock.time += 900000
    ends = record["ends"]
    rig.clock.set_wall(Wall(UNSET, None))
    again = Rig("wait", store=rig.store, clock=rig.clock)

    async def story():
        await rig.clock.sleep_until(rig.clock.now() + 10 * MINUTE)
        assert again.agent.keeper.token is not None
        rig.clock.set_wall(Wall(SYNCED, ends + 1000))
        await rig.clock.sleep_until(rig.clock.now() + 2 * MINUTE)

    again.run_beside(story())
    assert ("unpaired", {"reason": "expired"}) in again.events


def without_refresh_token(rig):
    """The server of `rig`, which keeps the refresh tokens to itself."""

    def answer(request):
        response = rig.server(request)
        members = json.loads(response.body)
        members.pop("refresh_token", None)
        return Response(response.status, response.headers, json.dumps(members).encode())

    return answer
