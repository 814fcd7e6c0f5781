"""While the code is on the screen: gateways, portals, rate limits, broken connections.

None of it is an answer of the server, so none of it ends the grant: RFC 8628 section 3.5 lets a client
that meets a connection timeout poll less often, and we read 5xx, 429 and web pages the same way.
"""

from ..expectations import backs_off, polls_again_after, reads_no_more_than_it_needs, waits_after
from ..journal import POLL
from ..scenario import Scenario
from ..steps import (
    busy,
    cut_off,
    decided,
    drip,
    huge,
    not_http,
    nothing_said,
    page,
    pending,
    redirect,
    reset,
    says,
    silence,
)

_ON = "Polls on, and gets the tokens."
# Longer than any time-out that a person in front of a device would bear.
_PATIENCE_S = 80

SCENARIOS = (
    Scenario(
        name="bad_gateway",
        about="One poll is answered 502 with a web page.",
        right=_ON,
        items=(21,),
        polls=(page(502, "Bad gateway"), decided),
    ),
    Scenario(
        name="captive_portal",
        about="Two polls are answered 200 with a web page: the network wants somebody to sign in.",
        right="Polls on, less often, and gets the tokens.",
        items=(21,),
        polls=(page(200, "Welcome to the guest network"), page(200, "Welcome"), decided),
        checks=(backs_off,),
    ),
    Scenario(
        name="too_many_requests",
        about="One poll is answered 429 with Retry-After 4 and no error code.",
        right="Waits those 4 s and polls on.",
        items=(21,),
        polls=(busy(429, 4), decided),
        checks=(waits_after(POLL, 4, None),),
    ),
    Scenario(
        name="retry_after_date",
        about="One poll is answered 503; its Retry-After is a date, 5 s from now.",
        right="Waits until then and polls on.",
        items=(21,),
        polls=(busy(503, 5, as_date=True), decided),
        # A date has whole seconds: one of them may be gone already.
        checks=(waits_after(POLL, 4, None),),
    ),
    Scenario(
        name="temporarily_unavailable",
        about="One poll is answered 503 with error=temporarily_unavailable.",
        right=_ON,
        items=(21,),
        polls=(says("temporarily_unavailable", 503), decided),
    ),
    Scenario(
        name="connection_reset",
        about="The connection breaks during two polls.",
        right="Polls on, less often, and gets the tokens.",
        items=(21,),
        polls=(reset, reset, decided),
        checks=(backs_off,),
    ),
    Scenario(
        name="silence",
        about="One poll is never answered.",
        right="Gives it up within 75 s and polls on.",
        items=(21,),
        polls=(silence, decided),
        limit_s=_PATIENCE_S,
    ),
    Scenario(
        name="drip",
        about="One poll is answered at two bytes a second, without end.",
        right="Gives it up within 75 s and polls on.",
        items=(21,),
        polls=(drip, decided),
        limit_s=_PATIENCE_S,
    ),
    Scenario(
        name="cut_off",
        about="The connection ends in the middle of an answer with tokens, which the server did not issue.",
        right=_ON,
        items=(21,),
        polls=(cut_off, decided),
    ),
    Scenario(
        name="truncated_json",
        about="One poll is answered 200 with the first half of a JSON object.",
        right=_ON,
        items=(21,),
        polls=(nothing_said(b'{"access_token": "abc", "expi', "half a JSON object"), decided),
    ),
    Scenario(
        name="empty_object",
        about="One poll is answered 200 with {}: neither tokens nor an error.",
        right="Does not take it for tokens: it polls on, or ends.",
        polls=(nothing_said(b"{}", "{}"), decided),
        pair="either",
        checks=(polls_again_after(1, None),),
    ),
    Scenario(
        name="not_http",
        about="One poll is answered with bytes that are not HTTP.",
        right=_ON,
        items=(21,),
        polls=(not_http, decided),
    ),
    Scenario(
        name="huge_answer",
        about="One poll is answered with 60 MB.",
        right="Stops reading and polls on.",
        items=(21,),
        polls=(huge, decided),
        checks=(reads_no_more_than_it_needs,),
    ),
    Scenario(
        name="redirect",
        about="One poll is answered 307 to another origin.",
        right="Sends nothing there: it polls on, or ends.",
        items=(28,),
        polls=(redirect, pending, decided),
        pair="either",
    ),
)
