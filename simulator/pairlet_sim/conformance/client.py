"""The client under test: its commands with their placeholders, and what a run of one was like."""

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..command_line import CommandError
from ..faults.evidence import Run
from ..faults.turn import now
from ..process_group import started

PLACEHOLDERS = (
    "issuer",
    "device_authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "client_id",
    "client_secret_file",
    "ca_file",
    "state_dir",
)
_ADDRESSES = ("issuer", "device_authorization_endpoint", "token_endpoint")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_LOOPBACK = "127.0.0.1,localhost,::1"


@dataclass(frozen=True)
class ClientCommands:
    """`pair` pairs one device, `then` and `unpair` (may be None) do the rest; words with placeholders."""

    pair: list[str]
    then: list[str] | None = None
    unpair: list[str] | None = None

    def uses(self, placeholder: str) -> bool:
        """Whether any of the commands has `placeholder`."""
        words = [*self.pair, *(self.then or []), *(self.unpair or [])]
        return any("{" + placeholder + "}" in word for word in words)


def commands_of(words: list[str], then: str | None, unpair: str | None) -> ClientCommands:
    """The commands as given on the command line. Raises CommandError where one can't be run."""
    commands = ClientCommands(words, _split("--then", then), _split("--unpair", unpair))
    _check("COMMAND", commands.pair)
    _check("--then", commands.then)
    _check("--unpair", commands.unpair)
    if not any(commands.uses(name) for name in _ADDRESSES):
        raise CommandError(
            "COMMAND has no {issuer}, so the client can't know the server; put it where its address belongs."
        )
    return commands


def _split(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise CommandError(f"{option} can't be read: {error}.") from None
    if not words:
        raise CommandError(f"{option} is empty; leave it out, or give a command.")
    return words


def _check(option: str, words: list[str] | None) -> None:
    for word in words or []:
        for name in _PLACEHOLDER.findall(word):
            if name not in PLACEHOLDERS:
                known = " ".join("{" + each + "}" for each in PLACEHOLDERS)
                raise CommandError(f"{option} has {{{name}}}, which is none of {known}.")
    if words and shutil.which(words[0]) is None:
        raise CommandError(f"{words[0]} can't be run: there is no such program. Check {option}.")


def filled_in(words: list[str], values: dict[str, str]) -> list[str]:
    """`words` with `values` in place of the placeholders."""
    return [_PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), word) for word in words]


async def run_client(kind: str, words: list[str], limit_s: float) -> Run:
    """Run `words` for at most `limit_s` seconds. Raises CommandError if they can't be started."""
    began_at = now()
    try:
        async with started(words, _environ()) as group:
            exit_code = await group.ended_within(limit_s)
    except OSError as error:
        raise CommandError(f"{words[0]} can't be run: {error.strerror}.") from None
    return Run(kind, began_at, now(), exit_code, group.stdout, group.stderr)


def _environ() -> dict[str, str]:
    """This environment, but with no proxy on the way to this machine, and nothing to draw on."""
    environ = {**os.environ, "NO_COLOR": "1", "TERM": "dumb"}
    for name in ("NO_PROXY", "no_proxy"):
        environ[name] = ",".join(filter(None, [environ.get(name), _LOOPBACK]))
    return environ


def write_secret(folder: Path, secret: str) -> Path:
    """The client's secret in a file that only this user can read."""
    path = folder / "client_secret"
    path.touch(mode=0o600)
    path.write_text(secret + "\n", encoding="utf-8")
    return path
