"""What systemd hears of a service (sd_notify(3)), at a real receiving socket and in virtual time."""

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pairlet.linux.systemd import Notifier, Supervised
from support.virtual_time import VirtualLoop


class Receiver:
    """The other end."""

    def __init__(self, address: str):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(0)

    def messages(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    abstract = f"@pairlet-{os.getpid()}-{tmp_path.name}"
    receiver = Receiver(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    yield receiver
    receiver.socket.close()


def test_assignments_arrive_in_one_datagram(receiver: Receiver) -> None:
    environ = {"NOTIFY_SOCKET": receiver.address, "KEPT": "1"}
    notifier = Notifier(environ)
    assert notifier.is_wanted and notifier.watchdog_s == 0
    notifier.tell("READY=1", "STATUS=grüße\nMAINPID=1")
    # A line break in what is said would begin another assignment.
    assert receiver.messages() == ["READY=1\nSTATUS=grüße MAINPID=1"]
    assert environ == {"KEPT": "1"}  # children do not speak in our name


@pytest.mark.parametrize(
    "address", ["", "relative", "@", "/", "vsock:2:1234", "/no/such/socket", "@nobody-there"]
)
def test_nobody_who_hears_is_no_trouble(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pairlet.systemd")
    Notifier({"NOTIFY_SOCKET": address} if address else {}).tell("READY=1")
    assert all(record.levelno == logging.DEBUG for record in caplog.records)


def test_a_receiver_that_takes_nothing_holds_nobody_up(tmp_path: Path) -> None:
    receiver = Receiver(str(tmp_path / "full"))
    notifier = Notifier({"NOTIFY_SOCKET": receiver.address})
    taken = 0
    while notifier.tell("STATUS=" + "x" * 1000):
        taken += 1
    assert len(receiver.messages()) == taken > 0
    assert notifier.tell("STATUS=there is room again")
    receiver.socket.close()


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("300000000", "", 300),
        ("1500000", "ours", 1.5),
        ("300000000", "1", 0),
        ("", "", 0),
        ("0", "", 0),
        *((nonsense, "", 0) for nonsense in ("-5", "1e6", "soon", "٣", "9" * 30)),
    ],
)
def test_the_watchdog_is_the_one_of_this_process(microseconds: str, pid: str, seconds: float) -> None:
    # The number differs from worker to worker, so it can't be in the name of a test.
    environ = {"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid.replace("ours", str(os.getpid()))}
    assert Notifier(environ).watchdog_s == seconds


class Story:
    """What a supervisor hears of an agent whose state is set by hand."""

    def __init__(self, watchdog_s: float):
        self.heard: list[tuple[float, str]] = []
        self.line, self.is_well = "starting", True
        self.is_deaf = False
        notifier = Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": str(int(1_000_000 * watchdog_s))})
        notifier.tell = self._hear  # type: ignore[method-assign]
        self.supervised = Supervised(notifier, lambda: (self.line, self.is_well))

    def _hear(self, *assignments: str) -> bool:
        if self.is_deaf:
            return False
        self.heard.append((round(asyncio.get_running_loop().time(), 3), " ".join(assignments)))
        return True


def test_it_is_ready_at_work_and_fed_twice_in_each_time_out() -> None:
    story = Story(60)

    async def live() -> None:
        story.supervised.start()
        await asyncio.sleep(1)
        story.supervised.changed("code")  # nothing has changed
        story.line = "paired"
        story.supervised.changed("published")  # too often to look each time
        await asyncio.sleep(1)
        story.supervised.changed("paired")
        await asyncio.sleep(60)
        story.supervised.stop()
        await asyncio.sleep(600)

    with VirtualLoop() as loop:
        loop.run_until_complete(live())
    assert story.heard == [
        (0, "READY=1 STATUS=starting"),
        (2, "STATUS=paired"),
        (30, "WATCHDOG=1"),
        (60, "WATCHDOG=1"),
        (62, "STOPPING=1 STATUS=stopping"),
    ]


def test_ready_is_said_until_it_is_heard() -> None:
    story = Story(60)
    story.is_deaf = True

    async def live() -> None:
        story.supervised.start()
        await asyncio.sleep(7)
        story.is_deaf = False
        await asyncio.sleep(34)

    with VirtualLoop() as loop:
        loop.run_until_complete(live())
    assert story.heard == [(10, "READY=1 STATUS=starting"), (40, "WATCHDOG=1")]


def test_nobody_is_told_for_ever_that_it_is_ready() -> None:
    story, tries = Story(0), []
    story.supervised._notifier.tell = lambda *assignments: tries.append(assignments)  # type: ignore[method-assign, assignment, func-returns-value]

    async def live() -> None:
        story.supervised.start()
        await asyncio.sleep(599)

    with VirtualLoop() as loop:
        loop.run_until_complete(live())
    assert len(tries) == 12


def test_one_that_is_stuck_starves_the_watchdog_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    story = Story(60)
    caplog.set_level(logging.INFO, "pairlet.systemd")

    async def live() -> None:
        story.supervised.start()
        await asyncio.sleep(31)
        story.line, story.is_well = "measuring does not get on", False
        await asyncio.sleep(60)
        story.line, story.is_well = "paired", True
        await asyncio.sleep(30)
        story.supervised.stop()

    with VirtualLoop() as loop:
        loop.run_until_complete(live())
    assert story.heard == [
        (0, "READY=1 STATUS=starting"),
        (30, "WATCHDOG=1"),
        (60, "STATUS=measuring does not get on"),
        (120, "WATCHDOG=1 STATUS=paired"),
        (121, "STOPPING=1 STATUS=stopping"),
    ]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "measuring does not get on"),
        ("INFO", "paired"),
    ]


def test_without_a_watchdog_the_line_is_kept_true_every_ten_minutes() -> None:
    story = Story(0)

    async def live() -> None:
        story.supervised.start()
        for number in range(3):
            await asyncio.sleep(599)
            story.line = f"token good for {40 - 10 * number} min"
            await asyncio.sleep(1)

    with VirtualLoop() as loop:
        loop.run_until_complete(live())
    assert [at for at, said in story.heard if "STATUS=token" in said] == [600, 1200, 1800]
    assert not any("WATCHDOG" in said for _, said in story.heard if "STATUS" not in said)
