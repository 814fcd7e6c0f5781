"""A virtual board that is paired over TLS and publishes to mosquitto over TLS: how much heap that takes."""

import base64
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bench.cloud import World, world
from bench.figures import Figure, Setting, Spread
from pairlet_sim.board import VirtualBoard
from support.cloud import CLIENT_ID
from support.mosquitto import Subscriber

_KIB = 1024
# What a Pico W has left with two TLS sessions open, what it has in all, and what lies between.
_HEAPS = (128 * _KIB, 160 * _KIB, 187_072)
_ROOMY = 512 * _KIB
_AIM_KIB = 64.0
_PATIENCE_S = 90.0
_CHUNK = 3000
_LOOK_S = 0.1
_NETWORKS = {"bench": "bench key"}
_DEVICE = "bench-board"
_FOLDER = "firmware"
_MAIN = f"import sys\nsys.path.insert(0, '/{_FOLDER}')\nfrom pairlet_main import main\nmain()\n".encode()
# What is built into a board is Python here, and in the heap as soon as it is imported.
_BOOT = b"""import gc, machine, network, ntptime, os, socket, ssl, time
gc.collect()
print("free", gc.mem_free())
"""
_FREE = re.compile(r"^free (\d+)\n", re.MULTILINE)
_CODE = re.compile(r"^code .*\n", re.MULTILINE)
_Result = TypeVar("_Result")


class _Full(Exception):
    """The heap was too small."""


def live_heap(setting: Setting, files: Mapping[str, bytes], note: str) -> Iterator[Figure]:
    """Flash `files`, pair, and read the heap from the board's own telemetry, which collects before it looks.

    Counted from what the same board has in use in boot.py: its fake hardware is not the firmware's.
    """
    with world(setting.folder / "world") as around:
        setting.say("flashing a virtual board")
        flash = setting.folder / "flash.bin"
        with VirtualBoard(heap=_ROOMY, flash=flash, networks=_NETWORKS) as board:
            board.wait_for_boot()
            _write(board, files, around)
        for heap in (*_HEAPS, _ROOMY):
            setting.say(f"pairing it, with a heap of {round(heap / _KIB)} KiB")
            one = setting.folder / f"flash-{heap}.bin"
            shutil.copy(flash, one)
            try:
                used = _life(around, one, heap, 5 if setting.quick else 30)
            except _Full:
                continue
            sizes = ", ".join(str(round(each / _KIB)) for each in (*_HEAPS, _ROOMY))
            what = f"the least heap of {sizes} KiB in which it pairs and publishes"
            yield Figure(what, Spread.of([heap / _KIB]), "KiB", _HEAPS[0] / _KIB)
            # The first half of the samples still has the start in it.
            grown = round((used[-1] - used[len(used) // 2]) * _KIB)
            note = f"{grown:+} bytes over the second half of the samples; {note}"
            yield Figure("heap in use, paired and connected", Spread.of(used), "KiB", _AIM_KIB, note)
            return
    raise RuntimeError("the board ran out of memory with every heap")


def _life(around: World, flash: Path, heap: int, count: int) -> list[float]:
    """KiB of heap in use at each of `count` samples, from a board that was just paired. Raises _Full."""
    with (
        VirtualBoard(heap=heap, flash=flash, networks=_NETWORKS) as board,
        Subscriber(around.mosquitto.tls_port, f"devices/{_DEVICE}/#", ca_file=around.cloud.ca_file) as seen,
    ):
        began = int(_wait(board, lambda: _FREE.search(board.console))[1])
        code = _wait(board, lambda: _CODE.search(board.console))
        fields = dict(word.split("=", 1) for word in code[0].split()[1:] if "=" in word)
        around.cloud.approve({"verification_uri_complete": None, **fields})
        return [(began - left) / _KIB for left in _wait(board, lambda: _free(seen, count))]


def _wait(board: VirtualBoard, look: Callable[[], _Result | None]) -> _Result:
    """The first thing that `look` finds. Raises _Full, RuntimeError with the console's end."""
    pause = threading.Event()
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        if "MemoryError" in board.console:
            raise _Full
        if board.console.endswith(">>> "):
            break  # the program has ended
        pause.wait(_LOOK_S)
    raise RuntimeError(f"the board did not get there; it said: {board.console[-1500:]}")


def _write(board: VirtualBoard, files: Mapping[str, bytes], around: World) -> None:
    """Put the firmware into a folder, as `pairlet flash` does, and beside it what it needs."""
    config = {
        "wifi": {"ssid": "bench", "key": "bench key"},
        "board": {"display": "ssd1306", "sda": 4, "scl": 5, "button": 14},
        "oauth": {"issuer": around.cloud.issuer, "client_id": CLIENT_ID, "ca_file": "ca.pem"},
        "mqtt": {"url": f"mqtts://127.0.0.1:{around.mosquitto.tls_port}"},
        "telemetry": {"interval": "500ms"},
        "pairing": {"device_id": _DEVICE},
    }
    assert around.cloud.ca_file is not None
    with open(around.cloud.ca_file, "rb") as file:
        trusted = file.read()
    whole = {f"/{_FOLDER}/{name}": data for name, data in files.items()}
    whole |= {
        "/config.json": json.dumps(config).encode(),
        "/ca.pem": trusted,
        "/boot.py": _BOOT,
        "/main.py": _MAIN,
    }
    folders = sorted({name.rpartition("/")[0] for name in whole} - {""})
    board.execute(f"import os\nfor name in {_with_parents(folders)!r}: os.mkdir(name)")
    for name, data in whole.items():
        lines = ["from binascii import a2b_base64 as b", f"with open({name!r}, 'wb') as f:", " pass"]
        for at in range(0, len(data), _CHUNK):
            lines.append(f" f.write(b({base64.b64encode(data[at : at + _CHUNK]).decode()!r}))")
        board.execute("\n".join(lines))


def _with_parents(folders: list[str]) -> list[str]:
    """`folders` and those that they lie in, in the order in which they can be made."""
    parts = {"/".join(name.split("/")[:depth]) for name in folders for depth in range(2, name.count("/") + 2)}
    return sorted(parts)


def _free(seen: Subscriber, count: int) -> list[int] | None:
    """The free heap of `count` samples, None until there are so many."""
    samples: list[dict[str, Any]] = [
        json.loads(message.payload) for message in seen.messages if message.topic.endswith("/telemetry")
    ]
    found = [int(sample["v"]["heap_free_bytes"]) for sample in samples]
    return found if len(found) >= count else None
