"""The READMEs' command lines are ones that there are, and what they show is what comes.

Every line of every block that is not in a language is sorted here: one of `pairlet` is given to the real
parser, one of `./run` is compared with the script; another program's has to be known. So are the commands in
the running text. What a line shows as output is compared with what the code says where that takes no board,
no systemd and no hours; `tests/e2e/test_readme_story.py` runs those that take a server.
"""

import json
import re
import shlex
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import NamedTuple

import pytest
from bench.command import BENCHMARKS
from pairlet.core import errors
from pairlet.core.screen import CODE, Screen
from pairlet.linux.cli import main
from pairlet.linux.options import parser
from pairlet.linux.standing import words
from pairlet.linux.standing.facts import WORKING, Facts
from pairlet_sim.conformance.trial import FAILED, NOT_APPLICABLE, PASSED, Result
from pairlet_sim.conformance.view import LineView
from pairlet_sim.faults.scenarios import ALL, BY_NAME
from support.drawn import Drawn
from support.grammars import all_commands, understood

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "agent/README.md", "simulator/README.md", "firmware/README.md")
# Programs that are not ours, which a person has or gets: a line of theirs is not for us to prove.
OTHERS = {"pip", "mosquitto_pub", "mpremote", "esptool", "curl", "install", "printf"}
# First words of lines in blocks that are no commands: output, settings, JSON, pictures, a profile's file.
NO_COMMAND = re.compile(
    r"""ok  |warn  |FAIL  |-> |"""
    r"""[{\[|#"]|\.\.\.|passed |failed |not applicable|it ended|\d+ passed|devices/|pairlet-\w+: |"""
    r"""\d{4}-\d\d-\d\dT|\w+ = |[\u2580-\u259f\u2588 ]|from |with |async |board\.|print|await """
)


class Line(NamedTuple):
    """A command as a README has it, and from which block."""

    readme: str
    text: str


def blocks(readme: str) -> list[str]:
    """The blocks without a language or in sh, fenced or indented."""
    text = (ROOT / readme).read_text()
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"(?:^\n|\A)((?:^    [^\n]*\n|^\n(?=    ))+)", rest, re.MULTILINE)
    return [body for language, body in fenced if language in ("", "sh")] + [
        re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in indented
    ]


def lines_of(readme: str) -> list[Line]:
    """Each command line in the blocks of `readme`: continued lines are one, pipes are several."""
    found = []
    for block in blocks(readme):
        variables = dict(re.findall(r"^(\w)='(.*)'$", block, re.MULTILINE))
        for text in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s{2,}(#|the |an |everything |what ).*|\s+#.*", "", text.rstrip())
            if not line or NO_COMMAND.match(line) or re.match(r"\w='", line):
                continue
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            found += [Line(readme, piece.strip()) for piece in line.split(" | ")]
    return found


def mentioned(readme: str) -> list[Line]:
    """The commands in the text: what stands in backticks and begins with one of ours."""
    text = re.sub(r"^```.*?^```", "", (ROOT / readme).read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"`((?:pairlet|\./run)(?: [^`]*)?)`", text)
    return [Line(readme, " ".join(each.split())) for each in found]


ALL_LINES = [line for readme in READMES for line in lines_of(readme)]
MENTIONED = [line for readme in READMES for line in mentioned(readme)]


def run_commands() -> set[str]:
    """What `./run` knows."""
    source = (ROOT / "run").read_text().split("\ncase $command in\n")[1]
    return set(re.findall(r"^    ([a-z]+)\) ", source, re.MULTILINE))


def fault(text: str) -> str:
    """What is wrong with the command line; "" for nothing."""
    given = shlex.split(text)
    given = given[1:] if given[0] == "sudo" else given
    program = given[0].rpartition("/")[2]
    if given[0] == "./run":
        return fault_of_run(given[1:])
    if program == "pairlet":
        return "" if understood(given[1:]) else "the parser does not take it"
    return (
        "" if program in OTHERS else "nobody knows this program: is it a command? See NO_COMMAND and OTHERS"
    )


def fault_of_run(given: list[str]) -> str:
    """As fault(), for the words after ./run."""
    if not given or given[0] not in run_commands():
        return "./run has no such command"
    rest = [word for word in given[1:] if not word.startswith("[")]
    if given[0] == "demo" and not understood(["demo", *rest]):
        return "the demo does not take it"
    if given[0] == "bench" and not set(rest) <= set(BENCHMARKS):
        return "there is no such benchmark"
    return ""


def test_there_are_lines_to_look_at() -> None:
    texts = [line.text for line in ALL_LINES]
    for text in (
        "./run demo",
        "pairlet run",
        "pairlet flash /dev/ttyUSB0",
        "pairlet token",
        "pairlet sim faultproxy 127.0.0.1:1883 --port 1884",
        "pairlet demo --board --approve auto --for 60s",
    ):
        assert text in texts, text
    assert len(texts) > 30 and len(MENTIONED) > 60


@pytest.mark.parametrize("readme", READMES)
def test_every_command_line_is_one(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {line.text: fault(line.text) for line in ALL_LINES if line.readme == readme}
    assert not [f"{text}: {why}" for text, why in wrong.items() if why], capsys.readouterr().err


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_in_the_text_are_there(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what they take left out: `pairlet flash` and `pairlet sim board` speak of the command alone."""
    names = {command.name for command in all_commands()}
    for text in (line.text.replace("COMMAND", "run") for line in MENTIONED if line.readme == readme):
        if text.startswith("./run"):
            assert not fault_of_run(text.split()[1:]), text
            continue
        alone = " ".join(each for each in text.split() if not each.startswith("--"))
        is_name = alone in names or re.sub(r" (FILE|PORT|CMD|CLIENT|HOST:PORT)$", "", alone) in names
        assert is_name or understood(shlex.split(text)[1:]), f"{text}: {capsys.readouterr().err}"


def test_the_table_has_every_command() -> None:
    table = (ROOT / "README.md").read_text().split("| command | does |\n")[1].split("\n\n")[0]
    for command in all_commands():
        if command.is_leaf:
            last = command.words[-1]
            assert f"`{command.name}" in table or f"`{last}`" in table, f"the table lacks {command.name}"


def anchors(readme: Path) -> set[str]:
    """What a link may name in `readme`: its headings, in lower case, words joined by dashes."""
    text = re.sub(r"^```.*?^```", "", readme.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("readme", READMES)
def test_links_lead_somewhere(readme: str) -> None:
    here = ROOT / readme
    for target in re.findall(r"\]\(([^)\s]+)\)", here.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (here.parent / name) if name else here
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


# ---- what they show ---------------------------------------------------------------------------


def shown(readme: str, pattern: str) -> str:
    """The one line of `readme` that matches `pattern` from its start."""
    (line,) = re.findall(rf"^ *({pattern}.*)$", (ROOT / readme).read_text(), re.MULTILINE)
    return str(line)


def test_the_screen_is_the_one_that_a_terminal_shows() -> None:
    picture = (ROOT / "README.md").read_text().split("```\n")[1]
    address = "https://auth.example.com/device"
    drawn = Drawn(100, 40)
    code = "VCPW-RPFH"
    drawn.show(
        Screen(
            CODE,
            user_code=code,
            verification_uri=address,
            verification_uri_complete=f"{address}?user_code={code}",
            remaining_s=599,
        )
    )
    seen = [line.strip() for line in drawn.terminal.text().splitlines() if line.strip()]
    said = [line.strip() for line in picture.splitlines() if line.strip()]
    whole = [line for line in said if not line.startswith("...")]
    missing = [line for line in whole if line not in seen]
    assert not missing, "\n".join(["the README shows", *missing, "and the terminal", *seen])
    assert said[-2].endswith("Valid for 9:59") and said[-1] in seen


def test_the_exit_codes_are_the_contract_s() -> None:
    text = " ".join((ROOT / "README.md").read_text().split("\nExit codes: ")[1].split("\n\n")[0].split())
    told = {
        int(number): meaning.rstrip(".") for number, meaning in re.findall(r"(\d+) ([^·]+?)(?: ·|$)", text)
    }
    known = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert set(told) == known
    helped = " ".join((parser().epilog or "").split("exit codes:")[1].split())
    for number, meaning in told.items():
        assert re.search(rf"(^| ){number} {re.escape(meaning.partition(',')[0])}", helped), meaning


def test_the_line_of_status_is_what_an_agent_says() -> None:
    line = shown("agent/README.md", r"pairlet-1c2d3e4f: ")
    facts = Facts(
        phase=WORKING,
        paired=True,
        token_left_ms=41 * 60_000,
        token_has_end=True,
        can_refresh=True,
        broker=True,
        connected_ms=3 * 3_600_000,
        backlog=312,
        acknowledged_ms=3000,
    )
    assert line == "pairlet-1c2d3e4f: " + words.line(facts)


def test_the_line_of_the_log_is_what_the_log_says() -> None:
    line = shown("agent/README.md", r"2026-11-21T11:23:02\.726")
    facts = Facts(
        paired=True,
        token_left_ms=41 * 60_000,
        token_has_end=True,
        can_refresh=True,
        refresh_in_ms=33 * 60_000,
    )
    said = "; ".join([*words.token_words(facts), words.next_refresh(facts)])
    start, _, rest = line.partition(" info status: ")
    assert re.fullmatch(r"[\d-]+T[\d:.]+\+\d\d:\d\d", start)
    assert rest.endswith("; ...") and re.sub(r"\d\d:\d\d", "", rest[:-5]) == re.sub(r"\d\d:\d\d", "", said)


def test_what_conformance_prints(capsys: pytest.CaptureFixture[str]) -> None:
    block = next(each for each in blocks("simulator/README.md") if "conformance -- my-client" in each)
    view = LineView(3)
    results = [
        Result(BY_NAME["slow_down"], PASSED),
        Result(BY_NAME["bad_gateway"], FAILED),
        Result(BY_NAME["refresh_rotation"], NOT_APPLICABLE, reason="there is no --then command"),
    ]
    view.show(results)
    said = capsys.readouterr().out.splitlines()
    told = [line.rstrip() for line in block.splitlines()]
    for line in (said[0], said[1], said[2]):
        assert line.rstrip() in told, line
    pattern = re.sub(r"\d+", r"\\d+", re.escape(said[-1]))
    assert any(re.fullmatch(pattern, line) for line in told), pattern
    figures = re.search(r"(\d+) passed, (\d+) failed, (\d+) not applicable", block)
    assert figures is not None and sum(map(int, figures.groups())) == len(ALL)


def test_the_list_of_the_faults_has_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "faults", "--list", "--json"]) == 0
    listed = [json.loads(line)["scenario"] for line in capsys.readouterr().out.splitlines()]
    named = set(re.findall(r"/s/(\w+)", (ROOT / "simulator/README.md").read_text()))
    assert named and named <= set(listed)


def needed(name: str) -> set[str]:
    """The package `name` and all that it needs without extras, as pip would find them here."""
    direct = [each for each in requires(name) or () if "extra ==" not in each and "sys_platform" not in each]
    below = {re.split(r"[^\w.-]", each)[0].lower().replace("_", "-") for each in direct}
    return {name}.union(*(needed(each) for each in below))


def test_the_packages_are_as_many_as_is_said() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(project["scripts"]) == ["pairlet"]
    direct = {re.split(r"[^\w.-]", each)[0].lower() for each in project["dependencies"]}
    counted = int(shown("README.md", r"pip install \.").partition("# ")[2].split()[0])
    assert len(set[str]().union(*map(needed, direct))) == counted
