"""The CAs that the measured programs trust: a whole bundle, as on a real device, and our own."""

from pathlib import Path

import certifi
from support.certificates import CertificateAuthority


def write_bundle(authority: CertificateAuthority, folder: Path) -> str:
    """A file with all CAs of the bundle that the agent uses by default, and `authority`; return its path.

    Reading some 120 CAs is the dearest part of a TLS connection made naively: one CA would flatter all.
    """
    path = folder / "bundle.pem"
    path.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + authority.pem)
    return str(path)
