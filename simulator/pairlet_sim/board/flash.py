"""The files that are a board's flash: made, opened, and the notes of what was written to them."""

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from .settings import BLOCK, DEVICE, BoardError, Settings

_FILL_S = 120  # reached only when something is broken
_FULL = 28  # ENOSPC, as the exit status of device/fill.py


class FlashWrite(NamedTuple):
    """One thing that was done to the flash: `data` written at `address`, or (None) the block there erased."""

    address: int
    data: bytes | None


def read_trace(path: Path) -> Iterator[FlashWrite]:
    """What is noted in a trace, in order. A last note that was cut off is left out: it was never written."""
    with open(path, "rb") as file:
        while len(head := file.read(9)) == 9:
            kind, address, size = struct.unpack("<cII", head)
            data = file.read(size)
            if len(data) < size:
                return
            yield FlashWrite(address, data if kind == b"W" else None)


def apply(image: bytearray, write: FlashWrite) -> None:
    """Do to an image what was done to the flash."""
    data = b"\xff" * BLOCK if write.data is None else write.data
    image[write.address : write.address + len(data)] = data


def filled(files: Mapping[str, bytes], micropython: Path, size: int = Settings.size) -> bytes:
    """The content of a flash of `size` bytes that holds `files`, by their path, and nothing else.

    Made by `micropython`, whose LittleFS is the board's. Raises BoardError.
    """
    blocks, stream = str(size // BLOCK), b"".join(_records(files))
    with tempfile.TemporaryFile() as flash:
        flash.write(b"\xff" * size)
        flash.flush()
        number = flash.fileno()
        try:
            answer = subprocess.run(
                [str(micropython), str(DEVICE / "fill.py"), str(number), blocks],
                input=stream, capture_output=True, pass_fds=[number], timeout=_FILL_S,
                env={"MICROPYPATH": f"{DEVICE}:.frozen", "PATH": os.defpath},
                # Ctrl-C is for whoever wants the flash, and would come up here as a failure.
                start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            raise BoardError(f"{micropython} does not make a flash.", missing=True) from None
        if answer.returncode == _FULL:
            raise BoardError(f"A flash of {size} bytes is too small for these files.")
        if answer.returncode:
            raise BoardError(f"{micropython} does not make a flash.", missing=True)
        flash.seek(0)
        return flash.read()


def _records(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """What device/fill.py reads."""
    for path, data in sorted(files.items()):
        yield f"{path}\n{len(data)}\n".encode()
        yield data


def open_flash(path: Path | None, size: int) -> int:
    """The flash as an open file of `size` bytes, erased where it is new."""
    if path is None:
        with tempfile.TemporaryFile() as file:
            number = os.dup(file.fileno())
    else:
        number = opened(path, os.O_RDWR | os.O_CREAT)
    there = os.fstat(number).st_size
    if there == 0:
        os.pwrite(number, b"\xff" * size, 0)
    elif there != size:
        os.close(number)
        raise BoardError(f"{path} is a flash of {there} bytes, not {size}: give its size, or another.")
    return number


def opened(path: Path, flags: int) -> int:
    """Open a file that nobody else may read. Raises BoardError with a sentence."""
    try:
        # The flash holds keys and tokens.
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BoardError(f"{path} can't be opened: {error.strerror}.") from None
