"""The access token, verified with `cryptography` alone, as a stranger would (RFC 7515, 7518, 9068)."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _verify(token: str, jwks: dict) -> tuple[dict, dict]:
    """Header and claims, after checking the signature by hand; raises InvalidSignature."""
    header, claims, signature = token.split(".")
    (key,) = [each for each in jwks["keys"] if each["kid"] == json.loads(_decode(header))["kid"]]
    x, y = (int.from_bytes(_decode(key[name]), "big") for name in "xy")
    raw = _decode(signature)
    assert len(raw) == 64
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(der, f"{header}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    return json.loads(_decode(header)), json.loads(_decode(claims))


def test_claims_of_a_paired_device(start):
    site = start("/tenant", audience="mqtt.example", access_token_lifetime_s=120)
    token = site.pair(device_id="tv-1", device_name="TV")
    header, claims = _verify(token["access_token"], site.get("/jwks").json())
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    jti = claims.pop("jti")
    assert len(jti) >= 16
    assert claims == {
        "iss": site.base,
        "sub": "ada",
        "aud": "mqtt.example",
        "client_id": "tv",
        "scope": "telemetry:write profile",
        "iat": int(site.clock.now),
        "exp": int(site.clock.now) + 120,
        "device_id": "tv-1",
    }
    assert token["expires_in"] == 120


def test_no_device_id_when_none_was_given(site):
    _, claims = _verify(site.pair()["access_token"], site.server.jwks)
    assert "device_id" not in claims


def test_a_changed_token_does_not_verify(site):
    header, claims, signature = site.pair()["access_token"].split(".")
    changed = json.loads(_decode(claims)) | {"sub": "bob"}
    forged = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    with pytest.raises(InvalidSignature):
        _verify(f"{header}.{forged}.{signature}", site.server.jwks)
    assert site.introspect(f"{header}.{forged}.{signature}") == {"active": False}


def test_a_client_in_its_own_name(site):
    answer = site.post("/token", {"grant_type": "client_credentials"}, auth=("kiosk", "kiosk-secret"))
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    _, claims = _verify(answer.json()["access_token"], site.server.jwks)
    assert (claims["sub"], claims["client_id"], claims["device_id"]) == ("kiosk", "kiosk", "kiosk-7")


def test_every_token_has_its_own_jti(site):
    first = site.pair()
    second = site.refresh(first["refresh_token"]).json()
    one, two = (_verify(each["access_token"], site.server.jwks)[1] for each in (first, second))
    assert one["jti"] != two["jti"]
    assert one["sub"] == two["sub"]


def test_device_scopes_come_on_top_and_stay_over_a_refresh(start):
    site = start(device_scopes=("mq.write:devices.{device_id}.*", "profile"))
    token = site.pair(device_id="tv-1")
    wanted = "telemetry:write profile mq.write:devices.tv-1.*"
    assert token["scope"] == wanted
    for _ in range(2):
        token = site.refresh(token["refresh_token"]).json()
        _, claims = _verify(token["access_token"], site.server.jwks)
        assert claims["scope"] == token["scope"] == wanted
    # Without a name there is nothing to fill in.
    assert site.pair()["scope"] == "telemetry:write profile"
    answer = site.post("/token", {"grant_type": "client_credentials"}, auth=("kiosk", "kiosk-secret"))
    assert answer.json()["scope"].endswith("mq.write:devices.kiosk-7.*")
