"""`pairlet sim faults`: serve all scenarios until a signal, and tell of every exchange as it ends."""

import argparse
from pathlib import Path

from ..authserver import ServeError, SettingsError
from ..command_line import (
    DONE,
    NETWORK,
    CommandError,
    check_host,
    first_line,
    print_json,
    print_text,
    signals,
)
from .journal import Exchange
from .listing import list_as_json, list_for_people
from .server import FaultServer
from .serving import Wanted, cast_of, open_faults
from .site import Site

_EVERYWHERE = ("0.0.0.0", "::")


async def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code. Raises CommandError."""
    if options.list:
        (list_as_json if options.json else list_for_people)()
        return DONE
    check_host(options.host, options.allow_remote)
    if options.host in _EVERYWHERE:
        raise CommandError(f"{options.host} is no address to go to; name the one that devices will use.")
    secret = first_line(options.client_secret_file) if options.client_secret_file else None
    cast = cast_of(options.client_id, secret, options.scope, Teller(options.json).tell)
    wanted = Wanted(cast, options.host, options.port, options.ca_file, options.approve == "auto")
    try:
        with signals() as stopped:
            async with open_faults(wanted) as server:
                _announce(options, server)
                return await stopped
    except ServeError as error:
        raise CommandError(str(error), NETWORK) from error
    except SettingsError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.filename or 'A file'} can't be written: {error.strerror}.") from None


class Teller:
    """Prints exchanges: a line for people, or one of JSON."""

    def __init__(self, as_json: bool):
        self._as_json = as_json

    def tell(self, site: Site, exchange: Exchange) -> None:
        """One exchange of a site has ended."""
        name = Path(site.path).name
        if self._as_json:
            print_json("exchange", {"scenario": name, **exchange.to_json(site.began_at)})
            return
        same = [each for each in site.exchanges if each.kind == exchange.kind]
        gap = f"after {exchange.at - same[-2].at:.1f} s" if len(same) > 1 and same[-1] is exchange else ""
        print_text(f"{name:28}  {exchange.kind:21}  {gap:14}  {exchange.told}")


def _announce(options: argparse.Namespace, server: FaultServer) -> None:
    cast = server.cast
    account = {"username": cast.username, "password": cast.password}
    if options.json:
        print_json("ready", {"issuer": server.base, "client_id": cast.client_id, **account})
        return
    who = (
        "a simulated person approves"
        if cast.walkers
        else f"you approve, as {cast.username} with password {cast.password}"
    )
    trust = f"\n  Trust       {options.ca_file}" if options.ca_file else ""
    print_text(
        f"The fault server is ready: {server.base}\n\n"
        f"  A scenario  issuer {server.issuer('bad_gateway')}, client_id {cast.client_id}\n"
        f"  or          issuer {server.base}, client_id bad_gateway\n"
        f"  Its verdict {server.issuer('bad_gateway')}/verdict\n"
        f"  Decisions   {who}{trust}\n\n"
        f"All scenarios: {server.base}/ or pairlet sim faults --list. Ctrl-C stops the server."
    )

