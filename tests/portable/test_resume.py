"""A restart while the code is on the screen: the same code goes on, at its pace, until its end."""

import asyncio
import json

from model_server import ISSUER
from pairlet.core.errors import TransportError
from pairlet.core.http import Response
from pairlet.core.wall import FLOOR, SYNCED, UNSET
from pairlet.drive import Patience
from place import Place, shown
from test_agent import MINUTE, raised

RECORD = "pairing"


def killed(place, at=20000, run=None, **boot):
    """Start, and lose power when the device's clock says `at`; the Rig of that start."""
    rig = place.boot(**boot)
    place.cut(rig, rig.agent.pair(Patience(3)) if run is None else run(rig), at)
    return rig


def goes_on(place, **boot):
    """Start again; somebody approves; the Rig of that start, which has paired by then."""
    rig = place.boot(**boot)
    place.server.decide = "approve"
    rig.run(rig.agent.pair(Patience(3)))
    return rig


def test_the_same_code_comes_back_with_the_time_that_is_left():
    place = Place()
    first = killed(place)
    again = goes_on(place, off_ms=30000)
    assert shown(first) == [("WDJB-MJH1", 600)]
    # The first start asked at 1050 of its own clock; 20000 were played, and 30000 in the dark.
    assert shown(again)[0][0] == "WDJB-MJH1" and 550 <= shown(again)[0][1] <= 552
    assert again.names() == ["code", "paired"] and place.codes() == 1 and place.server.too_fast == 0
    assert again.display.kinds() == ["code", "paired"]
    assert RECORD not in again.store.values and "token" in again.store.values


def test_run_goes_on_as_well():
    place = Place()
    killed(place, run=lambda rig: rig.agent.run())
    again = place.boot()
    place.server.decide = "approve"
    again.run(again.agent.run(), until=MINUTE)
    assert again.names() == ["code", "paired"] and place.codes() == 1 and place.server.too_fast == 0


def test_it_asks_the_server_for_nothing_but_the_token():
    place = Place()
    killed(place)
    before = len(place.server.requests)
    goes_on(place)
    assert place.server.requests[before:] == ["/token"]


def test_without_a_network_the_code_is_on_the_screen_all_the_same():
    place = Place()
    killed(place)
    again = place.boot()
    down = [True]
    again.http.answer = lambda request: TransportError("no route") if down else place.server(request)

    async def story():
        await again.clock.sleep_until(again.clock.now() + 3 * MINUTE)
        assert again.display.kinds() == ["code"] and "no route" in again.display.screens[-1].message
        down.pop()
        place.server.decide = "approve"
        await again.clock.sleep_until(again.clock.now() + 3 * MINUTE)

    # A command has more patience with the network once there is a code.
    again.run_beside(story(), again.agent.pair(Patience(3)))
    assert again.names() == ["code", "paired"]


def test_at_whatever_moment_the_power_goes():
    moments = list(range(1000, 1300, 10)) + list(range(5900, 6300, 20)) + list(range(1000, 30000, 490))
    for at in moments:
        place = Place()
        first = killed(place, at)
        asked, kept = place.codes(), RECORD in place.disk
        # What a person may have seen is kept.
        assert kept or "code" not in first.names(), at
        again = goes_on(place, off_ms=at % 977)
        assert place.codes() == asked + (not kept), at
        assert not kept or shown(again)[0][0] == shown(first)[0][0], at
        assert again.names() == ["code", "paired"] and place.server.too_fast == 0, at
        assert RECORD not in again.store.values


def test_again_and_again():
    place = Place()
    killed(place)
    for number in range(8):
        rig = killed(place, 8000, off_ms=1000 * number, same_boot=number % 2 == 1)
        assert shown(rig)[0][0] == "WDJB-MJH1"
    assert goes_on(place).names() == ["code", "paired"]
    assert place.codes() == 1 and place.server.too_fast == 0


def slowed_down(place):
    """A first start that learns of slow_down twice, and is cut off before the third poll."""
    rig = place.boot()
    bodies = [b'{"error":"slow_down"}', b'{"error":"slow_down","interval":22}']

    def answer(request):
        if request.url.endswith("/token") and bodies:
            place.server(request)
            return Response(400, [("content-type", "application/json")], bodies.pop(0))
        return place.server(request)

    rig.http.answer = answer
    place.cut(rig, rig.agent.pair(Patience(3)), 20000)
    assert not bodies
    list(place.server.codes.values())[0][2] = 22000
    return rig


def test_item_18_slow_down_is_kept():
    place = Place()
    slowed_down(place)
    again = goes_on(place)
    assert [fields["interval"] for event, fields in again.events if event == "code"] == [22]
    assert again.http.log[0][0] >= 1000 + 22000 and place.server.too_fast == 0


def test_retry_after_is_kept():
    place = Place()
    first = place.boot()
    busy = [Response(503, [("retry-after", "100")], b"")]

    def answer(request):
        return busy.pop() if request.url.endswith("/token") and busy else place.server(request)

    first.http.answer = answer
    place.cut(first, first.agent.pair(Patience(3)), 20000)
    asked = [ended for _, ended, request in first.http.log if request.url.endswith("/token")]
    again = goes_on(place, same_boot=True)
    assert len(asked) == 1 and again.http.log[0][0] >= asked[0] + 100000


def test_the_record_is_written_for_the_code_and_for_its_pace_only():
    place = Place()
    rig = slowed_down(place)
    assert [name for name, _ in rig.store.history].count(RECORD) == 3
    place = Place()
    rig = killed(place, 10 * MINUTE)
    assert [name for name, _ in rig.store.history].count(RECORD) == 1


# ---- until when


def left_after(off_ms, then, now, behind_s=0):
    """Seconds that the code has left after a restart; None if another code is shown instead."""
    place = Place()
    killed(place, wall=then, behind_s=3600)
    rig = place.boot(wall=now, off_ms=off_ms, behind_s=behind_s)
    place.cut(rig, rig.agent.pair(Patience(3)), 1500)
    code, left = shown(rig)[0]
    assert (place.codes() == 1) == (code == "WDJB-MJH1")
    return left if code == "WDJB-MJH1" else None


def test_the_end_is_known_across_a_reboot_when_the_clock_is():
    assert 479 <= left_after(100000, SYNCED, SYNCED) <= 482
    assert 1 <= left_after(578000, SYNCED, SYNCED) <= 4
    assert left_after(600000, SYNCED, SYNCED) is None
    assert left_after(10**9, SYNCED, SYNCED) is None


def test_a_floor_takes_off_what_it_knows():
    assert 529 <= left_after(100000, SYNCED, FLOOR, behind_s=50) <= 532
    assert 598 <= left_after(100000, SYNCED, FLOOR, behind_s=7200) <= 600
    # Later than the end in any case: that much a floor knows.
    assert left_after(7200000, SYNCED, FLOOR, behind_s=3600) is None


def test_where_no_clock_knows_the_code_may_have_all_of_its_time():
    for then in (SYNCED, FLOOR, UNSET):
        for now in (SYNCED, FLOOR, UNSET):
            if UNSET in (then, now) or then == FLOOR:
                assert 598 <= left_after(100000, then, now, behind_s=3600) <= 600


def test_in_the_same_boot_no_clock_is_needed():
    for wall in (UNSET, FLOOR):
        place = Place()
        killed(place, wall=wall)
        rig = place.boot(wall=wall, off_ms=100000, same_boot=True)
        place.cut(rig, rig.agent.pair(Patience(3)), rig.clock.now() + 500)
        assert 479 <= shown(rig)[0][1] <= 482


def test_a_code_that_was_older_than_anybody_knew_is_replaced_and_nothing_is_said_of_it():
    # Servers that remember say expired_token, those that have swept it away invalid_grant.
    for forgotten in (False, True):
        place = Place(settings={"pairing": {"codes": 1}})
        killed(place, wall=UNSET)
        if forgotten:
            place.server.codes.clear()
        again = place.boot(wall=UNSET, off_ms=60 * MINUTE)
        again.run(again.agent.run(), until=30 * MINUTE)
        # It was no code that anybody let run out: the one of `codes` came after it.
        assert again.names() == ["code", "code", "expired"] and place.codes() == 2
        assert [code for code, _ in shown(again)] == ["WDJB-MJH1", "WDJB-MJH2"]
        # One look at the old code, at its pace.
        asked = [request for _, _, request in again.http.log if b"device-code-1" in request.body]
        assert len(asked) == 1 and again.http.log[0][0] >= 6000 and place.server.too_fast == 0


def test_a_resumed_code_that_runs_out_in_front_of_people_has_expired():
    place = Place()
    killed(place)
    again = place.boot()
    assert raised(again.run, again.agent.pair(Patience(3))).exit_code == 4
    assert again.names() == ["code", "expired"] and place.codes() == 1
    assert RECORD not in again.store.values


# ---- what ends it


def record_after(decide, answer=None, **settings):
    place = Place(decide, code_s=60, settings=settings)
    rig = place.boot()
    if answer is not None:
        rig.http.answer = lambda request: answer if request.url.endswith("/token") else place.server(request)
    try:
        rig.run(rig.agent.pair(Patience(3)))
        error = None
    except Exception as caught:
        error = caught
    assert RECORD in [name for name, _ in rig.store.history]
    assert RECORD not in rig.store.values
    return error


def test_no_end_leaves_a_record_behind():
    assert record_after("approve") is None
    assert record_after("deny").exit_code == 3
    assert record_after("wait").exit_code == 4
    for body in (b'{"error":"invalid_client"}', b'{"error":"invalid_grant"}', b'{"access_token":"a"}'):
        assert record_after("wait", Response(400 if b"error" in body else 200, [], body)).exit_code == 6


def test_out_of_time_leaves_no_record_behind():
    assert record_after("wait", Response(503, [("retry-after", "3600")], b"")).exit_code == 4


def test_a_stop_in_the_middle_of_the_last_poll_leaves_no_record_behind():
    for decide in ("approve", "deny"):
        place = Place(decide)
        rig = place.boot()
        stopping = []

        def answer(request, place=place, stopping=stopping):
            if request.url.endswith("/token"):
                # While its answer is on the way.
                stopping[0].cancel()
            return place.server(request)

        rig.http.answer = answer

        async def story(rig=rig, stopping=stopping):
            stopping.append(asyncio.create_task(rig.agent.pair(Patience(3))))
            try:
                await stopping[0]
            except asyncio.CancelledError:
                pass

        rig.run(story())
        assert RECORD in [name for name, _ in rig.store.history]
        assert list(rig.store.values) == (["token"] if decide == "approve" else [])


def test_a_configuration_that_asks_for_something_else_asks_anew():
    for changed in (
        {"oauth": {"scope": "telemetry offline_access"}},
        {"oauth": {"extra": {"audience": "api"}}},
        {"oauth": {"token_endpoint": ISSUER + "/token2"}},
        {"pairing": {"announce": False}},
    ):
        place = Place()
        killed(place)
        rig = place.boot(settings=changed)
        place.cut(rig, rig.agent.pair(Patience(3)), 5000)
        assert place.codes() == 2 and shown(rig)[0][0] == "WDJB-MJH2", changed
        assert json.loads(place.disk[RECORD])["user_code"] == "WDJB-MJH2"


def test_the_code_of_another_account_goes_nowhere():
    for account in ([ISSUER, "radio"], ["https://other.test", "tv"], None):
        place = Place()
        killed(place)
        record = json.loads(place.disk[RECORD])
        assert record["account"] == [ISSUER, "tv"]
        record["account"] = account
        place.disk[RECORD] = json.dumps(record).encode()
        rig = goes_on(place)
        assert rig.names() == ["code", "paired"] and place.codes() == 2
        assert not any(b"device-code-1" in request.body for _, _, request in rig.http.log)
        assert list(rig.store.values) == ["token"]


def test_an_unpairing_forgets_the_code_as_well():
    place = Place()
    killed(place)
    rig = place.boot()
    assert rig.run(rig.agent.unpair(Patience(3))) is None
    assert RECORD not in rig.store.values


def test_what_can_not_be_read_is_set_aside_and_a_new_code_asked_for():
    place = Place()
    killed(place)
    good = json.loads(place.disk[RECORD])
    broken = [b"", b"{", b"[]", b"\xff", b'{"version":9}']
    for name, value in (
        ("device_code", None),
        ("device_code", 7),
        ("user_code", "\x1b[2J"),
        ("verification_uri", "http://evil.test/"),
        ("token_endpoint", None),
        ("token_endpoint", "http://evil.test/token"),
        ("expires_in", "x"),
        ("version", 2),
        ("issuer", "https://evil.test"),
    ):
        record = good.copy()
        record[name] = value
        broken.append(json.dumps(record).encode())
    for data in broken:
        place = Place()
        place.disk = {RECORD: data}
        rig = goes_on(place)
        assert rig.names() == ["error", "code", "paired"], data
        assert rig.store.values[RECORD + ".corrupt-1"] == data
        assert good["device_code"] not in str(rig.events)


def test_a_disk_that_takes_no_record_costs_no_pairing():
    place = Place()
    rig = place.boot()
    rig.store.broken = (RECORD,)
    place.server.decide = "approve"
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.names() == ["error", "code", "paired"] and rig.events[0][1]["exit_code"] == 8


def test_a_record_that_was_there_before_goes_whatever_became_of_it_since():
    place = Place()
    killed(place)
    again = place.boot()
    again.store.broken = (RECORD,)
    place.server.decide = "deny"
    assert raised(again.run, again.agent.pair(Patience(3))).exit_code == 3
    assert again.names() == ["error", "code", "denied"] and RECORD not in again.store.values


def test_the_device_code_is_in_the_store_and_in_nothing_that_is_shown():
    place = Place()
    first = killed(place)
    again = goes_on(place)
    assert b"device-code-1" in place.disk[RECORD]
    for rig in (first, again):
        said = [str(rig.events), repr(rig.agent), repr(rig.display.screens)]
        for screen in rig.display.screens:
            said.append(str([screen.user_code, screen.qr_text, screen.message, screen.advice]))
        assert "device-code" not in "".join(said)
