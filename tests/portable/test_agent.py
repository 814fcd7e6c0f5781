"""The agent from code to telemetry, in virtual time, on both interpreters."""

import asyncio
import json

from fakes import (
    CountingEntropy,
    FixedSensors,
    ManualButton,
    MemoryBroker,
    MemoryStore,
    RecordingDisplay,
    ScriptedHttp,
    VirtualClock,
)
from model_server import ISSUER, ModelServer
from pairlet.agent import Agent, Ports
from pairlet.config import Config
from pairlet.core.client import Client
from pairlet.core.errors import PairletError, TransportError, UnpairedError
from pairlet.core.http import Response
from pairlet.device import Device
from pairlet.drive import Patience

MINUTE = 60000


class Rig:
    """One agent with everything around it faked but its own code."""

    def __init__(
        self, decide="approve", broker=None, settings=None, store=None, clock=None, logs=None, **server
    ):
        self.clock = clock or VirtualClock()
        self.server = ModelServer(self.clock, decide, **server)
        self.http = ScriptedHttp(self.clock, self.server, latency_ms=50)
        self.display = RecordingDisplay()
        self.store = store or MemoryStore()
        self.broker = broker
        self.button = ManualButton()
        self.events = []
        tables = {"oauth": {"issuer": ISSUER, "client_id": "tv", "scope": "telemetry"}}
        for name, keys in (settings or {}).items():
            tables.setdefault(name, {}).update(keys)
        self.agent = Agent(
            Config.from_tables(tables, "test"),
            Client("tv"),
            Device("d1", "Kitchen"),
            Ports(
                self.clock,
                self.http,
                self.display,
                self.store,
                CountingEntropy(),
                FixedSensors({"cpu": 1}),
                self.button,
                broker,
                logs,
            ),
            self._hear,
        )

    def _hear(self, event, **fields):
        self.events.append((event, fields))

    def names(self):
        return [event for event, fields in self.events if event not in ("published", "waiting")]

    def run(self, coroutine, until=None):
        return asyncio.run(self.clock.drive(coroutine, until))

    def run_beside(self, story, what=None):
        """Run the agent (or `what`) until `story` has ended, then stop it."""

        async def both():
            task = asyncio.create_task(what or self.agent.run())
            await story
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass

        self.run(both())

    def record(self):
        return json.loads(self.store.values["token"])


def telemetry_of(broker):
    """The payloads of all telemetry that reached the broker."""
    topic = ("publish", "devices/d1/telemetry")
    return [json.loads(entry[2]) for entry in broker.journal if entry[:2] == topic]


def raised(function, *arguments):
    try:
        function(*arguments)
    except PairletError as error:
        return error
    raise AssertionError("nothing was raised")


def test_pair_shows_the_code_and_keeps_the_token():
    rig = Rig()
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.names() == ["code", "paired"]
    assert rig.events[0][1]["user_code"] == "WDJB-MJH1"
    assert rig.events[0][1]["expires_in"] == 600
    assert rig.display.kinds() == ["starting", "code", "paired"]
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token
    assert rig.server.too_fast == 0


def test_the_server_learns_who_asks_unless_told_not_to():
    rig = Rig()
    rig.run(rig.agent.pair(Patience(3)))
    request = [request for _, _, request in rig.http.log if request.url.endswith("/device")][0]
    assert b"device_id=d1" in request.body and b"device_name=Kitchen" in request.body
    rig = Rig(settings={"pairing": {"announce": False}})
    rig.run(rig.agent.pair(Patience(3)))
    request = [request for _, _, request in rig.http.log if request.url.endswith("/device")][0]
    assert b"device_id" not in request.body


def test_the_countdown_moves_while_the_code_waits():
    rig = Rig("wait", code_s=30)
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert error.exit_code == 4
    left = [screen.remaining_s for screen in rig.display.screens if screen.kind == "code"]
    assert left[0] == 30 and left[-1] == 0
    assert max([left[index] - left[index + 1] for index in range(len(left) - 1)]) <= 1
    assert rig.display.kinds()[-1] == "expired" and rig.names() == ["code", "expired"]


def test_denied_is_said_and_ends_it():
    rig = Rig("deny")
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert (error.error, error.exit_code) == ("access_denied", 3)
    assert rig.display.kinds()[-1] == "denied" and rig.names() == ["code", "denied"]
    assert "token" not in rig.store.values


def test_lost_answers_while_polling_do_not_end_a_pairing():
    rig = Rig("wait")
    trouble = [
        TransportError("no route"),
        Response(502, [("content-type", "text/html")], b"<html>bad gateway"),
        Response(200, [("content-type", "text/html")], b"<html>welcome to our wi-fi"),
        Response(302, [("location", "https://portal.test/")], b""),
        TransportError("time-out"),
    ]

    def answer(request):
        if request.url.endswith("/token") and trouble:
            return trouble.pop(0)
        rig.server.decide = "approve"
        return rig.server(request)

    rig.http.answer = answer
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.names() == ["code", "paired"] and not trouble
    assert any("trying again" in screen.message for screen in rig.display.screens)


def test_a_command_gives_up_on_a_server_that_is_not_there():
    rig = Rig()
    rig.http.answer = lambda request: TransportError("no route to auth.test")
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert error.exit_code == 5 and len(rig.http.log) == 3


def test_run_pairs_publishes_refreshes_and_never_flaps():
    broker = MemoryBroker()
    rig = Rig(broker=broker, token_s=600)
    rig.run(rig.agent.run(), until=30 * MINUTE)
    names = rig.names()
    assert names[:3] == ["code", "paired", "mqtt_connected"]
    assert names.count("refreshed") >= 3
    # One connection for each token, each with the token of that moment.
    assert len(set(broker.passwords)) == len(broker.passwords) == names.count("refreshed") + 1
    payloads = telemetry_of(broker)
    assert [payload["seq"] for payload in payloads] == list(range(len(payloads))) and len(payloads) > 170
    assert not any("historical" in payload for payload in payloads)
    said = [entry[2] for entry in broker.journal if entry[0] == "publish" and entry[1] == "devices/d1/status"]
    assert said[:-1] == [b"online"] * (len(said) - 1) and said[-1] == b"offline"
    assert not any(entry[0] == "will" for entry in broker.journal)
    assert rig.server.live_access_token == broker.passwords[-1]


def test_a_broker_that_is_away_at_start_is_waited_for():
    down = [TransportError("connection refused")] * 4
    broker = MemoryBroker(check=lambda credentials: down.pop() if down else 0)
    rig = Rig(broker=broker)
    rig.run(rig.agent.run(), until=10 * MINUTE)
    assert rig.names()[:4] == ["code", "paired", "error", "mqtt_connected"]
    payloads = telemetry_of(broker)
    assert payloads[0]["seq"] == 0 and payloads[0]["historical"] is True
    assert "historical" not in payloads[-1]


def test_a_kick_is_followed_by_a_reconnect_with_what_waited():
    broker = MemoryBroker()
    rig = Rig(broker=broker)

    async def kicked():
        await rig.clock.sleep_until(2 * MINUTE)
        broker.kick("the broker went away")
        await rig.clock.sleep_until(9 * MINUTE)

    rig.run_beside(kicked())
    reasons = [fields["reason"] for event, fields in rig.events if event == "mqtt_disconnected"]
    assert reasons[0] == "the broker went away"
    assert rig.names().count("mqtt_connected") == 2
    assert broker.retained["devices/d1/status"] == b"offline"


def test_where_room_is_short_there_is_one_connection_at_a_time():
    broker = MemoryBroker()
    rig = Rig(broker=broker, token_s=600)
    rig.http.needs_room = True
    beside = []

    def answer(request):
        beside.append((rig.clock.now(), broker.connected))
        return rig.server(request)

    rig.http.answer = answer

    async def unpaired():
        await rig.clock.sleep_until(30 * MINUTE)
        assert broker.retained["devices/d1/status"] == b"online"
        assert await rig.agent.unpair(Patience(1)) is None
        await rig.clock.sleep_until(31 * MINUTE)

    rig.run_beside(unpaired())
    refreshes = rig.names().count("refreshed")
    assert refreshes >= 3 and rig.server.revoked
    assert len(beside) > refreshes and not any(connected for when, connected in beside)
    assert rig.names().count("mqtt_connected") == refreshes + 2, "and one of the next pairing"
    # Nobody was told that the device was away, and nothing was lost.
    statuses = [
        entry[2] for entry in broker.journal if entry[0] != "disconnect" and "status" in str(entry[1])
    ]
    assert b"offline" not in statuses[:refreshes]
    numbers = [json.loads(entry[2])["seq"] for entry in broker.journal if "telemetry" in str(entry[1:2])]
    assert sorted(set(numbers)) == list(range(len(set(numbers)))) and len(numbers) > 170


def test_a_broker_that_acknowledges_nothing_is_left():
    broker = MemoryBroker(check=lambda credentials: broker.speak() if broker.passwords else 0)
    broker.silent = True
    rig = Rig(broker=broker)
    rig.run(rig.agent.run(), until=5 * MINUTE)
    reasons = [fields["reason"] for event, fields in rig.events if event == "mqtt_disconnected"]
    assert reasons == ["the broker acknowledges nothing for 15 s"]
    assert rig.names().count("mqtt_connected") == 2


def test_a_broker_that_refuses_the_token_gets_a_new_one():
    rig_holder = []

    def check(credentials):
        rig = rig_holder[0]
        return 0 if rig.names().count("refreshed") >= 1 else 0x87

    broker = MemoryBroker(check=check)
    rig = Rig(broker=broker)
    rig_holder.append(rig)
    rig.run(rig.agent.run(), until=5 * MINUTE)
    assert "mqtt_connected" in rig.names()
    assert broker.passwords[0] == rig.server.live_access_token


def test_an_answer_that_the_link_waits_for_no_longer_is_not_lost():
    broker = MemoryBroker(check=lambda credentials: 0 if "refreshed" in rig.names() else 0x87)
    rig = Rig(broker=broker)

    exchange = rig.http.exchange

    async def exchange_slowly(request):
        response = await exchange(request)
        if b"grant_type=refresh_token" in request.body:
            # The server has acted; its answer takes longer than the link waits.
            await rig.clock.sleep_until(rig.clock.now() + 40000)
        return response

    rig.http.exchange = exchange_slowly
    rig.run(rig.agent.run(), until=5 * MINUTE)
    # The server forgives nothing: to send the same refresh token again would have ended the pairing.
    assert rig.names().count("refreshed") == rig.names().count("paired") == 1
    assert broker.passwords[-1] == rig.server.live_access_token
    refused = [fields for event, fields in rig.events if event == "waiting" and fields["what"] == "broker"]
    assert refused, "the link waited for the answer itself"


def test_invalid_grant_un_pairs_and_shows_a_new_code():
    rig = Rig(broker=MemoryBroker(), token_s=600)

    async def story():
        await rig.clock.sleep_until(MINUTE)
        rig.server.live_refresh_token = "somebody removed the device"
        await rig.clock.sleep_until(20 * MINUTE)

    rig.run_beside(story())
    names = rig.names()
    assert names.count("paired") == 2 and names.count("unpaired") == 1
    assert names[names.index("unpaired") :].count("code") == 1


def test_server_trouble_never_un_pairs():
    rig = Rig(broker=MemoryBroker(), token_s=600)
    bad = [
        TransportError("no route"),
        Response(503, [], b""),
        Response(400, [], b'{"error":"invalid_client"}'),
        Response(200, [], b"<html>"),
        Response(500, [], b'{"error":"invalid_grant"}'),
    ]

    def answer(request):
        if b"grant_type=refresh_token" in request.body and bad:
            return bad.pop(0)
        return rig.server(request)

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=60 * MINUTE)
    names = rig.names()
    assert not bad and "unpaired" not in names and names.count("paired") == 1 and "refreshed" in names


def test_a_restart_goes_on_with_the_stored_token():
    rig = Rig(broker=MemoryBroker())
    rig.run(rig.agent.run(), until=MINUTE)
    again = Rig(broker=MemoryBroker(), store=rig.store, clock=rig.clock)
    again.server.live_refresh_token = rig.server.live_refresh_token
    again.run(again.agent.run(), until=2 * MINUTE)
    assert again.names()[0] == "mqtt_connected" and "code" not in again.names()


def test_item_06_item_20_codes_are_shown_only_while_somebody_may_look():
    rig = Rig("wait", code_s=60, settings={"pairing": {"start": "prompt", "codes": 2}})
    rig.run(rig.agent.run(), until=60 * MINUTE)
    assert rig.http.log == [] and rig.display.kinds() == ["unpaired"]
    assert rig.display.screens[-1].advice == rig.button.advice
    rig = Rig("wait", code_s=60, settings={"pairing": {"codes": 2}})
    rig.run(rig.agent.run(), until=60 * MINUTE)
    assert rig.names() == ["code", "expired", "code", "expired"]
    last = rig.http.log[-1][1]
    assert last < 5 * MINUTE and rig.display.screens[-1].advice == rig.button.advice
    assert rig.display.kinds() == ["starting", "code", "expired", "starting", "code", "expired"]


def test_the_button_asks_for_a_new_code():
    rig = Rig("wait", code_s=60, settings={"pairing": {"start": "prompt", "codes": 1}})

    async def story():
        await rig.clock.sleep_until(10 * MINUTE)
        rig.server.decide = "approve"
        rig.button.press()
        await rig.clock.sleep_until(12 * MINUTE)

    rig.run_beside(story())
    assert rig.names() == ["code", "paired"]


def test_run_notices_that_another_process_has_paired():
    rig = Rig(settings={"pairing": {"start": "prompt"}})
    other = Rig(store=rig.store, clock=rig.clock)

    async def story():
        await rig.clock.sleep_until(MINUTE)
        await other.agent.pair(Patience(3))
        await rig.clock.sleep_until(2 * MINUTE)

    rig.run_beside(story())
    assert rig.agent.keeper.token is not None and rig.http.log == []


def test_usable_token_refreshes_only_when_due():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    before = len(rig.http.log)
    assert rig.run(rig.agent.usable_token(Patience(3))).access_token.reveal() == rig.server.live_access_token
    assert len(rig.http.log) == before
    rig.clock.time += 560000
    token = rig.run(rig.agent.usable_token(Patience(3)))
    assert len(rig.http.log) == before + 1 and token.access_token.reveal() == rig.server.live_access_token


def test_two_processes_never_use_one_refresh_token_twice():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    other = Rig(store=rig.store, clock=rig.clock)
    other.http.answer = rig.server
    rig.clock.time += 560000

    async def both():
        return await asyncio.gather(
            rig.agent.usable_token(Patience(3)), other.agent.usable_token(Patience(3))
        )

    first, second = rig.run(both())
    assert first.access_token == second.access_token
    assert rig.server.live_refresh_token is not None, "the family was revoked"


def test_a_command_does_not_spend_a_refresh_token_that_it_cannot_replace():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    rig.clock.time += 560000
    rig.store.broken = ("token",)
    token = rig.run(rig.agent.usable_token(Patience(3)))
    assert token.access_token.reveal() == rig.server.live_access_token and "refreshed" not in rig.names()
    rig.clock.time += 60000
    assert raised(rig.run, rig.agent.usable_token(Patience(3))).exit_code == 8
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token


def fills_the_disk_during_a_refresh(rig):
    """The server's answers, with a disk that has no room any more when a new token arrives."""

    def answer(request):
        if b"grant_type=refresh_token" in request.body:
            rig.store.broken = ("token",)
        return rig.server(request)

    return answer


def test_a_token_that_cannot_be_saved_is_used_and_saved_as_soon_as_there_is_room():
    rig = Rig(token_s=600)
    rig.http.answer = fills_the_disk_during_a_refresh(rig)

    async def story():
        while "refreshed" not in rig.names():
            await rig.clock.sleep_until(rig.clock.now() + 1000)
        assert rig.record()["refresh_token"] != rig.server.live_refresh_token
        rig.store.broken = ()
        await rig.clock.sleep_until(rig.clock.now() + MINUTE)
        assert rig.record()["refresh_token"] == rig.server.live_refresh_token
        assert rig.names().count("refreshed") == 1

    rig.run_beside(story())
    assert "error" in rig.names()


def test_a_rotated_token_of_an_unusable_answer_is_not_lost():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    rig.clock.time += 560000

    def answer(request):
        response = rig.server(request)
        members = json.loads(response.body)
        members["token_type"] = "mac"
        return Response(200, response.headers, json.dumps(members).encode())

    rig.http.answer = answer
    rig.clock.time += 60000
    assert "mac" in str(raised(rig.run, rig.agent.usable_token(Patience(3))))
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token
    rig.http.answer = rig.server
    rig.run(rig.agent.usable_token(Patience(3)))
    assert rig.server.live_refresh_token is not None


def test_extra_parameters_go_along_but_repeat_nothing():
    rig = Rig(settings={"oauth": {"extra": {"audience": "api"}}})
    rig.run(rig.agent.pair(Patience(3)))
    bodies = [request.body for _, _, request in rig.http.log if request.url.endswith("/device")]
    assert b"audience=api" in bodies[0]
    rig = Rig(settings={"oauth": {"extra": {"scope": "more"}}})
    assert raised(rig.run, rig.agent.pair(Patience(3))).exit_code == 2


def test_a_server_that_quotes_a_secret_does_not_get_it_printed():
    rig = Rig()

    def answer(request):
        if request.url.endswith("/token"):
            code = list(rig.server.codes)[0]
            return Response(400, [], json.dumps({"error": "x", "error_description": "no " + code}).encode())
        return rig.server(request)

    rig.http.answer = answer
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert "device-code" not in str(error) and "device-code" not in str(rig.events)


def test_a_corrupt_token_is_kept_aside():
    for garbage in (b"", b"{", b'{"version":9}', b"\xff", b"[]"):
        rig = Rig(store=MemoryStore({"token": garbage}))
        error = raised(rig.run, rig.agent.usable_token(Patience(3)))
        assert isinstance(error, UnpairedError) and error.exit_code == 6
        assert rig.store.values["token.corrupt-1"] == garbage and "error" in rig.names()


def test_a_token_of_another_server_is_not_sent_anywhere():
    rig = Rig()
    rig.run(rig.agent.pair(Patience(3)))
    other = Rig(store=rig.store, settings={"oauth": {"issuer": "https://other.test"}})
    error = raised(other.run, other.agent.usable_token(Patience(3)))
    assert error.exit_code == 2 and other.http.log == []


def test_without_refresh_token_the_end_is_the_end():
    rig = Rig(broker=MemoryBroker(), token_s=60)

    def answer(request):
        response = rig.server(request)
        members = json.loads(response.body)
        members.pop("refresh_token", None)
        return Response(response.status, response.headers, json.dumps(members).encode())

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=2 * MINUTE)
    assert rig.names().count("paired") == 2
    assert ("unpaired", {"reason": "expired"}) in rig.events


def test_samples_are_thinned_and_then_the_oldest_go_and_leave_word():
    broker = MemoryBroker(check=lambda credentials: TransportError("away"))
    rig = Rig(broker=broker, settings={"telemetry": {"buffer_bytes": 1024}})
    rig.run(rig.agent.run(), until=30 * MINUTE)
    gaps = [fields for event, fields in rig.events if event == "dropped"]
    assert gaps[0]["reason"] == "thinned" and "no room" in [gap["reason"] for gap in gaps]
    # What thinning left goes later, the oldest first.
    gone = [gap for gap in gaps if gap["reason"] == "no room"]
    assert gone[0]["from"] == 0 and all(gap["count"] <= gap["to"] - gap["from"] + 1 for gap in gaps)
