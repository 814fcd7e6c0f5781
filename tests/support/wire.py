"""Hypothesis strategies for what a server, a portal or an attacker may put on the wire."""

import json
import string

from hypothesis import settings
from hypothesis import strategies as st
from pairlet.core.http import Response

# Derandomized: the same examples on every machine, so that a red build is never a matter of luck.
PROPERTY = settings(derandomize=True, database=None, deadline=None, max_examples=300)

NAMES = st.sampled_from(
    [
        "error",
        "error_description",
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "scope",
        "device_code",
        "user_code",
        "verification_uri",
        "verification_url",
        "verification_uri_complete",
        "interval",
        "issuer",
        "token_endpoint",
        "device_authorization_endpoint",
        "grant_types_supported",
        "version",
        "ends",
        "self",
        "",
    ]
)

TELLING = st.sampled_from(
    [
        "authorization_pending",
        "slow_down",
        "access_denied",
        "expired_token",
        "invalid_grant",
        "server_error",
        "Bearer",
        "bearer",
        "DPoP",
        "https://auth.example",
        "https://auth.example/device",
        "http://auth.example/",
        "https://a@b/",
        "https://[::",
        "WDJB-MJHT",
        "5",
        "0",
        "-1",
        "nan",
        "inf",
        "1e999",
        "1.e999",
        "\x1b[2J",
        "\u202e",
        "\ud800",
        "a\x00b",
        "\u0663",
        "x" * 20000,
    ]
)

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-10, 1000),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, 1, 5, 300, 900, 86400, -1, 0.5, 1e308, 5e-324]),
)

SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TELLING, st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, st.text(max_size=5)), inner, max_size=4)
    ),
    max_leaves=8,
)
MEMBERS = st.dictionaries(st.one_of(NAMES, NAMES, st.text(max_size=5)), VALUES, max_size=8)

# A document that is right, with some members replaced: these get deep into the code.
_CODE: dict[str, object] = {
    "device_code": "d",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://auth.example/device",
    "expires_in": 900,
    "interval": 5,
}
_TOKEN: dict[str, object] = {
    "access_token": "a",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "r",
    "scope": "s",
}
_METADATA: dict[str, object] = {
    "issuer": "https://auth.example",
    "device_authorization_endpoint": "https://auth.example/d",
    "token_endpoint": "https://auth.example/t",
}


def changed(document: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    """`document` with up to two members replaced or taken out."""
    change = st.dictionaries(st.sampled_from(sorted(document)), st.one_of(st.just(...), VALUES), max_size=2)
    return change.map(
        lambda new: {name: value for name, value in {**document, **new}.items() if value is not ...}
    )


LIKELY = st.one_of(
    changed(_CODE), changed(_TOKEN), changed(_METADATA), st.builds(lambda e: {"error": e}, TELLING), MEMBERS
)
_DOCUMENTS = st.one_of(LIKELY, VALUES).map(lambda value: json.dumps(value).encode())


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A document with some bytes cut off, taken out or replaced."""
    document = draw(_DOCUMENTS)
    start = draw(st.integers(0, len(document)))
    end = draw(st.integers(start, min(len(document), start + 5)))
    return document[:start] + draw(st.binary(max_size=4)) + document[end:]


JSON_SOUP = st.lists(
    st.sampled_from(list('{}[]",:\\ \n0123.-eE+aul') + ['"error"', "null", "true", "NaN", '"a":'])
).map(lambda parts: "".join(parts).encode())
BODIES = st.one_of(st.binary(max_size=200), JSON_SOUP, _DOCUMENTS, _DOCUMENTS, _damaged())

STATUSES = st.one_of(
    st.sampled_from([200, 200, 200, 400, 401, 403, 428, 429, 500, 502, 503, 302]), st.integers(0, 999)
)

_DATE = st.sampled_from(
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 09:49:37 GMT", "Sun, 06 Nov", "GMT"]
)
_HEADER_TEXT = st.one_of(
    st.text(max_size=30),
    _DATE,
    st.integers(-10, 10**12).map(str),
    st.text(string.digits + " :,GMTNov", max_size=30),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["retry-after", "date", "content-type", "x"]),
        st.one_of(_HEADER_TEXT, st.just("text/html")),
    ),
    max_size=3,
)

RESPONSES = st.builds(Response, STATUSES, HEADERS, BODIES)
