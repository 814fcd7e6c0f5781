"""How a running agent stands, in one line: now, whenever its token changes, and every ten minutes."""

import asyncio
import logging
import time

from ..standing import words
from ..standing.standing import Standing
from .ports import REFRESH, LoggedHttp
from .words import span

_log = logging.getLogger("pairlet.status")
_EVERY_S = 600
_TOKEN_CHANGES = ("paired", "refreshed", "unpaired")


class StatusLine:
    """Says at level info how the agent of `standing` stands, and at level debug why it is refreshed.

    `http` is the agent's.
    """

    def __init__(self, standing: Standing, http: LoggedHttp):
        self._standing = standing
        standing.followers.append(self._follow)
        self._http = http
        http.before = self._why
        self._timer: asyncio.TimerHandle | None = None

    def _follow(self, event: str) -> None:
        if event in _TOKEN_CHANGES and self._timer is not None:
            self.say()

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
        facts = self._standing.facts()
        parts = [*words.token_words(facts), words.next_refresh(facts), self._last_answer()]
        parts += [*words.broker_words(facts), words.trouble_words(facts)]
        fields = {
            "paired": facts.paired,
            "expires_in": _seconds(facts.token_left_ms),
            "refresh_in": _seconds(facts.refresh_in_ms),
            "last_answer": _seconds(self._answer_age_ms()),
        }
        _log.info("%s", "; ".join(part for part in parts if part), extra={"fields": fields})

    def _why(self, purpose: str) -> None:
        """Ahead of an exchange: if it is a refresh, why it is made now."""
        facts = self._standing.facts()
        if purpose == REFRESH and facts.paired:
            due_ms = facts.refresh_in_ms
            if due_ms is None or due_ms > 0:
                reason = "ahead of time, because the token was refused"
            else:
                reason = "as planned" if due_ms > -1000 else f"as was due {span(-due_ms)} ago"
            _log.debug("refreshing %s: %s", reason, words.life(facts))

    def _last_answer(self) -> str:
        age_ms = self._answer_age_ms()
        said = "" if age_ms is None else f"last answer {span(age_ms)} ago"
        trouble = self._http.trouble
        return f"{said or 'no answer yet'}, and then: {trouble}" if trouble else said

    def _answer_age_ms(self) -> float | None:
        answered_at = self._http.answered_at
        return None if answered_at is None else 1000 * (time.monotonic() - answered_at)


def _seconds(duration_ms: float | None) -> int | None:
    return None if duration_ms is None else round(duration_ms / 1000)
