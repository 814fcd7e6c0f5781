"""A flash image with the firmware on it, made without a board: LittleFS, blocks of 4096 bytes."""

import functools
import json
from pathlib import Path
from typing import Any

import littlefs
from pairlet.linux.flash.image import build

_BLOCKS = 212  # of a Pico W


@functools.cache
def compiled() -> dict[str, bytes]:
    """Every file of the firmware, as .mpy, by its path on the board."""
    return build(6)


def write_flash(path: Path, config: dict[str, Any], ca: bytes) -> None:
    """Make the flash file `path` with firmware, config.json and ca.pem."""
    system = littlefs.LittleFS(block_size=4096, block_count=_BLOCKS)
    files = {"lib/" + name: data for name, data in compiled().items()}
    files["main.py"] = b"import pairlet_main\npairlet_main.main()\n"
    files["config.json"] = json.dumps(config).encode()
    files["ca.pem"] = ca
    for name, data in sorted(files.items()):
        system.makedirs(name.rpartition("/")[0], exist_ok=True)
        with system.open(name, "wb") as file:
            file.write(data)
    path.write_bytes(bytes(system.context.buffer))
