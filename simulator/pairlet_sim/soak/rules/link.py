"""Rules 6, 7 and 8 on the way to the broker: skip no sample, leave the dead, come back one by one."""

from typing import TYPE_CHECKING

from ..clock import RIGHT
from ..weather import SECOND_MS
from .outbox import read

if TYPE_CHECKING:
    from ..process import Process
    from ..world import World

_WINDOW = 20
_SILENT_MS = 20 * SECOND_MS
_LEAST_PAUSE_MS = 400
# A connection that lasted so long was a good one.
_STABLE_MS = 30 * SECOND_MS
_MOST_ATTEMPTS, _WINDOW_MS = 45, 20 * 60 * SECOND_MS
_SPREAD_FROM = 6
# MQTT 5: topic name invalid, packet too large, payload format invalid. Such a message will never be taken.
_UNFIT = (0x90, 0x95, 0x99)
_FORBIDDEN, _QUOTA = 0x87, 0x97
# So many refusals for another reason are enough.
_REFUSALS = 6


def skips_no_sample(seq: int, following: int) -> str:
    """A sample leaves the outbox on a good acknowledgement only, or with word of the gap.

    `following`: the first that was not sent over this connection and that is neither acknowledged nor
    reported as dropped. Those before it may be sent once more, none behind it may be sent.
    """
    return (
        f"it sent sample {seq}, and {following} was neither acknowledged nor reported as dropped"
        if seq > following
        else ""
    )


def keeps_to_the_window(under_way: int, window: int) -> str:
    """A broker takes only so many unacknowledged messages at once."""
    return f"{under_way} messages wait for an acknowledgement, of {window}" if under_way > window else ""


def drops_only_without_room(count: int, waiting: int, on_disk: int, buffer_bytes: int) -> str:
    """The bounds drop the oldest. `on_disk`: bytes, of which some may wait for a flush."""
    full = max(40 * waiting, on_disk) >= buffer_bytes // 4
    return "" if full else f"it dropped {count} of {waiting} samples with room for more"


def gives_up_only_what_is_refused(seq: int, count: int, codes: list[int]) -> str:
    """One sample at a time, and one that the broker has refused: for good, or often enough.

    `codes`: its refusals. That a connection ended is no refusal: no broker here hangs up on a message.
    """
    unfit = any(code in _UNFIT for code in codes)
    forbidden = codes.count(_FORBIDDEN) >= 2
    often = len([code for code in codes if code not in (_FORBIDDEN, _QUOTA)]) >= _REFUSALS
    if count == 1 and (unfit or forbidden or often):
        return ""
    return f"it gave up {count} samples from {seq} on, which was refused with {codes}"


def says_published_only_after_the_acknowledgement(published: int, acknowledged: int) -> str:
    """What it says is what happened."""
    return (
        f"it says that {published} were published, of {acknowledged} acknowledged"
        if published > acknowledged
        else ""
    )


def waits_before_it_reconnects(waited_ms: int, failures: int, same_token: bool) -> str:
    """After trouble, longer and longer; the first time whenever chance says, see spreads_its_reconnects.

    Only a token that the broker has not seen yet may be shown at once: there is one in an hour at the most,
    see leaves_a_young_token_alone.
    """
    least = min(_LEAST_PAUSE_MS << min(failures - 1, 6), 30_000) if failures > 1 and same_token else 0
    return (
        f"it connected again {waited_ms} ms after {failures} failures in a row" if waited_ms < least else ""
    )


def hammers_no_broker(attempts: int) -> str:
    """However it fails: only so many connections in twenty minutes."""
    return f"it connected {attempts} times within twenty minutes" if attempts > _MOST_ATTEMPTS else ""


def leaves_a_silent_broker(waited_ms: int) -> str:
    """The oldest unacknowledged publish is watched: a half-open connection never answers."""
    return f"it waited {waited_ms} ms for an acknowledgement" if waited_ms > _SILENT_MS else ""


def stays_online_in_calm(foreseen: bool, reason: str) -> str:
    """The retained status flaps for no renewal of a token."""
    return f"the broker published the will although nothing was wrong: {reason}" if foreseen else ""


def spreads_its_reconnects(delays_ms: list[int]) -> str:
    """Devices (here: starts of one) do not come back as one."""
    if len(delays_ms) < _SPREAD_FROM or len(set(delays_ms)) > 1:
        return ""
    return f"{len(delays_ms)} starts of it all came back after {delays_ms[0]} ms"


class _Samples:
    """What one process has measured: `taken`, and what became of it.

    `owed`: the first number that is neither acknowledged nor dropped. `following`: the first of those that
    was not sent over the present connection.
    """

    def __init__(self) -> None:
        self.taken: int | None = None  # the number after the newest, None: it has not measured
        self.owed = 0
        self.following = 0
        self.acknowledged = 0
        self.published = 0
        self.codes: dict[int, list[int]] = {}
        self._done: set[int] = set()

    @property
    def waiting(self) -> int:
        """How many are in the outbox."""
        return 0 if self.taken is None else self.taken - self.owed - len(self._done)

    def take(self, seq: int) -> None:
        """A sample gets its number. Those below the first are what earlier processes have left."""
        if self.taken is None:
            self.owed = self.following = seq
        self.taken = seq + 1

    def settle(self, first: int, last: int) -> None:
        """These are acknowledged, or dropped."""
        self._done.update(range(max(first, self.owed), last + 1))
        while self.owed in self._done:
            self._done.remove(self.owed)
            self.codes.pop(self.owed, None)
            self.owed += 1
        self.follow(self.following)

    def follow(self, seq: int) -> None:
        """All below `seq` were sent over this connection."""
        self.following = max(self.owed, seq)
        while self.following in self._done:
            self.following += 1


class LinkWitness:
    """Sees samples and connections."""

    def __init__(self, world: "World"):
        self._world = world
        self._samples: dict[object, _Samples] = {}
        self.taken_at = 0
        self._is_settled = False
        self._failures = 0
        self._ended_at: int | None = None
        self._connected_at = 0
        self._password = ""
        self._attempts: list[int] = []
        self._asked: list[tuple[str, bytes, int]] = []
        self._delays_ms: list[int] = []
        self._counted: set[object] = set()

    def begins(self, process: "Process") -> None:
        """A process starts: it can't know of the trouble before."""
        self._samples = {process: _Samples()}
        self._failures, self._ended_at, self._asked = 0, None, []
        self._attempts = []

    def waiting(self, process: "Process") -> int:
        """How many samples are in the outbox."""
        samples = self._samples.get(process)
        return samples.waiting if samples else 0

    def taken(self, process: "Process", seq: int) -> None:
        """It measures."""
        self._of(process).take(seq)
        self.taken_at = self._world.schedule.now

    def _of(self, process: "Process") -> _Samples:
        samples = self._samples.get(process)
        if samples is None:
            samples = self._samples[process] = _Samples()
        return samples

    def connecting(self, process: "Process", password: str) -> None:
        """It opens a connection."""
        world, now = self._world, self._world.schedule.now
        world.tokens.uses(password)
        same_token, self._password = password == self._password, password
        self._asked = []
        world.note("device", "connects to the broker with %s", password)
        if self._ended_at is not None:
            waited_ms = world.device.now() - self._ended_at
            world.judge(waits_before_it_reconnects, waited_ms, self._failures, same_token)
            if self._failures == 1 and process not in self._counted:
                self._counted.add(process)
                self._delays_ms.append(waited_ms)
        # To a clock that runs too fast a token's life, and with it that of a connection, seems over sooner.
        life_ms = 1000 * world.era.policy.token_s * RIGHT // max(RIGHT, world.device.fastest_ppm)
        self._attempts = [at for at in self._attempts if now - at < _WINDOW_MS] + [now]
        world.judge(hammers_no_broker, len(self._attempts) - 2 * _WINDOW_MS // life_ms)

    def connected(self, process: "Process", code: "int | None") -> None:
        """The broker's answer, None if there is none."""
        if code == 0:
            self._ended_at, self._connected_at = None, self._world.device.now()
            samples = self._of(process)
            samples.follow(samples.owed)
            self._world.tokens.proved(self._password)
            return
        self._fail()
        if code in (4, 5, 0x86, 0x87):
            self._world.tokens.excused(process)

    def _fail(self) -> None:
        self._failures += 1
        self._ended_at = self._world.device.now()

    def publishing(self, process: "Process", topic: str, payload: bytes) -> None:
        """It sends a message."""
        self._asked.append((topic, payload, self._world.device.now()))
        # A farewell may wait in the client until the window has room for it.
        measured = [asked for asked in self._asked if not asked[0].endswith("/status")]
        self._world.judge(keeps_to_the_window, len(measured), _WINDOW)
        if topic.endswith("/telemetry"):
            seq, samples = read(payload)["seq"], self._of(process)
            self._world.outbox.sent(seq)
            if samples.taken is not None:
                self._world.judge(skips_no_sample, seq, samples.following)
            if seq == samples.following:
                samples.follow(seq + 1)

    def acknowledged(self, process: "Process", topic: str, payload: bytes, code: int) -> None:
        """The PUBACK arrives."""
        self._asked = [asked for asked in self._asked if asked[:2] != (topic, payload)]
        if code == _FORBIDDEN:
            self._world.tokens.excused(process)
        samples = self._of(process)
        if code < 0x80 and topic.endswith(("/telemetry", "/event")):
            samples.acknowledged += 1
        if not topic.endswith("/telemetry"):
            return
        seq = read(payload)["seq"]
        if code < 0x80:
            samples.settle(seq, seq)
        else:
            samples.codes.setdefault(seq, []).append(code)
            self._world.outbox.refused(seq)

    def left(self, process: "Process") -> None:
        """It closes the connection, perhaps in the middle of a publish."""
        self._end_waiting(process)

    def _end_waiting(self, process: "Process") -> None:
        """The connection is over: how long has the oldest message waited?"""
        if self._asked:
            device, until = self._world.device, process.stopping
            # Who is asked to stop has other things to do, and leaves when they are done: see stops_in_time.
            left_at = device.now() if until is None else device.clock.now(until)
            self._world.judge(leaves_a_silent_broker, left_at - self._asked[0][2])
        self._asked = []

    def heard(self, process: "Process", event: str, fields: dict[str, object]) -> None:
        """An event of the agent's."""
        world, samples = self._world, self._of(process)
        if event == "published":
            count = fields["count"]
            assert isinstance(count, int)
            samples.published += count
            world.judge(
                says_published_only_after_the_acknowledgement, samples.published, samples.acknowledged
            )
        elif event == "dropped":
            world.outbox.dropped(fields)
            if fields["stream"] == "telemetry":
                self._dropped(process, samples, fields)
        elif event == "mqtt_disconnected":
            self._disconnected(process, fields["reason"] == "the token was renewed")
        elif event == "paired":
            self._failures, self._ended_at = 0, None

    def _dropped(self, process: "Process", samples: _Samples, fields: dict[str, object]) -> None:
        count, first, last = fields["count"], fields["from"], fields["to"]
        assert isinstance(count, int) and isinstance(first, int) and isinstance(last, int)
        if fields["reason"] == "refused":
            codes = samples.codes.get(first, [])
            self._world.judge(gives_up_only_what_is_refused, first, count, codes)
        elif fields["reason"] in ("no room", "thinned") and first > self._world.outbox.with_more_room:
            waiting = count + self._world.outbox.waiting
            # What a disk that failed once has kept is there all the same, and not counted.
            files = self._world.device.outbox_disk.files
            on_disk = sum(len(file.data) for name, file in files.items() if name.startswith("telemetry"))
            self._world.judge(drops_only_without_room, count, waiting, on_disk, process.buffer_bytes)
        samples.settle(first, last)

    def _disconnected(self, process: "Process", planned: bool) -> None:
        now = self._world.device.now()
        self._end_waiting(process)
        if now - self._connected_at >= _STABLE_MS:
            self._failures = 0
        if not planned:
            self._fail()

    def frozen(self) -> None:
        """The device stands still for a while: it can't watch anything."""
        self._asked = []

    def new_server(self) -> None:
        """Tokens live for another time from now on, and the next storm is near."""
        self._is_settled = False
        self._attempts = []

    def settled(self) -> None:
        """From here on nothing is wrong."""
        self._is_settled = True
        self._failures = 0

    def mourned(self, password: str, reason: str) -> None:
        """The broker publishes the will."""
        world = self._world
        token = world.server.grants.access[password]
        # Some tokens end without notice, and some can't be renewed.
        foreseen = token.said and world.server.grants.can_be_renewed(token.family)
        if self._is_settled and not world.tokens.doubtful:
            world.judge(stays_online_in_calm, foreseen, reason)

    def finish(self) -> None:
        """The life is over."""
        self._world.judge(spreads_its_reconnects, self._delays_ms)
