"""Giving a grant back to the server (RFC 7009)."""

from .core.errors import PairletError, ProtocolError
from .pending import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .drive import Patience


async def unpair(agent: "Agent", patience: "Patience") -> "PairletError | None":
    """See Agent.unpair."""
    trouble = await _revoke(agent, patience)
    async with agent.ports.store.lock():
        if agent.keeper.load() is not None:
            agent.keeper.forget("asked")
    forget(agent.ports.store)
    return trouble


async def _revoke(agent: "Agent", patience: "Patience") -> "PairletError | None":
    """Ask the server to end the grant of `agent`'s stored token; why it could not be told, or None.

    The refresh token where there is one: the server ends what hangs on it, too (section 2.1).
    """
    token = agent.keeper.load()
    if token is None:
        return None
    try:
        metadata = await agent.find(patience)
        endpoint = metadata.require("revocation_endpoint")
        credential, hint = token.refresh_token, "refresh_token"
        if credential is None:
            credential, hint = token.access_token, "access_token"
        pairs = [("token", credential.reveal()), ("token_type_hint", hint)]
        response = await agent.ports.http.exchange(agent.client.request(endpoint, pairs))
    except PairletError as error:
        return error
    if response.status != 200:
        return ProtocolError(f"the server answered HTTP {response.status} to the revocation")
    return None
