"""Whether what was chosen is something that the server offers, by what it says of itself (RFC 8414)."""

from typing import Any, NamedTuple

from ...core.metadata import DEVICE_CODE as DEVICE_CODE_URN
from ...core.metadata import ServerMetadata
from ...core.pkce import METHOD as S256
from ...core.text import clean
from .grants import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, whom_for

_OFFLINE_ACCESS = "offline_access"
# What a grant is called on the wire, what people call it, and the endpoints that it takes.
_ON_THE_WIRE = {
    DEVICE_CODE: DEVICE_CODE_URN,
    AUTHORIZATION_CODE: "authorization_code",
    CLIENT_CREDENTIALS: "client_credentials",
}
_ENDPOINTS = {
    DEVICE_CODE: ("device_authorization_endpoint", "token_endpoint"),
    AUTHORIZATION_CODE: ("authorization_endpoint", "token_endpoint"),
    CLIENT_CREDENTIALS: ("token_endpoint",),
}


class Found(NamedTuple):
    """The endpoints of a server, and the `members` of its metadata; {} where it has none that was read."""

    metadata: ServerMetadata
    members: dict[str, Any]


class Objection(NamedTuple):
    """What does not fit and what to do, a sentence each. `is_fatal`: it can't work like this."""

    message: str
    advice: str
    is_fatal: bool

    @property
    def sentence(self) -> str:
        """Both, as one reads them."""
        return f"{self.message[:1].upper()}{self.message[1:]}. {self.advice}"


def of_grant(grant: str, found: Found) -> list[Objection]:
    """What speaks against the grant with this server."""
    advice = _instead(grant, found)
    for name in _ENDPOINTS[grant]:
        if getattr(found.metadata, name) is None:
            return [Objection(f"the server names no {name}, without which there is no {grant}", advice, True)]
    if not found.members and grant != DEVICE_CODE:
        words = (
            f"nothing says here whether the provider offers {grant}: its profile is made for {DEVICE_CODE}"
        )
        return [Objection(words, "See its documentation.", False)]
    types = found.metadata.grant_types_supported
    if types is not None and _ON_THE_WIRE[grant] not in types:
        return [
            Objection(f"the server does not offer {grant}: it is not in grant_types_supported", advice, True)
        ]
    objections = []
    if grant == AUTHORIZATION_CODE:
        objections += _of_pkce(found, advice)
    if types is not None and grant != CLIENT_CREDENTIALS and "refresh_token" not in types:
        words = "the server does not offer refresh_token: the pairing may end with its first access token"
        objections.append(Objection(words, "Ask its administrator whether that is meant to be.", False))
    return objections


def offers(grant: str, found: Found) -> bool:
    """Whether nothing says that the grant can't work with this server."""
    types = found.metadata.grant_types_supported
    has_endpoints = all(getattr(found.metadata, name) for name in _ENDPOINTS[grant])
    has_pkce = grant != AUTHORIZATION_CODE or not any(each.is_fatal for each in _of_pkce(found, ""))
    return has_endpoints and has_pkce and (types is None or _ON_THE_WIRE[grant] in types)


def _instead(grant: str, found: Found) -> str:
    others = [
        each
        for each in _ON_THE_WIRE
        if each != grant and whom_for(each) == whom_for(grant) and offers(each, found)
    ]
    if not others:
        return "Have its administrator turn that on, or take another server."
    return f"Have its administrator turn that on, or see whether {' or '.join(others)} will do: --grant."


def _of_pkce(found: Found, advice: str) -> list[Objection]:
    methods = found.metadata.code_challenge_methods_supported
    if methods is None:
        words = "the server does not say that it knows PKCE, without which a stolen code would be good"
        return [Objection(words, "Ask its administrator whether it checks code_challenge (RFC 7636).", False)]
    if S256 in methods:
        return []
    return [
        Objection(
            "the server does not offer PKCE with S256, without which a stolen code would be good",
            advice,
            True,
        )
    ]


def known_scopes(found: Found | None) -> list[str]:
    """What the server says that one may ask for, [] if it does not say."""
    return _texts(found, "scopes_supported")


def suggested_scope(grant: str, found: Found | None) -> str:
    """What a device mostly asks for, as far as the server has it: who the person is, and a refresh token."""
    if grant == CLIENT_CREDENTIALS:
        return ""
    return " ".join(word for word in ("openid", _OFFLINE_ACCESS) if word in known_scopes(found))


def strange_scopes(scope: str, found: Found | None) -> list[str]:
    """What is asked for and not among what the server names; a server need not name all that it has."""
    known = known_scopes(found)
    return [word for word in scope.split() if known and word not in known]


def of_scope(scope: str, grant: str, found: Found) -> list[Objection]:
    """What is odd about the scope."""
    known, asked, strange = known_scopes(found), scope.split(), strange_scopes(scope, found)
    objections = []
    if strange:
        words = f"the server does not name {', '.join(strange)} among its scopes"
        objections.append(
            Objection(words, "Look for a typing mistake; not all servers name all they have.", False)
        )
    if grant != CLIENT_CREDENTIALS and _OFFLINE_ACCESS in known and _OFFLINE_ACCESS not in asked:
        words = "the scope is without offline_access: the pairing may end with its first access token"
        objections.append(Objection(words, "Add offline_access to the scope for a refresh token.", False))
    return objections


def client_auth_for_secret(found: Found | None) -> str:
    """How to send the secret: "" for the usual way, in the header, or else in the body."""
    methods = _texts(found, _METHODS)
    usual = not methods or "client_secret_basic" in methods
    return "" if usual or "client_secret_post" not in methods else "client_secret_post"


def of_client_auth(method: str, found: Found) -> list[Objection]:
    """What speaks against authenticating by `method`: none, client_secret_basic and so on."""
    methods = _texts(found, _METHODS)
    if not methods or method in methods:
        return []
    words = f"the server does not name {method} among its ways to authenticate: {', '.join(methods)}"
    if method == "none":
        # Many servers take public clients and don't say so.
        return [Objection(words, "See whether the client is registered as a public one.", False)]
    return [
        Objection(
            words, "Set oauth.client_auth as the client is registered: agent/README.md has them all.", True
        )
    ]


_METHODS = "token_endpoint_auth_methods_supported"


def _texts(found: Found | None, name: str) -> list[str]:
    value = found.members.get(name) if found is not None else None
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
    return [text for text in texts if text and " " not in text and clean(text) == text]
