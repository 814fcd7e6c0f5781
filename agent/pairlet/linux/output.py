"""What the commands print: events as JSON lines, sentences for people."""

import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from typing import TextIO

from ..core.errors import PairletError
from ..core.text import is_clean

# What the agent tells for its log alone; the others are a contract with whoever reads --json.
_FOR_LOGS = ("waiting", "announced")


class Output:
    """Writes to stdout and stderr until nobody reads any more; then it falls silent and the work goes on."""

    def __init__(self, as_json: bool, stdout: TextIO, stderr: TextIO):
        self.as_json = as_json
        self._stdout: TextIO | None = stdout
        self._stderr: TextIO | None = stderr
        self.last_event = ""

    @property
    def is_read(self) -> bool:
        """Whether everything so far has reached stdout."""
        return self._stdout is not None

    @property
    def people(self) -> TextIO:
        """Where the display draws: stdout, or stderr when stdout carries JSON."""
        stream = self._stderr if self.as_json else self._stdout
        return stream or sys.__stderr__ or sys.stderr

    def event(self, event: str, **fields: object) -> None:
        """Print an event as one JSON line (RFC 8259) with the time (RFC 3339); nothing without --json."""
        if event in _FOR_LOGS:
            return
        self.last_event = event
        if self.as_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self.line(json.dumps({"event": event, "at": at, **fields}))

    def event_in_words(self, event: str, **fields: object) -> None:
        """As event(), and an error also as a sentence: for commands that have no display to say it."""
        self.event(event, **fields)
        if event == "error":
            self.say(f"pairlet: {fields.get('error_description') or fields.get('error')}")

    def line(self, text: str) -> None:
        """Print a line on stdout."""
        if self._stdout is not None and not _write(self._stdout, text):
            self._stdout = None

    def say(self, text: str) -> None:
        """Print a line for people on stderr. What a file says in it can't steer their terminal."""
        if self._stderr is not None and not _write(self._stderr, _shown(text)):
            self._stderr = None

    def error(self, error: PairletError) -> None:
        """Say what happened and what to do."""
        self.say(f"pairlet: {error}")
        self.say(error.advice)


def _shown(text: str) -> str:
    if is_clean(text):
        return text
    pieces = [
        each if is_clean(each) or each == "\n" else each.encode("unicode_escape").decode() for each in text
    ]
    return "".join(pieces)


def _write(stream: TextIO, text: str) -> bool:
    """Write a line; False when the reader has gone, or the stream is closed."""
    try:
        # A lone surrogate (from a file name, say) must not turn a message into a traceback.
        stream.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
        stream.flush()
        return True
    except (OSError, ValueError):
        _silence(stream)
        return False


def _silence(stream: TextIO) -> None:
    """Point the descriptor to nowhere, or Python complains once more when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
