"""Asks a running agent for its access token."""

import os
from hashlib import sha256
from http.client import HTTPConnection, HTTPException

from ...core.errors import PairletError, TransportError
from ...core.secret import Secret
from ..clock import SystemClock
from ..health.place import connect
from .access import may_answer, peer_of
from .answers import Lent, read_answer

# A refresh has 20 s; more than that is an agent that hangs.
_TIMEOUT_S = 25.0
_MOST_BYTES = 65536
_TIMEOUT_STATUS = 504


class NobodyThere(TransportError):
    """Nobody who can be asked listens at the socket, or nobody answers in time."""

    def _usual_advice(self) -> str:
        return "Start the agent with that token_agent.socket: pairlet run."


def ask(path: str, refused: Secret | None = None) -> Lent:
    """What the agent at the socket `path` lends.

    `refused`: an access token that a resource server did not take; only its SHA-256 is sent. Raises
    NobodyThere, what the agent says instead (UnpairedError, TransportError ...), and ProtocolError when it is
    none of that.
    """
    target = "/token"
    if refused is not None:
        target += "?refused=" + sha256(refused.reveal().encode()).hexdigest()
    status, body = _get(os.path.abspath(os.path.expanduser(path)), target)
    if status == _TIMEOUT_STATUS:
        raise TransportError(
            "the access token has ended, and the agent has not got another one yet", "Try again in a minute."
        )
    if status not in (200, 503):
        raise NobodyThere(f"{ascii(path)} is no token agent of this user (status {status})")
    try:
        return read_answer(body, SystemClock().now())
    except RecursionError:
        raise NobodyThere(f"{ascii(path)} is no token agent") from None


def _get(path: str, target: str) -> tuple[int, bytes]:
    connection = HTTPConnection("localhost", timeout=_TIMEOUT_S)
    try:
        connection.sock = connect(path, _TIMEOUT_S)
        if not may_answer(peer_of(connection.sock), path):
            raise NobodyThere(f"another user's process listens at {ascii(path)}")
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST_BYTES)
    except PairletError:
        raise
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise NobodyThere(f"no token agent at {ascii(path)}: {reason}") from None
    finally:
        connection.close()
