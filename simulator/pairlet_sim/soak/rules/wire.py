"""Rules 4, 5 and 10: trust no answer, show no secret, die of nothing that comes over the wire."""

import asyncio
from typing import TYPE_CHECKING

from pairlet.core.errors import PairletError
from pairlet.core.screen import Screen

from ..http_port import CODE, METADATA, POLL, REFRESH, Exchange
from ..model import MARK
from ..model.authorization_server import ISSUER
from .polling import retry_after_ms

if TYPE_CHECKING:
    from ..process import Process
    from ..world import World

_PLACES = {
    ISSUER + "/.well-known/oauth-authorization-server",
    ISSUER + "/.well-known/openid-configuration",
    ISSUER + "/device",
    ISSUER + "/token",
    ISSUER + "/revoke",
}
# In an hour: what a back-off of a minute comes to; of refreshes four in two minutes, which is what a server
# gets that is in trouble three times, soon asked again, and then refuses, with a pause of 100 s at the least.
_MOST, _MOST_REFRESHES = 200, 130
_HOUR_MS = 3_600_000


def speaks_only_to_its_server(url: str) -> str:
    """No redirect is followed, no address of anybody else's is believed."""
    return "" if url in _PLACES else f"it sent a request to {url}"


def keeps_secrets_out_of_addresses(url: str) -> str:
    """Addresses end up in logs."""
    return f"there is a secret in the address {url}" if MARK in url else ""


def shows_no_secret(where: str, text: str) -> str:
    """Tokens and device codes are in no event, no screen and no error."""
    return f"there is a secret in {where}: {text}" if MARK in text else ""


def shows_only_clean_text(text: str) -> str:
    """No control character, escape sequence or bidirectional mark reaches a screen."""
    return "" if text.isprintable() else f"a screen was to show {text!a}"


def sends_people_to_https_only(uri: str) -> str:
    """What is in verification_uri is where a person will type a password."""
    return "" if not uri or uri.startswith(ISSUER + "/") else f"a screen was to send a person to {uri!a}"


def honours_retry_after(kind: str, early_ms: int) -> str:
    """RFC 9110 section 10.2.3, for every endpoint."""
    return f"it asked again ({kind}) {early_ms} ms before Retry-After allowed it" if early_ms > 0 else ""


def hammers_no_server(kind: str, in_an_hour: int) -> str:
    """However it fails: only so many requests an hour (polls have their own rules)."""
    most = _MOST_REFRESHES if kind == REFRESH else _MOST
    return f"it sent {in_an_hour} requests ({kind}) within an hour" if in_an_hour > most else ""


def raises_only_typed_errors(error: "BaseException | None") -> str:
    """Any bytes from anybody give a value or a typed error."""
    if error is None or isinstance(error, PairletError | asyncio.CancelledError):
        return ""
    return f"it ended with {type(error).__name__}: {error}"


class WireWitness:
    """Sees every request, answer, event and screen."""

    def __init__(self, world: "World"):
        self._world = world
        self._not_before: dict[tuple[object, str], int] = {}
        self._lately: dict[tuple[object, str], list[int]] = {}
        self._last_texts: tuple[object, ...] = ()

    def gone(self, process: "Process") -> None:
        """A process is no more, and what it was told with it."""
        for kept in (self._not_before, self._lately):
            for key in [key for key in kept if key[0] is process]:
                del kept[key]  # type: ignore[attr-defined]

    def new_server(self) -> None:
        """Its ways are others from now on."""
        self._lately.clear()

    def sent(self, exchange: Exchange) -> None:
        """A request leaves."""
        world = self._world
        world.judge(speaks_only_to_its_server, exchange.url)
        world.judge(keeps_secrets_out_of_addresses, exchange.url)
        early_ms = self._not_before.get((exchange.process, exchange.kind), 0) - world.device.now()
        if early_ms > 0:
            world.judge(honours_retry_after, exchange.kind, early_ms)
        if exchange.kind != POLL:
            # An hour by its own clock, which may run too fast.
            now, kind = world.device.now(), exchange.kind
            key = (exchange.process, kind)
            lately = [at for at in self._lately.get(key, []) if now - at < _HOUR_MS] + [now]
            self._lately[key] = lately
            if len(lately) > _MOST_REFRESHES:
                # A short token wants many refreshes, and short codes are asked for often.
                usual = _HOUR_MS // min(300 * world.era.policy.token_s, 500 * world.era.policy.code_s)
                world.judge(hammers_no_server, kind, len(lately) - usual)

    def answered(self, exchange: Exchange) -> None:
        """An answer arrives."""
        wait_ms = retry_after_ms(exchange)
        key = (exchange.process, exchange.kind)
        # Polls have a rule of their own, and a revocation is tried once.
        if wait_ms and exchange.kind in (REFRESH, CODE, METADATA):
            self._not_before[key] = self._world.device.now() + wait_ms
        else:
            self._not_before.pop(key, None)

    def heard(self, event: str, fields: dict[str, object]) -> None:
        """An event."""
        self._world.judge(shows_no_secret, f"the event {event}", str(fields))

    def shown(self, screen: Screen) -> None:
        """A screen."""
        texts = (screen.user_code, screen.verification_uri, screen.message, screen.advice, screen.scope)
        if texts != self._last_texts:
            self._last_texts = texts
            text = " ".join(map(str, texts))
            self._world.judge(shows_no_secret, "a screen", text)
            self._world.judge(shows_only_clean_text, text)
            self._world.judge(sends_people_to_https_only, screen.verification_uri)
            self._world.judge(sends_people_to_https_only, screen.verification_uri_complete or "")
