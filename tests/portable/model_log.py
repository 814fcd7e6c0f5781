"""A Log in memory whose power can be cut: of what is being written then any part may be there."""

from pairlet.core.errors import StoreError


class PowerCut(BaseException):
    """The device is off from here on."""


class Pause:
    """`await Pause()` lets whoever drives the coroutine do something else before it goes on."""

    def __await__(self):
        yield

    # As MicroPython has it.
    __iter__ = __await__


def finish(coroutine):
    """Drive `coroutine` to its end, over all pauses."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass


class ModelLog:
    """The files of one stream by number, as the disk has them.

    `cut_after`: so many bytes and removals still reach the disk, then the power goes; None: it never does.
    `room`: bytes that the disk takes in all; None: any number. `is_slow`: it says that it has done something
    after a pause.
    """

    def __init__(self) -> None:
        self.files: dict[int, bytes] = {}
        self.cut_after: int | None = None
        self.room: int | None = None
        self.unreadable: list[int] = []
        self.is_slow = False
        self.written = 0
        self.appends = 0

    def segments(self) -> "list[tuple[int, int]]":
        """See pairlet.ports.Log."""
        return [(number, len(self.files[number])) for number in self.files]

    def read(self, number: int, offset: int, count: int) -> bytes:
        """See pairlet.ports.Log."""
        if number not in self.files or number in self.unreadable:
            raise StoreError("the file is gone")
        return self.files[number][offset : offset + count]

    async def append(self, number: int, data: bytes) -> None:
        """See pairlet.ports.Log."""
        taken = self._left(len(data))
        fits = len(data)
        if self.room is not None:
            fits = max(0, min(fits, self.room - sum([len(file) for file in self.files.values()])))
        self.files[number] = self.files.get(number, b"") + data[: min(taken, fits)]
        self.written += min(taken, fits)
        self.appends += 1
        if self.is_slow:
            await Pause()
        if taken < len(data):
            raise PowerCut
        if fits < len(data):
            raise StoreError("the disk is full")

    async def remove(self, numbers: "list[int]") -> None:
        """See pairlet.ports.Log."""
        for number in numbers:
            if not self._left(1):
                raise PowerCut
            self.files.pop(number, None)
        if self.is_slow:
            await Pause()

    def _left(self, wanted: int) -> int:
        if self.cut_after is None:
            return wanted
        taken = min(wanted, self.cut_after)
        self.cut_after -= taken
        return taken
