"""No secret in a log, a repr, an event, a URL or the database file."""

import logging
import sqlite3

import pytest
from pairlet_sim.authserver import Client, Person


def _story(site) -> list[str]:
    """Everything that can happen to a pairing; returns all secrets that were part of it."""
    codes = site.start_pairing(device_id="tv-1", device_name="TV")
    site.poll(codes["device_code"])
    site.decide(codes)
    first = site.poll(codes["device_code"]).json()
    second = site.refresh(first["refresh_token"]).json()
    site.introspect(second["access_token"])
    site.refresh("made-up-refresh-token")
    site.post("/token", {"grant_type": "password", "username": "ada", "password": "typed-password"})
    site.post("/token", {"grant_type": "client_credentials"}, auth=("kiosk", "kiosk-secret"))
    site.post("/token", {"grant_type": "client_credentials"}, auth=("kiosk", "wrong-secret"))
    site.post("/revoke", {"token": second["refresh_token"], "client_id": "tv"})
    site.post("/token?refresh_token=in-the-query", {"grant_type": "refresh_token", "client_id": "tv"})
    return [
        codes["device_code"], first["access_token"], first["refresh_token"], second["access_token"],
        second["refresh_token"], "correct horse", "kiosk-secret", "wrong-secret", "broker-secret",
        "made-up-refresh-token", "typed-password", "in-the-query",
    ]  # fmt: skip


def test_nothing_in_logs_events_and_reprs(start, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    site = start()
    secrets = _story(site)
    # requests logs addresses of its own; we judge the server.
    logged = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("urllib3")
    )
    # The logs of Authlib are there: this test would see what they leak.
    assert "Issue token" in logged
    out, err = capfd.readouterr()
    seen = logged + out + err + repr(site.server.events) + repr(site.server.settings)
    assert [secret for secret in secrets if secret in seen] == []


def test_user_codes_are_in_no_log(start, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    site = start()
    codes = site.start_pairing()
    site.http.get(codes["verification_uri_complete"], timeout=30)
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("urllib3")]
    out, err = capfd.readouterr()
    assert codes["user_code"] not in "\n".join(logged) + out + err + repr(site.server.events)


def test_tokens_and_passwords_are_not_in_the_database(start, tmp_path):
    path = tmp_path / "as.db"
    site = start(database=str(path))
    secrets = _story(site)
    assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as connection:
        dump = "\n".join(connection.iterdump())
    assert "tv-1" in dump
    assert [secret for secret in secrets if secret in dump] == []


def test_errors_tell_no_stack(site):
    for place in ("/token", "/device_authorization", "/sign-in", "/nothing"):
        assert "Traceback" not in site.post(place, b"\x00\xff").text


@pytest.mark.parametrize(
    "shown", [repr(Person("ada", "topsecret")), repr(Client("kiosk", secret="topsecret"))]
)
def test_reprs(shown):
    assert "topsecret" not in shown
    assert "ada" in shown or "kiosk" in shown
