"""The options of `pairlet sim authserver` and `broker`, whose `--help` needs no extra."""

import argparse

from pairlet.linux.grammar import examples

from .command_line import add_place, port, seconds, whole


def add_authserver(parser: argparse.ArgumentParser) -> None:
    """The options of `pairlet sim authserver`."""
    parser.description = (
        "Serves a real authorization server with real pages, prints an account and the command that pairs a "
        "device with it, and works until Ctrl-C."
    )
    parser.epilog = examples(
        "pairlet sim authserver",
        "pairlet sim authserver --token-lifetime 60 --like github",
    )
    listen = add_place(parser, 8628)
    listen.add_argument("--certfile", metavar="PEM", help="TLS certificate; with --keyfile")
    listen.add_argument("--keyfile", metavar="PEM", help="the certificate's private key")
    listen.add_argument("--issuer", metavar="URL", help="what it calls itself (default: from host and port)")
    _add_people(parser.add_argument_group("who may use it"))
    _add_rules(parser.add_argument_group("how it behaves (times in seconds)"))
    parser.add_argument("--json", action="store_true", help="one JSON line when ready, nothing else")


def _add_people(who: argparse._ArgumentGroup) -> None:
    who.add_argument(
        "--user", metavar="NAME", help="the account (default: a demo account is made up and printed)"
    )
    who.add_argument("--password-file", metavar="FILE", help="its password, the first line of FILE")
    who.add_argument(
        "--client-id",
        metavar="ID",
        default="pairlet-demo",
        help="the registered client (default: %(default)s)",
    )
    who.add_argument(
        "--client-secret-file",
        metavar="FILE",
        help="its secret, the first line of FILE: makes it a confidential one",
    )
    who.add_argument(
        "--client-auth",
        metavar="METHOD",
        help="the one way it may authenticate (RFC 7591): client_secret_jwt, private_key_jwt ...",
    )
    who.add_argument(
        "--client-jwks-file", metavar="FILE", help="its public keys (JWK Set), for private_key_jwt"
    )
    who.add_argument("--client-name", metavar="TEXT", help="what people read on the page (default: its ID)")
    who.add_argument("--scope", metavar='"A B"', help="all that the client may ask for")


def _add_rules(rules: argparse._ArgumentGroup) -> None:
    rules.add_argument(
        "--audience", metavar="NAME", default="pairlet", help="aud of the tokens (default: %(default)s)"
    )
    rules.add_argument(
        "--device-scope",
        metavar='"A B"',
        default="",
        help="what a device's tokens get on top, with {device_id} filled in",
    )
    rules.add_argument(
        "--code-lifetime",
        type=whole,
        default=600,
        metavar="S",
        help="how long a code is good, in seconds (default: %(default)s)",
    )
    rules.add_argument(
        "--interval",
        type=whole,
        default=5,
        metavar="S",
        help="between two polls, in seconds (default: %(default)s)",
    )
    rules.add_argument(
        "--token-lifetime",
        type=whole,
        default=3600,
        metavar="S",
        help="how long an access token is good, in seconds (default: %(default)s)",
    )
    rules.add_argument(
        "--refresh-lifetime",
        type=whole,
        metavar="S",
        help="how long a refresh token is good, in seconds (default: for ever)",
    )
    rules.add_argument("--no-rotate", action="store_true", help="keep the refresh token when it is used")
    rules.add_argument(
        "--grace",
        type=seconds,
        default=0.0,
        metavar="S",
        help="how many seconds the previous refresh token still works (default: %(default)g)",
    )
    rules.add_argument("--no-dpop", action="store_true", help="bind no tokens to keys (RFC 9449)")
    rules.add_argument(
        "--dpop-nonce", action="store_true", help="take no DPoP proof without a nonce of its own"
    )
    rules.add_argument(
        "--like", metavar="PROVIDER", help="in the manners of a provider: its name, or its profile's file"
    )
    rules.add_argument(
        "--database",
        default=":memory:",
        metavar="FILE",
        help="remember everything there (default: %(default)s)",
    )


def add_broker(parser: argparse.ArgumentParser) -> None:
    """The options of `pairlet sim broker`."""
    parser.description = (
        "Serves an MQTT 3.1.1 broker on loopback that takes the access tokens of an authorization server as "
        "passwords, until Ctrl-C."
    )
    parser.epilog = examples("pairlet sim broker --issuer http://127.0.0.1:8628 --port 1883")
    parser.add_argument(
        "--host",
        metavar="ADDR",
        default="127.0.0.1",
        help="address to listen on, loopback only (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port,
        metavar="PORT",
        default=1883,
        help="port to listen on; 0 picks a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--issuer",
        default="http://127.0.0.1:8628",
        metavar="URL",
        help="whose tokens it takes (default: %(default)s)",
    )
    parser.add_argument("--jwks", metavar="URL", help="the keys (default: from the issuer's metadata)")
    parser.add_argument(
        "--audience", metavar="NAME", default="pairlet", help="aud it expects (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line when ready, nothing else")
