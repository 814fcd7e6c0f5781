"""pairlet.registering: a client that registers itself when a code is asked for, and what becomes of it."""

import asyncio
import json

from fakes import MemoryStore, ScriptedHttp, VirtualClock
from pairlet.core.client import Client
from pairlet.core.dialect import decoded
from pairlet.core.http import Request, Response
from pairlet.core.metadata import DEVICE_CODE
from pairlet.core.wall import UNSET, Wall
from pairlet.registering import NAME, RegisteringHttp
from scenario import answer, error, page

HOST = "https://oidc.example"
TABLE = {
    "path": "/register",
    "asks": {"name": "{client_id}", "kind": "public", "scopes": ["{scope}"]},
    "client_id": "theId",
    "client_secret": "theSecret",
    "ends": "endsAt",
}
SECRET = "registered-s3cret"
CODE = [("scope", "a b")]
POLL = [("grant_type", DEVICE_CODE), ("device_code", "d")]
REFRESH = [("grant_type", "refresh_token"), ("refresh_token", "r")]
NOW = 1_750_000_000


class Rig:
    """A provider, and the port in front of it."""

    def __init__(self, store=None, clock=None, scope="a b"):
        self.clock = clock or VirtualClock()
        self.store = store or MemoryStore()
        self.registered = 0
        self.ends = NOW + 1000
        self.known = None  # the clients that the provider knows; None: all that have registered
        self.registration = None  # what it answers to a registration instead
        self.asked = []
        wire = ScriptedHttp(self.clock, self._answer)
        self.http = RegisteringHttp(wire, wire, TABLE, scope, self.store, self.clock)

    def _answer(self, request):
        if request.url == HOST + "/register":
            self.members = json.loads(request.body)
            if self.registration is not None:
                return self.registration
            self.registered += 1
            client_id = "id-%d" % self.registered
            return answer({"theId": client_id, "theSecret": SECRET, "endsAt": self.ends})
        pairs = dict(decoded(request.body))
        self.asked.append(pairs)
        if self.known is not None and pairs.get("client_id") not in self.known:
            return error("invalid_client", 401, error_description="wrong secret: " + SECRET)
        return answer({"it": "works"})

    def ask(self, pairs):
        """The answer's members; None for what is no JSON."""

        async def exchange():
            return await self.http.exchange(Client("my tv").request(HOST + "/token", pairs))

        response = asyncio.run(self.clock.drive(exchange()))
        try:
            return json.loads(response.body)
        except ValueError:
            return None


def test_the_client_registers_once_and_is_kept():
    rig = Rig()
    assert rig.ask(CODE) == {"it": "works"} and rig.ask(POLL) and rig.ask(REFRESH)
    assert rig.members == {"name": "my tv", "kind": "public", "scopes": ["a", "b"]}
    for pairs in rig.asked:
        assert (pairs["client_id"], pairs["client_secret"]) == ("id-1", SECRET)
    # After a restart as well.
    again = Rig(rig.store)
    assert again.ask(CODE) and again.registered == 0 and again.asked[0]["client_id"] == "id-1"
    # Another scope is another registration.
    other = Rig(rig.store, scope="c")
    assert other.ask(CODE) and other.registered == 1


def test_a_registration_that_has_ended_is_made_anew_with_the_next_code():
    rig = Rig()
    rig.ends = NOW - 1
    assert rig.ask(CODE) and rig.ask(CODE) and rig.registered == 2
    assert [pairs["client_id"] for pairs in rig.asked] == ["id-1", "id-2"]
    # Without a clock nobody knows that it has ended; then the server does.
    rig = Rig(rig.store, VirtualClock(wall=Wall(UNSET, None)))
    assert rig.ask(CODE) and rig.registered == 0


def test_a_server_that_has_forgotten_the_client_gets_to_know_it_again():
    rig = Rig()
    rig.ask(CODE)
    rig.known = ["id-2"]
    assert rig.ask(CODE) == {"it": "works"} and rig.registered == 2
    # If it does not want that one either, that is its answer.
    rig.known = []
    assert rig.ask(CODE)["error"] == "invalid_client" and rig.registered == 3


def test_the_end_of_a_registration_is_the_end_of_the_pairing():
    rig = Rig()
    rig.ask(CODE)
    rig.known = []
    # As long as it should be good, it is the client's trouble: the pairing stands.
    assert rig.ask(REFRESH)["error"] == "invalid_client"
    rig.clock.set_wall(Wall(rig.clock.wall().state, NOW + 2000))
    assert rig.ask(REFRESH)["error"] == "invalid_grant"
    rig.store.values.pop(NAME)
    assert rig.ask(POLL)["error"] == "invalid_grant" and rig.registered == 1


def test_the_secret_is_not_quoted_back():
    rig = Rig()
    rig.ask(CODE)
    rig.known = []
    found = rig.ask(REFRESH)
    assert found["error_description"] == "wrong secret: <secret>"


def test_a_registration_that_is_refused_is_the_answer():
    rig = Rig()
    for said, members in (
        (error("invalid_client_metadata"), {"error": "invalid_client_metadata"}),
        (answer({"theId": 5, "theSecret": "x"}), {"theId": 5, "theSecret": "x"}),
        (answer({"theId": "x"}), {"error": "invalid_client"}),
        (Response(503, [], b""), None),
        (page(200), None),
    ):
        rig.registration = said
        found = rig.ask(CODE)
        if members is None:
            assert found is None
        else:
            assert {name: found[name] for name in members} == members
    assert NAME not in rig.store.values and not rig.asked
    rig.registration = None
    assert rig.ask(CODE) == {"it": "works"}


def test_what_is_on_the_disk_may_be_anything():
    for data in (b"", b"\xff", b"[]", b"{}", b'{"account": ["https://oidc.example", "my tv", "a b"]}'):
        rig = Rig()
        rig.store.values[NAME] = data
        assert rig.ask(CODE) == {"it": "works"} and rig.registered == 1


def test_what_is_no_post_goes_through():
    rig = Rig()

    async def exchange():
        return await rig.http.exchange(Request("GET", HOST + "/metadata", []))

    assert asyncio.run(rig.clock.drive(exchange())).status == 200 and rig.registered == 0
