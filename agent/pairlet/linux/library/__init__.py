"""What `from pairlet import ...` gives to programs. Each name is read in when it is asked for.

This module itself imports nothing: every command, and every test of the core, comes by here.
"""

_PLACES = {
    "Device": "pairlet.linux.library.device",
    "TokenAgent": "pairlet.linux.library.token_agent",
    "AccessToken": "pairlet.linux.library.source",
    "Screen": "pairlet.linux.library.screen",
    "BearerAuth": "pairlet.linux.library.requests_auth",
    "HttpxBearerAuth": "pairlet.linux.library.httpx_auth",
    "PairletError": "pairlet.core.errors",
    "ConfigError": "pairlet.core.errors",
    "ProtocolError": "pairlet.core.errors",
    "OAuthError": "pairlet.core.errors",
    "UnpairedError": "pairlet.core.errors",
    "TransportError": "pairlet.core.errors",
    "TlsError": "pairlet.core.errors",
    "StoreError": "pairlet.core.errors",
}
NAMES = tuple(_PLACES)


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'pairlet' has no attribute '{name}'")
    return getattr(__import__(place, None, None, [name]), name)
