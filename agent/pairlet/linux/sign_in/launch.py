"""Starting a browser: the desktop's, or a kiosk's own command."""

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

# What opens an address on a desktop; no browser for text, which would take over the terminal.
_OPENERS = (["xdg-open"], ["gio", "open"], ["x-www-browser"], ["sensible-browser"])
_PLACE = "{uri}"


def desktop_command(environ: Mapping[str, str]) -> list[str] | None:
    """What opens an address in this person's browser, or None without a desktop."""
    if not environ.get("DISPLAY") and not environ.get("WAYLAND_DISPLAY"):
        return None
    return next((words for words in _OPENERS if shutil.which(words[0], path=environ.get("PATH"))), None)


def with_address(command: Sequence[str], address: str) -> list[str]:
    """`command` with `address` in the place of {uri}, at its end if there is none."""
    if any(_PLACE in word for word in command):
        return [word.replace(_PLACE, address) for word in command]
    return [*command, address]


class Launched:
    """A browser's process. Raises OSError when it can't be started."""

    def __init__(self, words: list[str]):
        quiet = subprocess.DEVNULL
        # In a session of its own: Ctrl-C at our terminal is for us, who end it in good order.
        try:
            self._process = subprocess.Popen(
                words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, close_fds=True
            )
        except ValueError:  # a NUL, which no word of a command line can hold
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None

    def end(self) -> None:
        """Ask it and what it has started to end, if it still runs. Never raises."""
        if self._process.poll() is None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def reap(self) -> None:
        """Let no zombie behind; one that still runs goes on without us. Never raises."""
        if self._process.poll() is None:
            # Or Popen would warn of it when it is collected.
            self._process.returncode = 0
