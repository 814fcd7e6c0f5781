"""Giving a grant back to the server (RFC 7009), however long it takes to reach it."""

import json

from .agent import REVOCATION
from .core.backoff import Backoff
from .core.errors import ConfigError, PairletError, ProtocolError, StoreError
from .core.json_object import parse, secret_member
from .core.revocation import Revocation
from .drive import drive
from .events import tell_error
from .pending import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.token import Token
    from .drive import Trouble

    # What is to be revoked and whose it is: token, token_type_hint, issuer (or token endpoint), client_id.
    Note = dict[str, object]

# The store's name for the key that tokens are bound to; a revocation needs no proof of it.
DPOP_KEY = "dpop-key"
_LONGEST_PAUSE_MS = 3600000
_DAY_MS = 86400000


async def unpair(agent: "Agent", trouble: "Trouble") -> "PairletError | None":
    """Forget the token and tell the server; see Agent.unpair."""
    older, note = await forget_grant(agent)
    trouble_before = await _tell(agent, older, trouble)
    return await _tell(agent, note, trouble) or trouble_before


async def forget_grant(agent: "Agent") -> "tuple[Note | None, Note | None]":
    """Forget the token; what the server has still to be told: of an earlier one, and of this one.

    The note for the server is on the disk before the token is gone, so that a stop or a power cut in
    between leaves no grant behind that nobody remembers. There is one note: an older one gets a last try.
    """
    keeper = agent.keeper
    async with agent.ports.store.lock():
        token = keeper.load()
        older = _load(agent)
        note = None
        if token is not None:
            note = _note(token, keeper.account)
            try:
                agent.ports.store.save(REVOCATION, json.dumps(note).encode())
            except StoreError as error:
                tell_error(agent.emit, error)  # no room: then it is now or never
            keeper.forget("asked")
        # With the token, under the same lock: whoever pairs next makes a key of its own.
        agent.ports.store.delete(DPOP_KEY)
    forget(agent.ports.store)
    return older, note


async def revoke(agent: "Agent", trouble: "Trouble") -> "PairletError | None":
    """Tell the server what it has still to be told; why that failed, or None. `trouble` may raise to
    give up. Raises StoreError."""
    return await _tell(agent, _load(agent), trouble)


async def revoke_later(agent: "Agent") -> None:
    """Try to tell the server until it has heard. Never ends, for first_of."""
    clock = agent.ports.clock
    backoff = Backoff(60000, _LONGEST_PAUSE_MS, agent.ports.entropy.random_bytes(4))
    while True:
        try:
            error = await revoke(agent, _go_on)
        except StoreError as failure:
            error = failure
        if agent.revocation_is_pending():
            await clock.sleep_until(clock.now() + backoff.delay_ms())
            continue
        if error is not None:
            tell_error(agent.emit, error)
        await clock.sleep_until(clock.now() + _DAY_MS)


def _go_on(error: "PairletError | None", pause_ms: int = 0) -> None:
    # What is wrong with the network is told by whoever shows the code meanwhile.
    pass


async def _tell(agent: "Agent", note: "Note | None", trouble: "Trouble") -> "PairletError | None":
    """Revoke what `note` says, if it is this account's; the note goes when there is no use in another try."""
    if note is None or (note.get("issuer"), note.get("client_id")) != agent.keeper.account:
        return None
    ports = agent.ports
    error: PairletError | None = None
    try:
        metadata = await agent.find(trouble)
        token = secret_member(note, "token")
        assert token is not None
        seed = ports.entropy.random_bytes(4)
        revocation = Revocation(metadata, agent.client, token, str(note["token_type_hint"]), seed=seed)
        await drive(revocation, ports.http, ports.clock, trouble)
        error = revocation.error
    except ConfigError as failure:
        error = failure  # a server without such an endpoint will have none tomorrow
    except PairletError as failure:
        return failure
    async with ports.store.lock():
        if _load(agent) == note:
            ports.store.delete(REVOCATION)
    return error


def _note(token: "Token", account: "tuple[str, str]") -> "Note":
    """For the refresh token where there is one: the server ends what hangs on it, too (section 2.1)."""
    secret, hint = token.refresh_token, "refresh_token"
    if secret is None:
        secret, hint = token.access_token, "access_token"
    return {
        "token": secret.reveal(),
        "token_type_hint": hint,
        "issuer": account[0],
        "client_id": account[1],
    }


def _load(agent: "Agent") -> "Note | None":
    """The note on the disk; one that can't be read is set aside, and told."""
    store = agent.ports.store
    data = store.load(REVOCATION)
    if data is None:
        return None
    try:
        note = parse(data)
        if secret_member(note, "token") is None or not isinstance(note.get("token_type_hint"), str):
            raise ProtocolError("it names no token")
        return note
    except ProtocolError as error:
        place = store.set_aside(REVOCATION)
        tell_error(agent.emit, StoreError(f"what is to be revoked can't be read ({error}): {place}"))
        return None
