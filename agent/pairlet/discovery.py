"""Where the authorization server's endpoints are: configured, discovered, or both."""

from .core.discovery import ASKING, Discovery
from .core.errors import ConfigError
from .core.metadata import ENDPOINTS, ServerMetadata
from .core.url import is_secure
from .drive import drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .drive import Trouble
    from .ports import Clock, Entropy, Http
    from .settings import Settings


async def find_metadata(
    config: "Settings",
    http: "Http",
    clock: "Clock",
    entropy: "Entropy",
    trouble: "Trouble | None" = None,
    unfinished: "list[Discovery] | None" = None,
) -> ServerMetadata:
    """The server's metadata. A configured endpoint wins over the server's, and is enough without an issuer.

    `unfinished`: where a search is kept whose caller gave up; the next one goes on there, and keeps its pace.
    Raises ConfigError when nothing is configured, what Discovery ended with when there is no metadata
    to be found, and whatever `trouble` raises.
    """
    insecure_http = config.flag("oauth.insecure_http")
    configured = _configured_endpoints(config, insecure_http)
    issuer = config.text("oauth.issuer")
    if not issuer:
        if not configured:
            raise ConfigError(
                "no authorization server is configured",
                "Set oauth.issuer in pairlet.toml, or give --issuer URL.",
            )
        return ServerMetadata(None, configured)
    begun = [] if unfinished is None else unfinished
    if not begun:
        mutual_tls = config.text("oauth.client_auth").endswith("tls_client_auth")
        begun.append(Discovery(issuer, entropy.random_bytes(4), insecure_http, mutual_tls))
    discovery = begun[0]
    if discovery.state == ASKING:
        discovery.transport_failed(clock.now())  # the exchange was cut short
    await drive(discovery, http, clock, trouble)
    begun.clear()
    found = discovery.metadata
    if found is None:
        assert discovery.error is not None
        raise discovery.error
    for name in configured:
        setattr(found, name, configured[name])
    return found


def _configured_endpoints(config: "Settings", insecure_http: bool) -> "dict[str, str | None]":
    endpoints: dict[str, str | None] = {}
    for name in ENDPOINTS:
        address = config.text("oauth." + name)
        if address:
            if not is_secure(address, insecure_http):
                raise ConfigError(
                    f"oauth.{name} is not an https address",
                    "Plain http works on loopback only, with --insecure-http.",
                )
            endpoints[name] = address
    return endpoints
