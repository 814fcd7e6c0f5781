"""A part of the greeting that a broker may hang up on: left out for a while when it does so each time."""

_ENDS = 3
_LEFT_OUT_MS = 3600000


class Step:
    """Counts connections that ended in the middle of it."""

    def __init__(self) -> None:
        self._ends = 0
        self._left_out_until: int | None = None

    def is_wanted(self, now: int) -> bool:
        """Whether to do it in this connection."""
        return self._left_out_until is None or now >= self._left_out_until

    def worked(self) -> None:
        """The broker took it."""
        self._ends, self._left_out_until = 0, None

    def ended(self, now: int) -> bool:
        """The connection ended in the middle of it; True when it is left out from now on."""
        self._ends += 1
        if self._ends < _ENDS:
            return False
        self._ends, self._left_out_until = _ENDS - 1, now + _LEFT_OUT_MS
        return True
