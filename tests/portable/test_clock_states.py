"""Clocks that are not set, jump or stand still: no refresh storm, no lost token, no endless wait."""

import asyncio

from fakes import MemoryBroker, MemoryStore, VirtualClock
from pairlet.core.http import Request, Response
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall
from pairlet.drive import Patience, learn_time
from test_agent import MINUTE, Rig

HOUR = 60 * MINUTE
NOON = 1_750_000_000
# Sun, 15 Jun 2025 15:06:40 GMT
DATE = "Sun, 15 Jun 2025 15:06:40 GMT"
YEAR_S = 365 * 86400


def learned(url, headers):
    clock = VirtualClock(wall=Wall(UNSET, None))
    learn_time(Request("POST", url, []), Response(200, headers, b""), clock)
    return clock.learned


def test_the_date_of_a_verified_answer_is_learned():
    assert learned("https://auth.test/token", [("date", DATE)]) == [NOON]


def test_no_other_date_is():
    assert learned("http://127.0.0.1/token", [("date", DATE)]) == []
    for headers in ([], [("date", "")], [("date", "yesterday")], [("date", "-1")], [("expires", DATE)]):
        assert learned("https://auth.test/token", headers) == []


def dated(rig):
    """The server's answers with a Date."""

    def answer(request):
        response = rig.server(request)
        return Response(response.status, response.headers + [("date", DATE)], response.body)

    return answer


def unset():
    return VirtualClock(wall=Wall(UNSET, None))


def test_a_machine_without_a_clock_has_a_floor_from_its_first_answer():
    rig = Rig(clock=unset())
    rig.http.answer = dated(rig)
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.clock.wall().state == FLOOR and rig.clock.wall().seconds >= NOON
    assert rig.record()["saved_at"] >= NOON


def test_the_time_of_the_last_save_is_the_floor_of_the_next_start():
    rig = Rig(clock=unset())
    rig.http.answer = dated(rig)
    rig.run(rig.agent.pair(Patience(3)))
    again = Rig(store=MemoryStore(rig.store.values), clock=unset())
    again.agent.keeper.load()
    assert again.clock.wall() == Wall(FLOOR, rig.record()["saved_at"])


def test_without_any_clock_everything_works_all_the_same():
    rig = Rig(broker=MemoryBroker(), clock=unset(), token_s=600)
    rig.run(rig.agent.run(), until=HOUR)
    assert rig.names()[:3] == ["code", "paired", "mqtt_connected"] and rig.names().count("refreshed") >= 6
    assert rig.record()["saved_at"] is None and "error" not in rig.names()


def refreshes(*jumps, state=SYNCED):
    """How often three hours of work refresh when the calendar jumps by `jumps` seconds, each half hour."""
    rig = Rig(clock=VirtualClock(wall=Wall(state, NOON)), token_s=600)

    async def story():
        for jump in jumps:
            await rig.clock.sleep_until(rig.clock.now() + 30 * MINUTE)
            rig.clock.set_wall(Wall(SYNCED, rig.clock.wall().seconds + jump))
        await rig.clock.sleep_until(3 * HOUR)

    rig.run_beside(story())
    assert "unpaired" not in rig.names() and "error" not in rig.names()
    assert rig.record()["refresh_token"] == rig.server.live_refresh_token
    return rig.names().count("refreshed")


def test_a_calendar_that_jumps_changes_no_refresh():
    """NTP that sets a clock for the first time, a person who sets it, daylight saving set by hand."""
    usual = refreshes()
    assert usual >= 15
    for jumps in ((YEAR_S,), (-YEAR_S,), (3600, -3600, 3600), (1, -1, 2, -2), (-10 * YEAR_S, 30 * YEAR_S)):
        assert refreshes(*jumps) == usual, jumps
        assert refreshes(*jumps, state=FLOOR) == usual, jumps


def test_a_restart_after_a_jump_refreshes_once_at_most():
    for jump in (-30 * YEAR_S, -YEAR_S, -1, 0, 1, 599, 601, YEAR_S, 30 * YEAR_S):
        rig = Rig(token_s=600)
        rig.run(rig.agent.pair(Patience(3)))
        clock = VirtualClock(wall=Wall(SYNCED, NOON + jump))
        clock.boot_id = lambda: "two"
        again = Rig(broker=MemoryBroker(), store=MemoryStore(rig.store.values), clock=clock)
        again.server.live_refresh_token, again.server._count = rig.server.live_refresh_token, 50
        again.run(again.agent.run(), until=6 * MINUTE)
        assert again.names().count("refreshed") <= 1 and "unpaired" not in again.names(), jump
        assert again.names().count("mqtt_connected") >= 1, jump


def test_a_machine_that_slept_notices_that_its_token_has_ended():
    """The clock counts time asleep (CLOCK_BOOTTIME), so everything that was due is due at once, and once."""
    rig = Rig(broker=MemoryBroker(), token_s=600)

    async def story():
        await rig.clock.sleep_until(5 * MINUTE)
        # Asleep for a night; the broker has given up on the connection meanwhile.
        rig.clock.time += 8 * HOUR
        rig.broker.kick()
        woken.append(rig.clock.now())
        await rig.clock.sleep_until(woken[0] + 5 * MINUTE)

    woken = []
    rig.run_beside(story())
    sent = [began for began, _, request in rig.http.log if b"refresh_token" in request.body]
    late = [began for began in sent if began > 5 * MINUTE]
    assert len(late) == 1 and late[0] - woken[0] <= MINUTE
    assert rig.broker.passwords[-1] == rig.server.live_access_token and "unpaired" not in rig.names()
    assert len(rig.broker.passwords) == 2, "nobody connects with a token that has ended"


def test_a_sleep_while_a_code_is_shown_is_not_waited_for_again():
    rig = Rig("wait", code_s=600)

    async def story():
        task = asyncio.create_task(rig.agent.run())
        await rig.clock.sleep_until(2 * MINUTE)
        rig.clock.time += 8 * HOUR
        rig.server.decide = "approve"
        woken = rig.clock.now()
        while "paired" not in rig.names():
            await rig.clock.sleep_until(rig.clock.now() + 1000)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        assert rig.clock.now() - woken <= MINUTE

    rig.run(story())
    assert rig.names()[:3] == ["code", "expired", "code"]
