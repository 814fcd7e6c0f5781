"""How long to leave a server alone after trouble: twice as long each time, spread by chance."""


class Backoff:
    """Delays that double from `base_ms` up to `cap_ms`, each spread over its upper half.

    `seed`: random bytes of this device (four are enough), so that a thousand devices that lost the
    same server do not all come back in the same second. The core draws no chance of its own.
    """

    def __init__(self, base_ms: int, cap_ms: int, seed: bytes):
        self._base_ms = base_ms
        self._cap_ms = cap_ms
        self._failures = 0
        self._chance = 0
        for byte in seed:
            self._chance = (self._chance * 257 + byte + 1) & 0x3FFFFFFF

    def delay_ms(self) -> int:
        """The next delay: between half and all of base * 2**failures, capped."""
        ceiling = min(self._cap_ms, self._base_ms << min(self._failures, 16))
        self._failures += 1
        # A linear congruential generator: its high bits are good enough to spread devices apart.
        self._chance = (self._chance * 1103515245 + 12345) & 0x3FFFFFFF
        return ceiling - ((ceiling // 2) * (self._chance >> 15) >> 15)

    def reset(self) -> None:
        """The server answered: the next trouble starts from the base again."""
        self._failures = 0
