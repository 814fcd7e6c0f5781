"""Settings of broker, sensors and commands: what can't be used is said before anybody pairs for it."""

from pathlib import Path

import pytest
from pairlet.config import Config
from pairlet.core.errors import ConfigError
from pairlet.linux.commands_telemetry import check_telemetry
from support.agent_process import run

UNFIT = {
    "mqtt.url": "mqtt://broker.example.com",
    "mqtt.profile": "aws-custom-authorizer",  # it takes the name of an authorizer
    "mqtt.token_in": "enhanced",  # it takes a method
    "telemetry.sensors": "cpu,weather",
    "commands.handlers": "my_door.on_open_door",
}


def config_of(**settings: str) -> Config:
    """A configuration with a broker, and `settings` as the command line gives them (table__key)."""
    config = Config({}).with_text("mqtt.url", "mqtts://broker.example.com", "the test")
    for name, text in settings.items():
        config = config.with_text(name.replace("__", "."), text, "the test")
    return config


@pytest.mark.parametrize(("name", "text"), UNFIT.items())
def test_what_can_t_be_used_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_telemetry(config_of(**{name.replace(".", "__"): text}), None)
    assert str(raised.value) and raised.value.advice


def test_a_topic_that_just_fits_its_broker_is_fine() -> None:
    """AWS takes 256 bytes; the id of a device that has none yet will be as long as all others."""
    settings = {"mqtt__profile": "aws-custom-authorizer", "mqtt__authorizer": "tokens"}
    for length, fits in ((256 - 24 - 17, True), (256 - 24 - 16, False)):
        config = config_of(**settings, mqtt__topic_prefix="x" * length + "/{device_id}")
        if fits:
            check_telemetry(config, None)
        else:
            with pytest.raises(ConfigError, match="too long"):
                check_telemetry(config, None)


@pytest.mark.parametrize("command", ["pair", "run"])
def test_nobody_pairs_for_settings_that_can_t_be_used(command: str, tmp_path: Path) -> None:
    words = ["--issuer", "http://127.0.0.1:1", "--client-id", "tv", "--insecure-http", "--set"]
    words += ["mqtt.url=mqtt://127.0.0.1:1", "--state-dir", str(tmp_path), "--set", "mqtt.token_in=enhanced"]
    answer = run(command, *words)
    assert answer.returncode == 2 and "mqtt.auth_method" in answer.stderr
    assert "Starting" not in answer.stderr
