"""The commands `pairlet token` and `pairlet exec`: the access token, for a person or for a program."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

from ..core.errors import ConfigError, PairletError, ProtocolError, StoreError, UnpairedError
from ..core.token import DPOP, Token
from ..drive import Patience
from .clock import SystemClock
from .commands import TRIES, Joined, configuration, configuration_file, state_folder
from .output import Output
from .worker import in_thread

if TYPE_CHECKING:
    from ..agent import Agent
    from ..settings import Settings
    from .token_agent.answers import Lent

# A token with less than that left is not worth handing out.
_LEAST_MS = 10_000
_BOUND = (
    "pairlet: this token is bound to the device's key (DPoP), and of no use without it: have a program send "
    "its requests with BearerAuth of the Python library."
)
# Some servers refuse a dead refresh token, or a wrong secret, without saying so: it is what is left when all
# the rest is well.
_IF_NOTHING_ELSE = "Run: pairlet doctor; if it finds nothing wrong with the server, "
_PAIR_AGAIN = _IF_NOTHING_ELSE + "pair the device again: pairlet unpair, then pairlet pair."
_CHECK_SECRET = _IF_NOTHING_ELSE + "check the client secret with its administrator."


class WhileGood(Patience):
    """Gives up as well when another try, if it takes as long as the last, could outlast a token that is still
    good: better that one than none."""

    def __init__(self, agent: "Agent"):
        super().__init__(TRIES)
        self._keeper = agent.keeper
        self._clock = agent.ports.clock
        self._began: int = self._clock.now()

    def __call__(self, error: PairletError | None, pause_ms: int = 0) -> None:
        """As Patience."""
        super().__call__(error, pause_ms)
        now, token = self._clock.now(), self._keeper.token
        left_ms = None if token is None else token.remaining_ms(now)
        taken_ms = now - self._began
        self._began = now + pause_ms
        is_short = left_ms is not None and left_ms <= pause_ms + taken_ms + _LEAST_MS
        if error is not None and is_short and self._keeper.is_usable():
            raise error


async def token(arguments: argparse.Namespace, output: Output) -> int:
    """Print a valid access token."""
    found = await _usable_token(arguments, output)
    if output.as_json:
        remaining_ms = found.remaining_ms(SystemClock().now())
        expires_in = None if remaining_ms is None else remaining_ms // 1000
        output.event(
            "token",
            access_token=found.access_token.reveal(),
            token_type=found.token_type,
            expires_in=expires_in,
            scope=found.scope,
        )
    else:
        output.line(found.access_token.reveal())
    if not output.is_read:
        raise StoreError(
            "the token could not be written", "Check where the output goes: a full disk, a closed pipe?"
        )
    return 0


async def exec_command(arguments: argparse.Namespace, output: Output) -> int:
    """Become the command, with the token in its environment."""
    words = arguments.words
    if shutil.which(words[0]) is None:
        raise ConfigError(f"{words[0]} can't be run: there is no such program", "Check the command after --.")
    found = await _usable_token(arguments, output)
    environment = dict(os.environ, PAIRLET_ACCESS_TOKEN=found.access_token.reveal())
    # The command gets the token, not what tokens are made with.
    config = configuration(arguments, configuration_file(arguments.config))
    for kind in ("secret", "key"):
        environment.pop(config.text(f"oauth.client_{kind}_env"), None)
    if sys.stdout is not None:
        sys.stdout.flush()
    # Python ignores the first two, and the command would inherit that. The others must end it from now on;
    # who was asked to end before hears of it in the next turn of the event loop.
    for name in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if name != signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(name, signal.SIG_DFL)
    await asyncio.sleep(0)
    try:
        os.execvpe(words[0], words, environment)
    except OSError as error:
        raise ConfigError(
            f"{words[0]} can't be run: {error.strerror}", "Check the command after --."
        ) from None


async def _usable_token(arguments: argparse.Namespace, output: Output) -> Token:
    """The token; people are told if it is not good by itself."""
    found = await _found_token(arguments, output)
    if found.token_type == DPOP:
        output.say(_BOUND)
    return found


async def _found_token(arguments: argparse.Namespace, output: Output) -> Token:
    """What the agent at work lends, if it does, else what the state folder has."""
    config = configuration(arguments, configuration_file(arguments.config))
    socket = config.text("token_agent.socket")
    if not socket:
        return await _stored_token(arguments, output)
    from .token_agent.asking import NobodyThere, ask

    try:
        lent = await in_thread(ask, socket)
    except NobodyThere as nobody:
        # A program of another user has nothing but the agent, and no folder is made for it.
        folder = state_folder(config)
        if config.text("oauth.grant") != "client_credentials" and not os.path.exists(folder):
            raise UnpairedError(f"{nobody}; and {folder} is not there for this user", nobody.advice) from None
        try:
            return await _stored_token(arguments, output)
        except (StoreError, UnpairedError) as error:
            raise type(error)(f"{nobody}; and {error}", f"{nobody.advice} {error.advice}") from None
    return lent.token if _is_meant(lent, config) else await _stored_token(arguments, output)


def _is_meant(lent: "Lent", config: "Settings") -> bool:
    """Whether it is of the account, and the state folder, that this command was told of."""
    issuer = config.text("oauth.issuer") or config.text("oauth.token_endpoint")
    client_id = config.text("oauth.client_id")
    if issuer not in ("", lent.issuer) or client_id not in ("", lent.client_id):
        return False
    return not config.text("store.dir") or os.path.realpath(state_folder(config)) == lent.state_dir


async def _stored_token(arguments: argparse.Namespace, output: Output) -> Token:
    joined = Joined(arguments, output)
    try:
        return await joined.agent.usable_token(WhileGood(joined.agent))
    except ProtocolError as error:
        raise _advised(error, joined.agent) from None
    finally:
        if joined.status_line is not None:
            joined.status_line.say()
        joined.display.close()


def _advised(error: ProtocolError, agent: "Agent") -> ProtocolError:
    """`error`, with what to do where a token request had an answer that is not in OAuth's words."""
    keeper = agent.keeper
    for machine, advice in ((keeper.grant, _PAIR_AGAIN), (keeper.asking, _CHECK_SECRET)):
        if machine is not None and machine.fault is error:
            return ProtocolError(error.message, advice)
    return error


COMMANDS = {"token": token, "exec": exec_command}
