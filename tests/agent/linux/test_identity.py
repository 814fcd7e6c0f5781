"""The ID token (OpenID Connect Core section 3.1.3.7): how it can be wrong, and whom a good one names."""

import asyncio
import base64
import hashlib
import json
import warnings
from typing import Any

import pytest
from joserfc import jwk, jwt
from pairlet import ProtocolError
from pairlet.core.http import Request, Response
from pairlet.core.pkce import sign_in_nonce
from pairlet.core.secret import Secret
from pairlet.linux.identity.http import IdentityHttp
from pairlet.linux.identity.id_token import Expected, person_in

ISSUER, NOW = "https://auth.example", 1_700_000_000
KEY, OTHER = (jwk.ECKey.generate_key("P-256", parameters={"kid": kid}) for kid in ("k1", "k2"))
RSA = jwk.RSAKey.generate_key(2048, parameters={"kid": "r"})
JWKS: Any = {"keys": [key.as_dict(private=False) for key in (KEY, RSA)]}
EXPECTED = Expected(ISSUER, "tv", None, NOW, None)


def id_token(key: Any = KEY, alg: str = "ES256", kid: str | None = "k1", **changes: Any) -> str:
    """A good one but for `changes`; None takes a claim away."""
    good = {"iss": ISSUER, "aud": "tv", "sub": "u7", "iat": NOW, "exp": NOW + 3600}
    claims = {name: value for name, value in {**good, **changes}.items() if value is not None}
    header = {"alg": alg, **({"kid": kid} if kid else {})}
    return jwt.encode(header, claims, key, algorithms=[alg])


def who(text: str, expected: Expected = EXPECTED) -> tuple[str, str]:
    return person_in(Secret(text), JWKS, expected)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "u7"),
        ({"name": "Ada Lovelace", "email": "ada@example.com"}, "Ada Lovelace"),
        ({"name": "", "preferred_username": "ada"}, "ada"),
        ({"name": 5, "email": "ada@example.com"}, "ada@example.com"),
        ({"name": "A\x1b[2J\u202eda\n"}, "A [2J da"),
        ({"key": RSA, "alg": "RS256", "kid": "r"}, "u7"),
        ({"kid": None}, "u7"),
        ({"aud": ["tv", "other"], "azp": "tv"}, "u7"),
        ({"exp": NOW - 60, "iat": NOW + 60}, "u7"),
    ],
)
def test_whom_a_good_one_names(changes: dict[str, Any], name: str) -> None:
    assert who(id_token(**changes)) == ("u7", name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"aud": "other"}, "another client"),
        ({"aud": None}, "another client"),
        ({"aud": ["tv", "other"]}, "asked for by another"),
        ({"azp": "other"}, "asked for by another"),
        ({"exp": NOW - 3600}, "has expired"),
        ({"iat": NOW + 3600}, "from the future"),
        ({"exp": None}, "says not when"),
        ({"iat": "now"}, "says not when"),
        ({"sub": None}, "names nobody"),
        ({"key": OTHER}, "none of the server's keys"),
        ({"key": OTHER, "kid": "k2"}, "none of the server's keys"),
        ({"kid": "r"}, "none of the server's keys"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_used(changes: dict[str, Any], words: str) -> None:
    text = id_token(**changes)
    with pytest.raises(ProtocolError, match=words) as caught:
        who(text)
    assert text not in str(caught.value)


def test_only_a_server_s_own_signature_counts() -> None:
    head, body, _ = id_token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    shared = jwk.OctKey.import_key(json.dumps(JWKS["keys"][0]))
    for text in (
        f"{none}.{body}.",
        f"{head}.{body}.",
        "x",
        "",
        "a.b.c",
        "x" * 20000,
        id_token(shared, "HS256"),
    ):
        with pytest.raises(ProtocolError, match="not signed|none of the server's"):
            who(text)
    for jwks in ({}, {"keys": 5}, {"keys": [5, {"kty": "EC"}, {"kty": "oct", "k": "x", "kid": "k1"}]}):
        with pytest.raises(ProtocolError, match="none of the server's"):
            person_in(Secret(id_token()), jwks, EXPECTED)


@pytest.mark.filterwarnings("error")
def test_a_signature_that_can_be_forged_does_not_count() -> None:
    """RFC 7518 section 3.3: a key has 2048 bits or more. Nor is a library's own warning seen."""
    with warnings.catch_warnings(action="ignore"):
        short = jwk.RSAKey.generate_key(1024, parameters={"kid": "s"})
        text = id_token(short, "RS256", "s")
    with pytest.raises(ProtocolError, match="none of the server's keys"):
        person_in(Secret(text), {"keys": [short.as_dict(private=False)]}, EXPECTED)


def test_it_is_the_answer_to_this_sign_in() -> None:
    verifier = "v" * 43
    nonce = sign_in_nonce(Secret(verifier))
    assert who(id_token(nonce=nonce), EXPECTED._replace(nonce=nonce))[1] == "u7"
    for wrong in ("stolen", None, 5):
        with pytest.raises(ProtocolError, match="not the answer"):
            who(id_token(nonce=wrong), EXPECTED._replace(nonce=nonce))
    assert who(id_token(exp=NOW - 9999), EXPECTED._replace(now=None))[1] == "u7", "nobody knows the time"


# OpenID Connect Core appendix A.3 has it together with its at_hash.
ACCESS_TOKEN = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"


def of_token(hash_name: str, size: int, text: str = ACCESS_TOKEN, **length: int) -> str:
    """at_hash, with a hash of `size` bytes."""
    digest = hashlib.new(hash_name, text.encode()).digest(**length)
    assert len(digest) == size
    return base64.urlsafe_b64encode(digest[: size // 2]).decode().rstrip("=")


def test_it_came_with_this_access_token() -> None:
    expected = EXPECTED._replace(access_token=Secret(ACCESS_TOKEN))
    assert who(id_token(), expected)[1] == "u7", "it need not say so"
    assert of_token("sha256", 32) == "77QmUPtjPfzWtF2AnpK9RQ"
    assert who(id_token(at_hash="77QmUPtjPfzWtF2AnpK9RQ"), expected)[1] == "u7"
    other = of_token("sha256", 32, ACCESS_TOKEN + "x")
    for wrong in (other, of_token("sha512", 64), "77QmUPtjPfzWtF2AnpK9RQ==", "", 5, ["x"]):
        with pytest.raises(ProtocolError, match="did not come with this access token"):
            who(id_token(at_hash=wrong), expected)
    with pytest.raises(ProtocolError, match="did not come with"):
        who(id_token(at_hash=of_token("sha256", 32, "")))


@pytest.mark.parametrize(
    ("curve", "alg", "at_hash"),
    [
        ("P-384", "ES384", of_token("sha384", 48)),
        ("P-521", "ES512", of_token("sha512", 64)),
        ("Ed25519", "EdDSA", of_token("sha512", 64)),
        ("Ed448", "EdDSA", of_token("shake_256", 114, length=114)),
    ],
    ids=["P-384", "P-521", "Ed25519", "Ed448"],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by RFC 9864, which few have heard of
def test_its_hash_is_that_of_the_signature(curve: str, alg: str, at_hash: str) -> None:
    kind: Any = jwk.OKPKey if alg == "EdDSA" else jwk.ECKey
    key = kind.generate_key(curve)
    expected = EXPECTED._replace(access_token=Secret(ACCESS_TOKEN))
    jwks = {"keys": [key.as_dict(private=False)]}
    text = id_token(key, alg, None, at_hash=at_hash)
    assert person_in(Secret(text), jwks, expected)[1] == "u7"
    text = id_token(key, alg, None, at_hash=of_token("sha256", 32))
    with pytest.raises(ProtocolError, match="did not come with"):
        person_in(Secret(text), jwks, expected)


class Server:
    """The port Http: each address has one answer."""

    needs_room = False

    def __init__(self, **answers: Any):
        self._answers = answers

    async def exchange(self, request: Request) -> Response:
        found = self._answers[request.url.rpartition("/")[2]]
        return found if isinstance(found, Response) else Response(200, [], json.dumps(found).encode())


def passed(http: IdentityHttp, method: str, place: str, body: bytes = b"") -> None:
    asyncio.run(http.exchange(Request(method, f"{ISSUER}/{place}", [], body)))


def test_it_is_taken_from_sign_ins_alone_and_keys_from_the_right_metadata() -> None:
    metadata = {"issuer": ISSUER, "jwks_uri": ISSUER + "/jwks"}
    evil = {"issuer": "https://evil.example", "jwks_uri": "https://evil.example/jwks"}
    server = Server(
        token={"id_token": "x.y.z", "access_token": "t0ken"},
        good=metadata,
        evil=evil,
        jwks=JWKS,
        broken=Response(200, [], b"<"),
    )
    http = IdentityHttp(server, ISSUER)
    for place in ("evil", "broken"):
        passed(http, "GET", place)
    with pytest.raises(ProtocolError, match="where its keys are"):
        asyncio.run(http.keys())
    passed(http, "GET", "good")
    assert asyncio.run(http.keys()) == JWKS
    passed(http, "POST", "token", b"grant_type=refresh_token")
    assert http.id_token is None
    passed(http, "POST", "token", b"grant_type=authorization_code&code_verifier=" + b"v" * 43)
    assert http.id_token == Secret("x.y.z") and http.nonce == sign_in_nonce(Secret("v" * 43))
    passed(http, "POST", "token", b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code")
    assert http.nonce is None and "x.y" not in repr(http.id_token)
    assert http.access_token == Secret("t0ken")
    http.forget()
    assert http.id_token is http.access_token is None
