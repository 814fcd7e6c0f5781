"""What it costs to lose nothing: the durable outbox and the link, beside paho-mqtt and SQLite alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench import wakeups
from bench.cloud import world
from bench.figures import Figure, Setting, Skipped, Spread
from bench.processes import Peer, check_warm, memory, peer, switches
from support.mosquitto import Mosquitto

_ROUNDS = 7
_MESSAGES = 20000
_MANY, _FEW = 1_000_000, 1000
_WEAR_SAMPLES = 8640  # a day
_INTERVAL_S = 10.0
_WINDOW_S = 120.0
_SETTLE_S = 2.0


def measure(setting: Setting) -> Iterator[Figure]:
    """`./run bench telemetry`."""
    yield from _messages(setting)
    yield from _memory(setting)
    yield from _wear(setting)
    yield from _wakeups(setting)


@contextmanager
def _broker(folder: Path) -> Iterator[Mosquitto]:
    """A mosquitto without TLS, which would cost both sides the same and so make any ratio look better."""
    folder.mkdir()
    try:
        broker = Mosquitto(folder)
    except pytest.skip.Exception as missing:
        raise Skipped(str(missing)) from None
    with broker:
        yield broker


@contextmanager
def _outbox(broker: Mosquitto, folder: Path, connected: bool = True) -> Iterator[Peer]:
    with peer("through_outbox.py", str(broker.port), str(folder)) as source:
        if connected:
            source.ask("connect 0")
        yield source


def _numbers(answer: str) -> list[float]:
    return [float(word) for word in answer.split()]


def _messages(setting: Setting) -> Iterator[Figure]:
    """CPU and time a message, as fast as it goes, in turns; and when all of it comes off the disk."""
    count = 2000 if setting.quick else _MESSAGES
    rounds = setting.rounds(_ROUNDS)
    live, raw, stored = [], [], []
    folder = setting.folder / "messages"
    with (
        _broker(folder) as broker,
        _outbox(broker, folder / "live") as outbox,
        peer("raw_paho.py", str(broker.port)) as paho,
    ):
        paho.answer()
        for source in (outbox, paho):
            source.ask(f"live {count}")
        check_warm()
        for number in range(rounds):
            setting.say(f"round {number + 1} of {rounds}")
            live.append(_numbers(outbox.ask(f"live {count}")))
            raw.append(_numbers(paho.ask(f"live {count}")))
            with _outbox(broker, folder / f"stored-{number}", False) as later:
                later.ask(f"fill {count}")
                later.ask("connect 0")
                stored.append(_numbers(later.ask("drain 0")))
    yield _ratio("CPU a message: outbox and link / paho-mqtt, window 20", live, raw, 0, count, 1.5)
    # A throughput of at least 0.8 is a time of at most 1.25.
    yield _ratio("time a message: outbox and link / paho-mqtt, window 20", live, raw, 1, count, 1.25)
    yield _ratio("CPU a message: off the disk / paho-mqtt, window 20", stored, raw, 0, count)


def _ratio(
    what: str, ours: list[list[float]], theirs: list[list[float]], column: int, count: int,
    aim: float | None = None,
) -> Figure:  # fmt: skip
    one, other = ([values[column] for values in rounds] for rounds in (ours, theirs))
    middle = [1000 * Spread.of(values).median / count for values in (one, other)]
    note = f"{middle[0]:.0f} us against {middle[1]:.0f} us"
    return Figure(what, Spread.of_ratios(one, other), aim=aim, note=note)


def _memory(setting: Setting) -> Iterator[Figure]:
    """The most that a process ever held that starts with so many samples on the disk and sends them all."""
    many = 20_000 if setting.quick else _MANY
    peaks = []
    folder = setting.folder / "memory"
    with _broker(folder) as broker:
        # Who compiles holds more: one look at each path, which does not count.
        for count in (_FEW, _FEW, many):
            setting.say(f"draining {count:,} queued samples")
            place = folder / f"outbox-{len(peaks)}"
            with _outbox(broker, place, False) as source:
                source.ask(f"fill {count}")
            with _outbox(broker, place) as source:
                source.ask("drain 0")
                peaks.append(memory(source.pid).peak)
    note = f"{peaks[2]:.1f} MiB against {peaks[1]:.1f} MiB"
    what = f"peak memory: draining {many:,} / {_FEW:,} queued samples"
    yield Figure(what, Spread.of([peaks[2] / peaks[1]]), aim=1.2, note=note)


def _wear(setting: Setting) -> Iterator[Figure]:
    """Bytes written a sample of 120 bytes, one every 10 s, with the default flush."""
    count = 1000 if setting.quick else _WEAR_SAMPLES
    for kind, state, aim in (
        ("outbox", "online", 1.0),
        ("outbox", "offline", 1.0),
        ("sqlite", "online", None),
        ("sqlite", "offline", None),
    ):
        setting.say(f"{kind}, {state}: {count} samples")
        folder = setting.folder / f"wear-{kind}-{state}"
        folder.mkdir()
        # SQLite writes the same for each sample, and takes its time for it.
        samples = count if kind == "outbox" else count // 8
        with peer("wear.py", kind, state, str(folder), str(samples)) as process:
            written, payload = _numbers(process.answer())
        if not written:
            raise RuntimeError(f"the kernel counts nothing written to {folder}: is it on a disk?")
        name = "the outbox" if kind == "outbox" else "SQLite, a commit each"
        note = f"{written / payload:.3g} times the payload, as the kernel counts it: without the journal"
        yield Figure(
            f"written a sample: {name}, {state}", Spread.of([written / samples / 1000]), "kB", aim, note
        )


def _wakeups(setting: Setting) -> Iterator[Figure]:
    """Context switches of a device that publishes every 10 s, all in all."""
    window = 10.0 if setting.quick else _WINDOW_S
    with (
        world(setting.folder / "wakeups") as around,
        around.agent("calm", f"{_INTERVAL_S:g}s") as agent,
        around.bare_device(_INTERVAL_S) as device,
    ):
        pids = {"pairlet run": agent.process.pid, "paho-mqtt's loop_start": device.pid}
        threading.Event().wait(_SETTLE_S)
        setting.say(f"watching two processes for {window:g} s")
        before = {name: switches(pid) for name, pid in pids.items()}
        threading.Event().wait(window)
        for name, pid in pids.items():
            count = wakeups.woken(before[name], switches(pid))
            note = f"{count} in {window:g} s"
            what = f"{name}, a sample every {_INTERVAL_S:g} s: wake-ups"
            yield Figure(what, Spread.of([count * 60 / window]), "/min", note=note)
