"""Client assertions (RFC 7521 section 4.2, RFC 7523 section 3): every way in which one can be wrong."""

import base64
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwk, jwt
from pairlet_sim.authserver import Client, SettingsError

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET = "a secret that is long enough to sign with"
KEYS = [jwk.ECKey.generate_key("P-256", parameters={"kid": kid}) for kid in ("k1", "k2")]
RSA = jwk.RSAKey.generate_key(2048, parameters={"kid": "r"})
STRANGER = jwk.ECKey.generate_key("P-256", parameters={"kid": "k1"})
FORM = {"grant_type": "client_credentials"}


def public(*keys: Any) -> dict[str, Any]:
    """A JWK Set of what may be known."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


CLIENTS = [
    Client("meter", token_endpoint_auth_method="private_key_jwt", jwks=public(*KEYS, RSA)),
    Client("other", token_endpoint_auth_method="private_key_jwt", jwks=public(STRANGER)),
    Client("hmac", token_endpoint_auth_method="client_secret_jwt", secret=SECRET),
    Client("post", token_endpoint_auth_method="client_secret_post", secret=SECRET),
    Client("tv"),
]


def encoded(data: bytes) -> str:
    """As in a JWT."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signed:
    """Assertions for one server; each has a jti of its own."""

    def __init__(self, site: Any):
        self.site = site
        self._count = 0

    def claims(self, client_id: str = "meter", **changes: Any) -> dict[str, Any]:
        """Good ones but for `changes`; None takes one away."""
        now, self._count = int(self.site.clock()), self._count + 1
        good = {"iss": client_id, "sub": client_id, "aud": self.site.base, "jti": f"j{self._count}"}
        every: dict[str, Any] = {**good, "iat": now, "exp": now + 60, **changes}
        return {name: value for name, value in every.items() if value is not None}

    def form(self, key: Any = KEYS[0], alg: str = "ES256", kid: str | None = "k1", **changes: Any) -> Any:
        """A token request with an assertion."""
        header = {"alg": alg, **({"kid": kid} if kid else {})}
        token = jwt.encode(header, self.claims(**changes), key, algorithms=[alg])
        return FORM | {"client_assertion_type": TYPE, "client_assertion": token}


@pytest.fixture
def signed(start: Callable[..., Any]) -> Signed:
    return Signed(start(clients=CLIENTS))


def test_good_ones(signed: Signed) -> None:
    for form in (
        signed.form(),
        signed.form(kid=None),
        signed.form(key=KEYS[1], kid="k2"),
        signed.form(key=RSA, alg="RS256", kid="r"),
        signed.form(key=RSA, alg="PS256", kid="r"),
        signed.form(aud=signed.site.base + "/token"),
        signed.form(aud=["https://elsewhere.example", signed.site.base]),
        signed.form() | {"client_id": "meter"},
        signed.form(iat=None),
        signed.form(key=jwk.OctKey.import_key(SECRET), alg="HS256", kid=None, client_id="hmac"),
    ):
        answer = signed.site.post("/token", form)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"aud": "https://elsewhere.example"}, "not for this server"),
        ({"aud": None}, "not for this server"),
        ({"aud": 7}, "not for this server"),
        ({"iss": "other"}, "iss and sub"),
        ({"iss": None}, "iss and sub"),
        ({"exp": None}, "no exp"),
        ({"exp": "soon"}, "no exp"),
        ({"exp": True}, "no exp"),
        ({"jti": None}, "no jti"),
        ({"jti": ""}, "no jti"),
        ({"jti": 5}, "no jti"),
        ({"jti": "x" * 300}, "no jti"),
        ({"sub": None}, "no JWT with a sub"),
        ({"sub": ["meter"]}, "no JWT with a sub"),
        ({"key": STRANGER}, "No key"),
        ({"key": KEYS[1]}, "No key"),
        ({"kid": "unknown"}, "No key"),
        ({"client_id": "other"}, "No key"),
        ({"client_id": "nobody"}, "No key"),
        ({"client_id": "post"}, "No key"),
        ({"client_id": "tv"}, "No key"),
        ({"client_id": "hmac"}, "No key"),
    ],
)
def test_bad_ones(signed: Signed, error: Any, changes: dict[str, Any], words: str) -> None:
    answer = signed.site.post("/token", signed.form(**changes))
    error(answer, "invalid_client", 401)
    assert words in answer.json()["error_description"]


@pytest.mark.parametrize(
    ("claim", "seconds", "status"),
    [
        ("exp", -31, 401), ("exp", -29, 200), ("exp", 3599, 200), ("exp", 3700, 401),
        ("iat", 60, 401), ("iat", 29, 200), ("nbf", 60, 401), ("nbf", -5, 200),
    ],
)  # fmt: skip
def test_times_with_half_a_minute_for_clocks_that_disagree(
    signed: Signed, claim: str, seconds: int, status: int
) -> None:
    now = int(signed.site.clock())
    assert signed.site.post("/token", signed.form(**{claim: now + seconds})).status_code == status


def test_each_is_good_once(signed: Signed, error: Any) -> None:
    form = signed.form()
    assert signed.site.post("/token", form).status_code == 200
    again = signed.site.post("/token", form)
    error(again, "invalid_client", 401)
    assert "used before" in again.json()["error_description"]
    # Also at another endpoint, and until it has expired, when it is no use for another reason.
    error(signed.site.post("/introspect", form | {"token": "x"}), "invalid_client", 401)
    signed.site.clock.advance(120)
    late = signed.site.post("/token", form)
    assert "expired" in late.json()["error_description"]
    # The same jti of another client is another one.
    form = signed.form(key=jwk.OctKey.import_key(SECRET), alg="HS256", kid=None, client_id="hmac", jti="j1")
    assert signed.site.post("/token", form).status_code == 200


def test_one_that_was_refused_is_not_spent(signed: Signed) -> None:
    form = signed.form(jti="once", aud="https://elsewhere.example")
    assert signed.site.post("/token", form).status_code == 401
    assert signed.site.post("/token", signed.form(jti="once")).status_code == 200


def test_a_public_key_is_no_secret(signed: Signed, error: Any) -> None:
    """The confusion of algorithms: HMAC with the registered public key as its secret."""
    # By hand: no library would do it.
    parts = signed.form()["client_assertion"].split(".")
    text = encoded(b'{"alg":"HS256","kid":"k1"}') + "." + parts[1]
    mac = hmac.digest(KEYS[0].as_pem(private=False), text.encode(), "sha256")
    form = FORM | {"client_assertion_type": TYPE, "client_assertion": text + "." + encoded(mac)}
    error(signed.site.post("/token", form), "invalid_client", 401)
    parts = signed.form()["client_assertion"].split(".")
    unsigned = "eyJhbGciOiJub25lIn0." + parts[1] + "."
    form = FORM | {"client_assertion_type": TYPE, "client_assertion": unsigned}
    error(signed.site.post("/token", form), "invalid_client", 401)


@pytest.mark.parametrize(
    "more",
    [{"client_secret": SECRET}, {"client_id": "other"}, {"client_assertion_type": "saml"}],
    ids=["two proofs", "two clients", "another type"],
)
def test_requests_that_contradict_themselves(signed: Signed, error: Any, more: dict[str, str]) -> None:
    error(signed.site.post("/token", signed.form() | more), "invalid_request")


def test_two_mechanisms_are_one_too_many(signed: Signed, error: Any) -> None:
    error(signed.site.post("/token", signed.form(), auth=("post", SECRET)), "invalid_request")


@pytest.mark.parametrize(
    "text", ["x", "a.b.c", "..", "e30.e30.e30", "e30.W10.e30", "e30.\x00.x", "é.é.é", ""]
)
def test_what_is_no_jwt(signed: Signed, error: Any, text: str) -> None:
    form = FORM | {"client_assertion_type": TYPE, "client_assertion": text}
    answer = signed.site.post("/token", form)
    error(answer, answer.json()["error"], 400 if answer.json()["error"] == "invalid_request" else 401)


def test_a_client_uses_what_it_is_registered_with(signed: Signed, error: Any) -> None:
    error(signed.site.post("/token", FORM, auth=("post", SECRET)), "invalid_client", 401)
    in_body = {"client_id": "hmac", "client_secret": SECRET}
    error(signed.site.post("/token", FORM | in_body), "invalid_client", 401)
    assert signed.site.post("/token", FORM | in_body | {"client_id": "post"}).status_code == 200
    error(signed.site.post("/token", FORM | {"client_id": "meter"}), "invalid_client", 401)


@pytest.mark.parametrize(
    "registered",
    [
        {"token_endpoint_auth_method": "magic"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "secret": SECRET},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "EC", "x": 1}]}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": ["x"]}},
    ],
)
def test_a_client_needs_what_its_method_takes(registered: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="Client x "):
        Client("x", **registered)
