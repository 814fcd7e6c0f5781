"""A virtual board with the firmware, paired and publishing over TLS: what its figures are taken from."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bench.cloud import World
from pairlet_sim.board import VirtualBoard
from support.board_flash import write_flash
from support.cloud import CLIENT_ID
from support.mosquitto import Subscriber

_PATIENCE_S = 90.0
_LOOK_S = 0.1
_NETWORKS = {"bench": "bench key"}
_DEVICE = "bench-board"
_FREE = re.compile(r"^free (\d+)\n", re.MULTILINE)
_CODE = re.compile(r"^code .*\n", re.MULTILINE)
# What is built into a board is Python here, and in the heap as soon as it is imported.
BOOT = b"""import gc, machine, network, ntptime, os, socket, ssl, time
gc.collect()
print("free", gc.mem_free())
"""
_Result = TypeVar("_Result")


class Full(RuntimeError):
    """The heap was too small."""


class Paired(NamedTuple):
    """`board` is paired; `seen` gets what it publishes; `began` bytes of its heap were free in boot.py."""

    board: VirtualBoard
    seen: Subscriber
    began: int

    def samples(self) -> list[dict[str, Any]]:
        """All samples that were published so far."""
        messages = [message for message in self.seen.messages if message.topic.endswith("/telemetry")]
        return [json.loads(message.payload) for message in messages]


def write(
    path: Path, files: Mapping[str, bytes], around: World, interval: str, boot: bytes = BOOT, **board: Any
) -> None:
    """Make the flash of such a board: `files` are the firmware, `board` more of its table of that name."""
    config = {
        "wifi": {"ssid": "bench", "key": "bench key"},
        "board": {"display": "ssd1306", "sda": 4, "scl": 5, **board},
        "oauth": {"issuer": around.cloud.issuer, "client_id": CLIENT_ID, "ca_file": "ca.pem"},
        "mqtt": {"url": f"mqtts://127.0.0.1:{around.mosquitto.tls_port}"},
        "telemetry": {"interval": interval},
        "pairing": {"device_id": _DEVICE},
    }
    assert around.cloud.ca_file is not None
    write_flash(path, config, Path(around.cloud.ca_file).read_bytes(), boot=boot, firmware=files)


@contextmanager
def paired(around: World, flash: Path, heap: int, **fields: Any) -> Iterator[Paired]:
    """Switch it on and approve its code. Raises Full, RuntimeError with the console's end."""
    with (
        VirtualBoard(heap=heap, flash=flash, networks=_NETWORKS, **fields) as board,
        around.cloud.clock.following(board),
        Subscriber(around.mosquitto.tls_port, f"devices/{_DEVICE}/#", ca_file=around.cloud.ca_file) as seen,
    ):
        began = int(wait(board, lambda: _FREE.search(board.console))[1])
        code = wait(board, lambda: _CODE.search(board.console))
        shown = dict(word.split("=", 1) for word in code[0].split()[1:] if "=" in word)
        around.cloud.approve({"verification_uri_complete": None, **shown})
        yield Paired(board, seen, began)


def wait(board: VirtualBoard, look: Callable[[], _Result | None]) -> _Result:
    """The first thing that `look` finds. Raises Full, RuntimeError with the console's end."""
    pause = threading.Event()
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        if "memory allocation failed" in board.console:  # as MicroPython says it
            raise Full(f"the board ran out of memory; it said: {board.console[-1500:]}")
        if board.console.endswith(">>> "):
            break  # the program has ended
        pause.wait(_LOOK_S)
    raise RuntimeError(f"the board did not get there; it said: {board.console[-1500:]}")
