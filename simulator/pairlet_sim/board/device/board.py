# mypy: ignore-errors
"""What a virtual board runs when it gets power: MicroPython starts with this file.

Its globals become those of the program, as `__main__` is on a board; so they are emptied before.
"""

import _boot

_boot.start(globals())
