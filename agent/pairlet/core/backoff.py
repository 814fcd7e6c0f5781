"""How long to leave a server alone after trouble: twice as long each time, spread by chance."""


class Backoff:
    """Delays that double from `base_ms` up to `cap_ms`, each spread over its upper half, and after six at
    the cap over its upper quarter.

    `seed`: random bytes of this device (four are enough), so that a thousand devices that lost the
    same server do not all come back in the same second. The core draws no chance of its own.
    `first_ms`: the first delay is anything up to that, for what ends in the same moment for all.
    """

    def __init__(self, base_ms: int, cap_ms: int, seed: bytes, first_ms: int = 0):
        self._base_ms = base_ms
        self._cap_ms = cap_ms
        self._first_ms = first_ms
        self._failures = 0
        self._chance = 0
        for byte in seed:
            self._chance = (self._chance * 257 + byte + 1) & 0x3FFFFFFF

    def delay_ms(self, asked_ms: int = 0) -> int:
        """The next delay: between half and all of base * 2**failures, in the end between 3/4 and all of cap.

        `asked_ms`: what the server asked for (Retry-After). It may have named the same moment to
        everybody, so by chance up to a quarter of it is added, but no more than 2 min.
        """
        ceiling = self._base_ms << min(self._failures, 16)
        # Wide spreads drive a fleet apart that lost its server in one moment. Once it is, they only make
        # more of it come first when the server is back: twice the mean, if they went down to 0.
        part = 4 if ceiling >= 64 * self._cap_ms else 2
        ceiling = min(ceiling, self._cap_ms)
        delay = ceiling - self.spread_ms(ceiling // part)
        if self._first_ms and not self._failures:
            delay = self.spread_ms(self._first_ms)
        self._failures += 1
        if asked_ms:
            delay = max(delay, asked_ms + self.spread_ms(min(asked_ms // 4, 120000)))
        return delay

    def spread_ms(self, limit_ms: int) -> int:
        """A moment between 0 and `limit_ms` by chance, for what meets many devices at once."""
        # A linear congruential generator: its high bits are good enough to spread devices apart.
        self._chance = (self._chance * 1103515245 + 12345) & 0x3FFFFFFF
        return limit_ms * (self._chance >> 15) >> 15

    def reset(self) -> None:
        """The server answered: the next trouble starts from the base again."""
        self._failures = 0
