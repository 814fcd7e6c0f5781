"""No refresh token is lost: power cuts at every write, lost requests and answers, and several processes."""

import asyncio
import json

from fakes import MemoryBroker, MemoryStore, PowerCut, VirtualClock
from model_log import ModelLog
from pairlet.core.errors import StoreError, TransportError, UnpairedError
from pairlet.core.http import Response
from pairlet.drive import Patience
from pairlet.storing import make_outbox
from test_agent import MINUTE, Rig, raised

IS_REFRESH = b"grant_type=refresh_token"
LOST = "invalid_grant after a lost answer"


def paired(token_s=600, **options):
    """A device whose token is due: (its rig, the server as it was left)."""
    rig = Rig(token_s=token_s, **options)
    rig.run(rig.agent.pair(Patience(3)))
    rig.clock.time += 900 * token_s
    return rig


def restarted(rig, **options):
    """The same device with the same disk, server and clock, in another process or after a power cut."""
    again = Rig(store=MemoryStore(rig.store.values), clock=rig.clock, **options)
    again.server = again.http.answer = rig.server
    return again


def refresh(rig, patience=3):
    return rig.run(rig.agent.usable_token(Patience(patience)))


def is_good(rig):
    """Whether the device has what the server takes, on disk and in hand."""
    token = refresh(rig)
    record = rig.record()
    return (
        token.access_token.reveal() == rig.server.live_access_token
        and record["refresh_token"] == rig.server.live_refresh_token
        and record["refreshing_since"] is None
    )


class Flaky:
    """A server behind a bad line: what happens to each refresh in turn, None when all goes well.

    "request lost": the server never hears of it. "answer lost": it acted, and nobody hears of it.
    """

    def __init__(self, rig, *fates):
        self.server = rig.server
        self.fates = list(fates)
        self.sent = []

    def __call__(self, request):
        if IS_REFRESH not in request.body:
            return self.server(request)
        self.sent.append(request.body.decode().split("refresh_token=")[-1].split("&")[0])
        fate = self.fates.pop(0) if self.fates else None
        if fate == "request lost":
            return TransportError("no route")
        response = self.server(request)
        return TransportError("time-out") if fate == "answer lost" else response


def test_a_refresh_takes_two_writes():
    rig = paired()
    before = len(rig.store.history)
    assert is_good(rig)
    values = [json.loads(value) for name, value in rig.store.history[before:]]
    assert [value["refreshing_since"] is None for value in values] == [False, True]
    assert values[0]["refresh_token"] == values[1]["previous_refresh_token"] == "refresh-2"
    assert values[1]["refresh_token"] == rig.server.live_refresh_token == "refresh-3"
    rig.server.rotate = False
    rig.clock.time += 550000
    assert is_good(rig) and rig.record()["previous_refresh_token"] is None


def test_nothing_is_sent_before_the_note_is_on_disk():
    rig = paired()
    seen = []

    def answer(request):
        if IS_REFRESH in request.body:
            seen.append(rig.record()["refreshing_since"])
        return rig.server(request)

    rig.http.answer = answer
    refresh(rig)
    assert len(seen) == 1 and seen[0] is not None


def cut_during_a_refresh(cut, after, **server):
    """Cut the power at write number `cut` of a refresh; the device after it, None if there is no such."""
    rig = paired()
    for name in server:
        setattr(rig.server, name, server[name])
    rig.store.cut, rig.store.cut_after = rig.store.writes + cut, after
    try:
        refresh(rig)
    except PowerCut:
        return restarted(rig, token_s=600)
    return None


def test_a_power_cut_at_any_write_of_a_refresh():
    cuts = 0
    while True:
        for after in (False, True):
            for server in ({"grace": True}, {"rotate": False}, {}):
                again = cut_during_a_refresh(cuts, after, **server)
                if again is None:
                    assert cuts == 2, "a refresh writes twice"
                    return
                if not server and cuts == 1 and not after:
                    # The server rotated, and the power went before the new token was on the disk: it
                    # takes the old one for stolen. Nothing can be done, but that is what is said.
                    assert isinstance(raised(refresh, again), UnpairedError)
                    assert ("unpaired", {"reason": LOST}) in again.events
                    continue
                assert is_good(again), (cuts, after, server)
                assert "unpaired" not in again.names()
        cuts += 1


def test_a_cut_between_note_and_answer_is_explained_and_mended_at_once():
    rig = paired()
    rig.server.grace = True
    rig.http.answer = Flaky(rig, "answer lost")
    refresh(rig, 1)
    again = restarted(rig, broker=MemoryBroker())
    # Its access token is good for some minutes more; a server's grace may not be.
    again.run(again.agent.run(), until=rig.clock.now() + 1000)
    heard = [fields for event, fields in again.events if event in ("error", "refreshed")]
    assert heard[0]["error_description"].startswith("the answer to a refresh was lost")
    assert heard[1:] == [{"expires_in": 600, "rotated": True, "retried": True}]


def test_item_51_lost_requests_and_answers_are_met_with_the_same_token():
    for fates in (("request lost",) * 5, ("answer lost",), ("request lost", "answer lost", "request lost")):
        rig = paired()
        rig.server.grace = True
        rig.http.answer = flaky = Flaky(rig, *fates)
        assert refresh(rig, 9) is not None and is_good(rig), fates
        assert flaky.sent == ["refresh-2"] * (len(fates) + 1)
    for fates in (("request lost",) * 5, ("answer lost",)):
        rig = paired()
        rig.server.rotate = False
        rig.http.answer = Flaky(rig, *fates)
        assert refresh(rig, 9) is not None and is_good(rig), fates


def test_a_lost_answer_that_ends_a_pairing_is_named():
    """A server without a grace period that takes the second use of a rotated token for theft."""
    rig = paired(broker=MemoryBroker())
    rig.http.answer = Flaky(rig, "answer lost")
    rig.server.decide = "wait"
    rig.run(rig.agent.run(), until=rig.clock.now() + 5 * MINUTE)
    assert [fields["reason"] for event, fields in rig.events if event == "unpaired"] == [LOST]
    said = [fields["error_description"] for event, fields in rig.events if event == "error"]
    assert "the answer to a refresh was lost" in said[-1] and "token" not in rig.store.values


def test_an_ordinary_end_is_not_blamed_on_the_network():
    rig = paired()
    rig.server.live_refresh_token = "somebody removed the device"
    assert isinstance(raised(refresh, rig), UnpairedError)
    assert ("unpaired", {"reason": "invalid_grant"}) in rig.events


def test_a_server_that_forgot_its_last_rotation_gets_the_token_before():
    """It was restored from a backup, or a replica was promoted: what it gave us last, it never knew."""
    rig = paired()
    before = rig.server.live_refresh_token
    refresh(rig)
    rig.clock.time += 550000
    rig.server.live_refresh_token = before
    rig.server.revokes_on_reuse = False
    rig.http.answer = flaky = Flaky(rig)
    assert is_good(rig) and flaky.sent == ["refresh-3", "refresh-2"] and "unpaired" not in rig.names()


def test_what_has_worked_has_no_token_before_it():
    """The broker took the new access token: from then on the old refresh token is not sent any more."""
    rig = Rig(broker=MemoryBroker(), token_s=600)

    async def story():
        while rig.names().count("mqtt_connected") < 2:
            await rig.clock.sleep_until(rig.clock.now() + 1000)
        rig.server.live_refresh_token = "the person removed the device"
        rig.server.decide = "wait"
        rig.http.answer = flaky
        await rig.clock.sleep_until(rig.clock.now() + 10 * MINUTE)

    flaky = Flaky(rig)
    rig.run_beside(story())
    assert flaky.sent == ["refresh-3"] and ("unpaired", {"reason": "invalid_grant"}) in rig.events


def test_item_55_only_the_token_on_disk_can_end_a_pairing():
    """invalid_grant for a token that another process has replaced meanwhile, past every lock."""
    rig = paired()
    other = restarted(rig)

    def answer(request):
        rig.http.answer = rig.server
        rig.server.live_access_token, rig.server.live_refresh_token = "access-8", "refresh-8"
        record = other.record()
        record.update({"access_token": "access-8", "refresh_token": "refresh-8", "expires_at": 10**9})
        rig.store.values["token"] = json.dumps(record).encode()
        return Response(400, [], b'{"error":"invalid_grant"}')

    rig.http.answer = answer
    rig.clock.time += 60000
    assert refresh(rig).access_token.reveal() == "access-8" and "unpaired" not in rig.names()


def test_no_other_answer_ends_a_pairing():
    for answer in (
        Response(503, [], b""),
        Response(500, [], b'{"error":"invalid_grant"}'),
        Response(429, [], b'{"error":"invalid_grant"}'),
        Response(400, [], b'{"error":"invalid_grant"'),
        Response(400, [("content-type", "text/html")], b"<html>invalid_grant"),
        Response(302, [("location", "/invalid_grant")], b""),
        Response(401, [], b'{"error":"invalid_client"}'),
        Response(400, [], b'{"error":"invalid_request"}'),
        Response(200, [], b"{}"),
        Response(200, [], b'{"access_token":"x","token_type":"mac"}'),
        TransportError("time-out"),
    ):
        rig = paired()
        rig.clock.time += 60000
        rig.http.answer = lambda request, answer=answer: answer
        raised(refresh, rig)
        assert "unpaired" not in rig.names() and rig.record()["refresh_token"] == "refresh-2"
        rig.http.answer = rig.server
        assert is_good(rig), answer


def test_a_refusal_takes_the_note_off_the_disk():
    rig = paired()
    rig.http.answer = lambda request: Response(400, [], b'{"error":"invalid_client"}')
    refresh(rig)
    assert rig.record()["refreshing_since"] is None
    rig.http.answer = lambda request: Response(503, [], b"")
    refresh(rig)
    assert rig.record()["refreshing_since"] is not None, "a gateway may have passed it on"


def test_a_lost_answer_is_not_asked_for_again_before_the_disk_can_take_it():
    rig = paired()
    rig.server.grace = True
    rig.http.answer = Flaky(rig, "answer lost")
    refresh(rig, 1)
    again = restarted(rig)
    again.store.broken = ("token",)
    refresh(again)
    assert [request for _, _, request in again.http.log if IS_REFRESH in request.body] == []
    again.store.broken = ()
    assert is_good(again)


def test_a_command_waits_for_room_for_what_it_has_got():
    rig = paired()

    def answer(request):
        if IS_REFRESH in request.body:
            rig.store.broken = ("token",)
        return rig.server(request)

    rig.http.answer = answer

    async def story():
        task = asyncio.create_task(rig.agent.usable_token(Patience(3)))
        while "refreshed" not in rig.names():
            await rig.clock.sleep_until(rig.clock.now() + 100)
        await rig.clock.sleep_until(rig.clock.now() + 3000)
        rig.store.broken = ()
        return await task

    assert rig.run(story()).access_token.reveal() == rig.server.live_access_token and is_good(rig)


def test_trouble_for_a_day_is_written_down_once():
    rig = paired()
    rig.http.answer = lambda request: TransportError("no route")
    before = rig.store.writes
    rig.run(rig.agent.run(), until=rig.clock.now() + 24 * 60 * MINUTE)
    assert rig.store.writes == before + 1


def test_processes_side_by_side_stay_one_family():
    """Two agents at work and three commands again and again, with a server that punishes reuse."""
    rig = Rig(broker=MemoryBroker(), token_s=120)
    rig.run(rig.agent.pair(Patience(3)))
    agents = [restarted(rig, broker=MemoryBroker()) for _ in range(2)]
    commands = [restarted(rig) for _ in range(3)]
    for each in agents + commands:
        each.store = each.agent.ports.store
        each.store._lock = rig.store._lock
    tokens = []

    async def ask(each, pause):
        while True:
            tokens.append(await each.agent.usable_token(Patience(3)) is not None)
            await rig.clock.sleep_until(rig.clock.now() + pause)

    async def side_by_side():
        work = [each.agent.run() for each in agents]
        asks = [ask(each, 7000 + 500 * index) for index, each in enumerate(commands)]
        await asyncio.gather(*(work + asks))

    rig.run(side_by_side(), until=40 * MINUTE)
    names = sum([each.names() for each in agents + commands], [])
    assert names.count("refreshed") >= 20 and "unpaired" not in names and "error" not in names
    assert rig.server.live_refresh_token is not None and len(tokens) > 500
    # Nobody refreshes what another has just refreshed.
    assert names.count("refreshed") <= 40 * 60 // 48


def test_run_notices_an_un_pairing_elsewhere_also_without_an_end():
    rig = Rig(broker=MemoryBroker(), token_s=None)
    other = Rig(store=rig.store, clock=rig.clock)
    rig.run(rig.agent.pair(Patience(3)))
    other.server = other.http.answer = rig.server

    async def story():
        await rig.clock.sleep_until(5 * MINUTE)
        rig.server.decide = "wait"
        assert await other.agent.unpair(Patience(3)) is None
        await rig.clock.sleep_until(7 * MINUTE)

    rig.run_beside(story())
    assert ("unpaired", {"reason": "another process removed the token"}) in rig.events
    assert not rig.broker.connected and rig.names()[-1] == "code"


def test_run_takes_over_what_another_process_has_refreshed():
    rig = Rig(broker=MemoryBroker(), token_s=3600)
    other = Rig(store=rig.store, clock=rig.clock)
    rig.run(rig.agent.pair(Patience(3)))
    other.server = other.http.answer = rig.server

    async def story():
        await rig.clock.sleep_until(5 * MINUTE)
        metadata = await other.agent.find(Patience(3))
        other.agent.keeper.load()
        await other.agent.keeper.refresh(metadata, other.agent.client, other.http)
        await rig.clock.sleep_until(7 * MINUTE)

    rig.run_beside(story())
    assert rig.broker.passwords[-1] == rig.server.live_access_token and "refreshed" not in rig.names()


def test_damage_on_the_disk_does_not_end_what_is_at_work():
    rig = Rig(broker=MemoryBroker(), token_s=3600)

    async def story():
        await rig.clock.sleep_until(5 * MINUTE)
        rig.store.values["token"] = b'{"version":1,"acc'
        await rig.clock.sleep_until(8 * MINUTE)

    rig.run_beside(story())
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token
    assert rig.store.values["token.corrupt-1"] == b'{"version":1,"acc' and "unpaired" not in rig.names()


class UnreadableLogs:
    """A disk that can't be read when the agent starts: what waits is in memory."""

    memory_bytes = 65536

    def __call__(self, name):
        raise StoreError("a fault of the disk")


def test_samples_outlive_an_un_pairing():
    for logs in (None, UnreadableLogs()):
        outlive_an_un_pairing(Rig(broker=MemoryBroker(), token_s=600, logs=logs))


def outlive_an_un_pairing(rig):
    async def story():
        await rig.clock.sleep_until(MINUTE)
        rig.broker.check = lambda credentials: TransportError("away")
        rig.broker.kick()
        await rig.clock.sleep_until(2 * MINUTE)
        rig.server.live_refresh_token = "removed"
        while "unpaired" not in rig.names():
            await rig.clock.sleep_until(rig.clock.now() + 1000)
        rig.broker.check = lambda credentials: 0
        await rig.clock.sleep_until(rig.clock.now() + 5 * MINUTE)

    rig.run_beside(story())
    topic = ("publish", "devices/d1/telemetry")
    numbers = [json.loads(entry[2])["seq"] for entry in rig.broker.journal if entry[:2] == topic]
    assert numbers == list(range(len(numbers))) and rig.names().count("paired") == 2


class SlowLogs:
    """Makes logs on a card that takes half a second for each thing that it writes."""

    memory_bytes = 65536

    def __init__(self, clock):
        self._clock = clock
        self.logs = {}

    def __call__(self, name):
        if name not in self.logs:
            self.logs[name] = SlowLog()
            self.logs[name].clock = self._clock
        return self.logs[name]


class SlowLog(ModelLog):
    async def append(self, number, data):
        await self.clock.sleep_until(self.clock.now() + 500)
        await super().append(number, data)


def stopped_after_an_un_pairing(after_ms):
    """A device without a broker that was asked to stop so long after its pairing had ended."""
    clock = VirtualClock()
    rig = Rig(broker=MemoryBroker(), token_s=600, clock=clock, logs=SlowLogs(clock))

    async def story():
        await clock.sleep_until(MINUTE)
        rig.broker.check = lambda credentials: TransportError("away")
        rig.broker.kick()
        rig.server.live_refresh_token = "removed"
        while "unpaired" not in rig.names():
            await clock.sleep_until(clock.now() + 100)
        await clock.sleep_until(clock.now() + after_ms)

    rig.run_beside(story())
    return rig


def test_a_stop_in_the_middle_of_the_last_flush_costs_no_sample_and_no_number():
    for after_ms in (0, 450, 900, 1350):
        rig = stopped_after_an_un_pairing(after_ms)
        taken = rig.agent.storing.outbox
        left = make_outbox(rig.agent.config, rig.agent.ports.logs)
        assert len(taken) and len(left) == len(taken) and left.gaps() == []


def back_after_a_power_cut(count, change=None, away_ms=10**7, token_s=600):
    """When `count` devices that lost their power together ask for a new token, in ms after it is back.

    `change(record)` is what else their disks hold.
    """
    rig = paired(token_s=token_s)
    start = rig.clock.now() + away_ms
    record = rig.record()
    if change is not None:
        change(record)
    times = []
    for number in range(count):
        rig.clock.time = start
        again = restarted(rig)
        again.store.values["token"] = json.dumps(record).encode()
        rig.server.live_refresh_token = "refresh-2"
        again.agent.keeper.chance = 37 * number % 256
        again.run(again.agent.run(), until=start + 3000 + 50 * token_s)
        times += [began - start for began, _, request in again.http.log if IS_REFRESH in request.body][:1]
    return times


def test_a_site_whose_power_comes_back_does_not_refresh_as_one():
    times = back_after_a_power_cut(100)
    assert len(times) == 100 and 27000 < max(times) <= 30500 and min(times) < 3000
    peak = max([len([time for time in times if second <= time < second + 1000]) for second in range(31000)])
    assert peak <= 9


def test_a_token_that_lives_short_does_not_wait_long():
    times = back_after_a_power_cut(30, token_s=20)
    assert len(times) == 30 and 1500 < max(times) <= 2500


def test_an_answer_that_was_lost_a_moment_ago_is_asked_for_at_once():
    def lost(record):
        record["refreshing_since"] = record["saved_at"] + 540 + 10**4 - 20

    assert max(back_after_a_power_cut(10, lost)) <= 500

    def lost_long_ago(record):
        record["refreshing_since"] = record["saved_at"]

    assert max(back_after_a_power_cut(10, lost_long_ago)) > 1000
