"""A virtual board: an interpreter and the world around it, in the running event loop.

    async with Board(Settings(flash=Path("flash.bin"))) as board:
        print(board.serial_path)
        board.world.press(15)

`virtual.VirtualBoard` is the same for code that is not asynchronous.
"""

import asyncio
import contextlib
import os
import struct
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .air import SEEN_AFTER_TURNS
from .device import _idle_layout as idle_layout
from .device import _layout as layout
from .flash import open_flash, opened
from .interpreter import Interpreter
from .registers import celsius
from .serial_port import Console, SerialPort
from .settings import BoardError, Settings, find_micropython
from .watchdog import Watchdog
from .world import World

_CRASHES = 5  # so many starts that end by themselves at once, and the board is given up
_AT_ONCE_S = 2.0
RESETS = {"soft": layout.SOFT_RESET, "hard": layout.HARD_RESET, "power": layout.POWER_ON}


class Board:
    """See the module. Enter it to give it power; leaving takes the power away and keeps the flash file.

    `changed` is called, without arguments, whenever display, pins or network may look different.
    """

    def __init__(self, settings: Settings | None = None, *, changed: Callable[[], None] = lambda: None):
        self.settings = settings or Settings()
        self.changed = changed
        self.boots = 0
        self.reset_cause = 0
        self.trouble: BoardError | None = None
        if sys.platform != "linux":
            raise BoardError("A virtual board needs Linux.", missing=True)
        self._binary = find_micropython(self.settings.micropython)
        self._watched: set[int] = set()
        self._booted = False
        self._early = b""
        self._lookups: set[asyncio.Task[None]] = set()
        self._skips = self.settings.skip_idle
        self._life: asyncio.Task[None] | None = None
        self._next_reset: tuple[int, float] | None = None
        self._powered = asyncio.Event()
        self._woken = asyncio.Event()
        self._something = asyncio.Event()

    # ---- power -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._stack = contextlib.AsyncExitStack()
        try:
            self._plug_in()
        except BaseException:
            await self._stack.aclose()
            raise
        self.interpreter.listen()
        self.serial.start()
        self._stack.push_async_callback(self._end_life)
        self._powered.set()
        self._life = asyncio.create_task(self._live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _plug_in(self) -> None:
        settings, stack = self.settings, self._stack
        flash = open_flash(settings.flash, settings.size)
        stack.callback(os.close, flash)
        trace = -1
        if settings.trace is not None:
            trace = opened(settings.trace, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            stack.callback(os.close, trace)
        self.world = World(settings, changed=self._world_changed, edge=self._edge)
        stack.push_async_callback(self.world.close)
        self._watchdog = Watchdog(
            self.world.registers.skipped_ms,
            listen=lambda: self.interpreter.drain(),
            starved=lambda: self._kill(layout.WATCHDOG),
        )
        self.console = Console()
        self.interpreter = Interpreter(
            settings, self._binary, self.world.registers, flash, trace, self._said, self._told
        )
        stack.callback(self.interpreter.close)
        self.serial = SerialPort(self.type, settings.link)
        stack.push_async_callback(self.serial.close)

    async def _end_life(self) -> None:
        assert self._life is not None
        for task in (self._life, *self._lookups):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, BoardError):
            await self._life
        self._watchdog.stop()

    async def _live(self) -> None:
        """Start the interpreter again and again, each time for the reason that ended it."""
        cause, crashes = layout.POWER_ON, 0
        try:
            while True:
                await self._powered.wait()
                # Also what came after the end of the last run: then that is what ended the board's rest.
                cause = self._next_reset[0] if self._next_reset else cause
                began = time.monotonic()
                self._boot(cause)
                exit_code = await asyncio.get_running_loop().run_in_executor(None, self._process.wait)
                self.interpreter.drain()
                cause, pause = self._next_reset or (0, 0.0)
                if not cause:
                    cause = layout.HARD_RESET
                    crashes = crashes + 1 if time.monotonic() - began < _AT_ONCE_S else 0
                    self._said(b"\nthe interpreter ended by itself (%d); the board resets\n" % exit_code)
                    if crashes >= _CRASHES:
                        raise BoardError("The interpreter ends again and again; its last words are above.")
                if self._skips:
                    self.world.registers.skip(round(pause * 1000))
                else:
                    await self._sleep(pause)
        except BoardError as error:
            self.trouble = error
            self._note()

    async def _sleep(self, seconds: float) -> None:
        """Let the board sleep until somebody resets it or takes its power away."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    def _boot(self, cause: int) -> None:
        """Bring the world into the state that a start for this reason finds, and start."""
        kind, world, registers = self.settings.kind, self.world, self.world.registers
        self._next_reset = None
        self._booted = False
        self._watched.clear()
        registers.set_byte(layout.INTERRUPT, layout.NO_INTERRUPT)
        if cause != layout.SOFT_RESET or kind.tells_soft_reset:
            registers.set_byte(layout.RESET_CAUSE, cause)
        self.reset_cause = cause
        if cause != layout.SOFT_RESET:
            registers.set_byte(layout.RAW_MODE, 0)
            self._watchdog.stop()
            self.interpreter.forget_input()
            world.wifi.power_off()
            world.outputs.clear()
        world.relay.cut()
        if cause == layout.POWER_ON and world.display:
            world.display.reset()
        if cause == layout.POWER_ON or (cause != layout.SOFT_RESET and not kind.keeps_clock):
            registers.set_clock(kind.start)
        self._process = self.interpreter.start()
        self.boots += 1
        self._note()

    def reset(self, kind: str = "hard") -> None:
        """Start anew; `kind`: "soft" the interpreter, "hard" the chip, "power" off and on."""
        if kind not in RESETS:
            raise BoardError(f"There is no reset called {kind!r}; there are {', '.join(RESETS)}.")
        self._kill(RESETS[kind])

    def power_cut(self) -> None:
        """Take the power away between two instructions; `power_on` gives it back."""
        self._powered.clear()
        self._kill(layout.POWER_ON)
        self.world.wifi.power_off()
        self.world.relay.cut()
        self._watchdog.stop()
        if self.world.display:
            self.world.display.reset()
        self._world_changed()

    def power_on(self) -> None:
        """Give the power back."""
        self._powered.set()

    def skip_idle(self, on: bool) -> None:
        """Go on skipping idle time, or for now not. BoardError for a board that was not made for it."""
        if not self.settings.skip_idle:
            raise BoardError("This board was not started with skip_idle (--skip-idle).")
        self._skips = on

    @property
    def powered(self) -> bool:
        """Whether the board has power."""
        return self._powered.is_set()

    @property
    def booted(self) -> bool:
        """Whether the flash is mounted and the program, or the prompt, runs."""
        return self._booted and self.interpreter.running

    def _kill(self, cause: int, pause: float = 0.0) -> None:
        self._next_reset = (cause, pause)
        self._woken.set()
        self._booted = False
        if cause != layout.SOFT_RESET:
            self._early = b""
        self.interpreter.kill()

    def type(self, data: bytes) -> None:
        """Keys at the serial port. A board that is starting gets them when it listens."""
        if self._booted:
            self.interpreter.type(data)
        elif self.powered:
            self._early += data

    # ---- what the board says and asks --------------------------------------------------------

    def _said(self, data: bytes) -> None:
        data = data.replace(b"\n", b"\r\n")
        self.console.add(data)
        self.serial.send(data)
        self._note()

    def _told(self, message: bytes) -> None:
        """A message of the board, see device/_layout.py."""
        kind, rest = message[:1], message[1:]
        tell = self._TELLS.get(kind)
        if tell is not None:
            tell(self, rest)
        elif kind == layout.RESOLVE:
            self._resolve(rest)
        elif kind == idle_layout.SKIP:
            number, milliseconds = struct.unpack("<BI", rest)
            self._answer_skip(number, milliseconds, SEEN_AFTER_TURNS)
            return
        elif kind in self._ANSWERS:
            self.interpreter.answer(rest[0], self._ANSWERS[kind](self, rest[1:]) or b"")
        elif kind == layout.RESET:
            cause, sleep_ms = struct.unpack_from("<BI", rest, 1)
            self._kill(cause, sleep_ms / 1000)
        self._note()

    def _resolve(self, rest: bytes) -> None:
        number, udp, port = struct.unpack_from("<BBH", rest)
        host = rest[4:].decode("utf-8", "replace")

        async def look_up() -> None:
            self.interpreter.answer(number, await self.world.relay.resolve(host, port, bool(udp)))

        task = asyncio.create_task(look_up())
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)

    def _answer_skip(self, number: int, milliseconds: int, turns: int) -> None:
        """How much of the time that the board wants to skip it may; told so many turns of the loop later."""
        if turns:
            asyncio.get_running_loop().call_soon(self._answer_skip, number, milliseconds, turns - 1)
            return
        if not self.interpreter.running:
            return  # the next one must not take it for an answer to its own question
        may = 0
        if self._skips and self.world.is_quiet():
            may = self._watchdog.part_of(milliseconds)
        self.interpreter.answer(number, struct.pack(idle_layout.ANSWER, may, self.world.relay.has_news()))

    def _tell_booted(self, rest: bytes) -> None:
        self._booted = True
        early, self._early = self._early, b""
        self.interpreter.type(early)

    def _tell_watch(self, rest: bytes) -> None:
        self._watched.add(rest[0])

    def _answer_join(self, rest: bytes) -> None:
        size = rest[0]
        ssid, key = rest[1 : 1 + size], rest[1 + size :]
        self.world.wifi.join(ssid.decode("utf-8", "replace"), key.decode("utf-8", "replace"))

    def _answer_raw(self, rest: bytes) -> None:
        self.console.add(rest)
        self.serial.send(rest)

    _TELLS: dict[bytes, Callable[["Board", bytes], None]] = {
        layout.BOOTED: _tell_booted,
        layout.I2C_WRITE: lambda self, rest: self.world.i2c_write(rest[0], rest[1:]),
        layout.PIN_OUT: lambda self, rest: self.world.driven(rest[0], rest[1]),
        layout.PIN_WATCH: _tell_watch,
        layout.WATCHDOG_FEED: lambda self, rest: self._watchdog.feed(),
    }
    _ANSWERS: dict[bytes, Callable[["Board", bytes], bytes | None]] = {
        layout.I2C_READ: lambda self, rest: self.world.i2c_read(rest[0], rest[1]),
        layout.WATCHDOG_START: lambda self, rest: self._watchdog.start(struct.unpack("<I", rest)[0]),
        layout.WIFI_ACTIVE: lambda self, rest: self.world.wifi.set_active(bool(rest[0])),
        layout.WIFI_JOIN: _answer_join,
        layout.WIFI_LEAVE: lambda self, rest: self.world.wifi.leave(),
        layout.WIFI_SCAN: lambda self, rest: self.world.wifi.scanned(rest[0]),
        layout.RAW_OUTPUT: _answer_raw,
    }

    def _world_changed(self) -> None:
        self._note()
        self.changed()

    def _edge(self, pin: int, old: int, new: int) -> None:
        if pin in self._watched:
            self.interpreter.happen(pin, old, new)

    # ---- what can be seen --------------------------------------------------------------------

    @property
    def serial_path(self) -> str:
        """What programs open as the board's serial port."""
        return self.serial.path

    def look(self) -> World:
        """The world, after everything that the board has sent to it so far."""
        self.interpreter.drain()
        return self.world

    def state(self) -> dict[str, Any]:
        """What a person or a script may want to know, ready for JSON."""
        world = self.look()
        return {
            "serial": self.serial_path,
            "powered": self.powered,
            "booted": self.booted,
            "boots": self.boots,
            "watchdog": self._watchdog.runs,
            "wifi": world.wifi.up,
            "access_point": world.wifi.on,
            "clock": round(world.registers.clock()),
            "skipped": world.registers.skipped_ms() // 1000,
            "temperature": round(celsius(world.registers.adc(layout.TEMPERATURE_CHANNEL)), 1),
            "outputs": {str(pin): level for pin, level in sorted(world.outputs.items())},
            "display": world.display is not None and world.display.on,
        }

    async def until(self, condition: Callable[[], Any], timeout: float = 60.0) -> Any:
        """The first true value of `condition()`, asked whenever the board has said or done something.

        Raises BoardError when the board has died, TimeoutError after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not (value := condition()):
                if self.trouble is not None:
                    raise self.trouble
                self._something.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):  # wait_for may lose a cancellation before Python 3.12
                        await self._something.wait()
        return value

    def _note(self) -> None:
        self._something.set()
