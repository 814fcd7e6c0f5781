"""`pairlet sim conformance`: what it refuses, what it prints, and how it ends when somebody stops it."""

import json
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from pairlet_sim.commands import command
from support.conformance import CONFORMANCE, bad_client
from support.processes import marked_environment, marked_processes, until
from support.terminal import CursorTerminal, at_terminal

ECHO = [
    sys.executable, "-c", "import sys; print(open(sys.argv[1]).read(), sys.argv[2:])", "{client_secret_file}",
    "{issuer}", "{token_endpoint}", "{revocation_endpoint}", "{client_id}", "{state_dir}",
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["--", "true"], "no {issuer}"),
        (["--", "true", "{isuer}"], "{isuer}"),
        (["--", "no-such-program", "{issuer}"], "no such program"),
        (["--then", "no-such-program", "--", "true", "{issuer}"], "Check --then"),
        (["--then", "'", "--", "true", "{issuer}"], "--then can't be read"),
        (["--unpair", " ", "--", "true", "{issuer}"], "--unpair is empty"),
        (["--only", "slow_dwn", "--", "true", "{issuer}"], "Did you mean slow_down?"),
        (["--skip", "nonsense", "--", "true", "{issuer}"], "--list"),
        (["--only", "drip", "--skip", "drip", "--", "true", "{issuer}"], "leaves no scenario"),
        (["--jobs", "0", "--", "true", "{issuer}"], "jobs"),
        (["--logs", "/proc/nowhere", "--", "true", "{issuer}"], "--logs"),
    ],
)
def test_usage(arguments, said, capsys):
    assert command(["conformance", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_file_that_is_no_program(tmp_path, capsys):
    program = tmp_path / "program"
    program.write_text("not a program\n")
    program.chmod(0o755)
    assert command(["conformance", "--only", "ordinary", "--", str(program), "{issuer}"]) == 2
    assert "can't be run" in capsys.readouterr().err


def test_what_people_read_and_what_the_logs_keep(tmp_path, capsys):
    logs = tmp_path / "logs" / "of-today"
    only = ["--only", "ordinary", "--only", "metadata_no_device_endpoint,tls_expired"]
    client = bad_client("pair", "talkative")
    assert command(["conformance", *only, "--logs", str(logs), "--", *client]) == 6
    out, err = capsys.readouterr()
    assert "failed          ordinary\n" in out
    assert "it showed the device_code (item 11, RFC 8628 section 3.3)" in out
    assert "not applicable  tls_expired  the commands take no {ca_file}" in out
    assert "0 passed, 1 failed, 2 not applicable" in out
    assert err.count("left)\n") == 3
    assert (logs / "ordinary/1-pair.stdout").read_text().startswith("Open http")
    kinds = [json.loads(line)["kind"] for line in (logs / "ordinary/journal.jsonl").read_text().splitlines()]
    # A person who takes longer, as on a busy machine, is waited for by more of them.
    assert kinds[:3] == ["device_authorization", "poll", "poll"] and set(kinds[3:]) <= {"poll"}
    assert not (logs / "tls_expired").exists()


def test_a_table_on_a_terminal():
    words = ["--only", "ordinary,access_denied", "--", *bad_client("pair", "careless")]
    with at_terminal(words, columns=160, rows=40, screen=CursorTerminal, program=CONFORMANCE) as session:
        assert session.end() == 6
        text = session.screen.text()
    assert "│ ordinary      │ passed  │" in text
    assert "ended with 0, as if it had worked" in text
    assert "(item 19, RFC 8628 section 3.5)" in text


def test_placeholders_are_filled_in(tmp_path):
    command(["conformance", "--only", "ordinary", "--logs", str(tmp_path), "--", *ECHO])
    secret, _, said = (tmp_path / "ordinary/1-pair.stdout").read_text().partition("\n")
    assert len(secret) > 12
    issuer = said.split("'")[1]
    assert issuer.endswith("/s/ordinary")
    assert f"'{issuer}/token', '{issuer}/revoke', 'conformance', '{tempfile.gettempdir()}/" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_whoever_has_had_enough_leaves_nothing_behind(number, code, tmp_path):
    """Stopped while clients run that have children of their own, one of which ignores SIGTERM."""
    environ, mark = marked_environment(TMPDIR=str(tmp_path))
    works = shlex.join(bad_client("pair", "none")[:4])
    # The ordinary scenario has to work, or no other would be tried.
    script = f"""
        case "$1" in */ordinary) exec {works} "$@";; esac
        trap '' TERM
        sleep 300 & sleep 300 & wait; wait
    """
    client = ["sh", "-c", script, "sh", "{issuer}", "{client_id}", "{state_dir}"]
    words = ["--only", "silence,drip", "--", *client]
    process = subprocess.Popen(
        [*CONFORMANCE, *words], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def sleepers() -> int:
        return sum("sleep" in line.split()[:1] for line in marked_processes(mark).values())

    try:
        until(lambda: sleepers() == 4, "two clients with two children each")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert (out, err) == ("", "")
    until(lambda: not marked_processes(mark), "everything to end")
    assert list(Path(tmp_path).iterdir()) == []


def test_children_of_a_client_end_with_it(tmp_path):
    environ, mark = marked_environment()
    words = [*CONFORMANCE, "--only", "ordinary", "--", *bad_client("pair", "fertile")]
    ran = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stdout
    until(lambda: not marked_processes(mark), "the client's child to end")
