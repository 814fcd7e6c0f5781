"""Tokens bound to a key of the device (DPoP, RFC 9449): the key, its proofs, what does not go with them."""

import asyncio
import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk
from pairlet import AccessToken, ConfigError, Device, OAuthError, PairletError, StoreError
from pairlet.core.client import Client
from pairlet.core.http import Request, Response
from pairlet.core.secret import Secret
from pairlet.linux.client_auth.assertion import AssertionClient
from pairlet.linux.dpop.http import ProvingHttp
from pairlet.linux.dpop.key import DeviceKey
from pairlet.linux.dpop.prover import Prover
from pairlet.linux.library.bearer import Answered, Bearer
from pairlet.linux.store import FileStore
from support.https_server import HttpsServer
from support.https_server import answer as reply
from support.proofs import opened

TOKEN = "https://auth.example/token"
NAME = "dpop-key"
NOW = 1_700_000_000
POLL = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "x")]
REFRESH = [("grant_type", "refresh_token"), ("refresh_token", "x")]


def key_in(folder: Path, missed: bool = False) -> DeviceKey:
    return DeviceKey(FileStore(folder), NAME, lambda: missed)


@pytest.fixture
def prover(tmp_path: Path) -> Prover:
    return Prover(key_in(tmp_path), lambda: NOW)


# ---- the key ----


def test_the_key_is_made_once_and_is_for_this_user_alone(tmp_path: Path) -> None:
    found: list[str] = []
    together = threading.Barrier(4)

    def make() -> None:
        key = key_in(tmp_path)
        together.wait(30)
        found.append(key.thumbprint())

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4 and len(set(found)) == 1
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    key = key_in(tmp_path)
    assert key.thumbprint() == found[0] == jwk.import_key((tmp_path / NAME).read_bytes(), "EC").thumbprint()
    assert "PRIVATE" not in repr(key) + repr(key.signer())
    (tmp_path / NAME).unlink()
    assert key.thumbprint() != found[0], "un-paired by another process: the next pairing has another one"


def test_a_key_that_is_gone_or_damaged_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is gone") as caught:
        key_in(tmp_path, missed=True).thumbprint()
    assert "unpair" in caught.value.advice and not (tmp_path / NAME).exists()
    rsa = jwk.RSAKey.generate_key(2048).as_pem(private=True)
    for damaged in (b"", b"\0", rsa, jwk.ECKey.generate_key("P-384").as_pem(private=True)):
        (tmp_path / NAME).write_bytes(damaged or b"-----BEGIN")
        with pytest.raises(StoreError, match="no key for ES256"):
            key_in(tmp_path).signer()


def test_without_its_key_no_refresh_is_noted_as_lost(tmp_path: Path) -> None:
    endpoints = dict.fromkeys(("token_endpoint", "device_authorization_endpoint"), TOKEN)
    record = {"version": 1, "access_token": "x", "token_type": "DPoP", "refresh_token": "r", "expires_in": 10}
    text = json.dumps({**record, "issuer": TOKEN, "client_id": "tv"})
    device = Device({"oauth": endpoints | {"client_id": "tv", "dpop": True}, "store": {"dir": str(tmp_path)}})
    (tmp_path / "token").write_text(text)
    with pytest.raises(StoreError, match="is gone"):
        device.token()
    assert (tmp_path / "token").read_text() == text and not (tmp_path / NAME).exists()


# ---- proofs ----


def test_a_proof_is_what_the_rfc_says(prover: Prover) -> None:
    header, claims = opened(prover.proof("POST", TOKEN + "?tenant=x#y"))
    assert header["typ"] == "dpop+jwt" and header["alg"] == "ES256"
    assert set(header["jwk"]) == {"kty", "crv", "x", "y"}
    assert (claims["htm"], claims["htu"], claims["iat"]) == ("POST", TOKEN, NOW)
    assert set(claims) == {"htm", "htu", "iat", "jti"}
    assert opened(prover.proof("POST", TOKEN))[1]["jti"] != claims["jti"]
    # The token and its hash are those of RFC 9449 section 7.1.
    token = Secret("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")
    bound = opened(prover.proof("GET", "https://api.example/me", token))[1]
    assert bound["ath"] == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def test_nonces_are_the_server_s_own_and_the_last_one_counts(prover: Prover) -> None:
    assert prover.heard(TOKEN, "n1") and not prover.heard(TOKEN, None)
    assert prover.prove("POST", TOKEN).nonce == "n1"
    assert prover.heard("https://AUTH.example/other", "n2")
    for bad in ("", "a b", 'a"b', "x" * 2000, "\x1b[2J"):
        assert not prover.heard(TOKEN, bad)
    assert opened(prover.proof("POST", TOKEN))[1]["nonce"] == "n2"
    assert "nonce" not in opened(prover.proof("GET", "https://auth.example:8443/"))[1]


# ---- token requests ----


class Server:
    """The port Http: answers as told, the last answer again and again; keeps what it was asked."""

    needs_room = False

    def __init__(self, *answers: Response):
        self._answers = list(answers)
        self.asked: list[Request] = []

    async def exchange(self, request: Request) -> Response:
        self.asked.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def nonces(self) -> list[str | None]:
        """What the proofs held; "-" where there was no proof."""
        proofs = [dict(request.headers).get("DPoP") for request in self.asked]
        return [opened(proof)[1].get("nonce") if proof else "-" for proof in proofs]


def wants(nonce: str, status: int = 400) -> Response:
    return Response(status, [("dpop-nonce", nonce)], b'{"error":"use_dpop_nonce"}')


DONE = Response(200, [("dpop-nonce", "n9")], b"{}")


def ask(http: ProvingHttp, pairs: Any, client: Client | None = None) -> Response:
    return asyncio.run(http.exchange((client or Client("tv")).request(TOKEN, pairs)))


def error_of(response: Response) -> Any:
    return json.loads(response.body).get("error")


@pytest.mark.parametrize("status", [400, 401])
def test_a_nonce_that_is_asked_for_costs_one_more_request(prover: Prover, status: int) -> None:
    server = Server(wants("n1", status), DONE)
    http = ProvingHttp(server, prover)
    assert ask(http, REFRESH) is DONE and server.nonces() == [None, "n1"]
    assert ask(http, REFRESH) is DONE and server.nonces()[2:] == ["n9"]
    assert server.asked[0].body == server.asked[1].body


def test_it_is_one_and_only_with_a_nonce_that_is_news(prover: Prover) -> None:
    server = Server(wants("n1"), wants("n2"))
    assert error_of(ask(ProvingHttp(server, prover), REFRESH)) == "use_dpop_nonce" and len(server.asked) == 2
    server = Server(wants("n2"))
    assert error_of(ask(ProvingHttp(server, prover), REFRESH)) == "use_dpop_nonce" and len(server.asked) == 1
    server = Server(Response(400, [("dpop-nonce", "n3")], b'{"error":"invalid_grant"}'))
    assert error_of(ask(ProvingHttp(server, prover), REFRESH)) == "invalid_grant" and len(server.asked) == 1


def test_each_of_two_at_once_is_sent_again_with_what_the_other_heard_first(prover: Prover) -> None:
    class Crowded(Server):
        """Answers nobody before two have asked."""

        are_two: asyncio.Event

        async def exchange(self, request: Request) -> Response:
            response = await super().exchange(request)
            if len(self.asked) == 2:
                self.are_two.set()
            await self.are_two.wait()
            return response

    async def ask_twice() -> list[Response]:
        server.are_two = asyncio.Event()
        return await asyncio.gather(*(http.exchange(Client("tv").request(TOKEN, REFRESH)) for _ in range(2)))

    good = Response(200, [], b"{}")
    server = Crowded(wants("n1"), wants("n1"), good)
    http = ProvingHttp(server, prover)
    assert asyncio.run(ask_twice()) == [good, good]
    assert server.nonces() == [None, None, "n1", "n1"]


@pytest.mark.item(17)
def test_a_poll_without_its_nonce_waits_for_the_next_one(prover: Prover) -> None:
    server = Server(*(wants(f"n{number}") for number in range(5)), DONE)
    http = ProvingHttp(server, prover)
    said = [error_of(ask(http, POLL)) for _ in range(4)]
    assert said == ["authorization_pending"] * 3 + ["use_dpop_nonce"], "a server that is never content"
    assert server.nonces() == [None, "n0", "n1", "n2"]


def test_an_assertion_is_not_sent_twice(prover: Prover) -> None:
    class Signer:
        def sign(self, claims: dict[str, Any]) -> str:
            return str(claims["jti"])

    signer: Any = Signer()
    client = AssertionClient("tv", "private_key_jwt", signer, "https://auth.example", clock=lambda: NOW)
    server = Server(wants("n1"), DONE)
    assert ask(ProvingHttp(server, prover), REFRESH, client) is DONE
    assert server.asked[0].body != server.asked[1].body and b"refresh_token=x" in server.asked[1].body


def test_other_requests_have_no_proof_and_bring_nonces(prover: Prover, tmp_path: Path) -> None:
    server = Server(DONE)
    http = ProvingHttp(server, prover)
    ask(http, [("scope", "a")])
    ask(http, [("token", "x"), ("token_type_hint", "refresh_token")])
    asyncio.run(http.exchange(Request("GET", "https://auth.example/.well-known/x", [])))
    assert server.nonces() == ["-", "-", "-"] and not (tmp_path / NAME).exists()
    ask(http, REFRESH)
    assert server.nonces()[3] == "n9"


# ---- what the server says that it takes ----


def pairing_with(folder: Path, algorithms: object, is_bound: bool = False) -> tuple[PairletError, list[str]]:
    """How pairing with a server that lists `algorithms` ends, and where it was asked for something.

    `is_bound`: there is a bound token of it already.
    """
    with HttpsServer(None) as server:
        issuer = server.url("")
        members: dict[str, object] = {"issuer": issuer, "token_endpoint": issuer + "/token"}
        members |= {"device_authorization_endpoint": issuer + "/device"}
        members |= {} if algorithms is None else {"dpop_signing_alg_values_supported": algorithms}
        server.script["/.well-known/oauth-authorization-server"] = reply(
            200, body=json.dumps(members).encode()
        )
        server.script["/device"] = reply(400, body=b'{"error": "invalid_scope"}')
        oauth = {"issuer": issuer, "client_id": "tv", "dpop": True, "insecure_http": True}
        if is_bound:
            record = {"version": 1, "access_token": "x", "token_type": "DPoP"}
            (folder / "token").write_text(json.dumps({**record, "issuer": issuer, "client_id": "tv"}))
        with pytest.raises(PairletError) as caught:
            Device({"oauth": oauth, "store": {"dir": str(folder)}}).pair(lambda screen: None)
        return caught.value, [request.target for request in server.requests][1:]


def test_a_server_that_takes_other_algorithms_alone_is_not_asked_for_a_code(tmp_path: Path) -> None:
    error, asked = pairing_with(tmp_path, ["RS256", "PS256\x1b[2J"])
    assert isinstance(error, ConfigError) and asked == [] and "with RS256, PS256 [2J" in str(error)
    assert "allow ES256" in error.advice and "leave out oauth.dpop" in error.advice
    for nothing in (None, [], ["RS256", "ES256"], "RS256", [5]):
        error, asked = pairing_with(tmp_path, nothing)
        assert isinstance(error, OAuthError) and asked == ["/device"], nothing


def test_a_bound_token_says_more_than_metadata(tmp_path: Path) -> None:
    key_in(tmp_path).thumbprint()
    error, asked = pairing_with(tmp_path, ["RS256"], is_bound=True)
    assert isinstance(error, OAuthError) and asked == ["/device"]


# ---- requests to a resource ----

PLACE = "https://api.example/me"


class Holder:
    """The source of one token, which is bound unless said otherwise."""

    insecure_http = False

    def __init__(self, prover: Prover | None, token_type: str = "DPoP"):
        self._token = AccessToken(Secret("acc3ss"), None, "", token_type, prover)

    def token(self, refused: Secret | None = None) -> AccessToken:
        return self._token


def test_a_request_to_a_resource_has_a_proof_for_it_and_once_more_with_a_nonce(prover: Prover) -> None:
    bearer, tried = Bearer(Holder(prover)), set[str]()
    fields = bearer.fields("GET", PLACE + "?a=b")
    assert fields["Authorization"] == "DPoP acc3ss"
    first = opened(fields["DPoP"])[1]
    assert (first["htm"], first["htu"]) == ("GET", PLACE) and len(first["ath"]) == 43
    challenge = 'Bearer realm="x", DPoP algs="ES256", error="use_dpop_nonce"'
    refusal = Answered("GET", PLACE, fields["Authorization"], 401, challenge, "n1")
    again = bearer.instead(refusal, tried)
    assert again and opened(again["DPoP"])[1]["nonce"] == "n1"
    assert bearer.instead(refusal, tried) is None, "once"
    for nonsense in (
        refusal._replace(nonce=None),
        refusal._replace(status=403),
        refusal._replace(used=None),
        refusal._replace(challenge='Bearer error="use_dpop_nonce"'),
        refusal._replace(challenge='DPoP error="invalid_token"'),  # there is no other token
    ):
        assert bearer.instead(nonsense, set()) is None
    # The nonce of any answer counts for the next request.
    assert bearer.instead(refusal._replace(status=200, nonce="n2"), set()) is None
    assert opened(bearer.fields("POST", PLACE)["DPoP"])[1]["nonce"] == "n2"


def test_a_bound_token_without_its_key_goes_nowhere() -> None:
    with pytest.raises(ConfigError, match="bound to the device's key"):
        Bearer(Holder(None)).fields("GET", PLACE)
    assert Bearer(Holder(None, "Bearer")).fields("GET", PLACE) == {"Authorization": "Bearer acc3ss"}


# ---- what does not go with it ----


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("mqtt", "url", "mqtts://broker.example"),
        ("token_agent", "socket", "/run/x"),
        ("oauth", "dialect", {"format": "json"}),
    ],
)
def test_what_takes_tokens_that_are_good_by_themselves(
    tmp_path: Path, table: str, key: str, value: Any
) -> None:
    tables: dict[str, dict[str, Any]] = {
        "oauth": {"issuer": "https://auth.example", "client_id": "tv", "dpop": True},
        "store": {"dir": str(tmp_path / "state")},
    }
    tables.setdefault(table, {})[key] = value
    with pytest.raises(ConfigError, match=f"oauth.dpop and {table}.{key}"):
        Device(tables)
    assert not (tmp_path / "state").exists()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pairlet.linux.client_auth.key._HAS_KEYS", False)
    tables = {"oauth": {"issuer": "https://auth.example", "client_id": "tv", "dpop": True}}
    with pytest.raises(ConfigError, match="oauth.dpop needs the extra keys") as caught:
        Device(tables)
    assert "pairlet[keys]" in caught.value.advice
