"""The commands as processes, against the simulator's real server and broker."""

import json
import signal
import stat
import subprocess

import pytest
from support.agent_process import PROGRAM, environment, run, started
from support.cloud import CLIENT_ID, CONFIDENTIAL_CLIENT_ID, SECRET, cloud
from support.ports import closed_port
from support.processes import until


@pytest.fixture(scope="module")
def simulated():
    with cloud(interval_s=1, access_token_lifetime_s=3600) as running:
        yield running


@pytest.fixture
def common(simulated, tmp_path):
    return [
        *("--issuer", simulated.issuer, "--client-id", CLIENT_ID, "--insecure-http"),
        *("--state-dir", str(tmp_path / "state")),
    ]


def paired(simulated, common, *more):
    with started("pair", *common, *more) as agent:
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("paired")
        assert agent.end() == 0
        return agent.events


def test_pair_then_token_exec_status_unpair(simulated, common, tmp_path):
    events = paired(simulated, common, "--scope", "telemetry:write offline_access")
    assert [event["event"] for event in events] == ["code", "paired"]
    assert events[1]["scope"] == "telemetry:write offline_access" and events[1]["has_refresh_token"] is True
    folder = tmp_path / "state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600

    token = run("token", *common)
    assert token.returncode == 0 and token.stdout.count(".") == 2 and token.stderr == ""
    as_json = json.loads(run("token", *common, "--json").stdout)
    assert as_json["event"] == "token" and as_json["access_token"] == token.stdout.strip()

    shown = run("exec", *common, "--", "sh", "-c", 'printf %s "$PAIRLET_ACCESS_TOKEN"; exit 7')
    assert shown.stdout == token.stdout.strip() and shown.returncode == 7

    status = json.loads(run("status", *common, "--json").stdout)
    assert status["paired"] is True and 3500 < status["expires_in"] <= 3600
    assert "is paired" in run("status", *common).stdout

    assert "not paired any more" in run("unpair", *common).stdout
    assert run("token", *common).returncode == 6
    assert "was not paired" in run("unpair", *common).stdout
    assert "revocation" in str(simulated.server.events)


def test_what_the_server_could_not_be_told_is_said_and_made_up_for(simulated, common):
    paired(simulated, common)
    with closed_port() as port:
        nowhere = ["--set", f"oauth.revocation_endpoint=http://127.0.0.1:{port}/revoke"]
        done = run("unpair", *common, *nowhere)
    assert done.returncode == 0 and "could not be told" in done.stderr
    assert "Run `pairlet unpair` again" in done.stderr
    said = json.loads(run("status", *common, "--json").stdout)
    assert said["paired"] is False and said["revocation_pending"] is True
    assert "still to be told" in run("status", *common).stdout
    done = run("unpair", *common)
    assert done.returncode == 0 and "not paired any more" in done.stdout
    assert json.loads(run("status", *common, "--json").stdout)["revocation_pending"] is False


def test_whoever_pairs_is_told_that_an_un_pairing_comes_first(tmp_path):
    with closed_port() as port:
        issuer = f"http://127.0.0.1:{port}"
        note = {"token": "r1", "token_type_hint": "refresh_token", "issuer": issuer, "client_id": CLIENT_ID}
        (tmp_path / "state").mkdir(0o700)
        (tmp_path / "state/revocation").write_text(json.dumps(note))
        words = ["--issuer", issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        with started("pair", *words, "--state-dir", str(tmp_path / "state")) as pairing:
            until(lambda: pairing.errors, "a word for people")
    assert pairing.errors[0] == "Starting: telling the server of an un-pairing.\n"


def test_what_was_not_granted_is_said(simulated, common):
    paired(simulated, common)
    wanted = [*common, "--scope", "telemetry admin"]
    assert json.loads(run("status", *wanted, "--json").stdout)["not_granted"] == "telemetry admin"
    assert "not granted: telemetry admin" in run("status", *wanted).stdout


def test_denied_is_exit_code_3(simulated, common):
    with started("pair", *common) as agent:
        simulated.approve(agent.wait_for("code"), "deny")
        agent.wait_for("denied")
        assert agent.end() == 3
        assert [event["event"] for event in agent.events] == ["code", "denied"]
        assert any("new code" in line for line in agent.errors)


def test_expired_is_exit_code_4(tmp_path):
    with cloud(interval_s=1, code_lifetime_s=2) as short:
        words = ["--issuer", short.issuer, "--client-id", CLIENT_ID, "--insecure-http"]
        with started("pair", *words, "--state-dir", str(tmp_path / "state")) as agent:
            agent.wait_for("expired")
            assert agent.end() == 4


def test_a_confidential_client_authenticates(simulated, common, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    for method in ("client_secret_basic", "client_secret_post"):
        words = ["--client-id", CONFIDENTIAL_CLIENT_ID, "--client-secret-file", str(secret)]
        settings = ["--set", f"oauth.client_auth={method}", "--state-dir", str(tmp_path / method)]
        assert paired(simulated, common, *words, *settings)[-1]["event"] == "paired"


def test_the_configuration_file_and_what_overrides_it(simulated, tmp_path):
    (tmp_path / "conf").mkdir()
    file = tmp_path / "conf" / "pairlet.toml"
    file.write_text(
        f'[oauth]\nissuer = "{simulated.issuer}"\nclient_id = "wrong"\ninsecure_http = true\n'
        '[store]\ndir = "state"\n'
    )
    events = paired(simulated, ["--config", str(file), "--client-id", CLIENT_ID])
    assert events[-1]["event"] == "paired"
    # A relative path in the file starts from the file, wherever the command is started.
    assert (tmp_path / "conf" / "state" / "token").exists()


def test_ctrl_c_while_polling_is_130_and_prompt(simulated, common):
    with started("pair", *common) as agent:
        agent.wait_for("code")
        agent.process.send_signal(signal.SIGINT)
        assert agent.end(10) == 130
        assert "Traceback" not in "".join(agent.errors)


def test_sigterm_ends_run_with_0_and_says_offline(simulated, common, tmp_path):
    paired(simulated, common)
    broker = ["--set", f"mqtt.url={simulated.broker_url}", "--set", "mqtt.version=3.1.1"]
    with started("run", *common, *broker, "--set", "telemetry.interval=200ms") as agent:
        agent.wait_for("published")
        device_id = json.loads((tmp_path / "state" / "device").read_bytes())["device_id"]
        topic = f"devices/{device_id}/status"
        assert simulated.call(simulated.broker.retained, topic) == b"online"
        agent.process.terminate()
        assert agent.end() == 0
        assert simulated.call(simulated.broker.retained, topic) == b"offline"
        assert "Traceback" not in "".join(agent.errors)


def test_run_pairs_by_itself_and_sigusr1_asks_for_a_code(simulated, common):
    with started("run", *common, "--set", "pairing.start=prompt") as agent:
        until(lambda: "waits for a person" in run("status", *common).stdout, "the agent to wait for a person")
        agent.process.send_signal(signal.SIGUSR1)
        simulated.approve(agent.wait_for("code"))
        agent.wait_for("paired")
        agent.process.terminate()
        assert agent.end() == 0


def test_the_work_goes_on_when_nobody_reads(simulated, common):
    """A closed stdout must not cost a pairing that a person is about to approve."""
    process = subprocess.Popen(
        [*PROGRAM, "pair", *common, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    code = json.loads(process.stdout.readline())
    process.stdout.close()
    simulated.approve(code)
    assert process.wait(30) == 0
    assert b"BrokenPipe" not in process.stderr.read()
    assert run("token", *common).returncode == 0


@pytest.mark.parametrize("garbage", [b"", b"{", b'{"version": 77}', bytes(range(100, 164))])
def test_a_corrupt_token_is_kept_aside_and_said(simulated, common, tmp_path, garbage):
    paired(simulated, common)
    (tmp_path / "state" / "token").write_bytes(garbage)
    done = run("token", *common, "--json")
    assert done.returncode == 6
    assert [json.loads(line)["exit_code"] for line in done.stdout.splitlines()] == [8, 6]
    assert (tmp_path / "state" / "token.corrupt-1").read_bytes() == garbage


TROUBLE = [
    (["pair", "--set", "oauth.isuer=x"], 2, "Did you mean oauth.issuer?"),
    (["pair", "--set", "nonsense"], 2, "TABLE.KEY=VALUE"),
    (["pair", "--set", "telemetry.interval=soon"], 2, "duration"),
    (["pair", "--issuer", "auth.example.com"], 2, "https"),
    (["pair", "--issuer", "http://127.0.0.1:1"], 2, "--insecure-http"),
    (["pair", "--issuer", "https://127.0.0.1:1", "--client-id", "x"], 5, "refused"),
    (["pair", "--issuer", "https://no.such.host.invalid", "--client-id", "x"], 5, "no.such.host.invalid"),
    (["pair", "--config", "/no/such/file.toml"], 2, "No such file"),
    (["pair", "--client-secret-file", "/no/such/file"], 2, "client secret"),
    (["pair", "--ca-file", "/no/such/file.pem"], 2, "/no/such/file.pem"),
    (["pair", "--display", "hologram"], 2, "hologram"),
    (["token"], 6, "not paired"),
    (["exec", "--", "true"], 6, "not paired"),
]


@pytest.mark.parametrize(("words", "exit_code", "said"), TROUBLE)
def test_misuse_and_trouble_are_one_clear_sentence(words, exit_code, said, tmp_path):
    base = ["--state-dir", str(tmp_path / "state")]
    if "--issuer" not in words:
        base += ["--issuer", "https://127.0.0.1:1"]
    if "--client-id" not in words:
        base += ["--client-id", "x"]
    command, rest = words[0], words[1:]
    done = run(command, *base, *rest)
    assert done.returncode == exit_code, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_missing_client_id_is_named(tmp_path):
    done = run(
        "pair", "--issuer", "https://127.0.0.1:1", "--state-dir", str(tmp_path / "state"), HOME=str(tmp_path)
    )
    assert done.returncode == 2 and "--client-id" in done.stderr


def test_metadata_of_another_issuer_is_an_identity_problem(simulated, common):
    done = run("pair", *common, "--issuer", simulated.issuer + "/")
    assert done.returncode == 7 and "another issuer" in done.stderr


def test_a_state_folder_that_others_can_write_is_refused(common, tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o777)
    done = run("status", *common)
    assert done.returncode == 8 and "Traceback" not in done.stderr


def test_a_toml_mistake_is_named_with_its_line(tmp_path):
    file = tmp_path / "pairlet.toml"
    file.write_text("[oauth]\nissuer = \n")
    done = run("status", "--config", str(file))
    assert done.returncode == 2 and "line 2" in done.stderr


def test_version_and_help():
    assert run("--version").stdout.startswith("pairlet ")
    for command in ("pair", "run", "token", "exec", "status", "unpair"):
        done = run(command, "--help")
        assert done.returncode == 0 and "--state-dir" in done.stdout
