"""pairlet.linux.client_auth: what requests carry, read by other libraries; and what can't be used."""

import json
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from joserfc import jwk, jws, jwt
from pairlet.config import Config
from pairlet.core import form
from pairlet.core.client import Client
from pairlet.core.errors import ConfigError
from pairlet.core.http import Request
from pairlet.core.metadata import ServerMetadata
from pairlet.linux.commands_client import certificate_of, client_of
from support.certificates import CertificateAuthority, self_signed

ISSUER = "https://auth.example"
TOKEN = ISSUER + "/token"
SECRET = "a secret +/:% that is long enough to sign with"


def pem(key: Any, password: bytes | None = None) -> bytes:
    """`key` as OpenSSL writes it."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))


def config(**oauth: str) -> Config:
    """A configuration of these settings."""
    return Config.from_tables({"oauth": {"issuer": ISSUER, "client_id": "meter", **oauth}}, "test")


def refused(made: Callable[[Config], object], **oauth: str) -> str:
    """The sentences of the error that it must be."""
    with pytest.raises(ConfigError) as caught:
        made(config(**oauth))
    assert SECRET not in str(caught.value) + caught.value.advice and caught.value.__cause__ is None
    return f"{caught.value} {caught.value.advice}"


def fields(request: Request) -> dict[str, str]:
    """The body's parameters, none of them twice."""
    pairs = urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def assertion(client: Client, key: Any, algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of what a request of `client` is signed with; the signature is checked."""
    request = client.request(TOKEN, [("a", "b")])
    assert request.url == TOKEN and not [name for name, _ in request.headers if name == "Authorization"]
    found = fields(request)
    assert found.pop("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    token = jwt.decode(found.pop("client_assertion"), key, algorithms=[algorithm])
    assert found == {"a": "b", "client_id": "meter"}
    return token.header, token.claims


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        (rsa.generate_private_key(65537, 2048), "RS256"),
    ],
    ids=["P-256", "P-384", "P-521", "Ed25519", "RSA"],
)
def test_what_a_private_key_signs(key: Any, algorithm: str, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(key))
    client = client_of(config(client_auth="private_key_jwt", client_key_file=str(file), client_key_id="k1"))
    public = jwk.import_key(key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ), "RSA" if algorithm == "RS256" else "OKP" if algorithm == "EdDSA" else "EC")  # fmt: skip
    header, claims = assertion(client, public, algorithm)
    assert header == {"alg": algorithm, "typ": "JWT", "kid": "k1"}
    assert claims["iss"] == claims["sub"] == "meter" and claims["aud"] == ISSUER
    assert 0 < claims["exp"] - claims["iat"] <= 120
    again = assertion(client, public, algorithm)[1]
    assert len(claims["jti"]) > 20 and claims["jti"] != again["jti"]
    assert repr(client) == "<Client meter private_key_jwt>" and client.secrets == []


def test_another_algorithm_of_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    key = rsa.generate_private_key(65537, 2048)
    file.write_bytes(pem(key))
    named = {"client_auth": "private_key_jwt", "client_key_file": str(file)}
    public = jwk.RSAKey.import_key(key.public_key())
    client = client_of(config(**named, token_endpoint_auth_signing_alg="PS256"))
    registry = jws.JWSRegistry(algorithms=["PS256"])
    token = fields(client.request(TOKEN, []))["client_assertion"]
    assert jwt.decode(token, public, algorithms=["PS256"], registry=registry).header["alg"] == "PS256"
    for wrong in ("ES256", "HS256", "none", "RS1"):
        assert "RS256" in refused(client_of, **named, token_endpoint_auth_signing_alg=wrong)


def test_a_key_in_jwk_form_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    key = jwk.ECKey.generate_key("P-256", parameters={"kid": "from the key", "alg": "ES256"})
    monkeypatch.setenv("METER_KEY", json.dumps(key.as_dict(private=True)))
    named = {"client_auth": "private_key_jwt", "client_key_env": "METER_KEY"}
    client = client_of(config(**named, assertion_audience=TOKEN))
    header, claims = assertion(client, key, "ES256")
    assert header["kid"] == "from the key" and claims["aud"] == TOKEN
    assert assertion(client_of(config(**named, client_key_id="other")), key, "ES256")[0]["kid"] == "other"
    monkeypatch.setenv("METER_KEY", json.dumps(key.as_dict(private=False)))
    assert "no private key in JWK form" in refused(client_of, **named)
    for broken in ("{", "{}", '{"kty": "EC"}', '{"kty": 1, "d": 2}', '{"kty": "oct", "k": "AAAA", "d": "x"}'):
        monkeypatch.setenv("METER_KEY", broken)
        assert "can't be used" in refused(client_of, **named)


def test_what_is_no_key_to_sign_with(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    named = {"client_auth": "private_key_jwt", "client_key_file": str(file)}
    assert "client_key_file" in refused(client_of, client_auth="private_key_jwt")
    assert "can't be read" in refused(client_of, **named)
    key = ec.generate_private_key(ec.SECP256R1())
    for data, reason in (
        (SECRET.encode(), "no private key in PEM form"),
        (pem(key, b"password"), "encrypted"),
        (pem(key)[:-40], "no private key in PEM form"),
        (pem(rsa.generate_private_key(65537, 1024)), "less than 2048 bits"),
        (pem(dsa.generate_private_key(2048)), "no use for"),
        (pem(ec.generate_private_key(ec.SECP224R1())), "no use for"),
    ):
        file.write_bytes(data)
        words = refused(client_of, **named)
        assert reason in words and "openssl genpkey" in words


def test_the_certificate_s_thumbprint_goes_into_the_header(tmp_path: Path) -> None:
    certificate, key = CertificateAuthority().issue().write(tmp_path)
    named = {"client_auth": "private_key_jwt", "client_key_file": key, "client_certificate_file": certificate}
    loaded = jwk.ECKey.import_key(Path(key).read_bytes())
    header, _ = assertion(client_of(config(**named)), loaded, "ES256")
    assert header["x5t#S256"] == fingerprint(certificate)
    Path(certificate).write_text("no certificate")
    assert "no certificate in PEM form" in refused(client_of, **named)


def fingerprint(certificate: str) -> str:
    """RFC 7515 section 4.1.8, by another library."""
    import hashlib

    from authlib.common.encoding import to_unicode, urlsafe_b64encode
    from cryptography import x509

    loaded = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    data = loaded.public_bytes(serialization.Encoding.DER)
    return str(to_unicode(urlsafe_b64encode(hashlib.sha256(data).digest())))


def test_what_a_secret_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_SECRET", SECRET)
    named = {"client_auth": "client_secret_jwt", "client_secret_env": "METER_SECRET"}
    client = client_of(config(**named))
    request = client.request(TOKEN, [])
    assert SECRET.encode() not in request.body and form.quote(SECRET).encode() not in request.body
    assert assertion(client, jwk.OctKey.import_key(SECRET), "HS256")[1]["aud"] == ISSUER
    assert [secret.reveal() for secret in client.secrets] == [SECRET] and SECRET not in repr(client)
    assert "HS256" in refused(client_of, **named, token_endpoint_auth_signing_alg="ES256")
    assert "wants 64 bytes" in refused(client_of, **named, token_endpoint_auth_signing_alg="HS512")
    monkeypatch.setenv("METER_SECRET", SECRET[:31])
    assert "too short" in refused(client_of, **named)
    assert "client_secret_file" in refused(client_of, client_auth="client_secret_jwt")


def test_what_makes_no_sense_together(tmp_path: Path) -> None:
    assert "private_key_jwt" in refused(client_of, client_key_file="x")
    assert "tls_client_auth" in refused(client_of, client_certificate_file="x", client_auth="none")
    assert "two places" in refused(
        client_of, client_auth="private_key_jwt", client_key_file="x", client_key_env="Y"
    )
    assert "Use one of" in refused(client_of, client_auth="mtls")
    assert "client_id" in refused(client_of, client_id="")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """In another process, where both libraries can't be imported."""
    script = (
        "import sys\n"
        "sys.modules['jwt'] = sys.modules['cryptography'] = None\n"
        "from pairlet.linux.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    options = ["token", "--issuer", "https://127.0.0.1:1", "--client-id", "x", "--state-dir", str(tmp_path)]
    for client_auth in ("private_key_jwt", "client_secret_jwt"):
        words = [sys.executable, "-c", script, *options, "--set", f"oauth.client_auth={client_auth}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "pip install 'pairlet[keys]'" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_a_certificate_names_the_client_in_the_body(tmp_path: Path) -> None:
    certificate, key = self_signed().write(tmp_path)
    for client_auth in ("tls_client_auth", "self_signed_tls_client_auth"):
        named = {"client_auth": client_auth, "client_certificate_file": certificate, "client_key_file": key}
        client = client_of(config(**named))
        assert client.client_auth == client_auth and certificate_of(config(**named)) is not None
        assert fields(client.request(TOKEN, [("a", "b")])) == {"a": "b", "client_id": "meter"}
    assert certificate_of(config(client_auth="none")) is None


def test_what_is_no_certificate_to_show(tmp_path: Path) -> None:
    certificate, key = self_signed().write(tmp_path)
    other = self_signed().write(tmp_path, "other")[1]
    locked = tmp_path / "locked.key"
    locked.write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), b"password"))
    empty = tmp_path / "empty"
    empty.write_bytes(b"")

    def words(certificate: str = certificate, **oauth: str) -> str:
        named = {"client_auth": "tls_client_auth", "client_certificate_file": certificate, **oauth}
        return refused(certificate_of, **named)

    assert "client_key_file" in words() and "client_certificate_file" in words("", client_key_file=key)
    assert "is not that of the client certificate" in words(client_key_file=other)
    kinds = {"ec": ec.generate_private_key(ec.SECP256R1()), "rsa": rsa.generate_private_key(65537, 2048)}
    for kind, found in kinds.items():
        (tmp_path / kind).write_bytes(pem(found))
        assert "is not that of the client certificate" in words(client_key_file=str(tmp_path / kind))
    assert "encrypted" in words(client_key_file=str(locked))
    assert "PEM form" in words(str(empty), client_key_file=key)
    assert "PEM form" in words(client_key_file=str(empty))
    assert "gone can't be read" in words(client_key_file=str(tmp_path / "gone"))
    assert "can't be read" in words(str(tmp_path), client_key_file=key)
    assert "environment" in words(client_key_env="KEY")


def test_a_client_with_a_certificate_uses_the_endpoints_for_it() -> None:
    aliases = {"token_endpoint": "https://mtls.example/token"}
    members = {"issuer": ISSUER, "token_endpoint": TOKEN, "revocation_endpoint": ISSUER + "/revoke"}
    members |= {"mtls_endpoint_aliases": aliases}  # type: ignore[dict-item]
    plain = ServerMetadata.from_answer(members, ISSUER)  # type: ignore[arg-type]
    assert plain.token_endpoint == TOKEN
    found = ServerMetadata.from_answer(members, ISSUER, mutual_tls=True)  # type: ignore[arg-type]
    assert found.token_endpoint == aliases["token_endpoint"]
    assert found.revocation_endpoint == ISSUER + "/revoke"
