# mypy: ignore-errors
"""Puts files into a flash file, with the board's own LittleFS. Runs on MicroPython, instead of board.py.

`sys.argv`: the number of the open flash file, and its blocks. Standard input: for each file a line with its
path on the board, a line with its size, and its bytes. The exit status is an errno, 0 when all is in there.
"""

import os
import sys

import vfs


class _Wire:
    """All that the chip wants to know of a board that is not there."""

    flash_number, block_count = int(sys.argv[1]), int(sys.argv[2])
    trace_number = -1


sys.modules["_wire"] = _Wire
import _flash  # noqa: E402

_TOP = "/flash"


def _make_folders(path):
    """Make what `path` lies in."""
    end = path.find("/")
    while end > 0:
        try:
            os.mkdir(_TOP + "/" + path[:end])
        except OSError as error:
            if error.errno != 17:
                raise
        end = path.find("/", end + 1)


def _fill(stream):
    chip = _flash.Flash()
    vfs.VfsLfs2.mkfs(chip, progsize=_flash.PROGRAM)
    os.mount(vfs.VfsLfs2(chip, progsize=_flash.PROGRAM), _TOP)
    while path := stream.readline().decode().rstrip("\n"):
        size = int(stream.readline())
        _make_folders(path)
        with open(_TOP + "/" + path, "wb") as file:
            while size:
                data = stream.read(min(size, 4096))
                file.write(data)
                size -= len(data)
    os.umount(_TOP)


try:
    _fill(sys.stdin.buffer)
except OSError as error:
    sys.exit(error.errno)
