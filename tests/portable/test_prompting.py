"""Codes are for people: when a device shows one by itself, and when it waits (RFC 8628 sections 3.1, 3.5)."""

import json

from fakes import MemoryBroker, MemoryStore, VirtualClock
from pairlet.core.errors import StoreError
from pairlet.core.http import Response
from pairlet.core.wall import UNSET, Wall
from place import Place, shown
from test_agent import MINUTE, Rig

LONG = 3 * 60 * MINUTE
PROMPT = {"pairing": {"start": "prompt", "codes": 2}}


def waits(rig, kind):
    """Whether the screen says `kind`, and what a person can do on this device."""
    screen = rig.display.screens[-1]
    return (screen.kind, screen.advice) == (kind, rig.button.advice)


def test_item_06_item_20_nobody_is_asked_for_ever():
    rig = Rig("wait", code_s=600)
    rig.run(rig.agent.run(), until=LONG)
    assert rig.names() == ["code", "expired"] * 3 and waits(rig, "expired")
    assert rig.http.log[-1][1] < 31 * MINUTE
    assert list(rig.store.values) == []


def test_item_06_item_20_a_prompted_device_asks_for_nothing_by_itself():
    rig = Rig("wait", code_s=600, settings=PROMPT)
    rig.run(rig.agent.run(), until=LONG)
    assert rig.http.log == [] and rig.events == [] and waits(rig, "unpaired")


def test_a_press_gives_all_the_codes_again():
    rig = Rig("wait", code_s=60, settings=PROMPT)

    async def story():
        for hour in (1, 2):
            await rig.clock.sleep_until(hour * 60 * MINUTE)
            rig.button.press()
        await rig.clock.sleep_until(LONG)

    rig.run_beside(story())
    assert rig.names() == ["code", "expired"] * 4 and waits(rig, "expired")


def test_a_fresh_code_follows_one_that_ran_out_after_a_pause_of_this_device_s_own():
    pauses = []
    for serial in range(6):
        rig = Rig("wait", code_s=60, settings={"pairing": {"codes": 2}})
        rig.agent.ports.entropy.random_bytes(7 * serial)
        rig.run(rig.agent.run(), until=10 * MINUTE)
        asked = [began for began, _, request in rig.http.log if request.url.endswith("/device")]
        polled = [ended for _, ended, request in rig.http.log if ended < asked[1]]
        pauses.append(asked[1] - polled[-1])
        between = [screen for screen in rig.display.screens if screen.advice == "A new code follows."]
        assert [screen.kind for screen in between] == ["expired"]
        assert shown(rig) == [("WDJB-MJH1", 60), ("WDJB-MJH2", 60)]
    assert min(pauses) >= 5000 and max(pauses) <= 10000 and len(set(pauses)) > 3


def test_a_person_who_declines_is_not_asked_again():
    rig = Rig("deny")
    rig.run(rig.agent.run(), until=LONG)
    assert rig.names() == ["code", "denied"] and waits(rig, "denied")


def test_a_press_while_a_code_is_shown_or_while_paired_means_nothing():
    rig = Rig("wait", broker=MemoryBroker())

    async def story():
        await rig.clock.sleep_until(MINUTE)
        rig.button.press()
        await rig.clock.sleep_until(2 * MINUTE)
        rig.server.decide = "approve"
        await rig.clock.sleep_until(3 * MINUTE)
        rig.button.press()
        await rig.clock.sleep_until(10 * MINUTE)

    rig.run_beside(story())
    assert rig.names() == ["code", "paired", "mqtt_connected"]


def test_a_code_that_the_server_has_lost_has_run_out_for_people():
    rig = Rig("wait", settings={"pairing": {"codes": 2}})

    def answer(request):
        if request.url.endswith("/token"):
            rig.server.codes.clear()
        return rig.server(request)

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=LONG)
    assert rig.names() == ["code", "error", "code", "error"] and waits(rig, "expired")
    assert rig.events[1][1]["error"] == "invalid_grant"


class StickyStore(MemoryStore):
    """While `sticks` it deletes nothing, as a disk that has become read-only."""

    sticks = True

    def delete(self, name):
        if self.sticks and name == "pairing":
            raise StoreError("the disk is read-only")
        super().delete(name)


def pressed_after_a_denial(mended):
    """A board whose disk kept a code that was denied. `mended`: before somebody wants another."""
    # One that knows no calendar can't tell by the record that the code's time is over.
    rig = Rig("deny", store=StickyStore(), clock=VirtualClock(1000, Wall(UNSET, None), ""))

    async def story():
        await rig.clock.sleep_until(30 * MINUTE)
        assert "pairing" in rig.store.values and waits(rig, "denied")
        rig.store.sticks = not mended
        rig.server.decide = "approve"
        rig.button.press()
        await rig.clock.sleep_until(60 * MINUTE)

    rig.run_beside(story())
    return rig


def test_a_code_that_has_ended_is_shown_to_nobody_again_whatever_the_disk_holds():
    for mended in (True, False):
        rig = pressed_after_a_denial(mended)
        assert [code for code, _ in shown(rig)] == ["WDJB-MJH1", "WDJB-MJH2"]
        assert "paired" in rig.names() and ("pairing" in rig.store.values) != mended


# ---- a restart


def test_item_06_a_code_that_was_asked_for_needs_no_second_press_after_a_restart():
    place = Place(code_s=60, settings=PROMPT)
    first = place.boot()

    async def press():
        await first.clock.sleep_until(5000)
        first.button.press()

    async def played():
        await press()
        await first.clock.sleep_until(LONG)

    async def agent_and_button():
        from pairlet.drive import first_of

        await first_of(first.agent.run(), played())

    place.cut(first, agent_and_button(), 20000)
    again = place.boot(off_ms=3000)
    again.run(again.agent.run(), until=LONG)
    # That code only: whoever pressed may have gone with the power.
    assert again.names() == ["code", "expired"] and place.codes() == 1 and waits(again, "expired")


def test_item_06_a_code_that_ran_out_in_the_dark_is_not_replaced_unasked():
    for wall in ("synced", UNSET):
        place = Place(code_s=600)
        first = place.boot(wall=wall)
        place.cut(first, first.agent.run(), 20000)
        again = place.boot(wall=wall, off_ms=LONG, settings=PROMPT)
        again.run(again.agent.run(), until=LONG)
        # With a clock it is known to be over; without one the server is asked once.
        assert again.names() == ([] if wall == "synced" else ["code", "expired"])
        assert place.codes() == 1 and len(again.http.log) == (0 if wall == "synced" else 1)
        assert waits(again, "unpaired" if wall == "synced" else "expired")
        assert list(again.store.values) == []


# ---- after a pairing


def after_the_server_ended_it(**pairing):
    """The Rig of a device that the server has un-paired within its first 20 minutes."""
    rig = Rig(broker=MemoryBroker(), token_s=600, code_s=60, settings={"pairing": pairing})

    async def story():
        if pairing.get("start") == "prompt":
            await rig.clock.sleep_until(1500)
            rig.button.press()
        await rig.clock.sleep_until(MINUTE)
        rig.server.live_refresh_token = "somebody removed the device"
        rig.server.decide = "wait"
        await rig.clock.sleep_until(LONG)

    rig.run_beside(story())
    names = rig.names()
    assert names[:3] == ["code", "paired", "mqtt_connected"]
    reasons = [fields["reason"] for event, fields in rig.events if event == "unpaired"]
    assert reasons == ["invalid_grant"]
    return rig, names[names.index("unpaired") + 1 :].count("code")


def test_item_06_after_an_end_by_the_server_a_person_is_waited_for_if_so_configured():
    for pairing in ({"start": "prompt"}, {"renew": False}, {"start": "prompt", "renew": True}):
        rig, codes = after_the_server_ended_it(**pairing)
        assert codes == 0 and waits(rig, "unpaired"), pairing
    rig, codes = after_the_server_ended_it(codes=2)
    assert codes == 2 and waits(rig, "expired")


def test_renew_is_not_about_the_first_code():
    rig = Rig(settings={"pairing": {"renew": False}})
    rig.run(rig.agent.run(), until=MINUTE)
    assert rig.names() == ["code", "paired"]


def test_a_token_that_ends_for_good_is_the_end_of_a_pairing_too():
    rig = Rig(token_s=60, settings={"pairing": {"renew": False}})

    def answer(request):
        response = rig.server(request)
        members = json.loads(response.body)
        members.pop("refresh_token", None)
        return Response(response.status, response.headers, json.dumps(members).encode())

    rig.http.answer = answer
    rig.run(rig.agent.run(), until=LONG)
    assert rig.names() == ["code", "paired", "unpaired", "error"] and waits(rig, "unpaired")


def test_where_nobody_else_uses_the_store_it_is_all_the_same():
    rig = Rig("wait", code_s=60, settings=PROMPT)
    rig.store.is_shared = False

    async def story():
        for minute in (10, 20):
            await rig.clock.sleep_until(minute * MINUTE)
            rig.button.press()
        rig.server.decide = "approve"
        await rig.clock.sleep_until(30 * MINUTE)

    rig.run_beside(story())
    assert rig.names() == ["code", "expired", "code", "expired", "code", "paired"]
    assert list(rig.store.values) == ["token"]
