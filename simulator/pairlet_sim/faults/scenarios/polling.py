"""The answers that RFC 8628 section 3.5 knows, and how providers spell them."""

from ..expectations import waits_at_least
from ..journal import POLL
from ..scenario import Scenario
from ..steps import decided, pending, says, slow_down
from ..turn import Turn

_TOO_EARLY_S = 0.9


async def _rate_before_state(turn: Turn) -> None:
    """Judge the pace before the decision, as GitHub does: whoever polls early never gets to the tokens."""
    polls = [each for each in turn.stage.exchanges if each.kind == POLL]
    if len(polls) > 1 and polls[-1].at - polls[-2].at < _TOO_EARLY_S:
        await says("slow_down")(turn)
    else:
        await (decided if len(polls) > 2 else pending)(turn)


async def _expired_once(turn: Turn) -> None:
    """expired_token once; later the code is unknown (Auth0)."""
    told = [each for each in turn.stage.exchanges if each.outcome == "expired_token"]
    await says("invalid_grant" if told else "expired_token", 403)(turn)


SCENARIOS = (
    Scenario(
        name="slow_down",
        about="The first poll is answered slow_down, the second is not.",
        right="Waits 5 s longer before the second poll, and before every later one.",
        items=(18,),
        polls=(slow_down, pending, decided),
    ),
    Scenario(
        name="slow_down_twice",
        about="Two polls are answered slow_down.",
        right="Waits 5 s longer each time: 6 s, then 11 s.",
        items=(18,),
        polls=(slow_down, slow_down, decided),
    ),
    Scenario(
        name="slow_down_with_interval",
        about="slow_down comes with HTTP 200 and a new interval of 8 s (GitHub).",
        right="Waits 8 s from then on.",
        items=(18,),
        polls=(says("slow_down", 200, interval=8), decided),
        checks=(waits_at_least(8, None, "though the server had asked for 8 s"),),
    ),
    Scenario(
        name="pending_with_200",
        about="authorization_pending comes with HTTP 200 (GitHub).",
        right="Polls on: the body counts, not the status.",
        items=(17,),
        polls=(says("authorization_pending", 200), decided),
    ),
    Scenario(
        name="pending_with_403",
        about="authorization_pending comes with HTTP 403, slow_down with 429 (Auth0).",
        right="Polls on, 5 s slower after the second.",
        items=(17, 18),
        polls=(says("authorization_pending", 403), says("slow_down", 429), decided),
    ),
    Scenario(
        name="pending_with_428",
        about="authorization_pending comes with HTTP 428 (Google).",
        right="Polls on.",
        items=(17,),
        polls=(says("authorization_pending", 428), decided),
    ),
    Scenario(
        name="rate_before_state",
        about="A poll that comes too early is answered slow_down even when the person has approved (GitHub).",
        right="Gets the tokens, because no poll of it comes too early.",
        items=(17,),
        polls=(_rate_before_state,),
    ),
    Scenario(
        name="access_denied",
        about="The person denies.",
        right="Stops polling and ends, not with 0.",
        items=(19,),
        decision="deny",
        pair="failed",
        limit_s=25,
    ),
    Scenario(
        name="authorization_declined",
        about="The person denies, and the server calls that authorization_declined (Microsoft Entra).",
        right="Stops polling and ends, not with 0.",
        items=(19,),
        polls=(pending, says("authorization_declined")),
        pair="failed",
    ),
    Scenario(
        name="unknown_error",
        about="A poll is answered with an error code that no RFC knows.",
        right="Stops polling and ends, not with 0.",
        items=(19,),
        polls=(pending, says("device_flow_disabled")),
        pair="failed",
    ),
    Scenario(
        name="expired_token_once",
        about="expired_token comes once, before the device expects it; then the code is unknown (Auth0).",
        right="Stops polling and ends, not with 0.",
        items=(19, 20),
        polls=(pending, _expired_once),
        pair="failed",
    ),
    Scenario(
        name="code_swept_away",
        about="When the code has run out, the server does not know it any more: invalid_grant (Keycloak).",
        right="Stops polling and ends, not with 0.",
        items=(19, 20),
        code_lifetime_s=4,
        life_s=4,
        polls=(pending, pending, pending, says("invalid_grant")),
        pair="failed",
        limit_s=25,
    ),
    Scenario(
        name="nobody_decides",
        about="Nobody decides, and the server says authorization_pending for ever.",
        right="Ends when the code has run out, with one more poll at most.",
        items=(20,),
        code_lifetime_s=4,
        life_s=4,
        polls=(pending,),
        pair="failed",
        limit_s=25,
    ),
)
