"""Settings that make no sense are refused by name, and what is kept survives a restart."""

import pytest
from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings, SettingsError
from pairlet_sim.authserver.passwords import hash_password, verify_password
from pairlet_sim.authserver.user_code import new_user_code, normalise

ISSUER = "https://as.example"


@pytest.mark.parametrize(
    "issuer",
    ["", "as.example", "http://as.example", "http://192.0.2.1", "ftp://as.example", "https://", "https://a.b?c",
     "https://a.b#c", "https://a.b/?", "https://u:p@a.b", "https://a.b/{x}", "https://a.b//c", "https://a.b:x",
     "https://[::1"],
)  # fmt: skip
def test_issuers_that_are_none(issuer):
    with pytest.raises(SettingsError, match="issuer"):
        Settings(issuer)


@pytest.mark.parametrize(
    "issuer", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://a.b", "https://a.b/c/"]
)
def test_issuers_that_are_fine(issuer):
    assert AuthorizationServer(Settings(issuer)).settings.issuer == issuer


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Settings(ISSUER, interval_s=0), "interval_s"),
        (lambda: Settings(ISSUER, code_lifetime_s=-1), "code_lifetime_s"),
        (lambda: Settings(ISSUER, access_token_lifetime_s=1.5), "access_token_lifetime_s"),
        (lambda: Settings(ISSUER, attempts_allowed=True), "attempts_allowed"),
        (lambda: Settings(ISSUER, refresh_token_lifetime_s=0), "refresh_token_lifetime_s"),
        (lambda: Settings(ISSUER, refresh_grace_s=-1), "refresh_grace_s"),
        (lambda: Settings(ISSUER, audience=""), "audience"),
        (lambda: Settings(ISSUER, device_scopes=["a b"]), "device scope"),
        (lambda: Settings(ISSUER, device_scopes=["a.{device}"]), "device scope"),
        (lambda: Settings(ISSUER, clients=[Client("a"), Client("a")]), "client_id 'a' is given twice"),
        (
            lambda: Settings(ISSUER, people=[Person("a", "b"), Person("A", "c", sub="x")]),
            "username 'a' is given",
        ),
        (lambda: Client(""), "client_id"),
        (lambda: Client("ä"), "client_id"),
        (lambda: Client("a", secret=""), "secret"),
        (lambda: Client("a", scopes=("a b",)), "scope"),
        (lambda: Client("a", grant_types=("password",)), "password"),
        (lambda: Client("a", grant_types=("client_credentials",)), "secret"),
        (lambda: Person("", "x"), "username"),
        (lambda: Person("x", ""), "password"),
    ],
)
def test_other_nonsense(make, sentence):
    with pytest.raises(SettingsError, match=sentence):
        make()


def test_a_database_that_can_not_be_opened(tmp_path):
    (tmp_path / "text").write_text("not a database, but long enough to look like something else" * 50)
    for path in (tmp_path / "missing" / "as.db", tmp_path, tmp_path / "text"):
        with pytest.raises(SettingsError, match="can't be opened"):
            AuthorizationServer(Settings(ISSUER, database=str(path)))


def test_tokens_outlast_a_restart(start, tmp_path):
    database = str(tmp_path / "as.db")
    one = start(database=database)
    token = one.pair()
    waiting = one.start_pairing()
    two = start(database=database)
    assert two.server.jwks == one.server.jwks
    assert two.introspect(token["access_token"])["active"]
    assert two.refresh(token["refresh_token"]).status_code == 200
    assert two.poll(waiting["device_code"]).json()["error"] == "authorization_pending"


def test_a_person_who_is_gone_takes_the_tokens_along(start, tmp_path, error):
    database = str(tmp_path / "as.db")
    token = start(database=database).pair()
    after = start(database=database, people=[])
    error(after.refresh(token["refresh_token"]), "invalid_grant")


def test_passwords():
    one, two = hash_password("pw"), hash_password("pw")
    assert one != two
    assert verify_password("pw", one)
    assert verify_password("pw", two)
    assert not verify_password("pw ", one)
    assert "pw" not in one


def test_user_codes_read_back():
    for _ in range(50):
        code = new_user_code()
        assert normalise(f" {code.lower()} ") == code
        assert normalise(code.replace("-", "")) == code


@pytest.mark.parametrize(
    "typed", ["", "BBBB", "BBBB-BBB", "BBBB-BBBBB", "AAAA-AAAA", "BBBB-BBB1", "ß" * 9, "-" * 99]
)
def test_what_is_no_user_code(typed):
    assert normalise(typed) is None
