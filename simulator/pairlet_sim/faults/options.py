"""The options of `pairlet sim faults`, apart from what they need: `--help` works without the extra."""

import argparse
from pathlib import Path

from ..command_line import add_place

_EPILOG = """\
examples:
  pairlet sim faults --list
  pairlet sim faults --port 8628 --approve person

choosing a scenario:
  by address    issuer http://127.0.0.1:8628/s/bad_gateway, any registered client_id;
                /s/bad_gateway~2 is the same with a journal of its own
  by client_id  issuer http://127.0.0.1:8628, client_id bad_gateway
                (not for scenarios about metadata)
what a client did, and what was wrong with it: http://127.0.0.1:8628/s/bad_gateway/verdict
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "An authorization server that misbehaves: about eighty scenarios, each at an issuer of its own, "
        "to test a client of the device grant with. `pairlet sim conformance` runs them all by itself."
    )
    parser.epilog = _EPILOG
    parser.add_argument("--list", action="store_true", help="print all scenarios, and end")
    listen = add_place(parser, 8628)
    listen.add_argument("--https", type=Path, metavar="CA.PEM", dest="ca_file",
                        help="serve https with certificates made up for this run, and write their "
                        "authority to CA.PEM")  # fmt: skip
    who = parser.add_argument_group("who uses it")
    who.add_argument("--client-id", metavar="ID", default="conformance",
                     help="the registered client (default: %(default)s)")  # fmt: skip
    who.add_argument("--client-secret-file", metavar="FILE",
                     help="its secret, the first line of FILE: makes it a confidential one")  # fmt: skip
    who.add_argument("--scope", metavar='"A B"', help="what the client may ask for beside the usual")
    who.add_argument("--approve", choices=("auto", "person"), default="auto",
                     help="auto: a simulated person decides when the scenario says so; person: you do, with "
                     "the account that is printed (default: %(default)s)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON line for each exchange, nothing else")

