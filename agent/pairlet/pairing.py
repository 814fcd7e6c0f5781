"""Pairing: asks for a code, shows it while it counts down, and comes back with a token."""

from .core.device_grant import APPROVED, DENIED, EXPIRED, DeviceGrant
from .core.errors import OAuthError, PairletError
from .core.screen import CODE, Screen
from .core.screen import DENIED as SCREEN_DENIED
from .core.screen import EXPIRED as SCREEN_EXPIRED
from .core.screen import PAIRED as SCREEN_PAIRED
from .drive import drive, first_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.device_grant import DeviceCode
    from .core.token import Token
    from .drive import Patience
    from .events import Emit
    from .ports import Clock, Display, Http


class Pairing:
    """One run of a DeviceGrant with a person in front of the display.

    `patience` counts failures until there is a code; after that only the grant's own end counts.
    """

    def __init__(
        self,
        grant: DeviceGrant,
        http: "Http",
        clock: "Clock",
        display: "Display",
        emit: "Emit",
        patience: "Patience | None" = None,
    ):
        self._grant = grant
        self._http = http
        self._clock = clock
        self._display = display
        self._emit = emit
        self._patience = patience
        self._trouble = ""
        self._told = False

    async def run(self) -> "Token":
        """Return the token. Raises OAuthError (access_denied, expired_token, others), ProtocolError, and
        what `patience` raises."""
        await first_of(self._drive(), self._count_down())
        grant = self._grant
        if grant.state == APPROVED and grant.token is not None:
            token = grant.token
            self._display.show(Screen(SCREEN_PAIRED, scope=token.scope))
            return token
        error = grant.error
        assert error is not None
        if grant.state == DENIED:
            self._emit("denied")
            self._display.show(Screen(SCREEN_DENIED, advice=error.advice))
        elif grant.state == EXPIRED:
            self._emit("expired")
            self._display.show(Screen(SCREEN_EXPIRED, advice=error.advice))
        raise error

    async def _drive(self) -> None:
        await drive(self._grant, self._http, self._clock, self._hear)

    def _hear(self, error: "PairletError | None") -> None:
        code = self._grant.code
        if code is None:
            if self._patience is not None and not isinstance(error, OAuthError):
                self._patience(error)
            return
        self._trouble = "" if error is None else f"{error}; trying again"
        if not self._told:
            self._told = True
            self._emit(
                "code",
                user_code=code.user_code,
                verification_uri=code.verification_uri,
                verification_uri_complete=code.verification_uri_complete,
                expires_in=self._seconds_left(code),
                interval=self._grant.interval_ms // 1000,
            )
            self._show(code)

    async def _count_down(self) -> None:
        """Show the code anew each second. Ends with the grant, never before."""
        while True:
            await self._clock.sleep_until(self._clock.now() + 1000)
            if self._grant.code is not None:
                self._show(self._grant.code)

    def _show(self, code: "DeviceCode") -> None:
        self._display.show(
            Screen(
                CODE,
                user_code=code.user_code,
                verification_uri=code.verification_uri,
                verification_uri_complete=code.verification_uri_complete,
                remaining_s=self._seconds_left(code),
                message=self._trouble,
            )
        )

    def _seconds_left(self, code: "DeviceCode") -> int:
        return max(0, code.expires_at - self._clock.now() + 999) // 1000
