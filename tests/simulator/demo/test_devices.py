"""The demo's state and lines, fed by events; what a board's console tells; what a board is made of."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import ConfigError
from pairlet.linux.flash import image
from pairlet_sim.board import BoardError
from pairlet_sim.board import settings as board_settings
from pairlet_sim.demo import board_device, command
from pairlet_sim.demo.board_device import BoardDevice, Parts, event_in, find_parts
from pairlet_sim.demo.error import DemoError
from pairlet_sim.demo.state import Device, State
from pairlet_sim.demo.view import LineView, summary

# ---- what a board's console tells


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            "code expires_in=600 interval=2 user_code=12345678 verification_uri=http://h/device "
            "verification_uri_complete=None",
            {
                "event": "code",
                "expires_in": 600,
                "interval": 2,
                "user_code": "12345678",
                "verification_uri": "http://h/device",
                "verification_uri_complete": None,
            },
        ),
        (
            "paired expires_in=30 has_refresh_token=True scope=telemetry:write offline_access\r",
            {
                "event": "paired",
                "expires_in": 30,
                "has_refresh_token": True,
                "scope": "telemetry:write offline_access",
            },
        ),
        (
            "refreshed expires_in=None rotated=False",
            {"event": "refreshed", "expires_in": None, "rotated": False},
        ),
        ("mqtt_connected ", {"event": "mqtt_connected"}),
        (
            "mqtt_disconnected reason=the token was renewed",
            {"event": "mqtt_disconnected", "reason": "the token was renewed"},
        ),
    ],
)
def test_an_event_on_the_console(line: str, event: dict[str, Any]) -> None:
    assert event_in(line) == event


@pytest.mark.parametrize(
    "line",
    ["", "code", "code and more", "pairlet: no progress", "Traceback (most recent call last):", ">>> "],
)
def test_other_lines_of_the_console(line: str) -> None:
    assert event_in(line) is None


class FakeBoard:
    """Says `pieces`, one after another, and dies when there are no more."""

    def __init__(self, *pieces: str):
        self._pieces = list(pieces)
        self._said = ""
        self.console = self

    @property
    def mark(self) -> int:
        return len(self._said)

    def since(self, mark: int) -> str:
        return self._said[mark:]

    async def until(self, condition: Callable[[], Any], timeout: float) -> Any:
        if not self._pieces:
            raise BoardError("It is gone.")
        self._said += self._pieces.pop(0)
        return condition()


async def told_by(*pieces: str) -> tuple[list[str], str]:
    """The names of the events in what a board says, and how it ends."""
    names = []
    try:
        async for event in BoardDevice(FakeBoard(*pieces)).events():  # type: ignore[arg-type]
            names.append(event["event"])
    except DemoError as error:
        return names, str(error)
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("pieces", "names", "end"),
    [
        (
            ["mqtt_con", "nected \nmqtt_connected \nrest"],
            ["mqtt_connected"] * 2,
            "the board has died: It is gone.",
        ),
        ([], [], "the board has died: It is gone."),
        (
            ["Traceback:\n  File x\nMemoryError: no\n", 'MicroPython v1.25\nType "help()" for more\n>>> '],
            [],
            "the firmware has ended on the board; its last words: MemoryError: no",
        ),
        (
            ["something\npairlet: the pin is wrong\nUse another.\nMicroPython v1\n>>> "],
            [],
            "the firmware has ended on the board; its last words: pairlet: the pin is wrong Use another.",
        ),
        ([">>> "], [], "the firmware has ended on the board; its last words: nothing"),
    ],
)
def test_a_console_is_followed_to_its_end(pieces: list[str], names: list[str], end: str) -> None:
    assert asyncio.run(told_by(*pieces)) == (names, end)


# ---- what a board is made of


def test_without_an_interpreter_the_words_come_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(board_settings, "_candidates", lambda: iter(()))
    assert command(["--board", "--for", "1s"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("pairlet: There is no MicroPython 1.24 or newer here: ")


def test_an_installation_without_firmware_is_said_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def sources() -> None:
        raise ConfigError("this installation has no firmware", "Install it again.")

    monkeypatch.setattr(image, "sources", sources)
    with pytest.raises(
        DemoError, match=r"^this installation has no firmware\. Install it again\.$"
    ) as raised:
        find_parts()
    assert raised.value.exit_code == 2


def test_without_a_compiler_a_larger_board_gets_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    got = {}
    monkeypatch.setattr(board_device, "filled", lambda files, micropython: got.update(files) or b"")
    board_device._flashed(Parts(Path("mp"), compiles=False), {"oauth": {}})
    assert got["lib/pairlet_main.py"] == image.sources()["pairlet_main.py"].read_bytes()
    assert not [name for name in got if name.endswith(".mpy")] and got["config.json"] == b'{"oauth": {}}'
    assert "256 KB" in Parts(Path("mp"), compiles=False).about
    assert "Pico W" in Parts(Path("mp"), compiles=True).about


# ---- state and lines

CODE = {
    "event": "code",
    "user_code": "BCDF-GHJK",
    "verification_uri": "http://h/device",
    "verification_uri_complete": None,
    "expires_in": 600,
}
PAIRED = {"event": "paired", "scope": "telemetry:write", "expires_in": 30}


def two() -> State:
    """A demo of two devices, before they have said anything."""
    state = State("ada", "engine-1843", "http://server", "mqtt://broker")
    state.devices = [
        Device("one", "the Linux device", state.log, "the Linux device: "),
        Device("two", "the board", state.log, "the board: "),
    ]
    return state


def test_what_arrives_goes_to_the_device_it_came_from() -> None:
    state = two()
    one, other = state.devices
    state.see("devices/two/telemetry", b'{"t": 1, "seq": 0, "v": {"uptime_seconds": 7}}')
    state.see("devices/two/status", b"online")
    state.see("devices/three/telemetry", b"not even JSON")
    state.see("devices/two/event", b"not even JSON")
    assert (one.arrived, one.status, other.arrived, other.status) == (0, "", 1, "online")
    assert other.values == {"uptime_seconds": 7}


def test_a_demo_is_complete_when_every_device_is() -> None:
    state = two()
    assert not State().complete and not state.complete
    for number, device in enumerate(state.devices):
        assert not state.complete
        device.hear(PAIRED)
        assert not state.complete
        state.see(f"devices/{device.device_id}/telemetry", b'{"v": {"x": 1}}')
        assert state.complete == (number == 1)


@pytest.mark.parametrize("event", ["denied", "expired"])
def test_a_code_that_is_no_good_any_more_is_not_waited_for(event: str) -> None:
    state = two()
    device = state.devices[1]
    device.hear(CODE)
    assert state.waiting == [device]
    device.hear({"event": event})
    assert state.waiting == []


def test_lines_say_which_device_they_are_about() -> None:
    state, stream = two(), io.StringIO()
    view = LineView(stream, state)
    for device in state.devices:
        device.hear(CODE)
        view.update()
        device.hear(PAIRED)
        state.see(f"devices/{device.device_id}/telemetry", b'{"v": {"heap_free_bytes": 70016}}')
        view.update()
    view.update()
    said = [line[9:] if line[2:3] == ":" else line for line in stream.getvalue().splitlines()]
    block = ["Open  http://h/device", "or go to http://h/device and enter BCDF-GHJK"]
    block += ["Sign in as ada with the password engine-1843", ""]
    assert said == [
        "authorization server: http://server   broker: mqtt://broker",
        "the Linux device shows the code BCDF-GHJK",
        "", "To approve the Linux device:", *block,
        "the Linux device: paired; granted: telemetry:write",
        "the Linux device: telemetry 1: heap_free_bytes 70,016",
        "the board shows the code BCDF-GHJK",
        "", "To approve the board:", *block,
        "the board: paired; granted: telemetry:write",
        "the board: telemetry 1: heap_free_bytes 70,016",
    ]  # fmt: skip
    assert summary(state)[1] == "the board: paired, 1 sample arrived, token refreshed 0 times"
