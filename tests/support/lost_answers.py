"""A server that is away now and then, or whose answers get lost: they are made, and nobody ever gets them."""

import threading

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class LostAnswers:
    """An ASGI application in front of another. `made` is set as soon as an answer that gets lost was made."""

    def __init__(self, app: ASGIApp):
        self._app = app
        self._path: str | None = None
        self._away: str | None = None
        self.made = threading.Event()

    def lose(self, path: str) -> None:
        """From now on whoever asks `path` waits for an answer until he gives up."""
        self.made.clear()
        self._path = path

    def deliver(self) -> None:
        """From now on every answer arrives."""
        self._path = self._away = None

    def go_away(self, path: str) -> None:
        """From now on whoever asks `path` gets a 503, and the server never hears of it."""
        self._away = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] == "http" and scope["path"] == self._away:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return

        async def lose(message: Message) -> None:
            pass

        await self._app(scope, receive, lose)
        self.made.set()
        while (await receive())["type"] != "http.disconnect":
            pass
