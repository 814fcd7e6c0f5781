"""A refresh from its note on the disk to the new token on the disk. A board forgets this in between."""

from .core.errors import TransportError, UnpairedError
from .core.refresh_grant import ENDED, REFRESHED, REFRESHING, REJECTED, RefreshGrant
from .core.wall import UNSET
from .drive import EXCHANGED, advance, uninterrupted
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.client import Client
    from .core.metadata import ServerMetadata
    from .core.token import Kept
    from .drive import Step, Trouble
    from .keeper import TokenKeeper
    from .ports import Http

# How long a stop waits for the answer to a refresh under way.
_FAREWELL_MS = 5000
# How long a server that has refused is left alone by whoever comes next.
_REST_MS = 2000


async def refresh(
    keeper: "TokenKeeper",
    metadata: "ServerMetadata",
    client: "Client",
    http: "Http",
    trouble: "Trouble | None" = None,
) -> None:
    """Replace the token of `keeper`, or adopt the one that another process has fetched meanwhile.

    Trouble is met with patience: it goes on until it has an answer, or `trouble` raises. The lock of
    the store is held for each exchange, not for the pauses between them. Nothing is sent before the
    disk holds a note of it, so a disk without room spends no refresh token: StoreError.
    Raises UnpairedError when the pairing is over (the token is gone then, and "unpaired" was told),
    OAuthError or ProtocolError when the server refuses but the pairing stands. A token in the device's own
    name is replaced by pairlet.own_name.ask.
    """
    if keeper.asked is not None:
        from .own_name import ask

        await ask(keeper, metadata, client, http, trouble)
        return
    sent = keeper.token
    clock = keeper.clock
    async with keeper.busy:
        grant = _unfinished(keeper)
        await clock.sleep_until(keeper.rest_until)
        while True:
            async with keeper.store.lock():
                keeper.load()
                kept = keeper.kept
                if kept is None:
                    raise _removed(keeper)
                if not kept.token.is_same(sent):
                    if keeper.is_usable():
                        return
                    # Another process was faster, long ago: what we were about to send is dead.
                    sent, grant = kept.token, None
                if grant is None or grant.state in ENDED or not grant.kept.token.is_same(kept.token):
                    grant = keeper.grant = _begin(keeper, kept, metadata, client)
                elif kept is not grant.kept:
                    keeper.keep(grant.kept)
                # The answer may hold the only refresh token that is still good.
                step = await uninterrupted(_exchange(keeper, grant, http), clock, _FAREWELL_MS)
                if grant.state == REFRESHED:
                    return
            keeper.rest_until = grant.due
            if step.kind == EXCHANGED and trouble is not None:
                trouble(step.error, grant.due - clock.now())
            # Outside the lock, and without touching the machine: next_action would hand out the request.
            await clock.sleep_until(grant.due)


def _unfinished(keeper: "TokenKeeper") -> "RefreshGrant | None":
    """Where a caller that gave up was: whoever comes next goes on from there, and keeps its pace."""
    grant = keeper.grant
    if grant is not None and grant.state == REFRESHING:
        # The exchange was cut short, and the server may have acted.
        grant.transport_failed(keeper.clock.now())
        keeper.rest_until = grant.due
    return grant


def _begin(
    keeper: "TokenKeeper", kept: "Kept", metadata: "ServerMetadata", client: "Client"
) -> RefreshGrant:
    wall = keeper.clock.wall()
    since = 0 if wall.state == UNSET else wall.seconds
    seed = keeper.entropy.random_bytes(4)
    grant = RefreshGrant(metadata, client, kept, parameters=keeper.parameters, since=since, seed=seed)
    if client.key is not None:
        # Without it no request can leave, and none may be noted.
        client.key.thumbprint()
    # Also when the note is there already: whether the disk will take an answer shows only so.
    keeper.keep(grant.kept)
    if grant.lost:
        tell_error(
            keeper.emit,
            TransportError(
                "the answer to a refresh was lost; the same refresh token is tried again",
                "There is nothing to do, unless the server does not take it: then pair the device again.",
            ),
        )
    return grant


async def _exchange(keeper: "TokenKeeper", grant: RefreshGrant, http: "Http") -> "Step":
    """One exchange, and what it means for the store, in one piece."""
    step = await advance(grant, http, keeper.clock)
    if grant.state in ENDED:
        keeper.grant = None
        keeper.rest_until = 0 if grant.state == REFRESHED else keeper.clock.now() + _REST_MS
    if grant.state == REJECTED:
        _end(keeper, grant)
    elif grant.kept is not keeper.kept:
        before = keeper.token
        keeper.keep_anyhow(grant.kept)
        if grant.state == REFRESHED:
            token = grant.kept.token
            rotated = before is None or token.refresh_token != before.refresh_token
            keeper.emit("refreshed", expires_in=token.expires_in, rotated=rotated, retried=grant.lost)
    if grant.error is not None and grant.state != REJECTED:
        raise grant.error
    return step


def _end(keeper: "TokenKeeper", grant: RefreshGrant) -> None:
    """The server says invalid_grant: un-pair, if that was said of the token which is on the disk now."""
    sent = grant.kept.token
    stored = keeper.load()
    if stored is None:
        raise _removed(keeper)
    if not stored.is_same(sent):
        return
    if not grant.lost:
        keeper.forget("invalid_grant")
        raise UnpairedError(f"the server has ended the pairing ({grant.error})")
    keeper.forget("invalid_grant after a lost answer")
    raise UnpairedError(
        "the pairing has ended: the answer to a refresh was lost, and the server does not take the same "
        + f"refresh token twice ({grant.error})"
    )


def _removed(keeper: "TokenKeeper") -> UnpairedError:
    keeper.emit("unpaired", reason="another process removed the token")
    return UnpairedError("another process has un-paired this device")
