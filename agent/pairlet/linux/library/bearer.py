"""The Bearer token on a request (RFC 6750 section 2.1), whatever library sends it."""

import logging
from urllib.parse import urlsplit

from ...core.errors import ConfigError, PairletError
from ...core.secret import Secret
from ...core.url import is_loopback
from .challenge import bearer_error
from .source import Source

_log = logging.getLogger("pairlet")
_SCHEME = "Bearer "


class Bearer:
    """Decides for requests that carry `source`'s token."""

    def __init__(self, source: Source):
        self._source = source

    def authorization(self, url: str) -> str:
        """The field Authorization for a request to `url`.

        Raises ConfigError where everybody could read it (section 5.3), and what the source does.
        """
        parts = urlsplit(url)
        plain = self._source.insecure_http and parts.scheme == "http" and is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not plain:
            raise ConfigError(
                f"the access token may not go to {ascii(parts.scheme)}://{ascii(parts.hostname or '')[1:-1]}",
                "Use https; plain http is for loopback alone, with oauth.insecure_http.",
            )
        return _SCHEME + self._source.token().access_token.reveal()

    def instead(self, status: int, challenge: str, used: str | None) -> str | None:
        """The field for one more try, or None where that is of no use.

        `status`, `challenge`: of the answer, with all its WWW-Authenticate fields joined by commas. `used`:
        the Authorization of the very request that it answers. After a redirect to another host that is None:
        nobody there gets a token by refusing one.
        """
        if status != 401 or used is None or not used.startswith(_SCHEME):
            return None
        if bearer_error(challenge) != "invalid_token":
            return None
        refused = Secret(used[len(_SCHEME) :])
        try:
            found = self._source.token(refused).access_token
        except PairletError as error:
            _log.warning("a resource server refuses the access token, and there is no other: %s", error)
            return None
        return None if found == refused else _SCHEME + found.reveal()
