"""Rounds in which an agent is killed while it refreshes, against a server that forgives nothing.

After each round two witnesses tell what has become of the pairing: the wire (which refresh token has the
server issued last?) and the disk (which one would the agent send next?). They differ in one case only: the
answer of the server was on its way, or had come, and was not on the disk yet. Then nobody has the token that
counts, and no agent could.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from pairlet.core.token import Token
from pairlet.keeper import TokenKeeper
from pairlet.linux.clock import SystemClock
from pairlet.linux.entropy import SystemEntropy
from pairlet.linux.store import FileStore
from pairlet_sim.authserver.settings import DEVICE_CODE
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support.agent_process import environment
from support.cloud import CLIENT_ID, USERNAME, Cloud, cloud
from support.forked_agent import AFTER, BEFORE, TORN, AtCall, AtTime, ForkedAgent, Round, forked_agent
from support.processes import until

# Longer than a token lives: each round finds one that has to be refreshed.
_APART_MS = 10_000
_LIFETIME_S = 2
_CLEAN_ROUNDS = 5


class Wire:
    """ASGI middleware that notes every refresh token the server issues, in order, and what is under way."""

    issued: list[str]
    under_way: int

    def __init__(self, app: ASGIApp, notes: "Wire | None" = None):
        self._app = app
        self._notes = notes or self
        if notes is None:
            self.issued, self.under_way = [], 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry an exchange, and read the answers of the token endpoint before they leave."""
        answered = bytearray()

        async def say(message: Message) -> None:
            answered.extend(message.get("body", b""))
            if scope["path"].endswith("/token") and not message.get("more_body"):
                self._notes.look(bytes(answered))
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._notes.under_way += 1
        try:
            await self._app(scope, receive, say)
        finally:
            self._notes.under_way -= 1

    def look(self, body: bytes) -> None:
        """Take the refresh token out of an answer that has one."""
        members = json.loads(body) if body.startswith(b"{") else {}
        if "refresh_token" in members:
            self.issued.append(members["refresh_token"])


@dataclass
class Tally:
    """What became of the rounds.

    refreshed: how often the server issued a token to an agent. lost: how often its answer never reached
    the disk. repaired: how often the device had to be paired again; needless: those of them in which the
    disk did hold the token that the server had issued last. deaths: what the rounds died of.
    """

    rounds: int = 0
    refreshed: int = 0
    lost: int = 0
    repaired: int = 0
    needless: int = 0
    deaths: Counter[str] = field(default_factory=Counter)


class KillRounds:
    """One device and its server. `play` gives the rounds; raises AssertionError for what must not happen."""

    def __init__(self, simulated: Cloud, wire: Wire, folder: Path, agent: ForkedAgent, seed: int):
        self._simulated = simulated
        self._wire = wire
        self._state = folder / "state"
        self._agent = agent
        self._chance = random.Random(seed)
        self._options = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        self._options += ["--state-dir", str(self._state)]
        self._ahead_ms = 0
        self._took_s = 0.0
        self._calls: list[str] = []
        self.tally = Tally()

    def play(self, rounds: int) -> Tally:
        """So many rounds, and then none."""
        for _ in self.playing(rounds):
            pass
        self.left_alone()
        return self.tally

    def left_alone(self) -> None:
        """Nobody kills it any more: it has to get a token."""
        self._round("token", None)
        assert self._run("token").exit_code == 0

    def playing(self, rounds: int) -> Iterator[Tally]:
        """The tally after each of so many rounds."""
        self._pair()
        self._calibrate()
        deaths = self._deaths()
        for _ in range(rounds):
            self._round(*next(deaths))
            yield self.tally

    def _calibrate(self) -> None:
        """What a command does, and for how long, when it is left alone."""
        clean = [self._run("token") for _ in range(_CLEAN_ROUNDS)]
        assert all(done.exit_code == 0 for done in clean), clean
        self._calls = clean[-1].calls
        self._took_s = sorted(done.took_s for done in clean)[_CLEAN_ROUNDS // 2]
        assert {"open", "write", "flock"} <= set(self._calls)

    def _deaths(self) -> Iterator[tuple[str, AtCall | AtTime]]:
        """For ever: each system call of the store in turn, and beside each a moment by chance."""
        while True:
            for number, name in enumerate(self._calls):
                for moment in (BEFORE, TORN, AFTER) if name == "write" else (BEFORE, AFTER):
                    yield "token", AtCall(number, moment)
                    yield "token", AtTime(self._chance.uniform(0, 1.2 * self._took_s))
                    yield "run", AtTime(self._chance.uniform(0, 0.2 + 1.2 * self._took_s))

    def _round(self, command: str, death: AtCall | AtTime | None) -> None:
        """One command, and what has become of the pairing then."""
        tally, issued = self.tally, self._wire.issued
        before, was_in_step = len(issued), self.kept() == issued[-1]
        done = self._run(command, death)
        if command == "token" and isinstance(death, AtTime):
            # A busy machine takes longer than it did: one that has ended tells how long.
            self._took_s = done.took_s if done.exit_code == 0 else 1.03 * self._took_s
        tally.rounds += 1
        tally.deaths[_cause(command, death, done)] += 1
        tally.refreshed += len(issued) - before
        kept = self.kept()
        if kept is None:
            assert done.exit_code in (6, -9), done
            tally.repaired += 1
            tally.needless += was_in_step
            self._pair()
            return
        assert done.exit_code in (0, -9), done
        tally.lost += len(issued) > before and kept != issued[-1]

    def _run(self, command: str, death: AtCall | AtTime | None = None) -> Round:
        """A command, at a time when the token has to be refreshed."""
        self._ahead_ms += _APART_MS
        done = self._agent.run([command, *self._options], ahead_ms=self._ahead_ms, death=death)
        self._let_the_server_finish()
        assert "Traceback" not in done.stderr and "fault" not in done.stderr, done.stderr
        return done

    def _let_the_server_finish(self) -> None:
        """What a process has sent before it was killed is carried out all the same, perhaps a moment later.

        Connections are accepted in order: when a later one has been answered, all before it have begun.
        """
        requests.get(self._simulated.issuer + "/jwks", timeout=30)
        until(lambda: self._wire.under_way == 0, "the server to finish what was asked of it")

    def _pair(self) -> None:
        """What a person does, without the person, and without the wait between the polls."""
        simulated = self._simulated
        base = simulated.issuer
        codes = requests.post(f"{base}/device_authorization", {"client_id": CLIENT_ID}, timeout=30).json()
        assert simulated.server.approve(codes["user_code"], USERNAME)
        form = {"client_id": CLIENT_ID, "device_code": codes["device_code"], "grant_type": DEVICE_CODE}
        members = requests.post(f"{base}/token", form, timeout=30).json()
        clock = SystemClock()
        account = (base, CLIENT_ID)
        store = FileStore(self._state)
        keeper = TokenKeeper(account, store, clock, SystemEntropy(), lambda event, **fields: None)
        keeper.save(Token.from_answer(members, clock.now()))

    def kept(self) -> str | None:
        """The refresh token that the agent would send next; None when it is not paired."""
        try:
            record = json.loads((self._state / "token").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        found: str | None = record["refresh_token"]
        return found


def _cause(command: str, death: AtCall | AtTime | None, done: Round) -> str:
    """What a round died of, in words to count."""
    if done.exit_code != -9:
        return f"{command}: it had ended before"
    if isinstance(death, AtCall):
        return f"{command}: {death.moment} a system call of the store"
    return f"{command}: at a moment by chance"


@contextmanager
def kill_rounds(
    folder: Path, *, grace_s: float = 0, seed: int = 0, sabotage: str = ""
) -> Iterator[KillRounds]:
    """Everything for rounds. The server takes a used refresh token once more for `grace_s`: 0 is never.

    `sabotage`: as for ForkedAgent.
    """
    with (
        cloud(interval_s=1, access_token_lifetime_s=_LIFETIME_S, refresh_grace_s=grace_s) as simulated,
        forked_agent(environment(), sabotage=sabotage) as agent,
    ):
        wire = Wire(simulated.server.app)
        simulated.server.app.add_middleware(Wire, notes=wire)
        yield KillRounds(simulated, wire, folder, agent, seed)
