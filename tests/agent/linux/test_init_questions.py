"""The conversation of `pairlet init`, with somebody who types in memory and a server that is a table."""

import contextlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pairlet.config import Config
from pairlet.core.errors import ConfigError, IssuerError, PairletError, TlsError, TransportError
from pairlet.core.metadata import ServerMetadata
from pairlet.linux import commands_init
from pairlet.linux.commands import read_configuration
from pairlet.linux.commands_provider import with_provider
from pairlet.linux.init.judging import Found
from pairlet.linux.init.talk import Stopped, Talk
from pairlet.linux.options import parser
from pairlet.linux.output import Output
from support.typing_person import CTRL_D, TypingPerson

README = Path(__file__).parents[3] / "agent" / "README.md"
ISSUER = "https://auth.example.com"
MEMBERS: dict[str, Any] = {
    "issuer": ISSUER,
    "device_authorization_endpoint": ISSUER + "/device",
    "authorization_endpoint": ISSUER + "/authorize",
    "token_endpoint": ISSUER + "/token",
    "code_challenge_methods_supported": ["S256"],
    "scopes_supported": ["openid", "offline_access", "telemetry:write"],
}
ANSWERS: dict[str, list[str | bytes]] = {"its issuer": [ISSUER], "client_id": ["my-tv"]}


class Scene:
    """A folder with nothing in it, a server of `members`, and a run of the command."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder = folder
        self.file = folder / "pairlet.toml"
        self.members = dict(MEMBERS)
        self.trouble: list[PairletError] = []
        self.asked: list[dict[str, Any]] = []
        self.person: TypingPerson | None = None
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        monkeypatch.chdir(folder)
        monkeypatch.setattr(commands_init, "_look_up", self._look_up)
        monkeypatch.setattr(commands_init, "_talk", self._talk)

    def _talk(self, options: Any, output: Output) -> Talk | None:
        return Talk(self.person, self.person.stream) if self.person is not None else None  # type: ignore[arg-type]

    def _look_up(self, oauth: dict[str, Any]) -> Found:
        self.asked.append(oauth)
        if self.trouble:
            raise self.trouble.pop(0)
        if "issuer" not in oauth:
            endpoints = {name: value for name, value in oauth.items() if name.endswith("_endpoint")}
            return Found(ServerMetadata(None, endpoints), {})
        members = {**self.members, "issuer": oauth["issuer"]}
        return Found(ServerMetadata.from_answer(members, oauth["issuer"], True), members)

    def run(self, *words: str, answers: dict[str, list[str | bytes]] | None = None) -> Config:
        """The configuration as the agent reads it, after `pairlet init WORDS`."""
        self.person = TypingPerson(answers) if answers is not None else None
        options = parser().parse_args(["init", *words])
        assert commands_init.init(options, Output(options.json, self.stdout, self.stderr)) == 0
        return with_provider(read_configuration(self.folder / (options.path or "pairlet.toml")))

    def refused(self, *words: str, answers: dict[str, list[str | bytes]] | None = None) -> PairletError:
        """What `pairlet init WORDS` ends with, when nothing is written."""
        there = sorted(os.listdir(self.folder))
        with pytest.raises(PairletError) as caught:
            self.run(*words, answers=answers)
        assert sorted(os.listdir(self.folder)) == there
        assert caught.value.advice and "\n" not in f"{caught.value}{caught.value.advice}"
        return caught.value

    @property
    def screen(self) -> str:
        assert self.person is not None
        return " ".join(self.person.screen.split())


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


FLAGS = ["--for", "person", "--no-browser", "--issuer", ISSUER, "--client-id", "my-tv"]
FOR_ITSELF = ["--for", "device", "--issuer", ISSUER, "--client-id", "meter"]


def test_files_in_set_are_named_from_here(scene: Scene) -> None:
    words = ["--set", "mqtt.ca_file=ca.pem", "--set", "store.dir=sub/state", "--broker", "mqtts://b.example"]
    config = scene.run(*FLAGS, *words, "sub/pairlet.toml")
    assert config.text("mqtt.ca_file") == str(scene.folder / "ca.pem")
    assert config.text("store.dir") == str(scene.folder / "sub" / "state")


def test_what_does_not_go_together_is_not_written(scene: Scene) -> None:
    bound = ["--set", "oauth.dpop=true"]
    assert "mqtt.url" in str(scene.refused(*FLAGS, *bound, "--broker", "mqtts://b.example"))
    assert scene.run(*FLAGS, *bound).flag("oauth.dpop")


# ---- the conversation ----


def test_enter_and_two_answers_make_a_tv(scene: Scene) -> None:
    config = scene.run(answers=ANSWERS)
    assert config.given == {
        "oauth.grant": "device_code",
        "oauth.issuer": ISSUER,
        "oauth.client_id": "my-tv",
        "oauth.scope": "openid offline_access",
    }
    assert "The grant for this is device_code. The device shows a code" in scene.screen
    assert "It offers device_code" in scene.screen and "telemetry:write" in scene.screen
    assert max(map(len, scene.person.screen.splitlines())) < 80  # type: ignore[union-attr]
    told = scene.stderr.getvalue()
    assert "pairlet.toml is written: device_code, checked with the server" in told
    assert all(f"pairlet {command} " in told for command in ("doctor", "pair", "run"))


def test_what_is_seen_in_the_brackets_is_the_default(scene: Scene) -> None:
    del scene.members["scopes_supported"]
    answers = {**ANSWERS, "What may the device": ["none"], "Which broker": ["none"], "Whose": ["14"]}
    config = scene.run(answers={**answers, "Whom does": ["2"], "client secret": ["file"]})
    assert not config.text("oauth.scope") and not config.text("mqtt.url")


def test_a_browser_on_the_device_makes_a_kiosk(scene: Scene) -> None:
    config = scene.run(answers={**ANSWERS, "Is there a browser": ["yes"]})
    assert config.text("oauth.grant") == "authorization_code"
    assert "Register http://127.0.0.1/callback" in scene.stderr.getvalue()


def test_nobody_to_ask_makes_a_sensor_with_a_secret_that_is_only_named(scene: Scene) -> None:
    answers = {**ANSWERS, "Whom does": ["2"], "client secret": ["systemd"], "credential's name": ["meter"]}
    config = scene.run(answers={**answers, "Which broker": ["mqtts://b.example"], "kind of broker": ["emqx"]})
    assert config.given == {
        "oauth.grant": "client_credentials",
        "oauth.issuer": ISSUER,
        "oauth.client_id": "my-tv",
        "oauth.client_secret_credential": "meter",
        "mqtt.url": "mqtts://b.example",
        "mqtt.profile": "emqx",
    }
    assert "browser" not in " ".join(scene.person.asked)  # type: ignore[union-attr]
    assert "pairlet token" in scene.stderr.getvalue()


@pytest.mark.parametrize(
    ("place", "question", "name", "setting"),
    [
        ("file", "Which file", "s", "oauth.client_secret_file"),
        ("variable", "variable's name", "SECRET", "oauth.client_secret_env"),
        ("key", "holds the key", "k.pem", "oauth.client_key_file"),
    ],
)
def test_where_a_secret_is(scene: Scene, place: str, question: str, name: str, setting: str) -> None:
    config = scene.run(answers={**ANSWERS, "client secret?": [place], question: [name]})
    kept = name if place == "variable" else str(scene.folder / name)
    assert config.text(setting) == kept
    assert config.text("oauth.client_auth") == ("private_key_jwt" if place == "key" else "")
    assert ("chmod 600" in scene.stderr.getvalue()) == (place != "variable")


def test_a_provider_by_number_and_by_name_asks_what_it_needs(scene: Scene) -> None:
    answers: dict[str, list[str | bytes]] = {
        "Whose": ["3"],
        "region?": ["eu-central-1"],
        "start_url?": ["https://x.awsapps.com/start"],
    }
    config = scene.run(answers=answers)
    assert config.text("oauth.provider") == "aws" and config.text("oauth.client_id") == "pairlet"
    assert config.text("oauth.token_endpoint") == "https://oidc.eu-central-1.amazonaws.com/token"
    assert "client secret" not in scene.screen  # it registers itself
    answers = {"Whose": ["Auth0"], "its issuer": [ISSUER], "client_id": ["x"], "wants audience": ["api"]}
    config = scene.run("--force", answers=answers)
    assert config.text("oauth.audience") == "api" and config.text("oauth.scope") == "offline_access"
    answers = {"Whose": ["google"], "client_id": ["x"], "scopes": ["-", "email"]}
    config = scene.run("--force", answers=answers)
    assert config.text("oauth.client_secret_file") == str(scene.folder / "client_secret")
    assert "This provider wants a scope" in scene.screen and "key" not in scene.person.asked[4]  # type: ignore[union-attr]


def test_a_profile_of_one_s_own(scene: Scene) -> None:
    (scene.folder / "acme.toml").write_text(
        'name = "Acme"\n[oauth]\ndevice_authorization_endpoint = "https://a.example/code"\n'
        'token_endpoint = "https://a.example/token"\nscope = "all"\n'
    )
    config = scene.run(answers={"Whose": ["./acme.toml"], "client_id": ["x"], "scopes": ["-"]})
    assert config.text("oauth.device_authorization_endpoint") == "https://a.example/code"
    # Taken back, and not merely left out.
    assert config.text("oauth.scope") == ""


@pytest.mark.parametrize(
    ("question", "wrong", "sentence"),
    [
        ("Whom does", "3", "Type a number from 1 to 2"),
        ("Is there a browser", "perhaps", "Type y or n"),
        ("Whose", "githup", "There is no provider 'githup'"),
        ("Whose", "https://auth.example.com", "Take another, which asks for it"),
        ("Whose", "99", "There is no provider '99'"),
        ("Whose", "none.toml", "can't be read"),
        ("its issuer", "auth.example.com", "not an address"),
        ("its issuer", "http://auth.example.com", "https://"),
        ("its issuer", "", "This one takes an answer"),
        ("client_id", "müller", "printable ASCII"),
        ("client_id", b"\xff\xfe", "printable ASCII"),
        ("client_id", "\x1b[D", "printable ASCII"),
        ("client secret?", "6", "Type a number from 1 to 5"),
        ("scopes", 'say "hi"', "neither quotes"),
        ("Which broker", "broker.example.com", "mqtts://HOST"),
        ("Which broker", "mqtt://broker.example.com", "would show the token"),
    ],
)
def test_a_wrong_answer_gets_a_sentence_and_the_question_again(
    scene: Scene, question: str, wrong: str | bytes, sentence: str
) -> None:
    right = str({**ANSWERS}.get(question, [""])[0])
    config = scene.run(answers={**ANSWERS, question: [wrong, right]})
    assert sentence in scene.screen and config.text("oauth.client_id") == "my-tv"


def test_a_secret_that_somebody_types_is_not_repeated(scene: Scene) -> None:
    answers = {**ANSWERS, "client secret?": ["variable"], "variable's name": ["hunter2-hunter2", "SECRET"]}
    scene.run(answers=answers)
    assert "hunter2" not in scene.screen + scene.file.read_text() + scene.stderr.getvalue()


@pytest.mark.parametrize("question", ["Whom does", "its issuer", "client_id", "scopes", "Which broker"])
@pytest.mark.parametrize("typed", [CTRL_D, b"half an answer"])
def test_the_end_of_the_input_ends_it_and_nothing_is_written(
    scene: Scene, question: str, typed: bytes
) -> None:
    keyboard = scene.refused(answers={**ANSWERS, question: [CTRL_D]})
    assert isinstance(keyboard, Stopped) and keyboard.exit_code == 130
    talk = Talk(io.BytesIO(typed), io.StringIO())  # type: ignore[arg-type]
    with pytest.raises(Stopped):
        talk.ask("Well?", str)


def test_a_terminal_that_goes_away_is_the_end(scene: Scene) -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(Stopped):
        Talk(io.BytesIO(b"yes\n"), stream).confirm("Well?")


def test_a_file_that_is_there_is_asked_about_first(scene: Scene) -> None:
    scene.file.write_text("# mine\n")
    error = scene.refused(answers=ANSWERS)
    assert "stays as it is" in str(error) and scene.file.read_text() == "# mine\n"
    assert len(scene.person.asked) == 1  # type: ignore[union-attr]
    assert scene.run(answers={**ANSWERS, "Replace it?": ["y"]}).text("oauth.client_id") == "my-tv"
    assert "Replace it?" not in (scene.run("--force", answers=ANSWERS), scene.screen)[1]


# ---- what the server says ----


def test_a_server_without_the_grant_offers_another(scene: Scene) -> None:
    del scene.members["authorization_endpoint"]
    config = scene.run(answers={**ANSWERS, "Is there a browser": ["y"]})
    assert config.text("oauth.grant") == "device_code"
    assert "The server offers device_code. Take that instead?" in scene.screen


def test_a_server_without_any_is_asked_about_again(scene: Scene) -> None:
    del scene.members["device_authorization_endpoint"]
    answers = {**ANSWERS, "all the same?": ["n", "y"]}
    config = scene.run("--json", answers=answers)
    assert len(scene.asked) == 2 and config.text("oauth.grant") == "device_code"
    notes = json.loads(scene.stdout.getvalue())["notes"]
    assert len(notes) == 1 and "device_authorization_endpoint" in notes[0]


@pytest.mark.parametrize(
    "error", [TransportError("no route"), IssuerError("names another issuer: 'https://b'")]
)
def test_a_server_that_does_not_answer_is_asked_about_again_or_left_out(
    scene: Scene, error: PairletError
) -> None:
    scene.trouble = [error]
    scene.run("--json", answers=ANSWERS)
    assert len(scene.asked) == 2 and json.loads(scene.stdout.getvalue())["checked"] is True
    scene.trouble = [error]
    scene.stdout.truncate(0)
    scene.stdout.seek(0)
    scene.run("--force", "--json", answers={**ANSWERS, "Go on without": ["y"]})
    said = json.loads(scene.stdout.getvalue())
    assert said["checked"] is False and str(error) in said["notes"][0]


def test_a_private_ca_can_be_named_when_it_is_missed(scene: Scene) -> None:
    scene.trouble = [TlsError("who is that?")]
    config = scene.run(answers={**ANSWERS, "private CA": ["ca.pem"]})
    assert config.text("oauth.ca_file") == str(scene.folder / "ca.pem") == scene.asked[1]["ca_file"]
    # No file, and a wrong one: neither is kept when the server is asked about again.
    scene.trouble = [TlsError("who is that?")] * 3
    answers = {**ANSWERS, "private CA": ["-", "wrong.pem"], "Go on without": ["n", "n"]}
    assert scene.run("--force", answers=answers).text("oauth.ca_file") == ""
    assert [asked.get("ca_file", "")[-9:] for asked in scene.asked[2:]] == ["", "", "wrong.pem", ""]
    scene.trouble = [TlsError("who is that?")]
    error = scene.refused("--force", "--issuer", ISSUER, "--ca-file", "ca.pem", answers=ANSWERS)
    assert error.exit_code == 7 and "private CA" not in scene.screen


def test_no_is_no_when_options_have_said_who_the_server_is(scene: Scene) -> None:
    scene.trouble = [TransportError("no route")]
    assert scene.refused("--issuer", ISSUER, answers=ANSWERS).exit_code == 5
    del scene.members["device_authorization_endpoint"]
    assert scene.refused("--issuer", ISSUER, answers=ANSWERS).exit_code == 2


def test_a_secret_in_the_body_where_the_server_wants_it_there(scene: Scene) -> None:
    scene.members["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    config = scene.run(*FOR_ITSELF, "--client-secret-env", "SECRET")
    assert config.text("oauth.client_auth") == "client_secret_post"
    scene.members["token_endpoint_auth_methods_supported"] = ["tls_client_auth"]
    error = scene.refused(*FOR_ITSELF, "--client-secret-env", "SECRET", "--force")
    assert "tls_client_auth" in str(error) and error.exit_code == 2
    answers = {
        **ANSWERS,
        "Whom does": ["device"],
        "client secret?": ["file", "key"],
        "all the same?": ["n", "y"],
    }
    config = scene.run("--force", answers=answers)
    assert config.text("oauth.client_auth") == "private_key_jwt" and not config.text(
        "oauth.client_secret_file"
    )


def test_a_scope_that_the_server_does_not_name_is_asked_about_again(scene: Scene) -> None:
    answers = {**ANSWERS, "scopes": ["telemetrie", "openid strange"], "all the same?": ["", "y"]}
    config = scene.run("--json", answers=answers)
    assert config.text("oauth.scope") == "openid strange"
    assert "does not name telemetrie." in scene.screen
    notes = json.loads(scene.stdout.getvalue())["notes"]
    assert "strange" in notes[0] and "telemetrie" not in str(notes)


def test_a_provider_that_says_nothing_of_the_grant_is_not_vouched_for(scene: Scene) -> None:
    answers: dict[str, list[str | bytes]] = {
        "Whose": ["github"],
        "Is there a browser": ["y"],
        "client_id": ["x"],
    }
    scene.run(answers=answers)
    assert "Nothing says here whether the provider offers authorization_code" in scene.screen
    assert "not checked with the server" in scene.stderr.getvalue()
    answers |= {"Whose": ["google"], "scopes": ["email"]}
    scene.run("--force", answers=answers)
    assert (
        "names no authorization_endpoint" in scene.screen and "The server offers device_code" in scene.screen
    )


def test_plain_http_takes_a_yes(scene: Scene) -> None:
    answers = {**ANSWERS, "its issuer": ["http://127.0.0.1:1", ISSUER], "Allow them?": ["n"]}
    assert scene.run(answers=answers).text("oauth.issuer") == ISSUER
    answers = {**ANSWERS, "its issuer": ["http://127.0.0.1:1"], "Allow them?": ["y"]}
    answers["Which broker"] = ["mqtt://[::1]"]
    config = scene.run("--force", answers=answers)
    assert config.flag("oauth.insecure_http") and config.text("mqtt.url") == "mqtt://[::1]"
    assert scene.screen.count("Allow them?") == 1


# ---- with options ----


def test_options_for_every_question_need_nobody(scene: Scene) -> None:
    config = scene.run(
        *FLAGS, "--json", "--scope", "a  b", "--broker", "mqtts://b", "--set", "telemetry.interval=5s"
    )
    assert config.text("oauth.scope") == "a b" and config.integer("telemetry.interval") == 5000
    said = json.loads(scene.stdout.getvalue())
    written = README.read_text().split('{"event": "configured",')[1].splitlines()[0]
    assert list(json.loads('{"event": "configured",' + written)) == list(said)
    assert said.pop("at") and said.pop("event") == "configured" and said.pop("file") == str(scene.file)
    assert said == {
        "for": "person", "browser": False, "grant": "device_code", "provider": "", "issuer": ISSUER,
        "client_id": "my-tv", "scope": "a b", "broker": "mqtts://b", "checked": True, "notes": said["notes"],
    }  # fmt: skip
    assert "a, b" in said["notes"][0] and f"Note: {said['notes'][0]}" in scene.stderr.getvalue()
    assert len(scene.asked) == 1


def test_options_at_a_terminal_leave_only_the_other_questions(scene: Scene) -> None:
    scene.run(*FLAGS, answers={})
    assert [words.split()[0] for words in scene.person.asked] == ["Where", "What", "Which"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ([], ["--for", "--browser or --no-browser", "--issuer or --provider", "--client-id"]),
        (["--for", "device"], ["--issuer or --provider", "--client-id", "--client-key-file"]),
        (["--grant", "device_code", "--issuer", ISSUER], ["--client-id"]),
        ([*FLAGS[:3], "--provider", "aws"], ["--value region=", "--value start_url="]),
        ([*FLAGS[:3], "--provider", "auth0"], ["--issuer", "--client-id", "--set oauth.audience="]),
        ([*FLAGS[:3], "--provider", "google"], ["--client-id", "--client-secret-file", "--scope"]),
        ([*FLAGS, "--broker", "mqtts://b", "--broker-profile", "aws-custom-authorizer"], ["--authorizer"]),
    ],
)
def test_without_a_terminal_what_is_missing_is_named(
    scene: Scene, words: list[str], missing: list[str]
) -> None:
    error = scene.refused(*words)
    assert "no terminal" in str(error) and error.exit_code == 2 and not scene.asked
    assert all(option in error.advice for option in missing), error.advice
    others = {"--for", "--client-id", "--scope", "--issuer", "--authorizer"} - set(" ".join(missing).split())
    assert not [option for option in others if option + "," in error.advice.replace(";", ",")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--grant", "implicit"], "RFC 9700 section 2.1.2"),
        (["--grant", "password"], "RFC 9700 section 2.4"),
        (["--grant", "code"], "oauth.grant is 'code'"),
        (["--grant", "client_credentials"], "acts for a person"),
        (["--issuer", "ftp://x"], "--issuer: that is not an address"),
        (["--issuer", "http://127.0.0.1"], "for trying things out"),
        (["--provider", "githup"], "no provider 'githup'"),
        (["--value", "a=b"], "what a profile leaves open"),
        (["--provider", "github", "--value", "tenant=x"], "knows no provider value 'tenant'"),
        (["--provider", "github", "--value", "tenant"], "no NAME=VALUE"),
        (["--client-id", " "], "printable ASCII"),
        (["--scope", "\\"], "neither quotes"),
        (["--issuer=--"], "--issuer: that is not an address"),
        (["--set=--"], "no NAME=VALUE"),
        (["--client-secret-env", "my secret"], "no name of an environment variable"),
        (["--client-secret-credential", "a/b"], "no name of a systemd credential"),
        (["--broker", "https://b"], "mqtts://"),
        (["--broker", "mqtt://127.0.0.1"], "for trying things out"),
        (["--broker", "mqtts://b", "--broker-profile", "x"], "no profile 'x'"),
        (["--set", "oauth.issuer=https://x"], "there is an option"),
        (["--set", "oauth.isuer=https://x"], "no setting 'oauth.isuer'"),
        (["--set", "telemetry.interval=soon"], "telemetry.interval"),
        (["--set", "telemetry.interval"], "no NAME=VALUE"),
    ],
)
def test_an_option_of_no_use_is_refused_by_name(scene: Scene, words: list[str], said: str) -> None:
    error = scene.refused(*FLAGS, "--offline", *words)
    assert said in f"{error} {error.advice}" and error.exit_code == 2


def test_a_server_that_does_not_offer_it_or_is_not_there_ends_it_and_offline_does_not(scene: Scene) -> None:
    scene.trouble = [TransportError("no route")]
    error = scene.refused(*FLAGS)
    assert error.exit_code == 5 and "--offline" in error.advice
    del scene.members["device_authorization_endpoint"]
    error = scene.refused(*FLAGS)
    assert (
        error.exit_code == 2 and "authorization_code will do" in error.advice and "--offline" in error.advice
    )
    scene.asked.clear()
    assert scene.run(*FLAGS, "--offline").text("oauth.grant") == "device_code" and not scene.asked
    assert "not checked with the server" in scene.stderr.getvalue()


def test_nothing_is_replaced_without_force(scene: Scene) -> None:
    scene.file.write_text("# mine\n")
    assert "--force" in scene.refused(*FLAGS).advice and scene.file.read_text() == "# mine\n"
    assert scene.run(*FLAGS, "--force").text("oauth.client_id") == "my-tv"


def test_a_file_elsewhere_finds_the_secret_and_the_next_steps_name_it(scene: Scene) -> None:
    words = [*FOR_ITSELF, "--client-secret-file", "secret", "etc/kiosk.toml"]
    assert scene.run(*words).text("oauth.client_secret_file") == str(scene.folder / "secret")
    assert "pairlet run --config etc/kiosk.toml" in scene.stderr.getvalue()
    (scene.folder / "secret").write_text("x")
    scene.stderr.truncate(0)
    scene.run(*words, "--force")
    assert "chmod" not in scene.stderr.getvalue()


# ---- any text at all ----

FALLBACK: dict[str, str] = {
    "client_id": "my-tv",
    "scopes": "a",
    "Which broker": "mqtts://b.example",
    "Which file": "secret",
    "its issuer": ISSUER,
}
SETTING = {
    "client_id": "oauth.client_id",
    "scopes": "oauth.scope",
    "Which broker": "mqtt.url",
    "Which file": "oauth.client_secret_file",
    "its issuer": "oauth.issuer",
}
OPTIONS = (
    "client-id scope broker client-secret-file client-secret-env client-secret-credential issuer provider "
    "value set ca-file grant"
)
# All of Unicode, and more of what breaks quotes, paths and terminals.
TEXTS = st.one_of(
    st.text(),
    st.text("\"'\\#=[]{}~/. \t\x00\x1b\x7f\r\u2028\u202e\udc80äx9-", max_size=12),
    st.text(max_size=5).map(lambda text: "https://" + text),
    st.text(max_size=5).map(lambda text: "mqtts://" + text),
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def expected(question: str, text: str, scene: Scene) -> set[str]:
    """What the setting may be, if `text` is taken."""
    if question == "scopes":
        return {" ".join(text.split()) if text.strip() != "-" else ""}
    if question == "Which file" and "\0" in text:
        return set()  # no path has one: a system won't even look for it
    if question == "Which file":
        return {os.path.normpath(os.path.join(scene.folder, os.path.expanduser(text.strip())))}
    return {text.strip()}


@FEW
@given(typed=st.fixed_dictionaries(dict.fromkeys(FALLBACK, TEXTS)))
def test_whatever_is_typed_is_in_the_file_as_it_was_or_was_refused(
    scene: Scene, typed: dict[str, str]
) -> None:
    # Neither the end of a line nor that of all typing (Ctrl-D).
    typed = {question: text.replace("\n", " ").replace("\x04", " ") for question, text in typed.items()}
    answers: dict[str, list[str | bytes]] = {
        question: [text, FALLBACK[question]] for question, text in typed.items()
    }
    answers.update({"client secret?": ["file"], "Allow them?": ["y"]})
    config = scene.run("--force", "--offline", answers=answers)
    for question, text in typed.items():
        value, fallback = config.text(SETTING[question]), FALLBACK[question]
        left_out = {"", "client_secret"} if not text.strip() or text.strip() == "-" else set()
        taken = expected(question, text, scene) | expected(question, fallback, scene)
        taken |= {str(scene.folder / "client_secret")} if left_out and question == "Which file" else left_out
        assert value in taken, (question, text)


@FEW
@given(
    option=st.sampled_from(OPTIONS.split()),
    text=TEXTS,
)
def test_whatever_an_option_says_is_in_the_file_or_is_refused_in_a_sentence(
    scene: Scene, option: str, text: str
) -> None:
    with contextlib.suppress(FileNotFoundError):
        scene.file.unlink()
    given = f"tenant={text}" if option == "value" else f"oauth.audience={text}" if option == "set" else text
    words = [*FLAGS, "--provider", "entra", "--scope", "a", "--offline", f"--{option}={given}"]
    try:
        config = scene.run(*words)
    except ConfigError as error:
        assert not scene.file.exists() and error.advice
        return
    except SystemExit as refusal:
        assert not scene.file.exists() and refusal.code == 2
        return
    value: Callable[[str], str] = config.text
    name = {"set": "oauth.audience", "broker": "mqtt.url", "value": "oauth.provider_values"}.get(option)
    name = name or "oauth." + option.replace("-", "_")
    if option == "value":
        assert config.get(name) == {"tenant": text.strip()}
    elif option in ("client-secret-file", "ca-file"):
        assert {os.path.normpath(value(name))} == expected("Which file", text, scene)
    elif option == "provider":
        assert value(name) == text.strip().lower()
    elif option == "scope":
        assert {value(name)} == expected("scopes", text, scene)
    else:
        assert value(name) == ("" if text.strip() == "-" and option == "broker" else text.strip())
