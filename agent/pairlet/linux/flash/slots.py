"""The two places for a firmware on a board, and the few lines there that choose between them.

A firmware lies whole in one of two folders. Two one-line files in turn say which one starts: the one with
the larger number counts, and one that is torn counts for nothing, so writing the other one is the whole
switch, on FAT too, where a rename is not one step. New settings wait in the slot and move to /config.json
only when that slot starts: an old firmware never meets settings that were written for a newer one.
"""

import hashlib

SLOTS = ("pairlet-a", "pairlet-b")
CHOICES = ("/pairlet-slot.0", "/pairlet-slot.1")
CONFIG = "/config.json"
MARK = b"# Starts the firmware in the folder that /pairlet-slot.0 or .1 names"

# What it reads may be torn by a power cut; FAT and LittleFS give a file its length when it is whole.
MAIN = (
    MARK
    + b"""; written by pairlet flash, which may replace it.
import os, sys
best = (0, "")
for n in "01":
    try:
        with open("/pairlet-slot." + n) as f:
            number, slot, end = f.read().split(" ")
        if end == "end\\n":
            best = max(best, (int(number), slot))
    except (OSError, ValueError):
        pass
slot = "/" + best[1]
try:
    with open(slot + "/config.json", "rb") as f:
        data = f.read()
    if data.endswith(b"}\\n"):
        with open("/config.json", "wb") as f:
            f.write(data)
        os.remove(slot + "/config.json")
except OSError:
    data = None
sys.path.insert(0, slot)
del best, data, f, n, os, slot
from pairlet_main import main
main()
"""
)


def other(slot: str | None) -> str:
    """The slot that `slot` (None: none yet) is not."""
    return SLOTS[1] if slot == SLOTS[0] else SLOTS[0]


def chosen(contents: list[bytes | None]) -> tuple[int, str | None, int]:
    """What the files CHOICES say: the number and the slot that count, and which file to write next."""
    best: tuple[int, str | None, int] = (0, None, 0)
    for index, content in enumerate(contents):
        words = (content or b"").decode("ascii", "replace").split(" ")
        if len(words) == 3 and words[0].isdecimal() and words[1] in SLOTS and words[2] == "end\n":
            best = max(best, (int(words[0]), words[1], 1 - index), key=lambda choice: choice[0])
    return best


def choice(number: int, slot: str) -> bytes:
    """The content of a file of CHOICES."""
    return f"{number} {slot} end\n".encode()


def digest(data: bytes) -> str:
    """As the board tells what is in a file: SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
