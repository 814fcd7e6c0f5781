"""The options of `pairlet sim faultproxy`."""

import argparse
import textwrap

from ..command_line import add_place
from .faults import VOCABULARY

_EPILOG = f"""\
example:
  pairlet sim faultproxy 127.0.0.1:1883 --port 1884 --fault "delay 0.5"

faults, a line each on stdin or after --fault; they add up until `pass` takes them all away:
{textwrap.indent(VOCABULARY, "  ")}
and on stdin as well:
  wait SECONDS           obey the next line so much later
  state                  print what has gone through so far
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Passes TCP connections on to a broker (or any other server), and does to them what networks do. "
        "The faults with PUBACK in their name need MQTT without TLS; the others do for anything."
    )
    parser.epilog = _EPILOG
    parser.add_argument("broker", type=_address, metavar="HOST:PORT",
                        help="where everything goes; mqtt://HOST:PORT will do, too")  # fmt: skip
    add_place(parser, 1884)
    parser.add_argument("--fault", action="append", default=[], metavar='"WORD ..."',
                        help="one to begin with; may be repeated")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON line for each thing that happens")


def _address(text: str) -> tuple[str, int]:
    scheme, separator, rest = text.partition("://")
    host, colon, number = (rest if separator else scheme).rstrip("/").rpartition(":")
    if separator and scheme not in ("mqtt", "mqtts", "tcp"):
        raise argparse.ArgumentTypeError(f"{scheme}:// is no address of a broker; it is HOST:PORT")
    if not (colon and number.isascii() and number.isdigit() and 0 < int(number[:6]) < 65536):
        raise argparse.ArgumentTypeError("a broker's address is HOST:PORT, as 127.0.0.1:1883")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or "@" in host:
        raise argparse.ArgumentTypeError("a broker's address is HOST:PORT, as 127.0.0.1:1883")
    return host, int(number)
