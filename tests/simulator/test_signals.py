"""What ends a command of the simulator in good order."""

import asyncio
import os
import signal

import pytest
from pairlet_sim.command_line import signals


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGHUP, 130), (signal.SIGTERM, 0)]
)
def test_a_signal_ends_it_with_its_exit_code(number: signal.Signals, exit_code: int) -> None:
    async def play() -> int:
        with signals() as stopped:
            os.kill(os.getpid(), number)
            return await asyncio.wait_for(stopped, 30)

    assert asyncio.run(play()) == exit_code


def test_what_nohup_has_started_outlives_its_terminal() -> None:
    async def play() -> bool:
        with signals() as stopped:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
            return stopped.done()

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert asyncio.run(play()) is False
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
