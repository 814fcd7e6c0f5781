"""The options of `pairlet sim conformance`, apart from what they need: `--help` works without the extra."""

import argparse
from pathlib import Path

from ..command_line import whole

_EPILOG = """\
in COMMAND, and in those of --then and --unpair:
  {issuer}                         of the scenario; the client finds the rest in its metadata
  {device_authorization_endpoint}  {token_endpoint}   {revocation_endpoint}
  {client_id}                      registered at the server
  {client_secret_file}             a file with the client's secret; makes it a confidential client
  {ca_file}                        serve https, and trust this authority; else http on loopback
  {state_dir}                      a fresh folder for each scenario, of all its commands
COMMAND pairs one device and ends, with 0 if that worked. It shows the code; a simulated person
approves.

example:
  pairlet sim conformance --then 'pairlet token --issuer {issuer} --client-id {client_id} \\
      --state-dir {state_dir} --insecure-http' -- pairlet pair --issuer {issuer} \\
      --client-id {client_id} --state-dir {state_dir} --insecure-http

exit codes: 0 all passed, 2 usage, 5 network, 6 something failed, 130 interrupted
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.usage = "pairlet sim conformance [options] -- COMMAND [ARGUMENT ...]"
    parser.description = (
        "Runs a client of the device grant through about eighty scenarios in which servers and networks "
        "misbehave, judges it by what it sends and by how it ends, and says which RFC item it breaks."
    )
    parser.epilog = _EPILOG
    parser.add_argument("words", nargs="+", metavar="COMMAND", help="the client, after --")
    parser.add_argument("--then", metavar="COMMAND",
                        help="wants a usable token of a paired device: run when the last one has ended, for "
                        "scenarios about refreshing; ends with 0 if there is one")  # fmt: skip
    parser.add_argument("--unpair", metavar="COMMAND", help="revokes the token: for scenarios about that")
    parser.add_argument("--only", metavar="NAME[,NAME]", action="append", default=[],
                        help="these scenarios alone; may be given again")  # fmt: skip
    parser.add_argument("--skip", metavar="NAME[,NAME]", action="append", default=[],
                        help="not these scenarios; may be given again")  # fmt: skip
    parser.add_argument("--jobs", type=whole, default=12, metavar="N",
                        help="how many scenarios at a time (default: %(default)s)")  # fmt: skip
    parser.add_argument("--scope", metavar='"A B"', help="what the client may ask for beside the usual")
    parser.add_argument("--logs", type=Path, metavar="DIR",
                        help="keep there what each command wrote, and what the server saw")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON line for each scenario, nothing else")
