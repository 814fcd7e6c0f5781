"""A virtual board that is paired over TLS and publishes to mosquitto over TLS: how much heap that takes."""

import shutil
from collections.abc import Generator, Mapping
from pathlib import Path

from bench.board_paired import Full, paired, wait, write
from bench.cloud import World, world
from bench.figures import Figure, Setting, Spread

_KIB = 1024
# What a Pico W has left in a TLS handshake and the names of the fake hardware take, and what it has in all.
_HEAPS = (158 * _KIB, 187_072)
_ROOMY = 512 * _KIB
_AIM_KIB = 64.0


def live_heap(setting: Setting, files: Mapping[str, bytes], note: str) -> Generator[Figure, None, int]:
    """Pair, and read the heap from the board's own telemetry, which collects before it looks.

    Counted from what the same board has in use in boot.py: its fake hardware is not the firmware's.
    Returns the least heap, in bytes, in which it worked.
    """
    with world(setting.folder / "world") as around:
        flash = setting.folder / "flash.bin"
        write(flash, files, around, "500ms", button=14)
        for heap in (*_HEAPS, _ROOMY):
            setting.say(f"pairing a virtual board, with a heap of {round(heap / _KIB)} KiB")
            one = setting.folder / f"flash-{heap}.bin"
            shutil.copy(flash, one)
            try:
                used = _life(around, one, heap, 5 if setting.quick else 30)
            except Full:
                continue
            sizes = ", ".join(str(round(each / _KIB)) for each in (*_HEAPS, _ROOMY))
            what = f"the least heap of {sizes} KiB in which it pairs and publishes"
            yield Figure(what, Spread.of([heap / _KIB]), "KiB", _HEAPS[0] / _KIB)
            yield Figure("heap in use, paired and connected", Spread.of(used), "KiB", _AIM_KIB, note)
            return heap
    raise RuntimeError("the board ran out of memory with every heap")


def _life(around: World, flash: Path, heap: int, count: int) -> list[float]:
    """KiB of heap in use at each of `count` samples, from a board that was just paired. Raises Full."""
    with paired(around, flash, heap) as device:
        samples = wait(device.board, lambda: found if len(found := device.samples()) >= count else None)
        return [(device.began - sample["v"]["heap_free_bytes"]) / _KIB for sample in samples]
