"""From a log record to one line, for people or as JSON, and onto stderr without ever holding up the agent."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from .faults import frames, said_by

if TYPE_CHECKING:
    from ..drawing.outlet import StreamOutlet

LEVELS = ("error", "warning", "info", "debug")
FORMATS = ("text", "json")

# asyncio tells of what it finds wrong with us under its own name.
_LOGGERS = ("pairlet", "asyncio")
_LONGEST = 900  # characters of one message; with what surrounds it, it still goes out in one piece


@contextmanager
def log_to(stream: TextIO | None, level: str, form: str) -> Iterator[None]:
    """In the block, what is logged from `level` (one of LEVELS) upwards is on `stream`.

    form: one of FORMATS. No stream, no log. A reader that takes nothing loses lines, and is told
    how many; the agent waits for nobody.
    """
    handler = LineHandler(stream)
    handler.setFormatter(JsonLine() if form == "json" else TextLine())
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    loggers[0].setLevel(level.upper())
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, old in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(old)
        handler.close()


class LineHandler(logging.Handler):
    """Writes lines to a stream for as long as somebody takes them."""

    def __init__(self, stream: TextIO | None):
        super().__init__()
        self._stream = stream
        self._outlet: StreamOutlet | None = None
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. Raises nothing."""
        if self._lost:
            words = f"{self._lost} lines were left out: nobody took them"
            lost = logging.LogRecord("pairlet.log", logging.WARNING, "", 0, words, None, None)
            if self._write(lost):
                self._lost = 0
        if self._lost or not self._write(record):
            self._lost += 1

    def _write(self, record: logging.LogRecord) -> bool:
        if self._stream is None:
            return False
        if self._outlet is None:
            from ..drawing.outlet import StreamOutlet  # with the first line: most commands have none

            self._outlet = StreamOutlet(self._stream)
        return self._outlet.ready() and self._outlet.write(self.format(record) + "\n")

    def close(self) -> None:
        """Give what waits a last chance, and let go of the stream, which stays open."""
        if self._outlet is not None:
            self._outlet.close()
        super().close()


class TextLine(logging.Formatter):
    """`2026-11-21T08:45:02.726+01:00 info http: ...`: local time with its offset (RFC 3339)."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record holds."""
        at = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        words, error = _message(record), _error(record)
        if error is not None:
            words += f" [{said_by(error)} at {' < '.join(frames(error))}]"
        return f"{at} {record.levelname.lower()} {_source(record)}: {words}"


class JsonLine(logging.Formatter):
    """One JSON object: at (RFC 3339), level, source, message, and what a record has as `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record holds."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "source": _source(record),
            "message": _message(record),
            **getattr(record, "fields", {}),
        }
        error = _error(record)
        if error is not None:
            line.update(error=said_by(error), frames=frames(error))
        return json.dumps(line)


def _source(record: logging.LogRecord) -> str:
    return record.name.removeprefix("pairlet.").removeprefix("linux.")


def _message(record: logging.LogRecord) -> str:
    """The words of a record, printable. Of others' records only the frame, not what they put into it.

    asyncio shows the text of exceptions, and nobody knows what that holds.
    """
    if record.name.partition(".")[0] == "pairlet":
        text = record.getMessage()
    else:
        text = str(record.msg).replace("%s", "...").replace("%r", "...")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:_LONGEST])


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None
