"""The command `pairlet status`: what the store knows, and what an agent at work says of itself."""

import argparse
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ..core.errors import StoreError
from ..storing import make_outbox
from .clock import SystemClock
from .commands import Joined, configuration, configuration_file, state_folder
from .health.asking import ask
from .log.words import span
from .output import Output
from .segment_files import SegmentFolder

if TYPE_CHECKING:
    from ..core.token import Token
    from ..settings import Settings


async def status(arguments: argparse.Namespace, output: Output) -> int:
    """Say it. Where there is no state folder none is made."""
    config = configuration(arguments, configuration_file(arguments.config))
    folder = state_folder(config)
    live = ask(folder)
    said: dict[str, Any] = {
        "paired": False,
        "grant": config.text("oauth.grant"),
        "device_id": config.text("pairing.device_id"),
        "scope": "",
        "expires_in": None,
        "has_refresh_token": False,
        "not_granted": "",
        "revocation_pending": False,
        "backlog": 0,
        "telemetry_interval": config.integer("telemetry.interval") / 1000,
        "telemetry_interval_set_remotely": False,
    }
    stored = True
    if folder.exists():
        try:
            said = _stored(arguments, output)
        except StoreError:
            # Root may ask a service whose folder is another user's.
            if live is None:
                raise
            stored = False
            said["paired"] = live.get("facts", {}).get("paired") is True
    output.event("status", **said, agent=live)
    if not output.as_json:
        _in_words(output, said, live, stored)
    return 0


def _stored(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """What the state folder holds. Raises StoreError."""
    joined = Joined(arguments, output)
    joined.display.close()
    agent = joined.agent
    found: Token | None = agent.keeper.load()
    remaining_ms = found.remaining_ms(SystemClock().now()) if found else None
    return {
        "paired": found is not None,
        "grant": joined.agent.config.text("oauth.grant"),
        "device_id": joined.device.device_id,
        "scope": found.scope if found else "",
        "expires_in": None if remaining_ms is None else remaining_ms // 1000,
        "has_refresh_token": found is not None and found.refresh_token is not None,
        "not_granted": found.not_granted(joined.agent.config.text("oauth.scope")) if found else "",
        "revocation_pending": agent.revocation_is_pending(),
        "backlog": backlog(joined.agent.config),
        "telemetry_interval": agent.measuring.interval_ms() / 1000,
        "telemetry_interval_set_remotely": agent.measuring.interval_ms() != agent.measuring.configured_ms,
    }


def backlog(config: "Settings") -> int:
    """How many records the disk has for the broker."""
    with closing(SegmentFolder(state_folder(config) / "outbox", writes=False)) as logs:
        return len(make_outbox(config, logs))


def _in_words(output: Output, said: dict[str, Any], live: dict[str, Any] | None, stored: bool) -> None:
    if live is not None:
        name = f"{said['device_id']}: " if said["device_id"] and stored else ""
        output.line(f"{name}{live['why']}")
    else:
        output.line(_status_line(said))
        if said["paired"]:
            output.line("No agent is at work with it. Run: pairlet run.")
        if said["backlog"]:
            output.line(f"{said['backlog']} samples and events wait on the disk for the broker.")
    if said["not_granted"]:
        output.line(f"Asked for, but not granted: {said['not_granted']}.")
    if said["telemetry_interval_set_remotely"]:
        output.line(
            f"A command has set the interval to {said['telemetry_interval']:g} s. To undo: pairlet reset."
        )
    if said["revocation_pending"]:
        output.line("The server has still to be told of an un-pairing. Run: pairlet unpair.")


def _status_line(said: dict[str, Any]) -> str:
    name = said["device_id"] or "This device"
    own_name = said["grant"] == "client_credentials"
    if own_name and not said["paired"]:
        return f"{name} works in its own name, and gets a token when it needs one."
    if not said["paired"]:
        return f"{name} is not paired. Run: pairlet pair."
    expires_in = said["expires_in"]
    life = "does not say when it ends" if expires_in is None else f"is good for {span(1000 * expires_in)}"
    if expires_in == 0:
        life = "has ended"
    renewal = "is renewed by itself" if said["has_refresh_token"] or own_name else "can't be renewed"
    how = "works in its own name" if own_name else "is paired"
    return f"{name} {how} ({said['scope'] or 'no scope'}); the access token {life} and {renewal}."
