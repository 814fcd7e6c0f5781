"""Pins, sensors, timers, clock, watchdog and display of the board, driven from outside."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pairlet_sim.board import BoardError, VirtualBoard
from PIL import Image

GOLDEN = Path(__file__).parent / "golden_hello.txt"

# A driver in small, as a person would write it: init commands, then the buffer of a framebuf.
DRIVER = """
import framebuf
from machine import I2C, Pin
WIDTH, HEIGHT = {width}, {height}
i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=400000)
buffer = bytearray(WIDTH * HEIGHT // 8)
screen = framebuf.FrameBuffer(buffer, WIDTH, HEIGHT, framebuf.MONO_VLSB)
for command in (0xAE, 0x20, 0, 0x40, 0xA1, 0xA8, HEIGHT - 1, 0xC8, 0xD3, 0, 0xDA, 0x12 if HEIGHT == 64 else 2,
                0xD5, 0x80, 0xD9, 0xF1, 0xDB, 0x30, 0x81, 0xFF, 0xA4, 0xA6, 0x8D, 0x14, 0xAF):
    i2c.writeto(0x3C, bytes((0x80, command)))
def show():
    for command in (0x21, 0, WIDTH - 1, 0x22, 0, HEIGHT // 8 - 1):
        i2c.writeto(0x3C, bytes((0x80, command)))
    i2c.writevto(0x3C, (b"\\x40", buffer))
"""


def as_text(pixels: list[bytes]) -> str:
    return "".join("".join(".#"[pixel] for pixel in line) + "\n" for line in pixels)


def test_a_drawn_text_is_on_the_glass(board: VirtualBoard) -> None:
    board.execute(DRIVER.format(width=128, height=64))
    board.execute(
        "screen.text('WDJB-MJHT', 28, 4)\nscreen.rect(0, 0, 128, 64, 1)\n"
        "screen.line(0, 63, 127, 20, 1)\nshow()"
    )
    assert as_text(board.pixels()) == GOLDEN.read_text()
    picture = Image.open(io.BytesIO(board.screenshot(2)))
    assert picture.size == (256, 128)
    assert picture.convert("RGB").getpixel((0, 0)) == (190, 230, 255)
    assert "▀" in board.screen_text()


def test_a_small_display(make_board: Callable[..., VirtualBoard]) -> None:
    board = make_board(oled=(128, 32))
    board.execute(
        DRIVER.format(width=128, height=32) + "screen.pixel(127, 31, 1)\nscreen.pixel(0, 0, 1)\nshow()"
    )
    pixels = board.pixels()
    assert len(pixels) == 32
    assert pixels[31][127] == pixels[0][0] == 1
    assert sum(map(sum, pixels)) == 2


def test_the_bus_tells_who_is_there(make_board: Callable[..., VirtualBoard], board: VirtualBoard) -> None:
    ask = "from machine import I2C, SoftI2C, Pin\nb = {}\nprint(b.scan())\nb.writeto(0x50, b'x')"
    with pytest.raises(BoardError, match=r"\[Errno 5\] EIO"):
        board.execute(ask.format("I2C(0, scl=Pin(5), sda=Pin(4))"))
    assert "[60]" in board.console
    with pytest.raises(BoardError, match=r"\[Errno 19\] ENODEV"):
        board.execute(ask.format("SoftI2C(scl=Pin(5), sda=Pin(4))"))
    bare = make_board(oled=None)
    assert bare.execute("from machine import I2C\nprint(I2C(0).scan())") == "[]\n"
    with pytest.raises(BoardError, match="no display"):
        bare.screenshot()


def test_the_display_keeps_its_picture_in_a_reset_and_loses_it_with_the_power(board: VirtualBoard) -> None:
    board.execute(DRIVER.format(width=128, height=64) + "screen.pixel(5, 5, 1)\nshow()")
    board.reset("hard")
    assert board.pixels()[5][5] == 1
    board.power_cut()
    assert board.pixels()[5][5] == 0


def test_a_button_is_read_and_interrupts(board: VirtualBoard) -> None:
    board.execute(
        "from machine import Pin\nbutton = Pin(15, Pin.IN, Pin.PULL_UP)\nseen = []\n"
        "button.irq(lambda pin: seen.append(pin.value()), Pin.IRQ_FALLING | Pin.IRQ_RISING)"
    )
    assert board.execute("print(button.value())") == "1\n"
    board.press(15)
    assert board.execute("print(button.value())\nwhile not seen: pass\nprint(seen)") == "0\n[0]\n"
    board.release(15)
    assert board.execute("while len(seen) < 2: pass\nprint(seen)") == "[0, 1]\n"
    board.execute("button.irq(None)")
    board.press(15)
    assert board.execute("import time\ntime.sleep_ms(100)\nprint(button(), seen)") == "0 [0, 1]\n"


def test_only_the_edge_that_was_asked_for(board: VirtualBoard) -> None:
    board.execute(
        "from machine import Pin\nlow = Pin(2, Pin.IN, Pin.PULL_DOWN)\nseen = []\n"
        "low.irq(handler=seen.append, trigger=Pin.IRQ_RISING)"
    )
    for level in (1, 0, 1, None, 0):
        board.set_pin(2, level)
    assert board.execute("while len(seen) < 2: pass\nprint(seen)") == "[Pin(GPIO2), Pin(GPIO2)]\n"


def test_an_interrupt_wakes_an_event_loop(board: VirtualBoard) -> None:
    board.execute("import asyncio\nfrom machine import Pin\nflag = asyncio.ThreadSafeFlag()")
    board.execute("Pin(15, Pin.IN, Pin.PULL_UP).irq(lambda pin: flag.set(), Pin.IRQ_FALLING)")
    board.press(15)
    assert board.execute("asyncio.run(asyncio.wait_for(flag.wait(), 20))\nprint('awake')") == "awake\n"


def test_an_interrupt_that_fails_is_told_and_does_not_end_the_others(board: VirtualBoard) -> None:
    board.execute(
        "from machine import Pin\nn = []\ndef f(p):\n  n.append(1)\n  1/0\n"
        "Pin(3, Pin.IN, Pin.PULL_UP).irq(f, 4)"
    )
    for _ in range(2):
        mark = board.mark()
        board.press(3)
        # Whole: what two of them say at once may stand in one line.
        board.wait_for_line("^ZeroDivisionError", since=mark)
        board.release(3)
    assert board.execute("print(len(n))") == "2\n"


def test_outputs_are_seen(board: VirtualBoard) -> None:
    board.execute(
        "from machine import Pin, PWM, Signal\nled = Pin('LED', Pin.OUT)\nled.on()\n"
        "PWM(Pin(7, Pin.OUT), duty_u16=9)"
    )
    assert (board.output(63), board.output(7), board.output(8)) == (1, 1, None)
    board.execute("led.toggle()\nSignal(Pin(8, Pin.OUT), invert=True).off()")
    assert (board.output(63), board.output(8)) == (0, 1)
    assert board.state()["outputs"] == {"7": 1, "8": 1, "63": 0}
    with pytest.raises(BoardError, match="ValueError"):
        board.execute("Pin(64)")


def test_temperature_and_voltages(board: VirtualBoard) -> None:
    board.set_temperature(31.5)
    code = (
        "from machine import ADC, Pin\nv = ADC(ADC.CORE_TEMP).read_u16() * 3.3 / 65535\n"
        "print(27 - (v - 0.706) / 0.001721)"
    )
    assert abs(float(board.execute(code)) - 31.5) < 0.1
    board.set_adc(26, 0.5)
    assert board.execute("print(ADC(0).read_u16(), ADC(Pin(26)).read_uv())") == "32768 1650025\n"


def test_timers(board: VirtualBoard) -> None:
    code = (
        "from machine import Timer\nticks = []\nonce = []\n"
        "t = Timer(period=10, callback=lambda t: ticks.append(1))\n"
        "Timer(mode=Timer.ONE_SHOT, period=5, callback=lambda t: once.append(1))\n"
        "while len(ticks) < 3: pass\nt.deinit()\nimport time\ntime.sleep_ms(60)\nn = len(ticks)\n"
        "time.sleep_ms(60)\nprint(n == len(ticks), once)"
    )
    assert board.execute(code) == "True [1]\n"


def test_the_clock_begins_in_2021_and_knows_no_fractions(board: VirtualBoard) -> None:
    said = board.execute(
        "import time\nprint(time.gmtime()[:5], len(time.localtime()), type(time.time()), time.gmtime(0)[0])"
    )
    assert said == "(2021, 1, 1, 0, 0) 8 <class 'int'> 1970\n"


def test_the_clock_that_was_set_survives_what_it_should(board: VirtualBoard) -> None:
    year = "import time\nprint(time.gmtime()[0])"
    board.execute(
        "from machine import RTC\nRTC().datetime((2030, 5, 17, 4, 12, 30, 15, 0))\nprint(RTC().datetime())"
    )
    assert "(2030, 5, 17, 4, 12, 30, 15, 0)" in board.console
    board.reset("soft")
    assert board.execute(year) == "2030\n"
    board.reset("hard")
    assert board.execute(year) == "2021\n"


def test_an_esp32_counts_from_2000_and_keeps_its_clock(make_board: Callable[..., VirtualBoard]) -> None:
    board = make_board(profile="esp32")
    assert board.execute("import time, sys\nprint(time.gmtime(0)[:3], time.gmtime()[0], sys.platform)") == (
        "(2000, 1, 1) 2000 esp32\n"
    )
    board.execute("from machine import RTC\nRTC().datetime((2030, 5, 17, 4, 12, 30, 15, 0))")
    board.reset("hard")
    assert board.execute("import time\nprint(time.gmtime()[0])") == "2030\n"
    board.reset("power")
    assert board.execute("import time\nprint(time.gmtime()[0])") == "2000\n"
    board.set_temperature(41)
    assert (
        board.execute("import esp32\nprint(esp32.mcu_temperature(), esp32.raw_temperature())") == "41 106\n"
    )
    with pytest.raises(BoardError, match="ImportError"):
        board.execute("import rp2")


def test_mktime_is_the_inverse_of_gmtime(board: VirtualBoard) -> None:
    code = (
        "import time\nfor t in range(0, 2145916800, 9999991):\n"
        "  assert time.mktime(time.gmtime(t)) == t, t\nprint('all')"
    )
    assert board.execute(code) == "all\n"
    assert board.execute("print(time.mktime((2024, 14, 30, 25, 61, 0, 0, 0)))") == "1740967260\n"


def test_reset_causes(make_board: Callable[..., VirtualBoard]) -> None:
    board = make_board(profile="esp32")
    cause = "import machine\nprint(machine.reset_cause() == machine.{})"
    assert board.execute(cause.format("PWRON_RESET")) == "True\n"
    for kind, name in (("hard", "HARD_RESET"), ("soft", "SOFT_RESET"), ("power", "PWRON_RESET")):
        board.reset(kind)
        assert board.execute(cause.format(name)) == "True\n"
    boots = board.boots
    board.type("machine.deepsleep(50)\r")
    board.wait_for_boot(boots + 1)
    assert board.execute(cause.format("DEEPSLEEP_RESET")) == "True\n"


def test_machine_reset_is_immediate(board: VirtualBoard) -> None:
    boots = board.boots
    board.type("import machine\rtry:\r machine.reset()\rfinally:\r print('too' + 'late')\r\r")
    board.wait_for_boot(boots + 1)
    assert "toolate" not in board.console


def test_a_starved_watchdog_resets_even_a_hanging_board(board: VirtualBoard) -> None:
    boots = board.boots
    board.type("from machine import WDT\rw = WDT(timeout=300)\rwhile True: pass\r\r")
    board.wait_for_boot(boots + 1)
    assert board.execute("import machine\nprint(machine.reset_cause() == machine.WDT_RESET)") == "True\n"
    assert board.boots == boots + 1


def test_a_fed_watchdog_does_not(board: VirtualBoard) -> None:
    boots = board.boots
    code = (
        "import time\nfrom machine import WDT\nw = WDT(timeout=2000)\n"
        "for _ in range(30):\n  w.feed()\n  time.sleep_ms(100)\nprint('fed')"
    )
    assert board.execute(code) == "fed\n"
    assert board.boots == boots
    board.wait_for_boot(boots + 1)  # nobody feeds it any more, and nothing else can stop it


def test_a_watchdog_outlives_a_soft_reset(board: VirtualBoard) -> None:
    boots = board.boots
    board.execute("from machine import WDT\nWDT(timeout=1500)")
    board.reset("soft")
    board.wait_for_boot(boots + 2)
    assert board.board.reset_cause == 3


def test_small_things(board: VirtualBoard) -> None:
    code = (
        "import machine, time, os\nt = time.ticks_ms()\nmachine.lightsleep(30)\n"
        "print(time.ticks_diff(time.ticks_ms(), t) >= 30, machine.freq(), len(machine.unique_id()))\n"
        "machine.freq(48000000)\nmachine.idle()\nmachine.enable_irq(machine.disable_irq())\nos.sync()\n"
        "x = bytearray(b'\\x01\\x02\\x03\\x04')\nimport uctypes\n"
        "a = uctypes.addressof(x)\nmachine.mem16[a] = 0xBEEF\nprint(machine.freq(), hex(machine.mem32[a]))"
    )
    assert board.execute(code) == "True 125000000 8\n48000000 0x403beef\n"


def test_time_goes_on(board: VirtualBoard) -> None:
    code = "import time\na = time.time()\nwhile time.time() == a: pass\nprint(time.time() - a)"
    assert board.execute(code) == "1\n"
    assert abs(board.state()["clock"] - 1609459200) < 120
    assert time.gmtime(board.state()["clock"]).tm_year == 2021
