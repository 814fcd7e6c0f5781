"""Giving grants back to the server (RFC 7009), however long it takes to reach it.

What the server has still to be told is in the store, one note for each grant, the oldest in the first place.
"""

import json

from .agent import REVOCATIONS
from .core.backoff import Backoff
from .core.errors import ConfigError, PairletError, ProtocolError, StoreError
from .core.json_object import parse, secret_member
from .core.revocation import READY, Revocation
from .core.token_record import digest
from .drive import advance
from .events import tell_error
from .pending import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent import Agent
    from .core.secret import Secret
    from .core.token import Token
    from .drive import Trouble

    # What is to be revoked and whose it is: token, token_type_hint, issuer (or token endpoint), client_id.
    Note = dict[str, object]

    # The mark of a note, and who has the server do what it says.
    Waiting = list[tuple[bytes, Revocation]]

    Tell = Callable[[PairletError], None]

# So many may wait. One more has a place until the oldest has had a last try.
_MOST = len(REVOCATIONS) - 1
# The store's name for the key that tokens are bound to; a revocation needs no proof of it.
DPOP_KEY = "dpop-key"
_LONGEST_PAUSE_MS = 3600000
_DAY_MS = 86400000


async def unpair(agent: "Agent", trouble: "Trouble") -> "PairletError | None":
    """Forget the token and tell the server; see Agent.unpair. The listener hears what goes wrong besides."""
    unkept = await forget_grant(agent)
    errors: list[PairletError] = []
    error = await _tell_server(agent, trouble, errors.append, unkept)
    if error is not None:
        errors.append(error)
    for other in errors[:-1]:
        tell_error(agent.emit, other)
    return errors[-1] if errors else None


async def forget_grant(agent: "Agent") -> "bytes | None":
    """Forget the token; returns the note for the server that the disk had no room for, None: it has it.

    The note is on the disk before the token is gone, so that a stop or a power cut in between leaves no
    grant behind that nobody remembers.
    """
    keeper = agent.keeper
    unkept = None
    async with agent.ports.store.lock():
        token = keeper.load()
        if token is not None:
            note = json.dumps(_note(token, keeper.account)).encode()
            try:
                _keep(agent, note)
            except StoreError as error:
                tell_error(agent.emit, error)  # no room: then it is now or never
                unkept = note
            keeper.forget("asked")
        # Under the same lock, so that no token in between takes the key. A pairing that another process is
        # at keeps it: the server may have bound its code or token to it by now.
        forget(agent.ports.store, DPOP_KEY)
    return unkept


async def revoke(agent: "Agent", trouble: "Trouble") -> None:
    """Tell the server what it has still to be told. The listener hears of what it will not do.
    `trouble` may raise to give up. Raises StoreError."""
    await _tell_server(agent, trouble, lambda error: tell_error(agent.emit, error))


async def revoke_later(agent: "Agent") -> None:
    """Try to tell the server until it has heard. Never ends, for first_of."""
    clock = agent.ports.clock
    backoff = Backoff(60000, _LONGEST_PAUSE_MS, agent.ports.entropy.random_bytes(4))
    while True:
        try:
            await revoke(agent, _go_on)
        except StoreError:
            pass  # whoever pairs meanwhile tells of the store
        pause_ms = backoff.delay_ms() if agent.revocation_is_pending() else _DAY_MS
        await clock.sleep_until(clock.now() + pause_ms)


def _go_on(error: "PairletError | None", pause_ms: int = 0) -> None:
    # What is wrong with the network is told by whoever shows the code meanwhile.
    pass


async def _tell_server(
    agent: "Agent", trouble: "Trouble", tell: "Tell", unkept: "bytes | None" = None
) -> "PairletError | None":
    """Have this account's grants revoked, and `unkept`; a note goes when there is no use in another try.

    Returns why some still wait, None: none does. `tell` hears once of each that lives on at the server.
    """
    notes = _notes(agent, unkept)
    if not notes:
        return None
    surplus = notes[0][0] if len(_taken(agent)) > _MOST else b""
    try:
        metadata = await agent.find(trouble)
    except PairletError as error:
        if surplus:
            await _remove(agent, surplus, tell, _given_up())
        return error
    waiting: Waiting = []
    seed = agent.ports.entropy.random_bytes(4)
    try:
        for mark, token, hint in notes:
            waiting.append((mark, Revocation(metadata, agent.client, token, hint, seed=seed)))
    except ConfigError as error:
        for note in notes:
            await _remove(agent, note[0])
        tell(error)  # a server without such an endpoint will have none tomorrow
        return None
    return await _revoke_all(agent, waiting, surplus, trouble, tell)


async def _revoke_all(
    agent: "Agent", waiting: "Waiting", surplus: bytes, trouble: "Trouble", tell: "Tell"
) -> "PairletError | None":
    """See _tell_server. They take turns: one that the server never answers well holds up no other; and
    after trouble with one the server is left alone for as long as that one has to."""
    ports = agent.ports
    while waiting:
        mark, revocation = waiting.pop(0)
        step = await advance(revocation, ports.http, ports.clock)
        waits = revocation.state == READY
        if waits and mark != surplus:
            waiting.append((mark, revocation))
        else:
            await _remove(agent, mark, tell, _given_up() if waits else revocation.error)
        try:
            trouble(step.error, revocation.due - ports.clock.now())
        except PairletError as failure:
            return failure
        if waits:
            await ports.clock.sleep_until(revocation.due)
    return None


def _given_up() -> StoreError:
    return StoreError(
        f"more than {_MOST} grants wait to be revoked, and the oldest is given up",
        "Remove the device on the server's own page, where it may still be listed.",
    )


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


def _keep(agent: "Agent", note: bytes) -> None:
    """Put `note` behind those that wait; without a place left the oldest is given up. Raises StoreError."""
    store = agent.ports.store
    taken = _taken(agent)
    if taken and store.load(taken[-1]) == note:
        return  # the power went before the token did
    if len(taken) > _MOST:
        store.delete(taken.pop(0))
        tell_error(agent.emit, _given_up())
    for number, place in enumerate(taken):
        if place != REVOCATIONS[number]:
            data = store.load(place)
            if data is not None:  # another process may have set it aside
                store.save(REVOCATIONS[number], data)
                store.delete(place)
    store.save(REVOCATIONS[len(taken)], note)


def _taken(agent: "Agent") -> "list[str]":
    return [place for place in REVOCATIONS if agent.ports.store.load(place) is not None]


async def _remove(
    agent: "Agent", mark: bytes, tell: "Tell | None" = None, error: "PairletError | None" = None
) -> None:
    """The note is done with, wherever it is by now; in the same moment `error` is told. Raises StoreError."""
    store = agent.ports.store
    async with store.lock():
        for place in REVOCATIONS:
            data = store.load(place)
            if data is not None and digest(data) == mark:
                store.delete(place)
        if tell is not None and error is not None:
            tell(error)


def _notes(agent: "Agent", unkept: "bytes | None") -> "list[tuple[bytes, Secret, str]]":
    """This account's notes, the oldest first: by what each is known, the token and its type. Those that can't
    be read are set aside, and told."""
    store = agent.ports.store
    notes: list[tuple[bytes, Secret, str]] = []
    for place in REVOCATIONS + ("",):
        data = store.load(place) if place else unkept
        if data is None:
            continue
        try:
            note = parse(data)
            token, hint = secret_member(note, "token"), note.get("token_type_hint")
            if token is None or not isinstance(hint, str):
                raise ProtocolError("it names no token")
        except ProtocolError as error:
            aside = store.set_aside(place)
            tell_error(agent.emit, StoreError(f"what is to be revoked can't be read ({error}): {aside}"))
            continue
        if (note.get("issuer"), note.get("client_id")) == agent.keeper.account:
            notes.append((digest(data), token, hint))
    return notes
