"""Sensors that people write: functions and commands, good ones, broken ones, and ones that hang."""

import asyncio
import contextlib
import math
import os
import stat
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pairlet.core.errors import ConfigError, PairletError
from pairlet.linux.sensors import trust
from pairlet.linux.sensors.choice import Choice
from pairlet.linux.sensors.command import CommandSensor
from pairlet.linux.sensors.function import FunctionSensor
from pairlet.linux.sensors.sampler import Sampler, Source
from pairlet.linux.sensors.system import SystemSensors
from pairlet.linux.sensors.values import SensorError, reading_of
from support.processes import marked_environment, marked_processes, until
from support.virtual_time import VirtualLoop

Result = TypeVar("Result")


def run_in_virtual_time(story: Coroutine[Any, Any, Result]) -> Result:
    with VirtualLoop() as loop:
        return loop.run_until_complete(story)


# ---- what a sensor gives ---------------------------------------------------------------------


class Counted:
    """A number of somebody else's type, as NumPy has them."""

    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (421, {"co2_ppm": 421}),
        (21.5, {"co2_ppm": 21.5}),
        (-(2**63) + 1, {"co2_ppm": -(2**63) + 1}),
        (Decimal("1.5"), {"co2_ppm": 1.5}),
        (Counted(), {"co2_ppm": 7}),
        (None, {}),
        (math.nan, {}),
        (-math.inf, {}),
        ({}, {}),
        ({"a_volts": 1, "b_volts": 2.5}, {"a_volts": 1, "b_volts": 2.5}),
        ({"a_volts": None, "b_volts": math.nan, "c": 3}, {"c": 3}),
    ],
)
def test_numbers_and_objects_of_numbers_are_values(given: object, values: dict[str, float]) -> None:
    assert reading_of(given, "co2_ppm") == (values, "")
    assert all(type(value) in (int, float) for value in reading_of(given, "co2_ppm").values.values())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (True, "it gives true or false in place of a number"),
        ("421", "it gives text in place of a number"),
        ([1, 2], "it gives a list in place of a number"),
        (b"1", "it gives bytes in place of a number"),
        (object(), "it gives a value of type object in place of a number"),
        (2**63, "it gives a number of more than 64 bits"),
        pytest.param(-(10**5000), "it gives a number of more than 64 bits", id="of 5000 digits"),
    ],
)
def test_anything_else_is_a_clear_error(given: object, words: str) -> None:
    with pytest.raises(SensorError) as caught:
        reading_of(given, "x")
    assert str(caught.value) == words and caught.value.advice


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"b": "1"}, "b: it gives text in place of a number"),
        ({"b": {"c": 1}}, "b: it gives an object in place of a number"),
        ({"CO2": 1}, "'CO2' can't be a name: it takes a-z, 0-9 and _"),
        ({"": 1}, "'' can't be a name: it takes a-z, 0-9 and _"),
        ({"1a": 1}, "'1a' can't be a name: it takes a-z, 0-9 and _"),
        ({"a\x1b[31m": 1}, "'a\\x1b[31m' can't be a name: it takes a-z, 0-9 and _"),
        ({5: 1}, "5 can't be a name: it takes a-z, 0-9 and _"),
        ({"x" * 65: 1}, f"'{'x' * 65}' can't be a name: it takes a-z, 0-9 and _"),
    ],
)
def test_what_is_wrong_in_an_object_costs_only_itself(bad: dict[Any, Any], words: str) -> None:
    assert reading_of({"a": 1, **bad, "z": 2}, "x") == ({"a": 1, "z": 2}, words)


def test_an_object_has_no_end_of_values() -> None:
    values, left_out = reading_of({f"n{number}": number for number in range(1000)}, "x")
    assert len(values) == 64 and left_out == "it gives more than 64 values"


def test_a_prefix_comes_before_the_names_of_an_object() -> None:
    assert reading_of({"celsius": 4}, "outside", "outside").values == {"outside_celsius": 4}
    assert reading_of(4, "outside_celsius", "outside_celsius").values == {"outside_celsius": 4}


# ---- functions -------------------------------------------------------------------------------


class Told:
    """Keeps what a sampler tells."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, title: str, error: PairletError | None) -> None:
        self.lines.append(f"{title} is well" if error is None else str(error))


def sampler(*sources: Source, limit_s: float = 5.0) -> tuple[Sampler, Told]:
    told = Told()
    return Sampler(None, sources, lambda: limit_s, told), told


def function(what: Callable[[], Any], name: str = "x") -> FunctionSensor:
    return FunctionSensor("my:" + name, what, name)


def failing(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


async def good() -> float:
    return 1.5


class Callable_:
    """A callable that is no function."""

    async def __call__(self) -> int:
        return 3


def test_plain_functions_coroutine_functions_and_callables_are_read() -> None:
    threads = []

    def plain() -> int:
        threads.append(threading.current_thread())
        return 2

    reader, told = sampler(function(good, "a"), function(plain, "b"), function(Callable_(), "c"))
    assert asyncio.run(reader.read()) == {"a": 1.5, "b": 2, "c": 3}
    assert threads and threads[0] is not threading.main_thread() and told.lines == []


SECRET = "hunter2-of-the-sensor"


RAISED = [ValueError(SECRET), SystemExit(SECRET), KeyboardInterrupt()]
# In a coroutine Python turns these into something else.
RAISED_BY_PLAIN_ONES = [StopIteration(SECRET), GeneratorExit()]


@pytest.mark.parametrize(
    ("error", "is_async"),
    [*((error, True) for error in RAISED), *((error, False) for error in RAISED + RAISED_BY_PLAIN_ONES)],
)
def test_whatever_a_function_raises_costs_its_value_alone(error: BaseException, is_async: bool) -> None:
    async def fail() -> None:
        raise error

    reader, told = sampler(function(fail if is_async else failing(error), "broken"), function(good, "a"))
    for _ in range(3):
        assert asyncio.run(reader.read()) == {"a": 1.5}
    assert len(told.lines) == 1  # once
    assert told.lines[0].startswith(f"the sensor my:broken: it fails with {type(error).__name__} at ")
    assert "test_own_sensors.py:" in told.lines[0] and SECRET not in told.lines[0]


def test_trouble_is_told_once_and_so_is_its_end() -> None:
    gives: list[Any] = [1, "x", "y", None, 2, "z"]
    reader, told = sampler(function(lambda: gives.pop(0)))
    samples = [asyncio.run(reader.read()) for _ in range(6)]
    assert samples == [{"x": 1}, {}, {}, {}, {"x": 2}, {}]
    text = "the sensor my:x: it gives text in place of a number"
    assert told.lines == [text, "my:x is well", text]


def test_two_sensors_of_one_name_are_told() -> None:
    reader, told = sampler(function(good, "a"), FunctionSensor("my:other", lambda: {"a": 9, "b": 1}, "o"))
    assert asyncio.run(reader.read()) == {"a": 1.5, "b": 1}
    assert told.lines == ["the sensor my:other: another sensor gives a already"]


def test_a_coroutine_that_hangs_is_cut_and_begins_anew_with_the_next_sample() -> None:
    begun = []

    async def hangs() -> int:
        begun.append(1)
        if len(begun) < 3:
            await asyncio.Event().wait()
        return 5

    reader, told = sampler(function(hangs), function(good, "a"))

    async def three() -> list[tuple[dict[str, Any], float]]:
        samples = []
        for _ in range(3):
            began = asyncio.get_running_loop().time()
            sample = await reader.read()
            samples.append((sample, asyncio.get_running_loop().time() - began))
            await asyncio.sleep(2)
        return samples

    samples = run_in_virtual_time(three())
    assert [sample for sample, _ in samples] == [{"a": 1.5}, {"a": 1.5}, {"x": 5, "a": 1.5}]
    assert [took for _, took in samples] == [pytest.approx(5), pytest.approx(5), pytest.approx(0)]
    assert told.lines == ["the sensor my:x: it gives nothing within 5 s", "my:x is well"]


def test_one_that_will_not_be_cancelled_is_not_begun_again() -> None:
    begun = []

    async def stubborn() -> int:
        begun.append(1)
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            if len(begun) > 1:
                return 1

    reader, told = sampler(function(stubborn))

    async def three() -> None:
        for _ in range(3):
            assert await reader.read() == {}
            await asyncio.sleep(2)
        assert len(begun) == 1 and len(told.lines) == 1
        begun.append(2)  # now it may end

    run_in_virtual_time(three())


def test_a_thread_that_hangs_is_left_alone_until_it_comes_back() -> None:
    calls, free = [], threading.Event()

    def hangs() -> int:
        calls.append(1)
        free.wait(60)
        return len(calls)

    reader, told = sampler(function(hangs), limit_s=0.05)

    async def story() -> None:
        for _ in range(3):
            assert await reader.read() == {}
        assert len(calls) == 1
        assert told.lines == ["the sensor my:x: it gives nothing within 0.05 s"]
        free.set()
        while (sample := await reader.read()) == {}:
            await asyncio.sleep(0)
        # The second call, unless that took longer than the limit as well.
        assert sample == {"x": len(calls)} and len(calls) >= 2
        assert told.lines[1:] == ["my:x is well"]

    asyncio.run(story())


def test_a_reading_that_nobody_waits_for_any_more_is_cut() -> None:
    ended = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    reader, _ = sampler(function(hangs))

    async def story() -> None:
        task = asyncio.create_task(reader.read())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(5):
            await asyncio.sleep(0)
        assert ended == [1]

    asyncio.run(story())


# ---- commands --------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def make(body: str) -> str:
        file = tmp_path / f"sensor-{len(list(tmp_path.iterdir()))}"
        file.write_text("#!/bin/sh\n" + body + "\n")
        file.chmod(0o755)
        return str(file)

    return make


Script = Callable[[str], str]


def read(source: Source) -> Any:
    return asyncio.run(source.read())


def test_a_command_prints_a_number_or_an_object(script: Script) -> None:
    assert read(CommandSensor("c", [script("echo 421")], "co2_ppm")).values == {"co2_ppm": 421}
    several = [script('echo \'{"a": 1, "b": 2.5}\'')]
    assert read(CommandSensor("c", several, "x")).values == {"a": 1, "b": 2.5}
    assert read(CommandSensor("c", several, "x", "x")).values == {"x_a": 1, "x_b": 2.5}


def test_its_words_are_never_seen_by_a_shell(script: Script, tmp_path: Path) -> None:
    words = [script('[ "$1" = "\\$(touch x); > y" ] && [ "$#" = 1 ] && echo 1'), "$(touch x); > y"]
    assert read(CommandSensor("c", words, "x")).values == {"x": 1}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo soon", "what it prints is not JSON: neither a number nor an object"),
        (":", "what it prints is not JSON: neither a number nor an object"),
        ("printf '\\377\\376'", "what it prints is not JSON: neither a number nor an object"),
        (
            "yes '[' | head -c 60000 | tr -d '\\n'",
            "what it prints is not JSON: neither a number nor an object",
        ),
        ("yes 1 | head -c 9000 | tr -d '\\n'", "what it prints is not JSON: neither a number nor an object"),
        ("echo 1; exit 3", "it ends with exit code 3"),
        ("kill -9 $$", "it ends with signal 9"),
        ("echo '[1]'", "it gives a list in place of a number"),
        ("echo true", "it gives true or false in place of a number"),
        ("yes", "it prints more than 64 KiB"),
    ],
)
def test_what_a_command_does_wrong_is_said(script: Script, body: str, words: str) -> None:
    with pytest.raises(SensorError) as caught:
        read(CommandSensor("c", [script(body)], "x"))
    assert str(caught.value) == words and caught.value.advice


def test_not_a_number_and_nothing_are_no_news(script: Script) -> None:
    for body in ("echo NaN", "echo null", "echo -Infinity", "echo '{\"x\": null}'"):
        assert read(CommandSensor("c", [script(body)], "x")) == ({}, "")


def test_a_command_that_can_not_be_run_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(SensorError, match=r"^it can't be run: "):
        read(CommandSensor("c", [str(tmp_path / "text")], "x"))


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """What the commands of a test can be told by, with all that they begin."""
    environ, mark = marked_environment()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return mark


def test_a_command_that_hangs_ends_with_all_that_it_began(script: Script, mark: str) -> None:
    reader, told = sampler(
        CommandSensor("c", [script("sleep 1000 & trap '' TERM; echo 1; sleep 1000")], "x"), limit_s=0.2
    )

    async def story() -> None:
        for _ in range(2):
            assert await reader.read() == {}
        assert told.lines == ["the sensor c: it gives nothing within 0.2 s"]

    asyncio.run(story())
    until(lambda: _others(mark) == {}, "the command and its children to end")


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize("steps", range(8))
def test_a_command_given_up_while_it_begins_ends_with_all_that_it_began(
    steps: int, is_sampled: bool, times: int, script: Script, mark: str
) -> None:
    """By whoever reads it; by a sampler, whose process ends then and cancels whatever is left."""
    sensor = CommandSensor("c", [script("sleep 1000 & sleep 1000 & wait")], "x")
    reader = sampler(sensor, limit_s=60)[0] if is_sampled else sensor

    async def read() -> None:
        await reader.read()

    async def story() -> None:
        task = asyncio.create_task(read())
        while not _others(mark):
            await asyncio.sleep(0)
        until(lambda: len(_others(mark)) == 3, "its children, while the event loop stands still")
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    until(lambda: _others(mark) == {}, "the command and its children to end")


def test_one_that_is_given_up_and_can_not_be_run_is_given_up() -> None:
    async def story() -> None:
        task = asyncio.create_task(CommandSensor("c", ["/nowhere/at/all"], "x").read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def _others(mark: str) -> dict[int, str]:
    return {pid: line for pid, line in marked_processes(mark).items() if pid != os.getpid()}


def test_a_command_learns_nothing_that_is_ours_alone(
    script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "PAIRLET_ACCESS_TOKEN", "WATCHDOG_USEC"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("KEPT", "kept")
    read(CommandSensor("c", [script(f"env > {tmp_path}/seen; echo 1")], "x"))
    seen = (tmp_path / "seen").read_text()
    assert "KEPT=kept" in seen and SECRET not in seen


# ---- the setting -----------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a pairlet.toml; imports from it are undone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    before = set(sys.modules)
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "pairlet.toml").write_text("")
    yield folder
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(folder) in str(sys.modules[name].__file__):
            del sys.modules[name]


def module(home: Path, name: str, source: str) -> None:
    (home / f"{name}.py").write_text(textwrap.dedent(source))


def opened(home: Path, *words: str) -> Any:
    choice = Choice(list(words), home / "pairlet.toml")
    return choice.open(lambda: 10_000, lambda title, error: None)


def sample_of(sensors: Any) -> dict[str, Any]:
    reading: Awaitable[dict[str, Any]] = sensors.read()
    return asyncio.run(reading)  # type: ignore[arg-type]


def test_built_in_ones_alone_need_nothing_else(home: Path) -> None:
    for words in (None, ["uptime", "load_average_1m"]):
        assert type(Choice(words, None).open(lambda: 1, lambda title, error: None)) is SystemSensors
    assert list(sample_of(opened(home, "uptime", "load_average_1m"))) == ["uptime_seconds", "load_average_1m"]
    assert set(sample_of(opened(home, "network"))) <= {"network_received_bytes", "network_sent_bytes"}
    assert sample_of(opened(home)) == {}


def test_all_kinds_together(home: Path) -> None:
    module(home, "own_kinds", "def read_co2(): return 421\nasync def read_pair(): return {'a': 1, 'b': 2}")
    (home / "probe.sh").write_text("#!/bin/sh\necho $1\n")
    (home / "probe.sh").chmod(0o755)
    words = [
        *("uptime", "own_kinds:read_co2", "co2_ppm = own_kinds:read_co2", "left=own_kinds:read_pair"),
        *("command:./probe.sh 5", "command:echo '{\"c d\": 1}'", "pump_volts=command:./probe.sh '1.5'"),
    ]
    sample = sample_of(opened(home, *words))
    assert sample.pop("uptime_seconds") > 0
    assert sample == {"co2": 421, "co2_ppm": 421, "left_a": 1, "left_b": 2, "probe": 5, "pump_volts": 1.5}


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("humidity", "there is no sensor 'humidity'"),
        ("my-module:f", "the sensor 'my-module': ... is neither module:function nor command:PROGRAM"),
        ("json:", "the sensor 'json': ... is neither module:function nor command:PROGRAM"),
        (":f", "the sensor '': ... is neither module:function nor command:PROGRAM"),
        ("A=json:loads", "the sensor 'A=json': 'A' can't be a name"),
        ("command:", "the sensor command: names no program"),
        ("command:'/x", "the sensor command:'/x: a quote is not closed"),
        ("command:no-such-program-here --key " + SECRET, "the sensor command:no-such-program-here: "),
        ("command:./pairlet.toml", "can't be run"),
        ("command:/", "there is no program /"),
        ("command:echo \x1b[31m", "is neither"),
        ("no_such_module_here:f", "there is no module 'no_such_module_here'"),
        ("json:no_such_function", "json has no function no_such_function"),
        ("json:__all__", "json has no function __all__"),
        ("own_broken:f", "the sensor own_broken:f: own_broken fails with ValueError at "),
        ("own_exits:f", "the sensor own_exits:f: own_exits fails with SystemExit at "),
        ("own_needs:f", "there is no module 'smbus_that_is_not_there'"),
        ("own_wrong:f", "the sensor own_wrong:f: own_wrong fails with SyntaxError at "),
    ],
)
def test_a_sensor_that_can_not_be_used_is_refused_at_the_start(home: Path, word: str, words: str) -> None:
    module(home, "own_broken", f"raise ValueError('{SECRET}')")
    module(home, "own_exits", "import sys; sys.exit(3)")
    module(home, "own_needs", "import smbus_that_is_not_there")
    module(home, "own_wrong", "def f(:")
    with pytest.raises(ConfigError) as caught:
        opened(home, "uptime", word)
    said = str(caught.value)
    assert words in said and said.isprintable() and caught.value.advice and SECRET not in said


def test_modules_beside_the_configuration_replace_nothing(home: Path) -> None:
    module(home, "json", "raise SystemError")
    module(home, "own_helper", "value = 3")
    module(home, "own_main", "import json, own_helper\ndef f(): return own_helper.value")
    sys.modules.pop("own_main", None)
    assert sample_of(opened(home, "own_main:f")) == {"f": 3}


def test_what_a_module_prints_is_not_taken_for_events(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module(home, "own_talker", "print('loud')\ndef f(): print('louder'); return 1")
    assert sample_of(opened(home, "own_talker:f")) == {"f": 1}
    assert capsys.readouterr() == ("", "loud\nlouder\n")


def test_where_others_can_write_nothing_is_run(home: Path) -> None:
    module(home, "own_open", "raise SystemError('it was run')")
    for place, mode in ((home, 0o777), (home, 0o1777), (home / "own_open.py", 0o666), (home.parent, 0o777)):
        before = stat.S_IMODE(place.stat().st_mode)
        place.chmod(mode)
        with pytest.raises(ConfigError, match="other users may write to it") as caught:
            opened(home, "own_open:f")
        assert "chmod go-w" in caught.value.advice
        place.chmod(before)
    (home / "pairlet.toml").chmod(0o666)  # whoever writes there names the commands
    with pytest.raises(ConfigError, match="other users may write to it"):
        opened(home, "command:echo 1")
    assert sample_of(opened(home, "uptime"))  # which runs nobody's code


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_not_run(home: Path) -> None:
    module(home, "own_foreign", "raise SystemError('it was run')")
    os.chown(home / "own_foreign.py", 4321, 4321)
    with pytest.raises(ConfigError, match=r"belongs to another user \(uid 4321\)"):
        opened(home, "own_foreign:f")


def test_a_group_of_the_owner_alone_may_write(home: Path) -> None:
    os.chmod(home / "pairlet.toml", 0o664)
    owner = (home / "pairlet.toml").stat()
    if owner.st_gid in (0, owner.st_uid):
        trust.check_file(home / "pairlet.toml")
    if os.geteuid() == 0:
        os.chown(home / "pairlet.toml", 0, 4321)
        with pytest.raises(ConfigError, match="other users may write"):
            trust.check_file(home / "pairlet.toml")


def test_without_a_file_modules_are_in_the_working_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(home, "own_here", "def f(): return 1")
    monkeypatch.chdir(home)
    sensors = Choice(["own_here:f"], None).open(lambda: 10_000, lambda title, error: None)
    assert sample_of(sensors) == {"f": 1}


def test_an_interval_leaves_its_sensors_most_of_itself(home: Path) -> None:
    intervals = [100, 1000, 10_000, 3_600_000]
    sensors = Choice(["command:echo 1"], None).open(lambda: intervals[0], lambda title, error: None)
    limits = []
    while intervals:
        limits.append(sensors._limit_s())  # type: ignore[union-attr]
        intervals.pop(0)
    assert limits == [pytest.approx(0.08), pytest.approx(0.8), 5.0, 5.0]
