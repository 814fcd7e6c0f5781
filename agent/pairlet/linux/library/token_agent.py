"""A token from the agent at work: for programs that may not, or need not, see the state folder."""

import os

from ...core.secret import Secret
from ..clock import SystemClock
from ..token_agent.asking import ask
from .source import AccessToken, seen


class TokenAgent:
    """The `pairlet run` that listens at the Unix socket `path` ([token_agent] socket). Used from any thread.

    `insecure_http`: the token may go to plain http on loopback.
    """

    def __init__(self, path: str | os.PathLike[str], *, insecure_http: bool = False):
        self._path = os.fspath(path)
        self.insecure_http = insecure_http

    def token(self, refused: Secret | None = None) -> AccessToken:
        """The access token, renewed by the agent if it needs to be. Takes 25 s at the most.

        `refused`: see Device.token. Raises TransportError (NobodyThere) when nobody listens there, and what
        the agent says: UnpairedError, TransportError, OAuthError ...
        """
        lent = ask(self._path, refused)
        return seen(lent.token, SystemClock().now())

    def __repr__(self) -> str:
        return f"<TokenAgent {self._path}>"
