"""firmware/README.md says what the code does: keys, defaults, commands, and figures that stand in both."""

import ast
import json
import re
import subprocess
import sys

from pairlet.config import SETTINGS
from pairlet_board.button import LONG_MS
from pairlet_board.sensors import BoardSensors
from support import micropython

FIRMWARE = micropython.ROOT / "firmware"
README = (FIRMWARE / "README.md").read_text()
FLOWING = " ".join(README.split())
EXAMPLE = json.loads((FIRMWARE / "config.example.json").read_text())


def constants() -> dict[str, object]:
    """The constants of main.py, which can't be imported without the hardware."""
    found = {}
    for node in ast.parse((FIRMWARE / "main.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def own_keys() -> set[str]:
    """The keys that only a board has."""
    main = constants()
    names = (("wifi", main["_WIFI"]), ("board", main["_BOARD"]))
    return {f"{table}.{key}" for table, keys in names for key in keys}  # type: ignore[attr-defined]


def section(title: str) -> str:
    """What stands below the heading `title`."""
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_key_is_there_and_no_other() -> None:
    tables = "wifi|board|oauth|mqtt|telemetry|pairing|display|health|token_agent|store|commands|homeassistant"
    told = re.findall(rf"`((?:{tables})\.\w+)`", section("config.json"))
    assert set(told) == own_keys() | set(SETTINGS)


def test_defaults_in_the_table_are_the_code_s() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]*) \|", section("config.json"), re.MULTILINE)
    told = {names.strip("` "): default.strip("` ") for names, default in rows if "," not in names}
    assert len(told) > 20
    assert told["pairing.codes"] == str(SETTINGS["pairing.codes"].default)
    # A board has a default of its own where its heap is smaller than a computer's.
    assert f"_BUFFER_BYTES = {told['telemetry.buffer_bytes']}\n" in (FIRMWARE / "main.py").read_text()
    for name in ("mqtt.keep_alive", "telemetry.interval"):
        assert told[name] == f'"{SETTINGS[name].default // 1000}s"'
    for name in ("oauth.insecure_http", "pairing.announce"):
        assert told[name] == str(SETTINGS[name].default).lower()
    assert told["pairing.start"] == f'"{SETTINGS["pairing.start"].default}"'
    assert told["mqtt.topic_prefix"] == SETTINGS["mqtt.topic_prefix"].default


def test_the_example_is_made_of_keys_that_there_are() -> None:
    keys = {f"{table}.{key}" for table, values in EXAMPLE.items() for key in values}
    assert keys <= own_keys() | set(SETTINGS)
    wiring = section("Wiring")
    for key in ("sda", "scl", "i2c", "button"):
        assert f'`"{key}": {EXAMPLE["board"][key]}`' in wiring


def test_the_sensors_are_the_board_s() -> None:
    class Clock:
        """Not asked."""

    known = BoardSensors(None, Clock(), rssi=lambda: None).known()  # type: ignore[arg-type]
    assert known and all(f"`{name}`" in README for name in known)


def test_times_are_the_code_s() -> None:
    main = constants()
    assert f"Held for {LONG_MS // 1000} seconds" in FLOWING
    assert f"{main['_WATCHDOG_MS'] // 1000} seconds after" in FLOWING  # type: ignore[operator]
    assert f"than {main['_PROGRESS_MS'] // 60000} minutes" in FLOWING  # type: ignore[operator]


def shown(command: str) -> str:
    """The help of a command of pairlet."""
    words = [sys.executable, "-m", "pairlet.linux", *command.split(), "--help"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_commands_have_the_options_that_are_named() -> None:
    for command in ("flash", "sim board"):
        calls = re.findall(f"`(pairlet {command} [^`]+)`", FLOWING)
        assert calls
        for option in re.findall(r"--[\w-]+", " ".join(calls)):
            assert option in shown(command), option
    for option in ("--config", "--wifi-key-file", "--ca-file"):
        assert f"`{option}" in README and option in shown("flash")
