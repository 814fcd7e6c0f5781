"""pairlet.linux.client_auth.secret: from a file, a systemd credential or the environment, nowhere else."""

from pathlib import Path

import pytest
from pairlet.core.errors import ConfigError
from pairlet.core.secret import Secret
from pairlet.linux.client_auth.secret import Source, read_secret

SECRET = "s3cret +/:%"


def client_secret(file: str, credential: str, variable: str, environ: dict[str, str]) -> Secret | None:
    """The client secret from where it is said to be."""
    return read_secret(Source("client_secret", file, credential, variable), environ)


def refused(*arguments: object) -> str:
    """The sentences of the error that it must be."""
    with pytest.raises(ConfigError) as caught:
        client_secret(*arguments)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value) and SECRET not in caught.value.advice
    return f"{caught.value} {caught.value.advice}"


def test_without_any_there_is_none() -> None:
    assert client_secret("", "", "", {"CREDENTIALS_DIRECTORY": "/nowhere"}) is None


def test_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f" {SECRET}\n")
    secret = client_secret(str(file), "", "", {})
    assert secret is not None and secret.reveal() == SECRET and SECRET not in repr(secret)
    file.write_text(SECRET + "\n", encoding="utf-8-sig")  # as some editors do
    secret = client_secret(str(file), "", "", {})
    assert secret is not None and secret.reveal() == SECRET
    file.write_text("\n")
    assert "empty" in refused(str(file), "", "", {})
    file.write_bytes(b"\xff\xfe")
    assert "not text" in refused(str(file), "", "", {})
    assert "client_secret_file" in refused(str(tmp_path / "gone"), "", "", {})
    assert "can't be read" in refused(str(tmp_path), "", "", {})


def test_from_a_systemd_credential(tmp_path: Path) -> None:
    (tmp_path / "meter").write_text(SECRET + "\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    secret = client_secret("", "meter", "", environ)
    assert secret is not None and secret.reveal() == SECRET
    assert "client_secret_credential" in refused("", "other", "", environ)
    assert "LoadCredential=meter:" in refused("", "meter", "", {})
    for path in ("../meter", "/etc/passwd", "a/b", "..", "."):
        assert "is not a name" in refused("", path, "", environ)


def test_a_file_that_the_unit_hands_over_as_a_credential(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of the file")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    (tmp_path / "credentials").mkdir()
    secret = client_secret(str(file), "", "", environ)
    assert secret is not None and secret.reveal() == "of the file"
    (tmp_path / "credentials" / "client_secret").write_text(SECRET)
    secret = client_secret(str(file), "", "", environ)
    assert secret is not None and secret.reveal() == SECRET


def test_from_the_environment() -> None:
    secret = client_secret("", "", "METER_SECRET", {"METER_SECRET": SECRET + "\n"})
    assert secret is not None and secret.reveal() == SECRET
    for environ in ({}, {"METER_SECRET": " "}):
        assert "METER_SECRET" in refused("", "", "METER_SECRET", environ)


def test_from_two_places_is_from_none(tmp_path: Path) -> None:
    words = refused(str(tmp_path / "secret"), "", "METER_SECRET", {"METER_SECRET": SECRET})
    assert "client_secret_file" in words and "client_secret_env" in words
