"""The access token for other programs on the device, from an agent. Not for boards."""

from .core.errors import TransportError, UnpairedError
from .core.token_record import digest
from .drive import Patience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .agent import Agent
    from .core.secret import Secret
    from .core.token import Token

# Whoever refuses token after token gets a new one once an hour: then it is not the token that is wrong.
_REPLACE_AGAIN_MS = 3600000


def name_of(access_token: "Secret") -> bytes:
    """What an access token is called where it must not be said itself: its SHA-256, 32 bytes."""
    return digest(access_token.reveal().encode())


class Lending:
    """Lends the token of `agent`, which renews it: at work as run(), or as whoever asks has it do."""

    def __init__(self, agent: "Agent"):
        self._agent = agent
        # What came for a refused token last, and when.
        self._replacement = b""
        self._replaced_at = 0

    async def token(self, refused: "bytes | None" = None) -> "Token":
        """A token that is good for a while, renewed if it needs to be.

        `refused`: the name of one that a resource server did not take (RFC 6750 section 3.1, invalid_token);
        if that is the current one, another takes its place. It is the same again when there can't be
        another, or when that one came for a refused token less than an hour ago.
        Raises UnpairedError, or why it could not be renewed.
        """
        token = self._current()
        if refused is not None and self._is_to_be_replaced(token, refused):
            await self._renew()
            token = self._current()
            self._replacement, self._replaced_at = name_of(token.access_token), self._agent.ports.clock.now()
        elif not self._agent.keeper.is_usable():
            if not self._can_renew(token):
                raise UnpairedError("the access token has ended, and there is no refresh token")
            await self._renew()
            token = self._current()
        return token

    def _current(self) -> "Token":
        keeper = self._agent.keeper
        if keeper.token is not None:
            return keeper.token
        if keeper.asked is not None:
            raise UnpairedError("there is no access token yet", "Ask again: the agent is getting one.")
        raise UnpairedError("this device is not paired")

    def _can_renew(self, token: "Token") -> bool:
        return token.refresh_token is not None or self._agent.keeper.asked is not None

    def _is_to_be_replaced(self, token: "Token", refused: bytes) -> bool:
        name = name_of(token.access_token)
        age_ms = self._agent.ports.clock.now() - self._replaced_at
        again = name == self._replacement and age_ms < _REPLACE_AGAIN_MS
        return name == refused and not again and self._can_renew(token)

    async def _renew(self) -> None:
        """Once: somebody waits. At the pace that the agent keeps with a server in trouble."""
        renewing = self._agent.renewing
        left_ms = renewing.refresh_after - self._agent.ports.clock.now()
        if left_ms > 0:
            seconds = (left_ms + 999) // 1000
            raise TransportError(
                f"the access token could not be renewed, which is tried again in {seconds} s",
                "Ask again after that time.",
            )
        error = await renewing.renew(Patience(1))
        if error is not None:
            raise error
