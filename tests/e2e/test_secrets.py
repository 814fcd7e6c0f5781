"""A whole life of a device with every log at its loudest: no secret of the wire turns up anywhere else."""

import base64
import json
import logging
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support.agent_process import AgentProcess, environment
from support.cloud import CONFIDENTIAL_CLIENT_ID, SECRET, Cloud, cloud
from support.processes import all_command_lines, until
from support.qr_reader import read_qr
from support.terminal import at_terminal

LIFETIME_S = 4
SECRET_FIELDS = {"device_code", "access_token", "refresh_token", "client_secret", "token"}
# Everything that Python, asyncio and the libraries can say, and warnings about what is left open.
LOUD = [
    *(sys.executable, "-X", "dev", "-c"),
    "import logging, sys; logging.basicConfig(level=logging.DEBUG, format='%(name)s %(message)s %(args)r');"
    "from pairlet.linux.cli import main; sys.exit(main(sys.argv[1:]))",
]
# What is broken in the agent, each so that the exception holds what the server had just answered: in the
# command itself, in a callback of the loop, in a thread, and in a destructor, where nobody can catch it.
FAULTS = {
    "loop": "asyncio.get_running_loop().call_soon({}.__getitem__, repr(members))",
    "task": "asyncio.create_task(fail(members))",
    "thread": "threading.Thread(target={}.__getitem__, args=(repr(members),)).start()",
    "destructor": "type('Bad', (), {'__del__': lambda self: {}[repr(members)]})()",
    "command": "raise ValueError(repr(members))",
}
BROKEN = """
import asyncio, sys, threading
from pairlet.core import refresh_grant
from pairlet.linux.cli import main
right = refresh_grant.Token.from_answer
async def fail(members):
    raise ValueError(members)
def from_answer(members, *arguments, **options):
    FAULT
    return right(members, *arguments, **options)
refresh_grant.Token.from_answer = from_answer
sys.exit(main(sys.argv[1:]))
"""


class Recorder:
    """ASGI middleware that keeps what crosses the wire: `secrets` by the name they went under, and `urls`."""

    secrets: dict[str, set[str]]
    urls: list[str]

    def __init__(self, app: ASGIApp, notes: "Recorder | None" = None):
        self._app = app
        self._notes = notes or self
        if notes is None:
            self.secrets, self.urls = {}, []

    def note(self, name: str, value: str) -> None:
        """Remember one secret."""
        self.secrets.setdefault(name, set()).add(value)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry an exchange and look into both directions."""
        asked, answered = bytearray(), bytearray()

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            answered.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, hear, say)
        if scope["type"] == "http":
            self._notes.look(scope, bytes(asked), bytes(answered))

    def look(self, scope: Scope, asked: bytes, answered: bytes) -> None:
        """Take the secrets out of one exchange."""
        self.urls.append(scope["path"] + "?" + scope["query_string"].decode())
        for name, value in urllib.parse.parse_qsl(asked.decode("utf-8", "replace")):
            if name in SECRET_FIELDS:
                self.note(name, value)
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.note("authorization", value.decode().partition(" ")[2])
        try:
            members = json.loads(answered)
        except ValueError:
            return
        for name in SECRET_FIELDS & members.keys():
            if isinstance(members[name], str):
                self.note(name, members[name])


class Ears(logging.Handler):
    """Every record of this process, in which server and broker run, with its arguments and its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        self._format = logging.Formatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record as text."""
        self.heard.append(self._format.format(record) + repr(record.args))


@contextmanager
def listening() -> Iterator[Ears]:
    """Hear all loggers of this process, whatever their level was."""
    ears, root = Ears(), logging.getLogger()
    ours = ("pairlet", "uvicorn", "amqtt", "authlib")
    names = [name for name in root.manager.loggerDict if name.startswith(ours)]
    loggers = [root, *map(logging.getLogger, names)]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(ears)
    try:
        yield ears
    finally:
        root.removeHandler(ears)
        for logger, level in before:
            logger.setLevel(level)


class Life:
    """One device's life with everything that can be seen of it from outside."""

    def __init__(self, simulated: Cloud, folder: Path):
        self._simulated = simulated
        self.secret_file = folder / "secret"
        self.secret_file.touch(mode=0o600)
        self.secret_file.write_text(SECRET + "\n")
        self.state = folder / "state"
        self.options = ["--issuer", simulated.issuer, "--insecure-http", "--state-dir", str(self.state)]
        self.options += ["--client-id", CONFIDENTIAL_CLIENT_ID, "--client-secret-file", str(self.secret_file)]
        self.options += ["--set", f"mqtt.url={simulated.broker_url}", "--set", "telemetry.interval=200ms"]
        self.environ = environment(PYTHONASYNCIODEBUG="1", PYTHONUNBUFFERED="1")
        self.seen: dict[str, str] = {}

    def see(self, where: str, text: str) -> None:
        """Note something that a stranger could read."""
        self.seen[where] = self.seen.get(where, "") + text

    def look_around(self) -> None:
        """The process list."""
        self.see("the process list", all_command_lines())

    def start(self, *words: str, program: list[str] = LOUD) -> AgentProcess:
        """A command with --json that goes on."""
        pipe = subprocess.PIPE
        command = [*program, *words, *self.options, "--json"]
        return AgentProcess(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=self.environ))

    def finish(self, agent: AgentProcess, name: str) -> int:
        """Wait for its end and note what it said."""
        exit_code = agent.end()
        self.see(f"stdout of {name}", json.dumps(agent.events))
        self.see(f"stderr of {name}", "".join(agent.errors))
        return exit_code

    def run(self, *words: str, options: list[str] | None = None) -> "subprocess.CompletedProcess[str]":
        """A command to its end; its stderr is noted, its stdout is the caller's."""
        command = [*LOUD, words[0], *(options or self.options), *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self.environ)
        self.see(f"stderr of {words[0]}", done.stderr)
        return done

    def pair(self, method: str) -> None:
        """`pairlet pair`."""
        self.options += ["--set", f"oauth.client_auth={method}"]
        agent = self.start("pair")
        code = agent.wait_for("code")
        self.look_around()
        self.see("the QR code", code["verification_uri_complete"])
        self._simulated.approve(code)
        agent.wait_for("paired")
        assert self.finish(agent, "pair") == 0

    def work(self) -> None:
        """`pairlet run` over some refreshes, an outage and a refused token."""
        agent = self.start("run")
        for _ in range(2):
            agent.wait_for("refreshed")
            self.look_around()
        # Right after it has come back with the new token: the next planned reconnect is two seconds away.
        agent.wait_for("mqtt_connected")
        device_id = json.loads((self.state / "device").read_bytes())["device_id"]
        # A connection that the other side ends, in the middle of everything.
        kick = self._simulated.broker.disconnect
        until(lambda: self._simulated.call(kick, device_id), "the device to be connected")
        agent.wait_for("mqtt_disconnected", check=lambda event: "renewed" not in event["reason"])
        agent.wait_for("refreshed")
        agent.process.terminate()
        assert self.finish(agent, "run") == 0

    def commands(self) -> str:
        """token, exec, status, wrong configurations and unpair; the access token they handed out."""
        token = self.run("token")
        assert token.returncode == 0 and token.stdout.count(".") == 2
        shown = self.run("exec", "--", "sh", "-c", 'printf %s "$PAIRLET_ACCESS_TOKEN"')
        assert shown.stdout.count(".") == 2
        self.see("stdout of status", self.run("status").stdout + self.run("status", "--json").stdout)
        examined = self.run("doctor")
        # All of it, or there would be nothing to find a secret in.
        assert all(f"\nok       {check}" in examined.stdout for check in ("client", "metadata", "display"))
        self.see("stdout of doctor", examined.stdout)
        elsewhere = [*self.options, "--client-id", "another"]
        self.see("stdout of a wrong configuration", self.run("token", options=elsewhere).stdout)
        self.see("stdout of unpair", self.run("unpair").stdout)
        self.see("stdout of token, later", self.run("token").stdout)
        return token.stdout.strip()

    def crash(self) -> None:
        """A corrupt record, and a process that is told to dump its threads and die."""
        record = json.loads((self.state / "token").read_bytes())
        record["version"] = 77
        kept = (self.state / "token").read_bytes()
        (self.state / "token").write_text(json.dumps(record))
        self.see("stdout of a corrupt record", self.run("status", "--json").stdout)
        (self.state / "token").write_bytes(kept)
        agent = self.start("run")
        agent.wait_for("mqtt_connected")
        os.kill(agent.process.pid, 6)  # SIGABRT: -X dev has faulthandler print every stack
        assert self.finish(agent, "a crash") == -6
        assert "Current thread" in self.seen["stderr of a crash"]

    def faults(self) -> None:
        """Exceptions that nobody expected, and that hold the server's answer; the last one loses it."""
        for name, statement in FAULTS.items():
            program = [sys.executable, "-X", "dev", "-c", BROKEN.replace("FAULT", statement)]
            agent = self.start("run", program=program)
            if name != "command":
                agent.wait_for("refreshed")
                agent.process.terminate()
            exit_code = self.finish(agent, f"a fault in the {name}")
            told = self.seen[f"stderr of a fault in the {name}"]
            assert exit_code == (1 if name == "command" else 0), told
            assert ("ValueError" in told or "KeyError" in told) and "Traceback" not in told, told


def variants(secret: str) -> set[str]:
    """How a secret may be written: as it is, in a URL or a form, in JSON, in hexadecimal, in base64 of any
    kind and at any place in it, and of a JWT each part that is not the same in all."""
    raw = secret.encode()
    forms = {secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret), json.dumps(secret)[1:-1]}
    forms |= {raw.hex(), repr(raw)[2:-1], secret[::-1]}
    for shift in range(3):
        # The characters that hold bits of what stands before or after the secret are not its own.
        encoded = base64.b64encode(bytes(shift) + raw).decode().rstrip("=")
        own = encoded[(0, 2, 3)[shift] : len(encoded) - 1]
        forms |= {own, own.replace("+", "-").replace("/", "_")}
    if secret.count(".") == 2:
        _, payload, signature = secret.split(".")
        forms |= {payload, signature}
        # From byte to byte of the claims: what is in them is one person's and one device's.
        forms.add(base64.urlsafe_b64decode(payload + "==").decode())
    return forms


def leaks(secrets: dict[str, set[str]], seen: dict[str, str]) -> list[str]:
    """Where something that must not be seen is seen, without saying it once more."""
    found = []
    for name, values in secrets.items():
        for value in values:
            found += [
                f"{name} in {where}: {_around(text, each)}"
                for each in variants(value)
                for where, text in seen.items()
                if each in text
            ]
    return found


def _around(text: str, secret: str) -> str:
    place = text.index(secret)
    return text[max(0, place - 160) : place] + "<here>"


@pytest.mark.item(52)
@pytest.mark.parametrize(
    ("method", "form"), [("client_secret_basic", "text"), ("client_secret_post", "json")]
)
def test_a_whole_life_shows_no_secret(tmp_path: Path, method: str, form: str) -> None:
    with listening() as ears, cloud(interval_s=1, access_token_lifetime_s=LIFETIME_S) as simulated:
        wire = Recorder(simulated.server.app)
        simulated.server.app.add_middleware(Recorder, notes=wire)
        life = Life(simulated, tmp_path)
        life.options += ["--log-level", "debug", "--log-format", form]
        life.pair(method)
        life.work()
        life.crash()
        life.faults()
        life.pair(method)
        token = life.commands()
        life.see("the server's events", str(simulated.server.events))
    life.see("the logs of server and broker", "\n".join(ears.heard))
    life.see("addresses that were asked for", "\n".join(wire.urls))
    check_the_harvest(wire, life, token, method)
    wire.note("client_secret", SECRET)
    assert leaks(wire.secrets, life.seen) == []
    # As loud as this, Python also tells of what was not tidied up.
    told = {where: text for where, text in life.seen.items() if where.startswith("stderr of")}
    for sign in (
        "ResourceWarning",
        "DeprecationWarning",
        "never awaited",
        "was destroyed",
        "never retrieved",
    ):
        assert [where for where, text in told.items() if sign in text] == []


def check_the_harvest(wire: Recorder, life: Life, token: str, method: str) -> None:
    """The search only means something if there was something to find, and a place to find it in."""
    assert len(wire.secrets["access_token"]) >= 4 and len(wire.secrets["refresh_token"]) >= 4
    assert wire.secrets["device_code"] and token in wire.secrets["access_token"]
    assert ("authorization" in wire.secrets) == (method == "client_secret_basic")
    assert ("client_secret" in wire.secrets) == (method == "client_secret_post")
    assert "asyncio" in life.seen["stderr of run"] and "pairlet.http" in life.seen["stderr of run"]
    assert CONFIDENTIAL_CLIENT_ID in life.seen["the process list"]
    assert len(life.seen["the logs of server and broker"]) > 1000
    assert any("/device?user_code=" in url for url in wire.urls)
    # The search itself finds what is there, in whatever form.
    assert leaks({"access_token": {token}}, {"stdout of token": token + "\n"}) != []
    for prefix in ("", "i", "id", "id:"):
        hidden = base64.b64encode(f"{prefix}{SECRET}!".encode()).decode()
        assert leaks({"client_secret": {SECRET}}, {"a header": hidden}) != []
    for part in token.split(".")[1:]:
        assert leaks({"access_token": {token}}, {"a claim": part}) != []


def test_what_the_screen_and_the_phone_see(tmp_path: Path) -> None:
    with cloud(interval_s=1) as simulated:
        wire = Recorder(simulated.server.app)
        simulated.server.app.add_middleware(Recorder, notes=wire)
        life = Life(simulated, tmp_path)
        with at_terminal(["pair", *life.options], program=LOUD, environ=life.environ, rows=40) as session:
            # Loud logs and a picture on one terminal: unreadable, but whatever is there must be harmless.
            until(lambda: session.raw.count(b"\n") > 20 or session.process.poll() is not None, "output")
            life.see("the terminal", session.raw.decode("utf-8", "replace"))
        with at_terminal(["pair", *life.options], environ=life.environ) as session:
            session.wait_for(lambda screen: len(read_qr(screen.picture())) == 1)
            scanned = read_qr(session.screen.picture())[0]
            life.see("the QR code", scanned)
            life.see("the terminal", session.raw.decode())
        assert scanned.startswith(simulated.issuer) and len(wire.secrets["device_code"]) >= 1
    wire.note("client_secret", SECRET)
    assert leaks(wire.secrets, life.seen) == []


def test_the_files_of_a_device_are_its_owners_alone(tmp_path: Path) -> None:
    """The store is where secrets may be: nobody else can read it, whatever the umask."""
    with cloud(interval_s=1) as simulated:
        life = Life(simulated, tmp_path)
        before = os.umask(0)
        try:
            life.pair("client_secret_basic")
        finally:
            os.umask(before)
    files = [path for path in life.state.rglob("*") if path.is_file()]
    assert life.state.stat().st_mode & 0o777 == 0o700 and files
    assert all(path.stat().st_mode & 0o077 == 0 for path in files), files
