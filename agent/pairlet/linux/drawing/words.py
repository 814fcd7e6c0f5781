"""What the text displays say. One place, so that a screen, a serial line and a log say the same."""

from ...core.screen import (
    CODE,
    DENIED,
    EXPIRED,
    PAIRED,
    RUNNING,
    SIGN_IN,
    STARTING,
    TROUBLE,
    UNPAIRED,
    Screen,
    countdown,
)
from .canvas import BAD, GOOD, STRONG, WARN, drawable

OPEN = "On your phone or computer, open"
ENTER = "and enter the code"
SCAN = "or scan the QR code"
# RFC 8628 section 5.4: a code is for whoever stands here, and has begun this.
OURS = "Pass the code on to nobody."
NO_ROOM = "A larger window shows a QR code, too."

# kind: (heading, style, what it means for the person)
_HEADINGS = {
    STARTING: ("Starting", STRONG, ""),
    SIGN_IN: ("Sign in", STRONG, "Open this address in a browser on this device:"),
    UNPAIRED: ("Not paired", STRONG, ""),
    PAIRED: ("Paired", GOOD, "This device is paired with your account."),
    DENIED: ("Declined", BAD, "The request was declined: this device is not paired."),
    EXPIRED: ("Expired", WARN, "The time has expired: nobody has approved."),
    RUNNING: ("Running", STRONG, ""),
    TROUBLE: ("Trouble", WARN, ""),
}


def heading(screen: Screen) -> tuple[str, str]:
    """The word above a screen that is not CODE, and its style. An unknown kind has none."""
    word, style, _ = _HEADINGS.get(screen.kind, ("", STRONG, ""))
    return word, style


def body(screen: Screen) -> list[str]:
    """What stands below the heading, a paragraph each, ready to be drawn."""
    meaning = _HEADINGS.get(screen.kind, ("", "", ""))[2]
    allowed = "Allowed: " + screen.scope if screen.kind == PAIRED and screen.scope else ""
    return [text for text in map(drawable, (meaning, allowed, screen.message, screen.advice)) if text]


def code_of(screen: Screen) -> str:
    """The user code as it is shown: as the server wrote it, since some servers take it to the letter."""
    return drawable(screen.user_code)


def validity(screen: Screen) -> str:
    """How long the code is good for."""
    return "Valid for " + countdown(screen.remaining_s)


def sentence(screen: Screen) -> str:
    """The whole screen as one line, for a log or a line printer, without the time that is left."""
    if screen.kind == CODE:
        return _code_sentence(screen)
    if screen.kind == SIGN_IN:
        return _sign_in_sentence(screen)
    word, _ = heading(screen)
    rest = " ".join(_ended(text) for text in body(screen))
    return ": ".join(part for part in (word, rest) if part)


def _code_sentence(screen: Screen) -> str:
    parts = ["Open", drawable(screen.verification_uri), ENTER, code_of(screen)]
    complete = drawable(screen.verification_uri_complete or "")
    if complete and complete != drawable(screen.verification_uri):
        # RFC 8628 section 3.3.1: besides the short address, never instead of it.
        parts += ["or open", complete]
    message = drawable(screen.message)
    return " ".join(parts) + (" (" + message + ")" if message else "")


def _sign_in_sentence(screen: Screen) -> str:
    # The address last, so that nothing clings to it.
    message = _ended(drawable(screen.message)) + " " if screen.message else ""
    return f"{message}{_HEADINGS[SIGN_IN][2]} {drawable(screen.verification_uri)}"


def reminder(screen: Screen) -> str:
    """The same code once more, with the time that is left."""
    return "The code %s is %s" % (code_of(screen), validity(screen).lower())


def _ended(text: str) -> str:
    return text if text[-1] in ".!?" else text + "."
