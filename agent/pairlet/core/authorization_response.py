"""What the browser brings back (RFC 6749 section 4.1.2, RFC 9207), before anybody believes it."""

import hashlib

from .errors import IssuerError, OAuthError, PairletError, ProtocolError
from .secret import Secret
from .text import clean

_LONGEST = 8192
_MOST = 50


class AuthorizationResponse:
    """One answer that bears our `state`: a `code`, or the `error` that it is in place of one.

    The code is a Secret; `error` is an OAuthError, ProtocolError, or IssuerError for a mix-up.
    """

    def __init__(self, code: "Secret | None", error: "PairletError | None"):
        self.code = code
        self.error = error

    @staticmethod
    def from_query(
        query: str, state: Secret, issuer: "str | None", iss_required: bool
    ) -> "AuthorizationResponse | None":
        """Read the query of a request to the redirect URI; None when it is no answer to our request.

        Without our `state` it may be from anybody (RFC 6749 section 10.12), so that nothing in it counts, an
        error as little as a code. With it, `iss` must be `issuer` where there is one or the server has said
        that there would be (RFC 9207 section 2.4); `issuer` None: nobody knows.
        """
        members = parameters(query)
        if members is None or not _is_same(members.get("state"), state):
            return None
        error = _mix_up(members.get("iss"), issuer, iss_required) or _error(members)
        code = members.get("code")
        if error is None and code is None:
            error = ProtocolError("the browser brought neither a code nor an error")
        return AuthorizationResponse(Secret(code) if code and error is None else None, error)

    def __repr__(self) -> str:
        return "<AuthorizationResponse {}>".format("error" if self.error else "code")


def parameters(query: str) -> "dict[str, str] | None":
    """The parameters of a query, decoded; None when it is not well formed or one of them repeats.

    RFC 6749 section 3.1: they must not repeat, and those without a value count as left out.
    """
    if len(query) > _LONGEST:
        return None
    pieces = query.split("&") if query else []
    if len(pieces) > _MOST:
        return None
    found: dict[str, str] = {}
    seen: list[str] = []
    for piece in pieces:
        name, _, value = piece.partition("=")
        key, text = _unquoted(name), _unquoted(value)
        if key is None or text is None or key in seen:
            return None
        seen.append(key)
        if text:
            found[key] = text
    return found


def _unquoted(text: str) -> "str | None":
    pieces = text.replace("+", " ").split("%")
    data = pieces[0].encode()
    try:
        for piece in pieces[1:]:
            digits = piece[:2]
            if len(digits) < 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                return None
            data += bytes([int(digits, 16)]) + piece[2:].encode()
        return data.decode()
    except UnicodeError:
        return None


def _is_same(said: "str | None", state: Secret) -> bool:
    # By their digests: how long a comparison takes then says nothing about where the texts differ.
    if said is None:
        return False
    digests = [hashlib.sha256(text.encode()).digest() for text in (said, state.reveal())]
    return bool(digests[0] == digests[1])


def _mix_up(iss: "str | None", issuer: "str | None", required: bool) -> "PairletError | None":
    if iss is None:
        if not required:
            return None
        return IssuerError(
            "the answer in the browser does not say from which server it is, as that server always does",
            "Somebody may be trying to mix up two servers: run the command again, and watch the address.",
        )
    if issuer is None or iss == issuer:
        return None
    return IssuerError(
        f"the answer in the browser is from another server: {clean(iss, 100)}",
        "Somebody may be trying to mix up two servers: run the command again, and watch the address.",
    )


def _error(members: "dict[str, str]") -> "PairletError | None":
    code = members.get("error")
    if code is None:
        return None
    if not all(not (not 32 <= ord(character) <= 126 or character in '"\\') for character in code[:100]):
        return ProtocolError("the browser brought an unreadable error code")
    description = members.get("error_description")
    return OAuthError(clean(code, 100), clean(description) if description else None, _advice(code))


def _advice(code: str) -> "str | None":
    if code == "access_denied":
        return "The person declined; run the command again to sign in after all."
    if code in ("server_error", "temporarily_unavailable"):
        return "The server is in trouble; run the command again later."
    if code == "unauthorized_client":
        return "Allow this client the authorization code grant at the server."
    if code in ("login_required", "consent_required", "interaction_required"):
        return "The server wants to ask the person something; leave prompt=none out of oauth.extra."
    return None
