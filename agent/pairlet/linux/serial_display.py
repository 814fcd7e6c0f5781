"""The display on a serial port: a terminal, a terminal program or a line printer at the other end."""

import contextlib
import errno
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..core.screen import Screen
from .drawing.lines import PlainLines
from .drawing.look import Look
from .drawing.outlet import DescriptorOutlet
from .drawing.stage import RESTORE, Stage

if TYPE_CHECKING:
    import serial

_TROUBLE = {
    errno.ENOENT: "there is no such port",
    errno.ENXIO: "there is no device at the port",
    errno.ENODEV: "there is no device at the port",
    errno.EACCES: "this user may not open it",
    errno.EPERM: "this user may not open it",
    errno.EBUSY: "another program uses it",
    errno.EAGAIN: "another program uses it",
}


class SerialDisplay:
    """The port Display over a serial line.

    With `ansi` it draws the same pictures as on a terminal, `columns` by `rows`, in UTF-8; without, it
    writes plain ASCII lines. A port that is missing, busy or no serial port raises ConfigError at once.
    One that goes away later is remembered and tried anew at every show; the agent goes on meanwhile.
    """

    def __init__(
        self,
        port: str,
        baudrate: int = 115200,
        *,
        columns: int = 80,
        rows: int = 24,
        ansi: bool = True,
        look: Look | None = None,
    ):
        self._port = port
        self._baudrate = baudrate
        self._columns = columns
        self._rows = rows
        self._ansi = ansi
        self._look = look or Look()
        self._closed = False
        self.trouble: ConfigError | None = None  # why the port can't be used just now
        self._start(self._open())

    def _start(self, line: "serial.Serial") -> None:
        self._line: serial.Serial | None = line
        self._outlet = DescriptorOutlet(line.fileno(), "utf-8" if self._ansi else "ascii")
        # What the other end shows is unknown after a break; so is whether it is the same terminal.
        self._stage = Stage(self._look)
        self._lines = PlainLines()
        self.trouble = None

    def _open(self) -> "serial.Serial":
        import serial  # not at the top: most devices have no serial display

        try:
            return serial.Serial(
                self._port,
                self._baudrate,
                timeout=0,
                write_timeout=0,
                exclusive=True,  # two programs that draw on one line make neither readable
            )
        except OSError as error:  # SerialException is one
            reason = _TROUBLE.get(error.errno or 0, "it can't be used as a serial port")
        except (ValueError, OverflowError):
            reason = "its name or its baud rate is not valid"
        raise ConfigError(
            "serial display %r: %s" % (self._port, reason),
            "Check display.port and display.baudrate, and that nothing else uses the port.",
        )

    def show(self, screen: Screen) -> None:
        """Draw `screen`, or skip it while the line is slow or away. Raises nothing."""
        if self._closed or not self._line_is_there() or not self._outlet.ready():
            return
        if self._ansi:
            text = self._stage.text_for(screen, self._columns, self._rows)
            if text and not self._outlet.write(text):
                self._stage.repaint()
        else:
            self._outlet.write(self._lines.text_for(screen, "\r\n"))

    def close(self) -> None:
        """Restore the terminal at the other end, if it still listens, and give the port back."""
        if self._closed:
            return
        self._closed = True
        if self._line is not None:
            if self._ansi:
                self._outlet.write(RESTORE)
            self._outlet.close()
            self._hang_up()

    def _line_is_there(self) -> bool:
        """Whether the port is open, after an attempt to reopen one that went away."""
        if self._line is not None:
            self._outlet.ready()  # notices that the port has gone
            if not self._outlet.gone:
                return True
            self._hang_up()
        try:
            self._start(self._open())
        except ConfigError as error:
            self.trouble = error
            return False
        return True

    def _hang_up(self) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.close()
            self._line = None
