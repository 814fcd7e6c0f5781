"""The demo's Linux device: the agent as its own process, `pairlet run --json`."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from ..process_group import die_with_parent
from .cloud import CLIENT_ID, SCOPE, Cloud
from .error import DemoError

_STOP_S = 5


class LinuxDevice:
    """A running agent. It has no display of its own: a view draws its code from the events."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process

    def pixels(self) -> list[bytes]:
        """What is on its display: nothing."""
        return []

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The agent's events, one after another. Raises DemoError when its process ends by itself."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            yield json.loads(line)
        exit_code = await self._process.wait()
        raise DemoError(f"the device's process ended by itself with exit code {exit_code}", exit_code or 5)


@contextlib.asynccontextmanager
async def linux_device(around: Cloud, folder: Path, device_id: str) -> AsyncIterator[LinuxDevice]:
    """Start an agent that keeps its files in `folder`; it is gone when this ends, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pairlet.linux",
        "run",
        "--json",
        "--config",
        str(_configuration(around, folder, device_id)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Ctrl-C goes to the demo alone, which then stops the device in good order.
        start_new_session=True,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )
    try:
        yield LinuxDevice(process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except (TimeoutError, asyncio.CancelledError):
                process.kill()
                await process.wait()


def _configuration(around: Cloud, folder: Path, device_id: str) -> Path:
    """Write the device's pairlet.toml into `folder`; return its path."""
    path = folder / "pairlet.toml"
    path.write_text(
        "[oauth]\n"
        f'issuer = "{around.issuer}"\n'
        f'client_id = "{CLIENT_ID}"\n'
        f'scope = "{SCOPE}"\n'
        "insecure_http = true\n"
        "[mqtt]\n"
        f'url = "{around.mqtt_url}"\n'
        'version = "3.1.1"\n'
        "[telemetry]\n"
        "interval = 2\n"
        "[pairing]\n"
        f'device_id = "{device_id}"\n'
        'device_name = "Demo device"\n'
        "[display]\n"
        'name = "none"\n'
        "[store]\n"
        'dir = "state"\n',
        encoding="utf-8",
    )
    return path
