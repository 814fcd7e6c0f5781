"""The button of a Linux machine: the signal SIGUSR1."""

import asyncio
import signal


class SignalButton:
    """The port Button. Presses while nobody waits are forgotten, and never kill the process.

    `advice` is what the display says of it. Made inside a running event loop, on the main thread.
    """

    advice = "For a code run: pairlet pair. Or send SIGUSR1 to this process."

    def __init__(self) -> None:
        self._press = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._press.set)

    async def pressed(self) -> None:
        """Return at the next SIGUSR1."""
        self._press.clear()
        await self._press.wait()
