"""A model authorization server: RFC 8628, refresh (RFC 6749), revocation (RFC 7009), metadata (RFC 8414)."""

import json
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

from . import MARK
from .grants import Grants, Note, Rotation
from .policy import LEFT_OUT, Policy

ISSUER = "https://auth.example"
_A_DAY_MS = 86_400_000


class Answer(NamedTuple):
    """An HTTP answer, and the Rotation that it carries, if it does."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    rotation: Rotation | None = None


class Code:
    """A device code. `decision`: "", "approve" or "deny". `early`: polls before the interval was over."""

    def __init__(self, user_code: str, ends: int, interval_ms: int):
        self.user_code = user_code
        self.ends = ends
        self.interval_ms = interval_ms
        self.decision = ""
        self.polled_at: int | None = None
        self.used = False
        self.early = 0


@lru_cache(maxsize=16)
def form_of(body: bytes) -> dict[str, str]:
    """The parameters in the body of a request, to be read only."""
    return dict(parse_qsl(body.decode("ascii"), strict_parsing=True))


class AuthorizationServer:
    """Answers requests. `storm`: how many of the next polls get a slow_down for no reason."""

    def __init__(self, policy: Policy, note: Note):
        self.grants = Grants(policy, note)
        self.codes: dict[str, Code] = {}
        self.storm = 0
        self.served: dict[str, int] = {}
        self._note = note
        self._count = 0

    def change(self, policy: Policy) -> None:
        """Behave like that from now on."""
        self.grants.policy = policy

    def answer(self, method: str, url: str, body: bytes, now: int) -> Answer:
        """Answer a request at `now` (ms)."""
        path = url[len(ISSUER) :]
        self.served[path] = self.served.get(path, 0) + 1
        if method == "GET":
            return (
                _json(200, _METADATA) if path == "/.well-known/oauth-authorization-server" else _not_found()
            )
        fields = form_of(body)
        if fields.get("client_id") != "tv":
            return _error(401, "invalid_client")
        if path == "/device":
            return self._give_code(now)
        if path == "/revoke":
            self.grants.revoke(fields["token"])
            return _json(200, {})
        if path == "/token" and fields["grant_type"] == "refresh_token":
            return self._renew(fields["refresh_token"], now)
        if path == "/token" and fields["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code":
            return self._poll(fields["device_code"], now)
        return _not_found()

    def decide(self, user_code: str, decision: str, now: int) -> bool:
        """What a person does on the page; False when the page says that the code is no good."""
        for code in self.codes.values():
            if code.user_code == user_code and now < code.ends and not code.used and not code.decision:
                code.decision = decision
                return True
        return False

    def forget_codes(self) -> None:
        """What a server does that keeps codes in memory and starts anew."""
        self.codes.clear()

    def _give_code(self, now: int) -> Answer:
        self._count += 1
        policy = self.grants.policy
        device_code = f"{MARK}d{self._count}"
        user_code = f"{_word(self._count)}-{_word(7 * self._count + 3)}"
        self.codes = {text: code for text, code in self.codes.items() if now < code.ends + _A_DAY_MS}
        self.codes[device_code] = Code(user_code, now + 1000 * policy.code_s, policy.interval_ms())
        self._note("gives the code %s for %d s", user_code, policy.code_s)
        members = {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": ISSUER + "/go",
            "verification_uri_complete": f"{ISSUER}/go?user_code={user_code}",
            "expires_in": policy.code_s,
        }
        if policy.interval is not LEFT_OUT:
            members["interval"] = policy.interval  # type: ignore[assignment]
        return _json(200, members)

    def _poll(self, device_code: str, now: int) -> Answer:
        code = self.codes.get(device_code)
        if code is None or code.used:
            return self._refuse("invalid_grant", device_code)
        since, code.polled_at = code.polled_at, now
        if now >= code.ends:
            return self._refuse("expired_token", device_code)
        early = since is not None and now - since < code.interval_ms
        if early or self.storm:
            code.early += early
            self.storm = max(0, self.storm - 1)
            code.interval_ms += 5000
            named = {"interval": code.interval_ms // 1000} if self.grants.policy.names_slower_interval else {}
            return _error(400, "slow_down", **named)
        if not code.decision:
            return _error(self.grants.policy.pending_status, "authorization_pending")
        if code.decision == "deny":
            return self._refuse("access_denied", device_code)
        code.used = True
        return _json(200, self.grants.approve(now))

    def _renew(self, text: str, now: int) -> Answer:
        members, rotation = self.grants.renew(text, now)
        if members is None:
            return self._refuse("invalid_grant", text)
        return _json(200, members)._replace(rotation=rotation)

    def _refuse(self, error: str, sent: str) -> Answer:
        return (
            _error(400, error, error_description=f"not good: {sent}")
            if self.grants.policy.quotes
            else _error(400, error)
        )


_METADATA: dict[str, object] = {
    "issuer": ISSUER,
    "device_authorization_endpoint": ISSUER + "/device",
    "token_endpoint": ISSUER + "/token",
    "revocation_endpoint": ISSUER + "/revoke",
    "response_types_supported": ["none"],
}


def _json(status: int, members: dict[str, object]) -> Answer:
    headers = [("content-type", "application/json"), ("cache-control", "no-store")]
    return Answer(status, headers, json.dumps(members).encode())


def _not_found() -> Answer:
    return Answer(404, [("content-type", "text/plain")], b"not found")


def _error(status: int, error: str, **more: object) -> Answer:
    return _json(status, {"error": error, **more})


def _word(number: int) -> str:
    """Four consonants (RFC 8628 section 6.1)."""
    letters = "BCDFGHJKLMNPQRSTVWXZ"
    digits = [number // 8000, number // 400, number // 20, number]
    return "".join(letters[digit % 20] for digit in digits)
