"""The virtual board: a real MicroPython with the flash, the pins, the display and the air of a small board.

`pairlet sim board` runs one; `VirtualBoard` and `Board` are for programs. Linux only.
"""

from .board import Board
from .settings import BoardError, Settings, find_micropython, mpy_version
from .virtual import VirtualBoard

__all__ = ["Board", "BoardError", "Settings", "VirtualBoard", "find_micropython", "mpy_version"]
