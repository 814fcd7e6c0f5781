"""What went wrong in an exchange, in one sentence.

requests wraps what urllib3 raises, which wraps what http.client and sockets raise.
"""

import errno
import http.client
import re
import socket
import ssl

import requests.exceptions
import urllib3.exceptions

from ..core.errors import ConfigError, PairletError, TransportError
from .tls import explain

_PROXY_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
# What the sockets said comes first: urllib3's NewConnectionError, a wrapper for any failure to connect,
# calls itself a ConnectTimeoutError, and its ProtocolError may hold anything.
_SENTENCES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "the name %s could not be resolved"),
    (ConnectionRefusedError, "%s refused the connection"),
    ((TimeoutError, urllib3.exceptions.ReadTimeoutError), "%s did not answer in time"),
    ((http.client.IncompleteRead, urllib3.exceptions.IncompleteRead), "the answer of %s was cut off"),
    (
        (ConnectionResetError, ConnectionAbortedError, BrokenPipeError),
        "%s closed the connection before it had answered in full",
    ),
    ((http.client.HTTPException, urllib3.exceptions.InvalidHeader), "what %s sent is not HTTP"),
)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


def failure(error: BaseException, host: str) -> PairletError:
    """The typed error for `error`, met while talking to `host`. Texts of `error` itself are not used:

    they hold addresses with their query, and bytes of the server.
    """
    chain = _chain(error)
    for link in chain:
        if isinstance(link, (requests.exceptions.InvalidProxyURL, urllib3.exceptions.ProxySchemeUnknown)):
            return ConfigError("the address of the proxy in the environment (HTTPS_PROXY) is not usable")
        if isinstance(link, requests.exceptions.InvalidSchema):
            return ConfigError(
                "the environment (ALL_PROXY or HTTPS_PROXY) names a SOCKS proxy",
                "Install what requests needs for it: pip install requests[socks].",
            )
        if isinstance(link, urllib3.exceptions.LocationParseError):
            return ConfigError(f"{host} is not a host name")
    for link in chain:
        if isinstance(link, ssl.SSLError):
            return explain(link, host)
    if any(isinstance(link, requests.exceptions.ProxyError) for link in chain):
        return _proxy_failure(chain, host)
    for kinds, sentence in _SENTENCES:
        if any(isinstance(link, kinds) for link in chain):
            return TransportError(sentence % host)
    if any(isinstance(link, OSError) and link.errno in _UNREACHABLE for link in chain):
        return TransportError(f"there is no route to {host}")
    if any(isinstance(link, urllib3.exceptions.ProtocolError) for link in chain):
        return TransportError(f"the answer of {host} was cut off")
    return TransportError(f"the exchange with {host} failed ({type(error).__name__})")


def _proxy_failure(chain: list[BaseException], host: str) -> TransportError:
    advice = "Check HTTPS_PROXY; name hosts that need no proxy in NO_PROXY."
    for link in chain:
        # The one text that is read: three digits of it.
        status = _PROXY_STATUS.search(str(link)) if isinstance(link, OSError) else None
        if status:
            return TransportError(
                f"the proxy in the environment refused to connect to {host} (status {status[1]})", advice
            )
    return TransportError(f"the proxy in the environment, on the way to {host}, could not be used", advice)


def _chain(error: BaseException) -> list[BaseException]:
    """`error` and everything it wraps, the outermost first. Wrappers keep what they wrap in many places."""
    chain: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and not any(link is known for known in chain):
            chain.append(link)
            waiting += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]
    return chain
