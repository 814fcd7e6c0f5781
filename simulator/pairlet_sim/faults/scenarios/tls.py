"""Certificates that must not be trusted (RFC 6749 section 10.9). Only where the server speaks https."""

from ..expectations import asks_for_no_code
from ..scenario import Scenario

_RIGHT = "Does not use the connection, and ends."


def _tls(certificate: str, about: str) -> Scenario:
    return Scenario(
        name="tls_" + certificate,
        about=about,
        right=_RIGHT,
        items=(37, 4),
        certificate=certificate,
        pair="failed",
        checks=(asks_for_no_code(37),),
    )


SCENARIOS = (
    _tls("unknown_authority", "The certificate comes from an authority that the client does not trust."),
    _tls("wrong_name", "The certificate is for another host."),
    _tls("expired", "The certificate has run out."),
)
