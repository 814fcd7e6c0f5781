"""The Store port on a board's flash: LittleFS, and FAT where the firmware was built with it.

A value lives in one of two files, NAME.0 and NAME.1: each save writes the one that does not hold the
current value and leaves the other alone. Every file says by length and CRC whether it is complete, so
the newest complete one counts and a cut write is as if it had never begun. There is no rename in this,
on purpose: FAT removes the target before it renames, and a directory sector that is torn right then
loses the temporary file's name as well (tests/firmware/test_power_cuts.py shows it).
"""

import asyncio
import os
import struct
from binascii import crc32

from pairlet.core.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import IO, TypeVar

    Frame = TypeVar("Frame")

_ENOENT = 2
_EEXIST = 17
_ENOSPC = 28
_MAX_NAME = 64
_PIECE = 256

# Frame: number, length of the value, CRC-32 of both and the value; then the value.
HEADER = 12

# Not every port has it; closing a file is enough for LittleFS and FAT, but not for what lies below them.
SYNC: "Callable[[], None] | None" = getattr(os, "sync", None)

# A folder has one lock, however many objects were made for it.
_locks: "dict[str, asyncio.Lock]" = {}


def header(number: int, value: "bytes | bytearray") -> bytes:
    """What stands before `value` in a file, so that whoever reads it can tell whether it is complete."""
    start = struct.pack("<II", number, len(value))
    return start + struct.pack("<I", crc32(value, crc32(start)))


def read_frame(file: "IO[bytes]", limit: int) -> "tuple[int, bytes, bool] | None":
    """The frame at the file's position: number, value, and whether the CRC fits.

    None at the end and for a frame that is cut. `limit`: the longest value there can be, in bytes; a
    damaged length must not ask for more memory than the file has bytes.
    """
    start = file.read(HEADER)
    if len(start) < HEADER:
        return None
    number, length, check = struct.unpack("<III", start)
    if length > limit:
        return None
    value = file.read(length)
    if len(value) < length:
        return None
    return number, value, crc32(value, crc32(start[:8])) == check


def scan_frame(file: "IO[bytes]", limit: int) -> "tuple[int, bool] | None":
    """As read_frame, without the value: number, and whether the CRC fits. Takes next to no memory."""
    start = file.read(HEADER)
    if len(start) < HEADER:
        return None
    number, left, check = struct.unpack("<III", start)
    if left > limit:
        return None
    found = crc32(start[:8])
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            return None
        found = crc32(piece, found)
        left -= len(piece)
    return number, found == check


def store_error(doing: str, path: str, error: OSError) -> StoreError:
    """The StoreError that says what could not be done with `path`, and what to do about it."""
    code = error.errno
    if code == _ENOSPC:
        return StoreError(f"could not {doing} {path}: the flash is full", "Remove files, then try again.")
    return StoreError(
        f"could not {doing} {path}: error {code}", "Restart the board; if it comes back, flash it again."
    )


class BoardStore:
    """Values as files in `folder`, which is made where missing. Raises StoreError when it can't be.

    `sync()` brings what was written to the flash; where the port has os.sync it is that. One process
    is all there is on a board, so lock() only holds other tasks off.
    """

    is_shared = False

    def __init__(self, folder: str, sync: "Callable[[], None] | None" = SYNC):
        self._folder = folder
        self._sync = sync
        try:
            os.mkdir(folder)
        except OSError as error:
            if error.errno != _EEXIST:
                raise store_error("make the folder", folder, error) from None
            if not os.stat(folder)[0] & 0x4000:
                raise StoreError(f"{folder} is not a folder") from None

    def load(self, name: str) -> "bytes | None":
        """The value, or None if there is none. Raises StoreError.

        A value whose file is complete but damaged is handed out as it is, when there is no better one:
        whoever reads it finds out, and sets it aside where None would have it overwritten.
        """
        path = self._path(name)
        slot = self._newest(path)[0]
        frame = _in_file(f"{path}.{slot}", read_frame) if slot >= 0 else None
        return frame[1] if frame is not None else None

    def save(self, name: str, value: bytes) -> None:
        """Replace the value; it is on the flash when this returns. StoreError: the old one stays."""
        path = self._path(name)
        slot, number = self._newest(path)
        number += 1
        fresh = path + ".1" if slot == 0 else path + ".0"
        try:
            with open(fresh, "wb") as file:
                file.write(header(number, value))
                file.write(value)
            self._flush()
        except OSError as error:
            # Half a value only takes room; the other file still has the old one.
            _remove(fresh)
            raise store_error("save", fresh, error) from None
        # Flash that took the bytes and did not keep them must not pass for a save.
        if self._newest(path)[1] != number:
            raise StoreError(
                f"{fresh} does not read as it was written", "The flash is worn out: replace the board."
            )

    def delete(self, name: str) -> None:
        """Remove the value, if there is one. Raises StoreError."""
        path = self._path(name)
        # The older one first: were the newer gone alone, the next start would find the older.
        current = max(0, self._newest(path)[0])
        try:
            for slot in (1 - current, current):
                unlink(f"{path}.{slot}")
            self._flush()
        except OSError as error:
            raise store_error("delete", path, error) from None

    def set_aside(self, name: str) -> str:
        """Move the value to NAME.corrupt-1 (-2 ...), over nothing; return its path. Raises StoreError."""
        path = self._path(name)
        value = self.load(name)
        if value is None:
            raise StoreError(f"there is no {path} to set aside")
        number = 1
        try:
            while _size(f"{path}.corrupt-{number}") is not None:
                number += 1
            aside = f"{path}.corrupt-{number}"
            # A copy, for what a rename does on FAT; without the header, for the person who looks at it.
            with open(aside, "wb") as file:
                file.write(value)
            self._flush()
        except OSError as error:
            raise store_error("set aside", path, error) from None
        self.delete(name)
        return aside

    def lock(self) -> "AbstractAsyncContextManager[None]":
        """`async with store.lock():` holds every other task off this store."""
        if self._folder not in _locks:
            _locks[self._folder] = asyncio.Lock()
        return _locks[self._folder]

    def claim(self, name: str) -> bool:
        """Whether this process may do the work called `name`: there is no other one."""
        return True

    def release(self, name: str) -> None:
        """Nothing was taken."""

    def _path(self, name: str) -> str:
        for character in name:
            if character not in "abcdefghijklmnopqrstuvwxyz0123456789_-":
                name = ""
        if not 0 < len(name) <= _MAX_NAME:
            raise StoreError("the name of a value has a-z, 0-9, _ and - in it and nothing else")
        return f"{self._folder}/{name}"

    def _newest(self, path: str) -> "tuple[int, int]":
        """Which file (0 or 1, -1: none) holds the current value, and its number."""
        found = (-1, 0)
        for slot in (0, 1):
            frame = _in_file(f"{path}.{slot}", scan_frame)
            if frame is None:
                continue
            # A damaged one has number 0, below all others: numbers begin with 1.
            number = frame[0] if frame[1] else 0
            if found[0] < 0 or number > found[1]:
                found = (slot, number)
        return found

    def _flush(self) -> None:
        if self._sync is not None:
            self._sync()


def _in_file(path: str, read: "Callable[[IO[bytes], int], Frame | None]") -> "Frame | None":
    """What `read` makes of the file `path`, None if there is none. Raises StoreError."""
    try:
        size = _size(path)
        if size is None:
            return None
        with open(path, "rb") as file:
            return read(file, size)
    except OSError as error:
        raise store_error("read", path, error) from None


def _size(path: str) -> "int | None":
    """Bytes of the file `path`, None if there is none."""
    try:
        return os.stat(path)[6]
    except OSError as error:
        if error.errno != _ENOENT:
            raise
        return None


def unlink(path: str) -> None:
    """Remove the file if it is there. Raises OSError."""
    try:
        os.remove(path)
    except OSError as error:
        if error.errno != _ENOENT:
            raise


def _remove(path: str) -> None:
    """Remove the file if that can be done: mere tidiness."""
    try:
        os.remove(path)
    except OSError:
        pass
