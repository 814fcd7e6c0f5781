"""The device authorization response: what servers make of interval, expires_in and the rest."""

from typing import Any

from ..expectations import does_not_poll, shows_the_code, waits_after
from ..journal import DEVICE_AUTHORIZATION
from ..scenario import Scenario
from ..steps import (
    busy,
    changed,
    forms_unless_asked,
    once_decided,
    pending,
    real,
    repeating,
    says,
    with_members,
    without,
)
from ..turn import Step, Turn

# A server that adds these must not matter; `self` is the name that breaks keyword arguments.
_UNKNOWN: dict[str, Any] = {"self": 1, "x_nested": {"deep": [1, None]}, "message": "Hello.", "x_null": None}


def _first(step: Step, then: Step) -> Step:
    """`step` for the first request of a site, `then` for the others."""

    async def both(turn: Turn) -> None:
        before = [each for each in turn.stage.exchanges if each.kind == turn.exchange.kind]
        await (step if len(before) == 1 else then)(turn)

    return both


def _interval(name: str, value: Any, about: str, wait_s: float, right: str, **more: Any) -> Scenario:
    return Scenario(
        name="interval_" + name,
        about=f"The interval is {about}.",
        right=right,
        wait_s=wait_s,
        device_authorization=with_members(interval=value),
        **more,
    )


_TAMED = "Waits some time of its own between polls, at least a second."

SCENARIOS = (
    Scenario(
        name="ordinary",
        about="Nothing goes wrong.",
        right="Shows code and address, polls in the given pace, gets the tokens.",
        items=(10, 14, 17),
        checks=(shows_the_code,),
    ),
    Scenario(
        name="interval_missing",
        about="There is no interval in the answer.",
        right="Waits 5 s between polls.",
        items=(7,),
        pace=7,
        wait_s=5,
        device_authorization=without("interval"),
    ),
    _interval(
        "null", None, "null", 5, "Takes it for a missing one and waits 5 s.", items=(5, 7), pace=7
    ),
    _interval("zero", 0, "0", 1, _TAMED, pace=None),
    _interval("negative", -5, "-5", 1, _TAMED, pace=None),
    _interval("nan", float("nan"), "NaN, which JSON does not have", 1, _TAMED + " Or refuses it.",
              pace=None, pair="either"),  # fmt: skip
    _interval("text", "2", 'the text "2"', 2, "Waits at least 2 s.", items=(17,)),
    _interval("float", 1.5, "1.5", 1.5, "Waits at least 1.5 s.", items=(17,)),
    Scenario(
        name="code_expires_in_float",
        about="expires_in of the code is 4.5, and nobody decides; the server never says that it is over.",
        right="Ends by itself, with one more poll at most.",
        items=(20,),
        device_authorization=with_members(expires_in=4.5),
        polls=(pending,),
        life_s=4.5,
        pair="failed",
        limit_s=25,
    ),
    Scenario(
        name="code_expires_in_text",
        about='expires_in of the code is the text "4", and nobody decides; the server never says so.',
        right="Ends by itself, with one more poll at most.",
        items=(20,),
        device_authorization=with_members(expires_in="4"),
        polls=(pending,),
        life_s=4,
        pair="failed",
        limit_s=25,
    ),
    Scenario(
        name="code_expires_in_missing",
        about="The code has no expires_in.",
        right="Refuses it, or works with it; it does not crash.",
        items=(8,),
        device_authorization=without("expires_in"),
        pair="either",
    ),
    Scenario(
        name="code_member_missing",
        about="The answer has no device_code.",
        right="Says so and ends; there is nothing to poll with.",
        items=(8,),
        device_authorization=without("device_code"),
        pair="failed",
        checks=(does_not_poll(8),),
    ),
    Scenario(
        name="code_error_with_200",
        about="The device authorization endpoint answers HTTP 200 with error=unauthorized_client (GitHub).",
        right="Takes it for the error that it is, and ends.",
        items=(9,),
        device_authorization=says("unauthorized_client", 200),
        pair="failed",
        checks=(does_not_poll(9),),
    ),
    Scenario(
        name="code_member_twice",
        about="The answer has the member device_code twice.",
        right="Uses neither: it asks again, or ends.",
        items=(5,),
        device_authorization=repeating("device_code"),
        pair="failed",
        checks=(does_not_poll(5),),
    ),
    Scenario(
        name="code_busy",
        about="The first request for a code is answered 503 with Retry-After 3.",
        right="Asks again no sooner than that, or ends.",
        device_authorization=_first(busy(503, 3), real),
        pair="either",
        checks=(waits_after(DEVICE_AUTHORIZATION, 3, None),),
    ),
    Scenario(
        name="verification_url",
        about="The address is in verification_url, without verification_uri (Google).",
        right="Shows that one.",
        device_authorization=changed(
            lambda real: {
                name.replace("verification_uri", "verification_url"): real[name]
                for name in real
                if name != "verification_uri_complete"
            }
        ),
        checks=(shows_the_code,),
    ),
    Scenario(
        name="forms_unless_asked",
        about="Answers are form parameters unless the Accept header asks for JSON (GitHub).",
        right="Asks for JSON, or reads forms.",
        device_authorization=forms_unless_asked,
        polls=(pending, once_decided(forms_unless_asked)),
    ),
    Scenario(
        name="unknown_members",
        about="Answers have members that no RFC knows, one of them called self.",
        right="Ignores them.",
        items=(30,),
        device_authorization=with_members(**_UNKNOWN),
        polls=(says("authorization_pending", **_UNKNOWN), with_members(of_poll=True, **_UNKNOWN)),
    ),
)
