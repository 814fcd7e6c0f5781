"""Signing in with a browser on the device (authorization code with PKCE), in virtual time."""

import asyncio
import hashlib
import json

from fakes import MemoryStore
from model_server import ISSUER, ModelServer, form_of
from pairlet.agent import Agent
from pairlet.core.client import Client
from pairlet.core.errors import (
    ConfigError,
    IssuerError,
    OAuthError,
    StoreError,
    TransportError,
    UnpairedError,
)
from pairlet.core.pkce import base64url
from pairlet.drive import Patience
from scenario import unquoted
from test_agent import MINUTE, Rig, raised

GRANT = {"oauth": {"grant": "authorization_code", "scope": "telemetry commands"}}
REDIRECT = "http://127.0.0.1:5555/callback"


class Visit:
    """A browser at the redirect URI; `pages` holds what it was shown."""

    def __init__(self, query):
        self.query = query
        self.pages = []

    def answer(self, page):
        self.pages.append(page)


class FakeBrowser:
    """The port Browser: does what a test says; `opened` holds the address that the person opens."""

    def __init__(self, clock):
        self.clock = clock
        self.opened = None
        self.listening = False
        self.visits = []
        self._waiting = []
        self._came = asyncio.Event()
        self.words = ""

    async def listen(self):
        self.listening = True
        self._came = asyncio.Event()  # each run of the loop takes one of its own
        return REDIRECT

    def open(self, authorization_uri):
        self.opened = authorization_uri.reveal()
        return self.words

    def asked(self):
        """The parameters of the authorization request."""
        query = self.opened.partition("?")[2]
        return dict([[unquoted(part) for part in piece.split("=")] for piece in query.split("&")])

    def bring(self, query):
        """A request to the redirect URI."""
        assert self.listening
        visit = Visit(query)
        self.visits.append(visit)
        self._waiting.append(visit)
        self._came.set()

    async def next_visit(self):
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        return self._waiting.pop(0)

    async def close(self):
        self.listening = False


class CodeServer(ModelServer):
    """Takes the code "good" with the verifier that belongs to it, once. `trouble`: instead of an answer."""

    def __init__(self, clock, browser, **options):
        super().__init__(clock, **options)
        self.browser = browser
        self.trouble = []
        self.names_issuer = True
        self.code = "good"

    def _metadata(self):
        members = super()._metadata()
        members["authorization_endpoint"] = ISSUER + "/authorize"
        members["code_challenge_methods_supported"] = ["S256"]
        members["authorization_response_iss_parameter_supported"] = self.names_issuer
        return members

    def __call__(self, request):
        form = form_of(request.body) if request.body else {}
        if form.get("grant_type") != "authorization_code":
            return super().__call__(request)
        self.requests.append("code")
        if self.trouble:
            trouble = self.trouble.pop(0)
            return trouble if isinstance(trouble, Exception) else self._error(trouble)
        challenge = base64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        if challenge != self.browser.asked()["code_challenge"] or form["redirect_uri"] != REDIRECT:
            return self._error("invalid_grant")
        if form["code"] != self.code:
            return self._error("invalid_grant")
        self.code = None
        return self._tokens()


def signing(settings=None, **options):
    """A Rig whose agent signs people in with a browser."""
    tables = {name: dict(GRANT[name]) for name in GRANT}
    for name, keys in (settings or {}).items():
        tables.setdefault(name, {}).update(keys)
    token_s = options.pop("token_s", 3600)
    rig = Rig(settings=tables, **options)
    rig.browser = FakeBrowser(rig.clock)
    rig.server = rig.http.answer = CodeServer(rig.clock, rig.browser, token_s=token_s)
    agent = rig.agent
    rig.agent = Agent(agent.config, Client("tv"), agent.device, agent.ports, rig._hear, None, rig.browser)
    return rig


async def person(rig, answer, after_ms=5000):
    """Somebody comes after a while; `answer(state)` is the query that the browser brings."""
    while rig.browser.opened is None:
        await rig.clock.sleep_until(rig.clock.now() + 100)
    await rig.clock.sleep_until(rig.clock.now() + after_ms)
    queries = answer(rig.browser.asked()["state"])
    for query in [queries] if isinstance(queries, str) else queries:
        rig.browser.bring(query)
        await rig.clock.sleep_until(rig.clock.now() + 500)


def approve(state):
    return "code=good&iss=https%3A%2F%2Fauth.test&state=" + state


def deny(state):
    return "error=access_denied&iss=https%3A%2F%2Fauth.test&state=" + state


def pair(rig, answer=approve, patience=3):
    """`pairlet pair` with somebody in front of the browser."""

    async def both():
        task = asyncio.create_task(person(rig, answer))
        try:
            return await rig.agent.pair(Patience(patience))
        finally:
            task.cancel()

    return rig.run(both())


def test_a_person_signs_in():
    rig = signing()
    token = pair(rig)
    assert token.access_token.reveal() == rig.server.live_access_token
    assert rig.names() == ["authorize", "paired"] and rig.display.kinds() == ["starting", "sign_in", "paired"]
    told = rig.events[0][1]
    assert told["authorization_uri"] == rig.browser.opened and told["expires_in"] == 600
    assert told["redirect_uri"] == REDIRECT
    asked = rig.browser.asked()
    assert (
        asked["response_type"] == "code" and asked["device_id"] == "d1" and asked["device_name"] == "Kitchen"
    )
    (visit,) = rig.browser.visits
    assert [page.kind for page in visit.pages] == ["paired"]
    assert not rig.browser.listening and rig.record()["refresh_token"] == rig.server.live_refresh_token


def test_what_was_not_granted_is_said_here_and_in_the_browser():
    rig = signing()
    pair(rig)
    assert rig.events[-1][1]["not_granted"] == "commands"
    assert "commands" in rig.browser.visits[0].pages[0].message
    assert "commands" in rig.display.screens[-1].message


def test_each_sign_in_has_secrets_of_its_own():
    rig = signing()
    pair(rig)
    first = rig.browser.asked()
    rig.browser.opened, rig.server.code = None, "good"
    pair(rig)
    second = rig.browser.asked()
    assert first["state"] != second["state"] and first["code_challenge"] != second["code_challenge"]


def test_then_it_is_a_pairing_like_any_other():
    rig = signing(token_s=600)
    pair(rig)
    rig.clock.time += 540000
    token = rig.run(rig.agent.usable_token(Patience(3)))
    assert token.access_token.reveal() == rig.server.live_access_token == "access-2"
    assert rig.run(rig.agent.unpair(Patience(3))) is None and "token" not in rig.store.values


def test_declined():
    rig = signing()
    error = raised(pair, rig, deny)
    assert error.exit_code == 3 and rig.names() == ["authorize", "denied"]
    assert rig.display.kinds()[-1] == "denied" and rig.browser.visits[0].pages[0].kind == "denied"
    assert not rig.browser.listening and "token" not in rig.store.values


def test_nobody_comes():
    rig = signing({"pairing": {"timeout": "2m"}})
    began = rig.clock.now()
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert error.exit_code == 4 and 120000 <= rig.clock.now() - began < 122000
    assert rig.names() == ["authorize", "expired"] and rig.display.kinds()[-1] == "expired"
    assert not rig.browser.listening


def test_item_49_what_is_not_the_answer_is_told_so_and_changes_nothing():
    rig = signing()
    pair(
        rig,
        lambda state: ["", "code=good", "code=good&state=x", "error=access_denied&state=x", approve(state)],
    )
    kinds = [visit.pages[0].kind for visit in rig.browser.visits]
    assert kinds == ["trouble"] * 4 + ["paired"] and rig.names() == ["authorize", "paired"]
    assert rig.server.requests.count("code") == 1


def test_an_answer_that_comes_twice_counts_once():
    rig = signing()
    rig.http.latency_ms = 2000
    pair(rig, lambda state: [approve(state), approve(state)])
    assert [visit.pages[0].kind for visit in rig.browser.visits] == ["paired", "trouble"]
    assert rig.server.requests.count("code") == 1


def test_item_50_a_mix_up_is_refused():
    for iss in ("https%3A%2F%2Fevil.test", ""):
        rig = signing()
        error = raised(pair, rig, lambda state, iss=iss: "code=good&state=%s&iss=%s" % (state, iss))
        assert isinstance(error, IssuerError) and error.exit_code == 7
        assert rig.browser.visits[0].pages[0].kind == "trouble" and "code" not in rig.server.requests
        assert "token" not in rig.store.values


def test_a_code_that_the_server_does_not_take():
    rig = signing()
    rig.server.code = "other"
    error = raised(pair, rig)
    assert isinstance(error, OAuthError) and error.error == "invalid_grant"
    assert rig.browser.visits[0].pages[0].kind == "trouble"


def test_trouble_with_the_server_is_waited_out_and_the_browser_is_not_kept():
    rig = signing()
    rig.server.trouble = [TransportError("no route"), "server_error"]
    pair(rig)
    assert [page.kind for page in rig.browser.visits[0].pages] == ["starting"]
    assert rig.names() == ["authorize", "paired"] and rig.display.kinds() == ["starting", "sign_in"] + [
        "starting",
        "paired",
    ]


def test_why_no_browser_opened_is_said():
    rig = signing()
    rig.browser.words = "There is no desktop here to open a browser on"
    pair(rig)
    screens = [screen for screen in rig.display.screens if screen.kind == "sign_in"]
    assert screens[0].message == rig.browser.words and screens[0].verification_uri == rig.browser.opened


def test_no_room_on_the_disk_is_known_before_anybody_signs_in():
    rig = signing()
    rig.store.broken = ("room-1",)
    assert isinstance(raised(rig.run, rig.agent.pair(Patience(3))), StoreError)
    assert rig.browser.opened is None


def test_a_disk_that_fails_afterwards():
    rig = signing()
    rig.store.broken = ("token",)
    assert isinstance(raised(pair, rig), StoreError)
    assert rig.browser.visits[0].pages[0].kind == "trouble" and not rig.browser.listening


def test_a_stop_leaves_nothing_behind():
    rig = signing()
    rig.run(rig.agent.pair(Patience(3)), until=rig.clock.now() + 30000)
    assert rig.browser.opened is not None and not rig.browser.listening
    assert rig.store.claim("pairing"), "the work was given back"
    assert sorted(rig.store.values) == []


def test_a_stop_while_the_code_is_redeemed_waits_for_the_token():
    rig = signing()
    rig.http.latency_ms = 3000

    async def story():
        task = asyncio.create_task(rig.agent.pair(Patience(3)))
        await person(rig, approve, after_ms=1000)
        await rig.clock.sleep_until(rig.clock.now() + 500)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    rig.run(story())
    assert rig.record()["access_token"] == rig.server.live_access_token


def test_a_device_without_a_browser_says_so():
    rig = signing()
    rig.agent.browser = None
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert isinstance(error, ConfigError) and "device_code" in error.advice


def test_a_server_that_does_not_offer_it():
    rig = signing()
    rig.http.answer = ModelServer(rig.clock)
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert isinstance(error, ConfigError) and "authorization_endpoint" in str(error)
    assert not rig.browser.listening


def test_run_asks_again_and_then_waits_for_somebody():
    rig = signing({"pairing": {"timeout": "1m", "codes": 2}})
    rig.run(rig.agent.run(), until=10 * MINUTE)
    assert rig.names() == ["authorize", "expired"] * 2
    last = rig.display.screens[-1]
    assert (last.kind, last.advice) == ("expired", rig.button.advice) and not rig.browser.listening


def test_run_pairs_and_works():
    rig = signing(token_s=600)
    rig.run_beside(person_and_an_hour(rig))
    assert rig.names()[:2] == ["authorize", "paired"] and rig.names().count("refreshed") >= 5


async def person_and_an_hour(rig):
    await person(rig, approve)
    await rig.clock.sleep_until(rig.clock.now() + 60 * MINUTE)


def test_two_processes_let_somebody_sign_in_once():
    rig = signing()
    other = signing(store=MemoryStore(), clock=rig.clock)
    other.store.values, other.store._claims = rig.store.values, rig.store._claims

    async def both():
        first = asyncio.create_task(rig.agent.pair(Patience(3)))
        await rig.clock.sleep_until(rig.clock.now() + 1000)
        second = asyncio.create_task(other.agent.pair(Patience(3)))
        await person(rig, approve)
        return (await first, await second)

    first, second = rig.run(both())
    assert first.access_token == second.access_token and other.browser.opened is None
    assert other.names() == ["paired"] and json.loads(rig.store.values["token"])["refresh_token"]


def test_when_the_other_process_gives_up_this_one_goes_on():
    rig = signing()
    other = signing(store=MemoryStore(), clock=rig.clock)
    other.store.values, other.store._claims = rig.store.values, rig.store._claims

    async def both():
        first = asyncio.create_task(raised_by(rig.agent.pair(Patience(3))))
        await rig.clock.sleep_until(rig.clock.now() + 1000)
        second = asyncio.create_task(other.agent.pair(Patience(3)))
        await person(rig, deny)
        await person(other, approve)
        return (await first, await second)

    error, token = rig.run(both())
    assert error.exit_code == 3 and token.access_token.reveal() == "access-1"


async def raised_by(coroutine):
    try:
        await coroutine
    except OAuthError as error:
        return error


def test_without_anything_under_way_a_prompt_waits_for_a_person():
    rig = signing({"pairing": {"start": "prompt"}})
    rig.run(rig.agent.run(), until=MINUTE)
    assert rig.names() == [] and rig.display.kinds() == ["unpaired"]
    assert UnpairedError("x").exit_code == 6
