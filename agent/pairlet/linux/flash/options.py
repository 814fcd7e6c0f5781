"""The grammar of `pairlet flash`."""

from typing import Any

from ..grammar import examples

_DESCRIPTION = """\
Puts the firmware and its settings onto a MicroPython board (1.24 or newer): sends what has changed,
verifies it on the board, switches over in one step, restarts the board and shows its console until it
is paired. A board that is unplugged in the middle starts what it started before. What is not given is
taken from the board, then asked. Needs the extra `flash`: pip install 'pairlet[flash]'.
"""


def add_flash(commands: Any) -> None:
    """Add the command to the sub-parsers of `pairlet`."""
    flash = commands.add_parser(
        "flash",
        help="put the firmware onto a MicroPython board",
        description=_DESCRIPTION,
        epilog=examples(
            "pairlet flash /dev/ttyACM0",
            "pairlet flash /dev/ttyUSB0 --config config.json --wifi-key-file wifi.key --ca-file ca.pem",
        ),
    )
    add = flash.add_argument
    add("port", metavar="PORT", help="the board's serial port, such as /dev/ttyACM0")
    add(
        "--config",
        metavar="FILE",
        help="settings: JSON as firmware/config.example.json, or TOML (default: the board's own)",
    )
    add("--wifi-ssid", metavar="NAME", help="the Wi-Fi network, of 2.4 GHz")
    add("--wifi-key-file", metavar="FILE", help="a file whose first line is the network's key")
    add("--issuer", metavar="URL", help="the authorization server, an https address")
    add("--client-id", metavar="ID", help="who this kind of device is to the server")
    add("--scope", metavar='"a b"', help="what to ask for, with spaces between")
    add("--broker", metavar="URL", help="where telemetry goes: mqtts://host[:port]")
    add("--ca-file", metavar="PEM", help="the CA certificate that the servers' are signed with, PEM or DER")
    add("--insecure-http", action="store_true", help="allow plain http and mqtt on loopback")
    add("--display", metavar="NAME", help="ssd1306, console or terminal (default: console)")
    add("--no-console", action="store_true", help="end after the restart (default: when it is paired)")
    add("--json", action="store_true", help="one JSON object a line on stdout; the rest goes to stderr")
