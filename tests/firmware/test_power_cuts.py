"""The power is cut at every write to the flash, on LittleFS and on FAT: always old or new, never none.

The cutting is done by power_cuts_device.py on a real MicroPython with its real file systems. Beside
each cut the last write is torn at several places; after each the firmware works on and is judged again.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from support import micropython

DEVICE = Path(__file__).with_name("power_cuts_device.py")
DISKS = ("littlefs-512", "littlefs-4096", "fat-512", "fat-512-crowded")
SCENARIOS = (
    *("first", "save", "large", "rotate", "delete", "set_aside", "log", "log full"),
    *("twice save", "twice rotate"),
)


def cut(disk: str, scenario: str) -> dict[str, Any]:
    """Cut `scenario` on `disk` everywhere; print and return the counts."""
    answer = micropython.run(
        [DEVICE, disk, scenario],
        path=[micropython.ROOT / "agent", micropython.ROOT / "firmware"],
        heap="8m",  # the host's: it holds the flash and its journal
        timeout=250,
    )
    assert answer.returncode == 0, answer.stdout
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    words = ", ".join(f"{found[name]} {name}" for name in ("writes", "images", "told", "bad"))
    print(f"{disk}, {scenario}: {words}")
    return found


@pytest.mark.timeout(300)  # a log that is full is cut at some ten thousand places
@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_cut_leaves_old_or_new(disk: str, scenario: str) -> None:
    found = cut(disk, scenario)
    assert found["writes"] >= 4 and found["images"] >= found["writes"]
    assert found["bad"] == 0, "\n".join(found["examples"])
    # Where FAT's chain of a segment is torn, it can't be read to its end. What it held is told to be lost.
    assert found["told"] <= (1 if disk.startswith("fat") and scenario == "log full" else 0)


def test_a_folder_of_fat_that_broke_while_it_grew_keeps_what_it_has_and_says_so() -> None:
    # Where the sector with FAT's chains is torn between the two numbers that make a folder longer, the chain
    # ends in nothing: no file can be made in that folder any more. No order of writes on our side avoids that
    # (both are in one sector, and the file system writes it); a folder with room does. Nothing is lost: what
    # is there is sent, and what comes is sent from memory.
    found = cut("fat-512-full", "log")
    assert found["bad"] == 0, "\n".join(found["examples"])
    assert found["told"] == 1 and found["images"] > 700


@pytest.mark.parametrize(
    ("disk", "scenario", "words"),
    [
        ("fat-512", "naive plain", "neither old nor new: b''"),
        ("fat-512", "naive rename", "neither old nor new: None"),
        ("fat-512-crowded", "naive rename", "neither old nor new: None"),
        # Why the store does not rename at all, not even with a loader that knows the temporary name.
        ("fat-512", "naive fallback", "neither old nor new: None"),
    ],
)
def test_the_cuts_find_stores_that_lose_values(disk: str, scenario: str, words: str) -> None:
    found = cut(disk, scenario)
    assert found["bad"] > 0
    assert any(words in example for example in found["examples"]), found["examples"]


def test_littlefs_keeps_even_a_plain_overwrite() -> None:
    # A fact that the choice of file system rests on; were it to change, the words about it must too.
    assert cut("littlefs-512", "naive plain")["bad"] == 0
