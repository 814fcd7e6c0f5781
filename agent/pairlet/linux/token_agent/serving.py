"""The socket of the token agent, from start to stop."""

import logging
import re
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from ...core.errors import ConfigError, PairletError
from ..health.place import UnixListener
from ..health.serving import Answer, LocalServer, plain
from .access import Access, check_folder, may_ask, peer_of
from .answers import error_answer, text_answer, token_answer

if TYPE_CHECKING:
    from ...core.token import Token
    from ...ports import Clock

_log = logging.getLogger("pairlet.token_agent")

# JSON, and the token alone for shell scripts.
TOKEN, ACCESS_TOKEN = "/token", "/access_token"
_REFUSED = re.compile(r"refused=([0-9a-fA-F]{64})")
# A refresh that takes longer goes on; whoever asked may come again.
PATIENCE_S = 20.0


class Lender(Protocol):
    """What is asked of pairlet.lending.Lending."""

    async def token(self, refused: bytes | None = None) -> "Token": ...


class TokenAgent:
    """Gives `lender`'s token to whoever may connect to the socket that `place` describes.

    GET /token is JSON, GET /access_token the token alone; with ?refused=SHA256, in hexadecimal, of an access
    token that was not taken, another one. `whose`: issuer, client_id and state_dir. ConfigError when the
    socket can't be made.
    """

    def __init__(self, lender: Lender, clock: "Clock", place: Access, whose: dict[str, str]):
        check_folder(place.path)
        self._lender = lender
        self._clock = clock
        self._place = place
        self._whose = whose
        self._server = LocalServer(self._respond, admit=self._admit, patience_s=PATIENCE_S)
        try:
            self._listener = UnixListener(place.path, place.mode, place.gid)
        except OSError as error:
            raise ConfigError(
                f"token_agent.socket: {place.path} can't be used: {error.strerror}",
                "Stop whoever listens there, or choose another path; a group must be one of this user's.",
            ) from None
        _log.info("the access token can be had at %s, mode %04o", place.path, place.mode)

    async def start(self) -> None:
        """From now on."""
        await self._server.listen(self._listener.socket, checks_host=False)

    def stop(self) -> None:
        """Not any more; nothing is left behind."""
        self._server.close()
        self._listener.socket.close()
        self._listener.remove()

    def _admit(self, connection: socket.socket) -> bool:
        peer = peer_of(connection)
        admitted = may_ask(peer, self._place.mode)
        said = "asks for" if admitted else "may not have"
        _log.debug("process %d (uid %d) %s the access token", peer.pid, peer.uid, said)
        return admitted

    def _respond(self, target: str) -> Any:
        path, _, query = target.partition("?")
        if path not in (TOKEN, ACCESS_TOKEN):
            words = f"There are {TOKEN} and {ACCESS_TOKEN}.\n"
            return Answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", words.encode())
        named = _REFUSED.fullmatch(query)
        if query and named is None:
            return plain(HTTPStatus.BAD_REQUEST)
        return self._lend(path, bytes.fromhex(named[1]) if named else None)

    async def _lend(self, path: str, refused: bytes | None) -> Answer:
        try:
            token = await self._lender.token(refused)
        except PairletError as error:
            return error_answer(error)
        if path == ACCESS_TOKEN:
            return text_answer(token)
        return token_answer(token, self._clock.now(), self._whose)
