# mypy: ignore-errors
"""What a virtual board runs in place of `board` when its idle time is skipped."""

import _idle  # noqa: I001 - before everything that takes its time from `time`
import _boot

del _idle
_boot.start(globals())
