"""agent/README.md draws the machines as they are, and names what there is."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from pairlet.config import CHOICES, SETTINGS, Config
from pairlet.core.authorization_code_grant import AuthorizationCodeGrant
from pairlet.core.client_credentials_grant import ClientCredentialsGrant
from pairlet.core.device_grant import DeviceGrant
from pairlet.core.discovery import Discovery
from pairlet.core.refresh_grant import RefreshGrant
from pairlet.core.revocation import Revocation
from pairlet.linux.commands_client import CLIENT_AUTH
from pairlet.linux.health.metrics import exposition
from pairlet.linux.init.grants import DEVICE, PERSON, TABLE, fitting
from pairlet.linux.sensors.system import GROUPS, SystemSensors
from pairlet.linux.standing.facts import Facts
from pairlet.linux.standing.judgement import OK, TASKS, Verdict

MACHINES = [
    DeviceGrant, AuthorizationCodeGrant, ClientCredentialsGrant, RefreshGrant, Revocation, Discovery,
]  # fmt: skip
README = Path(__file__).parents[2] / "agent" / "README.md"


@pytest.mark.parametrize("machine", MACHINES)
def test_the_transition_tables_are_the_code_s(machine):
    section = README.read_text().split(f"### {machine.__name__}\n")[1].split("\n#")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    drawn = {tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows}
    assert drawn == {(state, event, following) for (state, event), following in machine.TRANSITIONS.items()}


def test_every_metric_is_there_and_no_other():
    all_known = Facts(token_left_ms=1, refresh_in_ms=1, broker=True, acknowledged_ms=1)
    text = exposition(all_known, Verdict(OK, "", ()))
    names = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) - {"pairlet_info"}
    section = README.read_text().split("| metric | is |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", section)) == names


def test_every_task_is_there_with_its_grace():
    section = README.read_text().split("| task | should | grace |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in section.splitlines()[2:]]
    assert {(name, grace) for name, _, grace in rows} == {
        (task.name, f"{task.grace_s // 60} min") for task in TASKS
    }


def test_item_57_what_the_device_grant_can_t_protect_against_is_told():
    section = (
        README.read_text()
        .split("### What the device grant can and can't protect against\n")[1]
        .split("\n#")[0]
    )
    for words in ("section 5.4", "in front of them", "device_name", "pairing.codes", "`scope`", "Same device",
                  "bound tokens", "mutual TLS", "pairing.start"):  # fmt: skip
        assert words in section, words


def written_settings():
    """What pairlet.toml in the top README sets, in comments as well."""
    block = (README.parents[1] / "README.md").read_text().split("```toml\n")[1].split("\n```")[0]
    tables = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", block, flags=re.MULTILINE))
    return {f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()}


def test_every_setting_is_in_one_of_the_two_readmes_and_no_other():
    written, text = written_settings(), README.read_text()
    assert set(written) <= set(SETTINGS)
    assert {name for name in SETTINGS if name not in written and f"`{name}" not in text} == set()


def test_what_the_readme_shows_as_pairlet_toml_can_be_used_and_has_the_defaults():
    examples = {"oauth.token_endpoint": "https://auth.example.com/token"}
    written = {**written_settings(), **examples}
    tables = {}
    for name, value in written.items():
        table, _, key = name.partition(".")
        tables.setdefault(table, {})[key] = value
    config = Config.from_tables(tables, "README.md")
    defaults = Config({})
    for name in written:
        if SETTINGS[name].default is not None and name not in ("oauth.scope", "commands.handlers"):
            assert config.get(name) == defaults.get(name), name


def test_every_built_in_sensor_is_there():
    section = README.read_text().split("## Sensors\n")[1].split("\n## ")[0]
    assert all(f"`{name}`" in section for name in SystemSensors.known())
    assert all(f'`"{name}"`' in section for name in GROUPS)


def test_the_configurations_are_ones_that_work():
    examples = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        assert Config.from_tables(tomllib.loads(example), "README.md").values


def test_the_grants_and_the_browsers_are_the_ones_there_are():
    for name, default in (("grant", "device_code"), ("browser", "auto")):
        assert SETTINGS["oauth." + name].default == default
    section = README.read_text().split("## Grants\n")[1].split("\n### ")[0]
    grants = re.findall(r"^\| `(\w+)` .*\(RFC|^\| `(device_code)`", section, re.MULTILINE)
    assert {one or other for one, other in grants} == set(CHOICES["oauth.grant"])


def test_which_grant_fits_is_what_the_program_says():
    section = README.read_text().split("### Which one fits: `pairlet init`\n")[1].split("\n### ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    browser = {"no": False, "yes": True, "": None}
    written = [(kind, whom, browser[there], grant) for kind, whom, there, grant in rows]
    assert written == [
        (kind, {PERSON: "a person", DEVICE: "itself"}[whom], there, grant)
        for kind, whom, there, grant in TABLE
    ]
    told = [json.loads(line) for line in section.splitlines() if line.startswith('{"event"')]
    assert fitting(told[0]["for"], told[0]["browser"]) == told[0]["grant"]


def test_the_ways_to_authenticate_are_the_ones_there_are():
    section = README.read_text().split("### How the client proves who it is\n")[1].split("\n### ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(CLIENT_AUTH)


def test_the_events_of_a_sign_in_have_the_fields_that_are_told():
    section = README.read_text().split("### With a browser on the device\n")[1].split("\n### ")[0]
    told = [json.loads(line) for line in section.splitlines() if line.startswith('{"event"')]
    assert [list(event)[2:] for event in told] == [
        ["authorization_uri", "redirect_uri", "expires_in"],
        ["scope", "not_granted", "expires_in", "has_refresh_token"],
    ]
    assert SETTINGS["pairing.timeout"].default == 1000 * told[0]["expires_in"]
