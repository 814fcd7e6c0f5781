"""The hosts that an agent speaks to: their names, the way there, and who answers."""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import PairletError, TransportError
from ...core.url import split
from ..lean import lean_imports
from ..log.words import DAY_MS, SECOND_MS, span
from ..mqtt_address import parse_address
from ..tls import new_context
from ..worker import in_thread
from .certificate import Shown, show, shown_by
from .report import OK, SKIPPED, WARN, Finding, failure

if TYPE_CHECKING:
    from ..client_auth.certificate import Certificate

# In seconds: for one name, one address and one handshake.
LIMIT_S = 5.0
_WARN_DAYS = 14
_MOST_SHOWN = 3

_Address = tuple[socket.AddressFamily, tuple[Any, ...]]


class Place(NamedTuple):
    """Where something listens.

    tls: whether it proves who it is. ca_file: which CAs count, None for the usual ones. is_proxied: whether
    the environment sends an agent there through a proxy.
    """

    host: str
    port: int
    tls: bool
    ca_file: str | None
    is_proxied: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def place_of(url: str, ca_file: str | None) -> Place | None:
    """Where an endpoint is; None for what is no address. Looks at the environment's proxies."""
    parts = split(url)
    if parts is None:
        return None
    tls = parts.scheme == "https"
    return Place(parts.host, parts.port or (443 if tls else 80), tls, ca_file, tls and _is_proxied(url))


def broker_place(url: str, ca_file: str | None, insecure: bool) -> Place:
    """Where a broker is. Raises ConfigError."""
    address = parse_address(url, insecure=insecure)
    return Place(address.host, address.port, address.tls, ca_file)


def _is_proxied(url: str) -> bool:
    with lean_imports():
        import requests.utils
    # As the Http port does it; what it is may hold a password, and is told to nobody.
    return bool(requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)))


class Way:
    """The way to one place, tried step by step: look_up(), connect(), secure(); each gives its finding.

    `certificate`: what this client shows of itself, if it does. `is_open`: whether all went well. `trouble`:
    why the next step is of no use, "" as long as it is.
    """

    def __init__(self, place: Place, certificate: "Certificate | None" = None):
        self.place = place
        self._certificate = certificate
        self._addresses: list[_Address] = []
        self.trouble = ""
        self.is_open = False

    def why(self) -> str:
        """Why it is not open, in a sentence."""
        return f"{self.place}: {self.trouble or 'the way there could not be tried'}"

    async def look_up(self) -> Finding:
        """DNS."""
        host = self.place.host
        if self.place.is_proxied:
            self.trouble, self.is_open = "a proxy of the environment leads there (HTTPS_PROXY)", True
            return Finding("dns", SKIPPED, f"{host}: {self.trouble}")
        try:
            async with asyncio.timeout(LIMIT_S):
                found = await in_thread(_resolve, self.place)
        except TimeoutError:
            found = f"no name server answers for {host} within {LIMIT_S:g} s"
        if isinstance(found, str):
            self.trouble = "its name leads nowhere"
            advice = "Check the name, and this machine's name servers (/etc/resolv.conf, resolvectl status)."
            return failure("dns", TransportError(found, advice))
        self._addresses = found
        said = [str(where[0]) for _, where in found]
        if said == [host]:
            return Finding("dns", OK, f"{host} is an address")
        more = f" and {len(said) - _MOST_SHOWN} more" if len(said) > _MOST_SHOWN else ""
        return Finding("dns", OK, f"{host} is {', '.join(said[:_MOST_SHOWN])}{more}")

    async def connect(self) -> Finding:
        """TCP, to all addresses at once: one that swallows packets costs every agent seconds."""
        place = self.place
        if self.trouble:
            return Finding("tcp", SKIPPED, self.why())
        tried = await asyncio.gather(*(_reach(address) for address in self._addresses))
        pairs = list(zip(tried, self._addresses, strict=True))
        reached = [(took_ms, address) for took_ms, address in pairs if not isinstance(took_ms, str)]
        if not reached:
            self.trouble = "nothing answers there"
            why = str(tried[0])
            return failure("tcp", TransportError(f"{place}: {why}", _ADVICE.get(why)))
        self._addresses = [address for _, address in reached]
        self.is_open = not place.tls
        silent = [str(where[0]) for why, (_, where) in pairs if why == _SILENT]
        if silent:
            advice = (
                f"Each connection waits for {silent[0]} first: mend the way there (IPv6?), or its DNS entry."
            )
            return Finding("tcp", WARN, f"{place}: {silent[0]} is silent, another address answers", advice)
        return Finding("tcp", OK, f"{place} answers in {reached[0][0]:.1f} ms")

    async def secure(self) -> Finding:
        """TLS: who answers, and for how long that certificate will do."""
        place = self.place
        if self.trouble:
            return Finding("tls", SKIPPED, self.why())
        if not place.tls:
            return Finding("tls", SKIPPED, f"{place}: plain, on this machine alone (--insecure-http)")
        try:
            async with asyncio.timeout(2 * LIMIT_S):
                found = await in_thread(self._shake_hands, self._addresses[0])
        except TimeoutError:
            found = TransportError(f"{place} did not get to an end of TLS within {2 * LIMIT_S:g} s")
        if not isinstance(found, Shown):
            self.trouble = "nobody has proved to be it"
            return failure("tls", found)
        self.is_open = True
        left_ms = (found.ends - time.time()) * SECOND_MS
        words = f"{place}: {found.version}, certificate good for {span(left_ms)}"
        if left_ms < _WARN_DAYS * DAY_MS:
            advice = "Have it renewed: when it ends no device connects any more."
            return Finding("tls", WARN, words, advice)
        return Finding("tls", OK, words)

    def _shake_hands(self, address: _Address) -> "Shown | PairletError":
        place = self.place
        try:
            context = new_context(place.ca_file)
            if self._certificate is not None:
                self._certificate.load_into(context)
            return show(address, place.host, context, LIMIT_S)
        except PairletError as error:
            return error.with_traceback(None)
        except ssl.SSLError as error:
            return shown_by(error, address, place.host, LIMIT_S)
        except TimeoutError:
            return TransportError(
                f"{place} accepts connections and does not answer within {LIMIT_S:g} s",
                "Check that the port is the one for TLS, and that the server is well.",
            )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return TransportError(f"{place} ended the connection before TLS began: {reason.lower()}")


_SILENT = f"no answer within {LIMIT_S:g} s"
_REFUSED = "the connection was refused"
_ADVICE = {
    _SILENT: "A firewall swallows what goes there, or the host is down: check both.",
    _REFUSED: "Nothing listens at that port: check the port, and whether the server runs.",
}


def _resolve(place: Place) -> "list[_Address] | str":
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return f"the name {place.host} could not be resolved"
    except UnicodeError:
        return f"{place.host} is not a host name"
    return [(family, address) for family, _, _, _, address in found]


async def _reach(address: _Address) -> float | str:
    """How long it took to connect, in ms, or why that did not work."""
    family, where = address
    begun = time.monotonic()
    try:
        with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as opened:
            opened.setblocking(False)
            async with asyncio.timeout(LIMIT_S):
                await asyncio.get_running_loop().sock_connect(opened, where)
    except TimeoutError:
        return _SILENT
    except ConnectionRefusedError:
        return _REFUSED
    except OSError as error:
        # Not its own words, which repeat the address.
        return os.strerror(error.errno).lower() if error.errno else type(error).__name__
    return (time.monotonic() - begun) * SECOND_MS
