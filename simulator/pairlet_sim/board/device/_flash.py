# mypy: ignore-errors
"""The flash chip: a file of the host, written at once and in order: killing the process is a power cut."""

import struct

import _wire

BLOCK = 4096
PROGRAM = 256  # bytes that a Pico W programs at once


class Flash:
    """A block device with the extended interface (blocks and offsets), as LittleFS wants it."""

    def __init__(self):
        self._file = open(_wire.flash_number, "r+b")  # noqa: SIM115
        self._trace = open(_wire.trace_number, "r+b") if _wire.trace_number >= 0 else None  # noqa: SIM115
        self._erased = b"\xff" * 512

    def readblocks(self, number, buffer, offset=0):
        """Fill `buffer` from block `number`, `offset` bytes into it."""
        self._file.seek(number * BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, number, buffer, offset=None):
        """Program `buffer`; without an offset whole blocks are erased before."""
        if offset is None:
            for block in range(len(buffer) // BLOCK):
                self.ioctl(6, number + block)
            offset = 0
        address = number * BLOCK + offset
        self._note(b"W", address, buffer)
        self._file.seek(address)
        self._file.write(buffer)

    def ioctl(self, operation, argument):
        """The control calls of MicroPython's block devices."""
        if operation == 4:
            return _wire.block_count
        if operation == 5:
            return BLOCK
        if operation == 6:
            self._note(b"E", argument * BLOCK, b"")
            self._file.seek(argument * BLOCK)
            for _ in range(BLOCK // len(self._erased)):
                self._file.write(self._erased)
        return 0

    def _note(self, kind, address, data):
        """Into the trace: what is going to be written, before it is."""
        if self._trace is not None:
            self._trace.write(kind + struct.pack("<II", address, len(data)))
            if data:
                self._trace.write(data)
