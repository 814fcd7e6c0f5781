"""Giving a token back (RFC 7009)."""

from ..expectations import owns_up_to_503, revokes
from ..scenario import Scenario
from ..steps import busy, decided, real

SCENARIOS = (
    Scenario(
        name="revocation",
        about="A client un-pairs, and the server revokes its token.",
        right="Names the token in a POST to the revocation endpoint.",
        items=(38,),
        polls=(decided,),
        unpair="done",
        checks=(revokes,),
    ),
    Scenario(
        name="revocation_unavailable",
        about="A client un-pairs, and the revocation endpoint answers 503 with Retry-After 60.",
        right="Tries again later, or says that the token still exists.",
        items=(41,),
        polls=(decided,),
        revocations=(busy(503, 60), busy(503, 60), busy(503, 60), real),
        unpair="either",
        checks=(revokes, owns_up_to_503),
    ),
)
