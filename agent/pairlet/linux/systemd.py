"""What systemd is told of a service of Type=notify (sd_notify(3)): ready, status, still at work, stopping."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, MutableMapping

_log = logging.getLogger("pairlet.systemd")

# How long the agent stands still for a systemd that is too busy to take a message.
_PATIENCE_S = 0.05
# READY=1 is said so often, at such intervals, before the agent believes that nobody listens.
_TRIES, _AGAIN_S = 12, 5.0


class Notifier:
    """Sends datagrams to NOTIFY_SOCKET; whatever goes wrong there is not the agent's affair.

    The variables are taken out of `environ`, so that no child speaks in our name. `watchdog_s`: how
    often systemd wants to hear that all is well, 0 if it does not.
    """

    def __init__(self, environ: MutableMapping[str, str]):
        self._address = environ.pop("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))

    @property
    def is_wanted(self) -> bool:
        """Whether somebody listens: a path, or a name in the abstract namespace."""
        return self._address.startswith(("/", "@")) and len(self._address) > 1

    def tell(self, *assignments: str) -> bool:
        """Send `assignments` (such as "READY=1") in one datagram; whether it was taken. Raises nothing."""
        if not self.is_wanted:
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(line.replace("\n", " ") for line in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.settimeout(_PATIENCE_S)
                sending.sendto(message.encode("utf-8", "replace"), address)
        except OSError as error:
            _log.debug("systemd could not be told: %s", error.strerror or type(error).__name__)
            return False
        return True


def _watchdog_s(microseconds: str, pid: str) -> float:
    """The watchdog's time-out if it is meant for this process (sd_watchdog_enabled(3)), else 0."""
    if not microseconds.isascii() or not microseconds.isdigit() or len(microseconds) > 18:
        return 0
    if pid and pid != str(os.getpid()):
        return 0
    return int(microseconds) / 1_000_000


class Supervised:
    """Keeps systemd informed: at once when the state changes, and as often as its watchdog wants.

    `look()` says how the agent stands: one line, and whether all of its tasks get on. The watchdog is
    fed for as long as they do; it starves with the event loop as well, since that is what feeds it.
    """

    # Without a watchdog the line would say times that have passed long ago.
    _EVERY_S = 600.0

    def __init__(self, notifier: Notifier, look: Callable[[], tuple[str, bool]]):
        self._notifier = notifier
        self._look = look
        self._timer: asyncio.TimerHandle | None = None
        self._said = ""
        self._was_well = True
        self._tries = 0
        # Half of the time-out, as sd_watchdog_enabled(3) advises.
        self._every_s = notifier.watchdog_s / 2 or self._EVERY_S

    def start(self) -> None:
        """The agent is at work, as soon as the event loop gets there.

        Ready does not wait for a pairing: a device that shows a code, or waits for a person to come and
        pair it, does all that it is there for. systemd would end one that is not ready in 90 s.
        """
        self._timer = asyncio.get_running_loop().call_later(0, self._begin)

    def changed(self, event: str) -> None:
        """Something has happened: say so if the line is another one now."""
        if self._timer is not None and self._said and event != "published":
            self._tell()

    def stop(self) -> None:
        """The agent comes to its end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._notifier.tell("STOPPING=1", "STATUS=stopping")

    def _begin(self) -> None:
        self._tries += 1
        if self._tell("READY=1") or self._tries >= _TRIES:
            self._again()
            return
        # Without this one the service would be ended; the next of any other says the same again.
        self._said = ""
        self._timer = asyncio.get_running_loop().call_later(_AGAIN_S, self._begin)

    def _tick(self) -> None:
        self._tell("WATCHDOG=1")
        self._again()

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._tick)

    def _tell(self, assignment: str = "") -> bool:
        line, is_well = self._look()
        if is_well != self._was_well:
            self._was_well = is_well
            _log.log(logging.INFO if is_well else logging.ERROR, "%s", line)
        lines = [assignment] if assignment and (is_well or assignment != "WATCHDOG=1") else []
        if line != self._said:
            self._said = line
            lines.append("STATUS=" + line)
        return bool(lines) and self._notifier.tell(*lines)
