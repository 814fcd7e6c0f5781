"""The Entropy port on Linux."""

import os


class SystemEntropy:
    """Random bytes from the kernel's generator."""

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes fit for secrets (state, nonces, jitter that must not be guessed)."""
        return os.urandom(count)
