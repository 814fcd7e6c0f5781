"""A flash with the firmware on it, made without a serial port."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pairlet.linux.flash.image import build
from pairlet_sim.board.flash import filled
from support import micropython


@functools.cache
def compiled() -> dict[str, bytes]:
    """Every file of the firmware, as .mpy, by its path on the board."""
    return build(6)


def write_flash(
    path: Path,
    config: dict[str, Any],
    ca: bytes,
    *,
    boot: bytes = b"",
    firmware: Mapping[str, bytes] | None = None,
    more: Mapping[str, bytes] | None = None,
) -> None:
    """Make the flash file `path` with firmware, config.json and ca.pem; `boot`: a boot.py.

    `firmware`: its files by path, None: `compiled()`. `more`: further files by their paths.
    """
    files = {"lib/" + name: data for name, data in (firmware or compiled()).items()}
    files["main.py"] = b"import pairlet_main\npairlet_main.main()\n"
    files["config.json"] = json.dumps(config).encode()
    files["ca.pem"] = ca
    files.update(more or {})
    if boot:
        files["boot.py"] = boot
    path.write_bytes(filled(files, micropython.required()))
