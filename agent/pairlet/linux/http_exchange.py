"""The blocking part of the Http port: one exchange on requests' adapter. Imported only when it is needed.

requests' HTTPAdapter is used without its Session: a Session adds redirects, cookies, netrc and environment
settings, all of which would have to be taken away again.
"""

import ipaddress
import logging
import re
import ssl
import warnings
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
import requests.utils
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import SystemTimeWarning

from ..core.errors import ConfigError, PairletError, TransportError
from ..core.http import Request, Response
from .http_failure import failure

if TYPE_CHECKING:
    from .http import Line

MAX_BODY = 1 << 20  # an answer of OAuth has a few kilobytes; more is a mistake or an attack

_PIECE = 1 << 16
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token of RFC 9110 section 5.6.2
_HEADER_VALUE = re.compile(r"(?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?")

# urllib3 logs addresses with their query and what servers sent, unescaped; a log of ours must not.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
# tls.explain says it better when it matters, and stays quiet when it does not.
warnings.simplefilter("ignore", SystemTimeWarning)


class Exchange:
    """One request on its way: checked and ready to be sent. ConfigError if it must not be sent."""

    def __init__(self, request: Request, insecure_http: bool, user_agent: str):
        self._prepared = _prepare(request, user_agent)
        parts = urlsplit(cast(str, self._prepared.url))
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        if not self._secure:
            _check_plain(parts.scheme, self._host, insecure_http)

    def run(
        self, context: Callable[[], ssl.SSLContext], timeouts: tuple[float, float], line: "Line"
    ) -> Response:
        """Send it and return the answer; `timeouts` for connecting and for one read, in seconds.

        Raises TransportError, TlsError, ConfigError. `line.cut()` from another thread ends it.
        """
        adapter = _Adapter(context() if self._secure else None, line)
        try:
            return self._run(adapter, timeouts)
        except PairletError:
            raise
        except Exception as error:
            # Everything: no bytes of a server may make another exception come out of here.
            reason = failure(error, self._host)
        finally:
            adapter.close()
        # Outside of the handler, so that what requests raised (it holds the request) does not go along.
        raise reason

    def _run(self, adapter: "_Adapter", timeouts: tuple[float, float]) -> Response:
        url = cast(str, self._prepared.url)
        # Plain http is for this machine alone, so no proxy gets to see it.
        proxies = requests.utils.get_environ_proxies(url) if self._secure else {}
        answer = adapter.send(self._prepared, stream=True, timeout=timeouts, verify=True, proxies=proxies)
        try:
            headers = [(name.lower(), str(value)) for name, value in answer.raw.headers.items()]
            body = _read(answer.raw, self._host)
        finally:
            answer.close()
        body, headers = _decoded(body, headers, self._host)
        return Response(answer.status_code, headers, body)


class _Adapter(HTTPAdapter):
    """requests' adapter with one ready SSLContext and a line to cut. Good for one exchange.

    Left to itself, requests names the CA bundle to urllib3, which then reads it again for every
    connection (15 ms instead of 1). A context alone does not change that: the names must go, too.
    """

    def __init__(self, context: ssl.SSLContext | None, line: "Line"):
        self._context = context
        self._line = line
        super().__init__(max_retries=0)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """What urllib3 makes a connection from: our context in place of files to read."""
        attributes = super().build_connection_pool_key_attributes(request, verify, cert)
        host_params, pool_kwargs = cast("tuple[Any, dict[str, Any]]", attributes)
        for name in ("ca_certs", "ca_cert_dir", "ca_cert_data"):
            pool_kwargs.pop(name, None)
        pool_kwargs["ssl_context"] = self._context
        pool_kwargs["cert_reqs"] = "CERT_REQUIRED"
        return host_params, pool_kwargs

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Demand a certificate; requests would name its bundle here once more."""
        conn.cert_reqs = "CERT_REQUIRED"

    def proxy_manager_for(self, proxy: Any, **proxy_kwargs: Any) -> Any:
        """A proxy that is reached over TLS itself has to convince the same context."""
        if not str(proxy).lower().startswith("socks"):
            proxy_kwargs.setdefault("proxy_ssl_context", self._context)
        return super().proxy_manager_for(proxy, **proxy_kwargs)

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """The pool for `request`, whose one connection is on our line."""
        found = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        pool = cast(Any, found)
        make = pool.ConnectionCls

        def make_watched(*args: Any, **kwargs: Any) -> Any:
            connection = make(*args, **kwargs)
            connect = connection.connect

            def connect_and_hold() -> None:
                self._line.watch(connection)
                connect()
                self._line.hold(connection.sock)

            connection.connect = connect_and_hold
            return connection

        pool.ConnectionCls = make_watched
        return pool


def _prepare(request: Request, user_agent: str) -> requests.PreparedRequest:
    headers = {"User-Agent": user_agent, "Accept-Encoding": "identity", "Connection": "close"}
    merged = requests.structures.CaseInsensitiveDict(headers)
    own: set[str] = set()
    for name, value in request.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"the request header {ascii(name)} holds characters that HTTP can't carry")
        key = name.lower()
        # A header given twice is one list (RFC 9110 section 5.3).
        merged[name] = merged[name] + ", " + value if key in own else value
        own.add(key)
    shown = ascii(request.url.partition("?")[0].rpartition("@")[2][:200])
    reason = ""
    prepared = requests.PreparedRequest()
    try:
        parts = urlsplit(request.url)
        _ = parts.port  # ValueError for a port that is no port
        if parts.username is not None or parts.password is not None:
            # requests would put them in the place of our own Authorization header.
            reason = "holds a user name or password"
        elif not parts.hostname:
            reason = "names no host"
        else:
            prepared.prepare(
                method=request.method, url=request.url, headers=merged, data=request.body or None
            )
            if urlsplit(cast(str, prepared.url)).hostname is None:
                reason = "names no host"
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
        reason = "is not one that HTTP can use"
    if reason:
        raise ConfigError(f"the address {shown} {reason}")
    return prepared


def _check_plain(scheme: str, host: str, insecure_http: bool) -> None:
    """RFC 8628 section 3.1: TLS everywhere. ConfigError unless it is http to this machine, and allowed."""
    if scheme != "http":
        raise ConfigError(f"addresses begin with https://, not with {ascii(scheme)}")
    if not _is_loopback(host):
        raise ConfigError(f"{host} must be reached with https: secrets would cross the network in the clear")
    if not insecure_http:
        raise ConfigError(f"{host} must be reached with https", "For tests on one machine: --insecure-http.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(raw: Any, host: str) -> bytes:
    """The body as it came, at most MAX_BODY bytes of it."""
    pieces: list[bytes] = []
    size = 0
    for piece in raw.stream(_PIECE, decode_content=False):
        size += len(piece)
        if size > MAX_BODY:
            raise TransportError(f"the answer of {host} is larger than {MAX_BODY >> 20} MiB")
        pieces.append(piece)
    return b"".join(pieces)


def _decoded(body: bytes, headers: list[tuple[str, str]], host: str) -> tuple[bytes, list[tuple[str, str]]]:
    """Undo a Content-Encoding that was not asked for (some proxies compress regardless), up to MAX_BODY."""
    coding = ", ".join(value for name, value in headers if name == "content-encoding").strip().lower()
    if coding in ("", "identity") or not body:
        return body, headers
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise TransportError(f"{host} sent its answer in an encoding that was not asked for")
    try:
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, as its header says
        body = stream.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise TransportError(f"the compressed answer of {host} is damaged") from None
    if len(body) > MAX_BODY:
        raise TransportError(f"the answer of {host} is larger than {MAX_BODY >> 20} MiB")
    if not stream.eof:
        raise TransportError(f"the compressed answer of {host} ends too early")
    return body, [(name, value) for name, value in headers if name != "content-encoding"]
