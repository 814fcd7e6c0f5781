"""The way to the server: what becomes of each exchange."""

import json
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from .clock import http_date
from .model.authorization_server import Answer
from .weather import MINUTE_MS, SECOND_MS, Storm

# How long a device's HTTP client waits for an answer.
TIMEOUT_MS = 30_000
TLS = "tls"

_HTML = [("content-type", "text/html; charset=utf-8")]
_JSON = [("content-type", "application/json")]


class Fate(NamedTuple):
    """What becomes of an exchange that began at `began` (ms). `up_ms`, `down_ms`: how long each way takes.

    `reaches`: whether the server hears of it. `change`: what comes back in place of its answer (given
    that answer, or None when it was not reached). `failure`: why nothing comes back, TLS for a peer
    that can't prove who it is; "" otherwise. `trouble`: its name, "" for an exchange like any other.
    """

    began: int
    up_ms: int
    down_ms: int
    reaches: bool = True
    change: "Callable[[Answer | None], Answer] | None" = None
    failure: str = ""
    trouble: str = ""


class Network:
    """Draws the fate of each exchange; a trouble that has begun lasts until `until` (ms)."""

    def __init__(self, chance: Random):
        self.storm = Storm()
        self.until = 0
        self._trouble = ""
        self._chance = chance

    def calm(self) -> None:
        """All is well from now on."""
        self.storm, self.until, self._trouble = Storm(), 0, ""

    def break_down(self, trouble: str, until: int) -> None:
        """This trouble for every exchange until `until` (ms)."""
        self._trouble, self.until = trouble, until

    def fate(self, now: int, kind: str) -> Fate:
        """What becomes of an exchange of `kind` (see http_port) that begins now."""
        chance, storm = self._chance, self.storm
        up_ms = 10 + int(chance.random() * storm.latency_ms)
        down_ms = 10 + int(chance.random() * storm.latency_ms)
        if now >= self.until:
            self._trouble = ""
            if storm.at_exchange and chance.random() < storm.at_exchange:
                self._trouble = chance.choice(storm.troubles)
                if kind == "code" and chance.random() < 0.15:
                    self._trouble = "hostile"
                lasts = chance.random() < 0.4
                self.until = now + (
                    int(SECOND_MS * (storm.longest_ms / SECOND_MS) ** chance.random()) if lasts else 0
                )
        if not self._trouble:
            if up_ms + down_ms > TIMEOUT_MS:
                return Fate(now, up_ms, TIMEOUT_MS - up_ms, failure="no answer within 30 s", trouble="slow")
            return Fate(now, up_ms, down_ms)
        return _FATES[self._trouble](chance, Fate(now, up_ms, down_ms, trouble=self._trouble), kind)


def _no_route(chance: Random, fate: Fate, kind: str) -> Fate:
    return fate._replace(reaches=False, failure="no route to auth.example")


def _silence(chance: Random, fate: Fate, kind: str) -> Fate:
    return fate._replace(reaches=False, down_ms=TIMEOUT_MS - fate.up_ms, failure="no answer within 30 s")


def _lost_answer(chance: Random, fate: Fate, kind: str) -> Fate:
    return fate._replace(down_ms=TIMEOUT_MS - fate.up_ms, failure="no answer within 30 s")


def _cut_answer(chance: Random, fate: Fate, kind: str) -> Fate:
    return fate._replace(failure="the answer was cut off")


def _truncated(chance: Random, fate: Fate, kind: str) -> Fate:
    part = chance.random()

    def cut(answer: "Answer | None") -> Answer:
        assert answer is not None
        return answer._replace(body=answer.body[: int(len(answer.body) * part)], rotation=None)

    return fate._replace(change=cut)


def _instead(
    fate: Fate, status: int, headers: list[tuple[str, str]], body: bytes, reaches: bool = False
) -> Fate:
    return fate._replace(reaches=reaches, change=lambda answer: Answer(status, headers, body))


def _portal(chance: Random, fate: Fate, kind: str) -> Fate:
    return _instead(fate, 200, _HTML, b"<html><title>Welcome to our Wi-Fi</title>")


def _redirect(chance: Random, fate: Fate, kind: str) -> Fate:
    status = chance.choice((301, 302, 303, 307, 308))
    return _instead(fate, status, [("location", "https://portal.example/login")], b"")


def _garbage(chance: Random, fate: Fate, kind: str) -> Fate:
    body = chance.randbytes(chance.choice((0, 1, 7, 300)))
    return _instead(fate, chance.choice((200, 200, 400, 418)), _JSON, body)


def _gateway(chance: Random, fate: Fate, kind: str) -> Fate:
    """A proxy speaks for the server, which may have acted."""
    status = chance.choice((500, 502, 503, 504))
    return _instead(fate, status, _HTML, b"<html>trouble", reaches=chance.random() < 0.5)


def _busy(chance: Random, fate: Fate, kind: str) -> Fate:
    seconds = chance.choice((1, 5, 30, 120, 600, 3600, 86400))
    after = http_date(fate.began, seconds) if chance.random() < 0.3 else str(seconds)
    headers = [*_JSON, ("date", http_date(fate.began)), ("retry-after", after)]
    return _instead(fate, chance.choice((429, 503)), headers, b"")


def _wrong_json(chance: Random, fate: Fate, kind: str) -> Fate:
    bodies = (b"{}", b"[]", b"null", b'{"status":"ok"}', b'{"access_token":5,"token_type":"Bearer"}', b'"x"')
    return _instead(fate, 200, _JSON, chance.choice(bodies))


def _oauth_trouble(chance: Random, fate: Fate, kind: str) -> Fate:
    """Errors that are no verdict on a grant: of the server itself, of the client, or of a load balancer."""
    status, error = chance.choice(
        (
            (500, "server_error"), (503, "temporarily_unavailable"), (400, "temporarily_unavailable"),
            (401, "invalid_client"), (400, "invalid_request"), (400, "unauthorized_client"),
            (500, "invalid_grant"), (429, "invalid_grant"),
        )
    )  # fmt: skip
    return _instead(fate, status, _JSON, json.dumps({"error": error}).encode())


def _tls(chance: Random, fate: Fate, kind: str) -> Fate:
    return fate._replace(reaches=False, failure=TLS)


def _hostile(chance: Random, fate: Fate, kind: str) -> Fate:
    """An answer that wants to steer a screen, or to lead a person or the device astray."""
    if kind == "metadata" and chance.random() < 0.3:
        names = ("token_endpoint", "device_authorization_endpoint", "revocation_endpoint")
        endpoints = {name: f"https://evil.example/{name}" for name in names}
        return _instead(
            fate, 200, _JSON, json.dumps({"issuer": "https://evil.example", **endpoints}).encode()
        )
    evil = "\x1b[2J\u202eevil"
    if kind == "code":
        members = {
            "device_code": "hidden-dx",
            "user_code": "GOOD-CODE",
            "verification_uri": "https://auth.example/x",
        }
        name = chance.choice(("user_code", "verification_uri"))
        members[name] = (
            evil if name == "user_code" else chance.choice(("http://auth.example/x", "https://x/" + evil))
        )
        return _instead(fate, 200, _JSON, json.dumps({**members, "expires_in": 300}).encode())
    body = {"error": "invalid_request", "error_description": evil}
    return _instead(fate, 400, _JSON, json.dumps(body).encode())


def _slow(chance: Random, fate: Fate, kind: str) -> Fate:
    down_ms = chance.randint(5 * SECOND_MS, MINUTE_MS)
    if fate.up_ms + down_ms > TIMEOUT_MS:
        return fate._replace(down_ms=TIMEOUT_MS - fate.up_ms, failure="no answer within 30 s")
    return fate._replace(down_ms=down_ms)


_FATES: "dict[str, Callable[[Random, Fate, str], Fate]]" = {
    "no_route": _no_route,
    "silence": _silence,
    "lost_answer": _lost_answer,
    "cut_answer": _cut_answer,
    "truncated": _truncated,
    "portal": _portal,
    "redirect": _redirect,
    "garbage": _garbage,
    "gateway": _gateway,
    "busy": _busy,
    "wrong_json": _wrong_json,
    "oauth_trouble": _oauth_trouble,
    "tls": _tls,
    "hostile": _hostile,
    "slow": _slow,
}
