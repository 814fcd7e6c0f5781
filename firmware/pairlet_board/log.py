"""The Log port on a board's flash: a file for each segment, appended to.

outbox/8.tel    segment 8 of the log "telemetry"

The names are short for FAT's sake: one of eight and three characters is one entry of a folder, and takes the
first that is free. A longer one takes several in a row; where a cut tore the sector that the folder was about
to grow by, they would come to lie behind what passes for the folder's end, and nobody would find the file.
"""

import os

from pairlet.core.errors import StoreError

from .store import SYNC, store_error, unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_EEXIST = 17
_ENOENT = 2
_FOLDER = 0x4000


class SegmentFiles:
    """One log: the files 0.NAM, 8.NAM ... in `folder`, which is made with the first; NAM begins its name.

    `sync()`: as in BoardStore.
    """

    def __init__(self, folder: str, name: str, sync: "Callable[[], None] | None" = SYNC):
        self._folder = folder
        self._sync = sync or _nothing
        self._is_made = False  # the folder
        self._end = "." + name[:3]

    def segments(self) -> "list[tuple[int, int]]":
        """Number and size in bytes of each segment. Raises StoreError."""
        found = []
        end = self._end.encode()
        try:
            # As bytes: FAT can be left with a torn entry, whose name is no text and would be a UnicodeError.
            for name in os.listdir(self._folder.encode()):
                digits = name[: -len(end)]
                if name.endswith(end) and 0 < len(digits) < 10 and all(48 <= digit <= 57 for digit in digits):
                    number = int(digits.decode())
                    if len(str(number)) == len(digits):
                        status = os.stat(self._path(number))
                        # What is no file takes its number all the same.
                        found.append((number, 0 if status[0] & _FOLDER else status[6]))
        except OSError as error:
            if error.errno != _ENOENT:
                raise store_error("look into", self._folder, error) from None
        return found

    def read(self, number: int, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on, fewer where the segment ends. Raises StoreError."""
        path = self._path(number)
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                found: bytes = file.read(count)
                return found
        except OSError as error:
            raise store_error("read", path, error) from None

    async def append(self, number: int, data: bytes) -> None:
        """Add `data` to segment `number`, made where missing; it is on the flash when this returns.

        Raises StoreError; a part of it may be there then.
        """
        path = self._path(number)
        try:
            if not self._is_made:
                self._make_folder()
            with open(path, "ab") as file:
                if file.write(data) != len(data):
                    raise StoreError("could not write %s: the flash is full" % path, "Remove files from it.")
            self._sync()
        except OSError as error:
            raise store_error("write", path, error) from None

    async def remove(self, numbers: "list[int]") -> None:
        """Remove the segments, the oldest first. Raises StoreError."""
        try:
            for number in sorted(numbers):
                unlink(self._path(number))
            self._sync()
        except OSError as error:
            raise store_error("clean up", self._folder, error) from None

    def _path(self, number: int) -> str:
        return "%s/%d%s" % (self._folder, number, self._end)

    def _make_folder(self) -> None:
        try:
            os.mkdir(self._folder)
        except OSError as error:
            if error.errno != _EEXIST:
                raise
        self._is_made = True


def _nothing() -> None:
    pass
