"""PahoMqtt over TLS with a real mosquitto: who is trusted, who is not, and that the loop never waits."""

import asyncio
import datetime
import socket
import ssl
from pathlib import Path

import pytest
from pairlet.core.errors import ConfigError, TlsError, TransportError
from pairlet.core.mqtt import Credentials, Message
from pairlet.core.secret import Secret
from pairlet.linux.mqtt import PahoMqtt
from support.certificates import CertificateAuthority, self_signed
from support.fake_broker import CONNECT, PINGRESP, FakeBroker, Peer, connack, packet, publish
from support.mosquitto import Mosquitto, Subscriber

CREDENTIALS = Credentials("device", Secret("token"))


def client(url: str, ca_file: str | None, **more: object) -> PahoMqtt:
    return PahoMqtt(url=url, client_id="device", ca_file=ca_file, **more)  # type: ignore[arg-type]


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """A CA whose certificate lies in ca.pem."""
    made = CertificateAuthority()
    made.write(tmp_path / "ca.pem")
    return made


@pytest.mark.parametrize("version", ["auto", "5", "3.1.1"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_whole_conversation(
    tmp_path: Path, authority: CertificateAuthority, host: str, version: str
) -> None:
    ca_file = str(tmp_path / "ca.pem")
    # 300 kB is more than a TLS record, a socket buffer of a slow board, and paho's idea of one read.
    payloads = [b"%d" % number * 1000 for number in range(300)]

    async def run(port: int) -> list[bytes]:
        mqtt = client(f"mqtts://{host}:{port}", ca_file, version=version)
        await mqtt.connect(CREDENTIALS, Message("status", b"offline", 1, False))
        assert await mqtt.subscribe("echo", 0) == 0
        received = []

        async def collect() -> None:
            while len(received) < len(payloads):
                received.append((await asyncio.wait_for(mqtt.next_event(), 30)).message.payload)

        collecting = asyncio.ensure_future(collect())
        for payload in payloads:
            assert await mqtt.publish(Message("echo", payload, 1, False)) == 0
        await collecting
        await mqtt.disconnect()
        return received

    certificate = authority.issue().write(tmp_path)
    with (
        Mosquitto(tmp_path, tls=certificate) as broker,
        Subscriber(broker.tls_port, "status", ca_file=ca_file) as seen,
    ):
        assert asyncio.run(run(broker.tls_port)) == payloads
        assert seen.messages == []


def refused(tmp_path: Path, certificate: tuple[str, str], ca_file: str, host: str = "localhost") -> TlsError:
    """The error of a connect to a broker with `certificate`; the broker must not have seen a CONNECT."""
    with Mosquitto(tmp_path, plain=False, tls=certificate) as broker:
        mqtt = client(f"mqtts://{host}:{broker.tls_port}", ca_file)
        with pytest.raises(TlsError) as caught:
            asyncio.run(mqtt.connect(CREDENTIALS, None))
    assert "Received CONNECT" not in broker.log()
    assert "New client connected" not in broker.log()
    return caught.value


def test_an_unknown_ca(tmp_path: Path, authority: CertificateAuthority) -> None:
    other = CertificateAuthority("Another CA").issue().write(tmp_path)
    assert "CA that this machine does not know" in str(refused(tmp_path, other, str(tmp_path / "ca.pem")))


def test_a_self_signed_certificate(tmp_path: Path, authority: CertificateAuthority) -> None:
    refused(tmp_path, self_signed().write(tmp_path), str(tmp_path / "ca.pem"))


def test_a_wrong_name(tmp_path: Path, authority: CertificateAuthority) -> None:
    other = authority.issue(names=("other.example.com",), addresses=()).write(tmp_path)
    assert "another name" in str(refused(tmp_path, other, str(tmp_path / "ca.pem")))


def test_an_expired_certificate(tmp_path: Path, authority: CertificateAuthority) -> None:
    day = datetime.timedelta(days=1)
    yesterday = datetime.datetime.now(datetime.UTC) - day
    old = authority.issue(not_before=yesterday - day, not_after=yesterday).write(tmp_path)
    assert "expired" in str(refused(tmp_path, old, str(tmp_path / "ca.pem")))


def test_a_broker_without_tls_on_that_port(tmp_path: Path, authority: CertificateAuthority) -> None:
    with Mosquitto(tmp_path) as broker:
        mqtt = client(f"mqtts://localhost:{broker.port}", str(tmp_path / "ca.pem"))
        with pytest.raises((TlsError, TransportError)):
            asyncio.run(mqtt.connect(CREDENTIALS, None))


def test_a_ca_file_that_is_not_there(tmp_path: Path) -> None:
    mqtt = client("mqtts://localhost:1", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match="missing.pem"):
        asyncio.run(mqtt.connect(CREDENTIALS, None))


async def ticks_while(mqtt: PahoMqtt) -> tuple[int, BaseException | None]:
    """How often another coroutine ran while `mqtt` tried to connect, and how that ended."""
    ticks = 0
    connecting = asyncio.ensure_future(mqtt.connect(CREDENTIALS, None))
    while not connecting.done():
        ticks += 1
        await asyncio.sleep(0.01)
    return ticks, connecting.exception()


def test_a_stalled_handshake_does_not_hold_up_the_loop(
    tmp_path: Path, authority: CertificateAuthority
) -> None:
    with socket.socket() as stalled:
        stalled.bind(("127.0.0.1", 0))
        stalled.listen()  # the kernel accepts; nobody ever says a word
        url = f"mqtts://localhost:{stalled.getsockname()[1]}"
        mqtt = client(url, str(tmp_path / "ca.pem"), connect_timeout_s=1.5)
        ticks, error = asyncio.run(ticks_while(mqtt))
    assert isinstance(error, TransportError)
    assert "in time" in str(error)
    # Of a hundred and fifty; a blocked loop would have let it run once or twice.
    assert ticks >= 6


def test_disconnect_ends_a_stalled_handshake(tmp_path: Path, authority: CertificateAuthority) -> None:
    async def run(port: int) -> None:
        mqtt = client(f"mqtts://localhost:{port}", str(tmp_path / "ca.pem"), connect_timeout_s=3600)
        connecting = asyncio.ensure_future(mqtt.connect(CREDENTIALS, None))
        accepted, _ = await asyncio.get_running_loop().sock_accept(stalled)
        with accepted:
            await mqtt.disconnect()
            with pytest.raises(TransportError, match="disconnect"):
                await connecting

    with socket.socket() as stalled:
        stalled.bind(("127.0.0.1", 0))
        stalled.listen()
        stalled.setblocking(False)
        asyncio.run(asyncio.wait_for(run(stalled.getsockname()[1]), 30))


def test_all_packets_of_one_tls_record_are_read(tmp_path: Path, authority: CertificateAuthority) -> None:
    """The selector sees one readable socket, once; the rest waits decrypted, where no selector looks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue().write(tmp_path))
    payloads = [b"%d" % number for number in range(50)]

    async def sends_one_record(peer: Peer) -> None:
        await peer.expect(CONNECT)
        await peer.send(
            connack(0) + packet(PINGRESP) * 250 + b"".join(publish("cmd/x", payload) for payload in payloads)
        )
        await peer.closed()

    async def run() -> None:
        async with FakeBroker(sends_one_record, tls=context) as broker:
            mqtt = client(f"mqtts://localhost:{broker.port}", str(tmp_path / "ca.pem"))
            await mqtt.connect(CREDENTIALS, None)
            events = [await asyncio.wait_for(mqtt.next_event(), 30) for _ in payloads]
            assert [each.message.payload for each in events] == payloads
            await mqtt.disconnect()

    asyncio.run(run())
