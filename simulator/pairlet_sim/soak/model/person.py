"""The person in front of the device: reads the screen, goes to the page, decides, or does not."""

from collections.abc import Callable
from random import Random

from .authorization_server import AuthorizationServer
from .grants import Note

_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
_APPROVES, _DENIES = 0.8, 0.07  # otherwise nobody looks

Later = Callable[..., None]


class Person:
    """Knows only what the screen shows. `later(delay_ms, callback, *arguments)` is their sense of time.

    `press()`: presses the device's button.
    """

    def __init__(
        self, server: AuthorizationServer, now: Callable[[], int], later: Later, press: Callable[[], None],
        chance: Random, note: Note,
    ):  # fmt: skip
        self._server = server
        self._now = now
        self._later = later
        self._press = press
        self._chance = chance
        self._note = note
        self._seen = ""
        self._called = False

    def see_code(self, user_code: str) -> None:
        """There is a code on the screen."""
        if user_code == self._seen:
            return
        self._seen = user_code
        fate = self._chance.random()
        if fate < _APPROVES:
            self._later(self._delay(10_000, 10 * _MINUTE_MS), self._decide, user_code, "approve")
        elif fate < _APPROVES + _DENIES:
            self._later(self._delay(10_000, 5 * _MINUTE_MS), self._decide, user_code, "deny")
        else:
            self._note("does not look at the screen")

    def see_that_a_button_is_wanted(self) -> None:
        """The screen says: press the button. Somebody comes by in the end."""
        if not self._called:
            self._called = True
            self._later(self._delay(2 * _MINUTE_MS, 3 * _HOUR_MS), self._push)

    def _push(self) -> None:
        self._called = False
        self._note("presses the button")
        self._press()

    def _decide(self, user_code: str, decision: str) -> None:
        good = self._server.decide(user_code, decision, self._now())
        self._note(
            "types %s to %s it%s", user_code, decision, "" if good else ", but the page does not know it"
        )

    def _delay(self, least: int, most: int) -> int:
        """Between both, small ones as likely as large ones."""
        return int(least * (most / least) ** self._chance.random())
