"""How a device shows its access token to a broker, and what that broker wants besides."""

from collections import namedtuple

from .core.errors import ConfigError
from .core.mqtt import Login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .settings import Settings

# Where the token goes: the user name and password of CONNECT, or the authentication data of MQTT 5.
PASSWORD, USERNAME, ENHANCED = "password", "username", "enhanced"

# What differs from broker to broker. username: a template. method: the authentication method (MQTT 5 section
# 4.12) of ENHANCED. will_delay_s: how long a broker is to wait before it publishes the will. max_packet,
# topic_bytes, topic_levels: what it takes at most, 0 where nobody has said.
Profile = namedtuple(
    "Profile", ("token_in", "username", "method", "will_delay_s", "max_packet", "topic_bytes", "topic_levels")
)

GENERIC = Profile(PASSWORD, "{device_id}", "", 10, 0, 0, 0)

# The longest that is published below the prefix: /reply/ and a name of 16.
_BELOW_LEVELS = 2
_BELOW_BYTES = 24


def profile_of(config: "Settings") -> Profile:
    """The profile that `[mqtt] profile` names, with what the settings say instead. Raises ConfigError."""
    name = config.text("mqtt.profile")
    profile = GENERIC
    if name:
        from .broker_profiles import PROFILES  # a board forgets it in between

        if name not in PROFILES:
            raise ConfigError(
                f"mqtt.profile is '{name}'",
                "Use one of: " + ", ".join(sorted(PROFILES)) + ", or leave it out.",
            )
        profile = PROFILES[name]
    token_in = config.text("mqtt.token_in") or profile.token_in
    method = config.text("mqtt.auth_method") or profile.method
    if token_in == ENHANCED and not method:
        raise ConfigError(
            "mqtt.token_in is 'enhanced' and there is no mqtt.auth_method", "Set what the broker calls it."
        )
    return Profile(
        token_in,
        config.text("mqtt.username") or profile.username,
        method if token_in == ENHANCED else "",
        *profile[3:],
    )


def make_login(config: "Settings", device_id: str) -> Login:
    """What makes the credentials of each CONNECT. Raises ConfigError for what the broker can't take."""
    profile = profile_of(config)
    authorizer = config.text("mqtt.authorizer")
    if "{authorizer}" in profile.username and not authorizer:
        raise ConfigError("mqtt.authorizer is missing", "Set the name of the custom authorizer.")
    prefix = config.text("mqtt.topic_prefix").replace("{device_id}", device_id)
    levels = 1 + prefix.count("/") + _BELOW_LEVELS
    most = (profile.topic_bytes or 65535) - _BELOW_BYTES
    if 0 < profile.topic_levels < levels or most < len(prefix.encode()):
        raise ConfigError(
            "mqtt.topic_prefix is too long for this broker",
            f"Use at most {profile.topic_levels - _BELOW_LEVELS} levels and {most} bytes.",
        )
    username = profile.username.replace("{device_id}", device_id).replace("{authorizer}", authorizer)
    username = username.replace("{client_id}", config.text("mqtt.client_id") or device_id)
    return Login(username, profile.token_in == USERNAME, profile.method)
