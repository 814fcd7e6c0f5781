"""What a virtual board is like: its chip, its flash, its interpreter, the air around it."""

import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

BLOCK = 4096
DEVICE = Path(__file__).parent / "device"  # what runs on the board's side
# The interpreter's own world (fake modules, prompts) lies in the board's heap; it comes on top of what was
# asked for, so that a program finds as much free memory as it would on hardware. Measured by a test.
WORLD_BYTES = 37_400
_SKIPPING_BYTES = 2_450  # of what skips idle time
_USABLE = 0.977  # of the memory that MicroPython is given; the rest is its allocation table


class BoardError(Exception):
    """The board can't be made or has died; the text is one sentence for people.

    `missing`: a part of this machine is missing, rather than a setting wrong.
    """

    def __init__(self, sentence: str, *, missing: bool = False):
        super().__init__(sentence)
        self.missing = missing


class Profile(NamedTuple):
    """A kind of board. `heap`: bytes free for a program; `start`: Unix time of its clock without power."""

    name: str
    heap: int
    start: int
    keeps_clock: bool
    rejoins: bool
    tells_soft_reset: bool


PROFILES = {
    # A Pico W's clock begins in 2021, an ESP32's in 2000; only the ESP32's goes through a reset, and only
    # its radio looks for a lost access point by itself.
    "picow": Profile(
        "picow", 187_072, 1_609_459_200, keeps_clock=False, rejoins=False, tells_soft_reset=False
    ),
    "esp32": Profile("esp32", 166_000, 946_684_800, keeps_clock=True, rejoins=True, tells_soft_reset=True),
}


@dataclass(frozen=True)
class Settings:
    """All that a virtual board is made from.

    `flash`: the file that is its flash, made if it is missing; None: a fresh one that ends with the board.
    `size`: its bytes. `heap`: bytes that a program finds free; None: as the profile has. `networks`: SSID to
    key; None: any SSID and key are taken. `oled`: the display's width and height, None for no display.
    `trace`: a file that every write to the flash is noted in. `link`: a path that leads to the serial port.
    `skip_idle`: its clock jumps while its program only waits. `micropython`: the interpreter, None: look for
    one.
    """

    profile: str = "picow"
    flash: Path | None = None
    size: int = 868_352
    heap: int | None = None
    networks: Mapping[str, str] | None = field(default=None, repr=False)
    oled: tuple[int, int] | None = (128, 64)
    trace: Path | None = None
    link: Path | None = None
    skip_idle: bool = False
    micropython: Path | None = None

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise BoardError(f"There is no board called {self.profile!r}; there are {', '.join(PROFILES)}.")
        if self.size < 8 * BLOCK or self.size % BLOCK:
            raise BoardError(f"The size of a flash is a multiple of {BLOCK} bytes, from {8 * BLOCK} upwards.")
        if self.heap is not None and not 16_384 <= self.heap <= 64 * 1024 * 1024:
            raise BoardError("The heap must be between 16k and 64m.")
        if self.oled not in (None, (128, 64), (128, 32)):
            raise BoardError("There are displays of 128x64 and 128x32.")

    @property
    def kind(self) -> Profile:
        """The profile that was asked for."""
        return PROFILES[self.profile]

    @property
    def heap_option(self) -> str:
        """For `-X heapsize=`: what the program gets, and the world's part."""
        world = WORLD_BYTES + (_SKIPPING_BYTES if self.skip_idle else 0)
        return str(round(((self.heap or self.kind.heap) + world) / _USABLE))

    def identity(self) -> bytes:
        """16 bytes that this board is told apart by: the same for the same flash file."""
        if self.flash is None:
            return secrets.token_bytes(16)
        return hashlib.sha256(b"pairlet board " + os.fsencode(self.flash.resolve())).digest()[:16]


def find_micropython(named: Path | None = None) -> Path:
    """The interpreter to run: `named`, $MICROPYTHON, the one that ./run fetched, the one on PATH.

    Raises BoardError if none of them is a MicroPython with what a board needs.
    """
    for candidate in [str(named)] if named else _candidates():
        if _is_fit(candidate):
            return Path(candidate)
    if named:
        raise BoardError(f"{named} is no MicroPython 1.24 or newer that can run a board.", missing=True)
    raise BoardError(
        "There is no MicroPython 1.24 or newer here: run ./run test once, which fetches one, install one, "
        "or set MICROPYTHON to where it is.",
        missing=True,
    )


def _candidates() -> Iterator[str]:
    if named := os.environ.get("MICROPYTHON"):
        yield named
    # A checkout: simulator/pairlet_sim/board/settings.py is three folders below its root.
    fetched = Path(__file__).resolve().parents[3] / ".cache/micropython/bin/micropython"
    if fetched.exists():
        yield str(fetched)
    if installed := shutil.which("micropython"):
        yield installed


def mpy_version(interpreter: Path) -> int:
    """The version of the .mpy files that `interpreter` loads. Raises BoardError if it does not say."""
    source = "import sys; print(sys.implementation._mpy & 255)"
    try:
        answer = subprocess.run(
            [str(interpreter), "-c", source], capture_output=True, stdin=subprocess.DEVNULL, timeout=60
        )
        return int(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        raise BoardError(f"{interpreter} does not say which .mpy files it loads.", missing=True) from None


_PROBE = (
    "import sys, vfs, _thread, tls, framebuf, select; vfs.VfsLfs2; select.poll; "
    "print(sys.implementation.name, sys.implementation.version[:2] >= (1, 24))"
)


def _is_fit(interpreter: str) -> bool:
    try:
        answer = subprocess.run(
            [interpreter, "-c", _PROBE], capture_output=True, stdin=subprocess.DEVNULL, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout == b"micropython True\n"
