"""The board's MQTT client against a real mosquitto, plain and over TLS, on MicroPython and on this Python."""

import datetime
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pairlet.core.errors import BrokerError, TlsError, TransportError
from support.board_mqtt import BoardDevice
from support.certificates import CertificateAuthority
from support.mosquitto import Mosquitto, Subscriber

USERS = {"device": "good-token", "watcher": "good-token"}
ACL = "user device\ntopic readwrite devices/#\n\nuser watcher\ntopic readwrite #\n"


class Rig(NamedTuple):
    """A broker with both listeners, and the CA of the second one."""

    broker: Mosquitto
    ca_file: str

    def watch(self, topic_filter: str, qos: int = 1) -> Subscriber:
        """Somebody else who listens."""
        return Subscriber(self.broker.port, topic_filter, qos=qos, username="watcher", password="good-token")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One broker for all tests that leave it as it was: client_ids and topics are each test's own."""
    folder = tmp_path_factory.mktemp("broker")
    authority = CertificateAuthority()
    tls = authority.issue(names=("localhost",), addresses=()).write(folder)
    with Mosquitto(folder, users=USERS, acl=ACL, tls=tls) as broker:
        yield Rig(broker, authority.write(folder / "ca.pem"))


@pytest.fixture(params=[True, False], ids=["MicroPython", "CPython"])
def on_board(request: pytest.FixtureRequest) -> bool:
    """Both interpreters, one after the other."""
    chosen: bool = request.param
    return chosen


@pytest.fixture(params=[True, False], ids=["TLS", "plain"])
def address(request: pytest.FixtureRequest, rig: Rig) -> tuple[str, str | None]:
    """Where the broker is and the CA file, for both listeners."""
    if request.param:
        return f"mqtts://localhost:{rig.broker.tls_port}", rig.ca_file
    return f"mqtt://127.0.0.1:{rig.broker.port}", None


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A client_id that no other test uses; the test's topics are below devices/{name}."""
    return "".join(character if character.isalnum() else "-" for character in request.node.name)[-60:]


@pytest.mark.parametrize("qos", [0, 1])
def test_messages_of_all_sizes_arrive_as_they_were_sent(
    rig: Rig, address: tuple[str, str | None], on_board: bool, name: str, tmp_path: Path, qos: int
) -> None:
    topic = f"devices/{name}/telemetry"
    # Below and above: one byte of remaining length, our pieces of 1 KB, TLS records of 4 and 16 KB.
    sizes = (0, 100, 1000, 1023, 1024, 1025, 4000, 20_000)
    steps: list[Any] = [["connect"], *(["publish_size", topic, each, qos] for each in sizes)]
    steps.append(["disconnect"])
    url, ca_file = address
    with (
        rig.watch(topic) as seen,
        BoardDevice(tmp_path, url, steps, on_board=on_board, ca_file=ca_file, client_id=name) as device,
    ):
        assert [device.answer() for _ in steps] == [False, *([0] * len(sizes)), "closed"]
        seen.wait_for(lambda messages: len(messages) == len(sizes))
        expected = [bytes(at % 251 for at in range(size)) for size in sizes]
        assert [each.payload for each in seen.messages] == expected
        assert {each.qos for each in seen.messages} == {qos}


def test_a_thousand_messages_without_loss_leak_or_repetition(
    rig: Rig, address: tuple[str, str | None], on_board: bool, name: str, tmp_path: Path
) -> None:
    topic = f"devices/{name}/telemetry"
    many = ["publish_many", topic, 500, 1, 120]
    steps = [["connect"], many, ["usage"], many, ["usage"], ["disconnect"]]
    url, ca_file = address
    with (
        rig.watch(topic) as seen,
        BoardDevice(tmp_path, url, steps, on_board=on_board, ca_file=ca_file, client_id=name) as device,
    ):
        answers = [device.answer() for _ in steps]
        assert answers[1] == answers[3] == 0
        seen.wait_for(lambda messages: len(messages) == 1000)
        # Ten publishers at once take their turns: each message once, in the order of its hand-over.
        assert [int(each.payload.split(b" ")[0]) for each in seen.messages] == [*range(500), *range(500)]
        before, after = answers[2], answers[4]
        assert after[0] == before[0]
        assert after[1] - before[1] < 512, "the heap grows"
        print(f"heap with a connection: {after[1]} bytes")


def test_messages_come_in_and_are_acknowledged(
    rig: Rig, address: tuple[str, str | None], on_board: bool, name: str, tmp_path: Path
) -> None:
    topic = f"devices/{name}/cmd"
    large = "y" * 3000
    steps: list[Any] = [["connect"], ["subscribe", topic, 1], ["publish", topic, large, 1, False]]
    steps += [["event"], ["publish", topic, "small", 0, False], ["event"], ["disconnect"]]
    # Acknowledged means: not sent again to the same session.
    steps += [["connect"], ["publish", topic, "last", 1, False], ["event"]]
    url, ca_file = address
    with BoardDevice(tmp_path, url, steps, on_board=on_board, ca_file=ca_file, client_id=name) as device:
        answers = [device.answer() for _ in steps]
    assert answers[1] == 1
    assert answers[3] == ["message", large, None]
    assert answers[5] == ["message", "small", None]
    assert answers[7:] == [True, 0, ["message", "last", None]]


def test_a_message_too_large_for_the_board_ends_the_connection(
    rig: Rig, address: tuple[str, str | None], on_board: bool, name: str, tmp_path: Path
) -> None:
    topic = f"devices/{name}/cmd"
    steps: list[Any] = [["connect"], ["subscribe", topic, 0]]
    steps += [["publish", topic, "y" * 5000, 0, False], ["event"], ["connect"], ["disconnect"]]
    url, ca_file = address
    with BoardDevice(tmp_path, url, steps, on_board=on_board, ca_file=ca_file, client_id=name) as device:
        answers = [device.answer() for _ in steps]
    assert answers[3] == ["disconnected", None, "the broker sent a packet that is too large"]
    assert answers[4] is False  # a new session: the broker would send it again and again


def test_the_will_after_a_power_cut(
    rig: Rig, address: tuple[str, str | None], on_board: bool, name: str, tmp_path: Path
) -> None:
    topic = f"devices/{name}/status"
    steps = [["connect"], ["publish", topic, "online", 1, True], ["event"]]
    url, ca_file = address
    with (
        rig.watch(topic) as seen,
        BoardDevice(
            tmp_path, url, steps, on_board=on_board, ca_file=ca_file, client_id=name, will=topic
        ) as device,
    ):
        assert [device.answer(), device.answer()] == [False, 0]
        device.kill()
        seen.wait_for(lambda messages: len(messages) == 2)
        assert [each.payload for each in seen.messages] == [b"online", b"offline"]


def test_no_will_after_a_disconnect(
    rig: Rig, address: tuple[str, str | None], on_board: bool, name: str, tmp_path: Path
) -> None:
    topic = f"devices/{name}/status"
    steps = [["connect"], ["disconnect"], ["connect"], ["publish", topic, "back", 1, False], ["disconnect"]]
    url, ca_file = address
    with (
        rig.watch(topic) as seen,
        BoardDevice(
            tmp_path, url, steps, on_board=on_board, ca_file=ca_file, client_id=name, will=topic
        ) as device,
    ):
        assert [device.answer() for _ in steps] == [False, "closed", True, 0, "closed"]
        seen.wait_for(len)
        assert [each.payload for each in seen.messages] == [b"back"]


def test_a_wrong_token_and_the_right_one_afterwards(
    rig: Rig, address: tuple[str, str | None], on_board: bool, name: str, tmp_path: Path
) -> None:
    url, ca_file = address
    steps = [["connect", "bad-token"], ["usage"], ["connect", "bad-token"], ["usage"], ["connect"]]
    with BoardDevice(tmp_path, url, steps, on_board=on_board, ca_file=ca_file, client_id=name) as device:
        with pytest.raises(BrokerError, match="does not authorize|user name or token") as caught:
            device.answer()
        assert "bad-token" not in str(caught.value)
        before = device.answer()
        with pytest.raises(BrokerError):
            device.answer()
        assert device.answer()[0] == before[0], "a descriptor is left open"
        assert device.answer() is False


def test_a_broker_that_dies_is_told_of_and_found_again(on_board: bool, tmp_path: Path) -> None:
    authority = CertificateAuthority()
    tls = authority.issue(names=("localhost",)).write(tmp_path)
    ca_file = authority.write(tmp_path / "ca.pem")
    # The one that died has no address for a moment; a message that is published then fails at once.
    steps: list[Any] = [["connect"], ["event"], ["publish", "devices/t", "lost", 1, False]]
    steps += [["connect"], ["connect_at_last"], ["publish", "devices/t", "kept", 1, False], ["disconnect"]]
    with Mosquitto(tmp_path, tls=tls) as broker:
        url = f"mqtts://localhost:{broker.tls_port}"
        with BoardDevice(tmp_path, url, steps, on_board=on_board, ca_file=ca_file) as device:
            assert device.answer() is False
            broker.kill()
            assert device.answer() == ["disconnected", None, "the connection to the broker was lost"]
            with pytest.raises(TransportError, match="was lost"):
                device.answer()
            with pytest.raises(TransportError, match="localhost"):
                device.answer()
            broker.start()
            assert [device.answer() for _ in range(3)] == [False, 0, "closed"]


def test_a_broker_that_hangs_is_found_dead_by_keep_alive(on_board: bool, tmp_path: Path) -> None:
    steps = [["connect"], ["event"], ["disconnect"]]
    with Mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with BoardDevice(tmp_path, url, steps, on_board=on_board, keep_alive=1) as device:
            assert device.answer() is False
            broker.suspend()
            assert device.answer() == [
                "disconnected",
                None,
                "the broker gave no sign of life: keep-alive time-out",
            ]
            assert device.answer() == "closed"


def test_a_broker_that_hangs_with_a_full_socket_is_found_dead_too(on_board: bool, tmp_path: Path) -> None:
    """The writer is stuck then; nothing that it has to do may be needed to notice."""
    steps = [["connect"], ["publish_many", "devices/t", 12_000, 0, 2000], ["disconnect"]]
    with Mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with BoardDevice(tmp_path, url, steps, on_board=on_board, keep_alive=1) as device:
            assert device.answer() is False
            broker.suspend()
            with pytest.raises(TransportError, match="no sign of life"):
                device.answer()
            assert device.answer() == "closed"


def test_a_ping_keeps_an_idle_connection(on_board: bool, tmp_path: Path) -> None:
    """mosquitto closes after 1.5 times keep_alive of silence: three pings prove that there was none."""
    with Mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        steps = [["connect"], ["subscribe", "devices/t", 1], ["event"]]
        waking = [["connect"], ["publish", "devices/t", "wake", 1, False]]
        with BoardDevice(tmp_path, url, steps, on_board=on_board, keep_alive=1) as device:
            assert [device.answer(), device.answer()] == [False, 1]
            wait_for_log(broker, "Received PINGREQ from board", 3)
            with BoardDevice(tmp_path, url, waking, on_board=False, client_id="other") as other:
                assert [other.answer(), other.answer()] == [False, 0]
            assert device.answer() == ["message", "wake", None]


def wait_for_log(broker: Mosquitto, words: str, count: int) -> None:
    """Return when the broker has logged `words` so often; the test's time-out ends a wait in vain."""
    never = threading.Event()
    while broker.log().count(words) < count:
        never.wait(0.02)  # a pause between two looks, and no measure of anything


# ---- who the broker is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("foreign CA", "CA"),
        ("wrong name", "name|not for"),
        ("expired", "expired"),
        ("not yet valid", "not valid yet|clock"),
        ("no TLS", "localhost"),
    ],
)
def test_a_broker_that_is_not_who_it_should_be(on_board: bool, tmp_path: Path, kind: str, words: str) -> None:
    authority = CertificateAuthority()
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    names = ("elsewhere.example",) if kind == "wrong name" else ("localhost",)
    not_before = now + 3 * day if kind == "not yet valid" else now - 9 * day
    not_after = now - 3 * day if kind == "expired" else now + 9 * day
    issued = authority.issue(names, (), not_before=not_before, not_after=not_after)
    trusted = CertificateAuthority() if kind == "foreign CA" else authority
    ca_file = trusted.write(tmp_path / "ca.pem")
    steps = [["connect"], ["usage"], ["connect"], ["usage"]]
    with Mosquitto(tmp_path, tls=issued.write(tmp_path), users=USERS) as broker:
        url = f"mqtts://localhost:{broker.port if kind == 'no TLS' else broker.tls_port}"
        with BoardDevice(tmp_path, url, steps, on_board=on_board, ca_file=ca_file) as device:
            expected = (TlsError, TransportError) if kind == "no TLS" else TlsError
            with pytest.raises(expected, match=words):
                device.answer()
            before = device.answer()
            with pytest.raises(expected):
                device.answer()
            assert device.answer()[0] == before[0], "a descriptor is left open"
        # The token did not get out: no CONNECT has arrived at all.
        assert "New client connected" not in broker.log()
        assert "device" not in broker.log()
