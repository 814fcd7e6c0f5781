"""SystemSensors on recorded and on damaged /proc and /sys trees."""

import asyncio
import math
import os
import shutil
import tempfile
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairlet.core.errors import ConfigError
from pairlet.core.quantity import quantity_of
from pairlet.linux.sensors.system import GROUPS, SystemSensors

FILES = {
    "proc/stat": ("cpu  1000 50 300 8000 150 0 20 0 0 0\ncpu0 500 25 150 4000 75 0 10 0 0 0\nctxt 12345\n"),
    "proc/meminfo": "MemTotal:        3884368 kB\nMemFree:          200000 kB\nMemAvailable:    2913276 kB\n",
    "proc/uptime": "350735.47 234388.90\n",
    "proc/loadavg": "0.20 0.18 0.12 1/80 11206\n",
    "proc/net/dev": (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo\n"
        "    lo: 7777777    100    0    0    0     0          0         0  7777777     100    0    0    0\n"
        "  eth0: 1000000    900    0    0    0     0          0         0   200000     800    0    0    0\n"
        " wlan0:5000 9 0 0 0 0 0 0 300 8 0 0 0 0 0 0\n"
    ),
    "sys/class/thermal/thermal_zone0/type": "gpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "39000\n",
    "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "48312\n",
}


def tree(root: Path, files: dict[str, str] = FILES) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def read(sensors: SystemSensors) -> dict[str, int | float]:
    return asyncio.run(sensors.read())


def test_recorded_raspberry_pi(tmp_path: Path) -> None:
    sensors = SystemSensors(root=str(tree(tmp_path)))
    # 100 ticks later, of which 60 were idle and 15 waited for the disk.
    (tmp_path / "proc/stat").write_text("cpu  1020 50 305 8060 165 0 20 0 0 0\n")
    sample = read(sensors)
    usage = os.statvfs(tmp_path)
    used = usage.f_blocks - usage.f_bfree
    assert sample.pop("disk_used_percent") == pytest.approx(100 * used / (used + usage.f_bavail), abs=0.2)
    assert sample == {
        "cpu_load_percent": 25.0,
        "cpu_temperature_celsius": 48.3,
        "memory_used_percent": 25.0,
        "uptime_seconds": 350735,
        "network_received_bytes": 1005000,
        "network_sent_bytes": 200300,
        "load_average_1m": 0.2,
    }


def test_load_is_that_since_the_last_read(tmp_path: Path) -> None:
    sensors = SystemSensors(["cpu_load_percent"], root=str(tree(tmp_path)))
    stat = tmp_path / "proc/stat"
    assert read(sensors) == {}  # not a tick later: there is nothing to tell
    stat.write_text("cpu  1100 50 300 8000 150 0 20 0 0 0\n")
    assert read(sensors) == {"cpu_load_percent": 100.0}
    stat.write_text("cpu  1100 50 300 8300 150 0 20 0 0 0\n")
    assert read(sensors) == {"cpu_load_percent": 0.0}
    stat.write_text("cpu  1150 50 300 8350 100 0 20 0 0 0\n")  # iowait ran backwards, as it may
    assert read(sensors) == {"cpu_load_percent": 100.0}


def test_temperature_of_a_pc_comes_from_its_chip(tmp_path: Path) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "acpitz\n",
        "sys/class/thermal/thermal_zone0/temp": "16800\n",
        "sys/class/hwmon/hwmon0/name": "nvme\n",
        "sys/class/hwmon/hwmon0/temp1_input": "35850\n",
        "sys/class/hwmon/hwmon1/name": "coretemp\n",
        "sys/class/hwmon/hwmon1/temp1_input": "52000\n",
    }
    sensors = SystemSensors(["cpu_temperature_celsius"], root=str(tree(tmp_path, files)))
    assert read(sensors) == {"cpu_temperature_celsius": 52.0}
    shutil.rmtree(tmp_path / "sys/class/hwmon")
    assert read(sensors) == {"cpu_temperature_celsius": 16.8}
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("-274000\n")
    assert read(sensors) == {}


def test_only_what_was_asked_for_is_read(tmp_path: Path) -> None:
    sensors = SystemSensors(["load_average_1m", "uptime_seconds", "uptime_seconds"], root=str(tree(tmp_path)))
    assert list(read(sensors)) == ["uptime_seconds", "load_average_1m"]


@pytest.mark.parametrize("name", ["humidity", "", "cpu_load", "\x1b[31m"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no sensor '") as caught:
        SystemSensors(["uptime_seconds", name])
    assert str(caught.value).isprintable()
    assert "cpu, temperature, memory" in caught.value.advice and "cpu_load_percent, " in caught.value.advice


def test_a_group_is_what_belongs_together() -> None:
    assert set(chain(*GROUPS.values())) == set(SystemSensors.known())
    assert {"cpu_load_percent", "load_average_1m"} == set(SystemSensors(["cpu"])._names)
    assert SystemSensors(["network", "uptime", "network_sent_bytes"])._names == [
        *("uptime_seconds", "network_received_bytes", "network_sent_bytes")
    ]


def test_the_names_say_their_units() -> None:
    # A load average is a bare number.
    assert [name for name in SystemSensors.known() if not quantity_of(name).ending] == ["load_average_1m"]


def test_nothing_to_read_gives_the_disk_alone(tmp_path: Path) -> None:
    assert list(read(SystemSensors(root=str(tmp_path)))) == ["disk_used_percent"]
    assert read(SystemSensors(root=str(tmp_path / "none"))) == {}


def test_files_that_are_something_else(tmp_path: Path) -> None:
    for path in FILES:
        (tmp_path / path).mkdir(parents=True)
    assert list(read(SystemSensors(root=str(tmp_path)))) == ["disk_used_percent"]


_NASTY = st.sampled_from(
    [
        b"",
        b"\x00",
        b"nan",
        b"-1",
        b"1e999",
        b"inf",
        b"\xd9\xa1",
        b"9" * 5000,
        b"1_0",
        b"cpu",
        b"MemTotal:",
        b":",
    ]
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_in_those_files_give_a_sane_sample(data: st.DataObject) -> None:
    junk = st.one_of(
        st.binary(max_size=200), st.lists(_NASTY, max_size=12).map(lambda parts: b" ".join(parts) + b"\n")
    )
    with tempfile.TemporaryDirectory() as folder:
        root = tree(Path(folder))
        for path in data.draw(st.sets(st.sampled_from(sorted(FILES)), min_size=1)):
            text = FILES[path].encode()
            cut = data.draw(st.integers(0, len(text)))
            (root / path).write_bytes(text[:cut] + data.draw(junk))
        sensors = SystemSensors(root=folder)
        for _ in range(2):
            sample = read(sensors)
            assert set(sample) <= set(SystemSensors.known())
            for name, value in sample.items():
                assert type(value) in (int, float) and math.isfinite(value)
                assert not name.endswith("_percent") or 0 <= value <= 100
