"""Guessing is slow: so many wrong tries per account and per address, then wait (RFC 8628 section 5.1)."""

import ipaddress
import math
from collections.abc import Sequence

from .database import Database


class GuessLimit:
    """A sliding window over the `attempt` table. `allowed` failures within `window_s` seconds per bucket.

    A try is counted before it is judged and given back when it was right, so that many tries at once
    can't slip through while passwords are being hashed. A right try does not wipe out the wrong ones:
    with an account of one's own one could otherwise guess other people's codes for ever.
    """

    def __init__(self, database: Database, allowed: int, window_s: float):
        self._database = database
        self._allowed = allowed
        self._window_s = window_s

    def wait_s(self, buckets: Sequence[str], now: float) -> int:
        """Whole seconds until another try is allowed in all `buckets`; 0 means at once."""
        self._database.run("DELETE FROM attempt WHERE at <= ?", now - self._window_s)
        longest = 0.0
        for bucket in buckets:
            rows = self._database.rows(
                "SELECT at FROM attempt WHERE bucket = ? ORDER BY at DESC LIMIT ?", bucket, self._allowed
            )
            if len(rows) == self._allowed:
                longest = max(longest, rows[-1]["at"] + self._window_s - now)
        return math.ceil(longest)

    def take(self, buckets: Sequence[str], now: float) -> None:
        """Count one try."""
        for bucket in buckets:
            self._database.run("INSERT INTO attempt VALUES (?, ?)", bucket, now)

    def give_back(self, buckets: Sequence[str], now: float) -> None:
        """The try taken at `now` was right after all."""
        for bucket in buckets:
            self._database.run(
                "DELETE FROM attempt WHERE rowid ="
                " (SELECT rowid FROM attempt WHERE bucket = ? AND at = ? LIMIT 1)",
                bucket, now,
            )  # fmt: skip


def address_bucket(host: str | None) -> str:
    """What counts as one address: an IPv6 subscriber has a whole /64 to guess from."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return "address"
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return "address " + str(ipaddress.ip_network((address, 64), strict=False))
    return f"address {address}"
