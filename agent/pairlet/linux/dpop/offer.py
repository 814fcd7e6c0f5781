"""An Http that looks whether the server takes proofs of this device's kind (RFC 9449 section 5.1)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.errors import ConfigError
from ...core.http import Request, Response
from ...core.text import clean
from ..heard_metadata import metadata_in
from .key import ALGORITHM

if TYPE_CHECKING:
    from ...ports import Http


class OfferHttp:
    """The port Http over another one. `issuer`: whose metadata count.

    `is_bound()`: whether there is a bound token already. That is more than what a server says of itself, so
    nothing is objected to then.
    """

    def __init__(self, http: "Http", issuer: str, is_bound: Callable[[], bool]):
        self._http = http
        self._issuer = issuer
        self._is_bound = is_bound
        self.needs_room = http.needs_room

    async def exchange(self, request: Request) -> Response:
        """See pairlet.ports.Http. Raises ConfigError for metadata that name other algorithms alone."""
        response = await self._http.exchange(request)
        members = metadata_in(request, response, self._issuer)
        if members is not None and not self._is_bound():
            _check(members.get("dpop_signing_alg_values_supported"))
        return response


def _check(listed: object) -> None:
    """A server that lists none need not tell."""
    names = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    if names and ALGORITHM not in names:
        known = clean(", ".join(names), 200)
        raise ConfigError(
            f"the server takes no DPoP proofs with {ALGORITHM}, which this device makes, but with {known}",
            f"Have its administrator allow {ALGORITHM} (dpop_signing_alg_values_supported), "
            "or leave out oauth.dpop: tokens are good for whoever has them then.",
        )
