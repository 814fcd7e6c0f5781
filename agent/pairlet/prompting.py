"""When a device may show codes by itself, and when it waits for a person (RFC 8628 sections 3.1 and 3.5)."""

from .core.backoff import Backoff
from .core.errors import IssuerError, OAuthError, ProtocolError, StoreError, UnpairedError
from .core.screen import DENIED, EXPIRED, UNPAIRED, Screen
from .drive import first_of
from .events import tell_error
from .pairing import is_under_way, let_decide
from .pending import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .agent import Agent

_STORE_LOOK_MS = 5000
_LONGEST_PAUSE_MS = 300000
# Between two codes: time to read what became of the first, and a site's devices spread by chance.
_BETWEEN_CODES_MS = 10000


async def pair_with_people(agent: "Agent", ended: bool) -> None:
    """Show codes until somebody approves one; after `pairing.codes` of them wait for a person.

    `ended`: there was a pairing, and it is over. Raises what a person has to mend.
    """
    if agent.keeper.asked is not None:
        await agent.pair()  # there is nobody to ask
        return
    codes = agent.config.integer("pairing.codes")
    left, fresh = codes, True
    wanted, agent.wants_code = agent.wants_code, False
    prompts = agent.config.text("pairing.start") == "prompt" or (
        ended and not agent.config.flag("pairing.renew")
    )
    if prompts and not wanted:
        # Somebody asked for a code that is under way; for another one nobody did.
        left, fresh = 1 if is_under_way(agent) else 0, False
    kind = UNPAIRED
    backoff = Backoff(5000, _LONGEST_PAUSE_MS, agent.ports.entropy.random_bytes(4))
    while agent.keeper.load() is None:
        if left <= 0:
            await _wait_for_person(agent, kind)
            left, fresh, kind = codes, True, UNPAIRED
            continue
        try:
            await _or_paired_elsewhere(agent, _show_one_code(agent, fresh))
            break
        except OAuthError as error:
            kind, left = _after(agent, error, left - 1)
            if left:
                await _announce_next(agent)
        except UnpairedError as error:
            tell_error(agent.emit, error)
            left = 0
        except IssuerError:
            raise
        except ProtocolError as error:
            # A captive portal, or a server that is being set up: not for a person to mend here.
            agent.tell_trouble(error)
            await _pause(agent, backoff)
    try:
        # If it was another process, a code that was shown here is of no use any more.
        forget(agent.ports.store)
    except StoreError as error:
        tell_error(agent.emit, error)


def _after(agent: "Agent", error: OAuthError, left: int) -> "tuple[str, int]":
    """What the screen says after `error`, and how many codes may follow. Raises what ended no code."""
    if error.error == "access_denied":
        return DENIED, 0
    if error.error == "invalid_grant":
        # The server has lost the code before its time: for the person, it ran out.
        tell_error(agent.emit, error)
    elif error.error != "expired_token":
        raise error
    return EXPIRED, left


async def _show_one_code(agent: "Agent", fresh: bool) -> None:
    # A disk that has failed since there was room on it must not cost what a person has just approved.
    await let_decide(agent, agent.tell_trouble, agent.keeper.save_anyhow, fresh)


async def _announce_next(agent: "Agent") -> None:
    agent.ports.display.show(Screen(EXPIRED, advice="A new code follows."))
    await _pause(agent, Backoff(_BETWEEN_CODES_MS, _BETWEEN_CODES_MS, agent.ports.entropy.random_bytes(4)))


async def _pause(agent: "Agent", backoff: Backoff) -> None:
    clock = agent.ports.clock
    await clock.sleep_until(clock.now() + backoff.delay_ms())


async def _wait_for_person(agent: "Agent", kind: str) -> None:
    """Until somebody asks for a code here, or another process (`pairlet pair`) has paired the device."""
    button = agent.ports.button
    agent.ports.display.show(Screen(kind, advice=button.advice))
    await _or_paired_elsewhere(agent, button.pressed())


async def _or_paired_elsewhere(agent: "Agent", work: "Coroutine[object, object, None]") -> None:
    """Do `work`, until somebody pairs the device in another way where others use its store."""
    if agent.ports.store.is_shared:
        await first_of(work, _watch_store(agent))
    else:
        await work


async def _watch_store(agent: "Agent") -> None:
    clock = agent.ports.clock
    while agent.keeper.load() is None:
        await clock.sleep_until(clock.now() + _STORE_LOOK_MS)
