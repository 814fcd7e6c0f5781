"""Verification keys: a JWK Set (RFC 7517) that is given, or fetched from an URL when it is needed."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

# A set of a few keys takes some kilobytes; whoever sends more is not an authorization server.
MAX_JWKS_BYTES = 64 * 1024
_CHUNK = 8 * 1024

PublicKey = RSAKey | ECKey | OKPKey


class KeysUnavailable(Exception):
    """The keys could not be had, so that nothing can be said about a token; the text says why."""


class KeySource(Protocol):
    """Where keys come from."""

    async def find(self, kid: str | None, alg: str) -> PublicKey | None:
        """The key for a token's `kid` and `alg`, or None; KeysUnavailable if there are no keys to look in."""


class StaticKeys:
    """Keys of a JWK Set that does not change."""

    def __init__(self, jwks: Mapping[str, Any]):
        self._keys = usable_keys(jwks)

    async def find(self, kid: str | None, alg: str) -> PublicKey | None:
        """See `KeySource`."""
        return choose_key(self._keys, kid, alg)


class FetchedKeys:
    """Keys of a JWK Set behind an URL.

    An unknown `kid` makes it fetch again, because that is how servers announce a new key; but not more
    often than every `interval` seconds, so that made-up kids can not be used to hammer the server. `clock`
    is any clock that only grows, in seconds; `timeout` bounds one whole fetch.
    """

    def __init__(
        self, url: str, *, interval: float, timeout: float, clock: Callable[[], float] = time.monotonic
    ):
        self._url = url
        self._interval = interval
        self._timeout = timeout
        self._clock = clock
        self._keys: list[PublicKey] | None = None
        self._fetched_at: float | None = None
        self._trouble = "not asked yet"
        self._one_at_a_time = asyncio.Lock()

    async def find(self, kid: str | None, alg: str) -> PublicKey | None:
        """See `KeySource`."""
        key = choose_key(self._keys or [], kid, alg)
        if key is None:
            async with self._one_at_a_time:
                await self._refresh()
            key = choose_key(self._keys or [], kid, alg)
        if self._keys is None:
            raise KeysUnavailable("the keys of %s could not be fetched: %s" % (self._url, self._trouble))
        return key

    async def _refresh(self) -> None:
        """Fetch, unless the last try is too recent; a failure keeps the keys that are known."""
        now = self._clock()
        if self._fetched_at is not None and now - self._fetched_at < self._interval:
            return
        self._fetched_at = now
        try:
            self._keys = usable_keys(await asyncio.to_thread(_fetch, self._url, self._timeout))
        except KeysUnavailable as trouble:
            self._trouble = str(trouble)


def usable_keys(jwks: object) -> list[PublicKey]:
    """The public keys for signatures in a JWK Set; KeysUnavailable if it is not one.

    A key that is not understood is passed over (RFC 7517 section 5), so that a server can introduce new
    kinds.
    """
    entries = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(entries, list):
        raise KeysUnavailable("the answer is not a JWK Set")
    keys: list[PublicKey] = []
    for entry in entries:
        # `oct` keys are shared secrets: whoever verifies with one could sign with it.
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if entry.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, (RSAKey, ECKey, OKPKey)):
            keys.append(key)
    return keys


def choose_key(keys: list[PublicKey], kid: str | None, alg: str) -> PublicKey | None:
    """The key that `kid` names. Without a `kid` only when there is a single candidate: no guessing."""
    fitting = [key for key in keys if key.get("alg") in (None, alg) and key.key_type == _key_type(alg)]
    if kid is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.kid == kid), None)


def _key_type(alg: str) -> str:
    """The `kty` that an algorithm takes (RFC 7518 section 3.1, RFC 8037 section 3.1)."""
    return {"E": "EC", "R": "RSA", "P": "RSA"}[alg[0]] if not alg.startswith("Ed") else "OKP"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from the configured address or not at all."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Follow nothing; the 3xx then arrives as an HTTPError."""


def _fetch(url: str, timeout: float) -> object:
    """GET and parse, in a thread; KeysUnavailable on any trouble. Takes about `timeout` seconds at most."""
    deadline = time.monotonic() + timeout
    # No proxy: an environment variable must not decide who signs tokens.
    opener = urllib.request.build_opener(_NoRedirects(), urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Accept": "application/jwk-set+json, application/json"})
    body = bytearray()
    try:
        with opener.open(request, timeout=timeout) as answer:
            # `read1` returns whatever has come: a server that trickles can not stretch the time-out byte
            # by byte.
            while chunk := answer.read1(_CHUNK):
                body += chunk
                if len(body) > MAX_JWKS_BYTES:
                    raise KeysUnavailable("the answer is larger than %d bytes" % MAX_JWKS_BYTES)
                if time.monotonic() > deadline:
                    raise KeysUnavailable("the answer took longer than %g s" % timeout)
        return json.loads(bytes(body))
    except urllib.error.HTTPError as trouble:
        trouble.close()
        raise KeysUnavailable("the server answered with status %d" % trouble.code) from None
    except (OSError, HTTPException) as trouble:
        raise KeysUnavailable("no answer (%s)" % type(trouble).__name__) from None
    except (ValueError, RecursionError):
        raise KeysUnavailable("the answer is not JSON") from None
