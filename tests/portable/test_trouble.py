"""What goes wrong in the field, told to the whole agent: nothing is lost, nobody is hammered."""

import asyncio
import json

from fakes import MemoryBroker
from pairlet.core.errors import TransportError
from pairlet.core.http import Response
from pairlet.drive import Patience
from test_agent import MINUTE, Rig, fills_the_disk_during_a_refresh, raised


def without_refresh_token(rig):
    def answer(request):
        response = rig.server(request)
        members = json.loads(response.body)
        members.pop("refresh_token", None)
        return Response(response.status, response.headers, json.dumps(members).encode())

    return answer


def test_a_refresh_that_another_process_made_meanwhile_is_not_undone():
    """While one backs off another refreshes; when the first wakes, that token has ended already."""
    rig = Rig(token_s=60)
    rig.run(rig.agent.pair(Patience(3)))
    other = Rig(store=rig.store, clock=rig.clock)
    down = []

    def answer(request):
        if b"grant_type=refresh_token" in request.body and not down:
            down.append(request)
            other.http.answer = rig.server
            return TransportError("no route")
        return rig.server(request)

    rig.http.answer = answer
    rig.clock.time += 58000

    async def story():
        mine = asyncio.create_task(rig.agent.usable_token(Patience(9)))
        while not down:
            await asyncio.sleep(0)
        await other.agent.usable_token(Patience(3))
        rig.clock.time += 59000
        return await mine

    token = rig.run(story())
    assert token.access_token.reveal() == rig.server.live_access_token
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token


def test_a_new_pairing_by_another_process_outlives_the_end_of_the_old_one():
    rig = Rig(broker=MemoryBroker(), token_s=60)
    rig.http.answer = without_refresh_token(rig)
    other = Rig(store=rig.store, clock=rig.clock, token_s=86400)
    other.http.answer = without_refresh_token(other)
    other.server._count = 100  # tokens of its own

    async def story():
        await rig.clock.sleep_until(30000)
        await other.agent.pair(Patience(3))
        await rig.clock.sleep_until(5 * MINUTE)

    rig.run_beside(story())
    assert "unpaired" not in rig.names() and rig.names().count("paired") == 1
    assert rig.record()["access_token"] == other.server.live_access_token


def test_pairing_elsewhere_ends_the_code_here():
    """By whatever means: here another folder's token is put into this one."""
    rig = Rig("wait", broker=MemoryBroker())
    other = Rig(clock=rig.clock)

    async def story():
        await rig.clock.sleep_until(30000)
        await other.agent.pair(Patience(3))
        rig.store.save("token", other.store.load("token"))
        await rig.clock.sleep_until(2 * MINUTE)

    rig.run_beside(story())
    assert rig.names()[:2] == ["code", "mqtt_connected"]
    assert rig.record()["access_token"] == other.server.live_access_token
    assert rig.store.load("pairing") is None, "the code is of no use any more"


def test_a_broker_that_takes_no_token_does_not_wear_out_the_server():
    rig = Rig(broker=MemoryBroker(check=lambda credentials: 5))
    rig.run(rig.agent.run(), until=6 * 60 * MINUTE)
    assert rig.names().count("refreshed") <= 6 + 8
    assert rig.names().count("error") <= 3


def test_a_broker_is_not_kept_waiting_for_the_server():
    rig_holder = []

    def check(credentials):
        return 0 if rig_holder[0].clock.now() > 5 * MINUTE else 5

    rig = Rig(broker=MemoryBroker(check=check))
    rig_holder.append(rig)

    def answer(request):
        if b"grant_type=refresh_token" in request.body:
            return TransportError("no route")
        return rig.server(request)

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=12 * MINUTE)
    assert "mqtt_connected" in rig.names()


def test_a_sample_that_will_never_be_taken_does_not_block_the_others():
    def accepts(message):
        return 0x99 if b'"seq":3,' in message.payload or b'"seq": 3,' in message.payload else 0

    broker = MemoryBroker(accepts=accepts)
    rig = Rig(broker=broker)
    rig.run(rig.agent.run(), until=5 * MINUTE)
    gone = {"count": 1, "stream": "telemetry", "reason": "refused", "from": 3, "to": 3}
    assert ("dropped", gone) in rig.events
    assert rig.names().count("mqtt_connected") == 1 and "error" in rig.names()


def test_each_refused_topic_is_said_once():
    broker = MemoryBroker(accepts=lambda message: 0x87)
    rig = Rig(broker=broker)
    rig.run(rig.agent.run(), until=60 * MINUTE)
    assert rig.names().count("error") == 3  # of samples, of what became of them, and of the status
    said = [fields["error_description"] for event, fields in rig.events if event == "error"]
    assert "devices/d1/status" in said[0] and "devices/d1/telemetry" in said[1]


def test_a_full_disk_is_said_before_a_person_is_asked():
    rig = Rig()
    rig.store.broken = ("room-3", "token")
    assert raised(rig.run, rig.agent.pair(Patience(3))).exit_code == 8
    assert "code" not in rig.names() and not rig.store.values


def test_a_stop_in_the_middle_of_the_last_poll_keeps_the_token():
    rig = Rig()
    tasks = []
    exchange = rig.http.exchange

    async def stopped(request):
        if request.url.endswith("/token"):
            tasks[0].cancel()
        return await exchange(request)

    rig.http.exchange = stopped

    async def story():
        tasks.append(asyncio.create_task(rig.agent.pair(Patience(3))))
        try:
            await tasks[0]
        except asyncio.CancelledError:
            pass

    rig.run(story())
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token


def test_a_stop_asked_for_again_and_again_keeps_the_token_all_the_same():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    rig.clock.time += 560000
    tasks = []
    exchange = rig.http.exchange

    async def stopped(request):
        for _ in range(5):
            tasks[0].cancel()
            await rig.clock.sleep_until(rig.clock.now() + 900)
        return await exchange(request)

    rig.http.exchange = stopped

    async def story():
        tasks.append(asyncio.create_task(rig.agent.usable_token(Patience(3))))
        try:
            await tasks[0]
        except asyncio.CancelledError:
            return
        raise AssertionError("it went on")

    rig.run(story())
    assert rig.names()[-1] == "refreshed"
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token


def test_a_stop_waits_for_a_few_seconds_only():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    rig.clock.time += 560000

    async def story():
        rig.http.latency_ms = 10**7
        began = rig.clock.now()
        task = asyncio.create_task(rig.agent.usable_token(Patience(3)))
        for _ in range(10):
            await rig.clock.sleep_until(rig.clock.now() + 100)
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        assert rig.clock.now() - began <= 6000

    rig.run(story())
    assert rig.record()["refreshing_since"] is not None, "the next start knows"


def test_a_captive_portal_at_boot_is_waited_out():
    rig = Rig(broker=MemoryBroker())

    def answer(request):
        if rig.clock.now() < 3 * MINUTE:
            return Response(200, [("content-type", "text/html")], b"<html>welcome")
        return rig.server(request)

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=15 * MINUTE)
    assert rig.names()[0] == "error" and "paired" in rig.names()


def test_run_says_what_is_wrong_before_there_is_a_code():
    rig = Rig()

    def answer(request):
        return TransportError("no route") if request.url.endswith("/device") else rig.server(request)

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=30 * MINUTE)
    assert rig.names() == ["error"]


def test_a_disk_that_stays_full_ends_neither_the_agent_nor_the_pairing():
    """No refresh token is spent that could not be replaced; the token is renewed when there is room."""
    rig = Rig(token_s=600)

    async def story():
        await rig.clock.sleep_until(MINUTE)
        rig.store.broken = ("token",)
        await rig.clock.sleep_until(60 * MINUTE)
        assert "refreshed" not in rig.names() and rig.names().count("error") >= 10
        assert rig.record()["refresh_token"] == rig.server.live_refresh_token
        rig.store.broken = ()
        await rig.clock.sleep_until(66 * MINUTE)

    rig.run_beside(story())
    assert rig.names().count("paired") == 1 and "refreshed" in rig.names() and "unpaired" not in rig.names()
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token


def test_what_another_process_removed_is_not_put_back():
    rig = Rig(token_s=600)
    rig.http.answer = fills_the_disk_during_a_refresh(rig)

    async def story():
        while "refreshed" not in rig.names():
            await rig.clock.sleep_until(rig.clock.now() + 1000)
        rig.store.delete("token")
        rig.store.broken = ()
        rig.server.decide = "wait"
        await rig.clock.sleep_until(rig.clock.now() + 2 * MINUTE)

    rig.run_beside(story())
    assert ("unpaired", {"reason": "another process removed the token"}) in rig.events
    assert "token" not in rig.store.values and rig.names().count("code") == 2


def test_numbers_of_samples_go_on_after_a_new_pairing():
    rig = Rig(broker=MemoryBroker(), token_s=600)

    async def story():
        await rig.clock.sleep_until(MINUTE)
        rig.server.live_refresh_token = "removed by the person"
        await rig.clock.sleep_until(20 * MINUTE)

    rig.run_beside(story())
    topic = ("publish", "devices/d1/telemetry")
    numbers = [json.loads(entry[2])["seq"] for entry in rig.broker.journal if entry[:2] == topic]
    assert rig.names().count("paired") == 2
    assert numbers == list(range(len(numbers)))


def test_patience_counts_failures_in_a_row():
    patience = Patience(3)
    for _ in range(5):
        patience(TransportError("x"))
        patience(TransportError("x"))
        patience(None)


def test_a_command_does_not_wait_for_an_hour_because_a_server_asks_it_to():
    """`run` does: it has time."""

    def answers(rig, path):
        busy = Response(503, [("retry-after", "3600")], b"")
        return lambda request: busy if request.url.endswith(path) else rig.server(request)

    for path in ("/token", "/.well-known/oauth-authorization-server"):
        rig = Rig(token_s=600)
        rig.run(rig.agent.pair(Patience(3)))
        rig.clock.time += 620000
        again = Rig(store=rig.store, clock=rig.clock)
        again.http.answer = answers(rig, path)
        began = again.clock.now()
        error = raised(again.run, again.agent.usable_token(Patience(3)))
        assert error.exit_code == 5 and "left alone for 6" in str(error) and "503" in str(error)
        assert again.clock.now() - began < 10000
        begun = len(again.http.log)
        again.run(again.agent.run(), until=again.clock.now() + 59 * MINUTE)
        assert len(again.http.log) <= begun + 1 and "unpaired" not in again.names()


def test_a_short_pause_is_waited_for():
    rig = Rig(token_s=600)
    rig.run(rig.agent.pair(Patience(3)))
    rig.clock.time += 620000
    busy = [Response(503, [("retry-after", "20")], b"")]
    rig.http.answer = lambda request: busy.pop() if busy else rig.server(request)
    assert rig.run(rig.agent.usable_token(Patience(3))) is not None


def test_what_was_not_granted_is_shown():
    rig = Rig(broker=MemoryBroker(), settings={"oauth": {"scope": "openid telemetry admin"}})
    rig.run(rig.agent.run(), until=MINUTE)
    messages = [screen.message for screen in rig.display.screens]
    assert "not granted: admin" in messages and "paired, but not granted: admin" in messages
    paired = [fields for event, fields in rig.events if event == "paired"]
    assert [fields["not_granted"] for fields in paired] == ["admin"]


def test_nobody_waits_an_hour_for_a_code():
    rig = Rig()
    rig.http.answer = lambda request: Response(503, [("retry-after", "3600")], b"")
    try:
        rig.run(rig.agent.pair(Patience(3)))
    except TransportError as error:
        assert "asks to be left alone for 6" in str(error)
    else:
        raise AssertionError("it waited")
    assert rig.clock.now() < MINUTE


def test_a_token_of_a_second_is_not_refreshed_without_pause():
    rig = Rig(broker=MemoryBroker(), token_s=1)
    rig.run(rig.agent.run(), until=MINUTE)
    assert 20 <= rig.names().count("refreshed") <= 31


def test_a_long_secret_that_a_server_quotes_is_hidden_whole():
    rig = Rig(token_s=60)
    rig.run(rig.agent.pair(Patience(3)))
    record = json.loads(rig.store.values["token"])
    record["refresh_token"] = "r" * 400
    rig.store.values["token"] = json.dumps(record).encode()
    rig.clock.time += 59000

    def answer(request):
        return Response(400, [], json.dumps({"error": "x", "error_description": "no " + "r" * 400}).encode())

    rig.http.answer = answer
    assert "rrrr" not in str(raised(rig.run, rig.agent.usable_token(Patience(1))))


def test_without_refresh_token_a_reboot_before_the_time_is_known_loses_nothing():
    rig = Rig(broker=MemoryBroker(), token_s=86400)
    rig.http.answer = without_refresh_token(rig)
    rig.run(rig.agent.pair(Patience(3)))
    record = json.loads(rig.store.values["token"])
    record["boot_id"], record["ends"] = "another", None
    rig.store.values["token"] = json.dumps(record).encode()
    again = Rig(broker=MemoryBroker(), store=rig.store, clock=rig.clock)
    again.run(again.agent.run(), until=10 * MINUTE)
    assert again.names() == ["mqtt_connected", "mqtt_disconnected"] or again.names() == ["mqtt_connected"]
