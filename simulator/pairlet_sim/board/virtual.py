"""A virtual board for code that is not asynchronous: tests, scripts, the Python prompt.

    with VirtualBoard(Settings(flash=Path("flash.bin"))) as board:
        board.wait_for_console(">>> ")
        board.press(15)
        open("screen.png", "wb").write(board.screenshot())

Everything a `Board` can do is here by the same name; it happens in a thread of its own, in order.
"""

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from .board import Board
from .settings import BoardError, Settings

_PATIENCE_S = 60.0
_Result = TypeVar("_Result")


class VirtualBoard:
    """See the module. Give it either settings or their fields by name."""

    def __init__(self, settings: Settings | None = None, **fields: Any):
        self.settings = settings or Settings(**fields)
        self._ready: Future[Board] = Future()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="virtual board", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.board = self._ready.result(_PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with Board(self.settings) as board:
                self._ready.set_result(board)
                await self._stop.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def call(self, function: Callable[..., _Result], *arguments: Any, **options: Any) -> _Result:
        """Run `function` in the board's thread; its result or exception."""

        async def called() -> _Result:
            return function(*arguments, **options)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(_PATIENCE_S)

    def until(self, condition: Callable[[], Any], timeout: float = _PATIENCE_S) -> Any:
        """The first true value of `condition()`, asked in the board's thread.

        Raises TimeoutError after `timeout` seconds, BoardError if the board has died.
        """
        waiting = asyncio.run_coroutine_threadsafe(self.board.until(condition, timeout), self._loop)
        return waiting.result(timeout + _PATIENCE_S)

    # ---- the serial port ---------------------------------------------------------------------

    @property
    def serial_path(self) -> str:
        """What programs open as the board's serial port."""
        return self.board.serial_path

    @property
    def console(self) -> str:
        """All that the board has said."""
        return self.call(lambda: self.board.console.text)

    def mark(self) -> int:
        """A place in the console, for `since`."""
        return self.call(lambda: self.board.console.mark)

    def since(self, mark: int) -> str:
        """What the board has said after `mark`."""
        return self.call(self.board.console.since, mark)

    def wait_for_console(self, text: str, *, since: int = 0, timeout: float = _PATIENCE_S) -> str:
        """What was said after `since`, as soon as `text` is in it; AssertionError with it all otherwise."""
        console = self.board.console
        try:
            self.until(lambda: text in console.since(since), timeout)
        except TimeoutError:
            raise AssertionError(f"{text!r} never came; the board said:\n{self.since(since)}") from None
        return self.since(since)

    def wait_for_line(
        self, pattern: str, *, since: int = 0, timeout: float = _PATIENCE_S
    ) -> "re.Match[str]":
        """The match of `pattern` in the first whole line said after `since` that has one.

        A line counts once its end has come: half a line would give half of what is looked for.
        Raises AssertionError with all that was said otherwise.
        """
        console, wanted = self.board.console, re.compile(pattern)

        def look() -> "re.Match[str] | None":
            whole, _, _ = console.since(since).rpartition("\n")
            matches = (wanted.search(line) for line in whole.split("\n"))
            return next((match for match in matches if match is not None), None)

        try:
            match: re.Match[str] = self.until(look, timeout)
        except TimeoutError:
            raise AssertionError(f"{pattern!r} never came; the board said:\n{self.since(since)}") from None
        return match

    def type(self, keys: str | bytes) -> None:
        """Type at the serial port; Ctrl-C is "\\x03"."""
        data = keys.encode() if isinstance(keys, str) else keys
        self.call(self.board.type, data)

    def execute(self, source: str, timeout: float = _PATIENCE_S) -> str:
        """Run `source` at the raw prompt, after stopping what runs; what it printed.

        Raises BoardError with the traceback if it fails, AssertionError if there is no answer in time.
        """
        mark = self.mark()
        self.type("\r\x03\x01")
        self.wait_for_console("raw REPL; CTRL-B to exit\n>", since=mark, timeout=timeout)
        mark = self.mark()
        self.type(source + "\x04")
        console = self.board.console
        try:
            self.until(lambda: console.since(mark).count("\x04") >= 2, timeout)
        except TimeoutError:
            raise AssertionError(f"no end of it; the board said:\n{self.since(mark)}") from None
        output, error, _ = self.since(mark).removeprefix("OK").split("\x04", 2)
        self.type("\x02")
        if error:
            raise BoardError(error.strip())
        return output

    # ---- power -------------------------------------------------------------------------------

    def wait_for_boot(self, boots: int = 1, timeout: float = _PATIENCE_S) -> None:
        """Until the board has started for the `boots`th time and its program, or prompt, runs."""
        self.until(lambda: self.board.boots >= boots and self.board.booted, timeout)

    @property
    def boots(self) -> int:
        """How often the board has started, soft resets included."""
        return self.board.boots

    def reset(self, kind: str = "hard") -> None:
        """Start anew, "soft", "hard" or "power"; returns when the board runs again."""
        boots = self.boots
        self.call(self.board.reset, kind)
        self.wait_for_boot(boots + 1)

    def power_cut(self) -> None:
        """Take the power away between two instructions."""
        self.call(self.board.power_cut)

    def power_on(self) -> None:
        """Give it back; returns when the board runs."""
        boots = self.boots
        self.call(self.board.power_on)
        self.wait_for_boot(boots + 1)

    def skip_idle(self, on: bool) -> None:
        """Go on skipping idle time, or for now not; for boards that were made with it."""
        self.call(self.board.skip_idle, on)

    @property
    def skipped_ms(self) -> int:
        """Milliseconds of idle time that were skipped so far."""
        return self.board.world.registers.skipped_ms()

    # ---- the world ---------------------------------------------------------------------------

    def press(self, pin: int) -> None:
        """Press the button between a pin and ground."""
        self.call(self.board.world.press, pin)

    def release(self, pin: int) -> None:
        """Let the button go."""
        self.call(self.board.world.release, pin)

    def set_pin(self, pin: int, level: int | None) -> None:
        """Connect a pin to 0 or 1, or to nothing."""
        self.call(self.board.world.set_pin, pin, level)

    def set_temperature(self, degrees: float) -> None:
        """The chip's temperature in degrees Celsius."""
        self.call(self.board.world.set_temperature, degrees)

    def set_adc(self, pin: int, part: float) -> None:
        """The voltage at an analogue pin, as a part of its range."""
        self.call(self.board.world.set_adc, pin, part)

    def wifi_on(self) -> None:
        """The access point is there."""
        self.call(self.board.world.wifi_on)

    def wifi_off(self, *, reset: bool = False) -> None:
        """The access point is gone: connections fall silent, or with `reset` break."""
        self.call(self.board.world.wifi_off, reset=reset)

    def set_rssi(self, dbm: int) -> None:
        """How strong the access point is."""
        self.call(self.board.world.set_rssi, dbm)

    def set_time_server(self, unix_time: float | None) -> None:
        """What the time server says from now on; None: it is silent."""
        self.call(self.board.world.set_time_server, unix_time)

    # ---- what can be seen --------------------------------------------------------------------

    def pixels(self) -> list[bytes]:
        """The display, a bytes object a line, 1 for a pixel that is lit."""
        return self.call(lambda: self.board.look().pixels())

    def screenshot(self, scale: int = 4) -> bytes:
        """The display as a PNG file."""
        return self.call(lambda: self.board.look().screenshot(scale))

    def screen_text(self) -> str:
        """The display in half blocks."""
        return self.call(lambda: self.board.look().screen_text())

    def output(self, pin: int) -> int | None:
        """What the board drives a pin to; None if it has not yet."""
        return self.call(lambda: self.board.look().outputs.get(pin))

    def state(self) -> dict[str, Any]:
        """See `Board.state`."""
        return self.call(self.board.state)
