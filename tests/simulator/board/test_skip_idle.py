"""Boards whose idle time is skipped: their clocks agree, nothing that is under way is skipped over."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pairlet_sim.board import BoardError, VirtualBoard, idle
from pairlet_sim.board.control import obey

DAY_S = 86400
JOIN = """
import network, time
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect("home", "")
while not wlan.isconnected(): time.sleep_ms(5)
"""
# `talk`: sends a line and takes all that comes until `end`, while another task ticks every 100 ms. Prints
# what came and how many milliseconds it took by the board's clock.
TALK = """
import asyncio, socket, time
async def ticks():
    while True:
        print("tick")
        await asyncio.sleep_ms(100)
async def open_line(port):
    line = socket.socket()
    line.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    line.setblocking(False)
    return asyncio.StreamReader(line)
async def talk(stream, end):
    began = time.ticks_ms()
    stream.write(b"request\\n")
    await stream.drain()
    data = b""
    while not data.endswith(end):
        data += await stream.read(100)
    print("got", data, time.ticks_diff(time.ticks_ms(), began), "ms")
async def story(port, end, rounds=1):
    ticking = asyncio.create_task(ticks())
    stream = await open_line(port)
    for _ in range(rounds):
        await talk(stream, end)
    ticking.cancel()
    return stream
"""


class Peer:
    """A server whose every word the test says: `heard` is what came, and `say` sends."""

    def __init__(self) -> None:
        self.heard = b""
        self.changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60)
        self.port = self._listener.getsockname()[1]
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            self._connection, _ = self._listener.accept()
            while data := self._connection.recv(1000):
                with self.changed:
                    self.heard += data
                    self.changed.notify_all()

    def wait_for_lines(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.heard.count(b"\n") >= count, 60)

    def say(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(data)

    def close(self) -> None:
        for each in (self._connection, self._listener):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._thread.join(60)


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def skipping(make_board: Callable[..., VirtualBoard]) -> VirtualBoard:
    return make_board(skip_idle=True)


@pytest.fixture
def online(skipping: VirtualBoard) -> VirtualBoard:
    """In the Wi-Fi, and in no hurry yet: idle time is not skipped until a test says so."""
    skipping.execute(JOIN)
    skipping.skip_idle(False)
    skipping.execute(TALK)
    return skipping


def wait_for_ticks(board: VirtualBoard, count: int) -> None:
    mark = board.mark()
    console = board.board.console
    board.until(lambda: console.since(mark).count("tick") >= count)


@pytest.mark.parametrize(
    "sleep",
    [
        "time.sleep(86400)",
        "time.sleep_ms(86400000)",
        "async def nap(): await asyncio.sleep(86400)\nasyncio.run(nap())",
        "select.poll().poll(86400000)",
    ],
)
def test_a_day_is_over_at_once_and_all_clocks_agree(skipping: VirtualBoard, sleep: str) -> None:
    said = skipping.execute(
        "import asyncio, select, time\nt, w, n = time.ticks_ms(), time.time(), time.time_ns()\n"
        f"{sleep}\n"
        "print(time.ticks_diff(time.ticks_ms(), t), time.time() - w, (time.time_ns() - n) // 1000000000)"
    )
    ticks_ms, wall_s, wall_ns = map(int, said.split())
    assert DAY_S <= ticks_ms / 1000 < DAY_S + 60
    assert abs(wall_s - ticks_ms / 1000) <= 1 and abs(wall_ns - ticks_ms / 1000) <= 1
    assert DAY_S - 60 <= skipping.skipped_ms / 1000 <= DAY_S
    state = skipping.state()
    assert state["skipped"] == skipping.skipped_ms // 1000
    assert abs(state["clock"] - int(skipping.execute("print(time.time())"))) < 30


def test_tasks_wake_in_order_and_at_their_times(skipping: VirtualBoard) -> None:
    said = skipping.execute(
        "import asyncio, time\nstart, woke = time.ticks_ms(), []\n"
        "async def sleep(name, s):\n  for n in (1, 2, 3):\n    await asyncio.sleep(s)\n"
        "    late = time.ticks_diff(time.ticks_ms(), start) - n * s * 1000\n"
        "    woke.append(name if 0 <= late < 5000 else late)\n"
        "asyncio.run(asyncio.gather(sleep('a', 100), sleep('b', 140)))\nprint(woke)"
    )
    assert said == "['a', 'b', 'a', 'b', 'a', 'b']\n"


def test_ticks_wrap_as_ever(skipping: VirtualBoard) -> None:
    said = skipping.execute(
        "import time\nfirst, small = time.time(), True\n"
        "for _ in range(12):\n  t = time.ticks_ms()\n  time.sleep(5 * 86400)\n"
        "  small &= 0 <= time.ticks_ms() <= time.ticks_add(0, -1)\n"
        "  assert 0 <= time.ticks_diff(time.ticks_ms(), t) - 432000000 < 60000\n"
        "print(bool(small), (time.time() - first) // 86400)"
    )
    assert said == "True 60\n"


def test_the_time_server_and_the_chips_clock_have_skipped_it_too(online: VirtualBoard) -> None:
    online.execute("import ntptime\nntptime.settime()")
    online.skip_idle(True)
    online.execute("time.sleep(86400)")
    assert online.execute("print(abs(ntptime.time() - time.time()) < 30)") == "True\n"
    assert abs(online.state()["clock"] - time.time() - DAY_S) < 60
    online.set_time_server(1_900_000_000)
    assert online.execute("print(0 <= ntptime.time() - 1900000000 < 60)") == "True\n"
    assert online.call(obey, online.board, '{"time_server": "host"}') == {"ok": True}
    assert online.execute("print(abs(ntptime.time() - time.time()) < 30)") == "True\n"


def test_the_clock_goes_on_through_resets(skipping: VirtualBoard) -> None:
    skipping.execute("import time\nt = time.time()\ntime.sleep(7200)")
    skipping.reset("soft")
    assert int(skipping.execute("import time\nprint(time.time())")) - 1609459200 >= 7200
    skipping.reset("hard")
    assert int(skipping.execute("import time\nprint(time.time())")) - 1609459200 < 60


def test_deep_sleep_is_skipped(make_board: Callable[..., VirtualBoard]) -> None:
    board = make_board(skip_idle=True, profile="esp32")
    began = int(board.execute("import time\nprint(time.time())"))
    boots = board.boots
    board.type("import machine; machine.deepsleep(86400000)\r")
    board.wait_for_boot(boots + 1)
    assert DAY_S <= int(board.execute("import time\nprint(time.time())")) - began < DAY_S + 60


def test_a_slow_answer_takes_as_long_as_it_takes(
    online: VirtualBoard, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_ANSWER_S", "_SETTLED_S"):
        monkeypatch.setattr(idle, limit, 1e9)  # however slow this machine is
    online.skip_idle(True)
    mark = online.mark()
    online.type(f"stream = asyncio.run(story({peer.port}, b'end')); print('do' + 'ne')\r")
    peer.wait_for_lines(1)
    skipped = online.skipped_ms
    wait_for_ticks(online, 5)
    peer.say(b"one part, ")
    wait_for_ticks(online, 5)
    assert online.skipped_ms == skipped
    peer.say(b"end")
    took = online.wait_for_line(r"^got b'one part, end' (\d+) ms", since=mark)
    assert 800 <= int(took[1]) < 60000  # two times four whole ticks
    online.wait_for_console("done\n", since=mark)
    online.execute("stream.s.close()\ntime.sleep(86400)")
    assert online.skipped_ms - skipped >= DAY_S * 900


def test_between_messages_that_are_answered_time_is_skipped(
    online: VirtualBoard, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "_SETTLED_S", 1e9)  # that they take turns must be enough
    online.skip_idle(True)
    rounds = 8
    mark = online.mark()
    online.type(f"stream = asyncio.run(story({peer.port}, b'.', {rounds})); print('do' + 'ne')\r")
    for number in range(rounds):
        peer.wait_for_lines(number + 1)
        peer.say(b".")
    online.wait_for_console("done\n", since=mark)
    assert online.execute("time.sleep(86400)\nprint('slept')") == "slept\n"


def test_a_word_that_asks_for_no_answer_holds_time_up_for_a_while(
    online: VirtualBoard, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "_ANSWER_S", 0.5)
    online.execute(f"stream = asyncio.run(open_line({peer.port}))\nstream.s.write(b'hello\\n')")
    peer.wait_for_lines(1)
    online.skip_idle(True)
    assert online.execute(
        "t = time.ticks_us()\ntime.sleep(86400)\nprint(time.ticks_diff(time.ticks_us(), t) > 0)"
    )
    assert online.skipped_ms / 1000 > DAY_S - 60


@pytest.mark.parametrize(
    ("sent", "late", "waits"), [(1, 1, False), (2, 1, True), (2, 2, False), (3, 2, True)]
)
def test_each_of_several_messages_has_an_answer(
    monkeypatch: pytest.MonkeyPatch, sent: int, late: int, waits: bool
) -> None:
    """`late`: how many of the answers have come. A busy server answers two messages one after the other."""
    now = [0.0]
    monkeypatch.setattr(idle.time, "monotonic", lambda: now[0])
    with socket.socket() as near:
        line = idle.Line(near)
        for _ in range(idle._SETTLED_TURNS + 1):
            line.passed(outwards=False)
            line.passed(outwards=True)
        line.passed(outwards=False)
        assert line.is_quiet()
        for _ in range(3):
            for _ in range(sent):
                line.passed(outwards=True)
            assert not line.is_quiet()
            for _ in range(late):
                line.passed(outwards=False)
            assert line.is_quiet() is not waits
            # Several answers that come as one look the same: nobody waits for the rest for long.
            now[0] += idle._STRAGGLER_S
            assert line.is_quiet()


def test_without_wifi_nobody_is_waited_for(online: VirtualBoard, peer: Peer) -> None:
    online.execute(f"stream = asyncio.run(open_line({peer.port}))\nstream.s.write(b'hello\\n')")
    peer.wait_for_lines(1)
    online.wifi_off()
    online.skip_idle(True)
    assert (
        online.execute(
            "async def read():\n  try:\n    await asyncio.wait_for(stream.read(1), 86400)\n"
            "  except asyncio.TimeoutError:\n    print('in vain')\nasyncio.run(read())"
        )
        == "in vain\n"
    )


def test_what_comes_without_being_asked_for_is_read(online: VirtualBoard, peer: Peer) -> None:
    online.execute(f"stream = asyncio.run(open_line({peer.port}))\nstream.s.write(b'hello\\n')")
    peer.wait_for_lines(1)
    peer.say(b"welcome")
    assert online.execute("async def read(n): print(await stream.read(n))\nasyncio.run(read(7))") == (
        "b'welcome'\n"
    )
    online.execute("async def beat():\n  while True: await asyncio.sleep(1)")
    online.skip_idle(True)
    skipped, mark = online.skipped_ms, online.mark()
    online.type("beating = asyncio.create_task(beat())\rasyncio.run(read(5))\r")
    online.until(lambda: online.skipped_ms > skipped + DAY_S * 100)
    peer.say(b"order")
    online.wait_for_console("b'order'\n", since=mark)


def test_a_button_is_noticed(skipping: VirtualBoard) -> None:
    skipping.execute("import asyncio\nfrom machine import Pin\nflag = asyncio.ThreadSafeFlag()")
    skipping.execute("Pin(15, Pin.IN, Pin.PULL_UP).irq(lambda pin: flag.set(), Pin.IRQ_FALLING)")
    mark = skipping.mark()
    skipping.type(
        "async def beat():\r  while True: await asyncio.sleep(1)\r\r"
        "async def main():\r  t = asyncio.create_task(beat())\r  print('wai' + 'ting')\r  await flag.wait()\r"
        "  print('awa' + 'ke')\r  t.cancel()\r\rasyncio.run(main())\r"
    )
    skipping.wait_for_console("waiting\n", since=mark)
    skipping.press(15)
    skipping.wait_for_console("awake\n", since=mark)


def test_a_timer_of_the_program_keeps_its_pace(skipping: VirtualBoard) -> None:
    skipped = skipping.skipped_ms
    said = skipping.execute(
        "from machine import Timer\nimport time\nticks = []\n"
        "t = Timer(period=20, callback=lambda t: ticks.append(time.ticks_ms()))\n"
        "while len(ticks) < 4: time.sleep_ms(10)\nt.deinit()\n"
        "print(time.ticks_diff(ticks[-1], ticks[0]) >= 40)"
    )
    assert said == "True\n"
    assert skipping.skipped_ms == skipped


def test_the_watchdog_counts_what_was_skipped(skipping: VirtualBoard) -> None:
    boots = skipping.boots
    skipping.execute(
        "import time\nfrom machine import WDT\nw = WDT(timeout=8000)\n"
        "for _ in range(100):\n  w.feed()\n  time.sleep(4)\nprint('fed')\nw.feed()"
    )
    assert skipping.boots == boots
    skipped = skipping.skipped_ms
    mark = skipping.mark()
    skipping.type("w.feed()\rtime.sleep(3600)\rprint('too' + 'late')\r")
    skipping.wait_for_boot(boots + 1)
    assert skipping.board.reset_cause == 3
    assert "toolate" not in skipping.since(mark)
    assert 7000 < skipping.skipped_ms - skipped <= 16000


def test_it_can_be_switched_off_and_on(skipping: VirtualBoard) -> None:
    skipping.skip_idle(False)
    skipped = skipping.skipped_ms
    assert skipping.execute("import time\ntime.sleep_ms(50)\nprint('awake')") == "awake\n"
    assert skipping.skipped_ms == skipped
    assert skipping.call(obey, skipping.board, '{"skip_idle": true}') == {"ok": True}
    skipping.execute("time.sleep(86400)")
    assert skipping.skipped_ms > skipped


def test_other_boards_skip_nothing(board: VirtualBoard) -> None:
    with pytest.raises(BoardError, match="--skip-idle"):
        board.skip_idle(True)
    assert board.call(obey, board.board, '{"skip_idle": true}')["ok"] is False
    board.execute("import time\ntime.sleep_ms(50)")
    assert board.state()["skipped"] == 0


def test_it_takes_no_memory_from_the_program(make_board: Callable[..., VirtualBoard]) -> None:
    free = "import gc\ngc.collect()\nprint(gc.mem_free())"
    plain, skips = (int(make_board(skip_idle=on).execute(free)) for on in (False, True))
    assert abs(plain - skips) < 0.005 * plain


def test_ctrl_c_ends_a_wait(skipping: VirtualBoard) -> None:
    skipping.skip_idle(False)
    mark = skipping.mark()
    skipping.execute("import asyncio\nasync def nap(): await asyncio.sleep(100000)")
    skipping.type("print('sle' + 'eps'); asyncio.run(nap())\r")
    skipping.wait_for_console("sleeps\n", since=mark)
    skipping.type("\x03")
    skipping.wait_for_console("KeyboardInterrupt", since=mark)
    skipping.skip_idle(True)
    assert skipping.execute("import time\ntime.sleep(100000)\nprint('well')") == "well\n"
