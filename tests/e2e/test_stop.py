"""Signals at any moment: an orderly end, no traceback, no orphan, and a store that is still good."""

import asyncio
import json
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pairlet.drive import first_of
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support.agent_process import AgentProcess, run, started
from support.cloud import CLIENT_ID, Cloud, cloud
from support.processes import has_loaded, marked_environment, marked_processes, send_signal, until

MOMENTS = ["start", "code", "paired", "mqtt_connected", "published", "refreshed"]


def options_for(simulated: Cloud, state: Path) -> list[str]:
    """Common options for a state folder."""
    words = ["--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
    return [*words, "--state-dir", str(state)]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Cloud]:
    """A cloud with tokens that end soon."""
    with cloud(interval_s=1, access_token_lifetime_s=4) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_at_any_moment_ends_it_in_good_order(
    simulated: Cloud, tmp_path: Path, number: signal.Signals
) -> None:
    options = options_for(simulated, tmp_path / "state")
    options += ["--set", f"mqtt.url={simulated.broker_url}", "--set", "mqtt.version=3.1.1"]
    options += ["--set", "telemetry.interval=100ms"]
    chance = random.Random(number)
    for moment in [*MOMENTS, *chance.choices(MOMENTS[3:], k=4)]:
        environ, mark = marked_environment()
        with started("run", *options, **environ) as agent:
            reach(agent, moment, simulated, chance)
            send_signal(agent.process.pid, number)
            exit_code = agent.end(30)
            # Before Python has installed its handlers a signal ends it as it ends any process.
            orderly = 0 if number == signal.SIGTERM else 130
            assert exit_code == orderly or (moment == "start" and exit_code == -number), (moment, exit_code)
            assert "Traceback" not in "".join(agent.errors), (moment, agent.errors)
        assert marked_processes(mark) == {}, moment
        status = run("status", *options, "--json")
        assert status.returncode == 0, status.stderr
        if moment not in MOMENTS[:2]:
            assert json.loads(status.stdout)["paired"] is True
            assert run("token", *options).returncode == 0, moment


def reach(agent: AgentProcess, moment: str, simulated: Cloud, chance: random.Random) -> None:
    """Let a running agent come as far as `moment`, and a random number of samples further."""
    if moment == "start":
        until(lambda: has_loaded(agent.process.pid, "_asyncio"), "the agent to import its first modules")
        return
    if moment == "paired":
        simulated.approve(agent.wait_for("code"))
    agent.wait_for(moment)
    if moment in ("published", "refreshed"):
        for _ in range(chance.randrange(8)):
            agent.wait_for("published")


class SlowRefresh:
    """ASGI middleware that holds back the answers to refreshes, which the server has carried out by then."""

    def __init__(self, app: ASGIApp, asked: threading.Event, release: threading.Event):
        self._app, self._asked, self._release = app, asked, release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; an answer to a refresh waits for `release`."""
        body = bytearray()

        async def hear() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            if b"grant_type=refresh_token" in body and not self._release.is_set():
                self._asked.set()
                await asyncio.to_thread(self._release.wait, 30)
            await send(message)

        await self._app(scope, hear, say)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["SIGTERM", "SIGINT", "SIGHUP"]
)
def test_a_stop_in_the_middle_of_a_refresh_waits_for_the_new_token(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The server has rotated by then: without its answer the pairing would be lost (RFC 9700, 4.14.2)."""
    asked, release = threading.Event(), threading.Event()
    with cloud(interval_s=1, access_token_lifetime_s=4) as slow:
        slow.server.app.add_middleware(SlowRefresh, asked=asked, release=release)
        options = options_for(slow, tmp_path / "state")
        # Whatever happens: the server's thread must not wait for ever.
        with release_at_the_end(release), started("run", *options) as agent:
            slow.approve(agent.wait_for("code"))
            assert asked.wait(30)
            # However often somebody asks.
            for _ in range(3):
                send_signal(agent.process.pid, number)
                with pytest.raises(subprocess.TimeoutExpired):
                    agent.process.wait(0.5)
            release.set()
            assert agent.end() == (0 if number == signal.SIGTERM else 130)
            assert "refreshed" in [event["event"] for event in agent.events]
            assert "Traceback" not in "".join(agent.errors)
        assert run("token", *options).returncode == 0


def test_a_server_that_never_answers_holds_up_a_stop_for_a_few_seconds_only(tmp_path: Path) -> None:
    asked, release = threading.Event(), threading.Event()
    with cloud(interval_s=1, access_token_lifetime_s=4) as slow:
        slow.server.app.add_middleware(SlowRefresh, asked=asked, release=release)
        with (
            release_at_the_end(release),
            started("run", *options_for(slow, tmp_path / "state")) as agent,
        ):
            slow.approve(agent.wait_for("code"))
            assert asked.wait(30)
            send_signal(agent.process.pid, signal.SIGTERM)
            assert agent.end() == 0 and not release.is_set()


@contextmanager
def release_at_the_end(event: threading.Event) -> Iterator[None]:
    """Set `event` at the end, whatever happened."""
    try:
        yield
    finally:
        event.set()


def test_a_stop_that_coincides_with_another_end_is_not_lost() -> None:
    """At a shutdown broker and agent are stopped in the same moment; SIGTERM must win all the same."""
    reached: list[str] = []

    async def play() -> None:
        tidying, go_on = asyncio.Event(), asyncio.Event()

        async def connection_lost() -> None:
            return

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                tidying.set()
                await go_on.wait()

        async def outer() -> None:
            await first_of(connection_lost(), work())
            reached.append("went on as if nobody had stopped it")

        task = asyncio.create_task(outer())
        await tidying.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(play())
    assert reached == []
