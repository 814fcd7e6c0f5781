"""The grammar of `pairlet init`."""

import argparse
from typing import Any

_DESCRIPTION = """\
Asks a few questions about the device, picks the OAuth grant that fits, looks
whether the server offers it, and writes pairlet.toml with a comment on each
setting. What is given by an option is not asked. Without a terminal everything
has to be given, but for what has a default.
"""
_EPILOG = """\
which grant fits:
  acts for a person, no browser on it   device_code: TVs, command lines
  acts for a person, with a browser     authorization_code with PKCE: kiosks
  acts as itself                        client_credentials: sensors, gateways

examples:
  pairlet init
  pairlet init --for person --no-browser --issuer https://auth.example.com \\
      --client-id my-tv
  pairlet init --for device --issuer https://auth.example.com \\
      --client-id meter-7 --client-secret-credential meter \\
      --broker mqtts://broker.example.com /etc/pairlet/pairlet.toml

exit codes: 0 written, 2 an answer is missing or of no use, or the server does
  not offer the grant, 5 network, 6 the server, 7 TLS or identity, 8 the file,
  130 interrupted; but for 0 nothing is written
"""


def add_init(commands: Any) -> None:
    """Add the command to the sub-parsers of `pairlet`."""
    init = commands.add_parser(
        "init",
        help="ask what the device is, pick the grant, write pairlet.toml",
        usage="pairlet init [PATH] [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    init.add_argument("path", metavar="PATH", nargs="?", help="the file to write (default: ./pairlet.toml)")
    _add_device(init.add_argument_group("the device"))
    _add_server(init.add_argument_group("the server"))
    _add_client(init.add_argument_group("the client"))
    telemetry = init.add_argument_group("telemetry")
    telemetry.add_argument("--broker", metavar="URL", help="mqtts://HOST, '-' for none (default: none)")
    telemetry.add_argument("--broker-profile", metavar="NAME", help="which broker it is (default: generic)")
    telemetry.add_argument(
        "--authorizer", metavar="NAME", help="the custom authorizer, where the broker has one"
    )
    rest = init.add_argument_group("how it works")
    rest.add_argument("--set", metavar="TABLE.KEY=VALUE", action="append", default=[], dest="settings",
                      help="any other setting of pairlet.toml; may be given again")  # fmt: skip
    rest.add_argument("--no-input", action="store_true", help="ask nothing, at a terminal as well")
    rest.add_argument("--offline", action="store_true", help="don't ask the server what it offers")
    rest.add_argument("--force", action="store_true", help="replace the file if there is one")
    rest.add_argument(
        "--json", action="store_true", help="print what was chosen as one JSON object on stdout"
    )


def _add_device(group: Any) -> None:
    group.add_argument("--for", choices=("person", "device"), dest="acts_for",
                       help="whether it acts for a person's account, or as itself")  # fmt: skip
    group.add_argument("--browser", action=argparse.BooleanOptionalAction, default=None,
                       help="whether there is a browser on the device, and a way to type")  # fmt: skip
    group.add_argument("--grant", metavar="NAME", help="device_code, authorization_code or "
                       "client_credentials, instead of the two above")  # fmt: skip


def _add_server(group: Any) -> None:
    group.add_argument(
        "--provider", metavar="NAME", help="a profile that comes along, or the file of one of your own"
    )
    group.add_argument("--value", metavar="NAME=VALUE", action="append", default=[],
                       dest="provider_values",
                       help="what the profile leaves open, such as tenant=...; repeatable")  # fmt: skip
    group.add_argument("--issuer", metavar="URL", help="the authorization server, where no profile knows it")
    group.add_argument("--ca-file", metavar="PEM", help="trust these certificates instead of the system's")
    group.add_argument("--insecure-http", action="store_true", help="allow plain http and mqtt on loopback")


def _add_client(group: Any) -> None:
    group.add_argument("--client-id", metavar="ID", help="who this kind of device is to the server")
    secret = group.add_mutually_exclusive_group()
    secret.add_argument("--client-secret-file", metavar="FILE", help="where the client secret is, or will be")
    secret.add_argument("--client-secret-credential", metavar="NAME", help="the systemd credential with it")
    secret.add_argument("--client-secret-env", metavar="NAME", help="the environment variable with it")
    secret.add_argument("--client-key-file", metavar="FILE", help="a private key instead: private_key_jwt")
    group.add_argument("--scope", metavar='"a b"', help="what to ask for, '-' for nothing (default: the "
                       "profile's, or openid and offline_access where the server has them)")  # fmt: skip
