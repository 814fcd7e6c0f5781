"""An Http whose token requests prove that they come from the device's key (RFC 9449 section 5)."""

import logging
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from ...core.errors import ProtocolError
from ...core.http import Request, Response
from ...core.json_object import parse
from ...core.metadata import DEVICE_CODE
from ..client_auth.assertion import AssertedRequest
from .prover import Prover

if TYPE_CHECKING:
    from ...ports import Http

_log = logging.getLogger("pairlet.http")

USE_NONCE = "use_dpop_nonce"
_PENDING = b'{"error": "authorization_pending"}'
# As many polls in a row may be spent on nonces: each comes with a newer one than the last.
_MOST_PUT_OFF = 3


class ProvingHttp:
    """The port Http over another one: what asks a token endpoint for something carries a proof of `prover`.

    A server that wants a nonce in it (section 8) gets the request again with one, once: nothing has failed,
    so nobody hears of it. A poll has to keep its interval instead (RFC 8628 section 3.5), so the next poll
    has the nonce, and this one counts as one that nobody has decided about. `polls`: whether there are any; a
    code that is shown to the server just once is no poll.
    """

    def __init__(self, http: "Http", prover: Prover, *, polls: bool = True):
        self._http = http
        self._prover = prover
        self._polls = polls
        self._put_off = 0
        self.needs_room = http.needs_room

    async def exchange(self, request: Request) -> Response:
        """See pairlet.ports.Http. Raises StoreError too, when there is no key to prove with."""
        grant_type = _grant_type(request)
        if not grant_type:
            response = await self._http.exchange(request)
            self._prover.heard(request.url, response.header("dpop-nonce"))
            return response
        response, wants_nonce = await self._proven(request)
        if not wants_nonce:
            self._put_off = 0
            return response
        if grant_type != DEVICE_CODE or not self._polls:
            _log.debug("the server wants a DPoP nonce: the request goes out again, with one")
            return (await self._proven(_anew(request)))[0]
        self._put_off += 1
        if self._put_off > _MOST_PUT_OFF:
            return response
        _log.debug("the server wants a DPoP nonce: the next poll has one")
        return Response(response.status, response.headers, _PENDING)

    async def _proven(self, request: Request) -> tuple[Response, bool]:
        """The answer, and whether the server wants the same once more, with a nonce that has come with it.

        What counts is the nonce in this very proof: another request may have heard of the new one before.
        """
        proof = self._prover.prove(request.method, request.url)
        headers = [*request.headers, ("DPoP", proof.text)]
        response = await self._http.exchange(Request(request.method, request.url, headers, request.body))
        nonce = response.header("dpop-nonce")
        is_another = self._prover.heard(request.url, nonce) and nonce != proof.nonce
        return response, is_another and _wants_nonce(response)


def _grant_type(request: Request) -> str:
    """What a token request asks with, "" for another request."""
    if request.method != "POST":
        return ""
    return parse_qs(request.body.decode("ascii", "replace")).get("grant_type", [""])[0]


def _anew(request: Request) -> Request:
    """The same once more. An assertion is good once, and the server may have looked at it first."""
    return request.again() if isinstance(request, AssertedRequest) else request


def _wants_nonce(response: Response) -> bool:
    if response.status not in (400, 401):
        return False
    try:
        return parse(response.body).get("error") == USE_NONCE
    except ProtocolError:
        return False
