"""Standing by while another process of this device shows a code and polls: one code, one poller."""

from .core.device_grant import DeviceCode
from .core.errors import OAuthError, ProtocolError, UnpairedError
from .core.screen import STARTING, Screen
from .pairing import show_code, tell_code, tell_paired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.token import Token
    from .pending import PendingCode

_LOOK_MS = 1000


class Follower:
    """Shows the code that the process which has claimed the pairing keeps in the store.

    Whoever is here claims it as soon as that process is gone, and goes on with its code.
    """

    def __init__(self, agent: "Agent", pending: "PendingCode"):
        self._agent = agent
        self._pending = pending
        self._before = agent.keeper.token
        self._code: DeviceCode | None = None

    async def stand_by(self) -> "Token | None":
        """Look and show for a second; see outcome()."""
        token = self.outcome()
        if token is not None:
            return token
        clock = self._agent.ports.clock
        if self._code is None:
            self._agent.ports.display.show(
                Screen(STARTING, message="another process of this device is asking for a code")
            )
        else:
            show_code(self._agent, self._code)
        await clock.sleep_until(clock.now() + _LOOK_MS)
        return None

    def outcome(self) -> "Token | None":
        """The token that the other process got, None as long as there is no outcome.

        Raises OAuthError (expired_token), UnpairedError when the code went before its time without a
        token, ConfigError when it is another account's, StoreError.
        """
        code = self._look()
        if code is not None:
            if self._code is None or self._code.user_code != code.user_code:
                tell_code(self._agent, code, code.interval_ms)
            self._code = code
            return None
        keeper = self._agent.keeper
        token = keeper.load()
        if token is not None and not token.is_same(self._before):
            tell_paired(self._agent, token)
            return token
        if self._code is None:
            return None
        if self._agent.ports.clock.now() >= self._code.expires_at:
            raise OAuthError("expired_token")
        raise UnpairedError(
            "the other process of this device has ended the pairing", "Run the command again for a new code."
        )

    def _look(self) -> "DeviceCode | None":
        record = self._pending.look()
        if record is None:
            return None
        since = self._agent.ports.clock.now() - self._pending.age_ms(record)
        try:
            return DeviceCode.from_answer(record, since, self._agent.config.flag("oauth.insecure_http"))
        except ProtocolError:
            return None
