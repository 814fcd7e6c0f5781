"""Rule 2: never poll faster than told (RFC 8628 sections 3.2 and 3.5), nor on and on."""

import json
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from ..clock import RIGHT
from ..http_port import CODE, POLL, Exchange

if TYPE_CHECKING:
    from ..process import Process
    from ..world import World

_DEFAULT_MS, _SLOWER_MS = 5000, 5000
# A last poll after the code's end may be late by the interval, but by no more than this.
_LATEST_MS = 60_000
# What whole seconds and a last poll make of a code's end.
_NEARLY_OVER_MS = 70_000
# A clock that is too fast is known by the second; a start later it may have to be learned again.
_MOST_IN_A_ROW = 3
# A power cut or a failing disk so soon after an answer: it may not have been kept.
_KEEPS_WITHIN_MS = 50
_ENDINGS = ("access_denied", "expired_token")


class Pace:
    """What a device was told about one device_code, read as the RFC has it. Times in ms of its own clock.

    `ends`: when the code does (None: told in an earlier boot). `waited_from`: the end of the last exchange
    (None: in an earlier boot), `waited_from_true` the same in the world's time. `failures`: how many
    exchanges in a row brought no answer.
    """

    def __init__(
        self, device_code: str, user_code: str, interval_ms: int, ends: int, now: int, true_now: int
    ):
        self.device_code = device_code
        self.user_code = user_code
        self.interval_ms = interval_ms
        self.ends: int | None = ends
        self.may_be_late = False
        self.waited_from: int | None = now
        self.waited_from_true = true_now
        self.retry_after_ms = 0
        self.failures = 0
        self.starts = 0
        self.early_before = self.slowed_in_a_row = 0
        self.longest_interval_ms = interval_ms
        # What of the interval is surely on the disk, the last answer left out, which came at `told_at`.
        self.kept_interval_ms = interval_ms
        self.told_at = true_now
        self.over = ""
        self.late_polls = 0


def polls_no_earlier_than_told(pace: Pace, now: int) -> str:
    """The interval counts from the end of the last exchange; slow_down and Retry-After make it longer."""
    if pace.waited_from is None:
        return ""
    waited, wanted = now - pace.waited_from, max(pace.interval_ms, pace.retry_after_ms)
    return f"it polled after {waited} ms and was told to wait {wanted} ms" if waited < wanted else ""


def polls_no_earlier_than_the_server_measures(pace: Pace, true_now: int, ppm: int) -> str:
    """The same by the server's clock, also across a reboot; a device whose clock runs too fast can't know."""
    waited = true_now - pace.waited_from_true
    if ppm > RIGHT or waited >= pace.interval_ms:
        return ""
    return f"it polled after {waited} ms by the server's clock, and the interval is {pace.interval_ms} ms"


def leaves_a_code_alone_that_is_over(pace: Pace) -> str:
    """Nobody polls on after access_denied, expired_token or a token."""
    return f"it polled for a code that had ended with {pace.over}" if pace.over else ""


def polls_once_at_most_after_the_end(pace: Pace, now: int) -> str:
    """One last poll at the code's end, and not long after it."""
    if pace.ends is None or now < pace.ends or pace.may_be_late:
        return ""
    if pace.late_polls:
        return "it polled again after the code's end"
    late = now - pace.ends
    # A device may keep whole seconds only.
    most = min(pace.longest_interval_ms + 1000, _LATEST_MS)
    return f"it polled {late} ms after the code's end" if late > most else ""


def backs_off_without_an_answer(pace: Pace, now: int) -> str:
    """Section 3.5: less often after trouble with the connection, the last poll at the end excepted."""
    # At each start the code's end is reckoned anew from whole seconds.
    ends = None if pace.ends is None else pace.ends - 1000 * pace.starts
    if pace.failures < 2 or pace.waited_from is None or ends is None or now >= ends:
        return ""
    waited = now - pace.waited_from
    short = waited < 2 * pace.interval_ms
    return f"it polled after {waited} ms, after {pace.failures} polls without an answer" if short else ""


def learns_from_slow_down(early: int) -> str:
    """Also with a clock that runs too fast: what the server measures counts."""
    return (
        f"the server told it {early} times in a row that it polls too fast" if early > _MOST_IN_A_ROW else ""
    )


def shows_codes_only_while_somebody_may_look(run_out: int, denied: bool, codes: int) -> str:
    """Section 3.5: not for ever. After so many codes, or a denial, a person has to ask for another."""
    if denied:
        return "it asked for a new code by itself after a person had declined"
    return f"it asked for a new code after {run_out} had run out and nobody came" if run_out >= codes else ""


def goes_on_with_the_same_code(pace: "Pace", on_disk: bytes, server_ends: int, true_now: int) -> str:
    """A restart while a code is on the screen goes on with it, as long as it is on disk and good."""
    if pace.over or pace.device_code.encode() not in on_disk or true_now > server_ends - _NEARLY_OVER_MS:
        return ""
    return f"it asked for another code while {pace.user_code} was good and on its disk"


def keeps_its_device_id(first: str, device_id: str) -> str:
    """What it made up on its first start is on disk before anybody hears of it."""
    return "" if device_id == first else f"it calls itself {device_id} and was {first} before"


class PollWitness:
    """Sees the codes a device gets and how it polls."""

    def __init__(self, world: "World"):
        self._world = world
        self._paces: dict[str, Pace] = {}
        self._device_id = ""
        self.run_out = 0
        self.denied = False

    def begins(self, process: "Process") -> None:
        """A process of the agent starts: a person, or a boot, is behind it."""
        self.attended()
        for pace in self._paces.values():
            # The one before may not have lived to keep what it was told last, and a board can't tell how
            # long ago that was.
            if not self._world.device.clock.boot_id:
                pace.may_be_late, pace.ends = True, None
            pace.failures = pace.slowed_in_a_row = 0
            pace.starts += 1
            if not self._is_kept(pace):
                pace.interval_ms, pace.retry_after_ms, pace.over = pace.kept_interval_ms, 0, ""

    def _is_kept(self, pace: Pace) -> bool:
        """Whether what it was told last is on its disk: neither power nor disk failed it in that moment."""
        return not self._world.device.broke_between(pace.told_at, pace.told_at + _KEEPS_WITHIN_MS)

    def boots(self) -> None:
        """The device's clock starts anew: times of another boot mean nothing to it."""
        for pace in self._paces.values():
            pace.waited_from = pace.ends = None

    def frozen(self) -> None:
        """The device stands still for a while: what comes after it may be late."""
        for pace in self._paces.values():
            pace.may_be_late = True

    def attended(self) -> None:
        """Somebody is there."""
        self.run_out, self.denied = 0, False

    def sent(self, exchange: Exchange) -> None:
        """A request leaves."""
        world = self._world
        if exchange.kind == CODE:
            device_id = exchange.fields["device_id"]
            self._device_id = self._device_id or device_id
            world.judge(keeps_its_device_id, self._device_id, device_id)
            self._judge_resume()
            world.judge(shows_codes_only_while_somebody_may_look, self.run_out, self.denied, world.era.codes)
        if exchange.kind != POLL:
            return
        pace = self._paces.get(exchange.fields["device_code"])
        if pace is None:
            return
        now, true_now = world.device.now(), world.schedule.now
        world.judge(leaves_a_code_alone_that_is_over, pace)
        world.judge(polls_no_earlier_than_told, pace, now)
        world.judge(polls_no_earlier_than_the_server_measures, pace, true_now, world.device.fastest_ppm)
        world.judge(backs_off_without_an_answer, pace, now)
        world.judge(polls_once_at_most_after_the_end, pace, now)
        pace.late_polls += pace.ends is not None and now >= pace.ends

    def _judge_resume(self) -> None:
        world = self._world
        on_disk = world.device.disk.settled("pairing") or b""
        for pace in self._paces.values():
            code = world.server.codes.get(pace.device_code)
            if code is not None and not code.used:
                now = world.schedule.now
                world.judge(goes_on_with_the_same_code, pace, on_disk, code.ends, now)

    def answered(self, exchange: Exchange) -> None:
        """An answer arrives, or the news that there is none."""
        if exchange.kind == CODE:
            self._take_code(exchange)
        elif exchange.kind == POLL:
            pace = self._paces.get(exchange.fields["device_code"])
            if pace is not None:
                self._take_poll(pace, exchange)

    def _take_code(self, exchange: Exchange) -> None:
        members = members_of(exchange)
        device_code = members.get("device_code")
        if not isinstance(device_code, str):
            return
        now, true_now = self._world.device.now(), self._world.schedule.now
        ends = exchange.began + 1000 * int(str(members["expires_in"]))
        pace = Pace(device_code, str(members["user_code"]), _interval_ms(members), ends, now, true_now)
        self._paces = {device_code: pace}

    def _take_poll(self, pace: Pace, exchange: Exchange) -> None:
        world = self._world
        members = members_of(exchange)
        error = members.get("error")
        pace.waited_from, pace.waited_from_true = world.device.now(), world.schedule.now
        pace.retry_after_ms = retry_after_ms(exchange)
        code = world.server.codes.get(exchange.fields["device_code"])
        early = code is not None and code.early > pace.early_before
        if early and code is not None:
            pace.early_before = code.early
            # Answers that were lost would have told it of a longer interval.
            pace.slowed_in_a_row += error == "slow_down" and code.interval_ms - _SLOWER_MS <= pace.interval_ms
            world.judge(learns_from_slow_down, pace.slowed_in_a_row)
        elif error == "authorization_pending":
            pace.slowed_in_a_row = 0
        pace.failures = pace.failures + 1 if exchange.answer is None else 0
        if self._is_kept(pace):
            pace.kept_interval_ms = pace.interval_ms
        pace.told_at = world.schedule.now
        status = exchange.answer.status if exchange.answer else 0
        if error == "slow_down":
            named = members.get("interval")
            named_ms = 1000 * named if isinstance(named, int) else 0
            pace.interval_ms = max(pace.interval_ms + _SLOWER_MS, named_ms)
            pace.longest_interval_ms = max(pace.longest_interval_ms + _SLOWER_MS, named_ms)
        elif error in _ENDINGS and status < 429:
            pace.over = str(error)
            self.denied = error == "access_denied"
        elif "access_token" in members and 200 <= status < 300:
            pace.over = "a token"

    def heard(self, event: str) -> None:
        """An event of the agent's."""
        if event == "expired":
            self.run_out += 1
        elif event == "paired":
            self.attended()


def members_of(exchange: Exchange) -> dict[str, object]:
    """The JSON object in an answer, or nothing."""
    return {} if exchange.answer is None else _members_in(exchange.answer.body)


@lru_cache(maxsize=16)
def _members_in(body: bytes) -> dict[str, object]:
    try:
        members = json.loads(body.decode())
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def _interval_ms(members: dict[str, object]) -> int:
    value = members.get("interval")
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return _DEFAULT_MS
    return int(1000 * value)


def retry_after_ms(exchange: Exchange) -> int:
    """What the answer's Retry-After asks for, an hour at most: longer than that nobody is held to it."""
    headers = exchange.answer.headers if exchange.answer else []
    value = ""
    for name, text in headers:
        if name == "retry-after":
            value = text
    if not value:
        return 0
    if not value.isdigit():
        span = parsedate_to_datetime(value) - parsedate_to_datetime(dict(headers)["date"])
        value = str(int(span.total_seconds()))
    return 1000 * min(int(value), 3600)
