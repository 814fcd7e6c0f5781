"""How a running agent stands, in one line: now, whenever its token changes, and every ten minutes."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .ports import REFRESH, LoggedHttp
from .words import clock_time, span

if TYPE_CHECKING:
    from ...core.token import Token
    from ...ports import Clock

_log = logging.getLogger("pairlet.status")
_EVERY_S = 600
_TOKEN_CHANGES = ("paired", "refreshed", "unpaired")


class Keeper(Protocol):
    """What is asked of the agent's keeper of the token."""

    @property
    def token(self) -> "Token | None": ...

    def refresh_at(self) -> int | None: ...


class StatusLine:
    """Says at level info how `keeper`'s token stands, and at level debug why it is refreshed.

    It is a listener, too: it passes on to `listener` what it hears. `http` and `clock` are the agent's.
    """

    def __init__(self, listener: Callable[..., None], http: LoggedHttp, clock: "Clock"):
        self._listener = listener
        self._clock = clock
        self._keeper: Keeper | None = None
        self._http = http
        http.before = self._why
        self._broker = ""
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, event: str, **fields: Any) -> None:
        """Hear an event of the agent."""
        self._listener(event, **fields)
        if event == "mqtt_connected":
            self._broker = "connected to the broker"
        elif event == "mqtt_disconnected":
            self._broker = "not connected to the broker"
        if event in _TOKEN_CHANGES and self._timer is not None:
            self.say()

    def watch(self, keeper: Keeper) -> None:
        """Look at `keeper` from now on; it is made after its listener."""
        self._keeper = keeper

    def start(self) -> None:
        """Say it once the loop gets to it, and then again and again."""
        # Soon rather than now: the agent reads its token first.
        self._timer = asyncio.get_running_loop().call_later(0, self._tick)

    def stop(self) -> None:
        """Say no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self.say()
        self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._tick)

    def say(self) -> None:
        """One line, with the same as fields for machines (times left in seconds)."""
        token = self._keeper.token if self._keeper else None
        parts = [self._life(token), self._next_refresh(token), self._last_answer(), self._broker]
        fields = {
            "paired": token is not None,
            "expires_in": _seconds(token.remaining_ms(self._clock.now()) if token else None),
            "refresh_in": _seconds(self._refresh_in_ms()),
            "last_answer": _seconds(self._answer_age_ms()),
        }
        _log.info("%s", "; ".join(part for part in parts if part), extra={"fields": fields})

    def _why(self, purpose: str) -> None:
        """Ahead of an exchange: if it is a refresh, why it is made now."""
        if purpose == REFRESH and self._keeper and self._keeper.token:
            due_ms = self._refresh_in_ms()
            if due_ms is None or due_ms > 0:
                reason = "ahead of time, because the token was refused"
            else:
                reason = "as planned" if due_ms > -1000 else f"as was due {span(-due_ms)} ago"
            _log.debug("refreshing %s: %s", reason, self._life(self._keeper.token))

    def _life(self, token: "Token | None") -> str:
        if token is None:
            return "not paired"
        remaining_ms = token.remaining_ms(self._clock.now())
        if remaining_ms is None:
            return "the token does not say when it ends"
        return f"token good for {span(remaining_ms)}" if remaining_ms else "the token has ended"

    def _next_refresh(self, token: "Token | None") -> str:
        if token is None:
            return ""
        if token.refresh_token is None:
            return "it can't be renewed"
        due_ms = self._refresh_in_ms()
        if due_ms is None:
            return "it is renewed when the broker refuses it"
        return f"next refresh {clock_time(due_ms)}, in {span(due_ms)}" if due_ms > 0 else "refresh is due"

    def _last_answer(self) -> str:
        age_ms = self._answer_age_ms()
        words = "" if age_ms is None else f"last answer {span(age_ms)} ago"
        trouble = self._http.trouble
        return f"{words or 'no answer yet'}, and then: {trouble}" if trouble else words

    def _refresh_in_ms(self) -> int | None:
        due = self._keeper.refresh_at() if self._keeper else None
        return None if due is None else due - self._clock.now()

    def _answer_age_ms(self) -> float | None:
        answered_at = self._http.answered_at
        return None if answered_at is None else 1000 * (time.monotonic() - answered_at)


def _seconds(duration_ms: float | None) -> int | None:
    return None if duration_ms is None else round(duration_ms / 1000)
