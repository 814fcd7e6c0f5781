"""`pairlet init`: where the questions, the server's metadata and the file are joined."""

import asyncio
import os
import signal
import sys
from argparse import Namespace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..broker_profiles import PROFILES
from ..config import SETTINGS, Config
from ..core.answer import read_answer
from ..core.errors import EXIT_DONE, ConfigError
from ..discovery import find_metadata
from ..drive import Patience
from ..setting_text import from_text
from .clock import SystemClock
from .commands import PATHS, TRIES, configuration_file, read_configuration
from .commands_provider import with_provider
from .entropy import SystemEntropy
from .http import RequestsHttp
from .init.asking import Asker
from .init.draft import Draft, Value, text_of
from .init.edges import Edges
from .init.grants import AUTHORIZATION_CODE, CLIENT_CREDENTIALS
from .init.interview import Interview
from .init.judging import Found
from .init.talk import Stopped, Talk
from .init.target import Target
from .output import Output

if TYPE_CHECKING:
    from ..core.http import Request, Response
    from ..ports import Http

_WELCOME = (
    "A few questions, and {path} is written. Enter takes what is in [brackets]; Ctrl-C ends it, and then "
    "nothing is written."
)


def init(options: Namespace, output: Output) -> int:
    """Ask, look, write; the exit code. Raises PairletError, among them Stopped."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _init(options, output)
    except KeyboardInterrupt:
        output.say("")
        raise Stopped() from None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _init(options: Namespace, output: Output) -> int:
    target = Target(options.path)
    talk = _talk(options, output)
    replace = options.force
    if talk is not None:
        talk.say(_WELCOME.format(path=target.shown))
    if target.exists() and not replace:
        replace = talk is not None and talk.confirm(f"{target.shown} is there already. Replace it?")
        if not replace:
            advice = "Name another file, or replace it with --force."
            raise ConfigError(f"{target.shown} is there already, and stays as it is", advice)
    draft = _interview(options, target, talk)
    text = text_of(draft, {name: setting.meaning for name, setting in SETTINGS.items()})
    # As the agent will read it: what it would refuse is never written.
    target.write(text, _check, replace=replace)
    _tell(draft, target, output, told=talk is not None)
    return EXIT_DONE


def _check(path: Path) -> None:
    """Raises ConfigError for a file that the agent would refuse wherever it runs."""
    config = with_provider(read_configuration(path))
    if config.flag("oauth.dpop"):
        from .commands_dpop import check_use

        check_use(config)


def _talk(options: Namespace, output: Output) -> Talk | None:
    """The conversation, where there is somebody to have it with."""
    keyboard, stream = sys.stdin, output.people
    if options.no_input or keyboard is None or not (keyboard.isatty() and stream.isatty()):
        return None
    return Talk(keyboard.buffer, stream)


def _interview(options: Namespace, target: Target, talk: Talk | None) -> Draft:
    def edges(look_up: Any) -> Edges:
        brokers = {name: "{authorizer}" in profile.username for name, profile in PROFILES.items()}
        return Edges(_fits, look_up, target.relative, brokers, parsed)

    def parsed(name: str, text: str) -> Value:
        # As on every command line, a file is named from here.
        return _parsed(name, target.relative(text) if name in PATHS else text)

    def look_up(oauth: dict[str, Value]) -> Found:
        ca_file = oauth.get("ca_file")
        return _look_up({**oauth, **({"ca_file": str(target.resolved(str(ca_file)))} if ca_file else {})})

    if talk is None:
        # First without the server: what is missing is said before anybody is asked for anything.
        draft = Interview(Asker(options, None), edges(None)).run()
        if options.offline:
            return draft
    return Interview(Asker(options, talk), edges(None if options.offline else look_up)).run()


def _fits(name: str, text: str) -> object:
    where = "the answer"
    try:
        return Config({}).with_text(name, text, where).get(name)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(where + ": "), error.advice) from None


def _parsed(name: str, text: str) -> Value:
    value = from_text(SETTINGS[name].kind, text)
    assert isinstance(value, str | bool | int | list | dict)
    return value


class _Overheard:
    """The port Http, which keeps the last answer: it says more than an agent needs to know of a server."""

    needs_room = False

    def __init__(self, http: "Http"):
        self._http = http
        self.response: Response | None = None

    async def exchange(self, request: "Request") -> "Response":
        """As the port's."""
        self.response = await self._http.exchange(request)
        return self.response


def _look_up(oauth: dict[str, Any]) -> Found:
    """What the server of these settings says of itself. Raises PairletError."""
    config = Config.from_tables({"oauth": oauth}, "the answers")
    ca_file = config.text("oauth.ca_file") or None
    http = _Overheard(RequestsHttp(ca_file=ca_file, insecure_http=config.flag("oauth.insecure_http")))
    found = asyncio.run(find_metadata(config, http, SystemClock(), SystemEntropy(), Patience(TRIES)))
    return Found(found, read_answer(http.response).members if http.response is not None else {})


# ---- the end ----


def _tell(draft: Draft, target: Target, output: Output, *, told: bool) -> None:
    """What was chosen, for a program; what comes next, for people. `told`: they have heard the notes."""
    output.event(
        "configured",
        file=str(target.path),
        **{"for": draft.acts_for},
        browser=draft.browser,
        grant=draft.grant,
        provider=draft.text("oauth.provider"),
        issuer=draft.text("oauth.issuer"),
        client_id=draft.text("oauth.client_id"),
        scope=draft.text("oauth.scope"),
        broker=draft.text("mqtt.url"),
        checked=draft.checked,
        notes=draft.notes,
    )
    output.say("")
    for note in [] if told else draft.notes:
        output.say(f"Note: {note}")
    how = "checked" if draft.checked else "not checked"
    output.say(f"{target.shown} is written: {draft.grant}, {how} with the server.")
    for line in _to_do(draft, target):
        output.say(line)
    output.say("Next:")
    found = configuration_file(None)
    where = "" if found is not None and found.resolve() == target.path else f" --config {target.shown}"
    for command, words in _next(draft):
        line = f"  pairlet {command}{where}"
        if where:
            output.say(line)
        output.say(f"{'' if where else line:20}{words}")


def _to_do(draft: Draft, target: Target) -> list[str]:
    """What is still missing, that no file can say."""
    lines = []
    for kind in ("secret", "key"):
        named = draft.text(f"oauth.client_{kind}_file")
        if named and not os.path.exists(target.resolved(named)):
            lines.append(
                f"Put the client {kind} into {target.resolved(named)}, and nothing else (chmod 600)."
            )
    if draft.grant == AUTHORIZATION_CODE and "oauth.redirect_uri" not in draft.values:
        lines.append("Register http://127.0.0.1/callback with the server, for a native application.")
    return lines


def _next(draft: Draft) -> list[tuple[str, str]]:
    publishes = " and publishes" if draft.text("mqtt.url") else ""
    how = "shows a code to approve" if draft.grant != AUTHORIZATION_CODE else "lets somebody sign in"
    steps = [("doctor", "tries all of it, and says what to mend")]
    if draft.grant == CLIENT_CREDENTIALS:
        steps.append(("token", "gets a token, and prints it"))
    else:
        steps.append(("pair", f"{how}, once"))
    steps.append(("run", f"the agent: keeps the token fresh{publishes}"))
    return steps
