"""Panels drawn by a real MicroPython, seen from outside: a decoder reads the QR codes, a person the PNGs."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from pairlet_board.terminal import TerminalDisplay
from PIL import Image, ImageFilter
from support import micropython
from support.panels import PORTABLE, model, photograph, read_qr
from support.vt100 import BLACK, WHITE, Color, Terminal

DEVICE = Path(__file__).with_name("screens_device.py")
SCALES = (2, 3, 4, 5, 8)


@pytest.fixture(scope="module")
def drawn() -> list[dict[str, Any]]:
    """What the device drew: name, height, memory and the text of the QR code that should be there."""
    root = micropython.ROOT
    answer = micropython.run([DEVICE], path=[root / "agent", root / "firmware", PORTABLE], heap="160k")
    assert answer.returncode == 0, answer.stdout
    screens = [json.loads(line) for line in answer.stdout.splitlines()]
    for screen in screens:
        assert screen["on"]
        screen["ram"] = bytes.fromhex(screen["ram"])
    return screens


def with_qr(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [screen for screen in drawn if screen["text"]]


def test_everything_was_drawn(drawn: list[dict[str, Any]]) -> None:
    assert len(with_qr(drawn)) == 2 * 10 + 1 + 2 * 3 + 1
    assert len(drawn) == len(with_qr(drawn)) + 2 * 8


@pytest.mark.parametrize("scale", SCALES)
def test_every_qr_code_is_read_at_every_scale(drawn: list[dict[str, Any]], scale: int) -> None:
    for screen in with_qr(drawn):
        found = read_qr(photograph(screen["ram"], screen["height"], scale))
        assert [one.text for one in found] == [screen["text"]], (screen["name"], screen["height"])


def test_the_qr_codes_are_read_turned_blurred_and_noisy(drawn: list[dict[str, Any]]) -> None:
    # Views as a hand holds a telephone; of these a reader misses some of any code, so they are counted.
    chosen = random.Random(8628)
    tried = missed = 0
    for screen in with_qr(drawn):
        picture = photograph(screen["ram"], screen["height"], 6)
        for angle, blur in ((0, 1.5), (4, 0.0), (-8, 1.0), (15, 0.5), (90, 1.0), (183, 1.0)):
            view = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True)
            view = view.filter(ImageFilter.GaussianBlur(blur)).point(lambda value: 30 + value * 200 // 255)
            for _ in range(200):
                at = (chosen.randrange(view.width), chosen.randrange(view.height))
                view.putpixel(at, chosen.randrange(256))
            tried += 1
            missed += [one.text for one in read_qr(view)] != [screen["text"]]
    print(f"{missed} of {tried} views were not read")
    assert missed <= tried // 20


@pytest.mark.parametrize("height", [64, 32])
def test_the_margin_is_lit_and_no_letter_touches_it(drawn: list[dict[str, Any]], height: int) -> None:
    (screen,) = (one for one in drawn if one["name"] == "code" and one["height"] == height)
    picture = photograph(screen["ram"], height).crop((8, 8, 136, 8 + height))
    margin = 3 if height == 64 else 1
    for at in range(height):
        for depth in range(margin):
            for place in (
                (at, depth),
                (at, height - 1 - depth),
                (depth, at),
                (height - 1 - depth, at),
            ):
                assert picture.getpixel(place) == 255, place
        assert picture.getpixel((height, at)) == 0


def test_no_screen_is_drawn_like_another(drawn: list[dict[str, Any]]) -> None:
    for height in (64, 32):
        pictures = [screen["ram"] for screen in drawn if screen["height"] == height]
        names = [screen["name"] for screen in drawn if screen["height"] == height]
        assert len(set(pictures)) == len(pictures), names


def test_the_picture_can_be_saved_and_looked_at(drawn: list[dict[str, Any]], tmp_path: Path) -> None:
    for screen in drawn:
        name = "%s-%d.png" % (screen["name"].replace(" ", "-"), screen["height"])
        photograph(screen["ram"], screen["height"], 8).save(tmp_path / name)
    print("pictures in", tmp_path)
    with Image.open(tmp_path / "code-64.png") as picture:
        assert [one.text for one in read_qr(picture.convert("L"))] == [
            "https://example.com/device?user_code=WDJB-MJHT"
        ]


@pytest.mark.parametrize(
    ("utf8", "columns", "rows", "length"),
    [(True, 80, 24, 46), (True, 80, 24, 130), (True, 60, 40, 100), (False, 132, 50, 46), (False, 80, 60, 60)],
)
@pytest.mark.parametrize("paper", [BLACK, WHITE])
def test_the_qr_code_on_the_terminal_is_read(
    utf8: bool, columns: int, rows: int, length: int, paper: Color
) -> None:
    terminal = Terminal(columns, rows)
    address = ("https://example.com/device?user_code=WDJB-MJHT" + "x" * 99)[:length]
    display = TerminalDisplay(terminal.feed, utf8=utf8, columns=columns, rows=rows)
    for remaining in (600, 599, 598):
        display.show(model.code_screen(remaining, verification_uri_complete=address))
    # The model's blank characters have the terminal's own colours, light on dark or dark on light.
    picture = terminal.picture(ink=(128, 128, 128), paper=paper).convert("L")
    assert [one.text for one in read_qr(picture)] == [address]
    shown = terminal.text()
    for text in ("https://example.com/device", "WDJB-MJHT", "Valid for 9:58"):
        assert text in shown


def test_the_terminal_shows_the_same_after_a_new_message_and_a_minute() -> None:
    terminal = Terminal(80, 24)
    display = TerminalDisplay(terminal.feed)
    for remaining in range(600, 460, -1):
        message = "no network: trying again" if 500 < remaining < 520 else ""
        display.show(model.code_screen(remaining, message=message))
        assert ("no network" in terminal.text()) == bool(message)
    fresh = Terminal(80, 24)
    TerminalDisplay(fresh.feed).show(model.code_screen(461))
    assert terminal.lines() == fresh.lines()
    assert terminal.cursor_visible
