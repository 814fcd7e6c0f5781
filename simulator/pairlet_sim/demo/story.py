"""The demo's process tree: server and broker in this process, one real agent in a child process."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Protocol

from ..authserver import AuthorizationServer, Client, Person, ServeError, Settings, listening_socket, serve
from ..broker import Broker, BrokerError, BrokerSettings
from ..person import PersonError, walk
from .state import State

_PORT = 8628
_CLIENT_ID = "pairlet-demo"
_AUDIENCE = "pairlet-demo"
_USERNAME, _PASSWORD = "ada", "engine-1843"
# Short, so that a minute shows several refreshes; real servers hand out an hour.
_TOKEN_LIFETIME_S = 30
_STOP_S = 5


class DemoError(Exception):
    """The demo can't go on; the text is one sentence, `exit_code` the command's."""

    def __init__(self, sentence: str, exit_code: int = 5):
        super().__init__(sentence)
        self.exit_code = exit_code


class View(Protocol):
    """Whatever shows the state."""

    def update(self) -> None:
        """The state has changed."""


class Story:
    """One demo. `port` None: 8628 or a free one; `limit_s` None: until stopped."""

    def __init__(self, *, port: int | None, approve: str, open_browser: bool, limit_s: float | None):
        self._port = port
        self._approve = approve
        self._open_browser = open_browser
        self._limit_s = limit_s
        self.state = State(username=_USERNAME, password=_PASSWORD)

    async def play(self, view: View) -> None:
        """Start everything, show it, end it. Raises DemoError; leaves nothing running."""
        self._view = view
        listener = self._listen()
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(
            issuer,
            people=[Person(_USERNAME, _PASSWORD, name="Ada Lovelace")],
            clients=[Client(_CLIENT_ID, name="Pairlet demo device")],
            audience=_AUDIENCE,
            interval_s=2,
            access_token_lifetime_s=_TOKEN_LIFETIME_S,
        )
        broker_settings = BrokerSettings(
            issuer=issuer, audience=_AUDIENCE, jwks_url=issuer + "/jwks"
        )
        server = AuthorizationServer(settings)
        try:
            async with serve(server.app, sock=listener), Broker(broker_settings) as broker:
                self.state.server, self.state.broker = issuer, f"mqtt://127.0.0.1:{broker.port}"
                self._show()
                await self._until_over(broker)
        except (ServeError, BrokerError) as error:
            raise DemoError(str(error)) from error

    def _listen(self) -> socket.socket:
        try:
            return listening_socket(port=self._port or _PORT)
        except ServeError as error:
            if self._port is not None:
                raise DemoError(f"{error} Choose another one with --port.", 2) from error
        listener = listening_socket(port=0)
        port = listener.getsockname()[1]
        self.state.tell(f"port {_PORT} is taken, perhaps by another demo; this one uses {port}")
        return listener

    async def _until_over(self, broker: Broker) -> None:
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pairlet-demo-"))
            device = await stack.enter_async_context(_device(self._configuration(Path(folder))))
            tasks = [
                asyncio.create_task(self._hear(device)),
                asyncio.create_task(self._watch(broker)),
                asyncio.create_task(self._tick()),
            ]
            try:
                done, _ = await asyncio.wait(
                    tasks, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _configuration(self, folder: Path) -> Path:
        """Write the device's pairlet.toml into `folder`; return its path."""
        path = folder / "pairlet.toml"
        path.write_text(
            "[oauth]\n"
            f'issuer = "{self.state.server}"\n'
            f'client_id = "{_CLIENT_ID}"\n'
            'scope = "telemetry:write offline_access"\n'
            "insecure_http = true\n"
            "[mqtt]\n"
            f'url = "{self.state.broker}"\n'
            'version = "3.1.1"\n'
            "[telemetry]\n"
            "interval = 2\n"
            "[pairing]\n"
            'device_name = "Demo device"\n'
            "[display]\n"
            'name = "none"\n'
            "[store]\n"
            'dir = "state"\n',
            encoding="utf-8",
        )
        return path

    async def _hear(self, device: asyncio.subprocess.Process) -> None:
        """Follow the device's events until it ends, which it should not."""
        assert device.stdout is not None
        async for line in device.stdout:
            event = json.loads(line)
            self.state.hear(event)
            self._show()
            if event["event"] == "code":
                self._find_approval()
        exit_code = await device.wait()
        raise DemoError(f"the device's process ended by itself with exit code {exit_code}", exit_code or 5)

    def _find_approval(self) -> None:
        if self._approve == "auto":
            asyncio.get_running_loop().create_task(self._walk())
        elif self._open_browser and _has_screen():
            webbrowser.open(self.state.verification_uri_complete)
            self._open_browser = False

    async def _walk(self) -> None:
        """The simulated person: the same pages, forms and cookies as a real one."""
        state = self.state
        state.tell("a simulated person opens the page, signs in and approves")
        self._show()
        try:
            await asyncio.to_thread(
                walk, state.verification_uri_complete, state.user_code, state.username, state.password
            )
        except PersonError as error:
            state.tell(f"the simulated person got stuck: {error}")
            self._show()

    async def _watch(self, broker: Broker) -> None:
        async for message in broker.messages():
            self.state.see(message.topic, message.payload)
            self._show()

    async def _tick(self) -> None:
        """Keep count-downs moving."""
        while True:
            await asyncio.sleep(0.5)
            self._show()

    def _show(self) -> None:
        self._view.update()


def _has_screen() -> bool:
    # Without one, `webbrowser` would start a text browser in the middle of our own picture.
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextlib.asynccontextmanager
async def _device(configuration: Path):  # type: ignore[no-untyped-def]
    """The agent as its own process, `pairlet run --json`; it is gone when this ends, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pairlet.linux",
        "run",
        "--json",
        "--config",
        str(configuration),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Ctrl-C goes to the demo alone, which then stops the device in good order.
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except (TimeoutError, asyncio.CancelledError):
                process.kill()
                await process.wait()


def _die_with_parent() -> None:
    """Ask Linux to stop the device should the demo be killed (prctl PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
