"""Device codes from issue to redemption, and how fast each may be polled (RFC 8628 sections 3.2 to 3.5)."""

import sqlite3
from dataclasses import dataclass

from .database import Database, fingerprint
from .user_code import new_user_code

APPROVED, DENIED = "approve", "deny"

SLOW_DOWN_S = 5.0
# Section 3.5 asks for at least `interval` between polls. A client that sleeps exactly so long may be seen
# a moment early: its request waited in a queue last time and did not this time.
TOLERANCE_S = 0.05

# A device that was off for a while should still hear expired_token, not invalid_grant.
_REMEMBERED_S = 24 * 3600
_TRIES = 20


@dataclass(frozen=True)
class DeviceCode:
    """One row, in the shape Authlib asks for. Times in seconds of the server's clock."""

    device_code_hash: str
    user_code: str
    client_id: str
    scope: str
    device_id: str
    device_name: str
    issued_at: float
    expires_at: float
    interval_s: float
    last_poll_at: float | None
    decision: str | None
    subject: str | None
    redeemed_at: float | None

    def get_client_id(self) -> str:
        """The client it was issued to."""
        return self.client_id

    def get_scope(self) -> str:
        """What the device asked for."""
        return self.scope

    def get_user_code(self) -> str:
        """As shown to the person."""
        return self.user_code


class DeviceCodes:
    """The table of device codes. Every `now` is seconds of the server's clock."""

    def __init__(self, database: Database):
        self._database = database

    def issue(
        self, device_code: str, client_id: str, scope: str, device: tuple[str, str], now: float,
        *, lifetime_s: float, interval_s: float,
    ) -> str:  # fmt: skip
        """Store a new code for `device`, an (id, name) pair; return the user_code drawn for it."""
        self._database.run("DELETE FROM device_code WHERE expires_at < ?", now - _REMEMBERED_S)
        for _ in range(_TRIES):
            user_code = new_user_code()
            try:
                self._database.run(
                    "INSERT INTO device_code VALUES (?,?,?,?,?,?,?,?,?,NULL,NULL,NULL,NULL)",
                    fingerprint(device_code), user_code, client_id, scope, *device,
                    now, now + lifetime_s, interval_s,
                )  # fmt: skip
            except sqlite3.IntegrityError:
                continue
            return user_code
        raise RuntimeError("no free user_code found")

    def by_device_code(self, device_code: str) -> DeviceCode | None:
        """What a poll asks about: None if never issued, or forgotten."""
        hashed = fingerprint(device_code)
        row = self._database.row("SELECT * FROM device_code WHERE device_code_hash = ?", hashed)
        return None if row is None else DeviceCode(*row)

    def waiting(self, user_code: str, now: float) -> DeviceCode | None:
        """The code a person may still decide about, or None."""
        row = self._database.row(
            "SELECT * FROM device_code WHERE user_code = ? AND decision IS NULL AND expires_at > ?",
            user_code,
            now,
        )
        return None if row is None else DeviceCode(*row)

    def decide(self, user_code: str, decision: str, subject: str, now: float) -> bool:
        """Record APPROVED or DENIED by `subject`; False if the code ran out or somebody was faster."""
        changed = self._database.run(
            "UPDATE device_code SET decision = ?, subject = ?"
            " WHERE user_code = ? AND decision IS NULL AND expires_at > ?",
            decision,
            subject,
            user_code,
            now,
        )
        return changed == 1

    def poll(self, code: DeviceCode, now: float) -> bool:
        """Note a poll of a waiting code. True if it was early, which costs 5 s for good (section 3.5)."""
        last = code.last_poll_at
        early = last is not None and now - last < code.interval_s - TOLERANCE_S
        self._database.run(
            "UPDATE device_code SET last_poll_at = ?, interval_s = ? WHERE device_code_hash = ?",
            now,
            code.interval_s + SLOW_DOWN_S if early else code.interval_s,
            code.device_code_hash,
        )
        return early

    def redeem(self, code: DeviceCode, now: float) -> None:
        """Tokens were issued: the code is spent."""
        self._database.run(
            "UPDATE device_code SET redeemed_at = ? WHERE device_code_hash = ?", now, code.device_code_hash
        )
