"""Where the keys come from: sets with odd entries, and a real HTTP server that changes and misbehaves."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc.jwk import ECKey
from pairlet_sim.broker import BrokerSettings
from pairlet_sim.broker.jwks import MAX_JWKS_BYTES, FetchedKeys, KeysUnavailable, choose_key, usable_keys
from support.ports import closed_port
from support.token_broker import AUDIENCE, ISSUER, BrokerThread, Signer, connect_packet


class KeyServer(ThreadingHTTPServer):
    """Serves `body` with `status` and `headers` at any path, and counts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.body = 200, b"{}"
        self.headers: dict[str, str] = {}
        self.declared_length: int | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d/jwks" % self.server_address[1]


class _Answer(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(self.path)
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        length = len(server.body) if server.declared_length is None else server.declared_length
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(server.body)
        self.wfile.flush()
        server.hold.wait(20)

    def log_message(self, *_args: Any) -> None:
        """Be quiet."""


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with KeyServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.hold.set()
        server.shutdown()
        thread.join()


def jwk(kid: str | None, **more: Any) -> dict[str, Any]:
    key = ECKey.generate_key("P-256").as_dict(private=False)
    return {
        **{name: value for name, value in key.items() if name != "kid"},
        **({"kid": kid} if kid else {}),
        **more,
    }


def test_entries_that_are_not_for_us_are_passed_over(signer: Signer) -> None:
    odd: list[Any] = [
        "text",
        None,
        {},
        {"kty": "new"},
        {"kty": "oct", "k": "AAAA", "kid": "es"},
        {"kty": "EC", "crv": "P-256", "x": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 5, "y": []},
        {"kty": "RSA", "n": "!!", "e": "AQAB"},
        jwk("es", use="enc"),
    ]
    keys = usable_keys({"keys": odd + signer.jwks["keys"]})
    assert [key.kid for key in keys] == ["es", "rs"]


@pytest.mark.parametrize("jwks", [None, [], "keys", {}, {"keys": None}, {"keys": {"a": 1}}])
def test_what_is_not_a_jwk_set(jwks: object) -> None:
    with pytest.raises(KeysUnavailable, match="JWK Set"):
        usable_keys(jwks)


def test_the_kid_and_the_alg_choose(signer: Signer) -> None:
    keys = usable_keys({"keys": [*signer.jwks["keys"], jwk("old"), jwk("384 only", alg="ES384")]})
    assert choose_key(keys, "es", "ES256") is keys[0]
    assert choose_key(keys, "rs", "RS256") is keys[1]
    assert choose_key(keys, "es", "RS256") is None
    assert choose_key(keys, "384 only", "ES256") is None
    assert choose_key(keys, "nobody", "ES256") is None
    assert choose_key(keys, None, "ES256") is None, "two candidates"
    assert choose_key(keys, None, "RS256") is keys[1], "one candidate"


def test_a_new_key_is_found_but_not_asked_for_too_often(key_server: KeyServer) -> None:
    now = [1000.0]
    keys = FetchedKeys(key_server.url, interval=10, timeout=5, clock=lambda: now[0])

    async def find(kid: str) -> str | None:
        key = await keys.find(kid, "ES256")
        return None if key is None else key.kid

    async def main() -> None:
        one, two = jwk("one"), jwk("two")
        key_server.body = json.dumps({"keys": [one]}).encode()
        assert await asyncio.gather(*[find("one") for _ in range(20)]) == ["one"] * 20
        assert len(key_server.requests) == 1, "twenty at once are one fetch"
        key_server.body = json.dumps({"keys": [one, two]}).encode()
        for later in (0.0, 5.0, 9.9):
            now[0] = 1000.0 + later
            assert await find("two") is None
        assert len(key_server.requests) == 1
        now[0] = 1010.0
        assert await find("two") == "two"
        assert await find("one") == "one"
        assert len(key_server.requests) == 2
        # The server fails: what is known stays known.
        key_server.status = 500
        now[0] = 1020.0
        assert await find("three") is None
        assert await find("two") == "two"
        assert len(key_server.requests) == 3

    asyncio.run(main())


def unavailable(url: str, timeout: float = 5.0) -> str:
    """Why the keys of `url` can not be had."""

    async def main() -> str:
        with pytest.raises(KeysUnavailable) as trouble:
            await FetchedKeys(url, interval=10, timeout=timeout).find("es", "ES256")
        return str(trouble.value)

    return asyncio.run(main())


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 20_000, b'{"keys": 1}'])
def test_nonsense_from_the_server(key_server: KeyServer, body: bytes) -> None:
    key_server.body = body
    assert "could not be fetched" in unavailable(key_server.url)


def test_too_much_from_the_server(key_server: KeyServer) -> None:
    key_server.body = b'{"keys": [' + b" " * MAX_JWKS_BYTES + b"]}"
    assert "larger than" in unavailable(key_server.url)


def test_redirects_are_not_followed(key_server: KeyServer) -> None:
    key_server.status, key_server.headers = 302, {"Location": key_server.url + "/elsewhere"}
    assert "status 302" in unavailable(key_server.url)
    assert key_server.requests == ["/jwks"]


def test_an_answer_that_does_not_end(key_server: KeyServer) -> None:
    key_server.hold.clear()
    key_server.body, key_server.declared_length = b'{"keys": [', 1000
    assert "no answer" in unavailable(key_server.url, timeout=0.2)


def test_nobody_there() -> None:
    with closed_port() as port:
        assert "no answer" in unavailable("http://127.0.0.1:%d/jwks" % port)


def test_a_proxy_in_the_environment_is_not_asked(
    key_server: KeyServer, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_server.body = json.dumps(signer.jwks).encode()
    with closed_port() as port:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:%d" % port)
        keys = FetchedKeys(key_server.url, interval=10, timeout=5)
        key = asyncio.run(keys.find("es", "ES256"))
    assert key is not None and key.kid == "es"


def test_the_broker_with_keys_from_an_url(key_server: KeyServer, signer: Signer) -> None:
    """Without keys a client is told to come back (3), not that its token is bad (4)."""
    key_server.status = 503
    settings = BrokerSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=key_server.url, jwks_interval=0)
    with BrokerThread(settings) as running:
        answers = []
        for status in (503, 200):
            key_server.status, key_server.body = status, json.dumps(signer.jwks).encode()
            with running.raw() as client:
                client.send(connect_packet(signer.token("A")))
                answers.append(client.receive(4)[3])
        assert answers == [3, 0]
