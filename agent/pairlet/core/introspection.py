"""Asking the server what it makes of a token (RFC 7662). Not for boards."""

from collections import namedtuple

from .answer import SUCCESS, read_answer
from .client import Client
from .errors import ProtocolError
from .http import Request, Response
from .json_object import seconds_member
from .metadata import ServerMetadata
from .secret import Secret
from .text import is_clean

# What the server says (section 2.2). active: whether the token is good. Of one that is, and None where the
# server does not say so: scope, space-separated; client_id: whose it is; expires_at: its end in Unix seconds.
Introspection = namedtuple("Introspection", ("active", "scope", "client_id", "expires_at"))

_LATEST = 1 << 40
_LONGEST = 2000


def introspection_request(
    metadata: ServerMetadata, client: Client, token: Secret, token_type_hint: str
) -> Request:
    """Section 2.1. `token_type_hint`: "access_token" or "refresh_token". ConfigError without an endpoint."""
    pairs = [("token", token.reveal()), ("token_type_hint", token_type_hint)]
    return client.request(metadata.require("introspection_endpoint"), pairs)


def read_introspection(response: Response, *secrets: Secret) -> Introspection:
    """What the answer says. `secrets`: what was sent, in case the server quotes it.

    Raises OAuthError when the server refuses to say (section 2.3), ProtocolError for an answer that is none.
    `active` alone is REQUIRED: what else is there and makes no sense counts as not said.
    """
    answer = read_answer(response, *secrets)
    if answer.kind != SUCCESS:
        raise answer.error
    members = answer.members
    active = members.get("active")
    if not isinstance(active, bool):
        raise ProtocolError("the answer does not say whether the token is active")
    if not active:
        # Section 2.2: then nothing else is said, and what is said all the same does not count.
        return Introspection(False, None, None, None)
    expires_at = seconds_member(members, "exp", _LATEST)
    return Introspection(True, _text(members, "scope"), _text(members, "client_id"), expires_at)


def _text(members: "dict[str, object]", name: str) -> "str | None":
    value = members.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST and is_clean(value) else None
