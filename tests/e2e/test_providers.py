"""Each provider's profile from both sides: a device that has it pairs with a server that behaves like it.

All in this process and in virtual time: the agent, its translation, the imitation and the server behind it
are the real ones; between them is no socket.
"""

import asyncio
from typing import Any

import pytest
from pairlet.agent import Agent, Ports
from pairlet.config import Config
from pairlet.core.client import Client
from pairlet.core.errors import OAuthError, UnpairedError
from pairlet.core.http import Request, Response
from pairlet.core.secret import Secret
from pairlet.device import Device
from pairlet.drive import Patience
from pairlet.linux.commands_provider import translated, with_provider
from pairlet.linux.doctor.asking import judge_client, made_up_request
from pairlet.linux.providers import names
from pairlet_sim import authserver
from pairlet_sim.authserver import AuthorizationServer, Person, Settings
from pairlet_sim.imitating import Likeness
from portable.fakes import CountingEntropy, ManualButton, MemoryStore, RecordingDisplay, VirtualClock

ISSUER = "http://127.0.0.1:8628"
SECRET = "s3cret-of-the-client"
ADA = Person("ada", "correct horse")


class AsgiHttp:
    """The port Http straight into an ASGI application. `places`: what was asked, by path."""

    needs_room = False

    def __init__(self, app: Any):
        self._app = app
        self.places: list[str] = []
        self.hurried: set[str] = set()  # paths whose next request is sent twice
        self.answers: list[tuple[str, Response]] = []

    async def exchange(self, request: Request) -> Response:
        """See pairlet.ports.Http."""
        assert request.url.startswith(ISSUER + "/"), request.url
        path = request.url[len(ISSUER) :]
        self.places.append(path)
        if path in self.hurried:
            self.hurried.remove(path)
            await self._ask(request, path)
        return await self._ask(request, path)

    async def _ask(self, request: Request, path: str) -> Response:
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": headers, "server": ("127.0.0.1", 8628), "client": ("127.0.0.1", 4),
            "root_path": "",
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        headers = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
        body = b"".join(part.get("body", b"") for part in sent[1:])
        response = Response(sent[0]["status"], headers, body)
        self.answers.append((path, response))
        return response


class Story:
    """One device and one server; `decide` is what a person does once there was a poll."""

    def __init__(self, provider: str, decide: str):
        self.clock = VirtualClock()
        self.decide = decide
        self.events: list[tuple[str, dict[str, Any]]] = []
        likeness = Likeness(provider)
        secret = likeness.secret(SECRET if likeness.profile.wants_secret else None)
        scopes = ("profile", "offline_access", *likeness.scopes())
        client = authserver.Client("tv", secret=secret, scopes=tuple(dict.fromkeys(scopes)))
        self.settings = Settings(ISSUER, people=[ADA], clients=[client], code_lifetime_s=30, interval_s=1)
        self.server = AuthorizationServer(self.settings, lambda: 1_750_000_000 + self.clock.now() / 1000)
        self.http = AsgiHttp(likeness.app(self.server.app, self.settings))
        self.store = MemoryStore()
        oauth = {**likeness.settings(self.settings, provider), "insecure_http": True}
        if secret and "client_id" in likeness.profile.needs:
            oauth["client_secret_file"] = "secret"
        self.config = config = with_provider(Config.from_tables({"oauth": oauth}, "test"))
        spoken: Any = self.http
        if config.get("oauth.dialect"):
            spoken = translated(self.http, config, self.store, self.clock)
        given = Secret(SECRET) if "client_secret_file" in oauth else None
        self.agent = Agent(
            config,
            Client(config.text("oauth.client_id"), given, config.text("oauth.client_auth") or None),
            Device("d1", "Kitchen"),
            Ports(
                self.clock, spoken, RecordingDisplay(), self.store, CountingEntropy(), None, ManualButton(),
                None, None,
            ),
            self._hear,
        )  # fmt: skip

    def _hear(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    def names(self) -> list[str]:
        return [event for event, _ in self.events if event != "waiting"]

    async def _person(self) -> None:
        while not self.events:
            await self.clock.sleep_until(self.clock.now() + 500)
        polled = len(self.http.places)
        self.http.hurried = {self.polls()} if self.decide == "approve" else set()
        while len(self.http.places) == polled:
            await self.clock.sleep_until(self.clock.now() + 500)
        user_code = self.events[0][1]["user_code"]
        if self.decide == "deny":
            assert self.server.deny(user_code, "ada")
        elif self.decide == "approve":
            assert self.server.approve(user_code, "ada")

    def polls(self) -> str:
        address = self.config.text("oauth.token_endpoint") or ISSUER + "/token"
        return address[len(ISSUER) :]

    def run(self, coroutine: Any) -> Any:
        return asyncio.run(self.clock.drive(coroutine))

    def pair(self) -> None:
        async def both() -> None:
            person = asyncio.create_task(self._person())
            try:
                await self.agent.pair(Patience(3))
            finally:
                person.cancel()

        self.run(both())

    def answered(self, path: str) -> list[int]:
        return [response.status for place, response in self.http.answers if place == path]


def error_of(story: Story) -> str:
    with pytest.raises(OAuthError) as caught:
        story.pair()
    return caught.value.error


@pytest.mark.parametrize("provider", names())
def test_a_pairing_from_the_code_to_its_end(provider: str) -> None:
    story = Story(provider, "approve")
    errors = Likeness(provider).profile.tables["errors"]
    story.pair()
    assert story.names() == ["code", "paired"]
    # The first poll was sent twice, so that the answer to it was slow_down.
    statuses = [errors.get(code, {}).get("status", 400) for code in ("authorization_pending", "slow_down")]
    assert story.answered(story.polls()) == [*statuses, 200]
    times = [event.at for event in story.server.events if event.endpoint == "token"]
    assert times[2] - times[1] >= 6
    token = story.agent.keeper.token
    assert token is not None and not token.not_granted(story.config.text("oauth.scope"))
    assert story.server.events[-1].outcome == "issued"
    if token.refresh_token is not None:
        story.run(story.agent.refresh(Patience(1)))
        assert story.names()[-1] == "refreshed"
        assert story.agent.keeper.token.refresh_token != token.refresh_token  # type: ignore[union-attr]
        # The server ends the pairing: the provider's own word for that ends it here too.
        story.server.revoke_pairing(story.server.pairings()[0].id)
        with pytest.raises(UnpairedError):
            story.run(story.agent.refresh(Patience(1)))
        assert story.names()[-1] == "unpaired"


@pytest.mark.parametrize("provider", names())
def test_no_and_too_late(provider: str) -> None:
    assert error_of(Story(provider, "deny")) in ("access_denied", "invalid_grant")
    late = Story(provider, "wait")
    assert error_of(late) == "expired_token"
    assert late.clock.now() >= 30_000


@pytest.mark.parametrize("provider", [name for name in names() if name not in ("amazon", "aws")])
def test_a_made_up_code_tells_whether_the_client_is_known(provider: str) -> None:
    """The other two are not asked: with one the poll names no client, with the other it registers itself."""
    story = Story(provider, "approve")
    agent = story.agent

    async def told(client: Client) -> str:
        metadata = await agent.find(lambda error, pause_ms=0: None)
        request = made_up_request(metadata, client, "device_code", "a-code-that-nobody-issued", [])
        return judge_client(await agent.ports.http.exchange(request), client, "device_code").result

    assert asyncio.run(told(agent.client)) == "ok"
    assert asyncio.run(told(Client("nobody-knows"))) == "fail"
