"""Handlers of the owner's own commands: whatever they do costs their own reply only."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pairlet.core.command_error import CommandError
from pairlet.core.errors import ConfigError
from pairlet.linux.handlers import FunctionHandlers

MODULE = """
import asyncio, sys, threading
from pairlet.core.command_error import CommandError

go_on = threading.Event()

def on_open_door(arguments):
    return {"opened": arguments["door"]}

async def on_wait(arguments):
    await asyncio.sleep(arguments["seconds"])
    return None

def on_hang(arguments):
    go_on.wait(60)
    return {"woke": True}

def on_raise(arguments):
    raise ValueError("the password is hunter2")

async def on_raise_async(arguments):
    raise TimeoutError("the password is hunter2")

def on_leave(arguments):
    sys.exit(3)

def on_refuse(arguments):
    raise CommandError("door_blocked", "something is in the way")

class Opener:
    async def __call__(self, arguments):
        await asyncio.sleep(0)
        return {"opened": "from afar"}

on_call = Opener()

not_callable = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the module, which Python forgets afterwards."""
    (tmp_path / "my_door.py").write_text(MODULE)
    (tmp_path / "pairlet.toml").write_text("")
    stdout, path = sys.stdout, list(sys.path)
    yield tmp_path
    sys.stdout, sys.path[:] = stdout, path
    sys.modules.pop("my_door", None)


def handlers(folder: Path, *words: str, timeout_s: float = 30) -> FunctionHandlers:
    """As configured in `folder`."""
    return FunctionHandlers(list(words), timeout_s, folder / "pairlet.toml")


def refusal(made: FunctionHandlers, name: str, **arguments: object) -> CommandError:
    """The error that calling `name` ends with."""
    with pytest.raises(CommandError) as caught:
        asyncio.run(made.call(name, arguments))
    return caught.value


def test_the_function_names_the_command(folder: Path) -> None:
    made = handlers(folder, "my_door:on_open_door", "bell=my_door:on_refuse")
    assert made.names() == ["open-door", "bell"]
    assert asyncio.run(made.call("open-door", {"door": 2})) == {"opened": 2}


def test_what_it_raises_is_told_by_kind_and_place_alone(folder: Path) -> None:
    made = handlers(
        folder, "my_door:on_raise", "my_door:on_raise_async", "my_door:on_leave", "my_door:on_refuse"
    )
    for name, kind in (("raise", "ValueError"), ("raise-async", "TimeoutError"), ("leave", "SystemExit")):
        error = refusal(made, name)
        assert error.error == "failed" and kind in error.message
        assert "hunter2" not in error.message
    assert refusal(made, "refuse").error == "door_blocked"


def test_an_object_may_be_one(folder: Path) -> None:
    made = handlers(folder, "my_door:on_call")
    assert asyncio.run(made.call("call", {})) == {"opened": "from afar"}


def test_one_that_takes_too_long_is_given_up(folder: Path) -> None:
    made = handlers(folder, "my_door:on_wait", "my_door:on_hang", timeout_s=0.05)
    assert refusal(made, "wait", seconds=60).error == "timeout"
    assert refusal(made, "hang").error == "timeout"
    # Its thread can't be ended: it is not joined by a second one.
    assert refusal(made, "hang").error == "busy"
    sys.modules["my_door"].go_on.set()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("my_door", "commands.handlers"),
        ("my_door:", "commands.handlers"),
        (":on_open_door", "commands.handlers"),
        ("os:system;reboot", "commands.handlers"),
        ("../my_door:on_open_door", "commands.handlers"),
        ("my_door:ping", "built in"),
        ("unpair=my_door:on_open_door", "built in"),
        ("my_door:not_there", "no function"),
        ("not_there_at_all:on_x", "no module"),
    ],
)
def test_a_wrong_entry_is_refused_at_the_start(folder: Path, word: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        handlers(folder, word)
    assert said in str(caught.value) and caught.value.advice


def test_two_for_one_command_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="two for 'open-door'"):
        handlers(folder, "my_door:on_open_door", "open-door=my_door:on_refuse")


def test_a_module_that_others_may_write_is_refused(folder: Path) -> None:
    (folder / "my_door.py").chmod(0o666)
    with pytest.raises(ConfigError, match="may write"):
        handlers(folder, "my_door:on_open_door")
