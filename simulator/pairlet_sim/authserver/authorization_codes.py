"""Authorization codes from issue to redemption (RFC 6749 section 4.1.2), each with its code_challenge."""

from dataclasses import dataclass

from .database import Database, fingerprint
from .pairings import Consent

# Section 4.1.2 allows ten minutes; the program that waits for it is on the same machine as the browser.
LIFETIME_S = 60.0
# A code that comes back is a sign of theft for as long as it can be told from one that never was.
_REMEMBERED_S = 24 * 3600


@dataclass(frozen=True)
class AuthorizationCode:
    """One row, in the shape Authlib asks for. Times in seconds of the server's clock."""

    code_hash: str
    client_id: str
    redirect_uri: str
    scope: str
    subject: str
    device_id: str
    device_name: str
    code_challenge: str
    expires_at: float
    redeemed_at: float | None
    pairing_id: str | None

    # Nothing else is taken (RFC 7636 section 4.2, RFC 9700 section 2.1.1).
    code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        """Where the browser was sent; the token request must name the same."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """What was approved."""
        return self.scope

    @property
    def consent(self) -> Consent:
        """Who approved, and for which device."""
        return Consent(self.subject, self.device_id, self.device_name)


class AuthorizationCodes:
    """The table of authorization codes. Every `now` is seconds of the server's clock."""

    def __init__(self, database: Database):
        self._database = database

    def add(
        self,
        code: str,
        client_id: str,
        redirect_uri: str,
        scope: str,
        consent: Consent,
        code_challenge: str,
        now: float,
    ) -> None:
        """Remember a code that is about to leave."""
        self._database.run("DELETE FROM authorization_code WHERE expires_at < ?", now - _REMEMBERED_S)
        self._database.run(
            "INSERT INTO authorization_code VALUES (?,?,?,?,?,?,?,?,?,NULL,NULL)",
            fingerprint(code), client_id, redirect_uri, scope, *consent, code_challenge, now + LIFETIME_S,
        )  # fmt: skip

    def find(self, code: str) -> AuthorizationCode | None:
        """The code in whatever state, or None if it was never issued."""
        row = self._database.row("SELECT * FROM authorization_code WHERE code_hash = ?", fingerprint(code))
        return None if row is None else AuthorizationCode(*row)

    def redeem(self, code: AuthorizationCode, pairing_id: str | None, now: float) -> None:
        """Tokens were issued, under that pairing: the code is spent."""
        self._database.run(
            "UPDATE authorization_code SET redeemed_at = ?, pairing_id = ? WHERE code_hash = ?",
            now, pairing_id, code.code_hash,
        )  # fmt: skip
