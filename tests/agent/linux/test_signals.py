"""Signals before a command has begun and after it has ended: they change nothing, and nobody sees them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pairlet.linux.button import SignalButton
from pairlet.linux.cli import Stop
from support.agent_process import started
from support.processes import has_loaded, send_signal, until

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What handles signals here stays as it was."""
    before = [(number, signal.getsignal(number)) for number in SIGNALS]
    yield
    for number, handler in before:
        signal.signal(number, handler)


async def a_command() -> int:
    """What a command does of interest here: it makes a button."""
    SignalButton()
    return 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_after_the_end_of_a_command_does_nothing(number: signal.Signals) -> None:
    assert asyncio.run(Stop(False, print).guard(a_command())) == 0
    os.kill(os.getpid(), number)


def test_what_nohup_has_started_outlives_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def hung_up() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        return 0

    assert asyncio.run(Stop(False, print).guard(hung_up())) == 0


def test_a_button_that_is_pressed_during_the_start_ends_nothing() -> None:
    with started("token", "--issuer", "http://127.0.0.1:9") as command:
        until(lambda: has_loaded(command.process.pid, "_asyncio"), "the command to import its first modules")
        send_signal(command.process.pid, signal.SIGUSR1)
        assert command.end() == 2


def test_whoever_asks_again_and_again_gets_the_same_exit_code(tmp_path: Path) -> None:
    options = ["--issuer", "http://127.0.0.1:9", "--client-id", "tv", "--insecure-http"]
    with started("run", *options, "--state-dir", str(tmp_path / "state")) as agent:
        agent.wait_for("error")

        def ended() -> bool:
            for number in (signal.SIGTERM, signal.SIGUSR1):
                send_signal(agent.process.pid, number)
            return agent.process.poll() is not None

        until(ended, "the agent to end")
        assert agent.end() == 0 and "Traceback" not in "".join(agent.errors)
