"""The answer with the tokens (RFC 6749 section 5.1)."""

from ..expectations import polls_again_after
from ..scenario import Scenario
from ..steps import decided, pending, repeating, with_members, without

# RFC 6749 section 5.1: "The client should avoid making assumptions about value sizes."
_LONG = 4096

SCENARIOS = (
    Scenario(
        name="long_tokens",
        about="Access token and refresh token have 4 KB each.",
        right="Keeps them.",
        items=(30,),
        polls=(pending, with_members(of_poll=True, access_token="a" * _LONG, refresh_token="r" * _LONG)),
    ),
    Scenario(
        name="token_type_unknown",
        about='The token_type is "mac".',
        right="Does not use a token of a type that it does not know: it ends, not with 0.",
        items=(34,),
        polls=(pending, with_members(of_poll=True, token_type="mac")),
        pair="failed",
    ),
    Scenario(
        name="token_type_case",
        about='The token_type is "bEARER".',
        right="Knows it all the same.",
        items=(34,),
        polls=(pending, with_members(of_poll=True, token_type="bEARER")),
    ),
    Scenario(
        name="token_expires_in_text",
        about='expires_in of the token is the text "3600".',
        right="Takes it for a number.",
        polls=(pending, with_members(of_poll=True, expires_in="3600")),
    ),
    Scenario(
        name="token_expires_in_float",
        about="expires_in of the token is 3599.5.",
        right="Takes it for about an hour.",
        polls=(pending, with_members(of_poll=True, expires_in=3599.5)),
    ),
    Scenario(
        name="token_expires_in_missing",
        about="The token has no expires_in.",
        right="Keeps it all the same.",
        items=(30,),
        polls=(pending, without("expires_in", of_poll=True)),
    ),
    Scenario(
        name="no_refresh_token",
        about="No refresh token comes with the access token.",
        right="Keeps the access token.",
        items=(30,),
        polls=(pending, without("refresh_token", of_poll=True)),
    ),
    Scenario(
        name="scope_narrower",
        about="The scope in the answer is less than was asked for, as a list (Twitch).",
        right="Works with what was granted.",
        items=(31,),
        polls=(pending, with_members(of_poll=True, scope=["profile"])),
    ),
    Scenario(
        name="token_member_twice",
        about="One answer with tokens has the member access_token twice; the server did not issue it.",
        right="Uses neither: it polls again, or ends.",
        items=(5,),
        polls=(pending, repeating("access_token", of_poll=True), decided),
        pair="either",
        checks=(polls_again_after(2, 5),),
    ),
)
