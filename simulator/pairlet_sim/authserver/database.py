"""SQLite under the server: the schema, transactions, and a drawer for keys.

Tokens and device codes are stored as SHA-256 only: who reads the file can't use them. All access is from
the thread of the event loop, one request at a time, so that a transaction needs no lock of its own.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .settings import SettingsError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS device_code (
    device_code_hash TEXT PRIMARY KEY, user_code TEXT NOT NULL UNIQUE, client_id TEXT NOT NULL,
    scope TEXT NOT NULL, device_id TEXT NOT NULL, device_name TEXT NOT NULL,
    issued_at REAL NOT NULL, expires_at REAL NOT NULL, interval_s REAL NOT NULL, last_poll_at REAL,
    decision TEXT, subject TEXT, redeemed_at REAL);
CREATE TABLE IF NOT EXISTS authorization_code (
    code_hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, redirect_uri TEXT NOT NULL, scope TEXT NOT NULL,
    subject TEXT NOT NULL, device_id TEXT NOT NULL, device_name TEXT NOT NULL, code_challenge TEXT NOT NULL,
    expires_at REAL NOT NULL, redeemed_at REAL, pairing_id TEXT);
CREATE TABLE IF NOT EXISTS pairing (
    id TEXT PRIMARY KEY, client_id TEXT NOT NULL, subject TEXT NOT NULL, device_id TEXT NOT NULL,
    device_name TEXT NOT NULL, scope TEXT NOT NULL, created_at REAL NOT NULL, revoked_at REAL);
CREATE TABLE IF NOT EXISTS refresh_token (
    token_hash TEXT PRIMARY KEY, pairing_id TEXT NOT NULL REFERENCES pairing, parent_hash TEXT,
    issued_at REAL NOT NULL, expires_at REAL, superseded_at REAL);
CREATE INDEX IF NOT EXISTS refresh_token_parent ON refresh_token (parent_hash);
CREATE TABLE IF NOT EXISTS access_token (
    jti TEXT PRIMARY KEY, pairing_id TEXT REFERENCES pairing, expires_at REAL NOT NULL, revoked_at REAL);
CREATE INDEX IF NOT EXISTS access_token_expires ON access_token (expires_at);
CREATE TABLE IF NOT EXISTS web_session (
    cookie_hash TEXT PRIMARY KEY, username TEXT NOT NULL, user_code TEXT, outcome TEXT, device_name TEXT,
    expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attempt (bucket TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS attempt_bucket ON attempt (bucket, at);
CREATE TABLE IF NOT EXISTS assertion (jti_hash TEXT PRIMARY KEY, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS binding (name TEXT PRIMARY KEY, thumbprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS drawer (slot TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Database:
    """An open database. `path` is a file, made with mode 0600 if missing, or ":memory:".

    Raises SettingsError when the file can't be opened or is something else.
    """

    def __init__(self, path: str):
        try:
            if path != ":memory:":
                # Made before SQLite opens it, which would use the umask: it holds the signing key.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"The database {path} can't be opened: {error}.") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. An OAuth error is an answer, not a failure: its writes stay."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def run(self, sql: str, *values: Any) -> int:
        """Execute one statement; return how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def load_json(self, slot: str) -> Any:
        """A value saved with save_json, or None."""
        row = self.row("SELECT value FROM drawer WHERE slot = ?", slot)
        return None if row is None else json.loads(row["value"])

    def save_json(self, slot: str, value: Any) -> None:
        """Keep a small value for the next start."""
        self.run("INSERT OR REPLACE INTO drawer VALUES (?, ?)", slot, json.dumps(value))

    def close(self) -> None:
        """Close the file. Harmless when closed."""
        self._connection.close()


def fingerprint(secret: str) -> str:
    """What is stored instead of a token. Fast is fine: tokens have too much entropy to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()
