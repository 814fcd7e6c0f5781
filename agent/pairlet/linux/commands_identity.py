"""Who signed in, for `pairlet pair`: told once, from an ID token that was checked, and kept nowhere."""

import asyncio
from typing import TYPE_CHECKING

from ..core.errors import ConfigError, PairletError
from ..core.screen import PAIRED, Screen

if TYPE_CHECKING:
    from ..agent import Agent
    from ..core.token import Token
    from ..drive import Trouble
    from .identity.http import IdentityHttp
    from .output import Output

# Nobody waits longer for a name.
_LONGEST_S = 10


def listening(agent: "Agent") -> "IdentityHttp | None":
    """Have the answers of `agent`'s server looked at for an ID token, if one is asked for and can be
    checked."""
    issuer = agent.config.text("oauth.issuer")
    if (
        "openid" not in agent.config.text("oauth.scope").split()
        or not issuer
        or agent.keeper.asked is not None
    ):
        return None
    from .client_auth.key import require_extra  # late: most ask for no ID token

    try:
        require_extra("an ID token")
    except ConfigError:
        return None  # what can't be checked is not used
    from .identity.http import IdentityHttp

    http = IdentityHttp(agent.ports.http, issuer)
    agent.ports = agent.ports._replace(http=http)
    return http


async def tell_person(
    agent: "Agent", http: "IdentityHttp", token: "Token", output: "Output", trouble: "Trouble"
) -> None:
    """Say who signed in; or why that is not known, which changes nothing. Raises nothing of the network."""
    if http.id_token is None:
        return
    from .identity.id_token import Expected, person_in

    expected = Expected(
        agent.config.text("oauth.issuer"),
        agent.client.client_id,
        http.nonce,
        agent.ports.clock.wall().seconds,
        http.access_token,
    )
    try:
        async with asyncio.timeout(_LONGEST_S):
            if not http.jwks_uri:
                await agent.find(trouble)  # a code that was resumed needed no metadata
            sub, name = person_in(http.id_token, await http.keys(), expected)
    except TimeoutError:
        output.say("pairlet: who signed in is not known: the server's keys did not come in time")
    except PairletError as error:
        output.say(f"pairlet: who signed in is not known: {error}")
    else:
        output.event("signed_in", sub=sub, name=name)
        missing = token.not_granted(agent.config.text("oauth.scope"))
        words = f"signed in as {name}" + (f"; not granted: {missing}" if missing else "")
        agent.ports.display.show(Screen(PAIRED, scope=token.scope, message=words))
    finally:
        http.forget()
