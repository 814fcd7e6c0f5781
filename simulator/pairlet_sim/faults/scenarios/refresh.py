"""Refreshing (RFC 6749 section 6): a refresh token is never lost, and never used once too often.

Access tokens live for two seconds here, so each further command has to refresh.
"""

from typing import Any

from ..expectations import refreshes_again, spends_no_dead_token, waits_after
from ..journal import REFRESH
from ..scenario import Scenario
from ..steps import answer_lost, busy, decided, page, real, redirect, reset, says, with_members
from ..turn import Step


def _refresh(name: str, about: str, right: str, *refreshes: Step, **more: Any) -> Scenario:
    usual: dict[str, Any] = {"items": (33,), "polls": (decided,), "token_lifetime_s": 2}
    return Scenario(name="refresh_" + name, about=about, right=right, refreshes=refreshes, **(usual | more))


_SENDS_IT_AGAIN = "Sends the same refresh token again, at once or with the next command."

SCENARIOS = (
    _refresh(
        "rotation",
        "Each refresh brings a new refresh token, and the old one is dead.",
        "Uses the newest each time.",
        real,
        then=("done", "done", "done"),
    ),
    _refresh(
        "keeps_its_token",
        "A refresh brings no refresh token.",
        "Keeps the one it has.",
        real,
        rotate=False,
        then=("done", "done"),
    ),
    _refresh(
        "when_the_end_is_text",
        'expires_in of the token is the text "2".',
        "Takes it for a number, and refreshes when the two seconds are over.",
        real,
        items=(),
        polls=(with_members(of_poll=True, expires_in="2"),),
        then=("done",),
    ),
    _refresh(
        "answer_lost",
        "The answer to a refresh is lost; the old refresh token is good for a while longer.",
        "Sends the old one again, as it knows no other.",
        answer_lost,
        real,
        grace_s=60,
        then=("either", "done", "done"),
        checks=(refreshes_again,),
    ),
    _refresh(
        "answer_lost_for_good",
        "The answer to a refresh is lost, and the old refresh token is dead.",
        "Sends it again, hears invalid_grant, and ends, not with 0.",
        answer_lost,
        real,
        then=("failed", "failed"),
        checks=(spends_no_dead_token,),
    ),
    _refresh(
        "reset",
        "The connection breaks during a refresh, which the server never saw.",
        _SENDS_IT_AGAIN,
        reset,
        real,
        then=("either", "done"),
        checks=(refreshes_again,),
    ),
    _refresh(
        "server_error",
        "A refresh is answered 500 with a web page, the next one 503.",
        _SENDS_IT_AGAIN,
        page(500, "Internal server error"),
        says("temporarily_unavailable", 503),
        real,
        then=("either", "either", "done"),
        checks=(refreshes_again,),
    ),
    _refresh(
        "captive_portal",
        "A refresh is answered 200 with a web page.",
        _SENDS_IT_AGAIN,
        page(200, "Welcome to the guest network"),
        real,
        then=("either", "done"),
        checks=(refreshes_again,),
    ),
    _refresh(
        "too_many_requests",
        "A refresh is answered 429 with Retry-After 3.",
        "Sends the same refresh token again, no sooner than that; or leaves it to the next command.",
        busy(429, 3),
        real,
        then=("either", "done"),
        checks=(waits_after(REFRESH, 3, None), refreshes_again),
    ),
    _refresh(
        "redirect",
        "A refresh is answered 307 to another origin.",
        "Sends nothing there, and keeps its refresh token.",
        redirect,
        real,
        then=("either", "done"),
        checks=(refreshes_again,),
    ),
    _refresh(
        "invalid_client",
        "A refresh is answered 401 invalid_client: somebody has misconfigured the server.",
        "Says so, and keeps its refresh token for the next command.",
        says("invalid_client", 401),
        real,
        then=("either", "done"),
    ),
    _refresh(
        "invalid_grant",
        "A refresh is answered invalid_grant: the person has removed the device.",
        "Ends, not with 0, and does not hammer the server.",
        says("invalid_grant"),
        then=("failed", "failed"),
        checks=(spends_no_dead_token,),
    ),
)
