"""`pairlet sim authserver --like PROVIDER`: a provider's profile, and our own server in its manners."""

import secrets
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pairlet.core.errors import ConfigError
from pairlet.linux.providers import Profile, read
from starlette.types import ASGIApp

from .authserver import Client, Settings
from .authserver.imitation import Imitation
from .command_line import CommandError

# What the simulator's client may ask for beside what the profile asks for.
_SCOPE = "profile"


class Likeness:
    """The provider that `named` is (a profile's name or file), for a server that is still to be made.

    Raises CommandError for a profile that can't be used.
    """

    def __init__(self, named: str):
        try:
            self.profile: Profile = read(named, Path())
        except ConfigError as error:
            raise CommandError(f"{error}. {error.advice}") from None
        self._made_up = secrets.token_urlsafe(16)

    def scopes(self) -> tuple[str, ...]:
        """What devices ask for unless told otherwise."""
        return tuple(str(self.profile.tables.get("oauth", {}).get("scope", "")).split())

    def secret(self, given: str | None) -> str | None:
        """The client's secret: the given one, or one made up where clients register. Raises CommandError."""
        registers = "registration" in self.profile.tables.get("dialect", {})
        if self.profile.wants_secret and not registers and not given:
            raise CommandError(
                f"{self.profile.name} has clients with a secret alone: give --client-secret-file."
            )
        return given or (self._made_up if registers else None)

    def app(self, app: ASGIApp, settings: Settings) -> Imitation:
        """`app`, the server of these settings, in the provider's manners."""
        client: Client = next(iter(settings.clients))
        registered = (client.client_id, client.secret or "")
        endpoints = self._endpoints(settings)
        return Imitation(app, self.profile.tables, endpoints, settings.path, registered)

    def _values(self, settings: Settings) -> dict[str, str]:
        """What the profile leaves open, as it is here."""
        values = {name: value or settings.base for name, value in self.profile.values.items()}
        return {**values, **({"server": settings.base} if "server" in values else {})}

    def _endpoints(self, settings: Settings) -> dict[str, str]:
        """The profile's endpoints with this server's host, whatever theirs was."""
        values = self._values(settings)
        here = urlsplit(settings.base)
        return {
            name: urlunsplit(urlsplit(str(address))._replace(scheme=here.scheme, netloc=here.netloc))
            for name, address in self.profile.presets(values, "")["oauth"].items()
            if name.endswith("_endpoint")
        }

    def settings(self, settings: Settings, named: str) -> dict[str, Any]:
        """What a device sets under [oauth] to pair with the server of these `settings`."""
        values, needs = self._values(settings), self.profile.needs
        found: dict[str, Any] = {"provider": named}
        if values:
            found["provider_values"] = values
        meant, endpoints = self.profile.presets(values, "")["oauth"], self._endpoints(settings)
        is_found = not {"device_authorization_endpoint", "token_endpoint"} <= set(endpoints)
        if is_found or "issuer" in meant or "issuer" in needs:
            found["issuer"] = settings.issuer
        found |= {name: there for name, there in endpoints.items() if meant[name] != there}
        if "client_id" not in meant:
            found["client_id"] = next(iter(settings.clients)).client_id
        if "audience" in needs:
            found["audience"] = settings.audience
        if "scope" in needs:
            found["scope"] = _SCOPE
        return found


def words(oauth: dict[str, Any]) -> str:
    """Those settings as options of `pairlet`."""
    options = []
    for name, value in oauth.items():
        if isinstance(value, dict):
            value = ",".join(f"{key}={part}" for key, part in value.items())
        options += ["--set", f"oauth.{name}={value}"]
    return shlex.join(options)
