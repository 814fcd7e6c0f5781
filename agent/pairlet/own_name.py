"""A token in the device's own name (client credentials): asked for, kept, asked for anew. Not for boards."""

from .core.client_credentials_grant import ASKING, ENDED, ClientCredentialsGrant
from .core.errors import ConfigError
from .core.screen import STARTING, Screen
from .core.token import Kept
from .drive import EXCHANGED, advance
from .pairing import tell_paired
from .parameters import configured, of_token_requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.client import Client
    from .core.metadata import ServerMetadata
    from .core.token import Token
    from .drive import Trouble
    from .keeper import TokenKeeper
    from .parameters import PairList
    from .ports import Http
    from .settings import Settings

# How long a server that has refused is left alone by whoever comes next.
_REST_MS = 2000


def of_own_name(config: "Settings") -> "PairList":
    """With what the token is asked for: the first request is the token request. Raises ConfigError."""
    pairs: PairList = [("scope", config.text("oauth.scope"))]
    pairs += of_token_requests(config)
    said = [name for name, _ in pairs]
    return pairs + [pair for pair in configured(config, "oauth.extra") if pair[0] not in said]


def is_asked_for(record: "dict[str, object]", asked: "PairList") -> bool:
    """Whether a stored token was asked for in this way; else it is worth no more than another request.

    Raises ConfigError when it is from a person: that must not be written over.
    """
    if record.get("asked") is None:
        raise ConfigError(
            "the stored token is from a person, and oauth.grant is client_credentials",
            "Un-pair with the grant of before first, or use another --state-dir for this one.",
        )
    return record.get("asked") == [list(pair) for pair in asked]


async def obtain(agent: "Agent", trouble: "Trouble", surely: bool) -> "Token":
    """What pairing is for a device without a person: get a token, and tell everybody.

    `surely`: on the disk as well, or StoreError. Raises what ask() does.
    """
    agent.keeper.load()
    words = "asking for a token in the device's own name: there is no person to ask"
    agent.ports.display.show(Screen(STARTING, message=words))
    metadata = await agent.find(trouble)
    keeper = agent.keeper
    await ask(keeper, metadata, agent.client, agent.ports.http, trouble)
    if surely and not keeper.is_saved and keeper.kept is not None:
        keeper.keep(keeper.kept)
    token = keeper.token
    assert token is not None
    tell_paired(agent, token)
    return token


async def ask(
    keeper: "TokenKeeper",
    metadata: "ServerMetadata",
    client: "Client",
    http: "Http",
    trouble: "Trouble | None" = None,
) -> None:
    """Get a token for `keeper`, or adopt the one that another process has got meanwhile.

    The counterpart of pairlet.refreshing.refresh, with nothing to lose: no note goes before the request,
    and a stop does not wait for the answer. Trouble is met with patience: it goes on until there is an
    answer, or `trouble` raises. Raises OAuthError or ProtocolError when the server refuses, ConfigError for
    a client that has no credentials.
    """
    sent = keeper.token
    clock = keeper.clock
    async with keeper.busy:
        grant = _unfinished(keeper)
        await clock.sleep_until(keeper.rest_until)
        while True:
            async with keeper.store.lock():
                keeper.load()
                token = keeper.token
                if token is not None and not token.is_same(sent) and keeper.is_usable():
                    return
                if grant is None:
                    grant = keeper.asking = _begin(keeper, metadata, client)
                step = await advance(grant, http, clock)
                if grant.state in ENDED:
                    _end(keeper, grant)
                    return
            keeper.rest_until = grant.due
            if step.kind == EXCHANGED and trouble is not None:
                trouble(step.error, grant.due - clock.now())
            await clock.sleep_until(grant.due)


def _begin(keeper: "TokenKeeper", metadata: "ServerMetadata", client: "Client") -> ClientCredentialsGrant:
    pairs = keeper.asked or []
    scope = [value for name, value in pairs if name == "scope"]
    return ClientCredentialsGrant(
        metadata,
        client,
        scope=(scope and scope[0]) or "",
        parameters=[pair for pair in pairs if pair[0] != "scope"],
        seed=keeper.entropy.random_bytes(4),
    )


def _unfinished(keeper: "TokenKeeper") -> "ClientCredentialsGrant | None":
    """Where a caller that gave up was: whoever comes next goes on from there, and keeps its pace."""
    grant = keeper.asking
    if grant is not None and grant.state == ASKING:
        grant.transport_failed(keeper.clock.now())
        keeper.rest_until = grant.due
    return grant


def _end(keeper: "TokenKeeper", grant: ClientCredentialsGrant) -> None:
    keeper.asking = None
    if grant.token is None:
        keeper.rest_until = keeper.clock.now() + _REST_MS
        assert grant.error is not None
        raise grant.error
    is_first = keeper.token is None
    keeper.rest_until = 0
    keeper.keep_anyhow(Kept(grant.token, None, None))
    if not is_first:
        keeper.emit("refreshed", expires_in=grant.token.expires_in, rotated=False, retried=False)
