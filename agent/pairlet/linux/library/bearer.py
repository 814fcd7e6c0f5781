"""The access token on a request, whatever library sends it: as Bearer (RFC 6750 section 2.1), or bound to a
key (RFC 9449 section 7.1)."""

import logging
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ...core.errors import ConfigError, PairletError
from ...core.secret import Secret
from ...core.token import BEARER, DPOP
from ...core.url import is_loopback
from .challenge import challenge_error
from .source import AccessToken, Source

if TYPE_CHECKING:
    from ..dpop.prover import Prover

_log = logging.getLogger("pairlet")

Fields = dict[str, str]


class Answered(NamedTuple):
    """An answer, and of the very request that it answers: `method`, `url`, and its Authorization as `used`.

    After a redirect to another host `used` is None: nobody there gets a token by refusing one. `challenge`:
    all WWW-Authenticate fields, joined by commas. `nonce`: the field DPoP-Nonce.
    """

    method: str
    url: str
    used: str | None
    status: int
    challenge: str
    nonce: str | None

    def __repr__(self) -> str:
        return f"<Answered {self.status}>"


class Bearer:
    """Decides for requests that carry `source`'s token."""

    def __init__(self, source: Source):
        self._source = source
        self._prover: Prover | None = None

    def fields(self, method: str, url: str) -> Fields:
        """The header fields for a request to `url`.

        Raises ConfigError where everybody could read it (RFC 6750 section 5.3), and what the source does.
        """
        parts = urlsplit(url)
        plain = self._source.insecure_http and parts.scheme == "http" and is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not plain:
            raise ConfigError(
                f"the access token may not go to {ascii(parts.scheme)}://{ascii(parts.hostname or '')[1:-1]}",
                "Use https; plain http is for loopback alone, with oauth.insecure_http.",
            )
        return self._with(self._source.token(), method, url)

    def _with(self, token: AccessToken, method: str, url: str) -> Fields:
        if token.token_type != DPOP:
            return {"Authorization": f"{BEARER} {token.access_token.reveal()}"}
        self._prover = token.prover
        if self._prover is None:
            raise ConfigError(
                "the access token is bound to the device's key (DPoP), which is not known here",
                "Take it from a Device whose configuration has oauth.dpop = true.",
            )
        proof = self._prover.proof(method, url, token.access_token)
        return {"Authorization": f"{DPOP} {token.access_token.reveal()}", "DPoP": proof}

    def instead(self, answer: Answered, tried: set[str]) -> Fields | None:
        """The fields for one more try, or None where that is of no use.

        `tried`: for which errors there was one already; kept by whoever asks, for each request.
        """
        if self._prover is not None:
            self._prover.heard(answer.url, answer.nonce)
        scheme, _, text = (answer.used or "").partition(" ")
        if answer.status != 401 or scheme not in (BEARER, DPOP):
            return None
        error = challenge_error(answer.challenge, scheme.lower())
        if error is None or error in tried:
            return None
        tried.add(error)
        try:
            if error == "invalid_token":
                return self._with_another(Secret(text), answer)
            if error == "use_dpop_nonce" and answer.nonce is not None:
                return self.fields(answer.method, answer.url)
        except PairletError as failure:
            _log.warning("a resource server refuses the access token, and there is no other: %s", failure)
        return None

    def _with_another(self, refused: Secret, answer: Answered) -> Fields | None:
        found = self._source.token(refused)
        return None if found.access_token == refused else self._with(found, answer.method, answer.url)
