"""Pairing: one code, shown while it counts down, until there is a token or the code has ended."""

from .core.device_grant import ENDED, DeviceGrant
from .core.errors import ConfigError, OAuthError, ProtocolError, UnpairedError
from .core.machine import Send
from .core.metadata import ServerMetadata
from .core.screen import CODE, DENIED, EXPIRED, PAIRED, STARTING, Screen
from .drive import carry_out, first_of, uninterrupted
from .parameters import of_first_request
from .pending import NAME, PendingCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent import Agent
    from .core.device_grant import DeviceCode
    from .core.errors import PairletError
    from .core.http import Request
    from .core.token import Token
    from .drive import Patience, Step, Trouble
    from .ports import Store

    Keep = Callable[[Token], None]

# How long a stop waits for the answer to a poll under way: it may be the token.
_FAREWELL_MS = 5000
# A token with all that belongs to it may take 8 KiB; a board has no 8 KiB of memory in one piece.
_ROOM = ("room-1", "room-2", "room-3", "room-4")
_ROOM_BYTES = 2048


async def pair_once(agent: "Agent", patience: "Patience | None") -> "Token":
    """One code, one person, one token, for a command; see Agent.pair."""
    if agent.keeper.asked is not None:
        from .own_name import obtain

        return await obtain(agent, patience or agent.tell_trouble, patience is not None)
    try:
        return await let_decide(agent, patience or agent.tell_trouble, agent.keeper.save)
    except OAuthError as error:
        kind = {"access_denied": DENIED, "expired_token": EXPIRED}.get(error.error)
        if kind is not None:
            agent.ports.display.show(Screen(kind, advice=error.advice))
        raise


async def let_decide(agent: "Agent", trouble: "Trouble", keep: "Keep", fresh: bool = True) -> "Token":
    """One try to have a person decide, with a code or in a browser on the device; tell how it ended.

    See _show_one_code, and pairlet.signing_in.sign_in.
    """
    try:
        if agent.config.text("oauth.grant") == "authorization_code":
            from .signing_in import sign_in

            return await sign_in(agent, trouble, keep, fresh)
        return await _show_one_code(agent, trouble, keep, fresh)
    except OAuthError as error:
        event = {"access_denied": "denied", "expired_token": "expired"}.get(error.error)
        if event is not None:
            agent.emit(event)
        raise


async def _show_one_code(agent: "Agent", trouble: "Trouble", keep: "Keep", fresh: bool) -> "Token":
    """Show a code until it has ended; return the token, which is stored then.

    It is the code that was on the screen before a restart, if it is still good, else a `fresh` one if
    that may be. While another process of this device is at it, its code is shown and only that process
    polls. `trouble` hears what goes wrong until there is a code, and may raise to give up; after that
    only the grant's own end counts. `keep(token)`: the keeper's way to make the token count.
    Raises OAuthError (access_denied, expired_token, others), ProtocolError, StoreError, UnpairedError
    when that other process gave up or there is no code to go on with, and what `trouble` raises.
    """
    # What is stored may be another account's, or unreadable: neither may be written over unseen.
    agent.keeper.load()
    store = agent.ports.store
    pending = _pending(agent)
    follower = None
    while not store.claim(NAME):
        if follower is None:
            from .following import Follower  # never on a board, where there is no other process

            follower = Follower(agent, pending)
        token = await follower.stand_by()
        if token is not None:
            return token
    try:
        token = follower.outcome() if follower else None
        return token or await _lead(agent, pending, trouble, keep, fresh)
    finally:
        store.release(NAME)


def is_under_way(agent: "Agent") -> bool:
    """Whether a code is waiting for a person: kept over a restart, or shown by another process."""
    store = agent.ports.store
    if not store.claim(NAME):
        return True
    try:
        return _resumed(agent, _pending(agent)) is not None
    finally:
        store.release(NAME)


async def _lead(
    agent: "Agent", pending: PendingCode, trouble: "Trouble", keep: "Keep", fresh: bool
) -> "Token":
    """Show a code and poll, as the only process that does."""
    make_sure_of_room(agent.ports.store)
    resumed = _resumed(agent, pending)
    if resumed is not None:
        grant, metadata = resumed
        try:
            return await Pairing(grant, metadata, pending, agent, trouble, keep).run()
        except OAuthError as error:
            # Before its time the server knows it no more: spent in the very moment of the power cut, or
            # older than anybody knew. That is nobody's answer.
            ended_early = grant.code is not None and agent.ports.clock.now() < grant.code.expires_at
            if not (fresh and ended_early and error.error in ("expired_token", "invalid_grant")):
                raise
    if not fresh:
        raise UnpairedError("the code that was under way is gone")
    agent.ports.display.show(Screen(STARTING, message="asking the server for a code"))
    metadata = await agent.find(trouble)
    return await Pairing(_new_grant(agent, metadata), metadata, pending, agent, trouble, keep).run()


def make_sure_of_room(store: "Store") -> None:
    """A disk without room must be known before a person is asked, not after. Raises StoreError."""
    try:
        for name in _ROOM:
            store.save(name, bytes(_ROOM_BYTES))
    finally:
        for name in _ROOM:
            store.delete(name)


def _pending(agent: "Agent") -> PendingCode:
    ports = agent.ports
    asked: list[tuple[str, str | None]] = [("scope", agent.config.text("oauth.scope"))]
    asked.append(("token_endpoint", agent.config.text("oauth.token_endpoint")))
    asked += of_first_request(agent.config, agent.device)
    return PendingCode(agent.keeper.account, asked, ports.store, ports.clock, agent.emit)


def _new_grant(agent: "Agent", metadata: ServerMetadata) -> DeviceGrant:
    return DeviceGrant(
        metadata,
        agent.client,
        scope=agent.config.text("oauth.scope"),
        extra=of_first_request(agent.config, agent.device),
        parameters=agent.keeper.parameters,
        seed=agent.ports.entropy.random_bytes(4),
        insecure_http=agent.config.flag("oauth.insecure_http"),
    )


def _resumed(agent: "Agent", pending: PendingCode) -> "tuple[DeviceGrant, ServerMetadata] | None":
    """A grant that goes on with the stored code, if there is one and its time is not over."""
    record = pending.load()
    if record is None:
        return None
    try:
        # The endpoints were kept under the names that they have in a metadata document.
        issuer, insecure_http = agent.config.text("oauth.issuer"), agent.config.flag("oauth.insecure_http")
        metadata = ServerMetadata.from_answer(record, issuer, insecure_http)
        grant = _new_grant(agent, metadata)
        grant.restore(record, agent.ports.clock.now(), pending.age_ms(record))
        if grant.code is not None and grant.code.device_code == agent.spent_code:
            raise OAuthError("expired_token")
    except OAuthError:
        pending.delete()
        return None
    except (ProtocolError, ConfigError) as error:
        pending.set_aside(error)
        return None
    return grant, metadata


class Pairing:
    """One run of a DeviceGrant with a person in front of the display."""

    def __init__(
        self,
        grant: DeviceGrant,
        metadata: ServerMetadata,
        pending: PendingCode,
        agent: "Agent",
        trouble: "Trouble",
        keep: "Keep",
    ):
        self._grant = grant
        self._metadata = metadata
        self._pending = pending
        self._agent = agent
        self._clock = agent.ports.clock
        self._patience = trouble
        self._keep = keep
        self._trouble = ""
        self._told = False
        # What is stored of the grant's pace, (0, 0): another one; None: nothing is stored.
        self._kept: tuple[int, int] | None = None if grant.code is None else (0, 0)

    async def run(self) -> "Token":
        """Return the token, which is stored then. Raises what the grant ended with; see _show_one_code."""
        grant = self._grant
        if grant.code is not None:
            # Kept anew, for the next restart reckons from this one.
            self._keep_code()
            self._hear(None)
        await first_of(self._drive(), self._count_down())
        if grant.token is not None:
            return grant.token
        assert grant.error is not None
        raise grant.error

    async def _drive(self) -> None:
        clock = self._clock
        while True:
            action = self._grant.next_action(clock.now())
            if action is None:
                self._forget_code()
                return
            if not isinstance(action, Send):
                await clock.sleep_until(action.until)
                continue
            # Once a person has approved, the server tells only once: Ctrl-C must not lose that answer.
            step = await uninterrupted(self._exchange(action.request), clock, _FAREWELL_MS)
            self._hear(step.error)

    async def _exchange(self, request: "Request") -> "Step":
        step = await carry_out(request, self._grant, self._agent.ports.http, self._clock)
        token = self._grant.token
        if token is not None:
            async with self._agent.ports.store.lock():
                self._keep(token)
        if self._grant.state in ENDED:
            self._forget_code()
        elif self._grant.code is not None:
            self._keep_code()
        if token is not None:
            tell_paired(self._agent, token)
        return step

    def _keep_code(self) -> None:
        """Store the code once it is known, which is before anybody sees it, and when its pace changes."""
        pace = (self._grant.interval_ms, self._grant.not_before)
        if pace != self._kept and self._pending.save(self._grant, self._metadata):
            self._kept = pace

    def _forget_code(self) -> None:
        code = self._grant.code
        if self._kept is not None and code is not None:
            if not self._pending.delete():
                # Nobody may be shown it once more, and a board's clock won't tell that its time is over.
                self._agent.spent_code = code.device_code
            self._kept = None

    def _hear(self, error: "PairletError | None") -> None:
        code = self._grant.code
        if code is None:
            self._patience(error, self._grant.due - self._clock.now())
            return
        self._trouble = "" if error is None else f"{error}; trying again"
        if not self._told:
            self._told = True
            tell_code(self._agent, code, self._grant.interval_ms)
            show_code(self._agent, code)

    async def _count_down(self) -> None:
        """Show the code anew each second. Ends with the grant, never before."""
        while True:
            await self._clock.sleep_until(self._clock.now() + 1000)
            if self._grant.code is not None:
                show_code(self._agent, self._grant.code, self._trouble)


def tell_paired(agent: "Agent", token: "Token") -> None:
    """Tell everybody that there is a token, and which scopes are missing in it (RFC 6749 section 3.3)."""
    missing = token.not_granted(agent.config.text("oauth.scope"))
    message = "not granted: " + missing if missing else ""
    agent.ports.display.show(Screen(PAIRED, scope=token.scope, message=message))
    agent.emit(
        "paired",
        scope=token.scope,
        not_granted=missing,
        expires_in=token.expires_in,
        has_refresh_token=token.refresh_token is not None,
    )


def tell_code(agent: "Agent", code: "DeviceCode", interval_ms: int) -> None:
    """Tell the listener of a code; after a restart of the same one again, with the time that is left."""
    agent.emit(
        "code",
        user_code=code.user_code,
        verification_uri=code.verification_uri,
        verification_uri_complete=code.verification_uri_complete,
        expires_in=_seconds_left(agent, code),
        interval=interval_ms // 1000,
    )


def show_code(agent: "Agent", code: "DeviceCode", message: str = "") -> None:
    """Put a code on the display, with the time that is left and a line about trouble."""
    agent.ports.display.show(
        Screen(
            CODE,
            user_code=code.user_code,
            verification_uri=code.verification_uri,
            verification_uri_complete=code.verification_uri_complete,
            remaining_s=_seconds_left(agent, code),
            message=message,
        )
    )


def _seconds_left(agent: "Agent", code: "DeviceCode") -> int:
    left_ms: int = code.expires_at - agent.ports.clock.now()
    return max(0, left_ms + 999) // 1000
