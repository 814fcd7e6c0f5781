"""How a device shows its token to each kind of broker."""

from pairlet.broker_profiles import PROFILES
from pairlet.core.errors import ConfigError
from pairlet.core.mqtt import Credentials
from pairlet.core.secret import Secret
from pairlet.login import make_login, profile_of
from pairlet.settings import Settings

TOKEN = Secret("hidden-token")


def login(**mqtt):
    values = {"mqtt.topic_prefix": "devices/{device_id}"}
    for name in mqtt:
        values["mqtt." + name] = mqtt[name]
    return make_login(Settings(values), "d1").credentials(TOKEN)


def refused(**mqtt):
    try:
        login(**mqtt)
    except ConfigError as error:
        assert error.advice and "hidden" not in str(error)
        return str(error)
    raise AssertionError("nothing was raised")


def test_the_token_is_the_password_unless_somebody_says_otherwise():
    for profile in (None, "generic", "rabbitmq", "emqx", "hivemq"):
        credentials = login(profile=profile)
        assert credentials.login() == ("d1", "hidden-token") and not credentials.method
    assert login(username="kiosk-{device_id}/{client_id}", client_id="c").login()[0] == "kiosk-d1/c"


def test_the_token_can_be_the_user_name():
    for credentials in (login(profile="mosquitto-go-auth"), login(token_in="username")):
        username, password = credentials.login()
        assert username == "hidden-token" and password and password != username
        assert credentials.token() == "hidden-token"
        assert "hidden" not in repr(credentials)


def test_aws_wants_to_know_the_authorizer():
    credentials = login(profile="aws-custom-authorizer", authorizer="tokens")
    assert credentials.login() == ("d1?x-amz-customauthorizer-name=tokens", "hidden-token")
    assert "mqtt.authorizer" in refused(profile="aws-custom-authorizer")


def test_azure_wants_enhanced_authentication():
    credentials = login(profile="azure-event-grid", client_id="c7")
    assert credentials.login() == ("c7", None) and credentials.method == "CUSTOM-JWT"
    assert credentials.token() == "hidden-token"
    credentials = login(profile="azure-event-grid", auth_method="OAUTH2-JWT")
    assert credentials.method == "OAUTH2-JWT" and credentials.login()[0] == "d1"
    assert "mqtt.auth_method" in refused(token_in="enhanced")
    # A setting of its own wins over the profile.
    assert login(profile="azure-event-grid", token_in="password").login()[1] == "hidden-token"


def test_an_unknown_profile_and_a_long_prefix_are_refused():
    assert "mqtt.profile" in refused(profile="rabbit")
    deep = "a/b/c/d/e/f/g"
    assert "mqtt.topic_prefix" in refused(profile="azure-event-grid", topic_prefix=deep)
    assert "mqtt.topic_prefix" in refused(profile="azure-event-grid", topic_prefix="a" * 240)
    assert login(profile="rabbitmq", topic_prefix=deep).login()[0] == "d1"


def test_every_profile_can_be_used():
    for name in PROFILES:
        profile = profile_of(Settings({"mqtt.profile": name}))
        assert profile.token_in in ("password", "username", "enhanced")
        assert (profile.token_in == "enhanced") == bool(profile.method)
        assert login(profile=name, authorizer="x").token() == "hidden-token"


def test_credentials_show_nothing():
    for credentials in (Credentials(TOKEN, None), Credentials("d1", TOKEN), Credentials("d1", TOKEN, "X")):
        assert "hidden" not in repr(credentials) and "hidden" not in str(credentials)
