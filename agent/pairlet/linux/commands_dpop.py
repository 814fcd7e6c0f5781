"""Tokens bound to a key of the device (DPoP, RFC 9449): where that is joined, and where it can't be."""

import json
import time
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..core.token import DPOP
from ..unpairing import DPOP_KEY
from .client_auth.key import require_extra

if TYPE_CHECKING:
    from ..core.client import Client
    from ..ports import Clock, Http, Store
    from ..settings import Settings
    from .dpop.prover import Prover
    from .store import FileStore

# What takes a token that is good by itself.
_NOT_WITH = (
    ("mqtt.url", "no broker can check the proofs that go with a bound token"),
    ("token_agent.socket", "the programs that ask there have no key to prove anything with"),
    ("oauth.dialect", "the provider speaks a dialect of its own, in which there are no proofs"),
)


def check_dpop(config: "Settings") -> None:
    """Raises ConfigError where bound tokens would be of no use, and without the extra `keys`."""
    check_use(config)
    require_extra("oauth.dpop")


def check_use(config: "Settings") -> None:
    """Raises ConfigError where bound tokens would be of no use."""
    for name, reason in _NOT_WITH:
        if config.get(name):
            raise ConfigError(
                f"oauth.dpop and {name} don't go together: {reason}",
                f"Leave out one of them: bound tokens are for HTTP, and without oauth.dpop {name} works.",
            )


def with_proofs(
    http: "Http", store: "FileStore", clock: "Clock", client: "Client", issuer: str, *, at_once: bool
) -> "tuple[Http, Prover]":
    """`http` with proofs, and who makes them; `client` then asks for bound tokens. `issuer`: whose server
    has to take them.

    `at_once`: make sure of the key now, ahead of a person's time. Raises StoreError.
    """
    from .dpop.http import ProvingHttp
    from .dpop.key import DeviceKey
    from .dpop.offer import OfferHttp
    from .dpop.prover import Prover

    def is_bound() -> bool:
        return _has_bound_token(store)

    key = DeviceKey(store, DPOP_KEY, is_bound)
    if at_once:
        key.thumbprint()
    client.key = key
    prover = Prover(key, lambda: _seconds(clock))
    return ProvingHttp(OfferHttp(http, issuer, is_bound), prover), prover


def with_passing_proofs(http: "Http", store: "Store", clock: "Clock", issuer: str) -> "Http":
    """`http` with proofs for who gets no token, and is to make nothing: by a key that nobody keeps."""
    from .dpop.http import ProvingHttp
    from .dpop.key import PassingKey
    from .dpop.offer import OfferHttp
    from .dpop.prover import Prover

    prover = Prover(PassingKey(), lambda: _seconds(clock))
    return ProvingHttp(OfferHttp(http, issuer, lambda: _has_bound_token(store)), prover, polls=False)


def check_key(store: "Store") -> None:
    """Raises StoreError when the key that the stored token is bound to is gone, or damaged."""
    from .dpop.key import check

    if _has_bound_token(store):
        check(store.load(DPOP_KEY), DPOP_KEY)


def _seconds(clock: "Clock") -> int:
    return clock.wall().seconds or int(time.time())


def _has_bound_token(store: "Store") -> bool:
    """Whether the stored token takes a key that is there already."""
    try:
        record = json.loads(store.load("token") or b"null")
    except ValueError:
        return False  # whoever needs the token sets it aside
    return isinstance(record, dict) and record.get("token_type") == DPOP
