"""Shows what a board says until it is paired."""

import codecs
import re
from collections.abc import Iterable
from typing import TextIO

from ...core.errors import ConfigError

# The lines of firmware/main.py's events and of its console display; a paired board refreshes and connects.
_PAIRED = re.compile(r"(paired\b|Paired\b|Running\b|refreshed\b|mqtt_connected\b)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PROMPT = ">>> "


def watch(said: Iterable[bytes], stream: TextIO) -> None:
    """Write what `said` gives to `stream` until it tells of a pairing.

    Raises ConfigError when the board's program ends instead: its prompt would wait for ever.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    line = ""
    for data in said:
        text = decoder.decode(data)
        if not text:
            continue
        _write(stream, text)
        *whole, line = (line + text).split("\n")
        if any(_PAIRED.match(_ESCAPES.sub("", part)) for part in whole):
            return
        if line == _PROMPT:
            _write(stream, "\n")
            raise ConfigError(
                "the firmware has ended on the board",
                "What it printed says why; correct that, then flash again.",
            )
        line = line[-4096:]


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text.replace("\r\n", "\n"))
        stream.flush()
    except (OSError, ValueError):
        # Nobody reads any more; whether the board pairs is still worth waiting for.
        pass
