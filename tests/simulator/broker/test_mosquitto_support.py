"""The mosquitto of `support.mosquitto` is the real one, and obeys."""

import os
from pathlib import Path

import paho.mqtt.publish as paho_publish
import pytest
from support.certificates import CertificateAuthority
from support.mosquitto import HOST, Mosquitto, Subscriber, find_program


def publish(port: int, topic: str, payload: str, **options: object) -> None:
    """One QoS 1 message, acknowledged when this returns."""
    paho_publish.single(topic, payload, qos=1, hostname=HOST, port=port, **options)


def test_messages_reach_a_subscriber(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        publish(broker.port, "devices/a/status", "online", retain=True)
        with Subscriber(broker.port, "devices/#") as seen:
            publish(broker.port, "devices/a/telemetry", "1")
            messages = seen.wait_for(lambda them: len(them) == 2 and them)
    assert sorted((m.topic, m.payload, m.retain) for m in messages) == [
        ("devices/a/status", b"online", True),
        ("devices/a/telemetry", b"1", False),
    ]
    assert "mosquitto version" in broker.log()


def test_users_and_acl(tmp_path: Path) -> None:
    acl = "pattern readwrite devices/%u/#\n"
    with Mosquitto(tmp_path, users={"a": "secret a", "b": "secret b"}, acl=acl) as broker:
        with pytest.raises(ConnectionError, match="refused"):
            Subscriber(broker.port, "#", username="a", password="wrong").__enter__()
        with Subscriber(broker.port, "#", username="a", password="secret a") as seen:
            auth = {"username": "b", "password": "secret b"}
            publish(broker.port, "devices/a/x", "from b", auth=auth)
            publish(broker.port, "devices/a/x", "from a", auth={"username": "a", "password": "secret a"})
            seen.wait_for(lambda them: them)
            assert [m.payload for m in seen.messages] == [b"from a"]
    assert "secret" not in (tmp_path / "mosquitto" / "passwords").read_text()


def test_tls(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    ca_file = authority.write(tmp_path / "ca.pem")
    certificate = authority.issue().write(tmp_path)
    with Mosquitto(tmp_path, plain=False, tls=certificate) as broker:
        assert broker.port == 0
        with Subscriber(broker.tls_port, "t", ca_file=ca_file) as seen:
            publish(broker.tls_port, "t", "over tls", tls={"ca_certs": ca_file})
            seen.wait_for(lambda them: [m.payload for m in them] == [b"over tls"])


def test_state_outlives_a_stop_but_not_a_kill(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        port = broker.port
        publish(port, "kept", "1", retain=True)
        broker.stop()
        broker.start()
        assert broker.port == port
        publish(port, "lost", "2", retain=True)
        broker.kill()
        broker.start()
        publish(port, "end", "3", retain=True)
        with Subscriber(port, "#") as seen:
            seen.wait_for(lambda them: "end" in [m.topic for m in them])
            assert "kept" in [m.topic for m in seen.messages]
            assert "lost" not in [m.topic for m in seen.messages]


def test_suspended_it_answers_nobody_and_then_everybody(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "t") as seen:
        broker.suspend()
        state = Path("/proc/%d/stat" % broker._running().pid)
        if state.exists():
            assert state.read_text().rsplit(")", 1)[1].split()[0] in "Tt"
        broker.resume()
        publish(broker.port, "t", "awake")
        seen.wait_for(lambda them: them)


def test_a_broken_configuration_is_told_with_the_log(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no_such_option"):
        Mosquitto(tmp_path, extra=["no_such_option true"]).start()


def test_a_missing_program_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="Debian package"):
        find_program("mosquitto-that-nobody-has")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Debian package"):
        find_program("mosquitto-that-nobody-has")


def test_it_is_found_without_sbin_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    find_program("mosquitto")
    monkeypatch.setenv("PATH", "/nowhere")
    assert os.access(find_program("mosquitto"), os.X_OK)
