"""How often a connected device that has nothing to do wakes the processor up."""

import threading
from collections.abc import Iterator

from bench.cloud import world
from bench.figures import Figure, Setting, Spread
from bench.processes import cpu_s, switches

_WINDOW_S = 120.0
_SETTLE_S = 2.0  # what follows a first message: TCP's late acknowledgements, Python's first garbage
_AIM = 5.0


def measure(setting: Setting) -> Iterator[Figure]:
    """Context switches of `pairlet run` and of paho's loop_start in the same window, keep_alive 60 s."""
    window = 15.0 if setting.quick else _WINDOW_S
    with (
        world(setting.folder / "wakeups") as around,
        around.agent("idle", "1h") as agent,
        around.bare_device() as device,
    ):
        pids = {"pairlet run": agent.process.pid, "paho-mqtt's loop_start": device.pid}
        threading.Event().wait(_SETTLE_S)
        setting.say(f"watching two idle processes for {window:g} s")
        lost = around.lost_connections()
        before = {name: (switches(pid), cpu_s(pid)) for name, pid in pids.items()}
        threading.Event().wait(window)
        after = {name: (switches(pid), cpu_s(pid)) for name, pid in pids.items()}
        if around.lost_connections() != lost:
            raise RuntimeError("a connection ended meanwhile: this was not rest")
    for name in pids:
        count = woken(before[name][0], after[name][0])
        cpu_ms = 1000 * (after[name][1] - before[name][1])
        note = f"{count} in {window:g} s, {cpu_ms * 60 / window:.1f} ms CPU a minute"
        if setting.quick:
            note += "; too short a window to say much"
        spread = Spread.of([count * 60 / window])
        yield Figure(f"{name}, idle", spread, "/min", _AIM if name == "pairlet run" else None, note)


def woken(before: dict[int, int], after: dict[int, int]) -> int:
    """Switches of all threads. RuntimeError if a thread has come or gone: its count would be missing."""
    if set(before) != set(after):
        raise RuntimeError("a thread began or ended in an idle process")
    return sum(after.values()) - sum(before.values())
