"""`pairlet sim`: authorization server, broker and board on a desk, and what tests other clients.

With --json stdout has one JSON object a line, each with `event` and `at` (RFC 3339), and people's text is
left out. `command_line` says what the exit codes mean.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .command_line import (
    IDENTITY,
    INTERRUPTED,
    NETWORK,
    USAGE,
    CommandError,
    add_place,
    check_host,
    first_line,
    port,
    print_json,
    print_text,
    seconds,
    signals,
    whole,
)

_MISSING = "The simulator's libraries are not installed ({}). Install them: pip install 'pairlet[simulator]'"


def command(arguments: list[str]) -> int:
    """Run `pairlet sim` with `arguments` (without the program's name); return the exit code."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    run: Callable[[argparse.Namespace], Any] = options.run
    try:
        outcome = run(options)
        return int(asyncio.run(outcome) if asyncio.iscoroutine(outcome) else outcome)
    except ImportError as error:
        return _complain(_MISSING.format(error.name or error), USAGE)
    except CommandError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED


def _complain(sentence: str, exit_code: int) -> int:
    print(f"pairlet sim: {sentence}", file=sys.stderr)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pairlet sim", description="Stand-ins for the cloud and for hardware, on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_authserver(commands.add_parser("authserver", help="an authorization server to pair with"))
    _add_broker(commands.add_parser("broker", help="an MQTT broker that takes its tokens"))
    _add_board(commands.add_parser("board", help="a board with MicroPython, for firmware and mpremote"))
    _add_faults(commands.add_parser("faults", help="an authorization server that misbehaves on request"))
    _add_faultproxy(commands.add_parser("faultproxy", help="a proxy that spoils connections to a broker"))
    _add_conformance(
        commands.add_parser("conformance", help="run a client against all that goes wrong, and judge it")
    )
    _add_soak(commands.add_parser("soak", help="years of the agent in minutes, with all that goes wrong"))
    return parser


def _add_authserver(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_authserver)
    listen = add_place(parser, 8628)
    listen.add_argument("--certfile", metavar="PEM", help="TLS certificate; with --keyfile")
    listen.add_argument("--keyfile", metavar="PEM", help="the certificate's private key")
    listen.add_argument("--issuer", metavar="URL", help="what it calls itself (default: from host and port)")
    who = parser.add_argument_group("who may use it")
    who.add_argument(
        "--user", metavar="NAME", help="the account (default: a demo account is made up and printed)"
    )
    who.add_argument("--password-file", metavar="FILE", help="its password, the first line of FILE")
    who.add_argument("--client-id", metavar="ID", default="pairlet-demo", help="(default %(default)s)")
    who.add_argument("--client-secret-file", metavar="FILE", help="makes the client a confidential one")
    who.add_argument("--client-auth", metavar="METHOD", help="the one way it may authenticate (RFC 7591): "
                     "client_secret_jwt, private_key_jwt ...")  # fmt: skip
    who.add_argument(
        "--client-jwks-file", metavar="FILE", help="its public keys (JWK Set), for private_key_jwt"
    )
    who.add_argument("--client-name", metavar="TEXT", help="what people read on the page")
    who.add_argument("--scope", metavar='"A B"', help="all that the client may ask for")
    rules = parser.add_argument_group("how it behaves (times in seconds)")
    rules.add_argument("--audience", default="pairlet", help="aud of the tokens (default %(default)s)")
    rules.add_argument("--device-scope", metavar='"A B"', default="",
                       help="what a device's tokens get on top, with {device_id} filled in")  # fmt: skip
    rules.add_argument("--code-lifetime", type=whole, default=600, metavar="S", help="(default %(default)s)")
    rules.add_argument("--interval", type=whole, default=5, metavar="S", help="(default %(default)s)")
    rules.add_argument(
        "--token-lifetime", type=whole, default=3600, metavar="S", help="(default %(default)s)"
    )
    rules.add_argument("--refresh-lifetime", type=whole, metavar="S", help="(default: for ever)")
    rules.add_argument("--no-rotate", action="store_true", help="keep the refresh token when it is used")
    rules.add_argument("--grace", type=seconds, default=0.0, metavar="S",
                       help="how long the previous refresh token still works (default 0)")  # fmt: skip
    rules.add_argument("--no-dpop", action="store_true", help="bind no tokens to keys (RFC 9449)")
    rules.add_argument("--dpop-nonce", action="store_true", help="take no proof without a nonce")
    rules.add_argument("--like", metavar="PROVIDER",
                       help="in the manners of a provider: its name, or its profile's file")  # fmt: skip
    rules.add_argument("--database", default=":memory:", metavar="FILE", help="remember everything there")
    parser.add_argument("--json", action="store_true", help="one JSON line when ready, nothing else")


def _add_broker(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_broker)
    parser.add_argument("--host", default="127.0.0.1", help="loopback only (default %(default)s)")
    parser.add_argument("--port", type=port, default=1883, help="0 picks a free one (default %(default)s)")
    parser.add_argument("--issuer", default="http://127.0.0.1:8628", metavar="URL",
                        help="whose tokens it takes (default %(default)s)")  # fmt: skip
    parser.add_argument("--jwks", metavar="URL", help="the keys (default: from the issuer's metadata)")
    parser.add_argument("--audience", default="pairlet", help="aud it expects (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON line when ready, nothing else")


def _add_board(parser: argparse.ArgumentParser) -> None:
    from .board.command import add_options

    add_options(parser)
    parser.set_defaults(run=_board)


def _add_faults(parser: argparse.ArgumentParser) -> None:
    from .faults.options import add_options

    add_options(parser)
    parser.set_defaults(run=_faults)


def _add_faultproxy(parser: argparse.ArgumentParser) -> None:
    from .faultproxy.options import add_options

    add_options(parser)
    parser.set_defaults(run=_faultproxy)


def _add_conformance(parser: argparse.ArgumentParser) -> None:
    from .conformance.options import add_options

    add_options(parser)
    parser.set_defaults(run=_conformance)


def _add_soak(parser: argparse.ArgumentParser) -> None:
    from .soak.options import add_options

    add_options(parser)
    parser.set_defaults(run=_soak)


async def _authserver(options: argparse.Namespace) -> int:
    """Serve until a signal. Imports late: `pairlet sim --help` works without the extra."""
    from .authserver import AuthorizationServer, ServeError, SettingsError, listening_socket, serve

    if bool(options.certfile) != bool(options.keyfile):
        raise CommandError("--certfile and --keyfile go together.")
    _check_host(options)
    try:
        with contextlib.ExitStack() as undo:
            listener = listening_socket(options.host, options.port)
            undo.callback(listener.close)
            settings, made_up = _settings(options, int(listener.getsockname()[1]))
            server = AuthorizationServer(settings)
            undo.callback(server.close)
            app: Any = options.likeness.app(server.app, settings) if options.like else server.app
            stopped = undo.enter_context(signals())
            async with serve(app, certfile=options.certfile, keyfile=options.keyfile, sock=listener):
                _announce_authserver(options, settings, made_up)
                return await stopped
    except SettingsError as error:
        raise CommandError(str(error)) from error
    except ServeError as error:
        # Without a cause in the network it is the certificate.
        code = IDENTITY if error.about_certificate else NETWORK
        raise CommandError(str(error), code) from error


def _check_host(options: argparse.Namespace) -> None:
    from .authserver.settings import is_loopback

    check_host(options.host, options.allow_remote)
    if not is_loopback(options.host) and not options.issuer:
        raise CommandError(
            "--allow-remote needs --issuer https://..., the address devices and phones will use."
        )


def _settings(options: argparse.Namespace, port: int) -> tuple[Any, str]:
    """The Settings for `options`, and the password if it was made up here, else an empty string."""
    from .authserver import Client, Person, Settings
    from .authserver.settings import DEFAULT_SCOPES
    from .authserver.user_code import new_user_code

    if options.password_file and not options.user:
        raise CommandError("--password-file needs --user.")
    if options.user and not options.password_file:
        raise CommandError(
            "--user needs --password-file; a password on the command line could be seen by others."
        )
    made_up = "" if options.user else new_user_code().lower()
    password = made_up or first_line(options.password_file)
    host = f"[{options.host}]" if ":" in options.host else options.host
    scheme = "https" if options.certfile else "http"
    secret = first_line(options.client_secret_file) if options.client_secret_file else None
    scopes = tuple(options.scope.split()) if options.scope else DEFAULT_SCOPES
    if options.like:
        from .imitating import Likeness

        options.likeness = Likeness(options.like)
        secret = options.likeness.secret(secret)
        scopes = tuple(dict.fromkeys(scopes + options.likeness.scopes()))
    client = Client(
        options.client_id,
        secret=secret,
        token_endpoint_auth_method=options.client_auth,
        jwks=_jwks(options.client_jwks_file) if options.client_jwks_file else None,
        name=options.client_name,
        scopes=scopes,
    )
    settings = Settings(
        issuer=options.issuer or f"{scheme}://{host}:{port}",
        people=[Person(options.user or "demo", password, name=options.user or "Demo account")],
        clients=[client],
        audience=options.audience,
        device_scopes=tuple(options.device_scope.split()),
        code_lifetime_s=options.code_lifetime,
        interval_s=options.interval,
        access_token_lifetime_s=options.token_lifetime,
        refresh_token_lifetime_s=options.refresh_lifetime,
        rotate=not options.no_rotate,
        refresh_grace_s=options.grace,
        dpop=not options.no_dpop,
        dpop_nonce=options.dpop_nonce,
        database=options.database,
    )
    return settings, made_up


def _jwks(path: str) -> dict[str, Any]:
    """The JWK Set in the file `path`. Raises CommandError."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} can't be read as JSON: {error}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise CommandError(f'{path} is no JWK Set: it has to look like {{"keys": [...]}}.')
    return found


def _announce_authserver(options: argparse.Namespace, settings: Any, made_up: str) -> None:
    if options.json:
        ready: dict[str, Any] = {"issuer": settings.issuer, "client_id": options.client_id}
        if options.like:
            ready["oauth"] = options.likeness.settings(settings, options.like)
        # The throw-away account is worthless elsewhere, and a script has no other way to learn it.
        print_json("ready", ready | ({"username": "demo", "password": made_up} if made_up else {}))
        return
    secret = f" --client-secret-file {options.client_secret_file}" if options.client_secret_file else ""
    plain = "" if settings.https else " --insecure-http"
    how = f"--issuer {settings.issuer} --client-id {options.client_id}"
    if options.like:
        from .imitating import words

        how = words(options.likeness.settings(settings, options.like))
    account = f"username demo, password {made_up}" if made_up else f"username {options.user}"
    print_text(
        f"The authorization server is ready: {settings.issuer}\n\n"
        f"  Account   {account}\n"
        f"  Client    {options.client_id}\n\n"
        "Pair a device, in another terminal:\n"
        f"  pairlet pair {how}{secret}{plain}\n\n"
        f"Then open the address it shows, or {settings.base}/device. Ctrl-C stops the server."
    )


async def _broker(options: argparse.Namespace) -> int:
    """Serve until a signal."""
    from .broker import Broker, BrokerError, BrokerSettings

    jwks_url = options.jwks or await asyncio.to_thread(_find_jwks, options.issuer)
    try:
        settings = BrokerSettings(
            host=options.host,
            port=options.port,
            issuer=options.issuer,
            audience=options.audience,
            jwks_url=jwks_url,
        )
    except BrokerError as error:
        raise CommandError(_sentence(error)) from error
    try:
        with signals() as stopped:
            async with Broker(settings) as broker:
                host = f"[{options.host}]" if ":" in options.host else options.host
                _announce_broker(options, f"mqtt://{host}:{broker.port}")
                return await stopped
    except BrokerError as error:
        raise CommandError(_sentence(error), NETWORK) from error


async def _board(options: argparse.Namespace) -> int:
    """Run the board until a signal."""
    from .board import BoardError
    from .board.command import serve

    try:
        with signals() as stopped:
            return await serve(options, stopped)
    except BoardError as error:
        raise CommandError(str(error)) from error


async def _faults(options: argparse.Namespace) -> int:
    """Misbehave until a signal, or list how."""
    from .faults.command import run

    return await run(options)


async def _faultproxy(options: argparse.Namespace) -> int:
    """Pass on and spoil until a signal."""
    from .faultproxy.command import run

    return await run(options)


async def _conformance(options: argparse.Namespace) -> int:
    """Run the client through all scenarios."""
    from .conformance.command import run

    return await run(options)


def _find_jwks(issuer: str) -> str:
    """The jwks_uri of the issuer's metadata (RFC 8414 sections 3.1 and 3.3)."""
    import requests

    origin, slash, path = issuer.partition("://")[2].rstrip("/").partition("/")
    place = f"{issuer.partition('://')[0]}://{origin}/.well-known/oauth-authorization-server{slash}{path}"
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(place, timeout=10, allow_redirects=False)
            metadata = answer.json() if answer.status_code == 200 else None
    except (requests.exceptions.RequestException, ValueError):
        metadata = None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("jwks_uri"), str):
        sentence = f"{issuer} gives no authorization server metadata; start the server first, or give --jwks."
        raise CommandError(sentence, NETWORK)
    if metadata.get("issuer") != issuer:
        raise CommandError(f"The server at {issuer} calls itself something else.", IDENTITY)
    return str(metadata["jwks_uri"])


def _announce_broker(options: argparse.Namespace, url: str) -> None:
    if options.json:
        print_json("ready", {"url": url, "issuer": options.issuer})
        return
    print_text(
        f"The broker is ready: {url}\n\n"
        f"It takes access tokens of {options.issuer} as passwords. In a device's pairlet.toml:\n"
        f'  [mqtt]\n  url = "{url}"\n\nCtrl-C stops the broker.'
    )


def _soak(options: argparse.Namespace) -> int:
    """Live the years. No event loop of its own: each simulated process brings one."""
    from .soak.command import run

    return run(options)


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."
