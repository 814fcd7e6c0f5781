"""Folders for tests of the board's files: on a real LittleFS under MicroPython, temporary under CPython."""

import os

BLOCK = 512
_folders = []


class RamBlocks:
    """A block device of `count` blocks in memory, as os.AbstractBlockDev wants it."""

    def __init__(self, count):
        self.data = bytearray(count * BLOCK)

    def readblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        buffer[:] = memoryview(self.data)[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        self.data[start : start + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data) // BLOCK
        if operation == 5:
            return BLOCK
        return 0


def fresh_folder(blocks=64):
    """An empty folder that nothing else uses, with room for `blocks` blocks where it is on a RAM disk."""
    try:
        import vfs
    except ImportError:
        import tempfile

        # Kept, for it removes itself with the process.
        _folders.append(tempfile.TemporaryDirectory())
        return _folders[-1].name
    # Only the newest disk is kept: a board's heap has no room for more.
    if _folders:
        vfs.umount(_folders.pop())
    folder = "/disk"
    device = RamBlocks(blocks)
    vfs.VfsLfs2.mkfs(device)
    vfs.mount(vfs.VfsLfs2(device), folder)
    _folders.append(folder)
    return folder


def write(path, data):
    """Make the file `path` hold `data`."""
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    """What the file `path` holds."""
    with open(path, "rb") as file:
        return file.read()


def size(path):
    """Bytes of the file `path`."""
    return os.stat(path)[6]
