"""What a display is asked to show, whatever it is made of. All text in here is already clean."""

STARTING = "starting"  # getting ready: `message` says what is going on
CODE = "code"  # user_code, verification_uri and perhaps verification_uri_complete, remaining_s
SIGN_IN = "sign_in"  # verification_uri is to be opened in a browser on this device; `message` says more
UNPAIRED = "unpaired"  # waits for a person: `advice` says how to get a code
PAIRED = "paired"  # approved; `scope` as granted
DENIED = "denied"
EXPIRED = "expired"
RUNNING = "running"  # paired and at work: `message` is one line of state
TROUBLE = "trouble"  # `message` says what is wrong, `advice` what to do


class Screen:
    """One picture: `kind` (a constant of this module) and the fields that kind needs.

    verification_uri, verification_uri_complete and user_code: RFC 8628 section 3.2.
    remaining_s: whole seconds until the code ends. message, advice: one line each, or "".
    """

    def __init__(
        self,
        kind: str,
        *,
        user_code: str = "",
        verification_uri: str = "",
        verification_uri_complete: "str | None" = None,
        remaining_s: int = 0,
        scope: str = "",
        message: str = "",
        advice: str = ""
    ):
        self.kind = kind
        self.user_code = user_code
        self.verification_uri = verification_uri
        self.verification_uri_complete = verification_uri_complete
        self.remaining_s = remaining_s
        self.scope = scope
        self.message = message
        self.advice = advice

    @property
    def qr_text(self) -> str:
        """What the QR code holds: the complete address where there is one (RFC 8628 section 3.3.1)."""
        return self.verification_uri_complete or self.verification_uri

    def __repr__(self) -> str:
        return f"<Screen {self.kind}>"


def countdown(remaining_s: int) -> str:
    """Seconds as a person reads them: 65 becomes "1:05"."""
    remaining_s = max(0, remaining_s)
    return "%d:%02d" % (remaining_s // 60, remaining_s % 60)
