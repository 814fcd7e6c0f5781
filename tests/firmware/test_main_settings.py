"""firmware/main.py on a MicroPython without hardware: what a board can't use is refused in words."""

from pathlib import Path

from support import micropython

SCRIPT = """
import sys
import main
from pairlet.core.errors import ConfigError

OAUTH = {"issuer": "https://a.example", "client_id": "lamp"}


class Entropy:
    def random_bytes(self, count):
        return bytes(count)


class Clock:
    def now(self):
        return 0


class Fake:
    clock = Clock()
    entropy = Entropy()

    def __getattr__(self, name):
        return None

    def _hear(self, event, **fields):
        pass


def told(function, *arguments):
    try:
        function(*arguments)
        print("fine")
    except ConfigError as error:
        print(error, "|", error.advice)


def tables(**more):
    oauth = OAUTH.copy()
    oauth.update(more)
    return {"oauth": oauth, "pairing": {"device_id": "d1", "device_name": "Lamp"}}


told(main.check, tables())
told(main.check, tables(provider="okta"))
told(main.check, tables(grant="authorization_code"))
told(main.check, tables(dpop=True))
agent = main.Firmware._make_agent(Fake(), main.check(tables(dialect={"error": ["message"]})), {})
print(type(agent.ports.http).__name__)
told(main.Firmware._make_agent, Fake(), main.check(tables(dialect={"fromat": "json"})), {})
settings = main.check(tables(dialect={"error": ["message"]}))
# As on a board to which nobody has brought it.
sys.modules["pairlet.translating"] = main
told(main.Firmware._make_agent, Fake(), settings, {})
"""


def test_what_a_board_can_not_use_is_refused_in_words(tmp_path: Path) -> None:
    for name in ("machine", "network"):
        (tmp_path / f"{name}.py").write_text("")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = micropython.ROOT
    answer = micropython.run([script], path=[tmp_path, root / "firmware", root / "agent"], heap="4M")
    assert answer.returncode == 0, answer.stdout
    lines = answer.stdout.splitlines()
    assert lines[0] == "fine"
    assert "reads no profiles" in lines[1] and "pairlet flash --config" in lines[1]
    assert "no browser" in lines[2]
    assert "oauth.dpop" in lines[3]
    assert lines[4] == "TranslatedHttp"
    assert "fromat" in lines[5]
    assert "no code for oauth.dialect" in lines[6] and "pairlet flash" in lines[6]


MACHINE = """
I2C = None


def reset():
    print("reset")
"""
START = """
import main


class Time:
    @staticmethod
    def sleep(seconds):
        print("after", seconds)


def full():
    raise MemoryError("no room")


main.time, main.read_config = Time, full
main.main()
"""


def test_a_heap_that_is_full_at_the_start_is_told_and_the_board_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "machine.py").write_text(MACHINE)
    (tmp_path / "network.py").write_text("")
    (tmp_path / "framebuf.py").write_text("MONO_VLSB = 0\n\nclass FrameBuffer:\n    pass\n")
    script = tmp_path / "script.py"
    script.write_text(START)
    root = micropython.ROOT
    answer = micropython.run([script], path=[tmp_path, root / "firmware", root / "agent"], heap="4M")
    assert answer.returncode == 0 and "Traceback" not in answer.stdout, answer.stdout
    lines = answer.stdout.splitlines()
    assert lines[0] == "pairlet: a fault: MemoryError no room" and lines[2:] == ["after 60", "reset"]
