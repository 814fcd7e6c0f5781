"""Pairings and the tokens that hang on them: rotation, reuse detection, revocation.

A pairing is what a person approved once. All refresh tokens that descend from it are one family: when a
superseded one comes back, either its thief or its owner holds a copy, nobody knows which, and the whole
family ends (RFC 9700 section 4.14.2).
"""

from dataclasses import dataclass
from typing import NamedTuple

from authlib.common.security import generate_token

from .database import Database, fingerprint


class Pairing(NamedTuple):
    """A device, the client on it, the person (`subject`) and what was granted."""

    id: str
    client_id: str
    subject: str
    device_id: str
    device_name: str
    scope: str
    created_at: float
    revoked_at: float | None


class Consent(NamedTuple):
    """What Authlib calls the user of a grant: the person, and the device they said yes to."""

    subject: str
    device_id: str = ""
    device_name: str = ""

    def get_user_id(self) -> str:
        """The subject."""
        return self.subject


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token as presented, in the shape Authlib asks for."""

    token_hash: str
    parent_hash: str | None
    issued_at: float
    expires_at: float | None
    superseded_at: float | None
    pairing: Pairing

    def check_client(self, client: object) -> bool:
        """Whether it was issued to `client`."""
        return bool(client.get_client_id() == self.pairing.client_id)  # type: ignore[attr-defined]

    def get_scope(self) -> str:
        """What was granted; a refresh may ask for less, never for more (RFC 6749 section 6)."""
        return self.pairing.scope


class Pairings:
    """The tables of pairings, refresh and access tokens. Every `now` is seconds of the server's clock."""

    def __init__(self, database: Database):
        self._database = database

    def create(self, client_id: str, consent: Consent, scope: str, now: float) -> Pairing:
        """A new pairing, without tokens yet."""
        pairing = Pairing(generate_token(16), client_id, *consent, scope, now, None)
        self._database.run("INSERT INTO pairing VALUES (?,?,?,?,?,?,?,?)", *pairing)
        return pairing

    def all(self) -> list[Pairing]:
        """Every pairing, oldest first, revoked ones too."""
        return [
            Pairing(*row) for row in self._database.rows("SELECT * FROM pairing ORDER BY created_at, rowid")
        ]

    def by_id(self, pairing_id: str) -> Pairing | None:
        """One pairing, or None."""
        row = self._database.row("SELECT * FROM pairing WHERE id = ?", pairing_id)
        return None if row is None else Pairing(*row)

    def revoke(self, pairing_id: str, now: float) -> None:
        """End a pairing: no token of its family is good any more. The first time counts."""
        self._database.run(
            "UPDATE pairing SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", now, pairing_id
        )

    def add_refresh_token(
        self, token: str, pairing_id: str, parent_hash: str | None, now: float, lifetime_s: float | None
    ) -> None:
        """Record a refresh token that was issued; `lifetime_s` None means it does not expire."""
        expires_at = None if lifetime_s is None else now + lifetime_s
        self._database.run(
            "INSERT INTO refresh_token VALUES (?,?,?,?,?,NULL)",
            fingerprint(token), pairing_id, parent_hash, now, expires_at,
        )  # fmt: skip

    def refresh_token(self, token: str) -> RefreshToken | None:
        """The refresh token and its pairing, in whatever state, or None if never issued."""
        row = self._database.row("SELECT * FROM refresh_token WHERE token_hash = ?", fingerprint(token))
        if row is None:
            return None
        pairing = self.by_id(row["pairing_id"])
        assert pairing is not None
        return RefreshToken(
            row["token_hash"],
            row["parent_hash"],
            row["issued_at"],
            row["expires_at"],
            row["superseded_at"],
            pairing,
        )

    def may_repeat(self, token: RefreshToken, grace_s: float, now: float) -> bool:
        """Whether a superseded token is the immediately previous one, within its time of grace.

        It is that as long as nobody has used one of its successors: the answer was lost on its way.
        """
        if token.superseded_at is None or now - token.superseded_at > grace_s or grace_s <= 0:
            return False
        successors = self._database.rows(
            "SELECT superseded_at FROM refresh_token WHERE parent_hash = ?", token.token_hash
        )
        # No successor at all: it was retired as a sibling, so the holder of another answer won.
        return bool(successors) and all(each["superseded_at"] is None for each in successors)

    def supersede(self, token: RefreshToken, now: float) -> None:
        """A successor was issued: from now on `token` is an old one, and so are its unused siblings.

        Siblings exist after a repeat within the grace: of the successors, the first one used wins.
        """
        self._database.run(
            "UPDATE refresh_token SET superseded_at = ? WHERE superseded_at IS NULL"
            " AND (token_hash = ? OR parent_hash = ?)",
            now, token.token_hash, token.parent_hash,
        )  # fmt: skip

    def add_access_token(self, jti: str, pairing_id: str | None, expires_at: float, now: float) -> None:
        """Remember an access token until it expires, so that it can be introspected and revoked."""
        self._database.run("DELETE FROM access_token WHERE expires_at < ?", now)
        self._database.run("INSERT INTO access_token VALUES (?,?,?,NULL)", jti, pairing_id, expires_at)

    def revoke_access_token(self, jti: str, now: float) -> None:
        """Revoke one access token and nothing else."""
        self._database.run("UPDATE access_token SET revoked_at = ? WHERE jti = ?", now, jti)

    def access_token_is_active(self, jti: str) -> bool:
        """Whether it was issued here and neither it nor its pairing was revoked; `exp` is for the caller."""
        row = self._database.row(
            "SELECT access_token.revoked_at AS own, pairing.revoked_at AS whole FROM access_token"
            " LEFT JOIN pairing ON pairing.id = pairing_id WHERE jti = ?",
            jti,
        )
        return row is not None and row["own"] is None and row["whole"] is None
