"""pairlet.core.authorization_response: believed only with our state and the right issuer."""

from pairlet.core.authorization_response import AuthorizationResponse, parameters
from pairlet.core.errors import IssuerError, OAuthError, ProtocolError
from pairlet.core.secret import Secret

STATE = Secret("st4te-hidden")
ISSUER = "https://auth.example"


def read(query, issuer=ISSUER, required=False):
    return AuthorizationResponse.from_query(query, STATE, issuer, required)


def test_item_49_a_code_with_our_state():
    response = read("code=c0de-hidden&state=st4te-hidden")
    assert response.error is None and response.code.reveal() == "c0de-hidden"
    assert "hidden" not in repr(response) + repr(response.code)


def test_item_49_without_our_state_nothing_counts():
    for query in (
        "",
        "code=x",
        "code=x&state=",
        "code=x&state=other",
        "code=x&state=st4te-hidde",
        "code=x&state=st4te-hidden2",
        "code=x&state=ST4TE-HIDDEN",
        "error=access_denied",
        "error=access_denied&state=other",
    ):
        assert read(query) is None, query


def test_what_is_not_well_formed_or_repeats_is_nobody_s_answer():
    good = "&state=st4te-hidden"
    for query in (
        "code=a&code=b",
        "code=a&state=other",
        "code=%",
        "code=%4",
        "code=%zz",
        "code=%ff",
        "code=%+1",
    ):
        assert read(query + good) is None, query
    assert read("code=" + "x" * 9000 + good) is None
    assert read("&".join(["a%d=1" % number for number in range(60)]) + good) is None


def test_parameters_are_decoded():
    assert parameters("a=1+2&b=%C3%A4%26&c=&d") == {"a": "1 2", "b": "ä&"}
    assert parameters("") == {}
    assert read("code=a%2Fb&state=st4te%2Dhidden&session_state=x").code.reveal() == "a/b"


def test_an_error_in_place_of_a_code():
    response = read("error=access_denied&error_description=not+today&state=st4te-hidden")
    assert response.code is None and isinstance(response.error, OAuthError)
    assert response.error.error == "access_denied" and response.error.error_description == "not today"
    assert response.error.exit_code == 3 and "code" not in response.error.advice
    for code in ("server_error", "temporarily_unavailable", "unauthorized_client", "login_required", "x"):
        error = read("state=st4te-hidden&error=" + code).error
        assert error.error == code and error.advice


def test_text_from_elsewhere_steers_no_screen():
    error = read("error=x&error_description=%1b[2J%E2%80%AEevil&state=st4te-hidden").error
    assert "\x1b" not in str(error) and "\u202e" not in str(error)
    error = read("error=%1b[2J&state=st4te-hidden").error
    assert isinstance(error, ProtocolError) and "\x1b" not in str(error)
    error = read("code=x&state=st4te-hidden&iss=%1b[2J").error
    assert "\x1b" not in str(error)


def test_neither_a_code_nor_an_error():
    assert isinstance(read("state=st4te-hidden").error, ProtocolError)


def test_item_50_the_issuer_is_the_one_that_was_asked():
    good = "code=x&state=st4te-hidden"
    assert read(good + "&iss=https%3A%2F%2Fauth.example", required=True).code.reveal() == "x"
    assert read(good).code.reveal() == "x", "a server that does not say so need not name itself"
    for query in (good + "&iss=https%3A%2F%2Fevil.example", good + "&iss=https%3A%2F%2Fauth.example%2F"):
        for required in (True, False):
            response = read(query, required=required)
            assert response.code is None and isinstance(response.error, IssuerError)
            assert response.error.exit_code == 7
    # One that always names itself, and does not.
    for query in (good, good + "&iss=", "error=access_denied&state=st4te-hidden"):
        assert isinstance(read(query, required=True).error, IssuerError)
    # Endpoints that were configured by hand have no issuer to compare with.
    assert read(good + "&iss=https%3A%2F%2Fx.example", issuer=None).code.reveal() == "x"


def test_item_50_an_error_from_another_server_is_a_mix_up_first():
    response = read("error=access_denied&state=st4te-hidden&iss=https%3A%2F%2Fevil.example")
    assert isinstance(response.error, IssuerError)
