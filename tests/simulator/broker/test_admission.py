"""Who gets in: tokens, client_ids, wills and protocol versions, with real clients and real signatures."""

import base64
import hmac
import json
import time
from collections.abc import Callable

import paho.mqtt.client as paho
import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.jwk import ECKey
from paho.mqtt.enums import CallbackAPIVersion
from pairlet_sim.broker import BrokerSettings
from support.token_broker import (
    AUDIENCE,
    ISSUER,
    BrokerThread,
    Signer,
    connect_packet,
    packet,
    publish_packet,
    text,
)

ACCEPTED, OLD_VERSION, BAD_CLIENT_ID, UNAVAILABLE, BAD_TOKEN, NOT_AUTHORIZED = range(6)


def connack(running: BrokerThread, connect: bytes) -> int:
    """The return code of the CONNACK; a refusal must also close the connection."""
    with running.raw() as client:
        client.send(connect)
        answer = client.receive(4)
        assert answer[:2] == b"\x20\x02", answer
        if answer[3]:
            assert answer[2] == 0, "Session Present in a refusal [MQTT-3.2.2-4]"
            assert client.rest() == b""
        return answer[3]


def unsigned(header: dict[str, object], claims: dict[str, object]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims)]
    return (b".".join(parts) + b".").decode()


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_good_token_is_let_in(running: BrokerThread, signer: Signer, alg: str) -> None:
    with running.subscriber("devices/A/#", token=signer.token("A", alg=alg), client_id="A") as seen:
        assert seen.granted == [1]
        assert running.client_ids() == ["A"]
        (info,) = running.on_loop(running.broker.connections)
        assert info.device_id == "A" and time.time() < info.exp <= time.time() + 600


def test_an_audience_among_others_is_enough(running: BrokerThread, signer: Signer) -> None:
    assert connack(running, connect_packet(signer.token("A", aud=["x", AUDIENCE]))) == ACCEPTED


BAD: dict[str, Callable[[Signer], str | None]] = {
    "no token": lambda signer: None,
    "empty": lambda signer: "",
    "not a jwt": lambda signer: "hunter2",
    "three empty parts": lambda signer: "..",
    "deep json": lambda signer: base64.urlsafe_b64encode(b"[" * 4000).decode().rstrip("=") + ".e30.e30",
    "five parts": lambda signer: signer.token("A") + ".a.b",
    "too long": lambda signer: signer.token("A", pad="x" * 9000),
    "bad signature": lambda signer: signer.token("A")[:-8] + "AAAAAAAA",
    "other claims under the signature": lambda signer: ".".join(
        [signer.token("B").split(".")[0], signer.token("A").split(".")[1], signer.token("B").split(".")[2]]
    ),
    "wrong aud": lambda signer: signer.token("A", aud="other"),
    "aud as a part": lambda signer: signer.token("A", aud=AUDIENCE + "s"),
    "no aud": lambda signer: signer.token("A", aud=None),
    "wrong iss": lambda signer: signer.token("A", iss=ISSUER + "/"),
    "no iss": lambda signer: signer.token("A", iss=None),
    "expired": lambda signer: signer.token("A", exp=time.time() - 1),
    "no exp": lambda signer: signer.token("A", exp=None),
    "exp as text": lambda signer: signer.token("A", exp="9999999999"),
    "exp true": lambda signer: signer.token("A", exp=True),
    "exp without measure": lambda signer: signer.token("A", exp=10**400),
    "nbf in the future": lambda signer: signer.token("A", nbf=time.time() + 60),
    "unknown kid": lambda signer: signer.token("A", header={"kid": "nobody"}),
    "kid of the other key": lambda signer: signer.token("A", header={"kid": "rs"}),
    "kid not a string": lambda signer: signer.token("A").replace(
        signer.token("A").split(".")[0],
        base64.urlsafe_b64encode(b'{"alg":"ES256","kid":["es"]}').decode().rstrip("="),
    ),
    "crit": lambda signer: signer.token("A", header={"crit": ["b64"], "b64": True}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(running: BrokerThread, signer: Signer, name: str) -> None:
    assert connack(running, connect_packet(BAD[name](signer))) == BAD_TOKEN
    assert running.client_ids() == []


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", ""])
def test_alg_none_is_refused(running: BrokerThread, alg: str) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 600, "device_id": "A"}
    assert connack(running, connect_packet(unsigned({"alg": alg, "kid": "es"}, claims))) == BAD_TOKEN


def test_hs256_with_the_public_key_as_secret_is_refused(running: BrokerThread, signer: Signer) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 600, "device_id": "A"}
    public = signer.keys["RS256"].raw_value.public_key()
    # By hand: the library rightly refuses to sign this way.
    signing_input = unsigned({"alg": "HS256", "kid": "rs"}, claims).rstrip(".")
    for form in (serialization.Encoding.PEM, serialization.Encoding.DER):
        secret = public.public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
        signature = base64.urlsafe_b64encode(hmac.digest(secret, signing_input.encode(), "sha256"))
        token = signing_input + "." + signature.decode().rstrip("=")
        assert connack(running, connect_packet(token)) == BAD_TOKEN


def test_a_strangers_key_under_a_known_kid_is_refused(running: BrokerThread) -> None:
    stranger = ECKey.generate_key("P-256")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 600, "device_id": "A"}
    # Its own public key in the header (RFC 7515 section 4.1.3) must not help either.
    header = {"alg": "ES256", "kid": "es", "jwk": stranger.as_dict(private=False)}
    assert connack(running, connect_packet(jwt.encode(header, claims, stranger))) == BAD_TOKEN


def test_the_token_type_can_be_demanded(signer: Signer) -> None:
    settings = BrokerSettings(issuer=ISSUER, audience=AUDIENCE, jwks=signer.jwks, token_type="at+jwt")
    with BrokerThread(settings) as running:
        assert connack(running, connect_packet(signer.token("A", header={"typ": "JWT"}))) == BAD_TOKEN
        assert connack(running, connect_packet(signer.token("A", header={"typ": "at+jwt"}))) == ACCEPTED
        assert (
            connack(running, connect_packet(signer.token("A", header={"typ": "application/AT+JWT"})))
            == ACCEPTED
        )


def test_a_token_without_kid_needs_a_single_candidate(signer: Signer) -> None:
    key = signer.keys["ES256"]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 600, "device_id": "A"}
    token = jwt.encode({"alg": "ES256"}, claims, key)
    other = ECKey.generate_key("P-256", {"kid": "two"}).as_dict(private=False)
    for keys, expected in ((signer.jwks["keys"], ACCEPTED), (signer.jwks["keys"] + [other], BAD_TOKEN)):
        with BrokerThread(BrokerSettings(issuer=ISSUER, audience=AUDIENCE, jwks={"keys": keys})) as running:
            assert connack(running, connect_packet(token)) == expected


@pytest.mark.parametrize("device_id", [None, "", "a/b", "+", "#", "$SYS", "a\u0000b", "x" * 200, 7, ["A"]])
def test_a_token_without_a_usable_device_is_not_authorized(
    running: BrokerThread, signer: Signer, device_id: object
) -> None:
    assert connack(running, connect_packet(signer.token(device_id), "")) == NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("client_id", "code"),
    [
        ("A", ACCEPTED),
        ("A/2", ACCEPTED),
        ("", ACCEPTED),
        ("B", BAD_CLIENT_ID),
        ("AB", BAD_CLIENT_ID),
        ("a", BAD_CLIENT_ID),
    ],
)
def test_a_client_id_is_for_its_own_device(
    running: BrokerThread, signer: Signer, client_id: str, code: int
) -> None:
    assert connack(running, connect_packet(signer.token("A"), client_id)) == code


def test_another_device_can_not_end_a_session(running: BrokerThread, signer: Signer) -> None:
    with running.subscriber("devices/A/#", token=signer.token("A"), client_id="A") as victim:
        assert connack(running, connect_packet(signer.token("B"), "A")) == BAD_CLIENT_ID
        assert connack(running, connect_packet("wrong", "A")) == BAD_TOKEN
        running.call(running.broker.publish("devices/A/cmd/x", b"still here"))
        victim.wait_for(lambda them: them)


def test_no_client_id_needs_a_clean_session(running: BrokerThread, signer: Signer) -> None:
    assert connack(running, connect_packet(signer.token("A"), "", clean=False)) == BAD_CLIENT_ID


@pytest.mark.parametrize("topic", ["devices/B/status", "devices/A", "devices/A/", "devices/A/#", "", "other"])
def test_a_will_that_is_not_the_devices_own_is_refused(
    running: BrokerThread, signer: Signer, topic: str
) -> None:
    assert connack(running, connect_packet(signer.token("A"), will=(topic, b"x"))) == NOT_AUTHORIZED


def test_mqtt_5_is_answered_at_once_in_its_own_words(running: BrokerThread, signer: Signer) -> None:
    with running.raw() as client:
        client.send(connect_packet(signer.token("A"), level=5))
        assert client.rest() == b"\x20\x03\x00\x84\x00"


@pytest.mark.parametrize("level", [3, 6, 0x84])
def test_other_versions_are_told_so(running: BrokerThread, signer: Signer, level: int) -> None:
    assert connack(running, connect_packet(signer.token("A"), level=level)) == OLD_VERSION


def test_mqtt_3_1_is_told_so(running: BrokerThread) -> None:
    assert connack(running, packet(0x10, text("MQIsdp") + b"\x03\x02\x00\x3c" + text("A"))) == OLD_VERSION


def test_a_paho_client_with_mqtt_5_falls_back(running: BrokerThread, signer: Signer) -> None:
    """paho reads our CONNACK as "Unsupported protocol version", so that a client can go on with 3.1.1."""
    reasons: list[int] = []
    for protocol in (paho.MQTTv5, paho.MQTTv311):
        client = paho.Client(CallbackAPIVersion.VERSION2, "A", protocol=protocol, reconnect_on_failure=False)
        client.username_pw_set("any", signer.token("A"))
        client.on_connect = lambda _c, _u, _f, reason, _p: reasons.append(reason.value)
        client.connect("127.0.0.1", running.port)
        for _round in range(100):
            if client.loop(1.0) != paho.MQTT_ERR_SUCCESS or len(reasons) == 2:
                break
        client.disconnect()
    assert reasons == [0x84, 0]


def test_a_client_that_does_not_wait_for_its_connack(running: BrokerThread, signer: Signer) -> None:
    with running.raw() as client:
        publish = publish_packet("devices/A/telemetry", b"early", qos=1)
        client.send(connect_packet(signer.token("A")) + publish + b"\xe0\x00")
        assert client.rest() == b"\x20\x02\x00\x00" + b"\x40\x02\x00\x07"
    assert running.next_message().payload == b"early"


def test_too_many_clients_are_closed_at_once(signer: Signer) -> None:
    settings = BrokerSettings(issuer=ISSUER, audience=AUDIENCE, jwks=signer.jwks, max_connections=1)
    with BrokerThread(settings) as running, running.raw_connected(signer.token("A")), running.raw() as second:
        assert second.rest() == b""


def test_silence_before_connect_is_ended(signer: Signer) -> None:
    settings = BrokerSettings(issuer=ISSUER, audience=AUDIENCE, jwks=signer.jwks, connect_timeout=0.05)
    with BrokerThread(settings) as running, running.raw() as client:
        client.send(b"\x10")
        assert client.rest() == b""
