"""Text of a server that is meant to steer a screen, or to lead a person astray."""

from ..expectations import does_not_poll, never_shows
from ..scenario import Scenario
from ..steps import decided, pending, says, with_members

_ESCAPES = "\x1b]0;pairlet-sim was here\x07\x1b[31m"
_BIDI = "\u202e\u2066"
_SCRIPT = "javascript:alert(document.domain)"
_PLAIN = "http://pairlet-sim.example/device"

_CLEAN = "Never writes them as they are; whether it goes on is its own business."

SCENARIOS = (
    Scenario(
        name="escapes_in_user_code",
        about="The user_code begins with escape sequences for a terminal.",
        right=_CLEAN,
        device_authorization=with_members(user_code=_ESCAPES + "BCDF-GHJK"),
        pair="either",
        checks=(never_shows("\x1b]0;pairlet-sim", "escape sequences of the server"),),
    ),
    Scenario(
        name="bidi_in_user_code",
        about="The user_code has marks that turn the direction of text around.",
        right=_CLEAN,
        device_authorization=with_members(user_code="BCDF" + _BIDI + "-GHJK"),
        pair="either",
        checks=(never_shows(_BIDI[0], "direction marks of the server"),),
    ),
    Scenario(
        name="escapes_in_error_description",
        about="access_denied comes with an error_description full of escape sequences and direction marks.",
        right="Ends, and never writes them as they are.",
        items=(19,),
        polls=(pending, says("access_denied", error_description=_ESCAPES + _BIDI + "No.")),
        pair="failed",
        checks=(
            never_shows("\x1b]0;pairlet-sim", "escape sequences of the server"),
            never_shows(_BIDI[0], "direction marks of the server"),
        ),
    ),
    Scenario(
        name="escapes_in_error",
        about="One poll is answered with an error code full of escape sequences, which none may have.",
        right="Never writes them as they are; whether it polls on is its own business.",
        items=(32,),
        polls=(pending, says("access_denied" + _ESCAPES), decided),
        pair="either",
        checks=(never_shows("\x1b]0;pairlet-sim", "escape sequences of the server", 32),),
    ),
    Scenario(
        name="verification_uri_script",
        about="The verification_uri is a javascript: address.",
        right="Shows nobody such an address.",
        device_authorization=with_members(verification_uri=_SCRIPT, verification_uri_complete=_SCRIPT),
        pair="failed",
        checks=(never_shows("javascript:", "a javascript: address"), does_not_poll(None)),
    ),
    Scenario(
        name="verification_uri_plain_http",
        about="The verification_uri is plain http to another machine.",
        right="Sends nobody there to sign in.",
        device_authorization=with_members(verification_uri=_PLAIN, verification_uri_complete=_PLAIN),
        pair="failed",
        checks=(never_shows(_PLAIN, "an address of plain http"), does_not_poll(None)),
    ),
)
