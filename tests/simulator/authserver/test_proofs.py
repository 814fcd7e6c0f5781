"""DPoP at the simulator's server (RFC 9449): how a proof can be wrong, and what a good one binds."""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwk
from pairlet_sim.authserver import Client
from support.proofs import new_key, proof

FORM = {"grant_type": "client_credentials"}
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
AUTH = ("kiosk", "kiosk-secret")
KEY, OTHER = new_key(), new_key()


class Prover:
    """Asks one server for tokens, with proofs."""

    def __init__(self, site: Any):
        self.site = site

    def proof(self, key: Any = KEY, **changes: Any) -> str:
        """For the token endpoint; see support.proofs."""
        htu = changes.pop("htu", self.site.base + "/token")
        return proof(key, htu, changes.pop("iat", self.site.clock()), **changes)

    def ask(self, proof: str | None = None, data: Any = None, auth: Any = AUTH, **changes: Any) -> Any:
        """A token request with a proof."""
        headers = {"DPoP": proof or self.proof(**changes)}
        return self.site.post("/token", data or FORM, auth=auth, headers=headers)


@pytest.fixture
def prover(site: Any) -> Prover:
    return Prover(site)


def thumbprint(key: Any) -> str:
    return str(key.thumbprint())


def test_a_token_is_bound_to_the_key_and_says_so(site: Any, prover: Prover) -> None:
    answer = prover.ask()
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP"), answer.text
    told = site.introspect(answer.json()["access_token"])
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": thumbprint(KEY)})
    assert "ES256" in site.get("/.well-known/oauth-authorization-server").json()[
        "dpop_signing_alg_values_supported"
    ]  # fmt: skip
    plain = site.post("/token", FORM, auth=AUTH).json()
    assert plain["token_type"] == "Bearer" and "cnf" not in site.introspect(plain["access_token"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"htu": "https://elsewhere.example/token"}, "htu"),
        ({"htm": "GET"}, "htm"),
        ({"jwk": OTHER.as_dict(private=False)}, "not signed by the key"),
        ({"iat": 1_600_000_000}, "too old"),
        ({"iat": 1_800_000_000}, "from the future"),
        ({"jti": None}, "no jti"),
        ({"jti": "x" * 300}, "no jti"),
        ({"typ": "JWT"}, "no dpop+jwt"),
        ({"jwk": KEY.as_dict(private=True)}, "private key"),
        ({"jwk": {"kty": "EC"}}, "not signed"),
        ({"key": jwk.OctKey.import_key("s" * 32), "alg": "HS256"}, "no dpop+jwt"),
        ({"proof": "x.y.z"}, "not signed"),
        ({"proof": "a, b"}, "not signed"),
    ],
)
def test_bad_proofs_are_refused(prover: Prover, error: Any, changes: dict[str, Any], words: str) -> None:
    answer = prover.ask(**changes)
    error(answer, "invalid_dpop_proof")
    assert words in answer.json()["error_description"]


def test_addresses_are_compared_without_query_and_as_they_are_meant(prover: Prover, site: Any) -> None:
    base = site.base.replace("http", "HTTP")
    assert prover.ask(htu=base + "/token?a=b#c").status_code == 200


def test_a_proof_is_good_once(prover: Prover, error: Any) -> None:
    text = prover.proof(jti="once")
    assert prover.ask(text).status_code == 200
    error(prover.ask(text), "invalid_dpop_proof")
    error(prover.ask(jti="once"), "invalid_dpop_proof")
    assert prover.ask(jti="once", key=OTHER).status_code == 200, "another key's is another proof"


def test_a_nonce_is_asked_for_and_then_no_clock_matters(start: Callable[..., Any], error: Any) -> None:
    site = start(dpop_nonce=True)
    prover = Prover(site)
    first = prover.ask()
    error(first, "use_dpop_nonce")
    nonce = first.headers["DPoP-Nonce"]
    answer = prover.ask(nonce=nonce, iat=1)
    assert answer.status_code == 200 and answer.headers["DPoP-Nonce"] == nonce
    site.clock.advance(60)
    assert prover.ask(nonce=nonce).headers["DPoP-Nonce"] != nonce
    site.clock.advance(60)
    error(prover.ask(nonce=nonce), "use_dpop_nonce")
    error(prover.ask(nonce=5), "use_dpop_nonce")


def test_a_nonce_that_is_missing_is_no_poll(start: Callable[..., Any], error: Any) -> None:
    site = start(dpop_nonce=True)
    codes = site.start_pairing()
    form = {"client_id": "tv", "device_code": codes["device_code"]}
    form["grant_type"] = DEVICE_CODE
    prover = Prover(site)
    first = prover.ask(data=form, auth=None)
    error(first, "use_dpop_nonce")
    error(prover.ask(data=form, auth=None, nonce=first.headers["DPoP-Nonce"]), "authorization_pending")


def test_a_public_client_s_refresh_token_is_bound_as_well(site: Any, prover: Prover, error: Any) -> None:
    codes = site.start_pairing()
    site.decide(codes)
    form = {"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": codes["device_code"]}
    token = prover.ask(data=form, auth=None).json()
    assert token["token_type"] == "DPoP"
    error(site.refresh(token["refresh_token"]), "invalid_grant")
    form = {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": token["refresh_token"]}
    error(prover.ask(data=form, auth=None, key=OTHER), "invalid_grant")
    # Whoever has not the key has not ended anything either.
    again = prover.ask(data=form, auth=None)
    assert (again.status_code, again.json()["token_type"]) == (200, "DPoP"), again.text


def test_without_dpop_a_proof_means_nothing(start: Callable[..., Any]) -> None:
    site = start(dpop=False, clients=[Client("kiosk", secret="kiosk-secret")])
    assert Prover(site).ask(proof="nonsense").json()["token_type"] == "Bearer"
