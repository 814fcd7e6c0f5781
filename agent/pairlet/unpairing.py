"""Giving a grant back to the server (RFC 7009), however long it takes to reach it."""

import json
from collections import namedtuple

from .agent import REVOCATION
from .core.backoff import Backoff
from .core.errors import ConfigError, PairletError, ProtocolError, StoreError
from .core.json_object import parse, secret_member
from .core.revocation import Revocation
from .drive import drive
from .events import tell_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.token import Token
    from .drive import Trouble

# What is to be revoked, and whose it is: (issuer or token endpoint, client_id).
Entry = namedtuple("Entry", ("token", "token_type_hint", "account"))

# With more than these the oldest are given up.
_MOST = 4
_LONGEST_PAUSE_MS = 3600000
_DAY_MS = 86400000


async def unpair(agent: "Agent", trouble: "Trouble") -> "PairletError | None":
    """Forget the token and tell the server; see Agent.unpair.

    The note for the server is on the disk before the token is gone, so that a stop or a power cut in
    between leaves no grant behind that nobody remembers.
    """
    store, keeper = agent.ports.store, agent.keeper
    async with store.lock():
        token = keeper.load()
        pending = _load(agent)
        if token is not None:
            pending.append(_entry(token, keeper.account))
            try:
                _save(agent, pending[-_MOST:])
            except StoreError as error:
                tell_error(agent.emit, error)  # no room: then it is now or never
            keeper.forget("asked")
    return await _tell(agent, pending, trouble)


async def revoke(agent: "Agent", trouble: "Trouble") -> "PairletError | None":
    """Tell the server what is pending; why that failed, or None. `trouble` may raise to give up.

    Raises StoreError.
    """
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
        if error is None or not agent.revocation_is_pending():
            if error is not None:
                tell_error(agent.emit, error)
            await clock.sleep_until(clock.now() + _DAY_MS)
        else:
            await clock.sleep_until(clock.now() + backoff.delay_ms())


def _go_on(error: "PairletError | None", pause_ms: int = 0) -> None:
    # What is wrong with the network is told by whoever shows the code meanwhile.
    pass


async def _tell(agent: "Agent", pending: "list[Entry]", trouble: "Trouble") -> "PairletError | None":
    """Revoke each of `pending`; what can be tried again stays on disk. Returns the last error, or None."""
    last: PairletError | None = None
    done = []
    for entry in pending:
        if entry.account != agent.keeper.account:
            continue
        error, is_over = await _revoke(agent, entry, trouble)
        last = error or last
        if is_over:
            done.append(entry.token)
    if done:
        async with agent.ports.store.lock():
            # Another process may have added to it meanwhile.
            _save(agent, [entry for entry in _load(agent) if entry.token not in done])
    return last


async def _revoke(agent: "Agent", entry: Entry, trouble: "Trouble") -> "tuple[PairletError | None, bool]":
    """Revoke one; the error or None, and whether there is no use in another try."""
    ports = agent.ports
    try:
        metadata = await agent.find(trouble)
        seed = ports.entropy.random_bytes(4)
        revocation = Revocation(metadata, agent.client, entry.token, entry.token_type_hint, seed=seed)
        await drive(revocation, ports.http, ports.clock, trouble)
    except PairletError as error:
        # A server without such an endpoint will have none tomorrow.
        return error, isinstance(error, ConfigError)
    return revocation.error, True


def _entry(token: "Token", account: "tuple[str, str]") -> Entry:
    """The refresh token where there is one: the server ends what hangs on it, too (section 2.1)."""
    if token.refresh_token is None:
        return Entry(token.access_token, "access_token", account)
    return Entry(token.refresh_token, "refresh_token", account)


def _save(agent: "Agent", pending: "list[Entry]") -> None:
    store = agent.ports.store
    if not pending:
        store.delete(REVOCATION)
        return
    members = [
        {
            "token": entry.token.reveal(),
            "token_type_hint": entry.token_type_hint,
            "issuer": entry.account[0],
            "client_id": entry.account[1],
        }
        for entry in pending
    ]
    store.save(REVOCATION, json.dumps({"version": 1, "tokens": members}).encode())


def _load(agent: "Agent") -> "list[Entry]":
    """What is noted on disk; what can't be read is set aside, and told."""
    store = agent.ports.store
    data = store.load(REVOCATION)
    if data is None:
        return []
    try:
        return _entries(parse(data).get("tokens"))
    except ProtocolError as error:
        place = store.set_aside(REVOCATION)
        tell_error(agent.emit, StoreError(f"what is to be revoked can't be read ({error}): {place}"))
        return []


def _entries(members: object) -> "list[Entry]":
    found = []
    for each in members if isinstance(members, list) else []:
        token = secret_member(each, "token") if isinstance(each, dict) else None
        if token is None:
            raise ProtocolError("it names no token")
        account = (str(each.get("issuer")), str(each.get("client_id")))
        found.append(Entry(token, str(each.get("token_type_hint")), account))
    return found
