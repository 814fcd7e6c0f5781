"""Who is signed in: a cookie in the browser, a row in the database, a CSRF token that ties forms to both."""

import hashlib
import hmac
import secrets
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from .database import Database, fingerprint
from .settings import Settings

_SLOT = "csrf_key"


class Session(NamedTuple):
    """A browser. `username` is empty until it has signed in; `user_code` is the code it is deciding about.

    `outcome` and `device_name` are what the last page of a walk tells.
    """

    cookie: str
    username: str = ""
    user_code: str = ""
    outcome: str = ""
    device_name: str = ""

    def __repr__(self) -> str:
        return f"<Session {self.username}>"


class Sessions:
    """The table of sessions. Cookies are stored as hashes; a browser that has not signed in has no row."""

    def __init__(self, database: Database, settings: Settings):
        self._database = database
        self._settings = settings
        key = database.load_json(_SLOT)
        if key is None:
            key = secrets.token_hex(32)
            database.save_json(_SLOT, key)
        self._key = bytes.fromhex(key)
        # Browsers keep cookies per host, not per port: two simulators on one machine need two names.
        self.cookie_name = "pairlet_" + fingerprint(settings.issuer)[:8]

    def find(self, request: Request, now: float) -> Session:
        """The session of this browser, or a new one that is not signed in."""
        cookie = request.cookies.get(self.cookie_name, "")
        if len(cookie) != 43 or not cookie.isascii():
            return Session(secrets.token_urlsafe(32))
        row = self._database.row(
            "SELECT username, user_code, outcome, device_name FROM web_session"
            " WHERE cookie_hash = ? AND expires_at > ?",
            fingerprint(cookie),
            now,
        )
        return Session(cookie, *[value or "" for value in row]) if row else Session(cookie)

    def sign_in(self, username: str, now: float) -> Session:
        """A signed-in session with a new cookie, so that a cookie planted before is worth nothing."""
        session = Session(secrets.token_urlsafe(32), username)
        self._database.run("DELETE FROM web_session WHERE expires_at <= ?", now)
        self._database.run(
            "INSERT INTO web_session VALUES (?,?,NULL,NULL,NULL,?)",
            fingerprint(session.cookie), username, now + self._settings.session_lifetime_s,
        )  # fmt: skip
        return session

    def update(self, session: Session) -> None:
        """Store `user_code`, `outcome` and `device_name`."""
        self._database.run(
            "UPDATE web_session SET user_code = ?, outcome = ?, device_name = ? WHERE cookie_hash = ?",
            session.user_code, session.outcome, session.device_name, fingerprint(session.cookie),
        )  # fmt: skip

    def sign_out(self, session: Session) -> None:
        """Forget the session."""
        self._database.run("DELETE FROM web_session WHERE cookie_hash = ?", fingerprint(session.cookie))

    def csrf_token(self, session: Session) -> str:
        """What every form of this browser carries; only pages of this server can know it."""
        return hmac.new(self._key, session.cookie.encode(), hashlib.sha256).hexdigest()

    def csrf_is_right(self, session: Session, given: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.csrf_token(session).encode(), given.encode())

    def set_cookie(self, response: Response, session: Session) -> None:
        """HttpOnly, SameSite=Lax so that a link from a QR code app finds the person signed in."""
        response.set_cookie(
            self.cookie_name,
            session.cookie,
            path=self._settings.path or "/",
            secure=self._settings.https,
            httponly=True,
            samesite="lax",
        )
