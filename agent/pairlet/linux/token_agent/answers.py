"""What is said over the socket: an access token with the members of RFC 6749 section 5.1, or why not.

Never a refresh token. Errors are a JSON object as in section 5.2; codes of no RFC begin with "pairlet_".
"""

import json
from http import HTTPStatus
from typing import Any

from ...core.errors import (
    ConfigError,
    OAuthError,
    PairletError,
    ProtocolError,
    StoreError,
    TlsError,
    TransportError,
    UnpairedError,
)
from ...core.json_object import parse, seconds_member, secret_member, text_member
from ...core.text import clean
from ...core.token import TEN_YEARS_S, Token
from ..health.serving import Answer

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_KINDS: dict[str, type[PairletError]] = {
    "pairlet_unpaired": UnpairedError,
    "pairlet_network": TransportError,
    "pairlet_identity": TlsError,
    "pairlet_store": StoreError,
    "pairlet_configuration": ConfigError,
    "pairlet_refused": ProtocolError,
}


class Lent:
    """An access token as it came over the socket, and whose it is: `issuer` (or token endpoint), `client_id`,
    and the agent's `state_dir`."""

    def __init__(self, token: Token, issuer: str, client_id: str, state_dir: str):
        self.token = token
        self.issuer = issuer
        self.client_id = client_id
        self.state_dir = state_dir


def token_answer(token: Token, now: int, whose: dict[str, str]) -> Answer:
    """`token` as JSON. `whose`: the members issuer, client_id and state_dir."""
    left_ms = token.remaining_ms(now)
    members: dict[str, Any] = {"access_token": token.access_token.reveal(), "token_type": "Bearer"}
    members["expires_in"] = None if left_ms is None else left_ms // 1000
    return Answer(HTTPStatus.OK, _JSON, _json({**members, "scope": token.scope, **whose}))


def text_answer(token: Token) -> Answer:
    """`token` as a line, for shell scripts."""
    return Answer(HTTPStatus.OK, _TEXT, token.access_token.reveal().encode() + b"\n")


def error_answer(error: PairletError) -> Answer:
    """Why there is no token."""
    if isinstance(error, OAuthError):
        code, description = error.error, error.error_description or ""
    else:
        known = [code for code, kind in _KINDS.items() if isinstance(error, kind)]
        code, description = known[0] if known else "pairlet_error", str(error)
    members = {"error": code, "error_description": description, "advice": error.advice}
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, _JSON, _json(members))


def read_answer(body: bytes, now: int) -> Lent:
    """The token that `body` brings; raises the error that it brings, and ProtocolError for anything else."""
    members = parse(body)
    if members.get("error") is not None:
        raise _error(members)
    access_token = secret_member(members, "access_token")
    if access_token is None:
        raise ProtocolError("the token agent's answer has no access_token")
    left_s = seconds_member(members, "expires_in", TEN_YEARS_S)
    token = Token(
        access_token,
        expires_in=left_s,
        expires_at=None if left_s is None else now + 1000 * left_s,
        scope=text_member(members, "scope", 2000) or "",
    )
    issuer, client_id, state_dir = (
        text_member(members, name, 4096) or "" for name in ("issuer", "client_id", "state_dir")
    )
    return Lent(token, issuer, client_id, state_dir)


def _error(members: dict[str, Any]) -> PairletError:
    code, description, advice = (
        clean(str(members.get(name) or ""), 500) for name in ("error", "error_description", "advice")
    )
    kind = _KINDS.get(code)
    if kind is not None:
        return kind(description, advice or None)
    if code.startswith("pairlet_"):
        return ProtocolError(description, advice or None)
    return OAuthError(code, description or None, advice or None)


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members).encode() + b"\n"
