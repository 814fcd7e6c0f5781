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

from pairlet.linux.grammar import Parser
from pairlet.linux.worker import in_thread

from .command_line import (
    IDENTITY,
    INTERRUPTED,
    NETWORK,
    USAGE,
    CommandError,
    check_host,
    first_line,
    print_json,
    print_text,
    run_to_end,
    signals,
)
from .conformance.options import add_options as trial_options
from .faultproxy.options import add_options as faultproxy_options
from .faults.options import add_options as faults_options
from .server_options import add_authserver, add_broker
from .soak.options import add_options as soak_options

_MISSING = "The simulator's libraries are not installed ({}). Install them: pip install 'pairlet[simulator]'"


def command(arguments: list[str]) -> int:
    """Run `pairlet sim` with `arguments` (without the program's name); return the exit code."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    run: Callable[[argparse.Namespace], Any] = options.run
    try:
        outcome = run(options)
        return int(run_to_end(outcome) if asyncio.iscoroutine(outcome) else outcome)
    except ImportError as error:
        return _complain(_MISSING.format(error.name or error), USAGE)
    except CommandError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED


def _complain(sentence: str, exit_code: int) -> int:
    print(f"pairlet sim: {sentence}", file=sys.stderr)
    return exit_code


def board_options(command: argparse.ArgumentParser) -> None:
    """Those of `pairlet sim board`."""
    from .board.command import add_options

    add_options(command)


def parser() -> argparse.ArgumentParser:
    """The parser of `pairlet sim`, with the options of all its commands."""
    top = Parser(prog="pairlet sim", description="Stand-ins for the cloud and for hardware, on this machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, meaning, run, add_options in _COMMANDS:
        command = commands.add_parser(name, help=meaning)
        add_options(command)
        command.set_defaults(run=run)
    return top


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

    for option, address in (("--issuer", options.issuer), ("--jwks", options.jwks)):
        if address is not None and not address.startswith(("http://", "https://")):
            raise CommandError(f"{option} {address} is no address; it begins with https:// or http://.")
    # Not asyncio.to_thread, which Ctrl-C would have to wait for.
    jwks_url = options.jwks or await in_thread(_find_jwks, options.issuer)
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


_COMMANDS = (
    ("authserver", "an authorization server to pair with", _authserver, add_authserver),
    ("broker", "an MQTT broker that takes its tokens", _broker, add_broker),
    ("board", "a board with MicroPython, for firmware and mpremote", _board, board_options),
    ("faults", "an authorization server that misbehaves on request", _faults, faults_options),
    ("faultproxy", "a proxy that spoils connections to a broker", _faultproxy, faultproxy_options),
    ("conformance", "run a client against all that goes wrong, and judge it", _conformance, trial_options),
    ("soak", "years of the agent in minutes, with all that goes wrong", _soak, soak_options),
)
