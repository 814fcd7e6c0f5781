"""A device that works in its own name (client credentials), in virtual time, on both interpreters."""

import asyncio
import json

from fakes import MemoryBroker, MemoryStore
from model_server import ModelServer, form_of
from pairlet.agent import Agent
from pairlet.core.client import Client
from pairlet.core.errors import ConfigError, OAuthError, StoreError, TransportError
from pairlet.core.secret import Secret
from pairlet.core.wall import UNSET, Wall
from pairlet.drive import Patience
from test_agent import MINUTE, Rig, raised

OWN = {"oauth": {"grant": "client_credentials", "scope": "telemetry"}}


class OwnServer(ModelServer):
    """Gives a token to whoever asks. `forms`: what was asked for; `trouble`: instead of an answer."""

    def __init__(self, clock, **options):
        super().__init__(clock, **options)
        self.forms = []
        self.trouble = []

    def __call__(self, request):
        if not request.url.endswith("/token"):
            return super().__call__(request)
        self.forms.append(form_of(request.body))
        if self.trouble:
            trouble = self.trouble.pop(0)
            return trouble if isinstance(trouble, Exception) else self._error(trouble)
        assert self.forms[-1]["grant_type"] == "client_credentials"
        self._count += 1
        self.live_access_token = f"access-{self._count}"
        members = {"access_token": self.live_access_token, "token_type": "Bearer", "scope": "telemetry"}
        if self.token_s:
            members["expires_in"] = self.token_s
        return self._json(200, members)


def own(settings=None, client=None, **options):
    """A Rig whose agent works in its own name."""
    tables = {name: dict(OWN[name]) for name in OWN}
    for name, keys in (settings or {}).items():
        tables.setdefault(name, {}).update(keys)
    token_s = options.pop("token_s", 3600)
    rig = Rig(settings=tables, **options)
    rig.server = rig.http.answer = OwnServer(rig.clock, token_s=token_s)
    client = client or Client("meter", Secret("s3cret"))
    rig.agent = Agent(rig.agent.config, client, rig.agent.device, rig.agent.ports, rig._hear)
    return rig


def again(rig, settings=None, **options):
    """Another process of the same device, or the same after a restart."""
    other = own(
        settings, store=MemoryStore(rig.store.values), clock=options.pop("clock", rig.clock), **options
    )
    other.server = other.http.answer = rig.server
    return other


def token(rig, patience=3):
    return rig.run(rig.agent.usable_token(Patience(patience))).access_token.reveal()


def test_a_token_is_asked_for_when_it_is_needed_and_then_kept():
    rig = own()
    assert token(rig) == token(rig) == token(again(rig)) == "access-1"
    assert len(rig.server.forms) == 1 and rig.server.forms[0]["scope"] == "telemetry"
    assert rig.names() == [] and rig.record()["refresh_token"] is None


def test_shortly_before_its_end_another_one_is_asked_for():
    rig = own()
    token(rig)
    rig.clock.time += 40 * MINUTE
    assert token(rig) == "access-1"
    rig.clock.time += 10 * MINUTE
    assert token(rig) == "access-2" and rig.names() == ["refreshed"]
    assert rig.events[-1][1] == {"expires_in": 3600, "rotated": False, "retried": False}


def test_a_token_that_is_still_good_serves_while_the_server_is_away():
    rig = own()
    token(rig)
    rig.clock.time += 50 * MINUTE
    rig.server.trouble = [TransportError("no route")] * 3
    assert token(rig) == "access-1"
    rig.clock.time += 10 * MINUTE
    rig.server.trouble = [TransportError("no route")] * 3
    assert isinstance(raised(rig.run, rig.agent.usable_token(Patience(3))), TransportError)


def test_after_a_restart_without_a_clock_it_is_asked_for_anew():
    rig = own()
    token(rig)
    clock = type(rig.clock)(1000, Wall(UNSET, None), "two")
    assert token(again(rig, clock=clock)) == "access-2"


def test_a_refusal_is_told_and_ends_nothing():
    rig = own()
    token(rig)
    rig.clock.time += 70 * MINUTE
    for code in ("invalid_client", "unauthorized_client", "invalid_grant"):
        rig.server.trouble = [code]
        error = raised(rig.run, rig.agent.usable_token(Patience(3)))
        assert isinstance(error, OAuthError) and error.error == code
        assert rig.record()["access_token"] == "access-1" and "unpaired" not in rig.names()
    assert token(rig) == "access-2"


def test_a_server_that_has_refused_is_left_alone_for_a_moment():
    rig = own()
    rig.server.trouble = ["invalid_client"]
    began = rig.clock.now()
    assert isinstance(raised(rig.run, rig.agent.usable_token(Patience(3))), OAuthError)
    token(rig)
    assert rig.clock.now() - began >= 2000


def test_trouble_is_waited_out():
    rig = own()
    rig.server.trouble = [TransportError("no route"), "server_error", TransportError("no route")]
    assert token(rig, patience=4) == "access-1" and len(rig.server.forms) == 4


def test_pair_says_that_nobody_is_to_be_asked_and_gets_a_token():
    rig = own()
    rig.run(rig.agent.pair(Patience(3)))
    assert "no person" in rig.display.screens[0].message
    assert rig.display.kinds() == ["starting", "paired"] and rig.names() == ["paired"]
    assert rig.events[0][1]["has_refresh_token"] is False
    rig.run(rig.agent.pair(Patience(3)))
    assert len(rig.server.forms) == 2, "who asks to pair wants to know whether it works now"


def test_pair_fails_without_room_on_the_disk():
    rig = own()
    rig.store.broken = ("token",)
    assert isinstance(raised(rig.run, rig.agent.pair(Patience(3))), StoreError)


def test_run_keeps_it_fresh_and_publishes():
    broker = MemoryBroker()
    rig = own({"mqtt": {"url": "mqtts://b"}, "telemetry": {"interval": "5m"}}, broker=broker, token_s=600)
    rig.run(rig.agent.run(), until=60 * MINUTE)
    assert rig.names().count("paired") == 1 and rig.names().count("refreshed") >= 6
    assert len(set(broker.passwords)) >= 6, "each connection with the token of the time"
    assert [entry[0] for entry in broker.journal].count("publish") > 10
    assert "unpaired" not in rig.names() and "error" not in rig.names()


def test_run_waits_out_a_server_that_is_away_at_first():
    rig = own(token_s=600)
    rig.server.trouble = [TransportError("no route")] * 20
    rig.run(rig.agent.run(), until=60 * MINUTE)
    assert "paired" in rig.names()


def test_a_broker_that_refuses_the_token_gets_another_one():
    broker = MemoryBroker()
    rig = own({"mqtt": {"url": "mqtts://b"}}, broker=broker, token_s=0)
    broker.check = lambda credentials: 0 if credentials.password.reveal() != "access-1" else 135
    rig.run(rig.agent.run(), until=10 * MINUTE)
    assert "mqtt_connected" in rig.names() and broker.passwords[0] == "access-2"


def test_two_processes_ask_once():
    rig = own()
    other = again(rig)
    other.store.values, other.store._lock = rig.store.values, rig.store._lock

    async def both():
        tasks = [asyncio.create_task(each.agent.usable_token(Patience(3))) for each in (rig, other)]
        tokens = []
        for task in tasks:
            tokens.append(await task)
        return tokens

    first, second = rig.run(both())
    assert first.access_token == second.access_token and len(rig.server.forms) == 1


def test_what_it_is_for_goes_along():
    settings = {
        "oauth": {
            "resource": ["https://api.example/", "urn:meters"],
            "audience": "api",
            "extra": {"tenant": "t1"},
            "token_extra": {"tenant": "t2", "zone": "z"},
        }
    }
    rig = own(settings)
    bodies = []
    answer = rig.http.answer

    def noting(request):
        bodies.append(request.body.decode())
        return answer(request)

    rig.http.answer = noting
    token(rig)
    body = bodies[-1]
    assert body.count("resource=") == 2 and "resource=urn%3Ameters" in body and "audience=api" in body
    assert "tenant=t2" in body and "tenant=t1" not in body and "zone=z" in body


def test_a_token_that_was_asked_for_otherwise_is_not_used():
    rig = own()
    token(rig)
    for oauth in ({"scope": "other"}, {"scope": "other", "resource": "https://a.example"}):
        rig = again(rig, {"oauth": oauth})
        count = len(rig.server.forms)
        token(rig)
        token(rig)
        assert len(rig.server.forms) == count + 1
    # For a person's grant it is no pairing.
    person = Rig(store=MemoryStore(rig.store.values))
    person.agent.keeper.account = rig.agent.keeper.account
    assert person.agent.keeper.load() is None


def test_a_person_s_pairing_is_not_written_over():
    person = Rig()
    person.run(person.agent.pair(Patience(3)))
    before = person.store.values["token"]
    rig = own(store=MemoryStore(person.store.values), client=Client("tv", Secret("s3cret")))
    error = raised(rig.run, rig.agent.pair(Patience(3)))
    assert isinstance(error, ConfigError) and "client_credentials" in str(error)
    assert rig.store.values["token"] == before and rig.server.forms == []


def test_a_client_without_a_secret_is_told():
    rig = own(client=Client("meter"))
    error = raised(rig.run, rig.agent.usable_token(Patience(3)))
    assert isinstance(error, ConfigError) and "device_code" in error.advice


def test_unpair_gives_the_access_token_back():
    rig = own()
    token(rig)
    assert rig.run(rig.agent.unpair(Patience(3))) is None
    assert rig.server.revoked == ["access-1"] and "token" not in rig.store.values


def test_an_exchange_that_was_cut_short_keeps_its_pace():
    rig = own()
    rig.http.latency_ms = 10000
    rig.run(rig.agent.usable_token(Patience(3)), until=rig.clock.now() + 15000)
    assert token(rig) == "access-1" or token(rig) == "access-2"
    assert json.loads(rig.store.values["token"])["asked"][0] == ["scope", "telemetry"]
