"""pairlet_board.wifi: joins, says why not, and joins again."""

import asyncio

from fakes import VirtualClock
from pairlet.core.secret import Secret
from pairlet_board import wifi
from pairlet_board.wifi import Wifi

KEY = "correct horse battery"


class Air:
    """The module network and its WLAN in one, beside an access point that a test moves.

    `there`: whether the access point is on the air; `key`: what it wants, None for open; `codes`: what
    status() says, by our words; `dhcp`: whether an address is given out. Joining takes 2 s.
    """

    STA_IF = 0

    def __init__(self, clock, codes, key=KEY):
        self.clock = clock
        self.codes = codes
        self.key = key
        self.there = True
        self.dhcp = True
        self.stuck = False
        self.refuses_options = True
        self.calls = []
        self.raises = {}
        self.is_active = False
        self.begun = None
        self.offered = None

    def WLAN(self, interface):
        assert interface == self.STA_IF
        return self

    def note(self, name, *values):
        self.calls.append((name,) + values)
        if name in self.raises:
            raise self.raises[name]

    def country(self, code):
        assert not self.is_active
        self.note("country", code)

    def hostname(self, name):
        assert not self.is_active
        self.note("hostname", name)

    def active(self, on):
        self.note("active", on)
        self.is_active = on
        self.begun = None

    def config(self, *names, **options):
        if names:
            raise ValueError("unknown config param")
        self.note("config", sorted(options.items()))
        if self.refuses_options:
            raise ValueError("unknown config param")

    def connect(self, ssid, key=None):
        assert self.is_active
        self.note("connect", ssid)
        self.offered = key
        self.begun = self.clock.time

    def disconnect(self):
        self.note("disconnect")
        self.begun = None

    def answered(self):
        return self.begun is not None and self.clock.time - self.begun >= 2000

    def isconnected(self):
        if "isconnected" in self.raises:
            raise self.raises["isconnected"]
        joined = self.answered() and self.there and self.offered == self.key
        return joined and self.dhcp and not self.stuck

    def status(self, name=None):
        if name == "rssi":
            if not self.isconnected():
                raise OSError(5, "not connected")
            return -61
        if not self.answered() or self.stuck:
            return self.codes["joining"]
        if not self.there:
            return self.codes["no access point"]
        if self.offered != self.key:
            return self.codes["wrong key"]
        return self.codes["joined"] if self.dhcp else self.codes["no address"]


PICO_W = {"joining": 1, "no access point": -2, "wrong key": -3, "joined": 3, "no address": 2}
ESP32 = {"joining": 1001, "no access point": 201, "wrong key": 202, "joined": 1010, "no address": 1001}
ESP32_HANDSHAKE = {
    "joining": 1001,
    "no access point": 212,
    "wrong key": 15,
    "joined": 1010,
    "no address": 1001,
}
CHIPS = (PICO_W, ESP32, ESP32_HANDSHAKE)


class Scene:
    """A Wifi that runs in virtual time; `states` are (state, when)."""

    def __init__(self, codes=PICO_W, key=KEY, wanted=KEY, **options):
        self.clock = VirtualClock(0)
        self.air = Air(self.clock, codes, wanted)
        self.states = []
        secret = Secret(key) if key else None
        self.wifi = Wifi(
            self.air, "home", secret, self.clock, "pairlet-1", "DE", changed=self.changed, **options
        )

    def changed(self, state):
        self.states.append((state, self.clock.time))

    def play(self, until, *events):
        """Run up to `until`; at the time of each (when, action) do the action."""

        async def scenario():
            task = asyncio.create_task(self.wifi.run(b"seed"))
            for when, action in events:
                await self.clock.sleep_until(when)
                action(self)
            await self.clock.sleep_until(until)
            task.cancel()

        asyncio.run(self.clock.drive(scenario()))
        return [state for state, _ in self.states]


def put(**values):
    """An action that sets attributes of the air."""

    def action(scene):
        for name in values:
            setattr(scene.air, name, values[name])

    return action


def times(scene, name):
    return len([call for call in scene.air.calls if call[0] == name])


def test_it_joins_and_watches_the_link_before_it_trusts_it():
    for codes in CHIPS:
        scene = Scene(codes)
        assert scene.play(60000) == ["joining", "checking", "up"]
        checking, up = scene.states[1][1], scene.states[2][1]
        assert 3000 <= up - checking <= 4000
        assert scene.wifi.up.is_set()
        assert times(scene, "connect") == 1
        assert scene.wifi.words() == ("", "")


def test_name_and_country_come_before_the_chip_is_on_and_power_save_goes_off():
    scene = Scene()
    scene.play(10000)
    calls = scene.air.calls
    assert calls[:3] == [("country", "DE"), ("hostname", "pairlet-1"), ("active", True)]
    assert ("config", [("pm", 0xA11140)]) in calls
    assert scene.air.offered == KEY


def test_an_open_network_gets_no_key():
    scene = Scene(key="", wanted=None)
    assert scene.play(60000)[-1] == "up"


def test_a_wrong_key_and_a_missing_access_point_are_told_apart():
    for codes in CHIPS:
        scene = Scene(codes, key="something else")
        assert scene.play(20000)[:2] == ["joining", "wrong key"]
        assert scene.wifi.failure == wifi.WRONG_KEY
        assert "key" in scene.wifi.words()[1] and "home" in scene.wifi.words()[0]
        scene = Scene(codes)
        scene.air.there = False
        assert scene.play(20000)[:2] == ["joining", "no access point"]
        assert "distance" in scene.wifi.words()[1]


def test_no_address_is_told_apart_where_the_chip_tells():
    scene = Scene(PICO_W)
    scene.air.dhcp = False
    assert scene.play(50000)[:2] == ["joining", "no address"]
    scene = Scene(ESP32)
    scene.air.dhcp = False
    assert scene.play(50000)[:2] == ["joining", "failed"]


def test_it_never_gives_up_and_pauses_ever_longer():
    scene = Scene()
    scene.air.there = False
    scene.play(600000, (400000, put(there=True)))
    assert [state for state, _ in scene.states][-1] == "up"
    began = [when for state, when in scene.states if state == "joining"]
    gaps = [began[index + 1] - began[index] for index in range(len(began) - 1)]
    assert gaps[0] < 5000
    assert 30000 < max(gaps) <= 70000
    # Off and on again each time.
    assert times(scene, "disconnect") == times(scene, "connect") - 1
    assert scene.air.calls.count(("active", True)) == times(scene, "connect")


def test_a_link_that_comes_and_goes_is_not_trusted():
    scene = Scene()
    blinks = [(when, put(there=bool(when // 2000 % 2))) for when in range(2000, 26000, 2000)]
    states = scene.play(25000, *blinks)
    assert "checking" in states and "up" not in states


def test_a_lost_network_is_joined_again():
    scene = Scene()
    states = scene.play(60000, (20000, put(there=False)), (30000, put(there=True)))
    assert states[:4] == ["joining", "checking", "up", "lost"]
    assert 20000 < scene.states[3][1] < 23000
    assert states[-1] == "up" and scene.wifi.up.is_set()


def test_while_it_is_lost_nobody_is_let_through():
    scene = Scene()
    seen = []
    scene.play(30000, (20000, put(there=False)), (25000, lambda scene: seen.append(scene.wifi.up.is_set())))
    assert seen == [False]
    assert not scene.wifi.up.is_set()


def test_a_blink_of_the_link_is_not_a_loss():
    scene = Scene()
    # Between two looks a second apart, and for less than the half second that is allowed.
    states = scene.play(40000, (20000, put(there=False)), (20300, put(there=True)))
    assert states == ["joining", "checking", "up"]


def test_errors_of_the_chip_are_failures_like_others():
    for call in ("connect", "isconnected", "active"):
        for error in (OSError(-110, "x"), OSError(118, "x"), OSError("Wifi Internal Error")):
            scene = Scene()
            scene.air.raises[call] = error
            states = scene.play(60000, (20000, lambda scene: scene.air.raises.clear()))
            assert states[:2] == ["joining", "failed"], call
            assert states[-1] == "up"


def test_a_key_that_the_chip_refuses_appears_nowhere():
    scene = Scene()
    scene.air.raises["connect"] = ValueError("bad key " + KEY)
    assert scene.play(5000)[:2] == ["joining", "failed"]
    assert KEY not in repr((scene.states, scene.wifi.words(), scene.air.calls, scene.wifi.failure))


def test_options_that_a_chip_takes_are_no_trouble_either():
    scene = Scene()
    scene.air.refuses_options = False
    assert scene.play(20000)[-1] == "up"


def test_a_chip_that_hangs_is_switched_off_and_on():
    scene = Scene()
    scene.air.stuck = True
    states = scene.play(120000, (60000, put(stuck=False)))
    assert states[:2] == ["joining", "failed"]
    assert states[-1] == "up"
    assert ("active", False) in scene.air.calls


def test_the_signal_strength_is_told_while_there_is_one():
    scene = Scene()
    assert scene.wifi.rssi() is None
    scene.play(20000)
    assert scene.wifi.rssi() == -61
