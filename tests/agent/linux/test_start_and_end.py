"""Signals where nobody expects them: while Python reads the modules, and while it ends."""

import re
import subprocess
import sys

import pytest
from support.agent_process import environment

# Sends the signal when Python has done with a module and runs a piece of its own, where whatever a signal
# handler raises is told of and forgotten.
BETWEEN_MODULES = """
def hook(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "cb" and "argparse" in sys.modules:
        sys.setprofile(None)
        os.kill(os.getpid(), {0})
sys.setprofile(hook)
"""
BEFORE_THE_COMMAND = """
import asyncio
real = asyncio.run
asyncio.run = lambda work: (os.kill(os.getpid(), {0}), real(work))[1]
"""
BEHIND_THE_COMMAND = """
import asyncio
real = asyncio.run
asyncio.run = lambda work: (real(work), os.kill(os.getpid(), {0}))[0]
"""
AT_THE_END = """
import atexit
atexit.register(os.kill, os.getpid(), {0})
"""
STATUS = """
from pairlet.linux.start import entry
entry()
"""
UNPAIRED = "pairlet-.* is not paired. Run: pairlet pair.\n*"


@pytest.mark.parametrize(
    ("moment", "number", "exit_code", "said"),
    [
        (BETWEEN_MODULES, "signal.SIGINT", 130, ""),
        (BEFORE_THE_COMMAND, "signal.SIGINT", 130, ""),
        (BEHIND_THE_COMMAND, "signal.SIGINT", 130, UNPAIRED),
        (BEHIND_THE_COMMAND, "signal.SIGTERM", 0, UNPAIRED),
        (AT_THE_END, "signal.SIGINT", 130, UNPAIRED),
        (AT_THE_END, "signal.SIGTERM", 0, UNPAIRED),
    ],
    ids=["between-int", "before-int", "behind-int", "behind-term", "end-int", "end-term"],
)
def test_a_signal_at_the_edges_is_no_crash(tmp_path, moment, number, exit_code, said):
    words = ["status", "--state-dir", str(tmp_path), "--issuer", "https://as.example", "--client-id", "x"]
    script = "import os, signal, sys\n" + moment.format(number) + STATUS
    ended = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert (ended.returncode, ended.stderr.strip("\n")) == (exit_code, "")
    assert re.fullmatch(said, ended.stdout)


EARLY_PRESS = """
import os, signal, sys
def hook(frame, event, argument):
    if event == "call" and "pairlet.linux.commands" in sys.modules:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGUSR1)
sys.setprofile(hook)
"""


def test_a_button_that_is_pressed_before_anybody_waits_for_it_ends_nothing(tmp_path) -> None:
    words = ["pair", "--issuer", "https://127.0.0.1:1", "--client-id", "x", "--state-dir", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-c", EARLY_PRESS + STATUS, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert ended.returncode == 5 and "refused" in ended.stderr


EXEC = """
import os, signal, sys
from types import SimpleNamespace
from pairlet.linux import commands_token
from pairlet.linux.start import entry

async def usable_token(arguments, output):
    return SimpleNamespace(access_token=SimpleNamespace(reveal=lambda: "hidden"))

commands_token._usable_token = usable_token
class LastMoment:
    def flush(self):
        os.kill(os.getpid(), signal.SIGTERM)
commands_token.sys = SimpleNamespace(stdout=LastMoment())
entry()
"""


def test_who_is_asked_to_end_in_the_last_moment_becomes_no_other_program() -> None:
    words = ["exec", "--issuer", "https://as.example", "--client-id", "x", "--", "echo", "begun"]
    ended = subprocess.run(
        [sys.executable, "-c", EXEC, *words], capture_output=True, text=True, timeout=60, env=environment()
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
