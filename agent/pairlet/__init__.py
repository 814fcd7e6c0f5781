"""Pairlet pairs a device that has no keyboard with a person's account and keeps it signed in."""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.errors import ConfigError as ConfigError
    from .core.errors import OAuthError as OAuthError
    from .core.errors import PairletError as PairletError
    from .core.errors import ProtocolError as ProtocolError
    from .core.errors import StoreError as StoreError
    from .core.errors import TlsError as TlsError
    from .core.errors import TransportError as TransportError
    from .core.errors import UnpairedError as UnpairedError
    from .linux.library.device import Device as Device
    from .linux.library.httpx_auth import HttpxBearerAuth as HttpxBearerAuth
    from .linux.library.requests_auth import BearerAuth as BearerAuth
    from .linux.library.screen import Screen as Screen
    from .linux.library.source import AccessToken as AccessToken
    from .linux.library.token_agent import TokenAgent as TokenAgent
else:
    try:
        # PEP 562: each of these names is read in when it is asked for.
        from .linux.library import __getattr__ as __getattr__
    except ImportError:
        pass  # a board has no library
