"""pairlet.core.client: identification and authentication of the client."""

from binascii import a2b_base64

from pairlet.core.client import BASIC, NONE, POST, Client
from pairlet.core.errors import ConfigError
from pairlet.core.secret import Secret
from scenario import CLIENT_SECRET, fields, header, refused, secret_client, unquoted

TOKEN = "https://auth.example/token"


def basic(request):
    """The (id, secret) of the one Authorization header, still form-encoded."""
    values = header(request, "authorization")
    assert len(values) == 1 and values[0].startswith("Basic ")
    name, _, secret = a2b_base64(values[0][6:]).decode().partition(":")
    return name, secret


def test_item_02_item_25_a_public_client_names_itself_in_the_body():
    request = Client("tv").request(TOKEN, [("a", "b")])
    assert fields(request) == [("a", "b"), ("client_id", "tv")]
    assert not header(request, "authorization")


def test_item_25_a_device_is_a_public_client_unless_told_otherwise():
    assert Client("tv").client_auth == NONE
    assert Client("tv", Secret("")).client_auth == NONE


def test_item_03_item_29_a_secret_means_authentication():
    client = secret_client()
    assert client.client_auth == BASIC
    assert basic(client.request(TOKEN, [])) == ("tv", CLIENT_SECRET)


def test_item_28_basic_credentials_are_form_encoded_first():
    client = Client("tv 1:é", Secret("a:b c%&/+"))
    name, secret = basic(client.request(TOKEN, []))
    assert ":" not in secret and " " not in secret
    assert (unquoted(name), unquoted(secret)) == ("tv 1:é", "a:b c%&/+")


def test_a_long_secret_stays_on_one_line():
    value = header(Client("tv", Secret("x" * 500)).request(TOKEN, []), "authorization")[0]
    assert "\n" not in value and "\r" not in value
    assert a2b_base64(value[6:]).decode() == "tv:" + "x" * 500


def test_item_28_basic_does_not_repeat_the_secret_in_the_body():
    request = secret_client(BASIC).request(TOKEN, [("a", "b")])
    assert fields(request) == [("a", "b")]


def test_client_secret_post():
    request = secret_client(POST).request(TOKEN, [("a", "b")])
    assert fields(request) == [("a", "b"), ("client_id", "tv"), ("client_secret", CLIENT_SECRET)]
    assert not header(request, "authorization")


def test_a_secret_is_not_sent_when_told_so():
    request = secret_client(NONE).request(TOKEN, [])
    assert fields(request) == [("client_id", "tv")] and not header(request, "authorization")


def test_item_28_nothing_secret_in_the_address():
    for method in (NONE, BASIC, POST):
        request = secret_client(method).request(TOKEN, [("device_code", "d")])
        assert request.url == TOKEN


def test_item_27_post_and_the_query_of_the_endpoint_stays():
    request = Client("tv").request(TOKEN + "?tenant=7", [("a", "b")])
    assert request.method == "POST"
    assert request.url == TOKEN + "?tenant=7"


def test_item_01_the_body_is_a_form_and_the_answer_shall_be_json():
    request = Client("tv").request(TOKEN, [("scope", "a é")])
    assert header(request, "content-type") == ["application/x-www-form-urlencoded"]
    # Some servers answer with a form unless asked.
    assert header(request, "accept") == ["application/json"]
    assert request.body == b"scope=a+%C3%A9&client_id=tv"


def test_the_parameters_of_the_caller_are_not_changed():
    pairs = [("a", "b")]
    Client("tv").request(TOKEN, pairs)
    assert pairs == [("a", "b")]


def test_what_does_not_fit_together_is_refused():
    for method in ("", "basic", "private_key_jwt", "NONE"):
        error = refused(ConfigError, Client, "tv", Secret("hidden"), method)
        assert "hidden" not in str(error) + repr(error) + error.advice
    for method in (BASIC, POST):
        refused(ConfigError, Client, "tv", None, method)
        refused(ConfigError, Client, "tv", Secret(""), method)
