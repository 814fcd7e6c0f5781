"""The READMEs' Python: each block is run here, or with a server in tests/e2e/test_readme_programs.py."""

import ast
import asyncio
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import requests
from pairlet.core.command_error import CommandError
from pairlet.core.device_grant import DeviceGrant
from pairlet.core.http import Response
from pairlet.core.machine import Send
from support import micropython

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "agent/README.md", "simulator/README.md", "firmware/README.md")
# By words that only one block has: where it is run.
HERE = {
    "action = grant.next_action(now)": "test_a_machine_is_asked_and_told",
    "def read_co2": "test_the_sensors",
    "# my_door.py, beside": "test_the_handler_on_linux",
    "from machine import Pin": "test_the_handler_on_a_board",
    "from pairlet_sim.authserver": "test_the_authorization_server",
    "from pairlet_sim.faults.serving": "test_the_fault_server",
    "from pairlet_sim.faultproxy": "test_the_fault_proxy",
    "with VirtualBoard(": "test_the_virtual_board",
}
ELSEWHERE = ("from pairlet import BearerAuth", "from pairlet import Device", "HttpxBearerAuth")


def blocks() -> list[str]:
    """Every block of Python, also the indented one."""
    found = []
    for readme in READMES:
        text = (ROOT / readme).read_text()
        found += re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        found += re.findall(r"^\n((?:    [^\n]*\n|\n(?=    ))+)", text, re.MULTILINE)
    return [
        re.sub(r"^    ", "", each, flags=re.MULTILINE) if each.startswith("    ") else each for each in found
    ]


def block(words: str) -> str:
    """The one with these words in it."""
    (found,) = [each for each in blocks() if words in each]
    return found


def run(code: str, **names: Any) -> dict[str, Any]:
    """Run `code`, which may await, with `names` known; what it defines."""
    known: dict[str, Any] = {"asyncio": asyncio, **names}
    compiled = compile(code, "README", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, known)
    if asyncio.iscoroutine(result):
        asyncio.run(asyncio.wait_for(result, 60))
    return known


def test_every_block_is_run_somewhere() -> None:
    for code in blocks():
        if re.match(r"(from|import|async|def|action|#|with) ?", code):
            found = [words for words in (*HERE, *ELSEWHERE) if words in code]
            assert found, f"say in HERE where this is run:\n{code}"
    assert all(name in globals() for name in HERE.values())


def test_a_machine_is_asked_and_told() -> None:
    from pairlet.core.client import Client
    from pairlet.core.metadata import ServerMetadata

    address = "https://auth.example.com/"
    metadata = ServerMetadata(None, {"device_authorization_endpoint": address, "token_endpoint": address})
    code = block("action = grant.next_action(now)").splitlines()
    for told in code[1:]:
        grant = DeviceGrant(metadata, Client("tv"), seed=b"1234")
        known = {"grant": grant, "now": 0, "response": Response(502, [], b"")}
        names = run("\n".join((code[0], told)), **known)
        assert isinstance(names["action"], Send) and grant.state == "ready"


def test_the_sensors() -> None:
    names = run(block("def read_co2"))
    assert names["read_co2"]() == {"co2_ppm": 421, "air_celsius": 21.5}
    assert asyncio.run(names["read_door"]()) is None


def test_the_handler_on_linux() -> None:
    open_door = run(block("# my_door.py, beside"))["on_open_door"]
    assert open_door({"pin": 1234}) == {"opened": True}
    with pytest.raises(CommandError) as refusal:
        open_door({"pin": 1})
    assert refusal.value.error == "wrong_pin"


def test_the_handler_on_a_board(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Pin:
        """As the chip's."""

        OUT = 1

        def __init__(self, number: int, mode: int):
            said.append(f"pin {number} {mode}")

        def on(self) -> None:
            """Up."""
            said.append("on")

        def off(self) -> None:
            """Down."""
            said.append("off")

    machine = types.ModuleType("machine")
    machine.Pin = Pin  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "machine", machine)
    open_door = run(block("from machine import Pin"))["on_open_door"]
    assert asyncio.run(open_door({"seconds": 0})) == {"opened": True} and said == ["pin 15 1", "on", "off"]


def test_the_authorization_server() -> None:
    code = block("from pairlet_sim.authserver")
    asked, got = re.findall(r"^    \.\.\. .*$", code, re.MULTILINE)
    code = code.replace(asked, '    codes = await ask("/device_authorization", scope="profile")')
    code = code.replace(
        got, '    tokens = await ask("/token", grant_type=grant, device_code=codes["device_code"])'
    )
    known: dict[str, Any] = {
        "my_clock": lambda: 1_000_000.0,
        "grant": "urn:ietf:params:oauth:grant-type:device_code",
    }

    async def ask(path: str, **fields: str) -> dict[str, Any]:
        address = known["issuer"] + path
        answer = await asyncio.to_thread(requests.post, address, {"client_id": "tv", **fields}, timeout=30)
        return dict(answer.json())

    compiled = compile(code, "README", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    known |= {"asyncio": asyncio, "ask": ask}
    asyncio.run(asyncio.wait_for(eval(compiled, known), 60))
    assert known["tokens"]["token_type"].lower() == "bearer"
    assert known["server"].events and known["server"].pairings()[0].revoked_at == 1_000_000.0


def test_the_fault_server() -> None:
    assert (
        run(block("from pairlet_sim.faults.serving"))["faults"]
        .issuer("bad_gateway")
        .endswith("/s/bad_gateway")
    )


def test_the_fault_proxy() -> None:
    """No client comes here, so that none of its PUBACKs is waited for."""
    code = block("from pairlet_sim.faultproxy").replace("held == 20", "held == 0")
    assert run(code)["proxy"].state()["accepted"] == 0


def test_the_virtual_board(capsys: pytest.CaptureFixture[str]) -> None:
    micropython.required()
    run(block("with VirtualBoard("))
    assert re.search(r"b'.+'", capsys.readouterr().out)


def test_the_control_lines_are_json_that_a_board_knows() -> None:
    text = (ROOT / "simulator/README.md").read_text()
    lines = re.findall(
        r'\{"\w+": [^{}]*\}', text.split("A line of JSON into the control socket")[1].split("\n\n")[1]
    )
    source = (ROOT / "simulator/pairlet_sim/board/control.py").read_text()
    known = set(re.findall(r'"(\w+)"', source))
    assert len(lines) >= 10
    assert {name for line in lines for name in list(json.loads(line))[:1]} <= known
