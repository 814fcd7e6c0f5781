"""What the server says of itself (RFC 8414, OpenID Connect Discovery)."""

from ..evidence import Evidence
from ..expectations import asks_for_no_code
from ..journal import METADATA
from ..reply import page_reply
from ..scenario import Scenario
from ..steps import with_members, without
from ..turn import Turn

_INSERTED = "/.well-known/oauth-authorization-server"


async def _only_inserted(turn: Turn) -> None:
    """Metadata where RFC 8414 has them, and nothing where OpenID Connect has them."""
    if turn.exchange.path.startswith(_INSERTED):
        await turn.answer(await turn.ask_server())
    else:
        await turn.answer(page_reply(404, "Not found"))


def _no_discovery(evidence: Evidence) -> str:
    return "" if evidence.of(METADATA) else "the client asks for no metadata"


def _no_rfc8414(evidence: Evidence) -> str:
    if any(each.path.startswith(_INSERTED) for each in evidence.of(METADATA)):
        return ""
    return _no_discovery(evidence) or "the client looks for OpenID Connect metadata only"


SCENARIOS = (
    Scenario(
        name="metadata_wrong_issuer",
        about="The metadata names another issuer than the one it was asked of.",
        right="Uses none of it, and ends.",
        items=(42,),
        metadata=with_members(issuer="https://somebody-else.example"),
        pair="failed",
        checks=(asks_for_no_code(42),),
        missed=_no_discovery,
    ),
    Scenario(
        name="metadata_no_device_endpoint",
        about="The metadata has no device_authorization_endpoint.",
        right="Says so and ends; it guesses no address.",
        items=(23,),
        metadata=without("device_authorization_endpoint"),
        pair="failed",
        checks=(asks_for_no_code(23),),
        missed=_no_discovery,
    ),
    Scenario(
        name="metadata_at_rfc8414_only",
        about="The metadata is only where RFC 8414 puts it, between host and path of the issuer.",
        right="Finds it there.",
        items=(43,),
        metadata=_only_inserted,
        missed=_no_rfc8414,
    ),
)
