"""A command and everything that it starts, as one group."""

import asyncio
import gc
import os
import subprocess
import sys

import pytest
from pairlet_sim.process_group import started
from support.processes import marked_environment, marked_processes, until


def run(script: str, limit_s: float = 30):
    """Run a Python script; its exit code as known within the limit, and its group."""

    async def runs():
        async with started([sys.executable, "-c", script], dict(os.environ)) as group:
            exit_code = await group.ended_within(limit_s)
        return exit_code, group

    return asyncio.run(runs())


def test_what_it_wrote_and_how_it_ended():
    exit_code, group = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (exit_code, group.stdout, group.stderr) == (3, "out\n", "err\n")


def test_a_signal_is_a_negative_exit_code():
    exit_code, _ = run("import os, signal; os.kill(os.getpid(), signal.SIGABRT)")
    assert exit_code == -6


def test_who_takes_too_long_is_stopped():
    exit_code, group = run("import time; print('begun', flush=True); time.sleep(300)", 0.5)
    assert exit_code is None
    assert group.exit_code == -15


DEAF = (
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('deaf', flush=True)\n"
    "time.sleep(300)"
)


def test_who_does_not_listen_is_killed():
    async def runs():
        async with started([sys.executable, "-c", DEAF], dict(os.environ)) as group:
            while not group.stdout:
                await asyncio.sleep(0.01)
            assert await group.ended_within(0.01) is None
        return group

    assert asyncio.run(runs()).exit_code == -9


def test_who_is_cancelled_again_and_again_still_ends_the_group():
    groups = []

    async def runs():
        async with started([sys.executable, "-c", DEAF], dict(os.environ)) as group:
            groups.append(group)
            while not group.stdout:
                await asyncio.sleep(0.01)
            await group.ended_within(300)

    async def main():
        task = asyncio.ensure_future(runs())
        while not (groups and groups[0].stdout):
            await asyncio.sleep(0.01)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.1)
        assert task.cancelled()

    asyncio.run(main())
    assert groups[0].exit_code == -9


@pytest.mark.parametrize("steps", range(12))
def test_who_is_cancelled_before_it_has_quite_begun_still_ends_the_group(steps):
    """On a busy machine a command has children before its pipes are connected."""
    environ, mark = marked_environment()

    def sleepers():
        return sum(line.startswith("sleep") for line in marked_processes(mark).values())

    async def runs():
        async with started(["sh", "-c", "sleep 300 & sleep 300 & wait"], environ):
            await asyncio.Event().wait()

    async def main():
        task = asyncio.ensure_future(runs())
        while not marked_processes(mark):
            await asyncio.sleep(0)
        until(lambda: sleepers() == 2, "two children, while the event loop stands still")
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not marked_processes(mark)

    asyncio.run(main())


@pytest.mark.parametrize("steps", range(4))
def test_who_is_cancelled_when_the_command_has_just_ended_is_cancelled(steps):
    groups = []

    async def runs():
        async with started(["true"], dict(os.environ)) as group:
            groups.append(group)
            await group.ended_within(300)

    async def main():
        task = asyncio.ensure_future(runs())
        while not (groups and groups[0].exit_code == 0):
            await asyncio.sleep(0)
        for _ in range(steps):
            await asyncio.sleep(0)
        in_time = task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() == in_time

    asyncio.run(main())


@pytest.mark.parametrize("steps", range(4))
def test_who_is_cancelled_while_a_command_cannot_be_started_is_cancelled(steps, caplog):
    async def runs():
        async with started(["/nowhere/at/all"], {}):
            raise AssertionError("started")

    async def main():
        task = asyncio.ensure_future(runs())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, FileNotFoundError)):
            await task
        del task
        gc.collect()

    asyncio.run(main())
    assert caplog.records == []


def test_an_endless_writer_fills_no_memory():
    async def runs():
        async with started([sys.executable, "-c", "while True: print('x' * 100_000)"], {}) as group:
            while len(group.stdout) < 4_000_000:
                await asyncio.sleep(0.01)
            assert await group.ended_within(0.5) is None
        return group

    assert len(asyncio.run(runs()).stdout) == 4_000_000


def test_a_child_that_keeps_the_pipes_open_does_not_hold_us_up():
    script = "import subprocess; subprocess.Popen(['sleep', '300']); print('done')"
    exit_code, group = run(script)
    assert (exit_code, group.stdout) == (0, "done\n")


def test_nothing_outlives_us_even_when_we_are_killed():
    script = (
        "import asyncio, os\n"
        "from pairlet_sim.process_group import started\n"
        "async def main():\n"
        "    async with started(['sleep', '300'], dict(os.environ)):\n"
        "        await asyncio.sleep(300)\n"
        "asyncio.run(main())"
    )
    environ, mark = marked_environment()
    process = subprocess.Popen([sys.executable, "-c", script], env=environ)
    try:
        until(lambda: any(line.startswith("sleep") for line in marked_processes(mark).values()), "the child")
    finally:
        process.kill()
        process.wait()
    until(lambda: not marked_processes(mark), "the child to end")


@pytest.mark.parametrize(
    "function",
    ["pairlet_sim.process_group.die_with_parent", "pairlet_sim.board.interpreter._die_with_parent"],
)
def test_who_is_born_when_we_are_dead_already_does_not_live(function):
    module, _, name = function.rpartition(".")
    script = (
        "import os, time\n"
        f"from {module} import {name} as asks\n"
        "parent = os.getpid()\n"
        "if os.fork():\n"
        "    os._exit(0)\n"
        "while os.getppid() == parent:\n"
        "    time.sleep(0.001)\n"
        "print('asks', flush=True)\n"
        "asks(parent)\n"
        "print('lives', flush=True)"
    )
    # Its stdout ends when the last of them has ended.
    ended = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=60)
    assert ended.stdout == b"asks\n"


def test_bytes_that_are_no_text():
    _, group = run("import sys; sys.stdout.buffer.write(b'\\xff\\x00ok')")
    assert group.stdout.endswith("ok")
