"""The Entropy port on a board."""

import os


class BoardEntropy:
    """Random bytes from the chip's own source, by way of os.urandom.

    On ESP32 that source is only as good as its manual says while the radio is on: start Wi-Fi first.
    """

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes fit for secrets (state, nonces, jitter that must not be guessed)."""
        return os.urandom(count)
