"""Draws screens on the model of a panel, on a real MicroPython with its own letters: one line of JSON each.

`micropython screens_device.py`, with agent, firmware and tests/portable on the path.
"""

import binascii
import gc
import json

from pairlet.core.screen import DENIED, EXPIRED, PAIRED, RUNNING, STARTING, TROUBLE, UNPAIRED, Screen
from pairlet_board.screens import PanelDisplay
from pairlet_board.ssd1306 import Ssd1306
from panel import ADDRESS, Panel, code_screen

# By version of the QR code: how many characters of an address are in it.
LENGTHS = (17, 32, 53, 78, 106, 134, 154, 192, 230, 271)


def tell(name, height, panel, text=""):
    """Print what is on the panel; `text`: what its QR code should hold."""
    ram = binascii.hexlify(panel.ram).decode()
    print(json.dumps({"name": name, "height": height, "text": text, "ram": ram, "on": panel.ready()}))


def fresh(height):
    """A display and its panel."""
    panel = Panel(128, height)
    return PanelDisplay(Ssd1306(panel, 128, height)), panel


def codes(height):
    """A QR code of every version, as far as the panel has room for it."""
    for version, length in enumerate(LENGTHS):
        if version > 2 and height < 64:
            break
        for size in (length, length - 3):
            address = ("https://a.co/x" + "yz?./=&user-" * 30)[:size]
            display, panel = fresh(height)
            display.show(code_screen(900, verification_uri_complete=address))
            tell("version %d" % (version + 1), height, panel, address)
            gc.collect()


def pages(height):
    """The pages of a usual code, and the other screens."""
    display, panel = fresh(height)
    display.show(code_screen(872))
    tell("code", height, panel, ADDRESS + "?user_code=WDJB-MJHT")
    display.show(code_screen(866))
    tell("address", height, panel)
    for screen in (
        Screen(STARTING, message="asking the server"),
        Screen(UNPAIRED, advice="Press the button for a code."),
        Screen(PAIRED, scope="telemetry:write"),
        Screen(DENIED, message="Not paired."),
        Screen(EXPIRED, message="Nobody entered the code."),
        Screen(RUNNING, message="published 3 samples"),
        Screen(TROUBLE, message="no network", advice="Trying again."),
    ):
        display.show(screen)
        tell(screen.kind, height, panel)


if __name__ == "__main__":
    for height in (64, 32):
        codes(height)
        pages(height)
