"""Joins the Wi-Fi and stays in it."""

import asyncio

from pairlet.core.backoff import Backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pairlet.core.secret import Secret
    from pairlet.ports import Clock

# States. Those after UP say why the last try failed, and trying goes on in all of them.
OFF = "off"
JOINING = "joining"
CHECKING = "checking"  # joined, and watched for a moment before it is trusted
UP = "up"
LOST = "lost"
NO_AP = "no access point"
WRONG_KEY = "wrong key"
NO_ADDRESS = "no address"
FAILED = "failed"

# What status() says when the chip has given up: below 0 a Pico W (CYW43), above ESP32, where it is the
# reason of IEEE 802.11 or ESP-IDF. There, a wrong key shows as a handshake that ran out of time (15, 204)
# as often as not.
_VERDICTS = {
    -3: WRONG_KEY,
    15: WRONG_KEY,
    202: WRONG_KEY,
    204: WRONG_KEY,
    -2: NO_AP,
    200: NO_AP,
    201: NO_AP,
    210: NO_AP,
    211: NO_AP,
    212: NO_AP,
    -1: FAILED,
    203: FAILED,
}
_ADVICE = {
    NO_AP: "Check its name and the distance; 5 GHz is out of reach.",
    WRONG_KEY: "Put the right key into the configuration.",
    NO_ADDRESS: "Check the router's DHCP.",
    FAILED: "Check the router.",
    LOST: "Joining again.",
}

_LOOK_MS = 250
_WATCH_MS = 1000
# DHCP behind a slow router takes most of it.
_JOIN_MS = 30000
# A link that was just made comes and goes: it counts once it has held this long.
_SETTLE_MS = 3000
# A Pico W reports a verdict of the last try for a moment after connect().
_VERDICT_AFTER_MS = 2000
_BRIEF_MS = 500
_LONGEST_PAUSE_MS = 60000
# Each is for one make of chip, and the other refuses it. pm: power save off, for in its default mode a
# Pico W drops off the network and answers late. reconnects: an ESP32 tries for ever and says "connecting".
_OPTIONS = ({"pm": 0xA11140}, {"reconnects": 2})


class Wifi:
    """One network, joined and joined again by run(), which somebody has to keep as a task.

    network: the module. key: its key, or None for an open one; it goes nowhere but to connect().
    hostname: what the router shows. country: two letters, for the channels that are allowed there.
    `changed(state)` hears each change of `state`, a constant of this module.
    """

    def __init__(
        self,
        network: "Any",
        ssid: str,
        key: "Secret | None",
        clock: "Clock",
        hostname: str = "",
        country: str = "",
        changed: "Callable[[str], None] | None" = None,
    ):
        self._network = network
        self._ssid = ssid
        self._key = key
        self._clock = clock
        self._hostname = hostname
        self._country = country
        self._changed = changed
        self._wlan = network.WLAN(getattr(network, "STA_IF", 0))
        self.state = OFF
        self.failure = ""  # the state that the last try ended in, "" after a good one
        self.up = asyncio.Event()  # set while the network can be used

    async def run(self, seed: bytes) -> None:
        """Keep the board in the network until cancelled. `seed`: as for Backoff."""
        backoff = Backoff(1000, _LONGEST_PAUSE_MS, seed)
        while True:
            verdict = await self._join()
            if verdict == UP:
                backoff.reset()
                self.failure = ""
                self._tell(UP)
                self.up.set()
                await self._watch()
                self.up.clear()
                verdict = LOST
            self.failure = verdict
            self._tell(verdict)
            # Switched off and on again, chips of both makes forget what they were stuck in.
            self._switch_off()
            await self._clock.sleep_until(self._clock.now() + backoff.delay_ms())

    def rssi(self) -> "int | None":
        """The strength of the signal in dBm, None when there is none."""
        for ask in (self._wlan.status, self._wlan.config):
            try:
                return int(ask("rssi"))
            except (OSError, ValueError, TypeError):
                continue
        return None

    def words(self) -> "tuple[str, str]":
        """For a display: what is wrong, and what to do. Two times "" while nothing is."""
        if not self.failure:
            return "", ""
        return f"Wi-Fi {self._ssid}: {self.failure}", _ADVICE[self.failure]

    async def _join(self) -> str:
        """Try once; return UP or why not."""
        self._tell(JOINING)
        try:
            self._switch_on()
            # Ports disagree on what an open network takes as its key; all take none.
            if self._key:
                self._wlan.connect(self._ssid, self._key.reveal())
            else:
                self._wlan.connect(self._ssid)
            return await self._wait()
        except (OSError, ValueError):
            # ESP32 has numbers of its own for it, a Pico W others: none says more than this. A key of a
            # length that none has is refused here, too, and the words of that error may hold it.
            return FAILED

    def _switch_on(self) -> None:
        # Name and country count when the chip starts; not every firmware has both.
        for name, value in (("country", self._country), ("hostname", self._hostname)):
            setter = getattr(self._network, name, None)
            if value and setter is not None:
                _try(setter, value)
        self._wlan.active(True)
        for option in _OPTIONS:
            _try(self._wlan.config, **option)

    def _switch_off(self) -> None:
        _try(self._wlan.disconnect)
        _try(self._wlan.active, False)

    async def _wait(self) -> str:
        """Wait for the link, and then whether it holds; return UP or why not."""
        clock = self._clock
        began = clock.now()
        since = None  # how long it has been there
        while True:
            now = clock.now()
            if self._wlan.isconnected():
                if since is None:
                    since = now
                    self._tell(CHECKING)
                if now - since >= _SETTLE_MS:
                    return UP
            else:
                since = None
                verdict = self._verdict() if now - began >= _VERDICT_AFTER_MS else ""
                if verdict:
                    return verdict
                if now - began >= _JOIN_MS:
                    return self._undecided()
            await clock.sleep_until(now + _LOOK_MS)

    def _verdict(self) -> str:
        """Why the chip has given up, "" while it has not."""
        return _VERDICTS.get(self._wlan.status(), "")

    def _undecided(self) -> str:
        """What to call a try that ran out of time: a Pico W's status 2 is a link without an address."""
        return NO_ADDRESS if self._wlan.status() == 2 else FAILED

    async def _watch(self) -> None:
        """Return when the link is gone, and not only for a blink."""
        clock = self._clock
        gone = None
        while True:
            now = clock.now()
            if self._is_connected():
                gone = None
            elif gone is None:
                gone = now
            elif now - gone >= _BRIEF_MS:
                return
            await clock.sleep_until(now + (_WATCH_MS if gone is None else _LOOK_MS))

    def _is_connected(self) -> bool:
        try:
            return bool(self._wlan.isconnected())
        except OSError:
            return False

    def _tell(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if self._changed is not None:
                self._changed(state)


def _try(call: "Callable[..., object]", *values: object, **options: object) -> None:
    """Call what not every board has, or not with these values: it works without, too."""
    try:
        call(*values, **options)
    except (OSError, ValueError, TypeError):
        pass
