"""A virtual board's day, most of it skipped: whether its heap grows, and how deep its stack gets."""

import functools
import itertools
import json
import re
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bench.board_paired import BOOT, Paired, paired, wait, write
from bench.board_stack import WATCH, stack
from bench.cloud import world
from bench.figures import Figure, Setting, Spread
from pairlet_sim.board import VirtualBoard

_HOURS, _QUICK_HOURS = 24, 3
_HOUR_S = 3600
_TOKEN_S = 3600
_INTERVAL_S = 30
# Words on the stack that look like pointers keep some blocks of 16 bytes for a while, and medians move by
# a few. One lost block a refresh would be 400 bytes more, one a sample 35,000.
_NOISE = 128


def day(setting: Setting, files: Mapping[str, bytes], heap: int) -> Iterator[Figure]:
    """24 hours of the board's own clock, with samples, refreshes, and a Wi-Fi that is lost every hour.

    RuntimeError if the board did not live through them: it restarted, was un-paired or lost a sample.
    """
    hours = _QUICK_HOURS if setting.quick else _HOURS
    setting.say(f"living through {hours} hours, with a heap of {round(heap / 1024)} KiB")
    began = time.monotonic()
    with world(setting.folder / "day", token_s=_TOKEN_S) as around:
        flash = setting.folder / "day.bin"
        # Without a button: a board with one looks at it 50 times a second, all day.
        write(flash, files, around, f"{_INTERVAL_S}s", WATCH + BOOT)
        with paired(around, flash, heap, skip_idle=True) as device:
            sample = wait(device.board, lambda: _newer(device, -1))
            for _ in range(hours):
                end = sample["t"] + _HOUR_S * 1000
                while sample["t"] < end:
                    sample = wait(device.board, functools.partial(_newer, device, sample["seq"]))
                _lose_wifi(device.board)
            samples = device.samples()
            _check_clock(device, samples)
            console = device.board.console
        refreshes = sum(event.outcome == "refreshed" for event in around.cloud.server.events)
    _check(samples, hours, refreshes)
    took = time.monotonic() - began
    per_hour = _HOUR_S // _INTERVAL_S
    # Without the first hour, which still has the start in it; the first quarter of the rest beside the last.
    used = [device.began - sample["v"]["heap_free_bytes"] for sample in samples][per_hour:]
    quarter = max(per_hour, len(used) // 4)
    grown = statistics.median(used[-quarter:]) - statistics.median(used[:quarter])
    yield Figure(
        f"growth of the heap in use, over {hours} hours of the board",
        Spread.of([grown]), "bytes", _NOISE,
        f"{len(samples)} samples, {refreshes} refreshes, Wi-Fi lost {hours} times; {min(used)} to "
        f"{max(used)} bytes in use; idle time skipped, took {took:.0f} s",
    )  # fmt: skip
    yield stack(console)


def _newer(device: Paired, seq: int) -> dict[str, Any] | None:
    """The newest sample, if it is newer than number `seq`."""
    for message in reversed(device.seen.messages):
        if message.topic.endswith("/telemetry"):
            sample: dict[str, Any] = json.loads(message.payload)
            return sample if sample["seq"] > seq else None
    return None


def _lose_wifi(board: VirtualBoard) -> None:
    """For as long as it takes the board to notice, by its own clock."""
    mark = board.mark()
    board.wifi_off(reset=True)
    # One that makes room for a refresh in this moment has no connection to lose, and can't refresh.
    wait(board, lambda: re.search("mqtt_disconnected|transport_error", board.since(mark)))
    board.wifi_on()


def _check_clock(device: Paired, samples: list[dict[str, Any]]) -> None:
    """Raise RuntimeError if the board began anew, or its uptime and its calendar went different ways."""
    if device.board.boots != 1 or "unpaired" in device.board.console:
        raise RuntimeError(f"the board did not live through it; it said: {device.board.console[-1500:]}")
    began = [sample["t"] / 1000 - sample["v"]["uptime_seconds"] for sample in samples]
    if max(began) - min(began) > 3:
        raise RuntimeError("the board's clocks went apart by %.0f seconds" % (max(began) - min(began)))


def _check(samples: list[dict[str, Any]], hours: int, refreshes: int) -> None:
    """Raise RuntimeError for samples that are missing or late, and for a token that was not renewed."""
    # QoS 1 may repeat what was under way when a connection ended; it must not leave anything out.
    times = {sample["seq"]: sample["t"] for sample in samples}
    missing = sorted(set(range(max(times) + 1)) - set(times))
    if missing:
        raise RuntimeError(f"samples are missing: {missing[:10]}")
    longest = max(after - before for before, after in itertools.pairwise(times[seq] for seq in sorted(times)))
    if len(times) < hours * _HOUR_S / _INTERVAL_S or longest > 2000 * _INTERVAL_S:
        raise RuntimeError(f"{len(times)} samples in {hours} hours, with a gap of {longest / 1000} s")
    if refreshes < hours * _HOUR_S // _TOKEN_S:
        raise RuntimeError(f"the token was renewed only {refreshes} times in {hours} hours")
