"""Brokers that check access tokens, as data. Adding one is adding a line; see Profile for the fields."""

from .login import ENHANCED, GENERIC, PASSWORD, USERNAME, Profile

_DEVICE = "{device_id}"

PROFILES = {
    "generic": GENERIC,
    # The user name is ignored, but has to be there.
    "rabbitmq": Profile(PASSWORD, _DEVICE, "", 10, 16777216, 0, 0),
    "emqx": Profile(PASSWORD, _DEVICE, "", 10, 1048576, 0, 128),
    "hivemq": Profile(PASSWORD, _DEVICE, "", 10, 0, 0, 0),
    # It looks at the token's end when a message is published, not while the connection is silent.
    "mosquitto-go-auth": Profile(USERNAME, "", "", 10, 0, 0, 200),
    "aws-custom-authorizer": Profile(
        PASSWORD, _DEVICE + "?x-amz-customauthorizer-name={authorizer}", "", 0, 131072, 256, 8
    ),
    # Tokens of Microsoft Entra: auth_method = "OAUTH2-JWT".
    "azure-event-grid": Profile(ENHANCED, "{client_id}", "CUSTOM-JWT", 0, 524288, 256, 8),
}
