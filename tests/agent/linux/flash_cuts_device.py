"""Boots a flash as every power cut of a recorded `pairlet flash` left it: `micropython THIS IMAGE TRACE`.

MicroPython code. IMAGE is the flash before, TRACE what was written to it (pairlet_sim.board.flash has the
format). The flash is rebuilt as each beginning of the trace left it, and as each last write torn at its
quarters left it; what /main.py does there is printed after a line "cut N".
"""

import os
import struct
import sys

import vfs

BLOCK = 4096


class Flash:
    """A block device in memory."""

    def __init__(self, data):
        self.data = data

    def readblocks(self, number, buffer, offset=0):
        start = number * BLOCK + offset
        buffer[:] = memoryview(self.data)[start : start + len(buffer)]

    def writeblocks(self, number, buffer, offset=0):
        start = number * BLOCK + offset
        self.data[start : start + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data) // BLOCK
        if operation == 5:
            return BLOCK
        if operation == 6:
            self.data[argument * BLOCK : (argument + 1) * BLOCK] = b"\xff" * BLOCK
        return 0


def read(name):
    with open(name, "rb") as file:
        return file.read()


def writes(trace):
    """(address, bytes) of each write and erasure, in order."""
    place = 0
    while place < len(trace):
        kind, address, size = struct.unpack("<BII", trace[place : place + 9])
        data = trace[place + 9 : place + 9 + size]
        place += 9 + size
        yield address, data if kind == 87 else b"\xff" * BLOCK


def boot(image):
    """Mount a copy of `image` and run what a board would."""
    system = vfs.VfsLfs2(Flash(bytearray(image)), progsize=256)
    os.mount(system, "/")
    os.chdir("/")
    path = sys.path[:]
    try:
        exec(read("/main.py"), {"__name__": "__main__"})
    except Exception as error:
        print("failed:", repr(error))
    sys.path[:] = path
    for name in ("pairlet_main", "pairlet_part"):
        sys.modules.pop(name, None)
    os.umount("/")


def main():
    image, trace = bytearray(read(sys.argv[1])), read(sys.argv[2])
    os.umount("/")
    number = 0
    for address, data in writes(trace):
        for quarter in range(4):
            size = len(data) * quarter // 4
            image[address : address + size] = data[:size]
            print("cut", number)
            boot(image)
            number += 1
        image[address : address + len(data)] = data
    print("cut", number)
    boot(image)


main()
