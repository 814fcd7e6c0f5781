"""Certificates for tests: a certificate authority of its own for each test that asks for one.

    authority = CertificateAuthority()
    authority.write(folder / "ca.pem")
    certfile, keyfile = authority.issue(names=("localhost",)).write(folder)

Keys are EC P-256 and live only as long as the test. The certificates carry every extension that a
strict verifier asks for (RFC 5280 section 4.2.1: key identifiers, basicConstraints, keyUsage).
"""

import datetime
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
# An authority outlives whatever it issues, so that a test of an expired certificate judges that one.
_CA_NOT_BEFORE = datetime.datetime(1990, 1, 1, tzinfo=datetime.UTC)
_CA_NOT_AFTER = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


class Issued:
    """A server certificate with its private key: `cert_pem` and `key_pem`, both PEM in bytes."""

    def __init__(self, cert_pem: bytes, key_pem: bytes):
        self.cert_pem = cert_pem
        self.key_pem = key_pem

    def write(self, folder: str | Path, stem: str = "server") -> tuple[str, str]:
        """Write both into `folder` (made if missing); return the paths of certificate and key."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        certfile, keyfile = folder / f"{stem}.pem", folder / f"{stem}.key"
        certfile.write_bytes(self.cert_pem)
        keyfile.touch(mode=0o600)
        keyfile.write_bytes(self.key_pem)
        return str(certfile), str(keyfile)


class CertificateAuthority:
    """A root that issues server certificates. `pem` is its certificate: what clients are told to trust."""

    def __init__(self, name: str = "Pairlet test CA"):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _common_name(name)
        builder = _unsigned(self._subject, self._subject, self._key, self._key, _CA_NOT_BEFORE, _CA_NOT_AFTER)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def write(self, path: str | Path) -> str:
        """Write the root certificate to `path` and return that path."""
        Path(path).write_bytes(self.pem)
        return str(path)

    def issue(
        self,
        names: Iterable[str] = ("localhost",),
        addresses: Iterable[str] = ("127.0.0.1",),
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> Issued:
        """A certificate for DNS `names` and IP `addresses`; by default valid from yesterday for 30 days."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(key, self._key, self._subject, (names, addresses), (not_before, not_after))

    def issue_client(self, name: str) -> Issued:
        """A certificate with which the client of the DNS `name` proves itself (RFC 8705 section 2.1)."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._sign(key, self._key, self._subject, ((name,), ()), (None, None), usage)

    @staticmethod
    def _sign(
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        issuer: x509.Name,
        subjects: tuple[Iterable[str], Iterable[str]],
        validity: tuple[datetime.datetime | None, datetime.datetime | None],
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> Issued:
        names, addresses = [tuple(each) for each in subjects]
        now = datetime.datetime.now(datetime.UTC)
        not_before, not_after = validity[0] or now - _DAY, validity[1] or now + 30 * _DAY
        subject = issuer if key is signer else _common_name((names + addresses)[0])
        builder = _unsigned(subject, issuer, key, signer, not_before, not_after)
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        cert_pem = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return Issued(cert_pem, _private_pem(key))


def private_ca(folder: Path) -> tuple[tuple[str, str], str]:
    """For a server of a private CA: the paths of its certificate and key, and of the CA's certificate.

    All are written into `folder`.
    """
    authority = CertificateAuthority()
    return authority.issue().write(folder), authority.write(folder / "ca.pem")


def self_signed(names: Iterable[str] = ("localhost",), addresses: Iterable[str] = ("127.0.0.1",)) -> Issued:
    """A server certificate that vouches for itself, as routers and captive portals have them."""
    key = ec.generate_private_key(ec.SECP256R1())
    return CertificateAuthority._sign(key, key, _common_name("self-signed"), (names, addresses), (None, None))


def self_signed_client(name: str) -> Issued:
    """A certificate with which the client of the DNS `name` proves itself, alone (RFC 8705 section 2.2)."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    return CertificateAuthority._sign(
        key, key, _common_name("self-signed"), ((name,), ()), (None, None), usage
    )


def _unsigned(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
) -> x509.CertificateBuilder:
    """The part that roots and server certificates have in common, with both key identifiers."""
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(not_before).not_valid_after(not_after)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return builder.add_extension(authority, critical=False)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
