"""pairlet.core.errors: one tree, one exit code and one advice each."""

from pairlet.core import errors
from pairlet.core.errors import BrokerError, OAuthError, PairletError, ProtocolError

EXIT_CODES = {
    "ConfigError": 2,
    "TransportError": 5,
    "ProtocolError": 6,
    "TlsError": 7,
    "IssuerError": 7,
    "StoreError": 8,
}


def test_exit_codes_are_the_contract_of_the_command_line():
    for name in EXIT_CODES:
        error = getattr(errors, name)("it broke")
        assert isinstance(error, PairletError) and isinstance(error, Exception)
        assert error.exit_code == EXIT_CODES[name], name
        assert str(error) == "it broke" and error.advice


def test_oauth_errors_carry_code_and_description():
    error = OAuthError("invalid_scope", "no such scope")
    assert error.error == "invalid_scope" and error.error_description == "no such scope"
    assert "invalid_scope" in str(error) and "no such scope" in str(error)
    assert OAuthError("x").error_description is None


def test_oauth_exit_codes():
    for code, exit_code in (
        ("access_denied", 3),
        ("expired_token", 4),
        ("invalid_grant", 6),
        ("never_heard", 6),
    ):
        error = OAuthError(code)
        assert error.exit_code == exit_code and error.advice, code


def test_advice_of_the_place_wins():
    assert ProtocolError("m", "Do this.").advice == "Do this."
    assert OAuthError("invalid_grant", None, "Do that.").advice == "Do that."
    # ... and stays with that one error.
    assert ProtocolError("m").advice != "Do this."


def test_broker_errors():
    error = BrokerError("refused", 0x87)
    assert error.reason_code == 0x87 and isinstance(error, ProtocolError) and error.exit_code == 6
