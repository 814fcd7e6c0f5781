"""The command `pairlet unpair`: the grant is over, here and at the server."""

import argparse

from ..drive import Patience
from ..events import tell_error
from .commands import TRIES, Joined
from .output import Output

# What was forgotten, and that there was nothing: a person's pairing, or a token in the device's own name.
_UNPAIRED = (
    ("This device is not paired any more.", "This device was not paired."),
    ("The access token is revoked; the client secret is as good as before.", "There was no access token."),
)


async def unpair(arguments: argparse.Namespace, output: Output) -> int:
    """Revoke and forget."""
    joined = Joined(arguments, output)
    agent = joined.agent
    known = agent.keeper.load() is not None or agent.revocation_is_pending()
    try:
        trouble = await agent.unpair(Patience(TRIES))
    finally:
        joined.display.close()
    if trouble is None:
        if not output.as_json:
            known_words, unknown_words = _UNPAIRED[agent.keeper.asked is not None]
            output.line(known_words if known else unknown_words)
        return 0
    tell_error(output.event, trouble)
    output.say(f"pairlet: the server could not be told: {trouble}")
    if agent.revocation_is_pending():
        output.say("This device is not paired any more; it keeps a note to tell the server.")
        output.say("Run `pairlet unpair` again for that, or remove the device on the server's own page.")
    else:
        output.say("The token is gone from this device; remove the device on the server's own page as well.")
    return 0
