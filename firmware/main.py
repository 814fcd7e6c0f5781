"""The firmware: joins the agent with this board's edges, from config.json. See README.md for its keys."""

import asyncio
import gc
import json
import time

import machine
import network
from pairlet.agent import Agent, Ports
from pairlet.core.client import Client
from pairlet.core.errors import EXIT_RESTART, ConfigError, PairletError
from pairlet.core.screen import STARTING, TROUBLE, Screen
from pairlet.core.secret import Secret
from pairlet.core.wall import UNSET
from pairlet.drive import Patience, first_of
from pairlet.settings import Settings
from pairlet_board.button import BoardButton
from pairlet_board.clock import BoardClock
from pairlet_board.entropy import BoardEntropy
from pairlet_board.memory import unload
from pairlet_board.on_demand import (
    TO_FIND,
    TO_PAIR,
    Http,
    Logs,
    Mqtt,
    Sensors,
    module,
)
from pairlet_board.store import BoardStore
from pairlet_board.watchdog import Watchdog
from pairlet_board.wifi import Wifi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pairlet.ports import Display

    Table = dict[str, Any]

_CONFIG = "config.json"
_BOARD = ["display", "width", "height", "i2c", "sda", "scl", "address", "button", "watchdog", "inputs", "ntp"]
_WIFI = ["ssid", "key", "hostname", "country"]
_RESTART_MS = 60000
# What may wait for the broker on the flash unless told otherwise: about 900 samples.
_BUFFER_BYTES = 131072
# Longer than a TLS handshake on a Pico W may hold the loop; the chip's own limit is 8.4 s there.
_WATCHDOG_MS = 8000
_PROGRESS_MS = 300000
# Garbage is collected whenever a twentieth of the heap was given out, not when it is full: what stays then
# lies side by side, and leaves room in large pieces.
_COLLECT_PART = 20


def read_config() -> "tuple[Table, Table, Table]":
    """(the agent's tables, table wifi, table board) from config.json. Raises ConfigError."""
    try:
        with open(_CONFIG) as file:
            tables = json.load(file)
    except OSError:
        raise ConfigError("there is no config.json", "Copy config.example.json and fill it in.") from None
    except ValueError:
        raise ConfigError("config.json is not JSON", "Look for a missing comma, quote or brace.") from None
    if not isinstance(tables, dict):
        raise ConfigError("config.json is not an object", "Copy config.example.json and fill it in.")
    wifi = _own(tables.pop("wifi", {}), "wifi", _WIFI)
    board = _own(tables.pop("board", {}), "board", _BOARD)
    if not isinstance(wifi.get("ssid"), str):
        raise ConfigError("config.json names no wifi.ssid", "Give the network's name and key.")
    return tables, wifi, board


def check(tables: "Table") -> Settings:
    """The agent's settings. Raises ConfigError. How they were checked is forgotten again."""
    from pairlet.config import Config

    telemetry = tables.setdefault("telemetry", {})
    if isinstance(telemetry, dict):
        telemetry.setdefault("buffer_bytes", _BUFFER_BYTES)
    commands = tables.setdefault("commands", {})
    if isinstance(commands, dict):
        # What takes commands takes room; who wants them says so.
        commands.setdefault("allow", [])
    values = Config.from_tables(tables, _CONFIG).values
    settings = Settings({name: values[name] for name in values if values[name] is not None})
    if settings.text("oauth.grant") != "device_code":
        raise ConfigError(
            "a board has no browser to sign in with, and keeps no client secret",
            "Leave oauth.grant out: a board gets its token with a code that it shows.",
        )
    if settings.flag("oauth.dpop"):
        raise ConfigError("a board can't make the proofs of oauth.dpop", "Leave it out.")
    if settings.text("oauth.provider"):
        raise ConfigError(
            "a board reads no profiles of providers",
            "Give this file to pairlet flash --config: it puts what the profile says in its place.",
        )
    del values, Config
    unload(["pairlet.config"])
    return settings


def _own(table: object, name: str, known: "list[str]") -> "Table":
    if not isinstance(table, dict):
        raise ConfigError("config.json: %s is no table" % name)
    for key in table:
        if key not in known:
            raise ConfigError(
                "config.json: there is no setting %s.%s" % (name, key), "There are: " + ", ".join(known) + "."
            )
    return table


def make_display(board: "Table") -> "Display":
    """The panel that is configured, else the serial console."""
    name = board.get("display", "console")
    if name == "ssd1306":
        from pairlet_board.screens import PanelDisplay
        from pairlet_board.ssd1306 import Ssd1306

        i2c = machine.I2C(
            board.get("i2c", 0), sda=machine.Pin(board.get("sda", 4)), scl=machine.Pin(board.get("scl", 5))
        )
        panel = Ssd1306(i2c, board.get("width", 128), board.get("height", 64), board.get("address", 0x3C))
        return PanelDisplay(panel)
    if name == "terminal":
        from pairlet_board.terminal import TerminalDisplay

        return TerminalDisplay()
    if name != "console":
        raise ConfigError("config.json: board.display is '%s'" % name, "Use ssd1306, console or terminal.")
    from pairlet_board.console import ConsoleDisplay

    return ConsoleDisplay()


class Firmware:
    """Everything that runs on this board."""

    def __init__(self, display: "Display", config: Settings, wifi: "Table", board: "Table"):
        self.display = display
        self.store = BoardStore("pairlet-state")
        self.clock = clock = BoardClock(
            store=self.store, rtc=machine.RTC(), ntp=module("ntptime"), **_hosts(board)
        )
        self.entropy = BoardEntropy()
        key = wifi.get("key")
        self.wifi = Wifi(
            network,
            wifi["ssid"],
            Secret(key) if key else None,
            clock,
            wifi.get("hostname", ""),
            wifi.get("country", ""),
            self._network_changed,
        )
        self.button = BoardButton(_is_down(board.get("button")), clock)
        if board.get("button") is None:
            self.button.advice = "Restart the board for a code."
            if config.text("pairing.start") == "prompt":
                raise ConfigError(
                    "pairing.start is 'prompt' and there is no board.button",
                    "Name the button's pin, or set pairing.start to 'always'.",
                )
        wdt = machine.WDT(timeout=_WATCHDOG_MS) if board.get("watchdog") else None
        self.watchdog = Watchdog(wdt, clock, self._starving)
        self.agent = self._make_agent(config, board)

    def _make_agent(self, config: Settings, board: "Table") -> Agent:
        client_id = config.text("oauth.client_id")
        if not client_id:
            raise ConfigError("config.json names no oauth.client_id")
        from pairlet.device import identify

        device = identify(config, self.store, self.entropy, "", self._hear)
        unload(["pairlet.device"])
        http: Any = Http(self.clock, config)
        if config.get("oauth.dialect"):
            # Only where the provider has one does `pairlet flash` bring the code for it.
            try:
                from pairlet.translating import TranslatedHttp
            except ImportError:
                raise ConfigError(
                    "this board has no code for oauth.dialect", "Use pairlet flash, which brings it along."
                ) from None
            http = TranslatedHttp(http, config)
        mqtt = sensors = None
        if config.text("mqtt.url"):
            mqtt = Mqtt(self.clock, config, device.device_id)
            sensors = Sensors(
                machine, self.clock, config.texts("telemetry.sensors"), self.wifi.rssi, board.get("inputs")
            )
        ports = Ports(
            *(self.clock, http, self.display, self.store, self.entropy, sensors, self.button, mqtt),
            Logs("outbox"),
        )
        words, handlers = config.texts("commands.handlers"), None
        if words:
            from pairlet_board.handlers import Handlers

            handlers = Handlers(words, config.integer("commands.timeout"))
        return Agent(config, Client(client_id), device, ports, self._hear, handlers)

    async def run(self) -> None:
        """Link, then time, then the agent: TLS can judge no certificate before the clock is set."""
        await first_of(
            self.wifi.run(self.entropy.random_bytes(4)),
            self.clock.run(self.entropy.random_bytes(4)),
            self.button.run(),
            self.watchdog.run(),
            self._work(),
        )

    async def _work(self) -> None:
        while True:
            self.watchdog.watch("work", _PROGRESS_MS)
            await self._ready()
            self.watchdog.forget("work")
            gc.collect()
            try:
                await first_of(self.agent.run(), self.button.long_pressed())
                await self._unpair()
                # Whoever pairs next finds a heap that no pairing before has cut up.
                machine.reset()
            except PairletError as error:
                if error.exit_code == EXIT_RESTART:
                    machine.reset()
                tell(self.display, error)
                await self.clock.sleep_until(self.clock.now() + _RESTART_MS)

    async def _ready(self) -> None:
        if not self.wifi.up.is_set():
            self.display.show(Screen(STARTING, message="joining the Wi-Fi"))
            await self.wifi.up.wait()
        while self.clock.wall().state == UNSET:
            self.display.show(Screen(STARTING, message="asking for the time"))
            await self.clock.synced.wait()

    async def _unpair(self) -> None:
        # As for a refresh, there is no room for telling the server beside what publishing takes.
        self.agent.let_go()
        trouble = await self.agent.unpair(Patience(2))
        if trouble is not None:
            tell(self.display, trouble)

    def _network_changed(self, state: str) -> None:
        message, advice = self.wifi.words()
        if message:
            self.display.show(Screen(TROUBLE, message=message, advice=advice))

    def _starving(self, name: str) -> None:
        self.display.show(Screen(TROUBLE, message="no progress: " + name, advice="The board restarts."))

    def _hear(self, event: str, **fields: object) -> None:
        if event == "code":
            unload(TO_FIND)
        elif event in ("mqtt_connected", "refreshed"):
            unload(TO_PAIR)
        elif event in ("command", "announced"):
            from pairlet_board.passing import forget

            forget(event)
        elif event == "making_room":
            self.agent.ports.mqtt.let_go()
        elif event == "unpaired" and self.agent.ports.mqtt is not None:
            self.agent.ports.mqtt.was_unpaired = True
        # One line an event for whoever has the console open; the payload of none holds a secret.
        if event != "published" and self.display_is_not_the_console():
            print(event, " ".join(["%s=%s" % (name, fields[name]) for name in sorted(fields)]))

    def display_is_not_the_console(self) -> bool:
        """Whether the console is free for events."""
        return hasattr(self.display, "_panel")


def _hosts(board: "Table") -> "Table":
    hosts = board.get("ntp")
    return {"hosts": (hosts,) if isinstance(hosts, str) else tuple(hosts)} if hosts else {}


def _is_down(number: "int | None") -> "Callable[[], bool] | None":
    if number is None:
        return None
    pin = machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP)
    return lambda: not pin.value()


def tell(display: "Display", error: PairletError) -> None:
    """Show `error` and print it: what happened and what to do."""
    display.show(Screen(TROUBLE, message=str(error), advice=error.advice))
    print("pairlet:", error)
    print(error.advice)


def _forget_start() -> None:
    """Let go of what only the start takes: bytecode lives in the heap."""
    for name in ("read_config", "_own", "check", "make_display", "_hosts", "_is_down"):
        del globals()[name]
    del Firmware._make_agent
    gc.collect()


def _start_anew(error: Exception) -> None:
    """What nobody foresaw must not leave a board dead where nobody looks at it.

    No memory left, say: a heap that is cut up has none in one piece, however much is free. The agent has
    stored what waited, and the heap of the next start is whole.
    """
    try:
        # The tasks hold most of what there is.
        asyncio.new_event_loop()
        gc.collect()
        print("pairlet: a fault:", type(error).__name__, error)
        # A watchdog comes first: nobody feeds it any more, nor at the REPL.
        print("Restarts within 60 s; Ctrl-C for the REPL.")
        time.sleep(_RESTART_MS // 1000)
    except KeyboardInterrupt:
        return
    except MemoryError:
        pass  # not even for a sentence: at once, then
    machine.reset()


def main() -> None:
    """Run until Ctrl-C; a setting that can't be used ends it with words, and the REPL is there."""
    gc.threshold((gc.mem_alloc() + gc.mem_free()) // _COLLECT_PART)
    display = None
    try:
        tables, wifi, board = read_config()
        display = make_display(board)
        firmware = Firmware(display, check(tables), wifi, board)
    except PairletError as error:
        if display is None:
            from pairlet_board.console import ConsoleDisplay

            display = ConsoleDisplay()
        tell(display, error)
        return
    except MemoryError as error:
        _start_anew(error)  # something before main.py has filled the heap, say
        return
    del tables, wifi, board
    _forget_start()
    try:
        asyncio.run(firmware.run())
    except KeyboardInterrupt:
        print("pairlet: stopped; machine.reset() starts it again")
    except Exception as error:
        del firmware
        _start_anew(error)
    finally:
        # What tasks were left behind must not run on beside the REPL.
        asyncio.new_event_loop()


if __name__ == "__main__":
    main()
